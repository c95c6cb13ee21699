"""What is lost by finding no rate at all: optimizers that set their own, each trained once at its defaults.

    pip install prodigyopt schedulefree optax lightning pytorch-ignite torch-lr-finder rich scikit-learn
    python benchmarks/find/tuning_free.py [--quick] [--again dog] [--markdown] [--out FILE]

Each optimizer is trained on each problem with three seeds. The figure is the final validation loss over the best of
the recorded grid of trainings, whose rates were searched: of both its optimizers, and of either alone. A training that
ends without a finite loss, or above the loss that it began with, counts as that initial loss, as in the grid. Results
are kept in a file, and only what it lacks is trained; those of a package whose version has changed are trained anew.
"""

import argparse
import csv
import dataclasses
import datetime
import functools
import importlib.metadata
import inspect
import itertools
import math
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
import torch
from printed import SPREAD, show, spread
from problems import PROBLEMS
from prodigyopt import Prodigy
from rich.progress import track
from schedulefree import AdamWScheduleFree, SGDScheduleFree
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset
from trainings import SEEDS, curves, pool

from ratesmith import Ramp
from ratesmith.torch import TorchTask

FILE = Path(__file__).with_name("tuning_free.csv")
QUICK = [("digits-mlp", 0), ("cancer", 0)]
COLUMNS = ("optimizer", *SPREAD, "diverged")
CONSTANTS = {"sgd": 0.1, "adamw": 1e-3}
Cell = tuple[str, int]
Notes = dict[str, float]
Weights = list[nn.Parameter]


class Result(NamedTuple):
    """How a training ended; `diverged` is 1 where it did so without a finite loss or above 1.1 times the initial."""

    optimizer: str
    problem: str
    seed: int
    loss: float
    diverged: int
    package: str
    date: str


@functools.cache
def compiled(name: str) -> Callable[..., Any]:
    """Return the update of an optimizer of optax.contrib, which begins its state if there is none yet."""
    make = getattr(optax.contrib, name)

    def update(grads: Any, state: Any, weights: Any, lr: Any, loss: Any) -> tuple[Any, Any]:
        method = optax.with_extra_args_support(make(learning_rate=lr))
        updates, state = method.update(grads, method.init(weights) if state is None else state, weights, value=loss)
        return optax.apply_updates(weights, updates), state

    jitted: Callable[..., Any] = jax.jit(update)
    return jitted


class Optax(torch.optim.Optimizer):
    """An optimizer of optax.contrib at its defaults, on torch's weights; `notes` hold the loss of the last batch."""

    def __init__(self, weights: Weights, name: str, notes: Notes) -> None:
        """Take the optimizer's own default as the rate, which is a factor of the rate that it finds."""
        make = getattr(optax.contrib, name)
        super().__init__(weights, {"lr": inspect.signature(make).parameters["learning_rate"].default})
        self.update, self.notes, self.kept = compiled(name), notes, None

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # it calls no closure
        """Hand weights and gradients over, and take the new weights."""
        group = self.param_groups[0]
        weights = group["params"]
        # Copies: JAX may take over memory as it is, and DoG keeps the first weights, which torch is to overwrite.
        grads = [jax.numpy.array(weight.grad.numpy()) for weight in weights]
        before = [jax.numpy.array(weight.numpy()) for weight in weights]
        after, self.kept = self.update(grads, self.kept, before, group["lr"], self.notes["loss"])
        for weight, new in zip(weights, after, strict=True):
            weight.copy_(torch.from_numpy(np.array(new)))


@dataclass(frozen=True)
class Method:
    """How an optimizer is made from weights and notes, and what its authors advise to do besides."""

    package: str
    make: Callable[[Weights, Notes], torch.optim.Optimizer]
    cosine: bool = False
    averaged: bool = False


def contributed(name: str, cosine: bool = False, averaged: bool = False) -> Method:
    """Return the method of an optimizer of optax.contrib."""
    return Method("optax", lambda weights, notes: Optax(weights, name, notes), cosine, averaged)


# Prodigy's README recommends cosine annealing, and optax's page on it a fall to 0. MoMo's README says that a constant
# rate is enough; schedule-free is what its name says; DoG and DoWG are schedules themselves. DoG's authors ask for an
# average of the weights, which optax leaves to the user.
METHODS = {
    "prodigyopt Prodigy, cosine": Method("prodigyopt", lambda weights, _: Prodigy(weights), cosine=True),
    "schedulefree AdamWScheduleFree": Method("schedulefree", lambda weights, _: AdamWScheduleFree(weights)),
    "schedulefree SGDScheduleFree": Method("schedulefree", lambda weights, _: SGDScheduleFree(weights)),
    "optax dog": contributed("dog"),
    "optax dog, averaged": contributed("dog", averaged=True),
    "optax dowg": contributed("dowg"),
    "optax momo": contributed("momo"),
    "optax momo_adam": contributed("momo_adam"),
    "optax prodigy, cosine": contributed("prodigy", cosine=True),
}


def average(model: nn.Module) -> AveragedModel:
    """Return the polynomial average that DoG's authors ship, with their gamma of 8. Source: Shamir and Zhang, 2013."""
    return AveragedModel(model, avg_fn=lambda mean, weight, count: mean + (weight - mean) * 9 / (9 + count))


class Prepared(NamedTuple):
    """A task with another optimizer, and what it has made: optimizers, and models, of which the last is validated."""

    task: TorchTask
    models: list[nn.Module]
    optimizers: list[torch.optim.Optimizer]


