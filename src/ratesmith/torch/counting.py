"""Counting an optimizer's own updates through its hook, without those that change nothing."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from torch.optim import Optimizer

from ratesmith.codes import coded
from ratesmith.torch.compiled import not_compiled
from ratesmith.torch.key import Group
from ratesmith.torch.user_warnings import warn_user

FIRST_UPDATES: Final = 2
"""Updates whose callers are looked at."""
_OPTIMIZER_FILE: Final = sys.modules[Optimizer.__module__].__file__
MOST_CALLERS: Final = 12
"""Callers that are looked at: between a scaler and the optimizer there may be a trainer's wrapper."""


class UpdateCounter:
    """The hook that an optimizer calls after each update; it calls `count` of its owner, which it does not keep alive.

    A class and not a function, so that the owner of a hook can be found among those of an optimizer.
    """

    def __init__(
        self, owner: Any, count: Callable[[Any], None] | None, has_written: Callable[[Any, Group], bool]
    ) -> None:
        """Take the owner, and two functions of it: to count, and whether it wrote the rate that stands in a group.

        Without the first it counts nothing, and only tells whose optimizer this is.
        """
        self._owner = weakref.ref(owner)
        self._count, self._has_written = count, has_written

    @property
    def owner(self) -> Any:
        """The scheduler that counts, or None if it is gone."""
        return self._owner()

    handle: Any = None
    """What removes the hook."""

    @not_compiled
    def __call__(self, optimizer: Optimizer, *_: Any) -> None:
        """Count one update, unless it was none."""
        owner = self.owner
        if owner is None and self._count is not None:
            self._count = None
            note = (
                "ScheduleLR: updates are not counted any more, and the rates stay as they are, since nothing holds the "
                "scheduler that counted them; keep it in a variable"
            )
            warn_user([coded("RS205", note)])
        if owner is None or self._count is None:
            return
        if not _is_nested(optimizer) and not made_no_update(optimizer, lambda group: self._has_written(owner, group)):
            self._count(owner)


class _Watch:
    """A hook that tells once that an update was made; it keeps nothing alive."""

    def __init__(self, owner: Any) -> None:
        self.handle: Any = None
        self._owner: Any = weakref.ref(owner)

    @property
    def is_over(self) -> bool:
        """Whether it has told, or nobody is left to be told."""
        return self._owner() is None

    @not_compiled
    def __call__(self, *_: Any) -> None:
        if (owner := self._owner()) is not None:
            owner.saw_update()
        self._owner = lambda: None  # a hook can't be removed while hooks are called


class UpdateWatch:
    """A hook that counts the updates that it sees, for the doctor; it keeps nothing alive.

    It asks no gradient scaler, which would wait for the device: a fused optimizer's skipped update counts here.
    """

    def __init__(self, owner: Any) -> None:
        """Take the doctor."""
        self.handle: Any = None
        self._owner: Any = weakref.ref(owner)
        self.count = 0
        self.is_scaled = False
        """Whether a gradient scaler makes the updates, which skips some."""

    @property
    def owner(self) -> Any:
        """The doctor, or None if it is gone."""
        return self._owner()

    @property
    def is_over(self) -> bool:
        """Whether nobody asks for the count any more."""
        return self._owner() is None

    @not_compiled
    def __call__(self, optimizer: Optimizer, *_: Any) -> None:
        """Count one update, unless it is the hidden step of a checkpoint."""
        rate, owner = next(iter(optimizer.param_groups), {}).get("lr"), self._owner()
        if type(rate) is float and rate == 0.0 and owner is not None and made_no_update(optimizer, owner.is_own_rate):
            return
        if _is_nested(optimizer):
            return
        if self.count < FIRST_UPDATES:
            self.is_scaled = self.is_scaled or _is_called_by_a_scaler()
        self.count += 1


def _is_nested(optimizer: Optimizer) -> bool:
    """Whether an optimizer's step was called by its own step, as a subclass does: then the hooks are called twice."""
    if not _may_nest(type(optimizer)):  # type: ignore[arg-type]  # a class can be hashed
        return False
    running = 0
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename == _OPTIMIZER_FILE and frame.f_code.co_name == "wrapper":
            running += frame.f_locals.get("self") is optimizer
        frame = frame.f_back
    return running > 1


