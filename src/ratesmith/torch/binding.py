"""One schedule bound to one key of some parameter groups: what it takes as base, and how it writes a value."""

from __future__ import annotations

import math
import operator
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from torch import Tensor

from ratesmith._arrays import NUMBERS
from ratesmith.codes import coded
from ratesmith.controllers import Controller
from ratesmith.schedule import Schedule
from ratesmith.torch.chained import parts_of
from ratesmith.torch.key import Group, Key, finite_value, kept_number, name_of, near
from ratesmith.torch.user_functions import fingerprints
from ratesmith.torch.user_warnings import warn_user

FAR: Final = 10.0
"""How many times the largest base a new one may be before it is said: a tiny factor makes one huge."""


@dataclass
class Taken:
    """Where the bases came from when groups were taken in, and what the user should know of it, a line each."""

    present: list[Group] = field(default_factory=list)
    """Groups that had no base: their present value became it."""
    stripped: list[Group] = field(default_factory=list)
    """Groups that say what was written last, but not what the base was."""
    foreign: list[Group] = field(default_factory=list)
    """Groups with a base that no ScheduleLR wrote."""
    changed: list[Group] = field(default_factory=list)
    """Groups whose value somebody has set since the last scheduler wrote one."""
    unmarked: list[Group] = field(default_factory=list)
    """Groups that were loaded with another value, and no base."""
    notes: list[str] = field(default_factory=list)


@dataclass
class Slot:
    """One group that a binding sets; if its number is a tensor, that tensor and its count of changes.

    `given` is the base that the code gave in this process, if it is known: a loaded state may bring another.
    """

    group: Group
    cell: Tensor | None = None
    version: int = 0
    given: float | None = None


