"""The same schedule otherwise: repeated, shifted, stretched, cut, clipped, held."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ratesmith._arrays import NUMBERS, bounded, passed, pick, power, scaled, stair_start, stairs_begun
from ratesmith._checks import FARTHEST, LARGEST, MOST_CYCLES, finite, whole
from ratesmith.schedule.base import MOST_BREAKPOINTS, Schedule, multiples, nesting, whole_stairs


@dataclass(frozen=True)
class Repeat(Schedule):
    """A schedule that begins again at its end, `times` times in all or for ever (None).

    Formula: cycle i starts where cycle i - 1 ends, lasts `round(schedule.steps * growth ** i)` steps, and its values
    are `height ** i * schedule(u)`, u the share of the cycle that has passed times `schedule.steps`. After the last
    cycle its end value stays. Raises ValueError for a schedule that never ends, or lasts 0 steps.
    Source: Loshchilov and Hutter, "SGDR", 2017 (growth is its T_mult); Smith, "Cyclical learning rates", 2017.

    >>> from ratesmith import Ramp
    >>> saw = Ramp(1.0, 0.0, 2).repeat(3, height=0.5, growth=2)
    >>> [saw(step) for step in (0, 1, 2, 4, 5, 6, 10, 14, 99)], saw.steps
    ([1.0, 0.5, 0.5, 0.25, 0.125, 0.25, 0.125, 0.0, 0.0], 14)
    """

    schedule: Schedule
    times: int | None = None
    height: float = 1.0
    growth: float = 1.0
    steps: int | None = field(init=False, compare=False, repr=False)
    _starts: tuple[int, ...] = field(init=False, compare=False, repr=False)
    _longest: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Lay out the cycles: as far as they go, or as far as any step reaches."""
        object.__setattr__(self, "_depth", nesting("Repeat", "schedule", self.schedule))
        if not self.schedule.steps:
            raise ValueError(
                f"Repeat: schedule must have an end after at least 1 step, got {self.schedule}; "
                "give it a length, as with take(100)"
            )
        if self.times is not None:
            object.__setattr__(self, "times", whole("Repeat", "times", self.times, least=1))
        object.__setattr__(self, "height", finite("Repeat", "height", self.height, least=0.0))
        object.__setattr__(self, "growth", finite("Repeat", "growth", self.growth, least=1.0))
        starts = [0]
        if self.growth > 1.0:
            while starts[-1] < FARTHEST and (self.times is None or len(starts) <= self.times):
                cycle = round(min(self.schedule.steps * self.growth ** (len(starts) - 1), FARTHEST))
                starts.append(starts[-1] + cycle)
                if len(starts) > MOST_CYCLES:
                    raise ValueError(
                        f"Repeat: at most {MOST_CYCLES} cycles that grow can be laid out, got more with growth "
                        f"{self.growth!r}; give times, or a growth further from 1"
                    )
        ends = starts[-1] if self.growth > 1.0 else self.schedule.steps * (self.times or 0)
        object.__setattr__(self, "steps", None if self.times is None else ends)
        object.__setattr__(self, "_starts", tuple(starts))
        object.__setattr__(self, "_longest", starts[-1] - starts[-2] if len(starts) > 1 else ends)

    def at(self, t: Any, xp: Any) -> Any:
        one = self.schedule.steps or 1
        t = xp.clip(t, 0, self.steps)
        if self.growth == 1.0:
            cycle = t // one if self.times is None else xp.clip(t // one, 0, self.times - 1)
            inner = t - cycle * one
        else:
            last = len(self._starts) - 2
            cycle = xp.clip(passed(self._starts, t, xp) - 1, 0, last)
            start, end = pick(self._starts, cycle, t, xp), pick(self._starts, cycle + 1, t, xp)
            inner = scaled(t - start, one, end - start, self._longest, xp)
        value = self.schedule.at(inner, xp)
        if self.height == 1.0:
            return value
        return bounded(value * power(self.height, cycle, xp), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        one = self.schedule.steps or 1
        until = min(until, self.steps or until)
        if self.growth == 1.0:
            first = max(since, 0) // one
            last = min(until // one, first + MOST_BREAKPOINTS)
            edges: Iterable[int] = range(first * one, (last + 2) * one, one)
        else:
            # Up to the end of the cycle that is under way at `until`: its length says where its inner breakpoints lie.
            edges = [*self._starts, self._starts[-1] + one][: bisect.bisect_right(self._starts, until) + 1]
        inner = [0, *(step for step in self.schedule.breakpoints(0, one) if step < one)]
        found: set[int] = set()
        for start, end in itertools.pairwise(edges):
            if len(found) > MOST_BREAKPOINTS:
                break
            found |= {start + _up(step * (end - start), one) for step in inner}
        return sorted(step for step in found if max(since, 0) < step <= until)[:MOST_BREAKPOINTS]


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
        object.__setattr__(self, "_depth", nesting("Shift", "schedule", self.schedule))
        object.__setattr__(self, "by", whole("Shift", "by", self.by, least=-FARTHEST))
        length = self.schedule.steps
        object.__setattr__(self, "steps", None if length is None else max(0, length + self.by))

    def at(self, t: Any, xp: Any) -> Any:
        return self.schedule.at(xp.clip(t, 0, None) - self.by, xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        begin = [self.by] if max(since, 0) < self.by <= until else []
        inner = self.schedule.breakpoints(max(since, 0) - self.by, until - self.by)
        return begin + [step + self.by for step in inner if step + self.by > max(since, 0)]


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
        object.__setattr__(self, "_depth", nesting("Stretch", "schedule", self.schedule))
        object.__setattr__(self, "steps", whole("Stretch", "steps", self.steps, least=1))
        if self.schedule.steps is None:
            raise ValueError(
                f"Stretch: schedule must have an end, got {self.schedule}; give it a length, as with take(100)"
            )

    def at(self, t: Any, xp: Any) -> Any:
        t = xp.clip(t, 0, self.steps)
        length = self.schedule.steps or 1
        common = math.gcd(length, self.steps)  # a whole ratio keeps whole steps whole, in any type
        times, over = length // common, self.steps // common
        return self.schedule.at(t * times if over == 1 else scaled(t, times, over, self.steps, xp), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        length = self.schedule.steps or 1
        found = {_up(step * self.steps, length) for step in self.schedule.breakpoints(0, length)}
        return sorted(step for step in found if max(since, 0) < step <= until)


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
        object.__setattr__(self, "_depth", nesting("Take", "schedule", self.schedule))
        object.__setattr__(self, "steps", whole("Take", "steps", self.steps, least=0))

    def at(self, t: Any, xp: Any) -> Any:
        return self.schedule.at(xp.clip(t, 0, self.steps), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        end = {self.steps} if max(since, 0) < self.steps <= until else set()
        return sorted({*self.schedule.breakpoints(since, min(until, self.steps)), *end})


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
        object.__setattr__(self, "_depth", nesting("Clip", "schedule", self.schedule))
        object.__setattr__(self, "low", finite("Clip", "low", self.low))
        object.__setattr__(self, "high", finite("Clip", "high", self.high))
        if self.low > self.high:
            raise ValueError(f"Clip: low must be at most high, got {self.low!r} above {self.high!r}; swap them")
        object.__setattr__(self, "steps", self.schedule.steps)

    def at(self, t: Any, xp: Any) -> Any:
        low, high = (limit if abs(limit) < LARGEST else None for limit in (self.low, self.high))
        return xp.clip(self.schedule.at(t, xp), low, high)

    def breakpoints(self, since: int, until: int) -> list[int]:
        return self.schedule.breakpoints(since, until)  # where it meets a limit is for its values to show


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

    schedule: Schedule
    every: int
    stairs: int = 1
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a stair that is not whole."""
        object.__setattr__(self, "_depth", nesting("Hold", "schedule", self.schedule))
        every, stairs = whole_stairs("Hold", self.every, self.stairs)
        object.__setattr__(self, "every", every)
        object.__setattr__(self, "stairs", stairs)
        length = self.schedule.steps
        if length is not None:  # it ends with the last stair that has begun before the end
            length = stair_start(stairs_begun(length - 1, every, stairs, NUMBERS) + 1, every, stairs, NUMBERS)
        object.__setattr__(self, "steps", length)

    def at(self, t: Any, xp: Any) -> Any:
        count = stairs_begun(t, self.every, self.stairs, xp)
        return self.schedule.at(stair_start(count, self.every, self.stairs, xp), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        return multiples(self.every, since, until if self.steps is None else min(until, self.steps), self.stairs)


def _up(number: int, over: int) -> int:
    """Return `number / over` rounded up: if a breakpoint falls between two steps, the later is the first behind it."""
    return -(-number // over)