@functools.lru_cache(maxsize=64)
def _may_nest(kind: type[Any]) -> bool:
    """Whether several classes of an optimizer have a step of their own; that of Optimizer does nothing."""
    return sum("step" in vars(own) for own in kind.__mro__ if issubclass(own, Optimizer)) > 2


def _is_called_by_a_scaler() -> bool:
    """Whether one of torch's gradient scalers calls the optimizer, by the file of a function that is running."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(MOST_CALLERS):
        if frame is None:
            return False
        if frame.f_code.co_filename.endswith("grad_scaler.py"):
            return True
        frame = frame.f_back
    return False


def _with_hooks(optimizer: Any) -> Any:
    """Return the optimizer that calls hooks, which a wrapper without any, as Accelerate's, has inside; else None."""
    while not hasattr(optimizer, "_optimizer_step_post_hooks"):
        optimizer = getattr(optimizer, "optimizer", None)
        if not isinstance(optimizer, Optimizer):
            return None
    return optimizer


def has_hooks(optimizer: Any) -> bool:
    """Whether an optimizer calls hooks, as all that are made by torch's own construction do."""
    return _with_hooks(optimizer) is not None


def hook_into(optimizer: Any, hook: Any) -> Any:
    """Let an optimizer call a hook after each update; return the handle, which the hook has too."""
    given, optimizer = optimizer, _with_hooks(optimizer)
    if optimizer is None:
        raise TypeError(
            f"ScheduleLR: the optimizer must have hooks to count its updates, got {type(given).__name__}; "
            "give the optimizer inside it"
        )
    watches = (_Watch, UpdateWatch)
    for earlier in [hook for hook in optimizer._optimizer_step_post_hooks.values() if isinstance(hook, watches)]:
        if earlier.is_over:
            earlier.handle.remove()
    hook.handle = optimizer.register_step_post_hook(hook)
    return hook.handle


def watch_update(optimizer: Any, owner: Any) -> None:
    """Tell `owner.saw_update()` once that the optimizer has made an update."""
    hook_into(optimizer, _Watch(owner))


def counts_updates(hook: Any) -> bool:
    """Whether a hook is a scheduler's of ours, which only counts."""
    return isinstance(hook, (UpdateCounter, UpdateWatch, _Watch))


def has_users_hooks(optimizer: Optimizer) -> bool:
    """Whether an optimizer calls functions of the user's own after an update."""
    return any(not counts_updates(hook) for hook in optimizer._optimizer_step_post_hooks.values())


def counters(optimizer: Optimizer) -> list[UpdateCounter]:
    """Return the counters among an optimizer's hooks."""
    return [hook for hook in _hooks(optimizer) if isinstance(hook, UpdateCounter)]


def watches(optimizer: Optimizer) -> list[UpdateWatch]:
    """Return the doctors' watches among an optimizer's hooks."""
    return [hook for hook in _hooks(optimizer) if isinstance(hook, UpdateWatch)]


def _hooks(optimizer: Any) -> list[Any]:
    optimizer = _with_hooks(optimizer)
    return [] if optimizer is None else list(optimizer._optimizer_step_post_hooks.values())


def made_no_update(optimizer: Optimizer, is_ours: Callable[[Group], bool]) -> bool:
    """Whether `optimizer.step()` ran and changed nothing.

    A gradient scaler always calls a fused optimizer, and tells it by `found_inf` to skip. And
    torch.distributed.checkpoint makes a hidden step, with all rates at 0 and all gradients zero, to have an optimizer
    make its state; with plain SGD, which has none, at every save.

    The hidden step is known by its rates: it puts zeros of its own in their place. A rate that the schedule wrote
    (`is_ours`) is an update, though it be 0; that asks no gradient, which may be zero on one process alone.
    """
    found_inf = getattr(optimizer, "found_inf", None)
    if found_inf is not None and bool(found_inf):
        return True
    if any(is_ours(group) or float(group.get("lr", 1.0)) != 0.0 for group in optimizer.param_groups):
        return False
    gradients = (weight.grad for group in optimizer.param_groups for weight in group["params"])
    return not any(gradient is not None and bool(gradient.any()) for gradient in gradients)
