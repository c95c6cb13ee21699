"""What a ScheduleLR keeps in the parameter groups themselves, and how a group is recognised again.

A group carries what is needed to go on with it: under `initial_lr`, where every PyTorch tool looks, the base that the
factor multiplies (for other keys `initial_<key>`); under `ratesmith_<key>` the value written last; under
`ratesmith_<key>_step` the step that it belongs to. All are plain numbers. So they travel with the optimizer's own
state, and stay with their group when others are added, removed or moved.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import Tensor
from torch.optim import Optimizer

Group = dict[str, Any]

BASE: Final = "initial_"
"""What stands before a key to name its base, as torch names it for the rate."""
WRITTEN: Final = "ratesmith_"
"""What stands before a key to name the value that was written last."""
STEP: Final = "_step"
"""What stands after that to name the step, the number of updates, that the value belongs to."""
_SET_HERE: Final = "_ratesmith_groups"
"""The optimizer's attribute that holds, by key, the very list of groups that a scheduler of this process has set."""


def recognise(groups: list[Group], known: list[Group]) -> list[Group | None]:
    """Return for each group the one of `known` that holds the same parameters, or None for a new group.

    Loading an optimizer's state puts new dicts in place of the groups, but keeps their parameters.
    """
    left = {id(group): group for group in known}
    found = [left.pop(id(group), None) for group in groups]
    if not left or None not in found:
        return found
    # By the list too, which survives when its parameters are replaced, and which an empty group has as well.
    owners = {id(part): group for group in left.values() for part in (group["params"], *group["params"])}
    for place, group in enumerate(groups):
        if found[place] is None:
            candidates = (owners.get(id(part)) for part in (group["params"], *group["params"]))
            match = next((owner for owner in candidates if owner is not None and id(owner) in left), None)
            if match is not None:
                found[place] = left.pop(id(match))
    return found


def was_set_here(optimizer: Optimizer, key: str) -> bool:
    """Whether a scheduler of this process has set this key in these very groups, neither loaded nor copied since.

    It tells a second scheduler, which begins anew, from one that goes on with a loaded state. Nothing else depends on
    it, and a copy of the optimizer, which loses the note, counts as loaded.
    """
    return vars(optimizer).get(_SET_HERE, {}).get(key) is optimizer.param_groups


def note_set_here(optimizer: Optimizer, keys: Iterable[str]) -> None:
    """Note that a scheduler sets these keys."""
    vars(optimizer).setdefault(_SET_HERE, {}).update(dict.fromkeys(keys, optimizer.param_groups))


def is_trained(optimizer: Optimizer) -> bool:
    """Whether the optimizer has made updates before, so that its present values need not be the first ones.

    Plain SGD keeps no state that tells. There a group that was loaded tells: loading puts "params" behind all other
    keys, and no group is made so.
    """
    return bool(optimizer.state) or any(
        [key for key in group if key != "param_names"][-1] == "params" for group in optimizer.param_groups
    )


def has_foreign_scheduler(optimizer: Optimizer) -> bool:
    """Whether one of torch's own schedulers was made for this optimizer in this process."""
    return hasattr(optimizer.step, "_wrapped_by_lr_sched")


def finite_value(name: str, place: int | str, value: Any) -> float:
    """Return a group's number as a float, or raise an error that says where it stands."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(
            f"ScheduleLR: {name!r} of group {place} must be a finite number, got {number}; set it to a number"
        )
    return number


def kept_number(group: Group, key: str, place: int | str) -> float | None:
    """Return a number that a group keeps, as a float; None if it keeps none. A tensor, as torch keeps it, counts."""
    value = group.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, Tensor)):
        raise TypeError(f"ScheduleLR: {key!r} of group {place} must be a number, got {value!r}; remove it or mend it")
    return finite_value(key, place, value)


def unshare(optimizer: Optimizer, keys: Iterable[str]) -> None:
    """Put a tensor of its own into every group if several groups, or the defaults, hold the same one under a key."""
    for key in set(keys):
        seen: set[int] = set()
        for group in (*optimizer.param_groups, optimizer.defaults):
            if isinstance(group.get(key), Tensor):
                group[key] = _own(group[key], seen)
            elif isinstance(group.get(key), (tuple, list)):
                group[key] = type(group[key])([_own(part, seen) for part in group[key]])


def _own(value: Any, seen: set[int]) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    if id(value) in seen:
        value = value.clone()
    seen.add(id(value))
    return value
