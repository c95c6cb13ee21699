"""Schedule and its algebra: a value for every step, joined by `>>` and multiplied by `*`."""

from __future__ import annotations

import abc
import bisect
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ratesmith._arrays import NUMBERS, owner
from ratesmith.horizon import whole

LARGEST: Final = 1e150
"""Where growth stays flat, and no number may lie beyond: two of these can still be multiplied."""


def finite(who: str, name: str, value: Any, least: float = -LARGEST, most: float = LARGEST) -> float:
    """Give `value` as a finite float within `least` and `most`, or raise an error that says who wanted it.

    >>> finite("Ramp", "start", 1)
    1.0
    """
    must = f"{who}: {name} must be a finite number"
    if least > -LARGEST:
        must += f" from {least:g} to {most:g}" if most < LARGEST else f" of at least {least:g}"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{must}, got {value!r}; give a plain number")
    number = float(value)
    if not least <= number <= most:
        raise ValueError(f"{must}, got {value!r}; give such a number")
    return number


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
        return self.factor if xp is NUMBERS else xp.full(t.shape, self.factor, dtype=xp.float64)


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
            index = max(0, bisect.bisect_right(self._starts, t) - 1)
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
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "steps", None if None in lengths else max(n for n in lengths if n is not None))

    def _at(self, t: Any, xp: Any) -> Any:
        value = self.scale
        for factor in self.factors:
            value = xp.clip(value * factor._at(t, xp), -LARGEST, LARGEST)
        return value
