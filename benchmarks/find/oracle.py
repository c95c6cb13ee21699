"""The truth that finders are measured by: the final loss of whole trainings over a grid of rates.

Each training falls from its rate to 0 by a cosine, without warm-up. A training that ends without a finite loss, or
above the loss that it began with, counts as that initial loss; `diverged` is 1 where it ended without a finite loss or
at more than 1.1 times the initial one. What oracle.csv already holds is not trained again.

    python benchmarks/find/oracle.py
"""

import csv
import functools
import itertools
import math
import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch
from problems import OPTIMIZERS, PROBLEMS
from rich.progress import track

from ratesmith import Ramp

FILE = Path(__file__).with_name("oracle.csv")
FIELDS = ("problem", "optimizer", "seed", "rate", "loss", "initial_loss", "diverged")
RATES = tuple(float(f"{10 ** (-5 + third / 3):.6g}") for third in range(19))
SEEDS = (0, 1, 2)
Row = tuple[str, str, int, float, float, float, int]


@dataclass(frozen=True)
class Curve:
    """The final loss over the rate: geometric means over the seeds."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    initial: float

    @property
    def best(self) -> tuple[float, float]:
        """The best rate of the grid, and its loss."""
        loss, rate = min(zip(self.losses, self.rates, strict=True))
        return rate, loss

    def loss(self, rate: float | None) -> float:
        """Return the loss to expect from a rate: a straight line between two of the grid, in both logarithms.

        No rate, and one beyond the grid's end, give the initial loss; one below its beginning gives the beginning's.
        """
        if rate is None or not 0 < rate <= self.rates[-1]:
            return self.initial
        place = max(rate, self.rates[0])
        right = next(index for index, end in enumerate(self.rates) if end >= place)
        left = max(right - 1, 0)
        span = math.log(self.rates[right] / self.rates[left]) or 1.0
        share = math.log(place / self.rates[left]) / span
        return math.exp((1 - share) * math.log(self.losses[left]) + share * math.log(self.losses[right]))


def train(cell: tuple[str, str, int, float]) -> Row:
    """Train once from a rate to 0, and measure before and after."""
    name, optimizer, seed, rate = cell
    problem = PROBLEMS[name]
    schedule = Ramp(rate, 0.0, problem.steps, shape="cosine")
    training = problem.task(optimizer).start(seed)
    initial = training.evaluate()["loss"]
    for step in range(problem.steps):
        if not math.isfinite(training.step(schedule(step))):
            break
    loss = training.evaluate()["loss"]
    counted = loss if loss <= initial else initial
    return name, optimizer, seed, rate, round(counted, 6), round(initial, 6), int(not loss <= 1.1 * initial)


def rows() -> list[Row]:
    """Read what has been trained so far."""
    if not FILE.exists():
        return []
    with FILE.open(newline="") as file:
        return [
            (
                *(row["problem"], row["optimizer"], int(row["seed"]), float(row["rate"])),
                *(float(row["loss"]), float(row["initial_loss"]), int(row["diverged"])),
            )
            for row in csv.DictReader(file)
        ]


@functools.cache
def curves() -> dict[tuple[str, str], Curve]:
    """Return the curve of each problem and optimizer."""
    known: dict[tuple[str, str], dict[float, list[Row]]] = {}
    for row in rows():
        known.setdefault(row[:2], {}).setdefault(row[3], []).append(row)
    return {
        cell: Curve(
            tuple(sorted(grid)),
            tuple(statistics.geometric_mean(row[4] for row in grid[rate]) for rate in sorted(grid)),
            statistics.geometric_mean(row[5] for found in grid.values() for row in found),
        )
        for cell, grid in known.items()
    }


def pool() -> ProcessPoolExecutor:
    """Return two processes of one torch thread each."""
    return ProcessPoolExecutor(
        2, multiprocessing.get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    )


def main() -> None:
    """Train what is missing, and write the whole in order."""
    wanted = list(itertools.product(PROBLEMS, OPTIMIZERS, SEEDS, RATES))
    known = {row[:4]: row for row in rows()}
    with pool() as workers, FILE.open("a", newline="") as file:
        writer = csv.writer(file)
        if not known:
            writer.writerow(FIELDS)
        jobs = [workers.submit(train, cell) for cell in wanted if cell not in known]
        for job in track(as_completed(jobs), description="trainings", total=len(jobs)):
            row = job.result()
            known[row[:4]] = row
            writer.writerow(row)
            file.flush()
    with FILE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        writer.writerows(known[cell] for cell in wanted)


if __name__ == "__main__":
    main()
