"""Slot: one group that a schedule sets; and what was found when groups were taken in."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from ratesmith.torch.key import Group, Key, near
from ratesmith.torch.marks import LastWrite

count_of_changes: Final = operator.attrgetter("_version")
"""How often a tensor was changed in place. Asking it, unlike asking its value, waits for no device."""


def step_and_factor(step: int, factor: float) -> tuple[Any, Any]:
    """Return the marks of the last write as they stand beside a rate that is a tensor: tensors too, new ones each time.

    A compiled update is compiled anew for another number in a group, and not for another tensor.
    """
    return torch.tensor(step), torch.tensor(factor, dtype=torch.float64)


@dataclass
class Taken:
    """Where the bases came from when groups were taken in, and what the user should know of it, a line each."""

    present: list[Group] = field(default_factory=list)
    """Groups that had no base: their present value became it."""
    stripped: list[Group] = field(default_factory=list)
    """Groups that say what was written last, but not what the base was."""
    foreign: list[Group] = field(default_factory=list)
    """Groups with a base that no ScheduleLR wrote."""
    marked: list[LastWrite] = field(default_factory=list)
    """What other groups say of the last write."""
    changed: list[Group] = field(default_factory=list)
    """Groups whose value somebody has set since the last scheduler wrote one."""
    unmarked: list[Group] = field(default_factory=list)
    """Groups that were loaded with another value, and no base."""
    notes: list[str] = field(default_factory=list)
    by_another: bool = False
    """Whether another scheduler has written last into groups that were known before."""


@dataclass
class Slot:
    """One group that a binding sets; if its number is a tensor, that tensor and its count of changes.

    `written` is the value written last, and `base` what the factor multiplied then. `place` is the group's place among
    all, `owner` that of its optimizer; `leads` tells whether the group is its first that is set, which keeps the step
    and the factor. `given` is the base that the code gave in this process, if it is known: a loaded state may bring
    another.
    """

    group: Group
    written: float
    base: float
    place: int = 0
    owner: int = 0
    leads: bool = False
    cell: Tensor | None = None
    version: int = 0
    given: float | None = None
    is_marked: bool = False
    """Whether the marks that stay the same from step to step stand in the group."""

    def note_version(self, value: float) -> None:
        """Note the count of changes of a tensor, or -1 if its value was set by somebody and is to be looked at."""
        if self.cell is not None:
            self.version = self.cell._version if near(value, self.written) else -1

    def is_the_very(self, key: str) -> bool:
        """Whether the number in the group, under a key that has one alone, is the very object written last."""
        return self.cell is None and self.group.get(key) is self.written

    def is_changed(self, key: Key) -> bool:
        """Whether what stands in the group may be something else than what was written last."""
        now = key.now(self.group)
        if self.cell is not None:
            return now is not self.cell or self.cell._version != self.version
        return now is not self.written and (isinstance(now, Tensor) or bool(now != self.written))

    def take(self, write: LastWrite, *, absolute: bool) -> None:
        """Take what the group itself says of the last write, if it does."""
        if write.value is not None and write.base is not None:
            self.written, self.base = write.value, self.base if absolute else write.base

    def restore_marks(self, key: Key) -> None:
        """Put back what somebody has removed from the group."""
        self.group.setdefault(key.base, self.base)
        self.group.setdefault(key.given, self.group[key.base])

    def holds_written(self, key: Key) -> bool:
        """Whether what stands in the group is the very number or tensor that was written last."""
        now = key.now(self.group)
        return now is self.cell if self.cell is not None else now is self.written
