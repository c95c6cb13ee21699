"""Trainings recorded once, so that a way to find a rate is judged in a minute: `trainings.csv`, made by this program.

Each training falls from its rate to 0 by a cosine. Of each problem, optimizer and seed there are whole trainings and
shorter ones, at rates a quarter of a decade apart. Kept are the validation loss after the last update, and the mean
training loss over the last eighth. Whole trainings with a warm-up are there too, at the best rate and higher ones;
the others are written as nan. What is recorded already is not trained again.

    python benchmarks/find/trainings.py
"""

import csv
import functools
import itertools
import math
import multiprocessing
import statistics
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from problems import OPTIMIZERS, PROBLEMS
from rich.progress import track

from ratesmith import Ramp
from ratesmith.finder.race import planned

FILE = Path(__file__).with_name("trainings.csv")
RATES = {
    "sgd": tuple(float(f"{10 ** (quarter / 4):.6g}") for quarter in range(-16, 5)),
    "adamw": tuple(float(f"{10 ** (quarter / 4):.6g}") for quarter in range(-20, 1)),
}
"""1e-4 to 10, and 1e-5 to 1."""
SEEDS = (0, 1, 2)
SHORT = (64, 96, 128)
"""Updates of the shorter trainings, as far as they are shorter."""
WARMUP = 0.1
"""The part of a whole training over which its rate rises, if it does."""
WARMED = 5
"""Rates that are trained with a warm-up: the best, and those above."""
LAST = 8
"""The training loss is the mean over the last 1/8 of the updates, at least so many."""


class Key(NamedTuple):
    """A row: trainings of one length, at all rates."""

    problem: str
    optimizer: str
    seed: int
    steps: int
    warmup: float


class Row(NamedTuple):
    """What the trainings of a key led to, rate by rate; infinite where a loss was."""

    initial: float
    validation: tuple[float, ...]
    training: tuple[float, ...]


def train(key: Key, rate: float) -> tuple[float, float, float]:
    """Train once; return the validation loss before and after, and the training loss at the end."""
    steps = key.steps
    rise = round(key.warmup * steps)
    schedule = Ramp(rate, 0.0, steps - rise, "cosine")
    training = PROBLEMS[key.problem].task(key.optimizer).start(key.seed)
    initial = training.evaluate()["loss"]
    losses = list[float]()
    for step in range(steps):
        # A warm-up from 0 would waste its first update.
        losses.append(training.step(rate * (step + 1) / rise if step < rise else schedule(step)))
        if not math.isfinite(losses[-1]):
            return initial, math.inf, math.inf
    loss = training.evaluate()["loss"]
    last = max(LAST, steps // LAST)
    return initial, loss if math.isfinite(loss) else math.inf, statistics.fmean(losses[-last:])


def train_all(key: Key) -> tuple[Key, Row]:
    """Train at all rates."""
    rates = RATES[key.optimizer]
    first = rates.index(curves()[key.problem, key.optimizer].best[0]) if key.warmup else 0
    chosen = rates[first : first + WARMED] if key.warmup else rates
    trained = {rate: train(key, rate) for rate in chosen}
    initial = next(iter(trained.values()))[0]
    ends = [trained.get(rate, (initial, math.nan, math.nan)) for rate in rates]
    return key, Row(initial, tuple(end[1] for end in ends), tuple(end[2] for end in ends))


def wanted() -> list[Key]:
    """Return all that is to be recorded: those with a warm-up last, since they begin at the best rate without."""
    cells = list(itertools.product(PROBLEMS.values(), OPTIMIZERS, SEEDS))
    lengths = {
        problem.name: sorted(
            {min(steps, problem.steps) for steps in (*SHORT, planned("race", problem.steps).length, problem.steps)}
        )
        for problem in PROBLEMS.values()
    }
    plain = [
        Key(problem.name, optimizer, seed, steps, 0.0)
        for problem, optimizer, seed in cells
        for steps in lengths[problem.name]
    ]
    return plain + [Key(problem.name, optimizer, seed, problem.steps, WARMUP) for problem, optimizer, seed in cells]


@functools.cache
def rows(file: Path = FILE) -> dict[Key, Row]:
    """Read what has been recorded."""
    if not file.exists():
        return {}
    with file.open(newline="") as opened:
        return {
            Key(row["problem"], row["optimizer"], int(row["seed"]), int(row["steps"]), float(row["warmup"])): Row(
                float(row["initial"]), numbers(row["validation"]), numbers(row["training"])
            )
            for row in csv.DictReader(opened)
        }


def numbers(text: str) -> tuple[float, ...]:
    """Read numbers that are separated by spaces."""
    return tuple(map(float, text.split()))


def written(values: Iterable[float]) -> str:
    """Write numbers of five digits, separated by spaces."""
    return " ".join(f"{value:.5g}" for value in values)


def write(file: Path, known: dict[Key, Row]) -> None:
    """Write rows in order."""
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow((*Key._fields, *Row._fields))
        places = {name: place for place, name in enumerate(PROBLEMS)}
        for key in sorted(known, key=lambda key: (places.get(key.problem, -1), key)):
            row = known[key]
            writer.writerow((*key, f"{row.initial:.5g}", written(row.validation), written(row.training)))


@dataclass(frozen=True)
class Curve:
    """The final loss over the rate: geometric means over the seeds; no training counts as worse than none."""

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
        if rate is None or not 0 < rate <= self.rates[-1] * (1 + 1e-9):
            return self.initial
        place = min(max(rate, self.rates[0]), self.rates[-1])
        right = next(index for index, end in enumerate(self.rates) if end >= place)
        left = max(right - 1, 0)
        span = math.log(self.rates[right] / self.rates[left]) or 1.0
        share = math.log(place / self.rates[left]) / span
        return math.exp((1 - share) * math.log(self.losses[left]) + share * math.log(self.losses[right]))


@functools.cache
def curves() -> dict[tuple[str, str], Curve]:
    """Return the curve of each problem and optimizer, from whole trainings."""
    whole: dict[tuple[str, str], list[Row]] = {}
    for key, row in rows().items():
        if key.steps == PROBLEMS[key.problem].steps and not key.warmup:
            whole.setdefault((key.problem, key.optimizer), []).append(row)
    return {
        cell: Curve(
            RATES[cell[1]],
            tuple(
                statistics.geometric_mean(min(row.validation[place], row.initial) for row in found)
                for place in range(len(RATES[cell[1]]))
            ),
            statistics.geometric_mean(row.initial for row in found),
        )
        for cell, found in whole.items()
    }


def pool() -> ProcessPoolExecutor:
    """Return two processes of one torch thread each."""
    return ProcessPoolExecutor(
        2, multiprocessing.get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    )


def main() -> None:
    """Train what is missing, and write the whole in order."""
    for warmed in (False, True):
        known = dict(rows())
        missing = [key for key in wanted() if key not in known and bool(key.warmup) == warmed]
        with pool() as workers:
            jobs = [workers.submit(train_all, key) for key in missing]
            for job in track(as_completed(jobs), description="trainings", total=len(jobs), disable=not jobs):
                key, row = job.result()
                known[key] = row
                write(FILE, known)
        rows.cache_clear()


if __name__ == "__main__":
    main()
