"""Ramp: from one value to another, along a curve."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from ratesmith._arrays import NUMBERS, root
from ratesmith._checks import Option, OptionValueError, finite, whole
from ratesmith._field_checks import Check
from ratesmith.schedule.base import NEAREST, Schedule
from ratesmith.schedule.piece import BEYOND, Piece, flat, pieces_of, unbound
from ratesmith.shapes._called import called
from ratesmith.shapes.curves import NUMBERS_OF, SHAPES, Shares, checked_shape, cosine_value, linear_value


@dataclass(frozen=True)
class Ramp(Schedule):
    """From `start` to `end` in `steps` steps along a curve; flat before and after.

    Formula: `low + (high - low) * h(q)`, low and high the smaller and the larger of the two values, and q the share of
    the way up from low to high: min(step, steps) / steps if the ramp rises, one minus that if it falls. h(q) is
    q (linear), (1 - cos(pi q)) / 2 (cosine), sqrt(q) (sqrt), 1 - sqrt(1 - q) (1-sqrt), 1 - (1 - q)^2 (1-square),
    2 q / (1 + q) (rex), log(1 + q steps) / log(1 + steps) (log), or `q ** shape` if the shape is a number: 2 is
    quadratic. "exponential" goes by equal factors, `low * (high / low) ** q`. A function of q is a curve of your own.
    A ramp of zero steps is `end` at every step.
    Sources: Loshchilov and Hutter, "SGDR", 2017 (cosine); Haegele et al. 2024, arXiv 2405.18392 (1-sqrt); Chen et al.,
    "REX", 2022 (rex); deepspeed.runtime.lr_schedules.WarmupLR (log).

    >>> decay = Ramp(1.0, 0.0, 100, "cosine")
    >>> decay(0), round(decay(50), 15), decay(100), decay(101)
    (1.0, 0.5, 0.0, 0.0)
    >>> Ramp(0.01, 1.0, 2, "exponential")(1), Ramp(1.0, 0.0, 4, 2)(2), Ramp(1.0, 0.0, 4, "1-sqrt")(1)
    (0.1, 0.25, 0.5)
    """

    start: Annotated[float, Check(finite)]
    end: Annotated[float, Check(finite)]
    steps: Annotated[int, Check(whole, least=0)]
    shape: Annotated[str | float | Callable[[Any], Any], Check(checked_shape)] = "linear"

    def __post_init__(self) -> None:
        """Refuse an exponential ramp that reaches 0."""
        super().__post_init__()
        if self.shape == "exponential":
            for option, value in (("end", self.end), ("start", self.start)):
                if value <= 0:
                    must = f" must be above 0 for an exponential ramp, got {value!r}; give a small one such as 1e-3"
                    raise OptionValueError("Ramp: ", Option(option), must)

    def at(self, t: Any, xp: Any) -> Any:
        if self.steps == 0:
            return t * 0 + self.end  # of the shape of `t`
        if xp is NUMBERS:  # most steps of most trainings come through here, so without further calls
            steps, shape = self.steps, self.shape
            if t < 0:
                t = 0
            elif t > steps:
                t = steps
            if shape == "cosine":
                return cosine_value(self.start, self.end, steps, 0, t)
            if shape == "linear":
                return linear_value(self.start, self.end, steps, 0, t)
        else:
            t = xp.clip(t, 0, self.steps)
        # Counted from both ends: `up` steps from the low value, `down` steps to the high one. So a decay is a warm-up
        # in reverse, and near an end one of the two counts is small and exact, where 1 - share would lose its digits.
        if self.end < self.start:
            high, low = self._shares(self.steps - t, t, xp)
            return self.start * high + self.end * low if self.shape != "exponential" else high * low
        high, low = self._shares(t, self.steps - t, xp)
        return self.start * low + self.end * high if self.shape != "exponential" else high * low

    def breakpoints(self, since: int, until: int) -> list[int]:
        return [self.steps] if max(since, 0) < self.steps <= until else []

    def _shares(self, up: Any, down: Any, xp: Any) -> Shares:
        """Return the shares of the high and the low value; of an exponential ramp, its two factors."""
        if self.shape == "exponential":
            top, bottom = max(self.start, self.end), min(self.start, self.end)  # top ** 1 * bottom ** 0 is top exactly
            return top ** (up / self.steps), bottom ** (down / self.steps)
        if isinstance(self.shape, str):
            return SHAPES[self.shape](up, down, self.steps, xp)
        share = up / self.steps
        if callable(self.shape):
            curve = self.shape
            high = xp.call(lambda value: called("Ramp", curve, value), share)
        else:
            high = root(share, self.shape, xp)
        return high, 1 - high


@pieces_of(Ramp)
def _ramp(ramp: Ramp, step: int, begin: int) -> Piece:
    end = begin + ramp.steps
    if step < begin:
        return flat(ramp.at(0, NUMBERS), NEAREST, begin)
    if step > end or ramp.steps == 0:
        return flat(ramp.at(ramp.steps, NUMBERS), end, BEYOND)
    function = NUMBERS_OF.get(ramp.shape) if isinstance(ramp.shape, str) else None
    if function is None:
        value = unbound(ramp, begin).value
    else:
        value = functools.partial(function, ramp.start, ramp.end, ramp.steps, begin)
    return Piece(value, begin, end + 1)
