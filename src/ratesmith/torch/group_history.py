"""An optimizer's parameter groups: recognised again, told whether they were trained, loaded or set here before.

What a ScheduleLR needs to go on with a group stands in the group itself, see `key.py`. It is all plain numbers. So it
travels with the optimizer's own state, and stays with its group when others are added, removed or moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from torch import Tensor
from torch.optim import Optimizer

from ratesmith.torch.key import Group

_SET_HERE: Final = "_ratesmith_groups"
"""The optimizer's attribute that holds, by key, the very groups that a scheduler of this process has set."""


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
    noted = {id(group) for group in vars(optimizer).get(_SET_HERE, {}).get(key, ())}
    return any(id(group) in noted for group in optimizer.param_groups)


def note_set_here(optimizer: Optimizer, keys: Iterable[str]) -> None:
    """Note that a scheduler sets these keys. The groups themselves are kept, so that no other takes their identity."""
    before = vars(optimizer).get(_SET_HERE, {})
    setattr(optimizer, _SET_HERE, {**before, **{key: list(optimizer.param_groups) for key in keys}})


def noted_here(optimizer: Optimizer) -> Any:
    """Return what is noted, for `note_again`."""
    return vars(optimizer).get(_SET_HERE)


def note_again(optimizer: Optimizer, noted: Any) -> None:
    """Note what was noted before."""
    vars(optimizer).pop(_SET_HERE, None)
    if noted is not None:
        setattr(optimizer, _SET_HERE, noted)


def is_loaded(optimizer: Optimizer) -> bool:
    """Whether a group came from a loaded state. Loading puts "params" behind all other keys; no group is made so."""
    orders = ([key for key in group if key != "param_names"] for group in optimizer.param_groups)
    return any(len(keys) > 2 and keys[-1] == "params" for keys in orders)


def is_trained(optimizer: Optimizer) -> bool:
    """Whether the optimizer has made updates before, so that its present values need not be the first ones.

    Its state tells, by its own counts where it has them: Adagrad has a state from the start. Plain SGD has none; there
    a loaded group tells, if its rate is no more the one that the code gave.
    """
    states = [state for state in optimizer.state.values() if isinstance(state, dict)]
    counts = [state["step"] for state in states if "step" in state]
    if any(float(count) > 0 for count in counts) or (states and not counts):
        return True
    given = optimizer.defaults.get("lr")
    rates = [group["lr"] for group in optimizer.param_groups if "lr" in group]
    return is_loaded(optimizer) and (given is None or any(float(rate) != float(given) for rate in rates))


def has_foreign_scheduler(optimizer: Optimizer) -> bool:
    """Whether one of torch's own schedulers was made for this optimizer in this process."""
    return hasattr(optimizer.step, "_wrapped_by_lr_sched")


def unshare(optimizers: Iterable[Optimizer], keys: Iterable[str]) -> None:
    """Put a tensor of its own into every group if several groups, or the defaults, hold the same one under a key."""
    holders = [holder for optimizer in optimizers for holder in (*optimizer.param_groups, optimizer.defaults)]
    for key in set(keys):
        seen: set[int] = set()
        for holder in holders:
            if isinstance(holder.get(key), Tensor):
                holder[key] = _own(holder[key], seen)
            elif isinstance(holder.get(key), (tuple, list)):
                holder[key] = type(holder[key])([_own(part, seen) for part in holder[key]])


def _own(value: Any, seen: set[int]) -> Any:
    if not isinstance(value, Tensor):
        return value
    # One made in inference mode can't be written outside of it.
    if id(value) in seen or value.is_inference():
        value = value.clone()
    seen.add(id(value))
    return value


def place_of(group: Group, groups: list[Group]) -> int:
    """Return the place of a group, found by identity: dicts of tensors can't be compared."""
    return next(place for place, own in enumerate(groups) if own is group)
