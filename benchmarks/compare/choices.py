"""How near each strategy's chosen rate is to its best, and whether the doubt that is stated of it holds.

Replays the product's own choice on oracle.csv: eight times a task, each time with other seeds and another sweep
(centres.csv). Judged by the mean over the seeds that this choice did not see. Takes a minute, and trains nothing.

    python benchmarks/compare/choices.py [--markdown]
"""

import argparse
import csv
import math
import statistics
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from choosing import choose
from tasks import PROBLEMS, SEEN_ONCE, STRATEGIES, UNSEEN, show
from truth import CENTRES, finals

REPETITIONS = 8
FEWEST = 5
"""Seeds from which a mean is a truth to judge by."""
FAR = 0.1
"""A strategy that lags so far behind the best is no contender, unless it is the baseline."""
Finals = Mapping[tuple[str, float], Mapping[int, float]]


class Judged(NamedTuple):
    """One strategy's choice of a rate."""

    regret: float
    """By what share the loss at its chosen rate is above that at its best; infinite if it has none."""
    doubt: float
    contends: bool


class Replay(NamedTuple):
    """One choice, judged."""

    steps: int
    regret: float
    """Of the leading pair, to the best of all."""
    strategies: list[Judged]


def sweeps(problem: str) -> list[tuple[float, int]]:
    """Return the answers of the sweep and its updates, by seed."""
    with CENTRES.open(newline="") as file:
        return [(float(row["rate"]), int(row["steps"])) for row in csv.DictReader(file) if row["problem"] == problem]


def replayed(problem: str, losses: Finals, repetition: int, at_once: int = 1) -> Replay:
    """Make one choice, and judge it by the seeds that it did not see."""
    seeds = tuple((repetition + turn) % REPETITIONS for turn in range(3))
    (suggestion, steps), lattice = sweeps(problem)[repetition], PROBLEMS[problem].lattice
    chosen = choose(lambda *place: losses[place[:2]][place[2]], lattice, suggestion, seeds, at_once)
    unseen = {pair: [loss for seed, loss in its.items() if seed not in seeds] for pair, its in losses.items()}
    truth = {pair: statistics.fmean(its) for pair, its in unseen.items() if len(its) >= FEWEST and pair[1] in lattice}
    bests = {strategy: min(loss for pair, loss in truth.items() if pair[0] == strategy) for strategy in STRATEGIES}
    least, pairs, doubts = min(bests.values()), chosen.search.chosen(), chosen.search.doubts()
    strategies = [
        Judged(
            truth[pairs[strategy]] / best - 1 if strategy in pairs else math.inf,
            doubts.get(strategy, math.inf),
            best / least - 1 < FAR or strategy == STRATEGIES[0],
        )
        for strategy, best in bests.items()
    ]
    leading = chosen.search.leading()
    regret = truth[leading] / least - 1 if leading is not None else math.inf
    return Replay(chosen.steps + steps, regret, strategies)


def line(name: str, replays: Iterable[Replay]) -> list[str]:
    """Return a line of the table."""
    replays = list(replays)
    judged = [strategy for replay in replays for strategy in replay.strategies if strategy.contends]

    def share(holds: Iterable[bool]) -> str:
        found = list(holds)
        return f"{100 * statistics.fmean(found):.0f} %"

    return [
        name,
        share(one.regret <= 0.01 for one in judged),
        share(one.regret <= 0.05 for one in judged),
        f"{100 * statistics.median(one.doubt for one in judged):.1f} %",
        share(math.log1p(one.regret) > one.doubt for one in judged),
        share(replay.regret <= 0.01 for replay in replays),
        f"{statistics.fmean(replay.steps for replay in replays):,.0f}",
    ]


HEADING = ("task", "rate within 1 %", "within 5 %", "doubt", "exceeded", "first within 1 %", "steps")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    replays = {name: [replayed(name, finals(name), turn) for turn in range(REPETITIONS)] for name in PROBLEMS}
    table = [line(name, its) for name, its in replays.items()]
    chose = [name for name in PROBLEMS if name not in (*SEEN_ONCE, *UNSEEN)]
    for kind, names in (
        ("the five that chose", chose),
        ("the three seen once", SEEN_ONCE),
        ("the three unseen", UNSEEN),
    ):
        table.append(line(kind, [replay for name in names for replay in replays[name]]))
    show("How near the chosen rates are to the best", HEADING, table, given.markdown)


if __name__ == "__main__":
    main()
