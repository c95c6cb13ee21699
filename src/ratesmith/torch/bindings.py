"""All bindings of one scheduler over the groups of its optimizers: taken in, looked after, and written."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping

from torch.optim import Optimizer

from ratesmith.codes import coded
from ratesmith.torch.binding import Binding, Taken
from ratesmith.torch.group_history import (
    has_foreign_scheduler,
    note_set_here,
    place_of,
    recognise,
    unshare,
    was_set_here,
)
from ratesmith.torch.key import Group, kept_number, name_of, near
from ratesmith.torch.metrics import read_metrics


class Bindings:
    """The bindings, and the groups that they were last seen to stand in."""

    def __init__(self, optimizers: tuple[Optimizer, ...], bindings: list[Binding]) -> None:
        """Take both; the groups are taken in by `take_in`."""
        self.optimizers, self.all = optimizers, bindings
        self._seen: list[Group] = []

    def __iter__(self) -> Iterator[Binding]:
        """Iterate over the bindings."""
        return iter(self.all)

    def groups(self) -> list[Group]:
        """Return the groups of all optimizers, in order."""
        if len(self.optimizers) == 1:
            return self.optimizers[0].param_groups
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def of(self, key: str) -> list[Binding]:
        """Return the bindings for a key."""
        return [binding for binding in self.all if binding.name == key]

    def has_written_rate(self, group: Group) -> bool:
        """Whether the rate that stands in a group is the one that was written last."""
        return any(binding.has_written(group) for binding in self.all if binding.name == "lr")

    def claims(self) -> set[tuple[int, str]]:
        """Return which key of which group these bindings set; the groups by identity."""
        return {(id(slot.group), binding.name) for binding in self.all for slot in binding.slots}

    # The groups as they are

    def changed(self) -> bool:
        """Whether a group was loaded, added, removed or moved since they were taken in."""
        groups = self.optimizers[0].param_groups if len(self.optimizers) == 1 else self.groups()
        return len(groups) != len(self._seen) or any(map(operator.is_not, groups, self._seen))

    def take_in(self) -> tuple[list[Taken], bool]:
        """Take in the groups as they are now. Return what each binding took, and whether a state has been loaded.

        Loading an optimizer's state puts new dicts in place of groups that were known.
        """
        groups, first = self.groups(), not self._seen
        known = recognise(groups, self._seen)
        unshare(self.optimizers, [binding.key.key for binding in self.all])
        taken = [binding.take_in(groups, known) for binding in self.all]
        self._check(groups, first)
        self._seen = list(groups)
        self.note_set_here()
        return taken, any(old is not None and old is not new for old, new in zip(known, groups, strict=True))

    def _check(self, groups: list[Group], first: bool) -> None:
        claimed: set[tuple[int, str]] = set()
        for binding in self.all:
            if first and not any(binding.wants(place, group) for place, group in enumerate(groups)):
                raise ValueError(
                    f"ScheduleLR: groups of {binding.name!r} must be among the optimizer's, got none; name some of them"
                )
            for slot in binding.slots:
                if (id(slot.group), binding.name) in claimed:
                    raise ValueError(
                        f"ScheduleLR: {binding.name!r} of group {place_of(slot.group, groups)} must have one schedule, "
                        "got two; multiply them"
                    )
                claimed.add((id(slot.group), binding.name))

    def kept_step(self) -> int | None:
        """Return the step that the groups carry, the latest if they differ; None if they carry none."""
        kept, places = set(), {id(group): place for place, group in enumerate(self.groups())}
        for binding in self.all:
            for slot in binding.slots:
                step = kept_number(slot.group, binding.key.step, places[id(slot.group)])
                if step is not None:
                    kept.add(_whole(binding.key.step, step))
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
            binding.read_factor(step, [slot.group for slot in binding.slots if id(slot.group) not in new])
            factor = binding.factor(step, binding.state)
            if foreign:
                binding.forget_new_values()
            elif step == 0:
                binding.begin_at_values(part.changed)
            if step and len(new) < len(binding.slots):
                binding.join_at_factor(part.present)  # they were added to groups that had a scheduler before
            for group in [*part.foreign, *(part.changed if foreign else ())]:
                notes += self._foreign_base(binding, group, factor)
        return notes

    def foreign_bases(self, taken: list[Taken], step: int) -> list[str]:
        """Return what to say of bases that came from another scheduler's state, a line each."""
        return [
            note
            for binding, part in zip(self.all, taken, strict=True)
            for group in part.foreign
            for note in self._foreign_base(binding, group, binding.factor(step, binding.state))
        ]

    def _foreign_base(self, binding: Binding, group: Group, factor: float) -> list[str]:
        """Return what to say of a base that another scheduler left.

        There is nothing to say if the present value is the base, or what the schedule makes of it.
        """
        base, value, name = group[binding.key.base], group[binding.key.written], binding.name
        if binding.absolute or near(value, base) or near(value, base * factor):
            return []
        place = place_of(group, self.groups())
        note = (
            f"ScheduleLR: {name!r} of group {name_of(place, group)} is {value:g}, and {binding.key.base!r}, left by "
            f"another scheduler, is {base:g}: that is the base; if {value:g} is meant, call "
            f"{binding.call_for(place, group, value)}"
        )
        return [coded("RS204", note)]

    # Values

    def take_new_values(self) -> None:
        """Take values that somebody else has set since the last write."""
        for binding in self.all:
            binding.take_new_values()

    def forget_new_values(self) -> None:
        """Keep the bases whatever the values are."""
        for binding in self.all:
            binding.forget_new_values()

    def mark(self, step: int) -> None:
        """Keep in the groups which step their values belong to; the values stay."""
        for binding in self.all:
            binding.mark_step(step)

    def write(self, step: int, metrics: float | Mapping[str, float] | None = None) -> None:
        """Hear a measurement and write the values of a step; all is computed before anything is changed."""
        for binding in self.all:
            binding.take_new_values()
        given = None if metrics is None else read_metrics(metrics, [binding.controller for binding in self.all])
        if given is not None:
            self._hear(step, given)
        elif len(self.all) == 1:  # the usual case, at every update: nothing has to wait for another's value
            binding.write(binding.factor(step, binding.state), step)
        else:
            factors = [binding.factor(step, binding.state) for binding in self.all]
            for binding, factor in zip(self.all, factors, strict=True):
                binding.write(factor, step)

    def _hear(self, step: int, metrics: dict[str, float]) -> None:
        states = [binding.observe(step, metrics) for binding in self.all]
        factors = [binding.factor(step, state) for binding, state in zip(self.all, states, strict=True)]
        for binding, state, factor in zip(self.all, states, factors, strict=True):
            binding.why = binding.controller.why(binding.state, state)
            binding.state = state
            binding.write(factor, step)


def _whole(key: str, step: float) -> int:
    if step < 0 or not step.is_integer():
        raise ValueError(
            f"ScheduleLR: {key!r} of a group must be a whole number of at least 0, got {step:g}; remove it or mend it"
        )
    return int(step)
