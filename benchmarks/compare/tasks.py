"""Eleven small trainings on real data that need no download, and the strategies and rates that are searched on each.

Losses that end near zero scatter by several hundredths from seed to seed, so that "within 1 %" would mean nothing;
these end with a loss whose mean over some seeds is known well enough (against.py prints how well).
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics

import torch
from sklearn.datasets import load_sample_image
from torch import Tensor, nn
from torch.nn import functional as F

from ratesmith.torch import TorchTask

sys.path.insert(0, str(Path(__file__).parents[1] / "find"))

import images
import parts
import tables
import texts
import tunings
from printed import show as show  # for the scripts beside this one, which find that folder through it

STRATEGIES = (
    "constant()",
    'step(every="30%")',
    'multistep(milestones=["50%", "75%"])',
    'exponential(gamma=0.1, every="50%")',
    "cosine()",
    "linear()",
    'wsd(decay="30%")',
    "one_cycle()",
)
STEPS = 320
EVERY = STEPS // 20
"""Updates between two measurements; the strategies' milestones fall on them."""
CONTEXT = 8


@dataclass(frozen=True)
class Problem:
    """A training: its optimizer's name, the lowest of its seven rates in half decades, and its task."""

    name: str
    optimizer: str
    lowest: int
    make: Callable[[str], TorchTask]

    @property
    def rates(self) -> tuple[float, ...]:
        """The grid of initial rates, two a decade."""
        return tuple(float(f"{10 ** (half / 2):.3g}") for half in range(self.lowest, self.lowest + 7))

    @property
    def lattice(self) -> tuple[float, ...]:
        """The rates of the same decades that `compare` may try, five a decade."""
        fifths = range(math.ceil(2.5 * self.lowest), math.floor(2.5 * (self.lowest + 6)) + 1)
        return tuple(float(f"{10 ** (fifth / 5):.3g}") for fifth in fifths)

    def task(self) -> TorchTask:
        """Return the task."""
        return self.make(self.optimizer)


@cache
def characters() -> tuple[parts.Pairs, parts.Pairs, int]:
    """Python's own documentation: eight characters, and the one that follows."""
    whole = "".join(topics[name] for name in sorted(topics))
    places = {character: place for place, character in enumerate(sorted(set(whole)))}
    windows = torch.tensor([places[character] for character in whole]).unfold(0, CONTEXT + 1, 3)
    last = len(windows) * 9 // 10
    train, validation = windows[:last], windows[last::9]
    return (train[:, :-1], train[:, -1]), (validation[:, :-1], validation[:, -1]), len(places)


def text(optimizer: str) -> TorchTask:
    """The next character from the eight before it, by a perceptron over embeddings."""
    train, validation, count = characters()
    return TorchTask(
        model=lambda: nn.Sequential(nn.Embedding(count, 16), nn.Flatten(), parts.mlp(16 * CONTEXT, 96, count)),
        optimizer=parts.OPTIMIZERS[optimizer],
        loss=F.cross_entropy,
        train=train,
        validation=validation,
        batch_size=64,
        drop_last=True,
    )


@cache
def photographs() -> tuple[parts.Pairs, parts.Pairs]:
    """Two photographs, the left of each for training: a pixel's three colours, and the sixteen pixels around it."""
    inputs: dict[bool, list[Tensor]] = {True: [], False: []}
    targets: dict[bool, list[Tensor]] = {True: [], False: []}
    for name in ("china.jpg", "flower.jpg"):
        image = torch.tensor(load_sample_image(name)).permute(2, 0, 1).float() / 255
        width = image.shape[2] * 2 // 3
        for is_train, part in ((True, image[:, :, :width]), (False, image[:, :, width:])):
            patches = F.unfold(part[None], 5, stride=3)[0].T.reshape(-1, 3, 5, 5)
            ring = torch.ones(5, 5, dtype=torch.bool)
            ring[1:4, 1:4] = False
            middle = patches[:, :, 2, 2]
            inputs[is_train].append(patches[:, :, ring].flatten(1))
            targets[is_train].append(middle)
    joined = {key: (torch.cat(inputs[key]) * 4 - 2, torch.cat(targets[key]) * 4 - 2) for key in (True, False)}
    return joined[True], (joined[False][0][::9], joined[False][1][::9])


def pixels(optimizer: str) -> TorchTask:
    """A regression: a pixel from the ring of sixteen around it, by a perceptron."""
    train, validation = photographs()
    return TorchTask(
        model=lambda: parts.mlp(48, 64, 3),
        optimizer=parts.OPTIMIZERS[optimizer],
        loss=F.mse_loss,
        train=train,
        validation=validation,
        batch_size=64,
        drop_last=True,
    )


def digits(optimizer: str) -> TorchTask:
    """Digits by a perceptron; their labels are smoothed by a tenth, without which the loss ends near zero."""
    return replace(images.digits_mlp(optimizer), loss=nn.CrossEntropyLoss(label_smoothing=0.1))


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("text", "sgd", -5, text),
        Problem("halves", "adamw", -8, images.halves),
        Problem("pixels", "adamw", -8, pixels),
        Problem("digits", "sgd", -5, digits),
        Problem("diabetes", "sgd", -7, tables.diabetes),
        Problem("origin", "sgd", -5, texts.origin),
        Problem("denoising", "adamw", -8, images.denoising),
        Problem("tuned", "adamw", -10, tunings.tuned),
        Problem("lives", "adamw", -8, tables.lives),
        Problem("few", "sgd", -5, images.few),
        Problem("tuned-conv", "adamw", -10, tunings.tuned_conv),
    )
}
SEEN_ONCE = ("origin", "denoising", "tuned")
"""Looked at when the constants of the choice had been set by the five before. Then a strategy's own curve was let bend
sooner, since denoising went wrong."""
UNSEEN = ("lives", "few", "tuned-conv")
"""Looked at after that, when all was fixed; the last is a fine-tuning, as is tuned."""
