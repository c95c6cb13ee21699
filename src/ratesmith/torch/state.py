"""The saved state of a ScheduleLR: read with care, told apart from another's, and given to the groups it belongs to."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from ratesmith._checks import whole
from ratesmith.horizon import Horizon
from ratesmith.torch import binding_state
from ratesmith.torch.binding import Binding
from ratesmith.torch.floor import NAMES, Floor
from ratesmith.torch.key import Group
from ratesmith.torch.user_functions import same

FORMAT: Final = 2
"""The version of the saved state. None of its keys is an attribute of torch's schedulers, which take any key there is:
their `load_state_dict` would put it in place of what they need."""
KEYS: Final = {"format", "updates", "horizon", "groups", "bindings"}
"""What a state of this version has."""
BINDING: Final = {"key": str, "schedule": str, "absolute": bool, "base": list}
"""What a saved binding has, beside the controller's state."""
LISTS: Final = ("base", "value", "written", "given")
"""What it has for each group: the base, the value that stood there, the one written last, and the base of the code."""
FLOOR: Final = (*NAMES, "factor")
"""What it has beside these if it has a floor."""
GROUP: Final = ("name", "param_names", "shapes")
"""By what a saved group is recognised in another process, the surest first."""
HORIZON: Final = ("steps", "steps_per_epoch", "tokens_per_step", "samples_per_step")
"""What is kept of a horizon."""
KEEP: Final = "give on_mismatch='keep_new' to go on with the new schedule"
USE: Final = "'use_saved' to go on with the saved one"


@dataclass(frozen=True)
class Saved:
    """A state as it was read: the step, the horizon if there was one, the groups' marks and the bindings."""

    updates: int
    horizon: Horizon | None
    groups: list[dict[str, str]] | None
    bindings: list[dict[str, Any]]


def save(updates: int, horizon: Horizon | None, groups: list[Group], bindings: list[Binding]) -> dict[str, Any]:
    """Return all as plain data of its own."""
    return {
        "format": FORMAT,
        "updates": updates,
        "horizon": None if horizon is None else {name: getattr(horizon, name) for name in HORIZON},
        "groups": [_marks(group) for group in groups],
        "bindings": [binding_state.saved(binding, groups) for binding in bindings],
    }


def read(state: Any) -> Saved:
    """Return a state as it was saved, or raise ValueError or TypeError for what is none of ours."""
    if not isinstance(state, Mapping):
        raise TypeError(
            f"ScheduleLR: the state must be one that ScheduleLR saved, got {type(state).__name__}; load such a dict"
        )
    if "format" not in state:
        raise ValueError(_foreign(state))
    version = whole("ScheduleLR", "the format of the state", state["format"], least=1)
    if version > FORMAT:
        raise ValueError(
            f"ScheduleLR: the state must be of format {FORMAT} or older, got format {version}; "
            "it is of a newer Ratesmith: install that to load it"
        )
    if version == 1:
        state = _from_first(state)
    if unknown := sorted(set(map(str, state)) - KEYS):
        raise ValueError(f"ScheduleLR: the state must have no unknown keys, got {', '.join(unknown)}; remove them")
    if missing := sorted(KEYS - set(state)):
        raise ValueError(f"ScheduleLR: the state must have {', '.join(missing)}, got none; it is damaged")
    # -1: it waits for its turn in one of torch's sequences.
    updates = whole("ScheduleLR", "the saved step", state["updates"], least=-1)
    bindings = state["bindings"]
    for binding in bindings if isinstance(bindings, list) else [bindings]:
        if not _is_binding(binding):
            known = ", ".join((*BINDING, "state"))
            raise ValueError(f"ScheduleLR: a saved schedule must have {known}, got {binding!r}; it is damaged")
    groups = state["groups"]
    if groups is not None and not (isinstance(groups, list) and all(map(_is_marks, groups))):
        raise ValueError(f"ScheduleLR: saved groups must be known by {', '.join(GROUP)}, got {groups!r}; it is damaged")
    return Saved(updates, _horizon(state["horizon"]), groups, list(bindings))


def _foreign(state: Mapping[Any, Any]) -> str:
    """Return the message for a state that is not of a ScheduleLR."""
    known = ", ".join(sorted(map(str, state))) or "an empty one"
    parts = state.get("_schedulers")  # a chain of torch's counts no steps itself
    inner = parts[0] if isinstance(parts, list) and parts and isinstance(parts[0], Mapping) else {}
    step = state.get("last_epoch", inner.get("last_epoch"))
    if isinstance(step, int):
        return (
            f"ScheduleLR: the state must be one that ScheduleLR saved, got one of a torch scheduler at step {step}: "
            f"go on with scheduler.step_to({step}); ratesmith.torch.from_torch(old_scheduler) gives its schedule"
        )
    return f"ScheduleLR: the state must be one that ScheduleLR saved, got {known}; load the state of the same class"


