"""Schedule and its algebra: a value for every step, joined by `>>` and multiplied by `*`."""

from __future__ import annotations

import abc
import bisect
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ratesmith._arrays import NUMBERS, bounded, owner, passed, pick
from ratesmith._checks import FARTHEST, LARGEST, MOST_CYCLES, finite, most_power, whole


class Schedule(abc.ABC):
    """A value for every step: call it with one step or with an array of steps.

    A schedule is a pure, total function: `schedule(step)` is finite for every step, flat before 0 and past its end,
    and depends on nothing else. Its values are factors of a base value, usually the optimizer's own learning rate.
    `step` is the number of optimizer updates already made, so `schedule(0)` serves the first update.

    It is also the simplest controller: one with no state, that hears nothing.
    """

    steps: int | None
    """How many steps it lasts; None: it never ends."""

    @abc.abstractmethod
    def _at(self, t: Any, xp: Any) -> Any:
        """Give the value at `t`, a number or an array, with the operations of the namespace `xp`."""

    def __call__(self, step: Any) -> Any:
        """Give the value at a step: a float, or for an array of steps an array of the same shape."""
        if type(step) is int:
            return self._at(step, NUMBERS)
        xp, t = owner(step)
        return self._at(t, xp)

    def __rshift__(self, other: Schedule) -> Sequence:
        """Join: `other` starts counting at zero where this schedule ends."""
        return Sequence((self, other)) if isinstance(other, Schedule) else NotImplemented

    def __mul__(self, other: Schedule | float) -> Product:
        """Multiply, step by step, with another schedule or with a number."""
        if isinstance(other, Schedule):
            return Product((self, other))
        if isinstance(other, numbers.Real):
            return Product((self,), scale=float(other))
        return NotImplemented

    __rmul__ = __mul__

    def repeat(self, times: int | None = None, *, height: float = 1.0, length: float = 1.0) -> Repeat:
        """Begin again at the end: `times` cycles, or for ever; each `height` times as high, `length` times as long."""
        return Repeat(self, times, height, length)

    def shift(self, by: int) -> Shift:
        """Begin `by` steps later, waiting at the first value; a negative `by` begins that far in."""
        return Shift(self, by)

    def stretch(self, steps: int) -> Stretch:
        """Run through the same values in `steps` steps."""
        return Stretch(self, steps)

    def take(self, steps: int) -> Take:
        """Stop after `steps` steps and stay at the value reached there."""
        return Take(self, steps)

    def clip(self, low: float = -LARGEST, high: float = LARGEST) -> Clip:
        """Keep every value within `low` and `high`."""
        return Clip(self, low, high)

    def hold(self, every: int) -> Hold:
        """Change only every `every` steps: a staircase of the same curve, as one that steps once an epoch."""
        return Hold(self, every)

    def init(self) -> tuple[()]:
        """Give the controller's first state, which is empty."""
        return ()

    def observe(self, state: tuple[()], step: int, metrics: Mapping[str, float]) -> tuple[()]:
        """Hear a measurement, and stay as it is."""
        return state

    def value(self, state: tuple[()], step: int) -> float:
        """Give the value at a step, as a controller."""
        return float(self(step))


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at every step; it lasts `steps` steps, or never ends.

    Formula: `value`.

    >>> Constant(0.5)(0), Constant(0.5)(10**9)
    (0.5, 0.5)
    """

    factor: float = 1.0
    steps: int | None = None

    def __post_init__(self) -> None:
        """Refuse a value that is not finite and a length that is not whole."""
        object.__setattr__(self, "factor", finite("Constant", "factor", self.factor))
        if self.steps is not None:
            object.__setattr__(self, "steps", whole("Constant", "steps", self.steps, least=0))

    def _at(self, t: Any, xp: Any) -> Any:
        return self.factor if xp is NUMBERS else xp.full(t.shape, self.factor)


@dataclass(frozen=True)
class Sequence(Schedule):
    """Schedules one after the other, each counting from zero where the one before it ends.

    Formula: `parts[i](step - start[i])` for the last i with `start[i] <= step`. A part of zero steps vanishes, and
    sequences inside are opened, so `(a >> b) >> c == a >> (b >> c)`. Past its end the last part stays flat.
    Raises ValueError where a part follows one that never ends.

    >>> from ratesmith import Ramp
    >>> warm = Ramp(0.0, 1.0, 4) >> Constant(1.0, 2)
    >>> [warm(step) for step in (0, 2, 4, 5, 9)], warm.steps
    ([0.0, 0.5, 1.0, 1.0, 1.0], 6)
    """

    parts: tuple[Schedule, ...]
    steps: int | None = field(init=False, compare=False, repr=False)
    _starts: tuple[int, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Open inner sequences, drop empty parts and note where each part starts."""
        flat: list[Schedule] = []
        for part in self.parts:
            if not isinstance(part, Schedule):
                raise TypeError(f"Sequence: each part must be a schedule, got {part!r}; give Schedule values")
            flat.extend(part.parts if isinstance(part, Sequence) else (part,))
        if not flat:
            raise ValueError("Sequence: there must be at least one part, got none; give one or more schedules")
        parts = [part for part in flat if part.steps != 0] or flat[-1:]
        starts = [0]
        for part in parts[:-1]:
            if part.steps is None:
                raise ValueError(
                    f"Sequence: only the last part may be endless, got {part!r} before another part; "
                    "give it a length, as in Constant(1.0, steps=100), or put it last"
                )
            starts.append(starts[-1] + part.steps)
        last = parts[-1].steps
        object.__setattr__(self, "parts", tuple(parts))
        object.__setattr__(self, "steps", None if last is None else starts[-1] + last)
        object.__setattr__(self, "_starts", tuple(starts))

    def _at(self, t: Any, xp: Any) -> Any:
        if xp is NUMBERS:
            index = bisect.bisect_right(self._starts, t, 1) - 1
            return self.parts[index]._at(t - self._starts[index], xp)
        value = self.parts[0]._at(t, xp)
        for start, part in zip(self._starts[1:], self.parts[1:], strict=True):
            value = xp.where(t >= start, part._at(t - start, xp), value)
        return value


