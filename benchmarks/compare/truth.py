"""The truth: the final loss of every strategy at every rate, over fresh seeds that no tool sees.

All get eight seeds; those within 6 % of their strategy's best get sixteen, so that "within 1 %" means something. A run
that diverged counts with its loss at the beginning. What oracle.csv holds is not trained again.

    python benchmarks/compare/truth.py    # an hour on one core for what the file lacks
"""

import csv
import functools
import math
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from record import FILE as RECORDINGS
from record import Recording, Replayed, ReplayedTask
from tasks import EVERY, PROBLEMS, STEPS, STRATEGIES

from ratesmith import Horizon, Schedule
from ratesmith.finder import find
from ratesmith.strategy import parse

FILE = Path(__file__).with_name("oracle.csv")
CENTRES = Path(__file__).with_name("centres.csv")
FIELDS = ("problem", "strategy", "rate", "seed", "loss")
ORACLE = -1
"""The repetition whose seeds are the oracle's."""
FIRST_SEEDS, SEEDS, NEAR = 8, 16, 1.06
Pair = tuple[str, float]


class Truth(NamedTuple):
    """What a strategy at a rate ends with: the mean loss, and its standard error."""

    loss: float
    error: float
    seeds: int


@functools.cache
def schedule(strategy: str, steps: int) -> tuple[float, ...]:
    """Return the factor of every update."""
    built = parse(strategy).build(Horizon(steps, steps), {})
    assert isinstance(built, Schedule)
    return tuple(float(built(step)) for step in range(steps))


def train(training: Replayed, pair: Pair, told: Callable[[int, float], bool]) -> tuple[int, float]:
    """Train as a loop by hand would: give the updates made and the last loss, NaN where it was stopped or diverged.

    `told` hears each measurement, and says whether to go on.
    """
    strategy, rate = pair
    first = training.evaluate()["loss"]
    for step, factor in enumerate(schedule(strategy, STEPS), 1):
        training.step(rate * factor)
        if step % EVERY:
            continue
        loss = training.evaluate()["loss"]
        if not loss < first + 1000 * max(1.0, first) or not told(step, loss):
            return step, math.nan
    return STEPS, loss


class Oracle:
    """The truth of one problem; a pair that it has not heard of yet is trained."""

    def __init__(self, recording: Recording) -> None:
        """Read what oracle.csv holds of the problem."""
        self.recording = recording
        self._best: tuple[Pair, Truth] | None = None
        self.finals = finals(recording.problem.name)

    @property
    def grid(self) -> list[Pair]:
        """Every strategy at every rate."""
        return [(strategy, rate) for rate in self.recording.problem.rates for strategy in STRATEGIES]

    @property
    def everything(self) -> list[Pair]:
        """Every strategy at every rate of the grid and of the lattice."""
        rates = sorted({*self.recording.problem.rates, *self.recording.problem.lattice})
        return [(strategy, rate) for rate in rates for strategy in STRATEGIES]

    def make(self) -> None:
        """Train all: eight seeds, more for those near their strategy's best."""
        self._more(self.everything, FIRST_SEEDS)
        limits = {strategy: NEAR * self.best_of(strategy) for strategy in STRATEGIES}
        self._more([pair for pair in self.everything if self.truth(pair).loss <= limits[pair[0]]], SEEDS)

    def best_of(self, strategy: str) -> float:
        """Return the loss of a strategy at its best rate."""
        return min(self.truth(pair).loss for pair in self.everything if pair[0] == strategy)

    def _more(self, pairs: Iterable[Pair], seeds: int) -> None:
        wanted, self._best = list(pairs), None
        for seed in range(seeds):
            for rate in sorted({rate for _, rate in wanted}):
                for pair in (pair for pair in wanted if pair[1] == rate):  # what begins alike follows on each other
                    if seed not in self.finals.get(pair, {}):
                        training = ReplayedTask(self.recording, ORACLE).start(seed)
                        first = training.evaluate()["loss"]
                        _, loss = train(training, pair, lambda step, loss: True)
                        self.finals.setdefault(pair, {})[seed] = loss if math.isfinite(loss) else first

    def truth(self, pair: Pair) -> Truth:
        """Return what a pair ends with."""
        if len(self.finals.get(pair, {})) < FIRST_SEEDS:
            self._more([pair], FIRST_SEEDS)
        found = list(self.finals[pair].values())
        return Truth(statistics.fmean(found), statistics.stdev(found) / math.sqrt(len(found)), len(found))

    @property
    def best(self) -> tuple[Pair, Truth]:
        """Return the best pair of the grid."""
        if self._best is None:
            self._best = min(((pair, self.truth(pair)) for pair in self.grid), key=lambda one: one[1].loss)
        return self._best

    def regret(self, pair: Pair | None) -> float:
        """Return by what share a pair is worse than the best; infinite for none."""
        return math.inf if pair is None else self.truth(pair).loss / self.best[1].loss - 1

    def error(self, pair: Pair) -> float:
        """Return the standard error of a pair's difference to the best, over the seeds of both, as a share."""
        mine, its = self.finals[pair], self.finals[self.best[0]]
        changes = [mine[seed] - its[seed] for seed in mine if seed in its]
        return statistics.stdev(changes) / math.sqrt(len(changes)) / self.best[1].loss