def _from_first(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state of format 1 as one of format 2; the other way round there is none."""
    tracks = state.get("tracks")
    return {
        **{key: value for key, value in state.items() if key not in ("step", "tracks")},
        **{"updates": state.get("step"), "horizon": None, "groups": None, "bindings": tracks},
    }


def _is_binding(data: Any) -> bool:
    fits = isinstance(data, dict) and all(isinstance(data.get(name), kind) for name, kind in BINDING.items())
    functions = data.get("functions", {}) if fits else None
    known = isinstance(functions, dict) and all(isinstance(code, str) for code in functions.values())
    names = {*BINDING, *LISTS, *FLOOR, "state", "functions"}
    if not (fits and known and "state" in data and not set(data) - names):
        return False
    lists = [data[name] for name in LISTS if name in data]
    numbers = [data[name] for name in FLOOR if name in data]
    if not all(isinstance(number, float) and math.isfinite(number) for number in numbers):
        return False
    return all(isinstance(part, list) and len(part) == len(data["base"]) for part in lists) and all(
        value is None or (isinstance(value, float) and math.isfinite(value)) for part in lists for value in part
    )


def _is_marks(data: Any) -> bool:
    return isinstance(data, dict) and all(name in GROUP and isinstance(text, str) for name, text in data.items())


def _horizon(data: Any) -> Horizon | None:
    if data is None:
        return None
    if not isinstance(data, dict) or set(data) != set(HORIZON):
        raise ValueError(f"ScheduleLR: a saved horizon must have {', '.join(HORIZON)}, got {data!r}; it is damaged")
    return Horizon(**data)


def floor_of(data: Mapping[str, Any]) -> Floor:
    """Return the floor of a saved binding."""
    return Floor(*(data.get(name) for name in NAMES))


# Groups in another process


def _marks(group: Group) -> dict[str, str]:
    """Return what a group is recognised by: its name, or short digests of its parameters' names and shapes.

    With several processes each may hold another part of a parameter, so there the shapes say nothing.
    """
    found = {}
    if isinstance(group.get("name"), str):
        found["name"] = group["name"]
    if group.get("param_names"):
        found["param_names"] = _digest(group["param_names"])
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        found["shapes"] = _digest([tuple(weight.shape) for weight in group["params"]])
    return found


def _digest(parts: Any) -> str:
    return hashlib.sha256(repr(list(parts)).encode()).hexdigest()[:16]


def in_order(saved: Saved, groups: list[Group]) -> list[dict[str, Any]]:
    """Return the saved bindings with their bases in the order of the groups here.

    Groups are recognised by name, else by their parameters' names, else by place and equal shapes. Raise ValueError if
    none of these fits and it matters, since the bases differ.
    """
    bindings, count = saved.bindings, len(groups)
    if saved.groups is None or len(saved.groups) != count or any(len(own["base"]) != count for own in bindings):
        return bindings  # what does not fit is told by `refuse`
    order = _order(saved.groups, [_marks(group) for group in groups])
    if order is None:
        if any(len(set(own["base"])) > 1 for own in bindings):
            raise ValueError(
                "ScheduleLR: the saved groups must be those of this optimizer, got other names or shapes; "
                'give every group the "name" that it had'
            )
        return bindings
    return [
        {**own, **{name: [own[name][place] for place in order] for name in LISTS if name in own}} for own in bindings
    ]


def _order(saved: list[dict[str, str]], here: list[dict[str, str]]) -> list[int] | None:
    """Return for each group here the place that it was saved at; None if they are not the same groups."""
    order = None if all("shapes" in group for group in (*saved, *here)) else list(range(len(here)))
    for by in GROUP:
        before, now = [group.get(by) for group in saved], [group.get(by) for group in here]
        if None in before or None in now or sorted(map(str, before)) != sorted(map(str, now)):
            continue
        if before == now:
            order = list(range(len(here)))
            break
        if len(set(before)) == len(before):
            order = [before.index(mark) for mark in now]
            break
    names = [group.get("name") for group in saved]
    for group, place in zip(here, order or (), strict=False):
        if group.get("name") in names and "name" in group and names[place] != group["name"]:
            return None  # by place it would be another group than its name says
    return order


# What does not fit


def refuse(bindings: list[Binding], saved: list[dict[str, Any]], groups: list[Group], choice: str) -> None:
    """Refuse a state that does not fit; of another schedule or function, as `choice` says."""
    if len(saved) != len(bindings):
        raise ValueError(
            f"ScheduleLR: the saved state must be one of {len(bindings)} schedules, got {len(saved)}; "
            "make the scheduler with as many"
        )
    pairs = list(zip(bindings, saved, strict=True))
    lines = [line for binding, data in pairs for line in _unfit(binding, data, groups)]
    do = "make it for the same keys and groups"
    if not lines and choice != "keep_new":
        lines, do = [line for binding, data in pairs for line in _other_functions(binding, data)], KEEP
    if not lines and choice == "error":
        lines, do = [line for binding, data in pairs for line in _other_schedule(binding, data)], f"{KEEP}, or {USE}"
    if lines:
        listed = "\n  ".join(lines)
        raise ValueError(f"ScheduleLR: the saved state must fit this scheduler, got a difference:\n  {listed}\n{do}")


def _unfit(binding: Binding, data: dict[str, Any], groups: list[Group]) -> Iterator[str]:
    """Return what can't be reconciled."""
    for name, here in (("key", binding.name), ("absolute", binding.absolute)):
        if here != data[name]:
            yield f"{binding.name} {name}: saved {data[name]}, here {here}"
    before, now = (
        f"{len(bases)} groups, it sets {[place for place, base in enumerate(bases) if base is not None]}"
        for bases in (data["base"], binding.bases(groups))
    )
    if before != now:
        yield f"{binding.name}: saved {before}; here {now}"


def _other_schedule(binding: Binding, data: dict[str, Any]) -> Iterator[str]:
    if binding.text != data["schedule"]:
        yield f"{binding.name} schedule: saved {data['schedule']}"
        yield f"{' ' * len(binding.name)} schedule: here  {binding.text}"
    for name in NAMES:
        if (there := data.get(name)) != (here := getattr(binding.floor, name)):
            yield f"{binding.name} {name}: saved {there}, here {here}"


def _other_functions(binding: Binding, data: dict[str, Any]) -> Iterator[str]:
    """Return the functions that have the saved name and another code; only their name can be saved."""
    for name, code in data.get("functions", {}).items():
        if name in binding.functions and not same(code, binding.functions[name]):
            yield f"{binding.name} function {name}: what it does here is not what was saved"
