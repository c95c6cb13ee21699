"""Schedule: a value for every step, joined by `>>`, multiplied by `*`, added by `+`.

What operators and methods make are schedules too: a `Sequence`, a `Repeat`. Those classes derive from the one here, so
this file cannot import them. They register themselves instead, `@kind`, when `ratesmith.schedule` is imported, and are
looked up by name. So a reader, an editor and a type checker find every operator in the class itself, and no two files
import each other.
"""

from __future__ import annotations

import abc
import dataclasses
import numbers
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final, TypeVar

from ratesmith import _text
from ratesmith._arrays import NUMBERS, backend_of, stair_start, stairs_begun
from ratesmith._checks import DEEPEST, FARTHEST, LARGEST, Option, OptionTypeError, OptionValueError, finite, whole
from ratesmith._display import Displayed
from ratesmith._field_checks import check_fields, derive, field_names

MOST_BREAKPOINTS: Final = 10_000
"""Breakpoints that are listed for one schedule; a staircase may have very many."""
NEAREST: Final = -FARTHEST
"""The first step that there is: before step 0 a schedule is flat."""
SCHEDULE_KINDS: Final[dict[str, Callable[..., Schedule]]] = {}
"""The classes that operators and methods of a schedule make, by their names."""
Made = TypeVar("Made", bound="Schedule")


def kind(made: type[Made]) -> type[Made]:
    """Register a class that an operator or method of Schedule makes."""
    SCHEDULE_KINDS[made.__name__] = made
    return made


