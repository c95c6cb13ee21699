"""One schedule bound to one key of some parameter groups: what it takes as base, and how it writes a value."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from ratesmith._arrays import NUMBERS
from ratesmith._checks import Option, OptionValueError
from ratesmith.codes import coded
from ratesmith.controllers import Controller
from ratesmith.schedule import Schedule
from ratesmith.torch.base_notes import far, other_base
from ratesmith.torch.chained import parts_of
from ratesmith.torch.floor import Floor
from ratesmith.torch.group_choice import GroupChoice
from ratesmith.torch.key import Group, Key, finite_value, kept_number, name_of, near
from ratesmith.torch.marks import ELSEWHERE, LastWrite, has_lead, keep_leads, put_marks
from ratesmith.torch.slot import Slot, Taken, step_and_factor
from ratesmith.torch.user_functions import fingerprints
from ratesmith.torch.user_warnings import warn_user


class Binding:
    """A controller with its state, the key that it sets, and the groups in which it sets it.

    The bases, and what tells the values written last, stand in the groups: see `marks.py`.
    """

    def __init__(
        self, controller: Controller[Any], key: str, groups: Any, absolute: bool = False, floor: Floor | None = None
    ) -> None:
        """Read the key; the groups are taken in by `take_in`."""
        self.key, self.absolute, self.choice = Key(key), absolute, GroupChoice(groups)
        self.floor = floor or Floor()
        self.slots: list[Slot] = []
        self.last_factor: float | None = None
        """The factor that was written last; None before the first."""
        self.last_step: int | None = None
        """The step of the last write; None before the first."""
        self._released = False
        self.saw_other_value: Callable[[str, float, int, int], None] | None = None
        """Is called with the key, a value that somebody else has set, the step written before and the group's place."""
        self._cells, self._leads = list[Tensor](), list[Slot]()
        self.follow(controller, controller.init())

    @property
    def name(self) -> str:
        """The key's name, as the user wrote it."""
        return self.key.name

    def follow(self, controller: Controller[Any], state: Any, floor: Floor | None = None) -> None:
        """Take this controller in this state, and this floor, if one is given."""
        self.controller, self.state, self.why = controller, state, ""
        self.floor = self.floor if floor is None else floor
        self.text, self.functions = str(controller), fingerprints(controller)
        self.mark = zlib.crc32(f"{self.text}{self.floor}".encode())
        for slot in self.slots:
            slot.is_marked = False

    @property
    def listens(self) -> bool:
        """Whether measurements move the value, so that the step alone does not tell it."""
        return not isinstance(self.controller, Schedule)

    @property
    def are_plain(self) -> bool:
        """Whether every value is a plain number, and one of its own in the group."""
        return self.key.index is None and all(slot.cell is None for slot in self.slots)

    # Which groups it sets

    def take_in(
        self, groups: list[Group], known: list[Group | None], writes: list[LastWrite], owners: list[int]
    ) -> Taken:
        """Take in the groups as they are now.

        Of each group: which it was before, or None if it is new; what was written last into it; and its optimizer.
        """
        before, taken = {id(slot.group): slot for slot in self.slots}, Taken()
        slots = [None if earlier is None else before.get(id(earlier)) for earlier in known]
        if not all(map(self._wrote_last, self.slots)):
            taken.by_another = self._take_others_writes(groups, slots, writes)
        for place, (group, slot) in enumerate(zip(groups, slots, strict=True)):
            if slot is not None and slot.group is not group:
                self._replace(place, group, slot, writes[place], taken)
                self.take_factor(writes[place])
        for place, (group, earlier) in enumerate(zip(groups, known, strict=True)):  # at the factor that was read
            if earlier is None and not self._released and self.choice.means(place, group):
                slots[place] = self._join(place, group, writes[place], taken)
        for place, (slot, owner) in enumerate(zip(slots, owners, strict=True)):
            if slot is not None:
                slot.place, slot.owner = place, owner
        self._settle([slot for slot in slots if slot is not None])
        return taken

    def keep_leads(self, groups: list[Group], owners: list[int]) -> None:
        """Let the step and the factor of the last write outlive the group that they stood in, in each optimizer."""
        before = {id(slot.group) for slot in self.slots}
        others = [*groups, *(slot.group for slot in self.slots)]
        for place in set(owners):
            present = [group for group, owner in zip(groups, owners, strict=True) if owner == place]
            keep_leads(self.key, [group for group in present if id(group) in before], present, others)

    def _take_others_writes(self, groups: list[Group], slots: list[Slot | None], writes: list[LastWrite]) -> bool:
        """Take what another scheduler wrote last for what was written last; return whether there was anything."""
        covered = [
            (slot, group, write) for slot, group, write in zip(slots, groups, writes, strict=True) if slot is not None
        ]
        if any(slot.group is not group for slot, group, _ in covered):
            return False  # loaded groups bring what was written into them
        schedule = self.key.schedule
        # Of any other schedule the step and the factor are overwritten, and nothing tells what it wrote.
        last = {group.get(schedule) for _, group, _ in covered if has_lead(self.key, group)}
        told = [(slot, write) for slot, group, write in covered if group.get(schedule) in last]
        for slot, write in told:
            slot.take(write, absolute=self.absolute)
            slot.is_marked = False
        if told:
            self.take_factor(told[0][1])
        return bool(told)

    def _join(self, place: int, group: Group, write: LastWrite, taken: Taken) -> Slot | None:
        """Take a new group: its base is the one that it brings, else what gives its present value."""
        key, value = self.key, self.key.read(group, place)
        number = finite_value(key.name, place, value)
        base, written = kept_number(group, key.base, place), write.value
        given = None if written is not None else number if base is None else base
        if base is None and key.key == "momentum" and number == 0.0:
            return None  # momentum that is off stays off
        if base is None:
            (taken.present if written is None else taken.stripped).append(group)
            base, written = self._base_of(number), number
            taken.notes += far(self, place, group, number, base)
        elif written is None:
            if write.base is None:
                taken.foreign.append(group)
            written = number
        else:
            taken.marked.append(write)
            taken.changed += [] if near(number, written) else [group]
        group[key.base] = base
        if kept_number(group, key.given, place) is None:
            group[key.given] = base if given is None else given
        at_last = base if write.base is None or self.absolute else write.base
        slot = Slot(group, written, at_last, cell=value if isinstance(value, Tensor) else None, given=given)
        slot.note_version(number)
        return slot

    def _replace(self, place: int, group: Group, slot: Slot, write: LastWrite, taken: Taken) -> None:
        """Take the dict that stands in place of a known group: an optimizer's state has been loaded."""
        key, value = self.key, self.key.read(group, place)
        slot.restore_marks(key)
        base, written = kept_number(group, key.base, place), write.value
        if base is not None and written is None and write.base is None:
            taken.foreign.append(group)
        # A state that no scheduler has marked brings no base: the one from before stays, and nobody set its value.
        given = slot.group[key.given] if base is None else kept_number(group, key.given, place)
        group[key.base] = slot.group[key.base] if base is None else base
        group[key.given] = group[key.base] if given is None else given
        number = finite_value(key.name, place, value)
        if base is None and written is None and not near(number, slot.written):
            taken.unmarked.append(group)
        slot.written = number if written is None else written
        slot.base = group[key.base] if write.base is None or self.absolute else write.base
        if slot.cell is not None:  # a captured update reads this very tensor: it takes the value, and the place
            slot.cell.fill_(number)
            key.put(group, slot.cell)
        elif isinstance(value, Tensor):
            slot.cell = value
        elif number == slot.written:
            key.put(group, slot.written)
        slot.group, slot.is_marked = group, False
        slot.note_version(number)
        if base is not None and slot.given is not None and not near(group[key.given], slot.given):
            taken.notes += other_base(self, place, group, base, slot.given)

    def _settle(self, slots: list[Slot]) -> None:
        """Take these slots, and note which of them lead, and the quick case: every value is a tensor."""
        self.slots = slots
        owners: set[int] = set()
        for slot in slots:
            leads = slot.owner not in owners
            slot.leads, slot.is_marked = leads, slot.is_marked and slot.leads == leads
            owners.add(slot.owner)
        self._leads = [slot for slot in slots if slot.leads]
        cells = [slot.cell for slot in slots if slot.cell is not None]
        self._cells = cells if len(cells) == len(slots) and self.key.index is None else []

    def check_final(self, groups: list[Group]) -> None:
        """Raise ValueError if a group's base is below the value that it is to end at."""
        places = {id(group): place for place, group in enumerate(groups)}
        for slot in self.slots:
            base = slot.group[self.key.base]
            if self.floor.final is not None and 0 < base < self.floor.final:
                raise OptionValueError(
                    "ScheduleLR: ",
                    Option("final"),
                    f" must be at most each group's base of {self.name!r}, got {self.floor.final:g} for group "
                    f"{name_of(places[id(slot.group)], slot.group)}, whose base is {base:g}; lower it, or leave the "
                    "group out with ",
                    Option("groups="),
                )

    def release(self, claimed: set[tuple[int, str]]) -> None:
        """Leave groups to another scheduler that claims this key of them."""
        kept = [slot for slot in self.slots if (id(slot.group), self.name) not in claimed]
        self._released = self._released or len(kept) < len(self.slots)  # it takes in no group any more
        self._settle(kept)

    def copied(self) -> None:
        """Forget the counts of changes, which copies of tensors begin anew."""
        for slot in self.slots:
            if slot.cell is not None:
                slot.note_version(float(slot.cell))

    # Values

    def factor(self, step: int, state: Any) -> float:
        """Return the controller's value; nothing is changed."""
        if isinstance(self.controller, Schedule):
            value: float = self.controller.at(step, NUMBERS)
            return value
        return self.controller.value(state, step)

    def observe(self, step: int, metrics: Mapping[str, float]) -> Any:
        """Return the controller's state after a measurement; nothing is changed."""
        return self.controller.observe(self.state, step, metrics)

    def values(self, factor: float) -> list[float]:
        """Return what a factor gives in every group; groups of one base get the very same object."""
        base = self.key.base
        try:
            bases = [slot.group[base] for slot in self.slots]
        except KeyError:  # somebody has removed what the groups kept
            bases = []
            for slot in self.slots:
                slot.restore_marks(self.key)
                slot.is_marked = False
                bases.append(slot.group[base])
        return self.values_of(bases, factor)

    def values_of(self, bases: Sequence[float], factor: float) -> list[float]:
        """Return what a factor gives for these bases: objects made now, which nobody else can have set."""
        if self.absolute:
            return [factor * 1.0] * len(bases)
        if self.floor.is_none:
            of_base = {base: base * factor for base in set(bases)}
        else:
            of_base = {base: self.floor.value(base, factor) * 1.0 for base in set(bases)}
        return [of_base[base] for base in bases]

    def write(self, values: Sequence[float], factor: float, step: int) -> None:
        """Set the key in every group to these values, and keep in the groups which factor and step they are of."""
        number, key, is_whole = self.key, self.key.key, self.key.index is None
        for slot, value in zip(self.slots, values, strict=True):
            group, cell = slot.group, slot.cell
            if cell is None:
                if is_whole:
                    group[key] = value
                else:
                    number.put(group, value)
            else:
                cell.fill_(value)
                slot.version = cell._version
                if not self._cells:  # otherwise each stands in its group, as `take_new_values` has seen to
                    number.put(group, cell)
            slot.written = value
            if slot.base is not group[number.base]:
                slot.base, slot.is_marked = group[number.base], False
        self.last_factor, self.last_step = factor, step
        self.put_marks()

    def put_marks(self) -> None:
        """Keep in the groups what was written last, for which step, by which schedule."""
        if self.last_factor is None or self.last_step is None:
            return
        all_stand = all(slot.group.get(self.key.schedule) == self.mark for slot in self._leads)
        for slot in [slot for slot in self.slots if not (all_stand and slot.is_marked)]:  # else another's stand there
            put_marks(self.key, slot.group, 1.0 if self.absolute else slot.base, self.mark, self.floor)
            slot.group[self.key.step], slot.group[self.key.factor] = ELSEWHERE, 0.0
            slot.is_marked = True
        for slot in self._leads:
            step, factor = self.last_step, self.last_factor
            marks = step_and_factor(step, factor) if slot.cell is not None else (step, factor)
            slot.group[self.key.step], slot.group[self.key.factor] = marks

    def take_new_values(self, read_writes: Callable[[], dict[int, LastWrite]]) -> bool:
        """Take values that somebody else has set since the last write, and return whether there were any.

        The base becomes what gives them now. With the factor at 0 no base gives them, and the value itself is the base.
        `read_writes` gives what the groups themselves say of the last write, by identity, for it may have been another
        scheduler's.
        """
        key, places = self.key, list(range(len(self.slots)))
        if key.index is None:
            places = [place for place in places if not self.slots[place].is_the_very(key.key)]
        changed = [place for place in places if self.slots[place].is_changed(key)]
        if changed and not all(map(self._wrote_last, [*self._leads, *(self.slots[place] for place in changed)])):
            writes = read_writes()
            for place in changed:
                self.slots[place].take(writes[id(self.slots[place].group)], absolute=self.absolute)
        for place in changed:
            slot = self.slots[place]
            slot.restore_marks(key)
            slot.is_marked = False
            self._take_new(slot.place, slot, key.now(slot.group))
        if changed:
            self._settle(self.slots)
        return bool(changed)

    def _wrote_last(self, slot: Slot) -> bool:
        """Whether the marks in a group are those of this binding's last write."""
        group, step = slot.group, self.last_step if slot.leads else ELSEWHERE
        factor = self.last_factor if slot.leads else 0.0
        marks = [group.get(name) for name in (self.key.schedule, self.key.step, self.key.factor)]
        return bool(marks == [self.mark, step, factor])

    def _take_new(self, place: int, slot: Slot, now: Any) -> None:
        group, key, written = slot.group, self.key, slot.written
        value = finite_value(key.name, name_of(place, group), now)
        if isinstance(now, Tensor) and slot.cell is None:
            slot.cell = _writable(now)
        if slot.cell is not None and now is not slot.cell:
            key.put(group, slot.cell)  # it is filled by the next write
        if slot.cell is not None:
            slot.version = slot.cell._version
        if near(value, written):
            return  # the same number in another form
        if self.saw_other_value is not None:
            self.saw_other_value(self.name, value, self.last_step or 0, place)
        slot.written = value
        if self.absolute:
            must = f"{key.name!r} must be left to its schedule, which gives the value itself, got {value:g} set by hand"
            remedy = "make a ScheduleLR with another schedule"
            warn_user([coded("RS201", f"ScheduleLR: {must}; it is overwritten: {remedy}")])
            return
        base = group[key.base]
        if not near(base, slot.base):
            return  # the base was set too, and is what was meant
        new = self.floor.new_base(base, written, value, self.last_factor if self.last_step else None)
        warn_user(far(self, place, group, value, new))
        group[key.base] = finite_value(key.base, name_of(place, group), new)

    def _base_of(self, value: float) -> float:
        """Return the base that gives a value at the present factor.

        With the factor at 0, and before any update, it is the value itself.
        """
        if not self.last_factor or not self.last_step or self.absolute:
            return value
        return self.floor.base(value, self.last_factor)

    def forget_new_values(self) -> None:
        """Keep the bases whatever the values are: another scheduler, whose turn it was, has set them."""
        for slot in self.slots:
            slot.restore_marks(self.key)
            slot.written, slot.base = float(self.key.now(slot.group)), slot.group[self.key.base]
            slot.is_marked = False
            if slot.cell is not None:
                slot.version = slot.cell._version

    def join_at_factor(self, groups: list[Group]) -> None:
        """Take the present values of some groups as what their bases give at the factor that was written last."""
        for slot in self._slots_of(groups):
            if self.last_factor and not self.absolute:
                slot.base = slot.group[self.key.base] = self.floor.base(slot.written, self.last_factor)
                slot.is_marked = False

    def begin_at_values(self, groups: list[Group]) -> None:
        """Take the present values of some groups as their bases."""
        for slot in self._slots_of(groups):
            value = float(self.key.now(slot.group))
            slot.group[self.key.base] = slot.base = slot.written = value
            slot.is_marked = False

    def _slots_of(self, groups: list[Group]) -> list[Slot]:
        wanted = set(map(id, groups))
        return [slot for slot in self.slots if id(slot.group) in wanted]

    def read_factor(self, step: int, marked: list[LastWrite]) -> None:
        """Take the factor that was written last from what groups say of it; else what the schedule gives at a step."""
        self.last_factor, self.last_step = self.factor(step, self.state), step
        for write in reversed(marked):
            self.take_factor(write)

    def take_factor(self, write: LastWrite) -> None:
        """Take the factor that was written last, and its step, from what a group says."""
        if write.factor is not None and not self.absolute:
            self.last_factor = write.factor
        self.last_step = int(write.step or 0)

    def agrees(self, step: int) -> bool:
        """Whether the groups were written last by the factor that a controller's present state gives at a step."""
        values = self.values(self.factor(step, self.state))
        return all(near(slot.written, value) for slot, value in zip(self.slots, values, strict=True))

    def bases(self, groups: list[Group]) -> list[float | None]:
        """Return the base of every group, None for those that it does not set."""
        for slot in self.slots:
            slot.restore_marks(self.key)
        covered = {id(slot.group) for slot in self.slots}
        return [float(group[self.key.base]) if id(group) in covered else None for group in groups]

    def ends(self) -> int | None:
        """Return the step at which the schedule has ended, or that of all schedules in a product; None without one."""
        ends = [part.steps for part in parts_of(self.controller) if isinstance(part, Schedule)]
        return None if not ends or None in ends else max(end for end in ends if end is not None)


def _writable(tensor: Tensor) -> Tensor:
    """Return a tensor, or a copy of one that was made in inference mode and can't be written outside of it."""
    return tensor.clone() if tensor.is_inference() else tensor
