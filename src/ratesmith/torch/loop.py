"""What every training loop here does: seed the generators, set the rates, and tell an optimizer of two modes which."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer


def seed_all(seed: int) -> None:
    """Seed the generators of Python, torch and, where it is in use, NumPy."""
    random.seed(seed)
    torch.manual_seed(seed)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(seed % 2**32)


def set_rates(optimizer: Optimizer, rates: Iterable[float]) -> None:
    """Set each group's rate; one that is a tensor stays the same tensor."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def switch(optimizer: Optimizer, to: str) -> None:
    """Put an optimizer that has two modes, as schedule-free ones do, into "train" or "eval"."""
    getattr(optimizer, to, lambda: None)()