@dataclass(frozen=True)
class Product(Schedule):
    """Schedules multiplied step by step, and by a number: `3e-4 * schedule` makes a factor an absolute rate.

    Formula: `scale * factors[0](step) * factors[1](step) ...`. It lasts as long as its longest factor, and never
    ends where one never ends. Products inside are opened.

    >>> from ratesmith import Ramp
    >>> rate = 0.1 * Ramp(1.0, 0.0, 10)
    >>> rate(0), rate(5), rate(10), rate.steps
    (0.1, 0.05, 0.0, 10)
    """

    factors: tuple[Schedule, ...]
    scale: float = 1.0
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Open inner products and multiply their numbers."""
        flat: list[Schedule] = []
        scale = finite("Product", "scale", self.scale)
        for factor in self.factors:
            if not isinstance(factor, Schedule):
                raise TypeError(f"Product: each factor must be a schedule, got {factor!r}; give Schedule values")
            if isinstance(factor, Product):
                scale *= factor.scale
            flat.extend(factor.factors if isinstance(factor, Product) else (factor,))
        if not flat:
            raise ValueError("Product: there must be at least one factor, got none; give one or more schedules")
        lengths = [factor.steps for factor in flat]
        object.__setattr__(self, "factors", tuple(flat))
        object.__setattr__(self, "scale", finite("Product", "scale", scale))
        object.__setattr__(self, "steps", None if None in lengths else max(n for n in lengths if n is not None))

    def _at(self, t: Any, xp: Any) -> Any:
        value = self.scale
        for factor in self.factors:
            value = bounded(value * factor._at(t, xp), xp)
        return value


@dataclass(frozen=True)
class Repeat(Schedule):
    """A schedule that begins again at its end, `times` times in all or for ever (None).

    Formula: cycle i starts where cycle i - 1 ends, lasts `round(schedule.steps * length ** i)` steps, and its values
    are `height ** i * schedule(u)`, u the share of the cycle that has passed times `schedule.steps`. After the last
    cycle its end value stays. Raises ValueError for a schedule that never ends, or lasts 0 steps.
    Source: Loshchilov and Hutter, "SGDR", 2017 (length is its T_mult); Smith, "Cyclical learning rates", 2017.

    >>> from ratesmith import Ramp
    >>> saw = Ramp(1.0, 0.0, 2).repeat(3, height=0.5, length=2)
    >>> [saw(step) for step in (0, 1, 2, 4, 5, 6, 10, 14, 99)], saw.steps
    ([1.0, 0.5, 0.5, 0.25, 0.125, 0.25, 0.125, 0.0, 0.0], 14)
    """

    schedule: Schedule
    times: int | None = None
    height: float = 1.0
    length: float = 1.0
    steps: int | None = field(init=False, compare=False, repr=False)
    _starts: tuple[int, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Lay out the cycles: as far as they go, or as far as any step reaches."""
        if not self.schedule.steps:
            raise ValueError(
                f"Repeat: schedule must have an end after at least 1 step, got {self.schedule!r}; "
                "give it a length, as with take(100)"
            )
        if self.times is not None:
            object.__setattr__(self, "times", whole("Repeat", "times", self.times, least=1))
        object.__setattr__(self, "height", finite("Repeat", "height", self.height, least=0.0))
        object.__setattr__(self, "length", finite("Repeat", "length", self.length, least=1.0))
        starts = [0]
        if self.length > 1.0:
            while starts[-1] < FARTHEST and (self.times is None or len(starts) <= self.times):
                cycle = round(min(self.schedule.steps * self.length ** (len(starts) - 1), FARTHEST))
                starts.append(starts[-1] + cycle)
                if len(starts) > MOST_CYCLES:
                    raise ValueError(
                        f"Repeat: at most {MOST_CYCLES} cycles of growing length can be laid out, got more with length "
                        f"{self.length!r}; give times, or a length further from 1"
                    )
        ends = starts[-1] if self.length > 1.0 else self.schedule.steps * (self.times or 0)
        object.__setattr__(self, "steps", None if self.times is None else ends)
        object.__setattr__(self, "_starts", tuple(starts))

    def _at(self, t: Any, xp: Any) -> Any:
        one = self.schedule.steps or 1
        t = xp.clip(t, 0, self.steps)
        if self.length == 1.0:
            cycle = t // one if self.times is None else xp.clip(t // one, 0, self.times - 1)
            inner = t - cycle * one
        else:
            last = len(self._starts) - 2
            cycle = xp.clip(passed(self._starts, t, xp) - 1, 0, last)
            start, end = pick(self._starts, cycle, t, xp), pick(self._starts, cycle + 1, t, xp)
            inner = (t - start) * one / (end - start)
        value = self.schedule._at(inner, xp)
        if self.height == 1.0:
            return value
        return bounded(value * self.height ** xp.clip(cycle, 0, most_power(self.height)), xp)


