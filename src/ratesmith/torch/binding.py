"""One schedule bound to one key of some parameter groups: what it takes as base, and how it writes a value."""

from __future__ import annotations

import math
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from torch import Tensor

from ratesmith._arrays import NUMBERS
from ratesmith.controllers import Controller
from ratesmith.schedule import Schedule
from ratesmith.torch.functions import fingerprints
from ratesmith.torch.groups import BASE, STEP, WRITTEN, Group, finite_value, kept_number

KEY: Final = re.compile(r"(\w+)(?:\[(\d+)\])?")
NEAR: Final = 1e-6
"""How far apart, relatively, two numbers may lie that are the same in single precision."""


@dataclass
class Taken:
    """Where the bases came from when groups were taken in, and what the user should know of it, a line each."""

    present: list[Group] = field(default_factory=list)
    """Groups that had no base: their present value became it."""
    foreign: list[Group] = field(default_factory=list)
    """Groups with a base that no ScheduleLR wrote."""
    notes: list[str] = field(default_factory=list)


@dataclass
class Slot:
    """One group that a binding sets; if its number is a tensor, that tensor and its count of changes."""

    group: Group
    cell: Tensor | None = None
    version: int = 0


class Binding:
    """A controller with its state, the key that it sets, and the groups in which it sets it.

    The base values and the values last written stand in the groups (see `groups.py`), so this keeps none of them.
    """

    def __init__(self, controller: Controller[Any], key: str, groups: Any, absolute: bool) -> None:
        """Read the key; the groups are taken in by `take_in`."""
        found = KEY.fullmatch(key) if isinstance(key, str) else None
        if not found:
            raise ValueError(f"ScheduleLR: key must be a name such as 'lr' or 'betas[0]', got {key!r}; write one")
        self.name, self.key = key, found[1]
        self.place = None if found[2] is None else int(found[2])
        self.base_key, self.written_key, self.step_key = BASE + key, WRITTEN + key, WRITTEN + key + STEP
        self.absolute = absolute
        self.wanted = _wanted(groups)
        self.slots: list[Slot] = []
        self.last_factor: float | None = None
        """The factor that was written last; None before the first."""
        self._plain: list[Group] | None = None
        self._present, self._written = operator.itemgetter(self.key), operator.itemgetter(self.written_key)
        self.follow(controller, controller.init())

    def follow(self, controller: Controller[Any], state: Any) -> None:
        """Take this controller in this state."""
        self.controller, self.state, self.why = controller, state, ""
        self.text, self.functions = str(controller), fingerprints(controller)
        # A schedule is asked directly, since this runs at every update.
        self._at = controller._at if isinstance(controller, Schedule) else None

    # Which groups it sets

    def take_in(self, groups: list[Group], known: list[Group | None], foreign_scheduler: bool) -> Taken:
        """Take in the groups as they are now, each with the group that it was before, or None if it is new.

        `foreign_scheduler`: whether one of torch's may have set the values that stand there when this one is made.
        """
        before = {id(slot.group): slot for slot in self.slots}
        slots, taken = [], Taken()
        for place, (group, earlier) in enumerate(zip(groups, known, strict=True)):
            if earlier is None:
                slot = None
                if self.wants(place, group):
                    slot = self._join(place, group, foreign_scheduler, taken)
            else:
                slot = before.get(id(earlier))
                if slot is not None and earlier is not group:
                    self._replace(place, group, slot, taken)
            if slot is not None:
                slots.append(slot)
        self.slots = slots
        self._settle()
        return taken

    def wants(self, place: int, group: Group) -> bool:
        """Whether a new group is among those that the user meant."""
        if self.wanted is None:
            return True
        if callable(self.wanted):
            return bool(self.wanted(group))
        return place in self.wanted or group.get("name") in self.wanted

    def _join(self, place: int, group: Group, foreign_scheduler: bool, taken: Taken) -> Slot | None:
        """Take a new group: its base is the one that it brings, else what gives its present value."""
        value = self._read(place, group)
        number = finite_value(self.name, place, value)
        base, written = kept_number(group, self.base_key, place), kept_number(group, self.written_key, place)
        if base is None and self.key == "momentum" and number == 0.0:
            return None  # momentum that is off stays off
        if base is None:
            taken.present.append(group)
            base = self._base_of(number)
            written = number
        elif written is None:
            taken.foreign.append(group)
            written = number
        elif self.last_factor is None and not math.isclose(number, written, rel_tol=NEAR):
            # Since the last scheduler somebody has set another value: by hand it is the new base.
            base, written = (base if foreign_scheduler else number), number
        group[self.base_key], group[self.written_key] = base, written
        return self._slot(group, value)

    def _replace(self, place: int, group: Group, slot: Slot, taken: Taken) -> None:
        """Take the dict that stands in place of a known group: an optimizer's state has been loaded."""
        value = self._read(place, group)
        old, base = slot.group[self.base_key], kept_number(group, self.base_key, place)
        written = kept_number(group, self.written_key, place)
        # A state that no scheduler has marked brings no base: the one from before stays, and nobody set its value.
        group[self.base_key] = old if base is None else base
        group[self.written_key] = finite_value(self.name, place, value) if written is None else written
        if slot.cell is not None:  # a captured update reads this very tensor: it takes the value, and the place
            _fill(slot.cell, value)
            self._put(group, slot.cell)
            value = slot.cell
        fresh = self._slot(group, value)
        slot.group, slot.cell, slot.version = fresh.group, fresh.cell, fresh.version
        if base is not None and not math.isclose(base, old, rel_tol=NEAR):
            taken.notes.append(other_base(self.name, name_of(place, group), base, old))

    def _slot(self, group: Group, value: Any) -> Slot:
        return Slot(group, value, _version(value)) if isinstance(value, Tensor) else Slot(group)

    def _settle(self) -> None:
        """Note whether every value is a plain number, the quick case."""
        plain = self.place is None and all(slot.cell is None for slot in self.slots)
        self._plain = [slot.group for slot in self.slots] if plain else None

    def copied(self) -> None:
        """Forget the counts of changes, which copies of tensors begin anew."""
        for slot in self.slots:
            if slot.cell is not None:
                slot.version = _version(slot.cell)

    # Values

    def factor(self, step: int, state: Any) -> float:
        """Return the controller's value; nothing is changed."""
        if self._at is not None:
            value: float = self._at(step, NUMBERS)
            return value
        return self.controller.value(state, step)

    def observe(self, step: int, metrics: Mapping[str, float]) -> Any:
        """Return the controller's state after a measurement; nothing is changed."""
        return self.controller.observe(self.state, step, metrics)

    def write(self, factor: float, step: int) -> None:
        """Set the key in every group, and keep in the group what was written, and for which step."""
        self.last_factor = factor
        key, base_key, written_key, step_key = self.key, self.base_key, self.written_key, self.step_key
        if self._plain is not None:
            for group in self._plain:
                # The same object under both keys, which shows at a glance that nobody set another value.
                group[key] = group[written_key] = factor if self.absolute else group[base_key] * factor
                group[step_key] = step
            return
        for slot in self.slots:
            group = slot.group
            value = factor if self.absolute else group[base_key] * factor
            if slot.cell is None:
                self._put(group, value)
            else:
                _fill(slot.cell, value)
                slot.version = _version(slot.cell)
                if self.now(group) is not slot.cell:
                    self._put(group, slot.cell)
            group[written_key], group[step_key] = value, step

    def take_new_values(self) -> None:
        """Take values that somebody else has set since the last write: the base becomes what gives them now.

        With the factor at 0 no base gives them, and the value itself is the base.
        """
        groups = self._plain
        if groups is not None and all(map(operator.is_, map(self._present, groups), map(self._written, groups))):
            return
        for slot in self.slots:
            now = self.now(slot.group)
            if slot.cell is None:
                changed = isinstance(now, Tensor) or now != slot.group[self.written_key]
            else:
                changed = now is not slot.cell or _version(slot.cell) != slot.version
            if changed:
                self._take_new(slot, now)
        self._settle()

    def _take_new(self, slot: Slot, now: Any) -> None:
        group = slot.group
        value = finite_value(self.name, group.get("name", "that was set"), now)
        written = group[self.written_key]
        if isinstance(now, Tensor) and slot.cell is None:
            slot.cell = now
        if slot.cell is not None:
            slot.version = _version(slot.cell)
        if math.isclose(value, written, rel_tol=NEAR if slot.cell is not None else 0.0):
            return  # the same number in another form
        if self.absolute:
            warnings.warn(
                f"ScheduleLR: {self.name!r} must be left to its schedule, which gives the value itself, got {value:g} "
                f"set by hand; it is overwritten: make a ScheduleLR with another schedule",
                stacklevel=5,
            )
        else:
            # By the ratio of two values and not by the factor, so that half the value is exactly half the base.
            base = group[self.base_key] * (value / written) if written else self._base_of(value)
            group[self.base_key] = finite_value(self.base_key, group.get("name", "that was set"), base)
        group[self.written_key] = value

    def _base_of(self, value: float) -> float:
        """Return the base that gives a value at the present factor; with the factor at 0, the value itself."""
        return value / self.last_factor if self.last_factor and not self.absolute else value

    def forget_new_values(self) -> None:
        """Keep the bases whatever the values are: another scheduler, whose turn it was, has set them."""
        for slot in self.slots:
            slot.group[self.written_key] = float(self.now(slot.group))
            if slot.cell is not None:
                slot.version = _version(slot.cell)

    def now(self, group: Group) -> Any:
        """Return what a group holds now, a number or a tensor."""
        return group[self.key] if self.place is None else group[self.key][self.place]

    def bases(self, groups: list[Group]) -> list[float | None]:
        """Return the base of every group, None for those that it does not set."""
        covered = {id(slot.group) for slot in self.slots}
        return [group[self.base_key] if id(group) in covered else None for group in groups]

    def rebase(self, group: Group, base: float) -> None:
        """Take a base value."""
        group[self.base_key] = base

    def matches(self, step: int) -> bool:
        """Whether what the groups were last written is what this schedule gives at a step."""
        factor = self.factor(step, self.state)
        return all(
            math.isclose(
                slot.group[self.written_key],
                factor if self.absolute else slot.group[self.base_key] * factor,
                rel_tol=NEAR,
                abs_tol=1e-300,
            )
            for slot in self.slots
        )

    def _read(self, place: int, group: Group) -> Any:
        if self.key not in group:
            known = ", ".join(sorted(set(group) - {"params"}))
            raise ValueError(
                f"ScheduleLR: group {place} must have the key {self.key!r}, got {known}; name one of these"
            )
        value = group[self.key]
        several = len(value) if isinstance(value, (list, tuple)) else None
        if (several is None) != (self.place is None) or (self.place or 0) >= (1 if several is None else several):
            raise ValueError(
                f"ScheduleLR: {self.name!r} of group {place} must be one number, got {value!r}; write {self.key!r}, or "
                f"'{self.key}[0]' for one of several"
            )
        value = value if self.place is None else value[self.place]
        if isinstance(value, bool) or not isinstance(value, (int, float, Tensor)):
            raise TypeError(
                f"ScheduleLR: {self.name!r} of group {place} must be a number, got {value!r}; name another key"
            )
        return value

    def _put(self, group: Group, value: Any) -> None:
        if self.place is None:
            group[self.key] = value
        else:
            several = list(group[self.key])
            several[self.place] = value
            group[self.key] = type(group[self.key])(several)

    def saved(self, groups: list[Group]) -> dict[str, Any]:
        """Return everything as plain data of its own."""
        return {
            "key": self.name,
            "schedule": self.text,
            "absolute": self.absolute,
            "state": _plain_data(self.state),
            "base": self.bases(groups),
            **({"functions": dict(self.functions)} if self.functions else {}),
        }


