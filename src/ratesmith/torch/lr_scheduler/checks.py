"""What the drop-ins refuse where torch says nothing: states of other classes, and numbers that cannot hold."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from torch.optim import lr_scheduler, swa_utils

from ratesmith._checks import finite


class Checked(lr_scheduler.LRScheduler):
    """A scheduler that refuses options that cannot hold, and a state that is not of its class."""

    def _check(self) -> None:
        """Refuse options that cannot hold."""

    def _initial_step(self) -> None:
        """Check the options, and set the first rates."""
        self._check()
        super()._initial_step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a saved state, or raise ValueError with what it lacks or has of another class."""
        who = type(self).__name__
        must = f"{who}: the state must be one that {who} saved"
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"{must}, got {type(state_dict).__name__}; load the state of the same class")
        own, given = set(vars(self)), set(state_dict)
        needed = ({"last_epoch", "_schedulers"} | _options(type(self))) & own  # a chain of torch's has no last_epoch
        if missing := sorted(needed - given - {"verbose", "optimizer"}):
            raise ValueError(f"{must}, got one without {', '.join(missing)}; load the state of the same class")
        if foreign := sorted((given & _all_options()) - own):
            raise ValueError(f"{must}, got one with {', '.join(foreign)}; load the state of the same class")
        finite(who, "last_epoch of the state", state_dict.get("last_epoch", 0))
        children, saved = vars(self).get("_schedulers", ()), state_dict.get("_schedulers", ())
        if len(children) != len(saved):
            raise ValueError(f"{must} with {len(children)} schedulers, got {len(saved)}; make it of as many")
        super().load_state_dict(state_dict)


def _options(kind: type) -> set[str]:
    """Give the names of the options of torch's class, or of ours."""
    return {name for base in kind.__mro__ for name in inspect.signature(base).parameters if base is not object}


@functools.cache
def _all_options() -> set[str]:
    kinds = [swa_utils.SWALR, *(getattr(lr_scheduler, name) for name in lr_scheduler.__all__)]
    return {name for kind in kinds for name in inspect.signature(kind).parameters} - {"verbose", "last_epoch"}


def each_finite(who: str, name: str, values: Any, **limits: float) -> None:
    """Refuse a number, or one for each group, that is not finite."""
    for value in values if isinstance(values, (list, tuple)) else [values]:
        finite(who, name, value.item() if hasattr(value, "item") else value, **limits)
