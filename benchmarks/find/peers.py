"""Suggestions by other packages' finders, each with its own defaults, on the same model, data and seed.

torch-lr-finder, Lightning and ignite are called as their documentation shows, over the ranges it shows. The rules of
fastai, which itself needs torchvision, are written here from their definition, on a sweep like fastai's; on the sweeps
of seed 0 they give what the functions of fastai 2.8.12 give. Two more rules say how hard a cell is: the constants that
people start with, and a whole grid of trainings with one seed.
"""

import contextlib
import io
import logging
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine
from ignite.handlers import FastaiLRFinder
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.tuner.tuning import Tuner
from matplotlib.figure import Figure
from problems import Problem
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset
from trainings import RATES, Key, rows

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its progress bar calls itself experimental
    from torch_lr_finder import LRFinder

Pieces = tuple[nn.Module, Optimizer, Callable[[Any, Any], Tensor], "DataLoader[tuple[Tensor, ...]]"]
Sweep = tuple[list[float], list[float]]
Finder = Callable[[Problem, str, int], float | None]


def pieces(problem: Problem, optimizer: str, seed: int) -> Pieces:
    """Return a new model, its optimizer, the loss and a loader of the training data."""
    task = problem.task(optimizer)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    model = task.model()
    loader = DataLoader(TensorDataset(*task.train), task.batch_size, shuffle=True, drop_last=True)
    assert task.loss is not None
    loss: Callable[[Any, Any], Tensor] = task.loss
    return model, task.optimizer(model), loss, loader


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep what the packages print, log and warn of from the screen."""
    logging.getLogger("lightning.pytorch").setLevel(logging.CRITICAL)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def torch_lr_finder(problem: Problem, optimizer: str, seed: int) -> float | None:
    """Ask torch-lr-finder for its steepest point, over the range that its documentation shows: 1e-7 to 100."""
    model, optimiser, loss, loader = pieces(problem, optimizer, seed)
    finder = LRFinder(model, optimiser, loss)
    finder.range_test(loader, start_lr=1e-7, end_lr=100, num_iter=100)
    _, rate = finder.plot(ax=Figure().subplots(), suggest_lr=True)
    return float(rate)


class Module(LightningModule):
    """A model, its loss and its optimizer as Lightning wants them."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, loss: Callable[[Any, Any], Tensor]) -> None:
        """Keep the parts; the finder reads and writes `lr`."""
        super().__init__()
        self.model, self.made, self.loss = model, optimizer, loss
        self.lr = float(optimizer.param_groups[0]["lr"])

    def training_step(self, batch: list[Tensor]) -> Tensor:
        """Return the loss of a batch."""
        return self.loss(self.model(batch[0]), batch[1])

    def configure_optimizers(self) -> Optimizer:
        """Return the optimizer."""
        return self.made


