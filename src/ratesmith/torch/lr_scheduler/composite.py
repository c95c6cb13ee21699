"""Drop-ins made of others: one after another, and all at once; each may hold the other."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from typing import Any

from torch import Tensor
from torch.optim import Optimizer, lr_scheduler

from ratesmith._checks import whole
from ratesmith.torch.lr_scheduler.checks import Checked


class SequentialLR(Checked, lr_scheduler.SequentialLR):
    """Schedulers one after another: number i is in charge from step `milestones[i - 1]` on.

    `>>` between schedules is the value. A sequence may hold a sequence or a `ChainedScheduler` at any place.
    Source: torch.optim.lr_scheduler.SequentialLR.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[lr_scheduler.LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        """Take torch's options in torch's order."""
        for milestone in milestones:
            whole("SequentialLR", "a milestone", milestone, least=0)
        for sooner, later in itertools.pairwise(milestones):
            if later < sooner:
                raise ValueError(f"SequentialLR: milestones must rise, got {sooner} before {later}; sort them")
        super().__init__(optimizer, schedulers, milestones, last_epoch)

    def _initial_step(self) -> None:
        """Begin, as a part of another composite."""
        self.last_epoch = 0
        child = self._schedulers[bisect_right(self._milestones, 0)]
        child._initial_step()
        self._last_lr = child.get_last_lr()

    def _update_lr(self, epoch: int | None = None) -> None:
        """Begin, where a sequence around this one comes to it."""
        _begin_again(self)


class ChainedScheduler(Checked, lr_scheduler.ChainedScheduler):
    """Schedulers all at once, each changing the rate that the one before it left.

    `*` between schedules is the value. A chain may hold a sequence or another chain.
    Source: torch.optim.lr_scheduler.ChainedScheduler.
    """

    def _initial_step(self) -> None:
        """Begin, as a part of another composite."""
        for child in self._schedulers:
            child._initial_step()
        self._last_lr = self._schedulers[-1].get_last_lr()

    def _update_lr(self, epoch: int | None = None) -> None:
        """Begin, where a sequence comes to this chain."""
        _begin_again(self)


def _begin_again(composite: Any) -> None:
    """Put a composite and all in it back to before the first step, the rates to their bases, and begin."""
    for group in composite.optimizer.param_groups:
        base = group["initial_lr"]
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(float(base))
        else:
            group["lr"] = base
    _rewind(composite)
    composite._initial_step()


def _rewind(scheduler: Any) -> None:
    for child in getattr(scheduler, "_schedulers", ()):
        _rewind(child)
    if not hasattr(scheduler, "_schedulers"):
        scheduler.last_epoch = -1
