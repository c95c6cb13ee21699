"""The larger, or the smaller, of several schedules and numbers at each step."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

from ratesmith import _text
from ratesmith._arrays import held
from ratesmith._checks import A_LIST, LARGEST, finite
from ratesmith._field_checks import Check, derive
from ratesmith.schedule.base import Schedule, kind
from ratesmith.schedule.combine import MOST_JOINED, breakpoints_of_all, longest, opened


@kind
@dataclass(frozen=True)
class Max(Schedule):
    """The largest of several schedules, and of a number, at each step; notation writes `max(a, b, 0.1)`.

    Formula: `max(least, parts[0](step), parts[1](step), ...)`. Numbers among the parts become `least`. It lasts as long
    as its longest part, and never ends if one never ends; where two curves cross is for its values to show.
    Source: olmo.optim.MaxScheduler.

    >>> from ratesmith import Constant, Ramp
    >>> either = Max([Ramp(1.0, 0.0, 10), Ramp(0.0, 1.0, 10), 0.6])
    >>> either(0), either(5), either(10), either.steps
    (1.0, 0.6, 1.0, 10)
    """

    parts: Annotated[tuple[Schedule, ...], A_LIST]
    least: Annotated[float, Check(finite)] = -LARGEST
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Open inner ones, and take the largest of the numbers."""
        parts, least = _parted(Max, "least", self.parts, self.least, max)
        derive(self, parts=parts, least=least, steps=longest(parts))
        super().__post_init__()

    def __str__(self) -> str:
        """Return the parts and the number in the brackets of `max`."""
        return _written(self, "max", [] if self.least == -LARGEST else [self.least])

    def at(self, t: Any, xp: Any) -> Any:
        value = self.parts[0].at(t, xp)
        for part in self.parts[1:]:
            other = part.at(t, xp)
            value = xp.where(other > value, other, value)
        return xp.clip(value, held(self.least, xp) if self.least > -LARGEST else None, None)

    def breakpoints(self, since: int, until: int) -> list[int]:
        return breakpoints_of_all(self.parts, since, until)


@kind
@dataclass(frozen=True)
class Min(Schedule):
    """The smallest of several schedules, and of a number, at each step; notation writes `min(a, b, 0.1)`.

    Formula: `min(most, parts[0](step), parts[1](step), ...)`. Numbers among the parts become `most`. It lasts as long
    as its longest part, and never ends if one never ends.

    >>> from ratesmith import Ramp
    >>> either = Min([Ramp(1.0, 0.0, 10), Ramp(0.0, 1.0, 10), 0.4])
    >>> either(0), either(3), either(5), either(10), either.steps
    (0.0, 0.3, 0.4, 0.0, 10)
    """

    parts: Annotated[tuple[Schedule, ...], A_LIST]
    most: Annotated[float, Check(finite)] = LARGEST
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Open inner ones, and take the smallest of the numbers."""
        parts, most = _parted(Min, "most", self.parts, self.most, min)
        derive(self, parts=parts, most=most, steps=longest(parts))
        super().__post_init__()

    def __str__(self) -> str:
        """Return the parts and the number in the brackets of `min`."""
        return _written(self, "min", [] if self.most == LARGEST else [self.most])

    def at(self, t: Any, xp: Any) -> Any:
        value = self.parts[0].at(t, xp)
        for part in self.parts[1:]:
            other = part.at(t, xp)
            value = xp.where(other < value, other, value)
        return xp.clip(value, None, held(self.most, xp) if self.most < LARGEST else None)

    def breakpoints(self, since: int, until: int) -> list[int]:
        return breakpoints_of_all(self.parts, since, until)


def _parted(
    made: type[Max | Min], limit: str, parts: Any, number: float, choose: Callable[[Iterable[float]], float]
) -> tuple[tuple[Schedule, ...], float]:
    """Return the schedules, those inside ones of the same kind opened, and the one number that is left of all."""
    listed = parts if isinstance(parts, str) or not isinstance(parts, Iterable) else tuple(parts)
    limits = [finite(made.__name__, limit, number)]
    if isinstance(listed, tuple):
        limits += [finite(made.__name__, "parts", part) for part in listed if isinstance(part, numbers.Real)]
        limits += [getattr(part, limit) for part in listed if isinstance(part, made)]
        listed = tuple(part for part in listed if not isinstance(part, numbers.Real))
    return tuple(opened(made, "parts", listed)), choose(limits)


def _written(schedule: Max | Min, name: str, number: list[float]) -> str:
    written = [*map(str, schedule.parts), *map(repr, number)]
    return f"{name}({', '.join(written)})" if 1 < len(written) <= MOST_JOINED else _text.call(schedule)
