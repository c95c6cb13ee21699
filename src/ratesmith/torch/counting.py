"""Counting an optimizer's own updates through its hook, without those that change nothing."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final

from torch import Tensor
from torch.optim import Optimizer

from ratesmith.torch.groups import WRITTEN, Group

WRITTEN_LR: Final = WRITTEN + "lr"
"""The key of the rate that a ScheduleLR wrote last."""


class UpdateCounter:
    """The hook that an optimizer calls after each update; it calls `count` of its owner, which it does not keep alive.

    A class and not a function, so that the owner of a hook can be found among those of an optimizer.
    """

    def __init__(self, owner: Any, count: Callable[[Any], None]) -> None:
        """Take the owner, and the function of it that counts."""
        self._owner = weakref.ref(owner)
        self._count = count

    @property
    def owner(self) -> Any:
        """The scheduler that counts, or None if it is gone."""
        return self._owner()

    def __call__(self, optimizer: Optimizer, *_: Any) -> None:
        """Count one update, unless it was none."""
        owner = self.owner
        if owner is not None and not made_no_update(optimizer):
            self._count(owner)


def counters(optimizer: Optimizer) -> Iterator[UpdateCounter]:
    """Return the counters among an optimizer's hooks; a wrapper that has no hooks has none."""
    hooks = getattr(optimizer, "_optimizer_step_post_hooks", {})
    yield from [hook for hook in hooks.values() if isinstance(hook, UpdateCounter)]


def made_no_update(optimizer: Optimizer) -> bool:
    """Whether `optimizer.step()` ran and changed nothing.

    A gradient scaler always calls a fused optimizer, and tells it by `found_inf` to skip. And
    torch.distributed.checkpoint makes a hidden step, with all rates at 0 and all gradients zero, to have an optimizer
    make its state; with plain SGD, which has none, at every save.
    """
    found_inf = getattr(optimizer, "found_inf", None)
    if found_inf is not None and bool(found_inf):
        return True
    if not all(_is_zero(group) for group in optimizer.param_groups):
        return False
    gradients = [weight.grad for group in optimizer.param_groups for weight in group["params"]]
    known = [gradient for gradient in gradients if gradient is not None]
    # A rate of 0 that the schedule wrote is an update like any other, unless the gradients are zero too.
    wrote_zero = all(group.get(WRITTEN_LR, 1.0) == 0.0 for group in optimizer.param_groups)
    return (bool(known) or not wrote_zero) and not any(bool(gradient.any()) for gradient in known)


def _is_zero(group: Group) -> bool:
    """Whether a group's rate is 0, without waiting for a device: the hidden step sets a tensor rate on the CPU."""
    rate = group.get("lr", 1.0)
    if isinstance(rate, Tensor) and rate.device.type != "cpu":
        rate = group.get(WRITTEN_LR, 1.0)
    return float(rate) == 0.0