def prepared(task: TorchTask, method: Method) -> Prepared:
    """Put a method's optimizer, and the average of the weights that it asks for, into a task."""
    notes: Notes = {}
    made = Prepared(task, [], [])
    assert task.loss is not None

    @functools.wraps(task.loss)
    def noting(*given: Any) -> Tensor:
        assert task.loss is not None
        loss: Tensor = task.loss(*given)
        notes["loss"] = float(loss.detach())
        return loss

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        made.models.append(model)
        made.optimizers.append(method.make([weight for weight in model.parameters() if weight.requires_grad], notes))
        return made.optimizers[-1]

    def averaged(model: nn.Module) -> AveragedModel:
        mean = average(model)
        made.models.append(mean)
        return mean

    changed = dataclasses.replace(task, optimizer=optimizer, loss=noting, average=averaged if method.averaged else None)
    return made._replace(task=changed)


def renew_statistics(made: Prepared) -> None:
    """Measure batch normalisation's statistics anew if the weights that are validated are not those trained with.

    The README of schedule-free asks for it: right before validation, in the optimizer's evaluation mode.
    """
    switched = [optimizer for optimizer in made.optimizers if hasattr(optimizer, "eval")]
    for optimizer in switched:
        optimizer.eval()
    if switched or len(made.models) > 1:
        batches = DataLoader(TensorDataset(*made.task.train), made.task.batch_size, shuffle=True, drop_last=True)
        update_bn(batches, made.models[-1])


def train(name: str, problem: str, seed: int) -> Result:
    """Train once at an optimizer's defaults, and measure before and after."""
    method, steps = METHODS[name], PROBLEMS[problem].steps
    made = prepared(PROBLEMS[problem].task("adamw"), method)
    training = made.task.start(seed)
    factor = Ramp(1.0, 0.0 if method.cosine else 1.0, steps, shape="cosine")
    initial = training.evaluate()["loss"]
    for step in range(steps):
        if not math.isfinite(training.step(training.base_lr * factor(step))):
            break
    renew_statistics(made)
    loss = training.evaluate()["loss"]
    counted = loss if loss <= initial else initial
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return Result(name, problem, seed, round(counted, 6), int(not loss <= 1.1 * initial), package(name), date)


def package(name: str) -> str:
    """Return the package behind an optimizer, with its version."""
    return f"{METHODS[name].package} {importlib.metadata.version(METHODS[name].package)}"


def read(file: Path) -> Iterator[Result]:
    """Read the results that a file keeps."""
    if not file.exists():
        return
    with file.open(newline="") as opened:
        for row in csv.DictReader(opened):
            outcome = (float(row["loss"]), int(row["diverged"]), row["package"], row["date"])
            yield Result(row["optimizer"], row["problem"], int(row["seed"]), *outcome)


def write(file: Path, results: Iterable[Result]) -> None:
    """Write results."""
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(Result._fields)
        writer.writerows(results)


def gather(file: Path, cells: list[Cell], again: str | None) -> list[Result]:
    """Train what the file lacks, in two processes, and keep it there in order."""
    kept = {
        row[:3]: row
        for row in read(file)
        if row.optimizer in METHODS and row.package == package(row.optimizer) and not (again and again in row.optimizer)
    }
    wanted = [(name, *cell) for name, cell in itertools.product(METHODS, cells)]
    with pool() as workers:
        jobs = [workers.submit(train, *job) for job in wanted if job not in kept]
        for job in track(as_completed(jobs), description="trainings", total=len(jobs), disable=not jobs):
            row = job.result()
            kept[row[:3]] = row
            write(file, kept.values())
    others = [row for job, row in kept.items() if job not in set(wanted)]
    write(file, [kept[job] for job in wanted] + others)
    return [kept[job] for job in wanted]


def lines(results: list[Result], beside: tuple[str, ...]) -> list[list[str]]:
    """Return the table's lines beside the best of the grids of some optimizers, and those of their usual constants."""
    problems = list(dict.fromkeys(row.problem for row in results))
    best = {name: min(curves()[name, optimizer].best[1] for optimizer in beside) for name in problems}
    table = []
    for name in METHODS:
        rows = [row for row in results if row.optimizer == name]
        ratios = [row.loss / best[row.problem] for row in rows]
        table.append([name, *spread(ratios), str(sum(row.diverged for row in rows))])
    for optimizer, rate in CONSTANTS.items():
        ratios = [curves()[name, optimizer].loss(rate) / best[name] for name in problems]
        table.append([f"constant: {optimizer} {rate}, cosine, mean of seeds", *spread(ratios), ""])
    return sorted(table, key=lambda line: float(line[1]))


def report(results: list[Result], markdown: bool) -> None:
    """Print what was trained, and a table beside each choice of grids."""
    versions = sorted({row.package for row in results} | {f"torch {importlib.metadata.version('torch')}"})
    print(f"{', '.join(versions)}, Python {platform.python_version()}, trained {max(row.date for row in results)}")
    cells = {row[1:3] for row in results}
    names = ", ".join(dict.fromkeys(row.problem for row in results))
    for title, beside in (("SGD or AdamW", ("sgd", "adamw")), ("SGD", ("sgd",)), ("AdamW", ("adamw",))):
        show(f"beside the best of {title}: {len(cells)} cells of {names}", COLUMNS, lines(results, beside), markdown)


def main() -> None:
    """Train, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two cells only; kept nowhere without --out")
    parser.add_argument("--again", metavar="WORD", help="train anew where the optimizer's name contains this")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--out", type=Path, help=f"where results are kept (default: {FILE.name} beside this file)")
    given = parser.parse_args()
    cells = QUICK if given.quick else list(itertools.product(PROBLEMS, SEEDS))
    with tempfile.TemporaryDirectory() as folder:
        default = Path(folder) / "quick.csv" if given.quick else FILE
        report(gather(given.out or default, cells, given.again), given.markdown)


if __name__ == "__main__":
    main()
