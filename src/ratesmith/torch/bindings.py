"""All bindings of one scheduler over the groups of its optimizers: taken in, looked after, and written."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping
from typing import Any

from torch.optim import Optimizer

from ratesmith.torch.base_notes import foreign_base
from ratesmith.torch.binding import Binding
from ratesmith.torch.group_history import (
    has_foreign_scheduler,
    note_set_here,
    place_of,
    recognise,
    unshare,
    was_set_here,
)
from ratesmith.torch.key import Group
from ratesmith.torch.manual_rates import refuse_negative
from ratesmith.torch.marks import LastWrite, last_writes
from ratesmith.torch.metrics import read_metrics
from ratesmith.torch.quick_step import QuickStep, QuickSteps, quick_step
from ratesmith.torch.slot import Taken


class Bindings:
    """The bindings, and the groups that they were last seen to stand in."""

    def __init__(self, optimizers: tuple[Optimizer, ...], bindings: list[Binding], *, allow_negative: bool) -> None:
        """Take both; the groups are taken in by `take_in`."""
        self.optimizers, self._allow_negative = optimizers, allow_negative
        self.as_left = bindings
        """The bindings, which need not have what the quick steps wrote since."""
        self.quick: QuickStep | QuickSteps | None = None
        """What makes the next step quick, if it may be."""
        self._seen: list[Group] = []
        self._counts: list[int] = []

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: it is quick again after its first step."""
        self.leave_quick()
        return vars(self)

    @property
    def all(self) -> list[Binding]:
        """The bindings, as they are after the last step; the next one goes the slow way."""
        self.leave_quick()
        return self.as_left

    def __iter__(self) -> Iterator[Binding]:
        """Iterate over the bindings."""
        return iter(self.all)

    def leave_quick(self) -> None:
        """Take over what the quick steps wrote, and go the slow way next."""
        if self.quick is not None:
            self.quick.hand_back()
            self.quick = None

    def groups(self) -> list[Group]:
        """Return the groups of all optimizers, in order."""
        if len(self.optimizers) == 1:
            return self.optimizers[0].param_groups
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def of(self, key: str) -> list[Binding]:
        """Return the bindings for a key."""
        return [binding for binding in self.as_left if binding.name == key]

    def has_written_rate(self, group: Group) -> bool:
        """Whether the rate that stands in a group is the one that was written last."""
        if self.quick is not None:
            return self.quick.has_written(group)
        slots = ((slot, binding.key) for binding in self.of("lr") for slot in binding.slots)
        return any(slot.holds_written(key) for slot, key in slots if slot.group is group)

    def claims(self) -> set[tuple[int, str]]:
        """Return which key of which group these bindings set; the groups by identity."""
        return {(id(slot.group), binding.name) for binding in self.as_left for slot in binding.slots}

    # The groups as they are

    def changed(self) -> bool:
        """Whether a group was loaded, added, removed or moved since they were taken in."""
        groups = self.optimizers[0].param_groups if len(self.optimizers) == 1 else self.groups()
        if len(groups) != len(self._seen) or any(map(operator.is_not, groups, self._seen)):
            return True
        # The last group of an optimizer may have become the first of the next, in the same order of all.
        return len(self.optimizers) > 1 and self._counts != self._counts_now()

    def _counts_now(self) -> list[int]:
        return [len(optimizer.param_groups) for optimizer in self.optimizers]

    def take_in(self) -> tuple[list[Taken], bool]:
        """Take in the groups as they are now. Return what each binding took, and whether a state has been loaded.

        Loading an optimizer's state puts new dicts in place of groups that were known.
        """
        groups, first = self.groups(), not self._seen
        known = recognise(groups, self._seen)
        unshare(self.optimizers, [binding.key.key for binding in self.all])
        owners = [place for place, optimizer in enumerate(self.optimizers) for _ in optimizer.param_groups]
        for binding in self.all:
            binding.keep_leads(groups, owners)
        taken = [binding.take_in(groups, known, self._last_writes(binding), owners) for binding in self.all]
        self._check(groups, first)
        self._seen, self._counts = list(groups), self._counts_now()
        self.note_set_here()
        return taken, any(old is not None and old is not new for old, new in zip(known, groups, strict=True))

    def _last_writes(self, binding: Binding) -> list[LastWrite]:
        writes: list[LastWrite] = []
        for optimizer in self.optimizers:
            writes += last_writes(binding.key, optimizer.param_groups, len(writes))
        return writes

    def _writes_by_group(self, binding: Binding) -> dict[int, LastWrite]:
        return {id(group): write for group, write in zip(self.groups(), self._last_writes(binding), strict=True)}

    def _check(self, groups: list[Group], first: bool) -> None:
        claimed: set[tuple[int, str]] = set()
        for binding in self.all:
            if first:
                binding.choice.check(binding.name, groups)
                binding.check_final(groups)
            for slot in binding.slots:
                if (id(slot.group), binding.name) in claimed:
                    raise ValueError(
                        f"ScheduleLR: {binding.name!r} of group {place_of(slot.group, groups)} must have one schedule, "
                        "got two; multiply them"
                    )
                claimed.add((id(slot.group), binding.name))

    def kept_step(self) -> int | None:
        """Return the step that the groups carry, the latest if they differ; None if they carry none."""
        kept, groups = set(), self.groups()
        for binding in self.all:
            covered = {id(slot.group) for slot in binding.slots}
            for group, write in zip(groups, self._last_writes(binding), strict=True):
                if id(group) in covered and write.step is not None:
                    kept.add(_whole(binding.key.step, write.step))
        return max(kept, default=None)

    def have_these_schedules(self) -> bool:
        """Whether the groups were written last by schedules of the same texts as these; a new group does not tell."""
        marks = [(slot.group.get(own.key.schedule), own.mark) for own in self.all for slot in own.slots]
        return all(mark in (None, own) for mark, own in marks) and any(mark is not None for mark, _ in marks)

    def were_set_here(self) -> bool:
        """Whether a scheduler of this process has set one of these keys of these very groups."""
        return any(was_set_here(optimizer, binding.name) for optimizer in self.optimizers for binding in self.all)

    def note_set_here(self) -> None:
        """Note that these bindings set them."""
        for optimizer in self.optimizers:
            note_set_here(optimizer, [binding.name for binding in self.all])

    def begin(self, taken: list[Taken], step: int) -> list[str]:
        """Make the groups ready for the first write, at a step. Return what to say of their bases, a line each.

        A value that was set since the last scheduler wrote one is a new base for one that begins anew; one that goes on
        takes it as it would in mid-run. One of torch's schedulers may have set it too: then the base stays.
        """
        foreign = any(map(has_foreign_scheduler, self.optimizers))
        notes = []
        for binding, part in zip(self.all, taken, strict=True):
            new = {id(group) for group in (*part.present, *part.stripped, *part.foreign)}
            binding.read_factor(step, part.marked)
            factor = binding.factor(step, binding.state)
            if foreign:
                binding.forget_new_values()
            elif step == 0:
                binding.begin_at_values(part.changed)
            if step and len(new) < len(binding.slots):
                binding.join_at_factor(part.present)  # they were added to groups that had a scheduler before
            for group in [*part.foreign, *(part.changed if foreign else ())]:
                notes += foreign_base(binding, place_of(group, self.groups()), group, factor)
        return notes

    def foreign_bases(self, taken: list[Taken], step: int) -> list[str]:
        """Return what to say of bases that came from another scheduler's state, a line each."""
        return [
            note
            for binding, part in zip(self.all, taken, strict=True)
            for group in part.foreign
            for note in foreign_base(
                binding, place_of(group, self.groups()), group, binding.factor(step, binding.state)
            )
        ]

    # Values

    def take_new_values(self) -> bool:
        """Take values that somebody else has set since the last write; return whether there were any."""
        took = [binding.take_new_values(functools.partial(self._writes_by_group, binding)) for binding in self.all]
        return any(took)

    def forget_new_values(self) -> None:
        """Keep the bases whatever the values are."""
        for binding in self.all:
            binding.forget_new_values()

    def put_marks(self, taken: list[Taken]) -> None:
        """Keep in the groups what was written last, as they are now; what another scheduler wrote stays."""
        for binding, part in zip(self.all, taken, strict=True):
            if not part.by_another:
                binding.put_marks()

    def write(self, step: int, metrics: float | Mapping[str, float] | None = None) -> None:
        """Hear a measurement and write the values of a step; all is computed before anything is changed."""
        if metrics is None and self.quick is not None and self.quick.write(step):
            return
        bindings = self.all
        took = self.take_new_values()
        given = None if metrics is None else read_metrics(metrics, [binding.controller for binding in bindings])
        states = [binding.state if given is None else binding.observe(step, given) for binding in bindings]
        factors = [binding.factor(step, state) for binding, state in zip(bindings, states, strict=True)]
        rows = [binding.values(factor) for binding, factor in zip(bindings, factors, strict=True)]
        for binding, row in zip(bindings, rows, strict=True):
            if binding.name == "lr" and not self._allow_negative:
                refuse_negative("ScheduleLR", row, step)
        for binding, state, factor, row in zip(bindings, states, factors, rows, strict=True):
            if given is not None:
                binding.why = binding.controller.why(binding.state, state)
                binding.state = state
            binding.write(row, factor, step)
        if metrics is None and not took:
            self.quick = quick_step(self.optimizers, bindings, allow_negative=self._allow_negative)


def _whole(key: str, step: float) -> int:
    if step < 0 or not step.is_integer():
        raise ValueError(
            f"ScheduleLR: {key!r} of a group must be a whole number of at least 0, got {step:g}; remove it or mend it"
        )
    return int(step)
