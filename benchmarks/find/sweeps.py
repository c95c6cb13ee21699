"""Sweeps recorded once: `sweeps.csv`, the training losses of Ratesmith's sweeps, made by this program.

python benchmarks/find/sweeps.py
"""

import csv
import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from problems import OPTIMIZERS, PROBLEMS
from rich.progress import track
from trainings import SEEDS, pool

from ratesmith.finder.sweep import sweep
from ratesmith.finder.training import Course, Hear, TaskTraining, Trained
from ratesmith.task import FindTask

FILE = Path(__file__).with_name("sweeps.csv")
ORDERS = (0, 100, 200)
"""What is added to a cell's seed for its three orders of the data."""


class Swept(NamedTuple):
    """The losses of one pass; `low` and `high` are 0 where the batches were measured at rate 0."""

    problem: str
    optimizer: str
    seed: int
    low: float
    high: float
    losses: tuple[float, ...]


class Recorded(TaskTraining):
    """The trainings of a task, whose losses are kept."""

    def __init__(self, task: FindTask, keep: list[tuple[int, float, float, tuple[float, ...]]]) -> None:
        """Take the task, and where to keep the losses."""
        super().__init__(task)
        self._keep = keep

    def train(self, course: Course, hear: Hear, *, measure: bool) -> Trained:
        """Train, and keep what is heard."""
        losses = list[float]()

        def listen(more: Sequence[float], updates: int) -> bool:
            losses.extend(more)
            return hear(more, updates)

        trained = super().train(course, listen, measure=measure)
        self._keep.append((course.seed, course.rates[0], course.rates[-1], tuple(losses)))
        return trained


def record(problem: str, optimizer: str, seed: int) -> list[Swept]:
    """Sweep three orders of the data."""
    kept: list[tuple[int, float, float, tuple[float, ...]]] = []
    task = PROBLEMS[problem].task(optimizer)
    sweep(Recorded(task, kept), seeds=[seed + more for more in ORDERS])
    return [Swept(problem, optimizer, *row) for row in kept]


@functools.cache
def rows(file: Path = FILE) -> list[Swept]:
    """Read what has been recorded."""
    if not file.exists():
        return []
    with file.open(newline="") as opened:
        return [
            Swept(
                *(row["problem"], row["optimizer"], int(row["seed"]), float(row["low"]), float(row["high"])),
                tuple(map(float, row["losses"].split())),
            )
            for row in csv.DictReader(opened)
        ]


def key(problem: str, optimizer: str, seed: int, rates: Sequence[float]) -> tuple[str, str, int, str, str]:
    """Return what a pass is looked up by: its range, or how long it was where it measured the batches at rate 0."""
    ends = (f"{rates[0]:.4g}", f"{rates[-1]:.4g}") if rates[0] else ("0", str(len(rates)))
    return (problem, optimizer, seed, *ends)


@functools.cache
def by_key() -> dict[tuple[str, str, int, str, str], tuple[float, ...]]:
    """Return the losses of each pass by its key."""
    losses: dict[tuple[str, str, int, str, str], tuple[float, ...]] = {}
    for row in rows():
        ends = (f"{row.low:.4g}", f"{row.high:.4g}") if row.low else ("0", str(len(row.losses)))
        losses.setdefault((row.problem, row.optimizer, row.seed, *ends), row.losses)
    return losses


def main() -> None:
    """Sweep, and write all in order."""
    cells = list(itertools.product(PROBLEMS, OPTIMIZERS, SEEDS))
    with pool() as workers, FILE.open("w", newline="") as opened:
        jobs = [workers.submit(record, *cell) for cell in cells]
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(Swept._fields)
        for job in track(jobs, description="sweeps", total=len(jobs)):
            for row in job.result():
                writer.writerow(
                    (*row[:3], f"{row.low:.6g}", f"{row.high:.6g}", " ".join(f"{x:.5g}" for x in row.losses))
                )


if __name__ == "__main__":
    main()
