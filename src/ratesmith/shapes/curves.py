"""The curves of a ramp by name, and a power or a function of one's own as curve."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from ratesmith._arrays import root
from ratesmith._checks import Option, OptionValueError, finite
from ratesmith.shapes._called import called

Shares = tuple[Any, Any]
"""The shares of the high and of the low value of a ramp; they add up to 1."""


def _linear(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    return up / steps, down / steps


def _cosine(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    cos = xp.cos(math.pi * down / steps)
    return (1 + cos) / 2, (1 - cos) / 2


def _sqrt(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    high = root(up / steps, 0.5, xp)
    return high, 1 - high


def _one_minus_sqrt(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    low = root(down / steps, 0.5, xp)
    return 1 - low, low


def _one_minus_square(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    low = (down / steps) ** 2
    return 1 - low, low


def _rex(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    share = up / steps
    high = 2 * share / (1 + share)
    return high, 1 - high


def _log(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    high = xp.log1p(up) / math.log1p(steps)
    return high, 1 - high


SHAPES: Final[dict[str, Callable[[Any, Any, int, Any], Shares]]] = {
    "linear": _linear,
    "cosine": _cosine,
    "sqrt": _sqrt,
    "1-sqrt": _one_minus_sqrt,
    "1-square": _one_minus_square,
    "rex": _rex,
    "log": _log,
}
"""The curves of a ramp: `up` steps from its low end and `down` from its high end, to the shares of the two values.

The first share is that of the high value. Both are given because one minus the other loses its last digits near zero.
A decay is a warm-up in reverse.
"""


def linear_value(start: float, end: float, steps: int, begin: int, step: Any) -> float:
    """Return a linear ramp's value at a step from `begin` to `begin + steps`, as a number."""
    t = step - begin
    value: float = start * ((steps - t) / steps) + end * (t / steps)
    return value


def cosine_value(start: float, end: float, steps: int, begin: int, step: Any) -> float:
    """Return a cosine ramp's value at a step from `begin` to `begin + steps`, as a number."""
    if end < start:
        cos = math.cos(math.pi * (step - begin) / steps)
        return start * ((1 + cos) / 2) + end * ((1 - cos) / 2)
    cos = math.cos(math.pi * (steps - (step - begin)) / steps)
    return start * ((1 - cos) / 2) + end * ((1 + cos) / 2)


NUMBERS_OF: Final = {"linear": linear_value, "cosine": cosine_value}
"""The shapes that are computed for a number by a function of their own: the same operations in the same order."""


def checked_shape(thing: str, option: str, given: Any) -> Any:
    """Return the shape of a ramp: a known name, a power above 0, or a curve from 0 to 1."""
    start = (f"{thing}: ", Option(option))
    if isinstance(given, str):
        names = [*SHAPES, "exponential"]
        if given not in names:
            listed = ", ".join(map(repr, names))
            raise OptionValueError(*start, f" must be one of {listed}, got {given!r}; choose one of them")
        return given
    if callable(given):
        return _checked_curve(thing, given)
    power = finite(thing, option, given)
    if power <= 0:
        raise OptionValueError(*start, f" must be above 0 if it is a power, got {given!r}; give 2 for quadratic")
    return power


def _checked_curve(thing: str, curve: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Refuse a curve that does not go from 0 to 1, and one that its name would confuse with ours."""
    name = getattr(curve, "__name__", "function")
    if name in SHAPES or name == "exponential":
        must = f"a curve of your own must have another name than ours, got {name!r}; rename it"
        raise OptionValueError(f"{thing}: {must}")
    for share in (0.0, 1.0):
        value = called(thing, curve, share)
        if abs(value - share) > 1e-9:
            must = f"{name}({share}) must be {share}, got {value!r}; give a curve from 0 to 1"
            raise OptionValueError(f"{thing}: {must}")
    return curve