@dataclass(frozen=True)
class Shift(Schedule):
    """A schedule `by` steps later: it waits at its first value, or for a negative `by` begins that far in.

    Formula: `schedule(max(step, 0) - by)`; it lasts `schedule.steps + by` steps, at least 0.

    >>> from ratesmith import Ramp
    >>> later, inside = Ramp(0.0, 1.0, 4).shift(2), Ramp(0.0, 1.0, 4).shift(-3)
    >>> later(1), later(4), later.steps, inside(0), inside(1), inside.steps
    (0.0, 0.5, 6, 0.75, 1.0, 1)
    """

    schedule: Schedule
    by: int
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a shift that is not whole."""
        object.__setattr__(self, "by", whole("Shift", "by", self.by, least=-FARTHEST))
        length = self.schedule.steps
        object.__setattr__(self, "steps", None if length is None else max(0, length + self.by))

    def _at(self, t: Any, xp: Any) -> Any:
        return self.schedule._at(xp.clip(t, 0, None) - self.by, xp)


@dataclass(frozen=True)
class Stretch(Schedule):
    """A schedule run through in another number of steps: the same values at the same shares of its length.

    Formula: `schedule(step * schedule.steps / steps)`, between steps where the curve is defined there. Raises
    ValueError for a schedule that never ends. Squeezing a schedule keeps its whole shape, where `take` cuts it.

    >>> from ratesmith import Ramp
    >>> short = Ramp(1.0, 0.0, 1000, "cosine").stretch(4)
    >>> [round(short(step), 3) for step in range(6)], short.steps
    ([1.0, 0.854, 0.5, 0.146, 0.0, 0.0], 4)
    """

    schedule: Schedule
    steps: int

    def __post_init__(self) -> None:
        """Refuse a schedule without an end and a length that is not whole."""
        object.__setattr__(self, "steps", whole("Stretch", "steps", self.steps, least=1))
        if self.schedule.steps is None:
            raise ValueError(
                f"Stretch: schedule must have an end, got {self.schedule!r}; give it a length, as with take(100)"
            )

    def _at(self, t: Any, xp: Any) -> Any:
        return self.schedule._at(xp.clip(t, 0, self.steps) * self.schedule.steps / self.steps, xp)


@dataclass(frozen=True)
class Take(Schedule):
    """The first `steps` steps of a schedule; after them it stays at the value reached there.

    Formula: `schedule(min(step, steps))`.

    >>> from ratesmith import Exponential
    >>> short = Exponential(0.5).take(2)
    >>> [short(step) for step in (0, 1, 2, 3)], short.steps
    ([1.0, 0.5, 0.25, 0.25], 2)
    """

    schedule: Schedule
    steps: int

    def __post_init__(self) -> None:
        """Refuse a length that is not whole."""
        object.__setattr__(self, "steps", whole("Take", "steps", self.steps, least=0))

    def _at(self, t: Any, xp: Any) -> Any:
        return self.schedule._at(xp.clip(t, 0, self.steps), xp)


@dataclass(frozen=True)
class Clip(Schedule):
    """A schedule kept within `low` and `high`.

    Formula: `min(max(schedule(step), low), high)`. Raises ValueError where low lies above high.

    >>> from ratesmith import Exponential
    >>> floored = Exponential(0.5).clip(low=0.1)
    >>> floored(0), floored(3), floored(4)
    (1.0, 0.125, 0.1)
    """

    schedule: Schedule
    low: float = -LARGEST
    high: float = LARGEST
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse limits that are not finite or leave nothing between them."""
        object.__setattr__(self, "low", finite("Clip", "low", self.low))
        object.__setattr__(self, "high", finite("Clip", "high", self.high))
        if self.low > self.high:
            raise ValueError(f"Clip: low must be at most high, got {self.low!r} above {self.high!r}; swap them")
        object.__setattr__(self, "steps", self.schedule.steps)

    def _at(self, t: Any, xp: Any) -> Any:
        low, high = (limit if abs(limit) < LARGEST else None for limit in (self.low, self.high))
        return xp.clip(self.schedule._at(t, xp), low, high)


@dataclass(frozen=True)
class Hold(Schedule):
    """A schedule that changes only every `every` steps, as one that is stepped once an epoch.

    Formula: `schedule(floor(step / every) * every)`.

    >>> from ratesmith import Ramp
    >>> stairs = Ramp(1.0, 0.0, 4).hold(2)
    >>> [stairs(step) for step in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.0, 0.0]
    """

    schedule: Schedule
    every: int
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a stair that is not whole."""
        object.__setattr__(self, "every", whole("Hold", "every", self.every, least=1))
        length = self.schedule.steps
        object.__setattr__(self, "steps", None if length is None else -(-length // self.every) * self.every)

    def _at(self, t: Any, xp: Any) -> Any:
        return self.schedule._at(t // self.every * self.every, xp)
