"""What the user should know of a base: one that is out of proportion, or another one than the code's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ratesmith.codes import coded
from ratesmith.torch.key import Group, name_of, near

if TYPE_CHECKING:
    from ratesmith.torch.binding import Binding

FAR: Final = 10.0
"""How many times the largest base a new one may be before it is said: a tiny factor makes one huge."""


def far(binding: Binding, place: int, group: Group, value: float, base: float) -> list[str]:
    """Return what to say of a base that is out of proportion, since the factor is tiny where the value was set."""
    factor = binding.last_factor
    bases = [abs(slot.given if slot.given is not None else slot.group[binding.key.base]) for slot in binding.slots]
    if not factor or abs(factor) * FAR > 1 or abs(base) <= FAR * max(bases, default=math.inf):
        return []
    note = (
        f"ScheduleLR: {binding.name!r} of group {name_of(place, group)} was set to {value:g} while the factor is "
        f"{factor:g}, so its base becomes {base:g}; if {value:g} is the base, call "
        f"{call_for(binding, place, group, value)}"
    )
    return [coded("RS202", note)]


def other_base(binding: Binding, place: int, group: Group, base: float, given: float) -> list[str]:
    """Return the line that says that a loaded base is another one than the code's, if it is."""
    if binding.absolute or near(base, given):
        return []
    note = (
        f"ScheduleLR: the base of {binding.name!r} of group {name_of(place, group)} is {base:g}, as it was saved; the "
        f"code gave {given:g}: call {call_for(binding, place, group, given)} to change it"
    )
    return [coded("RS203", note)]


def foreign_base(binding: Binding, place: int, group: Group, factor: float) -> list[str]:
    """Return what to say of a base that another scheduler left.

    There is nothing to say if the present value is the base, or what the schedule makes of it.
    """
    base, value, name = group[binding.key.base], float(binding.key.now(group)), binding.name
    if binding.absolute or near(value, base) or near(value, binding.floor.value(base, factor)):
        return []
    note = (
        f"ScheduleLR: {name!r} of group {name_of(place, group)} is {value:g}, and {binding.key.base!r}, left by "
        f"another scheduler, is {base:g}: that is the base; if {value:g} is meant, call "
        f"{call_for(binding, place, group, value)}"
    )
    return [coded("RS204", note)]


def call_for(binding: Binding, place: int, group: Group, value: float) -> str:
    """Return the call that sets a group's base."""
    which = f", group={name_of(place, group)}" if place or len(binding.slots) > 1 else ""
    if binding.name == "lr":
        return f"set_base_lr({value:g}{which})"
    return f"set_base({binding.name!r}, {value:g}{which})"
