"""Rates in parameter groups: written as what they are, a number or a tensor, and given to groups that join late."""

from __future__ import annotations

import math
from typing import Any, Final

from torch import Tensor

from ratesmith.torch.counting import watch_update
from ratesmith.torch.group_history import has_foreign_scheduler, is_loaded


def are_plain(groups: list[dict[str, Any]]) -> bool:
    """Whether every group's rate is a plain number."""
    for group in groups:  # noqa: SIM110  # a generator takes twice as long
        if type(group["lr"]) is not float:
            return False
    return True


def replace_plain(groups: list[dict[str, Any]], rates: list[float], next_rates: list[float]) -> bool:
    """Set the next rates if each group still holds the very object written last; else return False, nothing changed.

    There must be as many of all three.
    """
    for group, rate, next_rate in zip(groups, rates, next_rates):  # noqa: B905  # `strict` alone takes as long again
        if group["lr"] is not rate:
            break
        group["lr"] = next_rate
    else:
        return True
    for group, rate, next_rate in zip(groups, rates, next_rates, strict=True):
        if group["lr"] is next_rate:
            group["lr"] = rate
    return False


def write_plain(scheduler: Any, rates: list[Any]) -> None:
    """Set plain rates, and keep their list as the last."""
    groups = scheduler.optimizer.param_groups
    if len(rates) != len(groups):
        raise ValueError(
            f"{type(scheduler).__name__}: get_lr must give a rate for each group, got {len(rates)} for {len(groups)}; "
            "give one a group"
        )
    for group, rate in zip(groups, rates):  # noqa: B905  # `strict` alone takes as long again
        group["lr"] = rate
    scheduler._last_lr = rates
    scheduler._wrote_in = groups[0]


def write_rates(groups: list[dict[str, Any]], rates: list[Any]) -> None:
    """Set the rates of as many groups as there are rates: a tensor in place, a number as a number."""
    for group, rate in zip(groups, rates, strict=False):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(float(rate))
        else:
            group["lr"] = rate.item() if isinstance(rate, Tensor) else rate


def copied(value: Any) -> Any:
    """Return a number as it is, and of a tensor, which is written in place, a copy."""
    return value.clone() if isinstance(value, Tensor) else value


def take_in_late_groups(scheduler: Any, *lists: str) -> None:
    """Let groups added after the scheduler was made join at their own rate, with the options that all others share."""
    groups = scheduler.optimizer.param_groups
    refuse_lost_groups(scheduler)
    for group in groups[len(scheduler.base_lrs) :]:
        base = group.setdefault("initial_lr", copied(group["lr"]))
        scheduler.base_lrs = [*scheduler.base_lrs, copied(base)]  # the old list may be part of a state
    for name in lists:
        share_with_late_groups(scheduler, name)


def share_with_late_groups(scheduler: Any, name: str) -> None:
    """Return groups added later the option that all others share, or raise ValueError where they differ."""
    options, count = getattr(scheduler, name), len(scheduler.optimizer.param_groups)
    if len(options) >= count:
        return
    if any(option is not options[0] and option != options[0] for option in options):
        raise ValueError(
            f"{type(scheduler).__name__}: {name} must be the same for all groups when one is added, got several; "
            f"append the new group's own to scheduler.{name} first"
        )
    setattr(scheduler, name, [*options, *[options[0]] * (count - len(options))])


def refuse_lost_groups(scheduler: Any) -> None:
    """Raise ValueError where groups were taken from the optimizer: whose base is whose cannot be known any more."""
    left, known = len(scheduler.optimizer.param_groups), len(scheduler.base_lrs)
    if left < known:
        raise ValueError(
            f"{type(scheduler).__name__}: the optimizer must keep the {known} groups that the scheduler knows, got "
            f"{left}; build the scheduler anew, with last_epoch={scheduler.last_epoch - 1}"
        )


def goes_on(groups: list[dict[str, Any]], before: list[Any], rates: list[Any]) -> list[Any]:
    """Return the rates of a scheduler built in the middle of a run, from its own of one step before and of now.

    They are its own where the group has its base, as in a new optimizer, or the rate of one step before. A loaded
    optimizer has the rate already; or one that somebody else wrote too, a second scheduler of the run or a user, which
    stays, as in torch.
    """
    return [
        copied(group["lr"])
        if close(group["lr"], own) or not (close(group["lr"], group["initial_lr"]) or close(group["lr"], last))
        else own
        for group, last, own in zip(groups, before, rates, strict=True)
    ]


def close(one: Any, other: Any) -> bool:
    """Whether two rates are the same but for rounding."""
    # torch's recursions are some rounding errors away from the formula, with float32 tensors as many single ones
    return math.isclose(float(one), float(other), rel_tol=1e-6)


class _Loaded:
    """The rates of an optimizer whose state was loaded before a scheduler was built, until the next update.

    It stands on the optimizer, since all schedulers that are built for it share it. `group` tells for which load.
    """

    def __init__(self, group: dict[str, Any], rates: list[Any]) -> None:
        self.group, self.rates = group, rates

    def saw_update(self) -> None:
        self.rates = []


_LOADED: Final = "_ratesmith_loaded"


def keep_loaded_rates(optimizer: Any) -> None:
    """Keep the rates of a loaded optimizer before a scheduler is built, which sets those of its first step."""
    groups = getattr(optimizer, "param_groups", None)
    if not groups or not is_loaded(optimizer) or has_foreign_scheduler(optimizer):
        return  # the last: one of torch's own that was built before has set its first rates already
    before = vars(optimizer).get(_LOADED)
    if before is None or before.group is not groups[0]:
        loaded = _Loaded(groups[0], [copied(group.get("lr")) for group in groups])
        setattr(optimizer, _LOADED, loaded)
        watch_update(optimizer, loaded)


def rates_as_loaded(optimizer: Any) -> list[Any]:
    """Return the rates that an optimizer was loaded with; nothing if it was not, or has made an update since."""
    groups, loaded = optimizer.param_groups, vars(optimizer).get(_LOADED)
    if loaded is None or loaded.group is not groups[0] or len(loaded.rates) != len(groups):
        return []
    return [copied(rate) for rate in loaded.rates]