class Schedule(Displayed, abc.ABC):
    """A value for every step: call it with one step or with an array of steps.

    A schedule is a pure, total function: `schedule(step)` is finite for every step, flat before 0 and past its end,
    and depends on nothing else. Its values are factors of a base value, usually the optimizer's own learning rate.
    `step` is the number of optimizer updates already made, so `schedule(0)` serves the first update.

    One of your own is a frozen dataclass with a `steps` and the method `at(t, xp)`, and if its formula changes
    `breakpoints(since, until)`: see docs/schedules.md.

    `str(schedule)` is notation, which `ratesmith.parse` reads back to an equal value (up to 4 KiB; `to_data` and
    `from_data` keep longer ones too).

    It is also the simplest controller: one with no state, that no measurement changes.
    """

    steps: int | None
    """How many steps it lasts; None: it never ends."""
    _depth: int = 1
    """How many schedules lie inside each other here, this one included."""

    @abc.abstractmethod
    def at(self, t: Any, xp: Any) -> Any:
        """Return the value at `t`, a number or an array, with the operations of `xp`: `xp.clip`, `xp.where`, `xp.cos`.

        Both branches of `xp.where` are computed, so each must be finite at every `t`. An array's values may not be
        known yet, inside jit: use no `if` that looks at them.
        """

    def breakpoints(self, since: int, until: int) -> list[int]:
        """Return the steps after `since` and up to `until` at which the formula changes, the first of very many."""
        return []

    def __post_init__(self) -> None:
        """Check the fields that declare what they must be, and how deep the schedules among them are nested."""
        check_fields(self)
        derive(self, _depth=self._nested())

    def _nested(self) -> int:
        depth = 1 + max((inner._depth for inner in self._inner()), default=0)
        if depth > DEEPEST:
            who, remedy = type(self).__name__, "join them with >>"
            raise OptionValueError(f"{who}: at most {DEEPEST} schedules may lie inside each other, got more; {remedy}")
        return depth

    def _inner(self) -> Iterator[Schedule]:
        """Yield the schedules among the fields."""
        for name in field_names(type(self)):
            field = getattr(self, name, None)  # not vars(self), which would make every later look at a field slower
            for inner in field if isinstance(field, tuple) else (field,):
                if isinstance(inner, Schedule):
                    yield inner

    def __call__(self, step: Any) -> Any:
        """Return the value at a step: a float, or for an array of steps an array of the same shape."""
        if type(step) is int and NEAREST <= step <= FARTHEST:  # by far the most calls, so before all else
            return self.at(step, NUMBERS)
        xp, t = backend_of(step)
        try:
            return self.at(t, xp)
        except OverflowError as error:
            if not type(t).__module__.startswith("jax"):
                raise
            # It takes a number beside an array as 32 bits, unless it is told otherwise.
            remedy = "make it shorter, or jax.config.update('jax_enable_x64', True)"
            raise OptionValueError(f"Schedule: lengths must fit into JAX's integers, got {self}; {remedy}") from error

    def __str__(self) -> str:
        """Return the notation that reads back to this value."""
        return _text.call(self) if dataclasses.is_dataclass(self) else repr(self)

    def __rshift__(self, other: Schedule) -> Schedule:
        """Join: `other` starts counting at zero where this schedule ends."""
        if isinstance(other, Schedule):
            return SCHEDULE_KINDS["Sequence"]((self, other))
        return NotImplemented

    def __mul__(self, other: Schedule | float) -> Schedule:
        """Multiply, step by step, with another schedule or with a number."""
        if isinstance(other, Schedule):
            return SCHEDULE_KINDS["Product"]((self, other))
        if isinstance(other, numbers.Real):
            return SCHEDULE_KINDS["Product"]((self,), scale=float(other))
        return NotImplemented

    __rmul__ = __mul__

    def __add__(self, other: Schedule | float) -> Schedule:
        """Add, step by step, another schedule or a number."""
        if isinstance(other, Schedule):
            return SCHEDULE_KINDS["Sum"]((self, other))
        if isinstance(other, numbers.Real):
            return SCHEDULE_KINDS["Sum"]((self,), offset=float(other))
        return NotImplemented

    __radd__ = __add__

    def __neg__(self) -> Schedule:
        """Change the sign."""
        return self * -1.0

    def __sub__(self, other: Schedule | float) -> Schedule:
        """Subtract, step by step, another schedule or a number."""
        if not isinstance(other, (Schedule, numbers.Real)):
            return NotImplemented
        negative: Schedule | float = -other
        return self + negative

    def __rsub__(self, other: float) -> Schedule:
        """Subtract from a number."""
        if isinstance(other, numbers.Real):
            return -self + other
        return NotImplemented

    def __truediv__(self, other: float) -> Schedule:
        """Divide by a number."""
        if not isinstance(other, numbers.Real):
            return NotImplemented
        number = finite(type(self).__name__, "divisor", other)
        if abs(number) < 1 / LARGEST:
            must = f" must be at least {1 / LARGEST:g} from 0, got {other!r}; give a larger one"
            raise OptionValueError(f"{type(self).__name__}: ", Option("divisor"), must)
        return self * (1.0 / number)

    def repeat(self, times: int | None = None, *, height: float = 1.0, growth: float = 1.0) -> Schedule:
        """Begin again at the end: `times` cycles, or for ever; each `height` times as high, `growth` times as long."""
        return SCHEDULE_KINDS["Repeat"](self, times, height, growth)

    def shift(self, by: int) -> Schedule:
        """Begin `by` steps later, waiting at the first value; a negative `by` begins that far in."""
        return SCHEDULE_KINDS["Shift"](self, by)

    def stretch(self, steps: int) -> Schedule:
        """Run through the same values in `steps` steps."""
        return SCHEDULE_KINDS["Stretch"](self, steps)

    def take(self, steps: int) -> Schedule:
        """Stop after `steps` steps and stay at the value reached there."""
        return SCHEDULE_KINDS["Take"](self, steps)

    def clip(self, low: float = -LARGEST, high: float = LARGEST) -> Schedule:
        """Keep every value within `low` and `high`."""
        return SCHEDULE_KINDS["Clip"](self, low, high)

    def hold(self, every: int | Fraction, stairs: int = 1) -> Schedule:
        """Change only every `every` steps, or `stairs` times in them: as a schedule that is stepped once an epoch.

        `every` may be a fraction, as `Horizon.period` returns it; a change is then at the step nearest to a multiple.
        """
        if isinstance(every, Fraction):
            return SCHEDULE_KINDS["Hold"](self, every.numerator, every.denominator * stairs)
        return SCHEDULE_KINDS["Hold"](self, every, stairs)

    def closed(self) -> Schedule:
        """Reach the end at the last update instead of after it: stretched to one step less; it must last at least 2.

        >>> from ratesmith import Ramp
        >>> [Ramp(1.0, 0.0, 5).closed()(step) for step in range(6)]
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
        """
        if self.steps is None or self.steps < 2:
            must = f" must end after at least 2 steps, got {self}; give it such a length"
            raise OptionValueError("closed: ", Option("schedule"), must)
        return self.stretch(self.steps - 1)

    def init(self) -> tuple[()]:
        """Return the controller's first state, which is empty."""
        return ()

    def observe(self, state: tuple[()], step: int, metrics: Mapping[str, float]) -> tuple[()]:
        """Take in a measurement, as a controller, and stay as it is."""
        return state

    def value(self, state: tuple[()], step: int) -> float:
        """Return the value at a step, as a controller."""
        return float(self(step))

    def why(self, before: tuple[()], after: tuple[()]) -> str:
        """Return nothing, as a controller: no measurement changes it."""
        return ""


def multiples(every: int, since: int, until: int, stairs: int = 1) -> list[int]:
    """Return the first steps after `since` and up to `until` at which a stair begins, `stairs` of them in `every`."""
    first = stairs_begun(max(since, 0), every, stairs, NUMBERS) + 1
    last = min(stairs_begun(until, every, stairs, NUMBERS), first + MOST_BREAKPOINTS - 1)
    return [stair_start(count, every, stairs) for count in range(first, last + 1)]


def check_stairs(thing: str, every: int, stairs: int) -> None:
    """Refuse stairs that are shorter than a step."""
    if stairs > every:
        must = f" must be at most every, got {stairs} in {every} steps; give longer ones"
        raise OptionValueError(f"{thing}: ", Option("stairs"), must)


def one_schedule(thing: str, option: str, given: Any) -> Schedule:
    """Return a schedule that an option is, or refuse what is none."""
    if not isinstance(given, Schedule):
        must = f" must be a schedule, got {given!r}; give a value such as Ramp(1.0, 0.0, 100)"
        raise OptionTypeError(f"{thing}: ", Option(option), must)
    return given


def whole_step(thing: str, option: str, value: Any) -> int:
    """Return a number of steps that may be negative."""
    return whole(thing, option, value, least=NEAREST)
