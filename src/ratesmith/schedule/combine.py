"""Schedules combined: a constant, one after another, multiplied, added."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from ratesmith import _text
from ratesmith._arrays import NUMBERS, NumPy, bounded, held
from ratesmith._checks import A_LIST, FARTHEST, Option, OptionTypeError, OptionValueError, finite, whole
from ratesmith._field_checks import Check, derive
from ratesmith.schedule.base import MOST_BREAKPOINTS, Schedule, kind
from ratesmith.schedule.transform import Shift, Take

MOST_JOINED: Final = 100
"""Parts that are written with operators between them; more become a list."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at every step; it lasts `steps` steps, or never ends.

    Formula: `factor`.

    >>> Constant(0.5)(0), Constant(0.5)(10**9)
    (0.5, 0.5)
    """

    factor: Annotated[float, Check(finite)] = 1.0
    steps: Annotated[int | None, Check(whole, least=0, or_none=True)] = None

    def at(self, t: Any, xp: Any) -> Any:
        return xp.full_like(t, held(self.factor, xp))


@kind
@dataclass(frozen=True)
class Sequence(Schedule):
    """Schedules one after the other, each counting from zero where the one before it ends.

    Formula: `parts[i](step - start[i])` for the last i with `start[i] <= step`. A part of zero steps vanishes, and
    sequences inside are opened, so `(a >> b) >> c == a >> (b >> c)`. Past its end the last part stays flat, also one
    that is shifted ahead to its very end: `a >> b.shift(-b.steps)` ends at the last value of b.
    Raise ValueError if a part follows one that never ends.

    >>> from ratesmith import Ramp
    >>> warm = Ramp(0.0, 1.0, 4) >> Constant(1.0, 2)
    >>> [warm(step) for step in (0, 2, 4, 5, 9)], warm.steps
    ([0.0, 0.5, 1.0, 1.0, 1.0], 6)
    """

    parts: Annotated[tuple[Schedule, ...], A_LIST]
    steps: int | None = field(init=False, compare=False, repr=False)
    _starts: tuple[int, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Open inner sequences, drop empty parts and note where each part starts."""
        flat = opened(Sequence, "parts", self.parts)
        last_value = flat[-1:] if _begins_at_its_end(flat[-1]) else []
        parts = [part for part in flat if part.steps != 0] + last_value or flat[-1:]
        starts = [0]
        for part in parts[:-1]:
            if part.steps is None:
                raise OptionValueError(
                    f"Sequence: only the last part may be endless, got {part} before another part; "
                    "give it a length, as in Constant(1.0, steps=100), or put it last"
                )
            starts.append(starts[-1] + part.steps)
        last = parts[-1].steps
        if starts[-1] + (last or 0) > FARTHEST:
            raise OptionValueError(
                "Sequence: the parts must last at most 2**53 steps in all, got more; make them shorter"
            )
        steps = None if last is None else starts[-1] + last
        derive(self, parts=tuple(parts), steps=steps, _starts=tuple(starts))
        super().__post_init__()

    def __str__(self) -> str:
        """Return the parts with >> between them."""
        return " >> ".join(map(str, self.parts)) if _is_joined(self) else _text.call(self)

    def at(self, t: Any, xp: Any) -> Any:
        if xp is NUMBERS:
            index = bisect.bisect_right(self._starts, t, 1) - 1  # before step 0 it is the first part
            return self.parts[index].at(t - self._starts[index], xp)
        if isinstance(xp, NumPy):
            return self._at_known(t, xp)
        value = self.parts[0].at(t, xp)  # every part is computed at every step, so it must be total
        for start, part in zip(self._starts[1:], self.parts[1:], strict=True):
            value = xp.where(t >= start, part.at(t - start, xp), value)
        return value

    def _at_known(self, t: Any, xp: NumPy) -> Any:
        """Return the values at steps that are known: each part is computed at its own steps alone."""
        numpy, flat = xp.namespace, t.reshape(-1)
        values = numpy.empty(flat.shape, dtype=xp.dtype)
        if (flat[1:] >= flat[:-1]).all():
            edges = [0, *numpy.searchsorted(flat, self._starts[1:]).tolist(), flat.size]
            places = [slice(since, until) for since, until in itertools.pairwise(edges)]
        else:
            index = numpy.searchsorted(self._starts[1:], flat, side="right")
            places = [index == place for place in range(len(self.parts))]
        for start, part, place in zip(self._starts, self.parts, places, strict=True):
            steps = flat[place]
            if steps.size:
                values[place] = part.at(steps - start if start else steps, xp)
        return values.reshape(t.shape)

    def breakpoints(self, since: int, until: int) -> list[int]:
        steps: set[int] = set()
        for start, part in zip(self._starts, self.parts, strict=True):
            end = until if part.steps is None else min(start + part.steps, until)
            if start > until or len(steps) > MOST_BREAKPOINTS:
                break
            if end > since:
                steps |= {start, *(start + step for step in part.breakpoints(since - start, end - start))}
        return sorted(step for step in steps if max(since, 0) < step)[:MOST_BREAKPOINTS]


