"""What the verdicts on real trainings claim, against the truth: each task's comparison, five times.

The verdict is given on fresh seeds, as `compare` gives it; the truth are oracle.csv's other seeds. A claim is a word
"better" or "worse", against the baseline or against the first. It is compared with the truth at the chosen rates, and
at each strategy's best rate, which it has not seen. Replays what against.py has recorded; what is lacking is trained.

    python benchmarks/compare/claims.py [--markdown]
"""

import argparse
import math
import statistics
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from record import FILE, Recording
from searchers import compared
from tasks import PROBLEMS, STRATEGIES, show
from truth import Oracle

from ratesmith.experiment.question import Choice
from ratesmith.experiment.standing import Standing

REPETITIONS = 5
HEADING = (
    *("task", "pairs", "claims", "wrong at the chosen rates", "wrong at the best"),
    *("ties", "beyond 1 %", "intervals hold", "seeds"),
)


class Pair(NamedTuple):
    """Two strategies: what was said of them, and what is true, in logarithms of the loss."""

    conclusion: str
    low: float
    high: float
    chosen: float
    """The true difference at the chosen rates."""
    best: float
    """The true difference at the best rates."""

    @property
    def claims(self) -> bool:
        """Whether one was called better or worse."""
        return self.conclusion in ("better", "worse")

    def wrong(self, true: float) -> bool:
        """Whether the word has the wrong direction."""
        return self.claims and (true < 0) != (self.conclusion == "better")


def pairs(standing: Standing, chosen: Mapping[str, Choice], oracle: Oracle) -> Iterator[Pair]:
    """Yield every pair that a table shows: each strategy with the baseline, and with the first."""
    leader = standing.order[0]
    shown = {frozenset((name, other)): (name, other) for name in standing.order for other in (STRATEGIES[0], leader)}
    for name, other in shown.values():
        difference = standing.difference(name, other) if name != other else None
        if difference is None or difference.low is None or difference.high is None:
            continue
        true = [math.log(oracle.truth((one, chosen[one].base_lr)).loss) for one in (name, other)]
        best = [math.log(oracle.best_of(one)) for one in (name, other)]
        yield Pair(difference.conclusion, difference.low, difference.high, true[0] - true[1], best[0] - best[1])


def line(name: str, found: list[Pair], seeds: list[float]) -> list[str]:
    """Return a line of the table."""
    claims = [pair for pair in found if pair.claims]
    ties = [pair for pair in found if pair.conclusion == "tie"]
    return [
        name,
        str(len(found)),
        str(len(claims)),
        str(sum(pair.wrong(pair.chosen) for pair in claims)),
        str(sum(pair.wrong(pair.best) for pair in claims)),
        str(len(ties)),
        str(sum(abs(pair.best) > 0.01 for pair in ties)),
        f"{100 * statistics.fmean(pair.low <= pair.best <= pair.high for pair in found):.0f} %",
        f"{statistics.fmean(seeds):.1f}",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, everything, all_seeds = [], list[Pair](), list[float]()
    for name, problem in PROBLEMS.items():
        recording = Recording(problem, FILE)
        oracle, found, seeds = Oracle(recording), list[Pair](), list[float]()
        for repetition in range(REPETITIONS):
            _, chosen, standing, _ = compared(recording, repetition)
            found += pairs(standing, chosen.search.chosen(), oracle)
            seeds += standing.asked.values()
        rows.append(line(name, found, seeds))
        everything, all_seeds = everything + found, all_seeds + seeds
    rows.append(line("all", everything, all_seeds))
    show("What the verdicts claim", HEADING, rows, given.markdown)


if __name__ == "__main__":
    main()
