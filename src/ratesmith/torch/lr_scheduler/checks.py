"""What the drop-ins refuse where torch says nothing: numbers that cannot hold, and states of something else."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer, lr_scheduler, swa_utils

from ratesmith._checks import finite


def each_finite(who: str, name: str, values: Any, **limits: float) -> None:
    """Raise an error unless a number, or each of a list of them, is finite."""
    for value in values if isinstance(values, (list, tuple)) else [values]:
        finite(who, name, value.item() if hasattr(value, "item") else value, **limits)


def above_zero(who: str, name: str, value: Any, remedy: str) -> None:
    """Raise an error unless `value` is a finite number above 0."""
    if finite(who, name, value) <= 0:
        raise ValueError(f"{who}: {name} must be above 0, got {value!r}; {remedy}")


def check_rates(who: str, optimizer: Any) -> None:
    """Raise an error where a rate of the optimizer is not a finite number."""
    if isinstance(optimizer, Optimizer):  # torch's own error says what is none
        for group in optimizer.param_groups:
            if not getattr(group["lr"], "is_meta", False):
                each_finite(who, "the optimizer's lr", group["lr"])


def check_state(scheduler: Any, state: Any) -> None:
    """Raise an error that says what `state` lacks, has of another class or of other groups."""
    who = type(scheduler).__name__
    must, load = f"{who}: the state must be one that {who} saved", "load the state of the same class"
    if not isinstance(state, Mapping):
        raise TypeError(f"{must}, got {type(state).__name__}; {load}")
    own, given = set(vars(scheduler)), set(state)
    needed = ({"last_epoch", "_schedulers"} | _options(type(scheduler))) & own  # a chain of torch's has no last_epoch
    if missing := sorted(needed - given - {"verbose", "optimizer"}):
        raise ValueError(f"{must}, got one without {', '.join(missing)}; {load}")
    if foreign := sorted((given & _all_options()) - own):
        raise ValueError(f"{must}, got one with {', '.join(foreign)}; {load}")
    finite(who, "last_epoch of the state", state.get("last_epoch", 0))
    children, saved = vars(scheduler).get("_schedulers", ()), state.get("_schedulers", ())
    if len(children) != len(saved):
        raise ValueError(f"{must} with {len(children)} schedulers, got {len(saved)}; make it of as many")
    _check_last_rates(scheduler, must, state)


def _check_last_rates(scheduler: Any, must: str, state: Mapping[str, Any]) -> None:
    rates = state.get("_last_lr")
    if rates is None:
        # Plateau had none before torch 2.2 until its first step: the rates are then still the optimizer's own.
        if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            return
        raise ValueError(
            f"{must}, got one without _last_lr, as torch saved before 1.4; load the optimizer's state, "
            "and give last_epoch"
        )
    each_finite(type(scheduler).__name__, "_last_lr of the state", list(rates))
    present, known = len(scheduler.optimizer.param_groups), len(scheduler._last_lr)
    if len(rates) > present:
        raise ValueError(
            f"{must} with the optimizer's {_groups(present)}, got one of {len(rates)}; add the groups that are missing"
        )
    if len(rates) < known:
        raise ValueError(
            f"{must} with its {_groups(known)}, got one of {len(rates)}; build it before the others are added"
        )


def _groups(count: int) -> str:
    return f"{count} group{'s' * (count != 1)}"


def _options(kind: type) -> set[str]:
    """Return the names of the options of torch's class, or of ours."""
    return {name for base in kind.__mro__ for name in inspect.signature(base).parameters if base is not object}


@functools.cache
def _all_options() -> set[str]:
    kinds = [swa_utils.SWALR, *(getattr(lr_scheduler, name) for name in lr_scheduler.__all__)]
    return {name for kind in kinds for name in inspect.signature(kind).parameters} - {"verbose", "last_epoch"}