class Binding:
    """A controller with its state, the key that it sets, and the groups in which it sets it.

    The base values and the values last written stand in the groups (see `key.py`), so this keeps none of them.
    """

    def __init__(self, controller: Controller[Any], key: str, groups: Any, absolute: bool) -> None:
        """Read the key; the groups are taken in by `take_in`."""
        self.key, self.absolute, self.wanted = Key(key), absolute, _wanted(groups)
        self.slots: list[Slot] = []
        self.last_factor: float | None = None
        """The factor that was written last; None before the first."""
        self._last_step = 0
        self._released = False
        self.saw_other_value: Callable[[str, float, int], None] | None = None
        """Is called with the key, a value that somebody else has set, and the step written before."""
        self._groups: list[Group] = []
        self._are_plain, self._cells = False, list[Tensor]()
        self._present, self._written = operator.itemgetter(self.key.key), operator.itemgetter(self.key.written)
        self.follow(controller, controller.init())

    @property
    def name(self) -> str:
        """The key's name, as the user wrote it."""
        return self.key.name

    def follow(self, controller: Controller[Any], state: Any) -> None:
        """Take this controller in this state."""
        self.controller, self.state, self.why = controller, state, ""
        self.text, self.functions = str(controller), fingerprints(controller)
        self.mark = zlib.crc32(self.text.encode())
        # A schedule is asked directly, since this runs at every update.
        self._at = controller.at if isinstance(controller, Schedule) else None

    @property
    def listens(self) -> bool:
        """Whether measurements move the value, so that the step alone does not tell it."""
        return not isinstance(self.controller, Schedule)

    # Which groups it sets

    def take_in(self, groups: list[Group], known: list[Group | None]) -> Taken:
        """Take in the groups as they are now, each with the group that it was before, or None if it is new."""
        before, taken = {id(slot.group): slot for slot in self.slots}, Taken()
        slots = [None if earlier is None else before.get(id(earlier)) for earlier in known]
        for place, (group, slot) in enumerate(zip(groups, slots, strict=True)):
            if slot is not None and slot.group is not group:
                self._replace(place, group, slot, taken)
                self._read_factor(group)
        for place, (group, earlier) in enumerate(zip(groups, known, strict=True)):  # at the factor that was read
            if earlier is None and self.wants(place, group):
                slots[place] = self._join(place, group, taken)
        self.slots = [slot for slot in slots if slot is not None]
        self._settle()
        return taken

    def wants(self, place: int, group: Group) -> bool:
        """Whether a new group is among those that the user meant."""
        if self._released or self.wanted is None:
            return not self._released
        if callable(self.wanted):
            return bool(self.wanted(group))
        return place in self.wanted or group.get("name") in self.wanted

    def _join(self, place: int, group: Group, taken: Taken) -> Slot | None:
        """Take a new group: its base is the one that it brings, else what gives its present value."""
        key, value = self.key, self.key.read(group, place)
        number = finite_value(key.name, place, value)
        base, written = kept_number(group, key.base, place), kept_number(group, key.written, place)
        given = None if written is not None else number if base is None else base
        if base is None and key.key == "momentum" and number == 0.0:
            return None  # momentum that is off stays off
        if base is None:
            (taken.present if written is None else taken.stripped).append(group)
            base, written = self._base_of(number), number
            taken.notes += self._far(place, group, number, base)
        elif written is None:
            taken.foreign.append(group)
            written = number
        elif not near(number, written):
            taken.changed.append(group)
        group[key.base], group[key.written] = base, written
        if kept_number(group, key.given, place) is None:
            group[key.given] = base if given is None else given
        slot = Slot(group, value if isinstance(value, Tensor) else None, given=given)
        self._note_version(slot, number)
        return slot

    def _replace(self, place: int, group: Group, slot: Slot, taken: Taken) -> None:
        """Take the dict that stands in place of a known group: an optimizer's state has been loaded."""
        key, value = self.key, self.key.read(group, place)
        self._restore_marks(slot)
        base, written = kept_number(group, key.base, place), kept_number(group, key.written, place)
        if base is not None and written is None:
            taken.foreign.append(group)
        # A state that no scheduler has marked brings no base: the one from before stays, and nobody set its value.
        given = slot.group[key.given] if base is None else kept_number(group, key.given, place)
        group[key.base] = slot.group[key.base] if base is None else base
        group[key.given] = group[key.base] if given is None else given
        number = finite_value(key.name, place, value)
        if base is None and written is None and not near(number, slot.group[key.written]):
            taken.unmarked.append(group)
        group[key.written] = number if written is None else written
        if slot.cell is not None:  # a captured update reads this very tensor: it takes the value, and the place
            slot.cell.fill_(number)
            key.put(group, slot.cell)
        elif isinstance(value, Tensor):
            slot.cell = value
        elif number == group[key.written]:
            key.put(group, group[key.written])
        slot.group = group
        self._note_version(slot, number)
        if base is not None and slot.given is not None and not near(group[key.given], slot.given):
            taken.notes += self.other_base(place, group, base, slot.given)

    def _note_version(self, slot: Slot, value: float) -> None:
        """Note the count of changes of a tensor, or -1 if its value was set by somebody and is to be looked at."""
        if slot.cell is not None:
            slot.version = slot.cell._version if near(value, slot.group[self.key.written]) else -1

    def _settle(self) -> None:
        """Note the two quick cases: every value is a plain number, or every one a tensor."""
        cells, several = [slot.cell for slot in self.slots if slot.cell is not None], self.key.index is not None
        self._groups = [slot.group for slot in self.slots]
        self._are_plain = not cells and not several
        self._cells = cells if len(cells) == len(self.slots) and not several else []

    def release(self, claimed: set[tuple[int, str]]) -> None:
        """Leave groups to another scheduler that claims this key of them."""
        kept = [slot for slot in self.slots if (id(slot.group), self.name) not in claimed]
        self._released = self._released or len(kept) < len(self.slots)  # it takes in no group any more
        self.slots = kept
        self._settle()

    def copied(self) -> None:
        """Forget the counts of changes, which copies of tensors begin anew."""
        for slot in self.slots:
            if slot.cell is not None:
                self._note_version(slot, float(slot.cell))

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
        """Set the key in every group, and keep in the group what was written, for which step, by which schedule."""
        mark, number = self.mark, self.key
        key, base_key, written_key, step_key, mark_key = (
            *(number.key, number.base, number.written),
            *(number.step, number.schedule),
        )
        try:
            if self._are_plain:
                for group in self._groups:
                    # The same object under both keys, which shows at a glance that nobody set another value.
                    group[key] = group[written_key] = factor if self.absolute else group[base_key] * factor
                    group[step_key], group[mark_key] = step, mark
            for slot in self.slots if not self._are_plain else ():
                group, cell = slot.group, slot.cell
                value = factor if self.absolute else group[base_key] * factor
                if cell is None:
                    number.put(group, value)
                else:
                    cell.fill_(value)
                    slot.version = cell._version
                    if not self._cells:  # otherwise each stands in its group, as `take_new_values` has seen to
                        number.put(group, cell)
                group[written_key], group[step_key], group[mark_key] = value, step, mark
        except KeyError:  # somebody has removed what a group kept
            for slot in self.slots:
                self._restore_marks(slot)
            self.write(factor, step)
        self.last_factor, self._last_step = factor, step

    def take_new_values(self) -> None:
        """Take values that somebody else has set since the last write: the base becomes what gives them now.

        With the factor at 0 no base gives them, and the value itself is the base.
        """
        groups, key = self._groups, self.key
        try:
            if self._are_plain and all(map(operator.is_, map(self._present, groups), map(self._written, groups))):
                return
            if self._cells and all(map(operator.is_, map(self._present, groups), self._cells)):
                versions = [slot.version for slot in self.slots]
                if list(map(_count_of_changes, self._cells)) == versions:
                    return
        except KeyError:
            pass  # somebody has removed what a group kept
        for place, slot in enumerate(self.slots):
            self._restore_marks(slot)
            now = key.now(slot.group)
            if slot.cell is None:
                changed = isinstance(now, Tensor) or now != slot.group[key.written]
            else:
                changed = now is not slot.cell or slot.cell._version != slot.version
            if changed:
                self._take_new(place, slot, now)
        self._settle()

    def _take_new(self, place: int, slot: Slot, now: Any) -> None:
        group, key = slot.group, self.key
        value = finite_value(key.name, name_of(place, group), now)
        base, written = group[key.base], group[key.written]
        if isinstance(now, Tensor) and slot.cell is None:
            slot.cell = _writable(now)
        if slot.cell is not None and now is not slot.cell:
            key.put(group, slot.cell)  # it is filled by the next write
        if slot.cell is not None:
            slot.version = slot.cell._version
        if near(value, written):
            return  # the same number in another form
        if self.saw_other_value is not None:
            self.saw_other_value(self.name, value, self._last_step)
        group[key.written] = value
        if self.absolute:
            told = f"{key.name!r} must be left to its schedule, which gives the value itself, got {value:g} set by hand"
            remedy = "make a ScheduleLR with another schedule"
            warn_user([coded("RS201", f"ScheduleLR: {told}; it is overwritten: {remedy}")])
            return
        if self.last_factor and not near(base * self.last_factor, written):
            return  # the base was set too, and is what was meant
        # By the ratio of two values and not by the factor, so that half the value is exactly half the base.
        new = base * (value / written) if written else self._base_of(value)
        warn_user(self._far(place, group, value, new))
        group[key.base] = finite_value(key.base, name_of(place, group), new)

    def _base_of(self, value: float) -> float:
        """Return the base that gives a value at the present factor.

        With the factor at 0, and before any update, it is the value itself.
        """
        return value / self.last_factor if self.last_factor and self._last_step and not self.absolute else value

    def _far(self, place: int, group: Group, value: float, base: float) -> list[str]:
        """Return what to say of a base that is out of proportion, since the factor is tiny where the value was set."""
        bases = [abs(slot.given if slot.given is not None else slot.group[self.key.base]) for slot in self.slots]
        if not self.last_factor or abs(self.last_factor) * FAR > 1 or abs(base) <= FAR * max(bases, default=math.inf):
            return []
        note = (
            f"ScheduleLR: {self.name!r} of group {name_of(place, group)} was set to {value:g} while the factor is "
            f"{self.last_factor:g}, so its base becomes {base:g}; if {value:g} is the base, call "
            f"{self.call_for(place, group, value)}"
        )
        return [coded("RS202", note)]

    def _restore_marks(self, slot: Slot) -> None:
        """Put back what somebody has removed from a group, from what is known of it."""
        group, key = slot.group, self.key
        if key.written not in group:
            group[key.written] = float(key.now(group))
        if key.base not in group:
            written = group[key.written]
            group[key.base] = written / self.last_factor if self.last_factor and not self.absolute else written
        group.setdefault(key.given, group[key.base])

    def forget_new_values(self) -> None:
        """Keep the bases whatever the values are: another scheduler, whose turn it was, has set them."""
        for slot in self.slots:
            self._restore_marks(slot)
            slot.group[self.key.written] = float(self.key.now(slot.group))
            if slot.cell is not None:
                slot.version = slot.cell._version

    def join_at_factor(self, groups: list[Group]) -> None:
        """Take the present values of some groups as what their bases give at the factor that was written last."""
        for group in groups:
            if self.last_factor and not self.absolute:
                group[self.key.base] = group[self.key.written] / self.last_factor

    def read_factor(self, step: int, marked: list[Group]) -> None:
        """Take the factor that was written last from what groups say of it; else what the schedule gives at a step."""
        self.last_factor, self._last_step = self.factor(step, self.state), step
        for group in reversed(marked):
            self._read_factor(group)

    def agrees(self, step: int) -> bool:
        """Whether the groups were written last by the factor that a controller's present state gives at a step."""
        factor = self.factor(step, self.state)
        return all(
            near(slot.group[self.key.written], factor if self.absolute else slot.group[self.key.base] * factor)
            for slot in self.slots
        )

    def begin_at_values(self, groups: list[Group]) -> None:
        """Take the present values of some groups as their bases."""
        for group in groups:
            value = float(self.key.now(group))
            group[self.key.base], group[self.key.written] = value, value

    def _read_factor(self, group: Group) -> None:
        """Take the factor that was written last from what a group says of it."""
        base, written = group[self.key.base], group[self.key.written]
        if base and not self.absolute:
            self.last_factor = written / base
        self._last_step = int(group.get(self.key.step) or 0)

    def load(self, data: dict[str, Any], groups: list[Group]) -> list[str]:
        """Take the groups' numbers as they were saved; return what to say of their bases, a line each.

        The value that stood in a group and the one that was written last differ if somebody had set another since, or
        if another scheduler's turn had come. They are put back as they were, to be judged as they would have been.
        """
        slots = {id(slot.group): slot for slot in self.slots}
        nothing = [None] * len(groups)
        lists = [data.get(name, nothing) for name in ("base", "value", "written", "given")]
        notes = []
        for place, (group, base, value, written, given) in enumerate(zip(groups, *lists, strict=True)):
            slot = slots.get(id(group))
            if slot is None or base is None:
                continue
            given = base if given is None else given  # a state of the first format does not tell the two apart
            if slot.given is not None and not near(given, slot.given):
                notes += self.other_base(place, group, base, slot.given)
            group[self.key.base], group[self.key.given] = base, given
            slot.given = None if slot.given is None else given  # it is said once
            if value is not None and written is not None:
                self._restore(slot, value, written)
        if lists[1] is nothing:
            self.forget_new_values()
        return notes

    def _restore(self, slot: Slot, value: float, written: float) -> None:
        group, key = slot.group, self.key
        group[key.written] = value if value == written else written
        self._read_factor(group)
        if slot.cell is None:
            key.put(group, group[key.written] if value == written else value)
            return
        slot.cell.fill_(value)
        key.put(group, slot.cell)
        self._note_version(slot, value)

    def mark_step(self, step: int) -> None:
        """Keep in the groups which step their values belong to, and which schedule; the values stay."""
        for slot in self.slots if step >= 0 else ():
            slot.group[self.key.step], slot.group[self.key.schedule] = step, self.mark
            self._last_step = step

    def bases(self, groups: list[Group]) -> list[float | None]:
        """Return the base of every group, None for those that it does not set."""
        for slot in self.slots:
            self._restore_marks(slot)
        covered = {id(slot.group) for slot in self.slots}
        return [float(group[self.key.base]) if id(group) in covered else None for group in groups]

    def has_written(self, group: Group) -> bool:
        """Whether what stands in a group is the very number or tensor that was written last."""
        slot = next((slot for slot in self.slots if slot.group is group), None)
        if slot is None:
            return False
        now = self.key.now(group)
        return now is slot.cell if slot.cell is not None else now is group.get(self.key.written)

    def ends(self) -> int | None:
        """Return the step at which the schedule has ended, or that of all schedules in a product; None without one."""
        ends = [part.steps for part in parts_of(self.controller) if isinstance(part, Schedule)]
        return None if not ends or None in ends else max(end for end in ends if end is not None)

    # What is said and saved

    def other_base(self, place: int, group: Group, base: float, given: float) -> list[str]:
        """Return the line that says that a loaded base is another one than the code's, if it is."""
        if self.absolute or near(base, given):
            return []
        note = (
            f"ScheduleLR: the base of {self.name!r} of group {name_of(place, group)} is {base:g}, as it was saved; the "
            f"code gave {given:g}: call {self.call_for(place, group, given)} to change it"
        )
        return [coded("RS203", note)]

    def call_for(self, place: int, group: Group, value: float) -> str:
        """Return the call that sets a group's base."""
        which = f", group={name_of(place, group)}" if place or len(self.slots) > 1 else ""
        return f"set_base_lr({value:g}{which})" if self.name == "lr" else f"set_base({self.name!r}, {value:g}{which})"

    def saved(self, groups: list[Group]) -> dict[str, Any]:
        """Return everything as plain data of its own."""
        covered = {id(slot.group): slot for slot in self.slots}
        slots = [covered.get(id(group)) for group in groups]
        return {
            "key": self.name,
            "schedule": self.text,
            "absolute": self.absolute,
            "state": _plain_data(self.state),
            "base": self.bases(groups),
            "value": [None if slot is None else float(self.key.now(slot.group)) for slot in slots],
            "written": [None if slot is None else float(slot.group[self.key.written]) for slot in slots],
            "given": [None if slot is None else float(slot.group[self.key.given]) for slot in slots],
            **({"functions": dict(self.functions)} if self.functions else {}),
        }


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


_count_of_changes: Final = operator.attrgetter("_version")
"""How often a tensor was changed in place. Asking it, unlike asking its value, waits for no device."""


def _writable(tensor: Tensor) -> Tensor:
    """Return a tensor, or a copy of one that was made in inference mode and can't be written outside of it."""
    return tensor.clone() if tensor.is_inference() else tensor
