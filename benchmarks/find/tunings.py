"""Fine-tunings: a perceptron, recurrent units, convolutions, and attention with adapters, all trained before."""

import copy
import dataclasses
import math
from collections.abc import Callable
from functools import cache

import torch
from images import Block, digits, digits_mlp, mnist
from parts import OPTIMIZERS, Pairs, mlp, supervised
from texts import WINDOW, Recurrent, next_character, source_code, text
from torch import Tensor, nn
from torch.nn import functional as F

from ratesmith import Ramp
from ratesmith.torch import TorchTask

Loss = Callable[[Tensor, Tensor], Tensor]


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
    data = ((rotated(images[:128]), labels[:128]), (rotated(others), targets))
    return supervised(optimizer, lambda: copy.deepcopy(source), data)


def trained(
    make: Callable[[], nn.Module], data: Pairs, steps: int, optimizer: str, rate: float, loss: Loss
) -> nn.Module:
    """Train a new model from a rate to 0."""
    torch.manual_seed(0)
    model, (inputs, targets) = make(), data
    updates = OPTIMIZERS[optimizer](model)
    for step in range(steps):
        updates.param_groups[0]["lr"] = Ramp(rate, 0.0, steps, shape="cosine")(step)
        batch = torch.randint(len(inputs), (32,))
        updates.zero_grad()
        loss(model(inputs[batch]), targets[batch]).backward()  # type: ignore[no-untyped-call]
        updates.step()
    return model


@cache
def prose_reader() -> nn.Module:
    """Train recurrent units on half of the documentation."""
    (inputs, targets), _, characters = text()
    half = (inputs[: len(inputs) // 2], targets[: len(inputs) // 2])
    return trained(lambda: Recurrent(characters), half, 600, "sgd", 1.0, next_character)


def tuned_text(optimizer: str) -> TorchTask:
    """Recurrent units that have read prose, to be tuned on source code."""
    source, (inputs, targets) = prose_reader(), source_code()
    data = ((inputs[:800], targets[:800]), (inputs[1000:1800], targets[1000:1800]))
    return supervised(optimizer, lambda: copy.deepcopy(source), data, next_character, batch_size=16)


def deep_convolutions() -> nn.Module:
    """Return two convolutions with batch normalisation and a head, for images of 8 x 8."""
    return nn.Sequential(
        *(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(96, 10)),
    )


@cache
def mnist_reader() -> nn.Module:
    """Train the convolutions on MNIST at 8 x 8."""
    images, labels = mnist()[0]
    small = F.interpolate(images, (8, 8), mode="bilinear")
    return trained(deep_convolutions, (small, labels), 600, "sgd", 0.1, F.cross_entropy)


def tuned_conv(optimizer: str) -> TorchTask:
    """Convolutions that have learned MNIST, to be tuned on 160 digits of another source."""
    source, ((images, labels), validation) = mnist_reader(), digits()
    return supervised(
        optimizer, lambda: copy.deepcopy(source), ((images[:160], labels[:160]), validation), batch_size=16
    )


class Reader(nn.Module):
    """A character model of two layers of causal attention."""

    def __init__(self, characters: int) -> None:
        """Make the embeddings, the layers and the head."""
        super().__init__()
        self.embedding = nn.Embedding(characters, 48)
        self.places = nn.Parameter(0.02 * torch.randn(WINDOW, 48))
        self.layers = nn.Sequential(Block(48, 4, causal=True), Block(48, 4, causal=True), nn.LayerNorm(48))
        self.head = nn.Linear(48, characters)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits of the next character at each place."""
        logits: Tensor = self.head(self.layers(self.embedding(codes) + self.places))
        return logits


class Adapted(nn.Module):
    """A frozen linear layer with a low-rank adapter (LoRA)."""

    def __init__(self, layer: nn.Linear, rank: int = 4) -> None:
        """Freeze the layer, and begin with an adapter that adds nothing."""
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down = nn.Linear(layer.in_features, rank, bias=False)
        self.up = nn.Linear(rank, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the layer's output, and twice the adapter's."""
        output: Tensor = self.layer(inputs) + 2 * self.up(self.down(inputs))
        return output


@cache
def attentive_reader() -> nn.Module:
    """Train attention on half of the documentation."""
    (inputs, targets), _, characters = text()
    half = (inputs[: len(inputs) // 2], targets[: len(inputs) // 2])
    return trained(lambda: Reader(characters), half, 600, "adamw", 3e-3, next_character)


def lora(optimizer: str) -> TorchTask:
    """Attention that has read prose stays frozen, and adapters in each linear layer learn source code."""
    source, (inputs, targets) = attentive_reader(), source_code()

    def model() -> nn.Module:
        adapted = copy.deepcopy(source).requires_grad_(False)
        for part in list(adapted.modules()):
            for name, layer in list(part.named_children()):
                if isinstance(layer, nn.Linear) and not isinstance(part, Adapted):
                    setattr(part, name, Adapted(layer))
        return adapted

    data = ((inputs[:800], targets[:800]), (inputs[1000:1800], targets[1000:1800]))
    return supervised(optimizer, model, data, next_character, batch_size=16)
