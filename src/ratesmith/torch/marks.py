"""What a parameter group keeps of the last write into it, so that any scheduler, in any process, goes on from there.

The step and the factor, which change at every update, stand in the first group of each optimizer that a schedule sets.
The others have `ELSEWHERE` for the step. The value that was written into a group is that of its base at this factor, to
the last bit. All are plain numbers; beside a rate that is a tensor, the two are tensors of one number. Every group has
the same keys, since tools that flatten groups ask for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ratesmith.torch.floor import Floor
from ratesmith.torch.key import Group, Key, kept_number, near

ELSEWHERE: Final = -1
"""The step in a group whose step and factor stand in another group of the optimizer."""


@dataclass(frozen=True)
class LastWrite:
    """What was written last into a group; None for what the group does not tell.

    `base` is what the factor multiplied then: the base in the group may have been set since.
    """

    value: float | None = None
    base: float | None = None
    factor: float | None = None
    step: float | None = None


def put_marks(key: Key, group: Group, base: float, schedule: int, floor: Floor) -> None:
    """Keep in a group what its value was made of, apart from the step and the factor."""
    group[key.multiplied], group[key.schedule] = base, schedule
    group.pop(key.written, None)
    for mark, value in ((key.final, floor.final), (key.low, floor.low)):
        if value is not None:
            group[mark] = value
        elif mark in group:  # of another scheduler
            del group[mark]


def has_lead(key: Key, group: Group) -> bool:
    """Whether the step and the factor of a last write stand in a group."""
    return group.get(key.factor) is not None and bool(group.get(key.step, ELSEWHERE) != ELSEWHERE)


def keep_leads(key: Key, groups: Sequence[Group], optimizers_groups: Sequence[Group], others: Sequence[Group]) -> None:
    """Let a group of an optimizer keep the step and the factor where the group that kept them was removed or moved.

    Those are taken that stand in one of the others, by the same schedule, and that give the value in the group.
    """
    led = {group.get(key.schedule) for group in optimizers_groups if has_lead(key, group)}
    if all(group.get(key.schedule) in led for group in groups):
        return
    leads = [group for group in others if has_lead(key, group)]
    for group in groups:
        schedule, now = group.get(key.schedule), float(key.now(group))
        for lead in [] if schedule in led else leads:
            marks = {mark: lead[mark] for mark in (key.step, key.factor)}
            value = _last_write(key, {**group, **marks}, 0, {}).value
            if lead.get(key.schedule) == schedule and value is not None and near(value, now):
                group.update(marks)
                led.add(schedule)
                break


def last_writes(key: Key, groups: Sequence[Group], first_place: int = 0) -> list[LastWrite]:
    """Return what was written last into each group of one optimizer, whose first is at `first_place` of all."""
    places = list(enumerate(groups, first_place))
    leads: dict[float | None, tuple[float, float]] = {}
    for place, group in places:
        step, factor, schedule = (kept_number(group, name, place) for name in (key.step, key.factor, key.schedule))
        if step not in (None, ELSEWHERE) and factor is not None:
            leads[schedule] = leads[None] = (step, factor)
    return [_last_write(key, group, place, leads) for place, group in places]


def _last_write(key: Key, group: Group, place: int, leads: dict[float | None, tuple[float, float]]) -> LastWrite:
    base, step, factor = (kept_number(group, name, place) for name in (key.multiplied, key.step, key.factor))
    if base is None:  # a state of before, in which each group has its own step, and the value itself
        value, base = (kept_number(group, name, place) for name in (key.written, key.base))
        factor = value / base if value is not None and base else None
        return LastWrite(value, None if value is None else base, factor, None if step == ELSEWHERE else step)
    if step in (None, ELSEWHERE) or factor is None:
        schedule = kept_number(group, key.schedule, place)
        step, factor = leads.get(schedule) or leads.get(None) or (None, None)
    floor = Floor(*(kept_number(group, name, place) for name in (key.final, key.low)))
    return LastWrite(None if factor is None else floor.value(base, factor), base, factor, step)
