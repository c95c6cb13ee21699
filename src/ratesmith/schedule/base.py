"""Schedule: a value for every step, joined by `>>`, multiplied by `*`, added by `+`."""

from __future__ import annotations

import abc
import dataclasses
import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ratesmith import _text
from ratesmith._arrays import NUMBERS, owner, refuse_narrow, stair_start, stairs_begun
from ratesmith._checks import DEEPEST, LARGEST, whole

if TYPE_CHECKING:  # these are schedules themselves, and import this file
    from ratesmith.schedule.combine import Product, Sequence, Sum
    from ratesmith.schedule.transform import Clip, Hold, Repeat, Shift, Stretch, Take

MOST_BREAKPOINTS: Final = 10_000
"""Breakpoints that are listed for one schedule; a staircase may have very many."""


class Schedule(abc.ABC):
    """A value for every step: call it with one step or with an array of steps.

    A schedule is a pure, total function: `schedule(step)` is finite for every step, flat before 0 and past its end,
    and depends on nothing else. Its values are factors of a base value, usually the optimizer's own learning rate.
    `step` is the number of optimizer updates already made, so `schedule(0)` serves the first update.

    One of your own is a frozen dataclass with a `steps` and the method `at(t, xp)`, and where its formula changes
    `breakpoints(since, until)`: see docs/schedules.md.

    `str(schedule)` is notation, which `ratesmith.parse` reads back to an equal value (up to 4 KiB; `to_data` and
    `from_data` keep longer ones too).

    It is also the simplest controller: one with no state, that hears nothing.
    """

    steps: int | None
    """How many steps it lasts; None: it never ends."""
    _depth: int = 1
    """How many schedules lie inside each other here, this one included."""

    @abc.abstractmethod
    def at(self, t: Any, xp: Any) -> Any:
        """Return the value at `t`, a number or an array, with the operations of the namespace `xp`."""

    def breakpoints(self, since: int, until: int) -> list[int]:
        """Return the steps after `since` and up to `until` at which the formula changes, the first of very many."""
        return []

    def __call__(self, step: Any) -> Any:
        """Return the value at a step: a float, or for an array of steps an array of the same shape."""
        if type(step) is int:
            return self.at(step, NUMBERS)
        xp, t = owner(step)
        refuse_narrow(t, lambda: _reach(self), xp)
        return self.at(t, xp)

    def __str__(self) -> str:
        """Return the notation that reads back to this value."""
        return _text.call(self) if dataclasses.is_dataclass(self) else repr(self)

    def __rshift__(self, other: Schedule) -> Sequence:
        """Join: `other` starts counting at zero where this schedule ends."""
        from ratesmith.schedule.combine import Sequence

        return Sequence((self, other)) if isinstance(other, Schedule) else NotImplemented

    def __mul__(self, other: Schedule | float) -> Product:
        """Multiply, step by step, with another schedule or with a number."""
        from ratesmith.schedule.combine import Product

        if isinstance(other, Schedule):
            return Product((self, other))
        if isinstance(other, numbers.Real):
            return Product((self,), scale=float(other))
        return NotImplemented

    __rmul__ = __mul__

    def __add__(self, other: Schedule | float) -> Sum:
        """Add, step by step, another schedule or a number."""
        from ratesmith.schedule.combine import Sum

        if isinstance(other, Schedule):
            return Sum((self, other))
        if isinstance(other, numbers.Real):
            return Sum((self,), offset=float(other))
        return NotImplemented

    __radd__ = __add__

    def __neg__(self) -> Product:
        """Change the sign."""
        return self * -1.0

    def __sub__(self, other: Schedule | float) -> Sum:
        """Subtract, step by step, another schedule or a number."""
        return self + -other

    def __rsub__(self, other: float) -> Sum:
        """Subtract from a number."""
        return -self + other

    def __truediv__(self, other: float) -> Product:
        """Divide by a number."""
        if isinstance(other, numbers.Real):
            return self * (1.0 / float(other))
        return NotImplemented

    def repeat(self, times: int | None = None, *, height: float = 1.0, growth: float = 1.0) -> Repeat:
        """Begin again at the end: `times` cycles, or for ever; each `height` times as high, `growth` times as long."""
        from ratesmith.schedule.transform import Repeat

        return Repeat(self, times, height, growth)

    def shift(self, by: int) -> Shift:
        """Begin `by` steps later, waiting at the first value; a negative `by` begins that far in."""
        from ratesmith.schedule.transform import Shift

        return Shift(self, by)

    def stretch(self, steps: int) -> Stretch:
        """Run through the same values in `steps` steps."""
        from ratesmith.schedule.transform import Stretch

        return Stretch(self, steps)

    def take(self, steps: int) -> Take:
        """Stop after `steps` steps and stay at the value reached there."""
        from ratesmith.schedule.transform import Take

        return Take(self, steps)

    def clip(self, low: float = -LARGEST, high: float = LARGEST) -> Clip:
        """Keep every value within `low` and `high`."""
        from ratesmith.schedule.transform import Clip

        return Clip(self, low, high)

    def hold(self, every: int, stairs: int = 1) -> Hold:
        """Change only every `every` steps, or `stairs` times in them: as a schedule that is stepped once an epoch."""
        from ratesmith.schedule.transform import Hold

        return Hold(self, every, stairs)

    def init(self) -> tuple[()]:
        """Return the controller's first state, which is empty."""
        return ()

    def observe(self, state: tuple[()], step: int, metrics: Mapping[str, float]) -> tuple[()]:
        """Hear a measurement, and stay as it is."""
        return state

    def value(self, state: tuple[()], step: int) -> float:
        """Return the value at a step, as a controller."""
        return float(self(step))

    def why(self, before: tuple[()], after: tuple[()]) -> str:
        """Say nothing, as a controller: no measurement changes it."""
        return ""


def multiples(every: int, since: int, until: int, stairs: int = 1) -> list[int]:
    """Return the first steps after `since` and up to `until` at which a stair begins, `stairs` of them in `every`."""
    first = stairs_begun(max(since, 0), every, stairs, NUMBERS) + 1
    last = min(stairs_begun(until, every, stairs, NUMBERS), first + MOST_BREAKPOINTS - 1)
    return [stair_start(count, every, stairs, NUMBERS) for count in range(first, last + 1)]


def whole_stairs(who: str, every: Any, stairs: Any) -> tuple[int, int]:
    """Return the options of a staircase as whole numbers; refuse stairs that are shorter than a step."""
    every, stairs = whole(who, "every", every, least=1), whole(who, "stairs", stairs, least=1)
    if stairs > every:
        raise ValueError(f"{who}: stairs must be at most every, got {stairs} in {every} steps; give longer ones")
    return every, stairs


def _reach(value: Any) -> int:
    """Return the largest whole number among the options of a schedule and those in it."""
    if isinstance(value, Schedule):
        value = tuple(option for name, option in vars(value).items() if not name.startswith("_"))
    if isinstance(value, tuple):
        return max(map(_reach, value), default=0)
    return abs(value) if type(value) is int else 0


def nesting(who: str, name: str, *inner: Any) -> int:
    """Return how deep a schedule around these is nested; refuse what is no schedule, and more than can be followed."""
    depth = 1
    for part in inner:
        if not isinstance(part, Schedule):
            raise TypeError(f"{who}: {name} must be a schedule, got {part!r}; give a value such as Ramp(1.0, 0.0, 100)")
        depth = max(depth, part._depth + 1)
    if depth > DEEPEST:
        raise ValueError(f"{who}: at most {DEEPEST} schedules may lie inside each other, got more; join them with >>")
    return depth
