"""Drop-ins made of others: one after another, and all at once; each may hold the other."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

from torch.optim import lr_scheduler

from ratesmith._checks import whole
from ratesmith.torch.lr_scheduler.checks import check_rates
from ratesmith.torch.lr_scheduler.drop_in import DropIn, drop_in
from ratesmith.torch.lr_scheduler.writing import copied, write_rates


class _Composite(DropIn):
    """A scheduler of schedulers that may itself be a part of one."""

    _schedulers: Any

    def _update_lr(self, epoch: int | None = None) -> None:
        """Begin, where a sequence around this one comes to it."""
        _begin_again(self)

    def step(self, epoch: int | None = None) -> None:
        """Go on by one step."""
        if epoch is not None:
            who = type(self).__name__
            raise TypeError(f"{who}: step must be given no number, got {epoch!r}; load its state, or give last_epoch")
        super().step()
        self._wrote_in = self.optimizer.param_groups[0]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a saved state, with those of the schedulers in it."""
        super().load_state_dict(_with_late_groups(state_dict))


@drop_in
class SequentialLR(_Composite, lr_scheduler.SequentialLR):
    """Schedulers one after another: number i is in charge from step `milestones[i - 1]` on.

    `>>` between schedules is the value. A sequence may hold a sequence or a `ChainedScheduler` at any place. With
    `last_epoch=k` it begins anew and makes k + 1 steps. Source: torch.optim.lr_scheduler.SequentialLR.
    """

    @classmethod
    def _refuse(cls, options: Mapping[str, Any]) -> None:
        for milestone in options["milestones"]:
            whole("SequentialLR", "a milestone", milestone, least=0)
        for sooner, later in itertools.pairwise(options["milestones"]):
            if later < sooner:
                raise ValueError(f"SequentialLR: milestones must rise, got {sooner} before {later}; sort them")
        resumed = [child.last_epoch for child in _leaves(options["schedulers"]) if _is_resumed(child)]
        if resumed and options["last_epoch"] == -1:
            raise ValueError(
                f"SequentialLR: last_epoch must be given where its schedulers have it, got a scheduler at step "
                f"{max(resumed)}; give the sequence the last_epoch of the run, and its schedulers none"
            )
        for group in getattr(options["optimizer"], "param_groups", ()):  # a group may be younger than the schedulers
            group.setdefault("initial_lr", copied(group["lr"]))

    def _settle(self) -> None:
        if self.last_epoch > 0:  # what last_epoch asks for
            _replay(self, self.last_epoch)

    def _initial_step(self) -> None:
        """Begin, as a part of another composite."""
        self.last_epoch = 0
        child = self._schedulers[bisect_right(self._milestones, 0)]
        child._initial_step()
        self._last_lr = child.get_last_lr()


@drop_in
class ChainedScheduler(_Composite, lr_scheduler.ChainedScheduler):
    """Schedulers all at once, each changing the rate that the one before it left.

    `*` between schedules is the value. A chain may hold a sequence or another chain. Of schedulers that were built with
    `last_epoch=k` it begins anew and makes k + 1 steps. Source: torch.optim.lr_scheduler.ChainedScheduler.
    """

    @classmethod
    def _refuse(cls, options: Mapping[str, Any]) -> None:
        for child in options["schedulers"]:
            check_rates("ChainedScheduler", getattr(child, "optimizer", None))

    def _settle(self) -> None:
        if not any(map(_is_resumed, self._schedulers)):
            return
        steps = {_place(child) for child in self._schedulers}
        if len(steps) > 1:
            raise ValueError(
                f"ChainedScheduler: its schedulers must all be at one step, got steps {sorted(steps)}; "
                f"give each the same last_epoch"
            )
        _replay(self, steps.pop())

    def _initial_step(self) -> None:
        """Begin, as a part of another composite."""
        for child in self._schedulers:
            child._initial_step()
        self._last_lr = self._schedulers[-1].get_last_lr()


def _begin_again(composite: Any) -> None:
    """Put a composite and all in it back to before the first step, the rates to their bases, and begin."""
    groups = composite.optimizer.param_groups
    write_rates(groups, [group.setdefault("initial_lr", copied(group["lr"])) for group in groups])
    _rewind(composite)
    composite._initial_step()


def _rewind(composite: Any) -> None:
    for child in _leaves([composite]):
        child.last_epoch, child._step_count = -1, min(child._step_count, 1)
        if hasattr(child, "T_cur"):
            child.T_cur, child.T_i = 0, child.T_0


def _replay(composite: Any, steps: int) -> None:
    """Put a composite where a run of so many steps has it: what a part leaves behind depends on those before it."""
    called = getattr(composite.optimizer, "_opt_called", False)
    composite.optimizer._opt_called = True  # the updates of that run were made: torch must not warn of the order
    _begin_again(composite)
    for _ in range(steps):
        composite.step()
    composite.optimizer._opt_called = called


def _leaves(schedulers: Any) -> Iterator[Any]:
    for scheduler in schedulers:
        if hasattr(scheduler, "_schedulers"):
            yield from _leaves(scheduler._schedulers)
        else:
            yield scheduler


def _place(scheduler: Any) -> int:
    """Return the step at which a scheduler is."""
    step: int = scheduler.last_epoch if hasattr(scheduler, "last_epoch") else _place(scheduler._schedulers[0])
    return step


def _is_resumed(scheduler: Any) -> bool:
    """Whether a scheduler was built in the middle of a run, with last_epoch, and not yet stepped."""
    if hasattr(scheduler, "_schedulers"):
        return _place(scheduler) > 0  # a replay is right however it came to be there
    # warm restarts count no steps; plateau is none of these, and torch refuses it
    return bool(getattr(scheduler, "_step_count", 2) <= 1 and scheduler.last_epoch > 0)


def _with_late_groups(state: Any) -> Any:
    """Return a composite's state with the present rates of groups that are younger than its parts' last rates."""
    if not isinstance(state, Mapping) or not {"_schedulers", "_last_lr"} <= set(state):
        return state
    rates = list(state["_last_lr"])
    children = [
        {**child, "_last_lr": [*child["_last_lr"], *rates[len(child["_last_lr"]) :]]} if "_last_lr" in child else child
        for child in state["_schedulers"]
    ]
    return {**state, "_schedulers": children}