def finals(problem: str) -> dict[Pair, dict[int, float]]:
    """Return the final losses of a problem that the file holds, by pair and seed."""
    losses: dict[Pair, dict[int, float]] = {}
    for row in rows():
        if row["problem"] == problem:
            losses.setdefault((row["strategy"], float(row["rate"])), {})[int(row["seed"])] = float(row["loss"])
    return losses


def rows() -> list[dict[str, str]]:
    """Read the file."""
    if not FILE.exists():
        return []
    with FILE.open(newline="") as file:
        return list(csv.DictReader(file))


def write(oracles: Iterable[Oracle]) -> None:
    """Write what these oracles know, in order; what the file holds of other problems stays."""
    known = {oracle.recording.problem.name: oracle.finals for oracle in oracles}
    lines = [tuple(row.values()) for row in rows() if row["problem"] not in known]
    lines += [
        (name, strategy, str(rate), str(seed), f"{loss:.7g}")
        for name, finals in known.items()
        for (strategy, rate), own in finals.items()
        for seed, loss in own.items()
    ]
    lines.sort(key=lambda line: (list(PROBLEMS).index(line[0]), line[1], float(line[2]), int(line[3])))
    with FILE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        writer.writerows(lines)


def describe(oracle: Oracle) -> str:
    """Return one line on how well the truth is known."""
    problem, ((strategy, rate), best) = oracle.recording.problem, oracle.best
    near = [pair for pair in oracle.grid if oracle.regret(pair) <= 0.01]
    errors = [oracle.error(pair) for pair in oracle.grid if 0 < oracle.regret(pair) <= 0.03]
    return (
        f"{problem.name} ({problem.optimizer}): best {strategy} at {rate:g}, loss {best.loss:.4g}; {len(near)} of "
        f"{len(oracle.grid)} pairs within 1 %; standard errors of a difference to the best, where it is below 3 %: "
        f"{statistics.median(errors):.2%} (largest {max(errors):.2%}; {best.seeds} seeds); of the best's own loss "
        f"{best.error / best.loss:.2%}"
    )


def write_centres(seeds: int = 8) -> None:
    """Write what a sweep of each seed answers, and its updates."""
    with CENTRES.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("problem", "seed", "rate", "steps"))
        for name, problem in PROBLEMS.items():
            task = problem.task()
            for seed in range(seeds):
                swept = find(task, method="sweep", seeds=[seed])
                writer.writerow((name, seed, f"{swept.suggestion:.6g}", swept.updates))


if __name__ == "__main__":
    write_centres()
    for name in PROBLEMS:
        oracle = Oracle(Recording(PROBLEMS[name], RECORDINGS))
        oracle.make()
        write([oracle])
        print(describe(oracle), flush=True)
