"""The usual step made quick: one schedule, one optimizer, and all as the step before left it.

A step has to see that the groups are the same, that nobody else has set a rate since, and to write the next one. Here
this is one loop with one look and one write a group. A rate is the one written last if it is the very object, so each
step makes objects of its own. Whatever is not as it was left is for the slow way, in `binding.py`, which finds
everything as if the quick one had not been tried.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from itertools import compress
from typing import Any, Final

from ratesmith.schedule import Schedule
from ratesmith.schedule.piece import BEYOND, piece_of
from ratesmith.torch.binding import Binding
from ratesmith.torch.key import Group
from ratesmith.torch.slot import count_of_changes, step_and_factor

LOOKED_AT: Final = 16
"""The base in the first group is looked at in each step, those in the others once in so many."""


class QuickStep:
    """Writes the values of steps while nothing else touches the groups: here one value for all, as most have."""

    def __init__(self, optimizer: Any, binding: Binding, least: float) -> None:
        """Take a binding that has just written; a value below `least` is for the slow way to refuse."""
        key, floor, groups = binding.key, binding.floor, optimizer.param_groups
        self._optimizer, self._binding, self._seen = optimizer, binding, list(groups)
        covered = {id(slot.group) for slot in binding.slots}
        self._mask = [id(group) in covered for group in groups]
        self._covers_all, self._lead = all(self._mask), self._mask.index(True)
        self._key, self._base_key, self._step_key, self._factor_key = key.key, key.base, key.step, key.factor
        self._bases = [slot.base for slot in binding.slots]
        self._base = base = self._bases[0]
        self._scale, self._final = 1.0 if binding.absolute else base, 0.0
        if floor.final is not None and base:
            self._scale, self._final = base - floor.final, floor.final
        self._low = floor.low if base else None
        self._refused_below, self._least = least, least if self._low is None else self._low
        self._written, self._factor, self._step = (
            binding.slots[0].written,
            binding.last_factor or 0.0,
            binding.last_step,
        )
        self._factor_at: Callable[[int], float] = functools.partial(binding.controller.value, binding.state)
        self._since, self._until = 0, 0 if isinstance(binding.controller, Schedule) else BEYOND

    def write(self, step: int) -> bool:
        """Write the values of a step; or return False, with nothing changed, if anything is not as it was left."""
        groups, key, written = self._optimizer.param_groups, self._key, self._written
        try:
            lead = groups[self._lead]
            # Equal groups that are not the same are loaded ones that hold the very same numbers.
            if groups != self._seen or lead[self._base_key] is not self._base:
                return False
        except (KeyError, IndexError, RuntimeError):  # a mark was removed, or a group, or its tensors were compared
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
            if groups != self._seen or groups[self._lead][self._base_key] is not self._base:
                return False
        except (KeyError, IndexError, RuntimeError):
            return False
        return bool(step % LOOKED_AT) or self._bases_stand(groups)

    def _bases_stand(self, groups: list[Group]) -> bool:
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

    def has_written(self, group: Group) -> bool:
        """Whether what stands in a group is the very object that was written last."""
        return group.get(self._key) is self._written

    def hand_back(self) -> None:
        """Tell the binding what was written."""
        self._binding.last_factor, self._binding.last_step = self._factor, self._step
        for slot in self._binding.slots:
            slot.written = self._written


class UnevenStep(QuickStep):
    """The same where the groups have values of their own."""

    def __init__(self, optimizer: Any, binding: Binding, least: float) -> None:
        """Take a binding that has just written."""
        super().__init__(optimizer, binding, least)
        self._values = [slot.written for slot in binding.slots]

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
        """Whether what stands in a group is the very object that was written last."""
        return any(group.get(self._key) is value for value in self._values)

    def hand_back(self) -> None:
        """Tell the binding what was written."""
        super().hand_back()
        for slot, value in zip(self._binding.slots, self._values, strict=True):
            slot.written = value


class TensorStep(QuickStep):
    """The same where every value is a tensor: its count of changes tells whether somebody else has set it."""

    def __init__(self, optimizer: Any, binding: Binding, least: float) -> None:
        """Take a binding that has just written."""
        super().__init__(optimizer, binding, least)
        self._cells = [slot.cell for slot in binding.slots if slot.cell is not None]
        self._versions = [slot.version for slot in binding.slots]
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
        """Whether what stands in a group is a tensor of those that were written."""
        return any(group.get(self._key) is cell for cell in self._cells)

    def hand_back(self) -> None:
        """Tell the binding what was written."""
        super().hand_back()
        values = self._binding.values_of(self._bases, self._factor)
        for slot, value, version in zip(self._binding.slots, values, self._versions, strict=True):
            slot.written, slot.version = value, version


def quick_step(optimizer: Any, binding: Binding, *, allow_negative: bool) -> QuickStep | None:
    """Return what makes the next steps quick after a write; None where only the slow way does."""
    slots, is_rate = binding.slots, binding.name == "lr"
    if not slots or binding.key.index is not None:
        return None
    least = 0.0 if is_rate and not allow_negative else -math.inf
    cells = [slot.cell for slot in slots if slot.cell is not None]
    if cells:
        return TensorStep(optimizer, binding, least) if len(cells) == len(slots) else None
    even = all(slot.written is slots[0].written for slot in slots)
    return QuickStep(optimizer, binding, least) if even else UnevenStep(optimizer, binding, least)
