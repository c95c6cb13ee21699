"""The usual step made quick, where all is as the step before left it.

A step has to see that the groups are the same, that nobody else has set a rate since, and to write the next one. Here
this is one loop with one look and one write a group. A rate is the one written last if it is the very object, so each
step makes objects of its own. Whatever is not as it was left is for the slow way, in `binding.py`, which finds
everything as if the quick one had not been tried.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, Final

from ratesmith.schedule import Schedule
from ratesmith.schedule.piece import BEYOND, piece_of
from ratesmith.torch.binding import Binding
from ratesmith.torch.key import Group
from ratesmith.torch.slot import Slot, count_of_changes, step_and_factor

LOOKED_AT: Final = 16
"""The first group and its base are looked at in each step, the others once in so many."""

CHANGED: Final = (KeyError, IndexError, RuntimeError, ValueError, TypeError)
"""What the look at the groups raises if a mark or a group was removed, or tensors or arrays were compared."""


class QuickStep:
    """Writes the values of steps while nothing else touches the groups: here one value for all, as most have."""

    def __init__(self, optimizer: Any, binding: Binding, slots: list[Slot], least: float) -> None:
        """Take a binding that has just written; a value below `least` is for the slow way to refuse."""
        key, floor, groups = binding.key, binding.floor, optimizer.param_groups
        self._optimizer, self._binding, self._slots, self._seen = optimizer, binding, slots, list(groups)
        covered = {id(slot.group) for slot in slots}
        self._mask = [id(group) in covered for group in groups]
        self._covers_all, self._lead = all(self._mask), self._mask.index(True)
        self._lead_seen = groups[self._lead]
        self._key, self._base_key, self._step_key, self._factor_key = key.key, key.base, key.step, key.factor
        self._bases = [slot.base for slot in slots]
        self._base = base = self._bases[0]
        self._scale, self._final = 1.0 if binding.absolute else base, 0.0
        if floor.final is not None and base:
            self._scale, self._final = base - floor.final, floor.final
        self._low = floor.low if base else None
        self._refused_below, self._least = least, least if self._low is None else self._low
        self._written = slots[0].written
        self._factor, self._step = binding.last_factor or 0.0, binding.last_step
        self._factor_at: Callable[[int], float] = functools.partial(binding.controller.value, binding.state)
        self._since, self._until = 0, 0 if isinstance(binding.controller, Schedule) else BEYOND

    def write(self, step: int) -> bool:
        """Write the values of a step; or return False, with nothing changed, if anything is not as it was left."""
        groups, key, written = self._optimizer.param_groups, self._key, self._written
        try:
            lead = groups[self._lead]
            # Lists are compared by far faster than each group's identity, and equal groups hold the very same numbers.
            if groups != self._seen or lead is not self._lead_seen or lead[self._base_key] is not self._base:
                return False
        except CHANGED:
            return False
        if not step % LOOKED_AT and not self._bases_stand(groups):
            return False
        factor = self._factor_at(step) if self._since <= step < self._until else self._bind(step)
        value = self._scale * factor + self._final if self._final else self._scale * factor
        if value < self._least:
            if self._low is None:
                return False
            value = self._low * 1.0
        try:
            for group in groups if self._covers_all else compress(groups, self._mask):
                if group[key] is not written:
                    return self._undo(value)
                group[key] = value
        except KeyError:
            return self._undo(value)
        lead[self._step_key], lead[self._factor_key] = step, factor
        self._written, self._factor, self._step = value, factor, step
        return True

    def _is_as_left(self, groups: list[Group], step: int) -> bool:
        """Whether the groups are those of before, and their bases: as `write` asks too, which has to be quick."""
        try:
            lead = groups[self._lead]
            if groups != self._seen or lead is not self._lead_seen or lead[self._base_key] is not self._base:
                return False
        except CHANGED:
            return False
        return bool(step % LOOKED_AT) or self._bases_stand(groups)

    def _bases_stand(self, groups: list[Group]) -> bool:
        if any(map(operator.is_not, groups, self._seen)):
            return False
        bases = [group.get(self._base_key) for group in compress(groups, self._mask)]
        return all(map(operator.is_, bases, self._bases))

    def _bind(self, step: int) -> float:
        """Take the formula that holds from here on, and return its value."""
        controller = self._binding.controller
        if isinstance(controller, Schedule):
            self._factor_at, self._since, self._until = piece_of(controller, step)
        return self._factor_at(step)

    def _undo(self, value: float) -> bool:
        """Put back what was written before something was found that is not as it was left."""
        for group in self._optimizer.param_groups:
            if group.get(self._key) is value:
                group[self._key] = self._written
        return False

    def take_back(self, step: int | None, factor: float) -> None:
        """Undo the last write, which another binding could not make too; the one before was of this step and factor."""
        lead, self._step, self._factor = self._optimizer.param_groups[self._lead], step, factor
        lead[self._step_key], lead[self._factor_key] = step, factor
        values = self._binding.values_of(self._bases, factor)
        for group, value in zip(compress(self._optimizer.param_groups, self._mask), values, strict=False):
            group[self._key] = value
        self._keep(values)

    def _keep(self, values: list[float]) -> None:
        self._written = values[0]

    @property
    def last(self) -> tuple[int | None, float]:
        """The step and the factor of the last write."""
        return self._step, self._factor

    def has_written(self, group: Group) -> bool:
        """Whether the rate that stands in a group is the very object that was written last."""
        return self._key == "lr" and group.get(self._key) is self._written

    def hand_back(self) -> None:
        """Tell the binding what was written."""
        self._binding.last_factor, self._binding.last_step = self._factor, self._step
        for slot in self._slots:
            slot.written = self._written


class UnevenStep(QuickStep):
    """The same where the groups have values of their own."""

    def __init__(self, optimizer: Any, binding: Binding, slots: list[Slot], least: float) -> None:
        """Take a binding that has just written."""
        super().__init__(optimizer, binding, slots, least)
        self._values = [slot.written for slot in slots]

    def write(self, step: int) -> bool:
        """Write the values of a step; or return False, with nothing changed, if anything is not as it was left."""
        groups, key = self._optimizer.param_groups, self._key
        if not self._is_as_left(groups, step):
            return False
        factor = self._factor_at(step) if self._since <= step < self._until else self._bind(step)
        values = self._binding.values_of(self._bases, factor)
        if min(values) < self._refused_below:
            return False
        try:
            for group, before, value in zip(compress(groups, self._mask), self._values, values, strict=False):
                if group[key] is not before:
                    return self._undo_all(groups, values)
                group[key] = value
        except KeyError:
            return self._undo_all(groups, values)
        lead = groups[self._lead]
        lead[self._step_key], lead[self._factor_key] = step, factor
        self._values, self._factor, self._step = values, factor, step
        return True

    def _undo_all(self, groups: list[Group], values: list[float]) -> bool:
        for group, before, value in zip(compress(groups, self._mask), self._values, values, strict=False):
            if group.get(self._key) is value:
                group[self._key] = before
        return False

    def has_written(self, group: Group) -> bool:
        """Whether the rate that stands in a group is an object that was written last."""
        return self._key == "lr" and any(group.get(self._key) is value for value in self._values)

    def _keep(self, values: list[float]) -> None:
        self._values = values

    def hand_back(self) -> None:
        """Tell the binding what was written."""
        super().hand_back()
        for slot, value in zip(self._slots, self._values, strict=True):
            slot.written = value


class TensorStep(QuickStep):
    """The same where every value is a tensor: its count of changes tells whether somebody else has set it."""

    def __init__(self, optimizer: Any, binding: Binding, slots: list[Slot], least: float) -> None:
        """Take a binding that has just written."""
        super().__init__(optimizer, binding, slots, least)
        self._cells = [slot.cell for slot in slots if slot.cell is not None]
        self._versions = [slot.version for slot in slots]
        self._present = operator.itemgetter(self._key)
        self._is_even = binding.absolute or len(set(self._bases)) == 1

    def write(self, step: int) -> bool:
        """Write the values of a step; or return False, with nothing changed, if anything is not as it was left."""
        groups, cells, versions = self._optimizer.param_groups, self._cells, self._versions
        if not self._is_as_left(groups, step) or list(map(count_of_changes, cells)) != versions:
            return False
        try:
            if not all(map(operator.is_, map(self._present, compress(groups, self._mask)), cells)):
                return False
        except KeyError:
            return False
        factor = self._factor_at(step) if self._since <= step < self._until else self._bind(step)
        values = self._binding.values_of(self._bases[:1] if self._is_even else self._bases, factor)
        if min(values) < self._refused_below:
            return False
        if self._is_even:
            value = values[0]
            for cell in cells:
                cell.fill_(value)
        else:
            for cell, value in zip(cells, values, strict=True):
                cell.fill_(value)
        counted = cells[0]._version - versions[0]  # 0 in inference mode, where changes are not counted
        self._versions = [version + counted for version in versions]
        lead = groups[self._lead]
        lead[self._step_key], lead[self._factor_key] = step_and_factor(step, factor)
        self._factor, self._step = factor, step
        return True

    def has_written(self, group: Group) -> bool:
        """Whether the rate that stands in a group is a tensor of those that were written."""
        return self._key == "lr" and any(group.get(self._key) is cell for cell in self._cells)

    def take_back(self, step: int | None, factor: float) -> None:
        """Undo the last write, which another binding could not make too."""
        lead, self._step, self._factor = self._optimizer.param_groups[self._lead], step, factor
        lead[self._step_key], lead[self._factor_key] = step_and_factor(step or 0, factor)
        for cell, value in zip(self._cells, self._binding.values_of(self._bases, factor), strict=True):
            cell.fill_(value)
        self._versions = list(map(count_of_changes, self._cells))

    def hand_back(self) -> None:
        """Tell the binding what was written."""
        super().hand_back()
        values = self._binding.values_of(self._bases, self._factor)
        for slot, value, version in zip(self._slots, values, self._versions, strict=True):
            slot.written, slot.version = value, version


class QuickSteps:
    """Several of these, of several keys, groups or optimizers: all are written, or none."""

    def __init__(self, parts: list[QuickStep]) -> None:
        """Take the parts."""
        self._parts = parts

    def write(self, step: int) -> bool:
        """Write the values of a step; or return False, with nothing changed, if anything is not as it was left."""
        before = [part.last for part in self._parts]
        done = 0
        try:
            for part in self._parts:
                if not part.write(step):
                    break
                done += 1
        finally:  # a function of the user's may have raised
            if done < len(self._parts):
                for part, last in zip(self._parts[:done], before, strict=False):
                    part.take_back(*last)
        return done == len(self._parts)

    def has_written(self, group: Group) -> bool:
        """Whether the rate that stands in a group is one that was written last."""
        return any(part.has_written(group) for part in self._parts)

    def hand_back(self) -> None:
        """Tell the bindings what was written."""
        for part in self._parts:
            part.hand_back()


def quick_step(
    optimizers: Sequence[Any], bindings: list[Binding], *, allow_negative: bool
) -> QuickStep | QuickSteps | None:
    """Return what makes the next steps quick after a write; None where only the slow way does."""
    # A part looks at the groups that it sets: without one nobody sees that others join, nor keeps the factor till then.
    set_in = {slot.owner for binding in bindings for slot in binding.slots}
    if len(set_in) < len(optimizers) or not all(binding.slots for binding in bindings):
        return None
    parts = []
    for binding in bindings:
        least = 0.0 if binding.name == "lr" and not allow_negative else -math.inf
        for owner, optimizer in enumerate(optimizers):
            slots = [slot for slot in binding.slots if slot.owner == owner]
            cells = sum(slot.cell is not None for slot in slots)
            if binding.key.index is not None or (cells and cells < len(slots)):
                return None
            if slots:
                even = all(slot.written is slots[0].written for slot in slots)
                kind = TensorStep if cells else QuickStep if even else UnevenStep
                parts.append(kind(optimizer, binding, slots, least))
    return parts[0] if len(parts) == 1 else QuickSteps(parts)
