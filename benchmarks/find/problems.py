"""Eight small trainings on real data that need no download, each with either of two optimizers.

Four are there to choose rules and their constants by, four to confirm the choice. The text is the documentation that
comes with Python itself, so the losses of `gru` and `transformer` depend a little on Python's version.
"""

import copy
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pydoc_data.topics import topics
from typing import Any

import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F

from ratesmith import Ramp
from ratesmith.torch import TorchTask

Pairs = tuple[Tensor, Tensor]
OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "sgd": lambda net: torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4),
    "adamw": lambda net: torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01),
}
WINDOW = 32


@dataclass(frozen=True)
class Problem:
    """A training: how many updates it lasts, and its task for an optimizer's name."""

    name: str
    steps: int
    task: Callable[[str], TorchTask]


def mlp(inputs: int, width: int, outputs: int, act: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """Return a perceptron of two hidden layers."""
    return nn.Sequential(
        *(nn.Linear(inputs, width), act()), *(nn.Linear(width, width), act()), nn.Linear(width, outputs)
    )


def convolutions(outputs: int) -> nn.Module:
    """Return two convolutions with batch normalisation, then one linear layer."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(32, outputs)),
    )


def split(inputs: Any, targets: Any, classes: bool = True) -> tuple[Pairs, Pairs]:
    """Split into 70% for training and 30% for validation, always the same."""
    inputs, targets = torch.as_tensor(inputs, dtype=torch.float32), torch.as_tensor(targets)
    train, validation = train_test_split(
        range(len(targets)), test_size=0.3, stratify=targets if classes else None, random_state=0
    )
    return (inputs[train], targets[train]), (inputs[validation], targets[validation])


def standardised(train: Pairs, validation: Pairs) -> tuple[Pairs, Pairs]:
    """Shift and scale the inputs by the mean and deviation of those for training."""
    mean, deviation = train[0].mean(0), train[0].std(0)
    return ((train[0] - mean) / deviation, train[1]), ((validation[0] - mean) / deviation, validation[1])


@cache
def digits() -> tuple[Pairs, Pairs]:
    """1,797 handwritten digits of 8 x 8, from 0 to 1."""
    images, labels = load_digits(return_X_y=True)
    return split(images.reshape(-1, 1, 8, 8) / 16, labels)


def digits_mlp(optimizer: str) -> TorchTask:
    """Digits by a perceptron: 26,122 parameters."""
    train, validation = digits()
    return TorchTask(
        model=lambda: nn.Sequential(nn.Flatten(), mlp(64, 128, 10)),
        optimizer=OPTIMIZERS[optimizer],
        loss=F.cross_entropy,
        train=train,
        validation=validation,
        batch_size=32,
        drop_last=True,
    )


def digits_conv(optimizer: str) -> TorchTask:
    """Digits by convolutions with batch normalisation: 5,226 parameters."""
    train, validation = digits()
    return TorchTask(
        model=lambda: convolutions(10),
        optimizer=OPTIMIZERS[optimizer],
        loss=F.cross_entropy,
        train=train,
        validation=validation,
        batch_size=32,
        drop_last=True,
    )


def cancer(optimizer: str) -> TorchTask:
    """Malign or benign from 30 measures of 569 cells, by a perceptron."""
    train, validation = standardised(*split(*load_breast_cancer(return_X_y=True)))
    return TorchTask(
        model=lambda: mlp(30, 64, 2),
        optimizer=OPTIMIZERS[optimizer],
        loss=F.cross_entropy,
        train=train,
        validation=validation,
        batch_size=32,
        drop_last=True,
    )


def diabetes(optimizer: str) -> TorchTask:
    """A regression: the disease's progress from 10 measures of 442 patients, by a perceptron."""
    measures, progress = load_diabetes(return_X_y=True)
    train, validation = standardised(*split(measures, progress, classes=False))
    mean, deviation = train[1].mean(), train[1].std()
    train, validation = (
        (inputs, ((targets - mean) / deviation).float()[:, None]) for inputs, targets in (train, validation)
    )
    return TorchTask(
        model=lambda: mlp(10, 16, 1),
        optimizer=OPTIMIZERS[optimizer],
        loss=F.mse_loss,
        train=train,
        validation=validation,
        batch_size=32,
        drop_last=True,
    )


@cache
def text() -> tuple[Pairs, Pairs, int]:
    """Python's own documentation as windows of characters, and how many different characters there are."""
    whole = "".join(topics[name] for name in sorted(topics))
    places = {character: place for place, character in enumerate(sorted(set(whole)))}
    codes = torch.tensor([places[character] for character in whole])
    windows = codes.unfold(0, WINDOW + 1, WINDOW)
    inputs, targets = windows[:, :-1].contiguous(), windows[:, 1:].contiguous()
    last = len(windows) * 9 // 10
    # One window in three of the last tenth is enough to measure by.
    return (inputs[:last], targets[:last]), (inputs[last::3], targets[last::3]), len(places)


def next_character(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross entropy over all places of all windows."""
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


class Recurrent(nn.Module):
    """A character model with one layer of gated recurrent units."""

    def __init__(self, characters: int) -> None:
        """Make the three layers."""
        super().__init__()
        self.embedding = nn.Embedding(characters, 32)
        self.recurrent = nn.GRU(32, 80, batch_first=True)
        self.head = nn.Linear(80, characters)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits of the next character at each place."""
        logits: Tensor = self.head(self.recurrent(self.embedding(codes))[0])
        return logits


class Transformer(nn.Module):
    """A character model with two layers of causal attention."""

    def __init__(self, characters: int) -> None:
        """Make the embeddings, the layers and the head."""
        super().__init__()
        self.embedding = nn.Embedding(characters, 48)
        self.places = nn.Parameter(0.02 * torch.randn(WINDOW, 48))
        layer = nn.TransformerEncoderLayer(48, 4, 192, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(48), enable_nested_tensor=False)
        self.head = nn.Linear(48, characters)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(WINDOW))

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits of the next character at each place."""
        logits: Tensor = self.head(self.layers(self.embedding(codes) + self.places, mask=self.mask, is_causal=True))
        return logits


def characters(optimizer: str, model: type[Recurrent] | type[Transformer]) -> TorchTask:
    """Return the task of a character model."""
    train, validation, count = text()
    return TorchTask(
        model=lambda: model(count),
        optimizer=OPTIMIZERS[optimizer],
        loss=next_character,
        train=train,
        validation=validation,
        batch_size=16,
        drop_last=True,
    )


def gru(optimizer: str) -> TorchTask:
    """The next character by recurrent units: about 39,000 parameters."""
    return characters(optimizer, Recurrent)


def transformer(optimizer: str) -> TorchTask:
    """The next character by attention: about 69,000 parameters."""
    return characters(optimizer, Transformer)


def halves(optimizer: str) -> TorchTask:
    """A regression: the lower half of a digit's image from its upper half, by a perceptron of 24,864 parameters."""
    train, validation = (
        (images.flatten(1)[:, :32].contiguous(), images.flatten(1)[:, 32:].contiguous()) for images, _ in digits()
    )
    return TorchTask(
        model=lambda: mlp(32, 128, 32),
        optimizer=OPTIMIZERS[optimizer],
        loss=F.mse_loss,
        train=train,
        validation=validation,
        batch_size=32,
        drop_last=True,
    )


def rotated(images: Tensor) -> Tensor:
    """Turn images by 20 degrees."""
    cosine, sine = math.cos(math.radians(20)), math.sin(math.radians(20))
    turn = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]]).expand(len(images), 2, 3)
    grid = F.affine_grid(turn, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


@cache
def pretrained() -> nn.Module:
    """Train the perceptron on the digits as they are, with seed 0 and rate 0.1."""
    model = nn.Module()

    def remembered() -> nn.Module:
        nonlocal model
        model = nn.Sequential(nn.Flatten(), mlp(64, 128, 10))
        return model

    training = dataclasses.replace(digits_mlp("sgd"), model=remembered).start(seed=0)
    for step in range(400):
        training.step(Ramp(0.1, 0.0, 400, shape="cosine")(step))
    return model


def tuned(optimizer: str) -> TorchTask:
    """A perceptron that has learned the digits, to be tuned on 128 of them turned by 20 degrees."""
    (images, labels), (others, targets) = digits()
    source = pretrained()
    return TorchTask(
        model=lambda: copy.deepcopy(source),
        optimizer=OPTIMIZERS[optimizer],
        loss=F.cross_entropy,
        train=(rotated(images[:128]), labels[:128]),
        validation=(rotated(others), targets),
        batch_size=32,
        drop_last=True,
    )


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("digits-mlp", 400, digits_mlp),
        Problem("digits-conv", 300, digits_conv),
        Problem("cancer", 240, cancer),
        Problem("gru", 200, gru),
        Problem("diabetes", 400, diabetes),
        Problem("transformer", 240, transformer),
        Problem("halves", 400, halves),
        Problem("tuned", 120, tuned),
    )
}
SETS = {
    "all": tuple(PROBLEMS),
    "choose": ("digits-mlp", "digits-conv", "cancer", "gru"),
    "confirm": ("diabetes", "transformer", "halves", "tuned"),
}