@kind
@dataclass(frozen=True)
class Product(Schedule):
    """Schedules multiplied step by step, and by a number: `3e-4 * schedule` makes a factor an absolute rate.

    Formula: `scale * factors[0](step) * factors[1](step) ...`. It lasts as long as its longest factor, and never
    ends if one never ends. Products inside are opened.

    >>> from ratesmith import Ramp
    >>> rate = 0.1 * Ramp(1.0, 0.0, 10)
    >>> rate(0), rate(5), rate(10), rate.steps
    (0.1, 0.05, 0.0, 10)
    """

    factors: Annotated[tuple[Schedule, ...], A_LIST]
    scale: Annotated[float, Check(finite)] = 1.0
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Open inner products and multiply their numbers."""
        factors, scale = opened(Product, "factors", self.factors), finite("Product", "scale", self.scale)
        for factor in self.factors:
            scale *= factor.scale if isinstance(factor, Product) else 1.0
        derive(self, factors=tuple(factors), scale=scale, steps=longest(factors))
        super().__post_init__()

    def __str__(self) -> str:
        """Return the number and the factors with * between them."""
        if len(self.factors) > MOST_JOINED:
            return _text.call(self)
        factors = [f"({part})" if _is_joined(part) else str(part) for part in self.factors]
        number = [] if self.scale == 1.0 and len(factors) > 1 else [repr(self.scale)]
        return " * ".join(number + factors)

    def at(self, t: Any, xp: Any) -> Any:
        value = self.scale if xp is NUMBERS else held(self.scale, xp)
        for factor in self.factors:
            value = bounded(value * factor.at(t, xp), xp)
        return value

    def breakpoints(self, since: int, until: int) -> list[int]:
        return breakpoints_of_all(self.factors, since, until)


@kind
@dataclass(frozen=True)
class Sum(Schedule):
    """Schedules added step by step, and a number: `0.1 + 0.9 * schedule` lifts a curve off zero.

    Formula: `offset + parts[0](step) + parts[1](step) ...`. It lasts as long as its longest part, and never ends if
    one never ends. Sums inside are opened.

    >>> from ratesmith import Ramp
    >>> lifted = 0.5 + 0.5 * Ramp(1.0, 0.0, 10)
    >>> lifted(0), lifted(5), lifted(10), lifted.steps
    (1.0, 0.75, 0.5, 10)
    """

    parts: Annotated[tuple[Schedule, ...], A_LIST]
    offset: Annotated[float, Check(finite)] = 0.0
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Open inner sums and add their numbers."""
        parts, offset = opened(Sum, "parts", self.parts), finite("Sum", "offset", self.offset)
        for part in self.parts:
            offset += part.offset if isinstance(part, Sum) else 0.0
        derive(self, parts=tuple(parts), offset=offset, steps=longest(parts))
        super().__post_init__()

    def __str__(self) -> str:
        """Return the number and the parts with + between them."""
        if len(self.parts) > MOST_JOINED:
            return _text.call(self)
        parts = [f"({part})" if _is_joined(part) else str(part) for part in self.parts]
        number = [] if self.offset == 0.0 and len(parts) > 1 else [repr(self.offset)]
        return " + ".join(number + parts)

    def at(self, t: Any, xp: Any) -> Any:
        value = self.offset
        for part in self.parts:
            value = bounded(value + part.at(t, xp), xp)
        return value

    def breakpoints(self, since: int, until: int) -> list[int]:
        return breakpoints_of_all(self.parts, since, until)


def _is_joined(part: Schedule) -> bool:
    """Whether a part is written with >> or + between its own parts, and so needs brackets in a product."""
    if isinstance(part, Sequence):
        return 1 < len(part.parts) <= MOST_JOINED
    return isinstance(part, Sum) and len(part.parts) <= MOST_JOINED


def _begins_at_its_end(part: Schedule) -> bool:
    """Whether a schedule lasts no step since it is shifted ahead to its end, or something inside it is."""
    if part.steps != 0 or isinstance(part, Take):
        return False
    return (isinstance(part, Shift) and part.by < 0) or any(map(_begins_at_its_end, part._inner()))


def opened(made: type[Schedule], field_name: str, parts: Any) -> list[Schedule]:
    """Return the parts with those of the same kind opened; refuse what is no schedule, and none at all."""
    flat: list[Schedule] = []
    if not isinstance(parts, Iterable) or isinstance(parts, str):
        must = f" must be a list of schedules, got {parts!r}; give [a, b]"
        raise OptionTypeError(f"{made.__name__}: ", Option(field_name), must)
    for part in parts:
        if not isinstance(part, Schedule):
            must = f" must each be a schedule, got {part!r}; give values such as Ramp(1.0, 0.0, 100)"
            raise OptionTypeError(f"{made.__name__}: ", Option(field_name), must)
        flat.extend(getattr(part, field_name) if isinstance(part, made) else (part,))
    if not flat:
        raise OptionValueError(f"{made.__name__}: ", Option(field_name), " must be one or more, got none; give some")
    return flat


def breakpoints_of_all(parts: tuple[Schedule, ...], since: int, until: int) -> list[int]:
    """Return the breakpoints of schedules that are all in force at once."""
    return sorted({step for part in parts for step in part.breakpoints(since, until)})[:MOST_BREAKPOINTS]


def longest(parts: Iterable[Schedule]) -> int | None:
    """Return the length of the longest schedule; None if one never ends."""
    lengths = [part.steps for part in parts]
    return None if None in lengths else max(length for length in lengths if length is not None)
