"""Texts: the next character by recurrent units and by attention, and which module a piece of source comes from.

The texts are the documentation and the source that come with Python itself, so the losses depend a little on its
version.
"""

import argparse
import ast
import inspect
import typing
from collections.abc import Callable
from functools import cache
from pydoc_data.topics import topics
from types import ModuleType

import torch
from parts import Pairs, split, supervised
from torch import Tensor, nn
from torch.nn import functional as F

from ratesmith.torch import TorchTask

WINDOW = 32


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


def characters(optimizer: str, model: Callable[[int], nn.Module]) -> TorchTask:
    """Return the task of a character model."""
    train, validation, count = text()
    return supervised(optimizer, lambda: model(count), (train, validation), next_character, batch_size=16)


def gru(optimizer: str) -> TorchTask:
    """The next character by recurrent units: about 39,000 parameters."""
    return characters(optimizer, Recurrent)


def transformer(optimizer: str) -> TorchTask:
    """The next character by attention: about 69,000 parameters."""
    return characters(optimizer, Transformer)


def source_code() -> Pairs:
    """Return Python's own source code as windows of characters, in the codes of `text`."""
    places = {character: place for place, character in enumerate(sorted(set("".join(topics.values()))))}
    source = "".join(inspect.getsource(module) for module in (argparse, typing, inspect, ast))
    codes = torch.tensor([places[character] for character in source if character in places])
    windows = codes.unfold(0, WINDOW + 1, WINDOW)
    windows = windows[torch.randperm(len(windows), generator=torch.Generator().manual_seed(0))]
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()


class Origin(nn.Module):
    """Convolutions over characters, their highest answers, and a head."""

    def __init__(self, classes: int) -> None:
        """Make the layers."""
        super().__init__()
        self.embedding = nn.Embedding(128, 24)
        self.layers = nn.Sequential(nn.Conv1d(24, 64, 5), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten())
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(64, classes))

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits of the modules."""
        logits: Tensor = self.head(self.layers(self.embedding(codes).transpose(1, 2)))
        return logits


@cache
def origins() -> tuple[Pairs, Pairs]:
    """Pieces of 64 characters of four modules' source, and which module each comes from."""
    modules: tuple[ModuleType, ...] = (argparse, ast, inspect, typing)
    inputs, targets = [], list[int]()
    for place, module in enumerate(modules):
        codes = torch.tensor([min(ord(character), 127) for character in inspect.getsource(module)])
        pieces = codes.unfold(0, 64, 64)[:600]
        inputs.append(pieces)
        targets += [place] * len(pieces)
    train, validation = split(torch.cat(inputs), targets)
    return (train[0].long(), train[1]), (validation[0].long(), validation[1])


def origin(optimizer: str) -> TorchTask:
    """A classification of texts: which module a piece of source comes from."""
    return supervised(optimizer, lambda: Origin(4), origins())