def lightning(problem: Problem, optimizer: str, seed: int) -> float | None:
    """Ask Lightning's Tuner, through a Trainer: 1e-8 to 1."""
    model, optimiser, loss, loader = pieces(problem, optimizer, seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            accelerator="cpu",
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        finder = Tuner(trainer).lr_find(Module(model, optimiser, loss), train_dataloaders=loader)
    return finder.suggestion() if finder is not None else None


def ignite(problem: Problem, optimizer: str, seed: int) -> float | None:
    """Ask ignite's FastaiLRFinder, through an Engine: 1e-7 to 10 in 100 updates, as the others (it has no default)."""
    model, optimiser, loss, loader = pieces(problem, optimizer, seed)

    def update(_: Engine, batch: list[Tensor]) -> float:
        model.train()
        optimiser.zero_grad()
        found = loss(model(batch[0]), batch[1])
        found.backward()  # type: ignore[no-untyped-call]  # torch's own annotation
        optimiser.step()
        return found.item()

    finder = FastaiLRFinder()
    saved = {"model": model, "optimizer": optimiser}
    with finder.attach(Engine(update), to_save=saved, num_iter=100, start_lr=1e-7, end_lr=10.0) as trainer:
        trainer.run(loader)
    return float(finder.lr_suggestion())


def sweep(problem: Problem, optimizer: str, seed: int) -> Sweep:
    """Raise the rate from 1e-7 to 10 in 100 updates and smooth the losses as fastai does; stop at 4 times the least.

    The smoothing is a running mean of weight 0.98, corrected for its start from 0. fastai leaves out the first tenth
    and the last five before it applies a rule, and what follows a NaN.
    """
    model, optimiser, loss, loader = pieces(problem, optimizer, seed)
    model.train()
    batches = (batch for _ in range(100) for batch in loader)
    rates, losses, mean = [], list[float](), 0.0
    for step in range(100):
        optimiser.param_groups[0]["lr"] = rate = 1e-7 * 1e8 ** (step / 100)
        inputs, targets = next(batches)
        found = loss(model(inputs), targets)
        optimiser.zero_grad()
        found.backward()  # type: ignore[no-untyped-call]  # torch's own annotation
        optimiser.step()
        mean = 0.98 * mean + 0.02 * found.item()
        rates.append(rate)
        losses.append(mean / (1 - 0.98 ** (step + 1)))
        if losses[-1] > 4 * min(losses):
            break
    rates, losses = rates[10:-5], losses[10:-5]
    end = next((place for place, value in enumerate(losses) if value != value), len(losses))
    return rates[:end], losses[:end]


def valley(rates: list[float], losses: list[float]) -> float:
    """Half-way through the middle third of the longest fall, as fastai counts it.

    The fall's length is that of the longest decreasing subsequence, gaps allowed; its end is where the first such one
    ends; its beginning is taken to lie that length before, as if there were no gaps.
    """
    lengths: list[int] = []
    for place, loss in enumerate(losses):
        lengths.append(1 + max((lengths[other] for other in range(place) if losses[other] > loss), default=0))
    length = max(lengths)
    return rates[lengths.index(length) - length + length // 3 + length // 6]


def slide(rates: list[float], losses: list[float]) -> float:
    """From the right, move a window of 15 steps down until the slopes at its two ends differ by at most 0.005."""
    slopes = np.gradient(losses)
    left = len(rates) - 16
    chosen = left
    while left >= 0 and abs(slopes[left + 15] - slopes[left]) > 0.005:
        chosen = left
        left -= 1
    if chosen < 0:
        raise IndexError("the sweep is shorter than the window")
    return rates[chosen]


def minimum(rates: list[float], losses: list[float]) -> float:
    """Return a tenth of the rate at the least loss."""
    return rates[int(np.argmin(losses))] / 10


def steep(rates: list[float], losses: list[float]) -> float:
    """Return the rate where the loss begins to fall fastest over the rate's logarithm."""
    return rates[int(np.argmin(np.diff(losses) / np.diff(np.log(rates))))]


def by(rule: Callable[[list[float], list[float]], float]) -> Finder:
    """Return the finder that applies one of fastai's rules."""
    return lambda problem, optimizer, seed: rule(*sweep(problem, optimizer, seed))


def constant(problem: Problem, optimizer: str, seed: int) -> float | None:
    """Return the rate that people start with."""
    return {"sgd": 0.1, "adamw": 1e-3}[optimizer]


def grid(problem: Problem, optimizer: str, seed: int) -> float | None:
    """Return the best rate of the whole grid with one seed: how well a search can do that does not repeat.

    It is flattered a little, as its own seed is one of the three that it is judged by.
    """
    row = rows()[Key(problem.name, optimizer, seed, problem.steps, 0.0)]
    return min(zip(row.validation, RATES[optimizer], strict=True))[1]


PEERS: dict[str, tuple[str, Finder]] = {
    "torch-lr-finder, steepest": ("torch-lr-finder", torch_lr_finder),
    "Lightning Tuner.lr_find": ("lightning", lightning),
    "ignite FastaiLRFinder": ("pytorch-ignite", ignite),
    "fastai's valley, restated": ("torch", by(valley)),
    "fastai's slide, restated": ("torch", by(slide)),
    "fastai's minimum / 10, restated": ("torch", by(minimum)),
    "fastai's steep, restated": ("torch", by(steep)),
    "constant: SGD 0.1, AdamW 0.001": ("torch", constant),
    "whole grid, one seed": ("torch", grid),
}
"""By the rule's name: the package that it comes from or runs on, and the finder."""
