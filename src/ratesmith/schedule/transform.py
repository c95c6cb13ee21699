"""The same schedule otherwise: repeated, shifted, stretched, cut, clipped, held."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

from ratesmith._arrays import NUMBERS, bounded, power, stair_start, stairs_begun
from ratesmith._checks import FARTHEST, LARGEST, MOST_CYCLES, Option, OptionValueError, finite, whole
from ratesmith._field_checks import Check, derive, positive
from ratesmith.schedule.base import (
    MOST_BREAKPOINTS,
    Schedule,
    check_stairs,
    kind,
    multiples,
    one_schedule,
    whole_step,
)


@kind
@dataclass(frozen=True)
class Repeat(Schedule):
    """A schedule that begins again at its end, `times` times in all or for ever (None).

    Formula: cycle i starts where cycle i - 1 ends, lasts `round(schedule.steps * growth ** i)` steps, and its values
    are `height ** i * schedule(u)`, u the share of the cycle that has passed times `schedule.steps`. After the last
    cycle its end value stays. With a growth below 1 there are as many cycles as last a step or more.
    Raise ValueError for a schedule that never ends, or lasts 0 steps.
    Source: Loshchilov and Hutter, "SGDR", 2017 (growth is its T_mult); Smith, "Cyclical learning rates", 2017.

    >>> from ratesmith import Ramp
    >>> saw = Ramp(1.0, 0.0, 2).repeat(3, height=0.5, growth=2)
    >>> [saw(step) for step in (0, 1, 2, 4, 5, 6, 10, 14, 99)], saw.steps
    ([1.0, 0.5, 0.5, 0.25, 0.125, 0.25, 0.125, 0.0, 0.0], 14)
    """

    schedule: Annotated[Schedule, Check(one_schedule)]
    times: Annotated[int | None, Check(whole, least=1, or_none=True)] = None
    height: Annotated[float, Check(finite, least=0.0)] = 1.0
    growth: Annotated[float, Check(positive, remedy="give 0.5 for cycles half as long")] = 1.0
    steps: int | None = field(init=False, compare=False, repr=False)
    _starts: tuple[int, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Lay out the cycles: as far as they go, or as far as any step reaches."""
        super().__post_init__()
        if not self.schedule.steps:
            must = f" must have an end after at least 1 step, got {self.schedule}; give it a length, as with take(100)"
            raise OptionValueError("Repeat: ", Option("schedule"), must)
        starts = [0]
        if self.growth != 1.0:
            while starts[-1] < FARTHEST and (self.times is None or len(starts) <= self.times):
                cycle = round(min(self.schedule.steps * self.growth ** (len(starts) - 1), FARTHEST))
                if not cycle:  # and so the last one has been laid out, whatever `times` says
                    break
                starts.append(starts[-1] + cycle)
                if len(starts) > MOST_CYCLES:
                    raise OptionValueError(
                        f"Repeat: at most {MOST_CYCLES} cycles of unequal length can be laid out, got more with ",
                        Option("growth"),
                        f" {self.growth!r}; give one such as {0.9 if self.growth < 1 else 1.1}, or ",
                        Option("times"),
                    )
        ends = self.schedule.steps * (self.times or 0) if self.growth == 1.0 else starts[-1]
        derive(self, steps=None if self.times is None and self.growth >= 1.0 else ends, _starts=tuple(starts))

    def at(self, t: Any, xp: Any) -> Any:
        length = self.schedule.steps or 1
        t = xp.clip(t, 0, self.steps)
        if self.growth == 1.0:
            cycle = t // length if self.times is None else xp.clip(t // length, 0, self.times - 1)
            inner = t - cycle * length
        else:
            last = len(self._starts) - 2
            cycle = xp.clip(xp.count_passed(self._starts, t) - 1, 0, last)
            start, end = xp.take(self._starts, cycle), xp.take(self._starts, cycle + 1)
            inner = (t - start) * length / (end - start)  # divided last: whole steps of the schedule stay whole
        value = self.schedule.at(inner, xp)
        if self.height == 1.0:
            return value
        return bounded(value * power(self.height, cycle, xp), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        length = self.schedule.steps or 1
        until = min(until, self.steps or until)
        if self.growth == 1.0:
            first = max(since, 0) // length
            last = min(until // length, first + MOST_BREAKPOINTS)
            edges: Iterable[int] = range(first * length, (last + 2) * length, length)
        else:
            # Up to the end of the cycle that is under way at `until`: its length says where its inner breakpoints lie.
            edges = [*self._starts, self._starts[-1] + length][: bisect.bisect_right(self._starts, until) + 1]
        inner = [0, *(step for step in self.schedule.breakpoints(0, length) if step < length)]
        steps: set[int] = set()
        for start, end in itertools.pairwise(edges):
            if len(steps) > MOST_BREAKPOINTS:
                break
            steps |= {start + _up(step * (end - start), length) for step in inner}
        return sorted(step for step in steps if max(since, 0) < step <= until)[:MOST_BREAKPOINTS]


@kind
@dataclass(frozen=True)
class Shift(Schedule):
    """A schedule `by` steps later: it waits at its first value, or for a negative `by` begins that far in.

    Formula: `schedule(max(step, 0) - by)`; it lasts `schedule.steps + by` steps, at least 0.

    >>> from ratesmith import Ramp
    >>> later, inside = Ramp(0.0, 1.0, 4).shift(2), Ramp(0.0, 1.0, 4).shift(-3)
    >>> later(1), later(4), later.steps, inside(0), inside(1), inside.steps
    (0.0, 0.5, 6, 0.75, 1.0, 1)
    """

    schedule: Annotated[Schedule, Check(one_schedule)]
    by: Annotated[int, Check(whole_step)]
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Note how long it lasts."""
        super().__post_init__()
        length = self.schedule.steps
        derive(self, steps=None if length is None else max(0, length + self.by))

    def at(self, t: Any, xp: Any) -> Any:
        return self.schedule.at(xp.clip(t, 0, None) - self.by, xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        begin = [self.by] if max(since, 0) < self.by <= until else []
        inner = self.schedule.breakpoints(max(since, 0) - self.by, until - self.by)
        return begin + [step + self.by for step in inner if step + self.by > max(since, 0)]


@kind
@dataclass(frozen=True)
class Stretch(Schedule):
    """A schedule run through in another number of steps: the same values at the same shares of its length.

    Formula: `schedule(step * schedule.steps / steps)`, between steps if the curve is defined there. Raises
    ValueError for a schedule that never ends. Squeezing a schedule keeps its whole shape, where `take` cuts it.

    >>> from ratesmith import Ramp
    >>> short = Ramp(1.0, 0.0, 1000, "cosine").stretch(4)
    >>> [round(short(step), 3) for step in range(6)], short.steps
    ([1.0, 0.854, 0.5, 0.146, 0.0, 0.0], 4)
    """

    schedule: Annotated[Schedule, Check(one_schedule)]
    steps: Annotated[int, Check(whole, least=1)]

    def __post_init__(self) -> None:
        """Refuse a schedule without an end."""
        super().__post_init__()
        if self.schedule.steps is None:
            must = f" must have an end, got {self.schedule}; give it a length, as with take(100)"
            raise OptionValueError("Stretch: ", Option("schedule"), must)

    def at(self, t: Any, xp: Any) -> Any:
        # In lowest terms, multiplied first and divided once: what falls on a step of the schedule falls on it exactly,
        # also in float32, where step * length would soon lose its last digits. So restarts stay where they are.
        length = self.schedule.steps or 1
        common = math.gcd(length, self.steps)
        return self.schedule.at(xp.clip(t, 0, self.steps) * (length // common) / (self.steps // common), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        length = self.schedule.steps or 1
        steps = {_up(step * self.steps, length) for step in self.schedule.breakpoints(0, length)}
        return sorted(step for step in steps if max(since, 0) < step <= until)


@kind
@dataclass(frozen=True)
class Take(Schedule):
    """The first `steps` steps of a schedule; after them it stays at the value reached there.

    Formula: `schedule(min(step, steps))`.

    >>> from ratesmith import Exponential
    >>> short = Exponential(0.5).take(2)
    >>> [short(step) for step in (0, 1, 2, 3)], short.steps
    ([1.0, 0.5, 0.25, 0.25], 2)
    """

    schedule: Annotated[Schedule, Check(one_schedule)]
    steps: Annotated[int, Check(whole, least=0)]

    def at(self, t: Any, xp: Any) -> Any:
        return self.schedule.at(xp.clip(t, 0, self.steps), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        end = {self.steps} if max(since, 0) < self.steps <= until else set()
        return sorted({*self.schedule.breakpoints(since, min(until, self.steps)), *end})


@kind
@dataclass(frozen=True)
class Clip(Schedule):
    """A schedule kept within `low` and `high`.

    Formula: `min(max(schedule(step), low), high)`. Raise ValueError if low lies above high.

    >>> from ratesmith import Exponential
    >>> floored = Exponential(0.5).clip(low=0.1)
    >>> floored(0), floored(3), floored(4)
    (1.0, 0.125, 0.1)
    """

    schedule: Annotated[Schedule, Check(one_schedule)]
    low: Annotated[float, Check(finite)] = -LARGEST
    high: Annotated[float, Check(finite)] = LARGEST
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse limits that leave nothing between them."""
        super().__post_init__()
        if self.low > self.high:
            must = f" must be at most high, got {self.low!r} above {self.high!r}; swap them"
            raise OptionValueError("Clip: ", Option("low"), must)
        derive(self, steps=self.schedule.steps)

    def at(self, t: Any, xp: Any) -> Any:
        low, high = (limit if abs(limit) < LARGEST else None for limit in (self.low, self.high))
        return xp.clip(self.schedule.at(t, xp), low, high)

    def breakpoints(self, since: int, until: int) -> list[int]:
        return self.schedule.breakpoints(since, until)  # where it meets a limit is for its values to show


@kind
@dataclass(frozen=True)
class Hold(Schedule):
    """A schedule that changes only every `every` steps, as one that is stepped once an epoch.

    Formula: `schedule(floor(step / every) * every)`. With `stairs`, it changes so many times in `every` steps, each
    time at the step nearest to a multiple of `every / stairs`.

    >>> from ratesmith import Ramp
    >>> stairs = Ramp(1.0, 0.0, 4).hold(2)
    >>> [stairs(step) for step in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.0, 0.0]
    >>> [Ramp(0.0, 8.0, 8).hold(5, stairs=2)(step) for step in range(8)]
    [0.0, 0.0, 0.0, 3.0, 3.0, 5.0, 5.0, 5.0]
    """

    schedule: Annotated[Schedule, Check(one_schedule)]
    every: Annotated[int, Check(whole, least=1)]
    stairs: Annotated[int, Check(whole, least=1)] = 1
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse stairs shorter than a step, and note how long it lasts."""
        super().__post_init__()
        check_stairs("Hold", self.every, self.stairs)
        length = self.schedule.steps
        if length is not None:  # it ends with the last stair that has begun before the end
            begun = stairs_begun(length - 1, self.every, self.stairs, NUMBERS)
            length = stair_start(begun + 1, self.every, self.stairs)
        derive(self, steps=length)

    def at(self, t: Any, xp: Any) -> Any:
        count = stairs_begun(t, self.every, self.stairs, xp)
        return self.schedule.at(stair_start(count, self.every, self.stairs), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        return multiples(self.every, since, until if self.steps is None else min(until, self.steps), self.stairs)


def _up(number: int, over: int) -> int:
    """Return `number / over` rounded up: if a breakpoint falls between two steps, the later is the first behind it."""
    return -(-number // over)