def name_of(place: int, group: Group) -> str:
    """Return how messages name a group: by its own name, or by its place."""
    name = group.get("name")
    return str(place) if name is None else repr(name)


def other_base(key: str, group: str, base: float, before: float) -> str:
    """Return the line that says that a loaded base is another one than the code's."""
    call = f"set_base_lr({before:g})" if key == "lr" else f"set_base({key!r}, {before:g})"
    return (
        f"ScheduleLR: the base of {key!r} of group {group} is {base:g}, as it was saved; the code gave {before:g}: "
        f"call {call} to change it"
    )


def _wanted(groups: Any) -> Callable[[Group], bool] | frozenset[int | str] | None:
    if groups is None or callable(groups):
        return groups  # type: ignore[no-any-return]
    wanted = [groups] if isinstance(groups, (int, str)) else list(groups) if isinstance(groups, Iterable) else [None]
    if not all(isinstance(entry, (int, str)) and not isinstance(entry, bool) for entry in wanted):
        raise TypeError(
            f"ScheduleLR: groups must be places, names or a function of a group, got {groups!r}; give these"
        )
    return frozenset(entry for entry in wanted if entry is not None)


def _plain_data(state: Any) -> Any:
    return [_plain_data(part) for part in state] if isinstance(state, tuple) else state


def _fill(cell: Tensor, value: Any) -> None:
    cell.fill_(float(value))


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was changed in place; asking it, unlike asking its value, waits for no device."""
    return 0 if tensor.is_inference() else tensor._version
