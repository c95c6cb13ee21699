"""All bindings of one scheduler over the groups of its optimizers: taken in, looked after, and written."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping

from torch.optim import Optimizer

from ratesmith.torch.binding import Binding, Taken, name_of
from ratesmith.torch.groups import (
    Group,
    has_foreign_scheduler,
    is_trained,
    note_set_here,
    recognise,
    unshare,
    was_set_here,
)
from ratesmith.torch.metrics import read_metrics


class Bindings:
    """The bindings, and the groups that they were last seen to stand in."""

    def __init__(self, optimizers: tuple[Optimizer, ...], bindings: list[Binding]) -> None:
        """Take both; the groups are taken in by `take_in`."""
        self.optimizers, self.all = optimizers, bindings
        self._only = optimizers[0] if len(optimizers) == 1 else None
        self._seen: list[Group] = []

    def __iter__(self) -> Iterator[Binding]:
        """Iterate over the bindings."""
        return iter(self.all)

    def groups(self) -> list[Group]:
        """Return the groups of all optimizers, in order."""
        if self._only is not None:
            return self._only.param_groups
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def find(self, key: str) -> Binding | None:
        """Return the first binding for a key."""
        return next((binding for binding in self.all if binding.name == key), None)

    def claims(self) -> set[tuple[int, str]]:
        """Return which key of which group these bindings set; the groups by identity."""
        return {(id(slot.group), binding.name) for binding in self.all for slot in binding.slots}

    # The groups as they are

    def changed(self) -> bool:
        """Whether a group was loaded, added, removed or moved since they were taken in."""
        groups = self._only.param_groups if self._only is not None else self.groups()  # a call less, at every update
        return len(groups) != len(self._seen) or any(map(operator.is_not, groups, self._seen))

    def take_in(self) -> tuple[list[Taken], bool]:
        """Take in the groups as they are now. Return what each binding took, and whether a state has been loaded.

        Loading an optimizer's state puts new dicts in place of groups that were known.
        """
        groups, first = self.groups(), not self._seen
        known = recognise(groups, self._seen)
        for optimizer in self.optimizers:
            unshare(optimizer, (binding.key for binding in self.all))
        foreign = any(map(has_foreign_scheduler, self.optimizers))
        taken = [binding.take_in(groups, known, foreign) for binding in self.all]
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
        """Return the step that the groups carry, if they do."""
        kept = (slot.group.get(binding.step_key) for binding in self.all for slot in binding.slots)
        return next((step for step in kept if isinstance(step, int) and not isinstance(step, bool) and step >= 0), None)

    def are_set_here(self) -> bool:
        """Whether a scheduler of this process has set all these keys of all these groups."""
        return all(was_set_here(optimizer, binding.name) for optimizer in self.optimizers for binding in self.all)

    def note_set_here(self) -> None:
        """Note that these bindings set them."""
        for optimizer in self.optimizers:
            note_set_here(optimizer, [binding.name for binding in self.all])

    def are_trained(self) -> bool:
        """Whether one of the optimizers has made updates before."""
        return any(map(is_trained, self.optimizers))

    # Values

    def matches(self, step: int) -> bool:
        """Whether what the groups were last written is what the schedules give at a step."""
        return all(binding.matches(step) for binding in self.all)

    def take_new_values(self) -> None:
        """Take values that somebody else has set since the last write."""
        for binding in self.all:
            binding.take_new_values()

    def forget_new_values(self) -> None:
        """Keep the bases whatever the values are."""
        for binding in self.all:
            binding.forget_new_values()

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

    def foreign_bases(self, taken: list[Taken], step: int) -> list[str]:
        """Return what to say of bases that another scheduler left, a line each.

        There is nothing to say if the present value is the base, or what the schedule makes of it at that step.
        """
        notes = []
        for binding, part in zip(self.all, taken, strict=True):
            factor = binding.factor(step, binding.state) if part.foreign else 1.0
            for group in () if binding.absolute else part.foreign:
                base, value = group[binding.base_key], group[binding.written_key]
                if not any(abs(value - expected) <= 1e-6 * abs(expected) for expected in (base, base * factor)):
                    place = name_of(place_of(group, self.groups()), group)
                    notes.append(
                        f"ScheduleLR: {binding.name!r} of group {place} is {value:g}, and {binding.base_key!r}, left "
                        f"by another scheduler, is {base:g}: that is the base; if {value:g} is meant, call "
                        f"set_base({binding.name!r}, {value:g})"
                    )
        return notes


def place_of(group: Group, groups: list[Group]) -> int:
    """Return the place of a group, found by identity: dicts of tensors can't be compared."""
    return next(place for place, own in enumerate(groups) if own is group)
