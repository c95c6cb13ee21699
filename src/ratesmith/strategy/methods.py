"""The methods of Schedule as notation writes them: `take(cosine(), "50%")` for `schedule.take(500)`.

Notation has no attributes, so a method is a call there, with the schedule first. A length is read against the horizon.
"""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from ratesmith._checks import options_of
from ratesmith.horizon import Horizon
from ratesmith.schedule import Schedule
from ratesmith.schedule.base import one_schedule

Read = Callable[[Horizon, Any], int | Fraction]

HOLD: Final = "Change only once every `every`, as a schedule does that is stepped once an epoch."
"""What `hold` does in a text, which has no stairs."""


def _call_of(
    name: str,
    length: str = "",
    option: str = "",
    default: Any = None,
    read: Read = Horizon.resolve,
    says: str = "",
) -> Any:
    """Return a method of Schedule as a function of a horizon, a schedule and its options by name.

    `length`: its parameter that is a length, if it has one. `option`: what notation calls it. `default`: what it is if
    it is left out. `read`: how a horizon reads it. `says`: what it does here, if the method's own sentence says more.
    """
    method = getattr(Schedule, name)
    option = option or length

    def call(horizon: Horizon, schedule: Schedule, **options: Any) -> Schedule:
        inner = one_schedule(name, "schedule", schedule)
        given = options.pop(option, default)
        with options_of(name, length=option, steps=option):
            if length:  # a number may be negative, as for shift: the method itself refuses what it cannot be
                options[length] = given if isinstance(given, numbers.Integral) else read(horizon, given)
            changed: Schedule = method(inner, **options)
        return changed

    shown = [parameter for parameter in inspect.signature(method).parameters.values() if parameter.name != "stairs"]
    if length:
        place = [parameter.name for parameter in shown].index(length)
        without = inspect.Parameter.empty if default is None else default
        shown[place] = shown[place].replace(name=option, default=without)
    first = (inspect.Parameter(each, inspect.Parameter.POSITIONAL_OR_KEYWORD) for each in ("horizon", "schedule"))
    call.__doc__ = says or method.__doc__.replace(f"`{length}`", f"`{option}`")
    call.__signature__ = inspect.Signature([*first, *shown[1:]])  # type: ignore[attr-defined]  # as inspect reads it
    call.__annotations__ = {"schedule": Schedule, **{each.name: each.annotation for each in shown[1:]}}
    return call


SCHEDULE_METHODS: Final[Mapping[str, Callable[..., Schedule]]] = MappingProxyType(
    {
        "hold": _call_of("hold", "every", default="1ep", read=Horizon.period, says=HOLD),
        "repeat": _call_of("repeat"),
        "shift": _call_of("shift", "by"),
        "stretch": _call_of("stretch", "steps", option="length"),
        "take": _call_of("take", "steps", option="length"),
        "clip": _call_of("clip"),
        "closed": _call_of("closed"),
    }
)
"""The methods that notation knows, by their names, each a function as a recipe is one."""
