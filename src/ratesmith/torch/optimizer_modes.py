"""Optimizers with two modes, as schedule-free ones: the weights to train with, and the average that is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch.optim import Optimizer


def has_modes(optimizer: Optimizer) -> bool:
    """Whether an optimizer can be put into training and into evaluation, as a model can."""
    return all(callable(getattr(optimizer, mode, None)) for mode in ("train", "eval"))


def switch(optimizer: Optimizer, to: str) -> None:
    """Put an optimizer that has two modes into "train" or "eval"; another stays as it is."""
    if has_modes(optimizer):
        getattr(optimizer, to)()


@contextmanager
def evaluating(optimizers: Sequence[Optimizer]) -> Iterator[None]:
    """Put optimizers that have two modes into evaluation, and back to the very weights that they had.

    The way back is not exact by itself: it computes the weights from those of the average, which rounds. A training
    that is measured would then no longer be the same, to the last bit, as one that is not.
    """
    two = [optimizer for optimizer in optimizers if has_modes(optimizer)]
    weights = [weight for optimizer in two for group in optimizer.param_groups for weight in group["params"]]
    kept = [weight.detach().clone() for weight in weights]
    for optimizer in two:
        switch(optimizer, "eval")
    try:
        yield
    finally:
        for optimizer in two:
            switch(optimizer, "train")
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)
