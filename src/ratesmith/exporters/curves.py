"""The shapes as expressions: one function a class, with the formula that the class has."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from ratesmith.exporters.expressions import Expression, between, minus, number, over, plus, power, times
from ratesmith.exporters.writer import NotExactError, Time, Writer
from ratesmith.shapes import (
    Exponential,
    Hyperbolic,
    InverseSqrt,
    InverseTime,
    Milestones,
    PolynomialCycles,
    Ramp,
    Staircase,
    Tanh,
)


def ramp(write: Writer, schedule: Ramp, t: Time) -> Expression:
    """Return a ramp."""
    start, end, steps = schedule.start, schedule.end, schedule.steps
    if callable(schedule.shape):
        raise NotExactError("it has a function of yours")
    if steps == 0 or start == end or t.low >= steps:
        return number(end)
    if t.high <= 0:
        return number(start)
    if schedule.shape in ("linear", 1.0):
        share = over(write.clamped(t, steps).expression, number(steps))
        return times(number(start), minus(number(1), share)) if end == 0 else between(start, end, share)
    if schedule.shape == "exponential":
        if not 1e-100 < end / start < 1e100:
            raise NotExactError("it spans too much")
        share = over(write.clamped(t, steps).expression, number(steps))
        return times(number(start), power(over(number(end), number(start)), share))
    share = _CURVES.get(str(schedule.shape), _power)(write, schedule, t)
    return between(min(start, end), max(start, end), share)


# The curves of a ramp: the share of the high value. `up` steps from the low value, `down` steps to the high one.


def _up(write: Writer, schedule: Ramp, t: Time) -> Expression:
    steps = schedule.steps
    return write.left(t, steps) if schedule.end < schedule.start else write.clamped(t, steps).expression


def _down(write: Writer, schedule: Ramp, t: Time) -> Expression:
    steps = schedule.steps
    return write.clamped(t, steps).expression if schedule.end < schedule.start else write.left(t, steps)


def _cosine(write: Writer, schedule: Ramp, t: Time) -> Expression:
    angle = over(times(write.pi(), write.clamped(t, schedule.steps).expression), number(schedule.steps))
    cosine = write.function("cos", angle)
    return over((plus if schedule.end < schedule.start else minus)(number(1), cosine), number(2))


def _rex(write: Writer, schedule: Ramp, t: Time) -> Expression:
    up = write.named(_up(write, schedule, t), "left" if schedule.end < schedule.start else "done")
    return over(times(number(2), up), plus(number(schedule.steps), up))


def _log(write: Writer, schedule: Ramp, t: Time) -> Expression:
    up = write.function("log1p", _up(write, schedule, t))
    return over(up, write.function("log1p", number(schedule.steps)))


def _power(write: Writer, schedule: Ramp, t: Time) -> Expression:
    assert isinstance(schedule.shape, float)
    return power(over(_up(write, schedule, t), number(schedule.steps)), number(schedule.shape))


_CURVES: Final[dict[str, Callable[[Writer, Ramp, Time], Expression]]] = {
    "cosine": _cosine,
    "sqrt": lambda w, s, t: w.function("sqrt", over(_up(w, s, t), number(s.steps))),
    "1-sqrt": lambda w, s, t: minus(number(1), w.function("sqrt", over(_down(w, s, t), number(s.steps)))),
    "1-square": lambda w, s, t: minus(number(1), power(over(_down(w, s, t), number(s.steps)), number(2))),
    "rex": _rex,
    "log": _log,
}


def inverse_sqrt(write: Writer, schedule: InverseSqrt, t: Time) -> Expression:
    """Return one over the square root of time."""
    passed = over(write.clamped(t).expression, number(schedule.timescale))
    return over(number(1), write.function("sqrt", plus(number(1), passed)))


def inverse_time(write: Writer, schedule: InverseTime, t: Time) -> Expression:
    """Return one over time."""
    passed = over(times(number(schedule.rate), write.clamped(t).expression), number(schedule.every))
    return over(number(1), plus(number(1), passed))


def tanh(write: Writer, schedule: Tanh, t: Time) -> Expression:
    """Return a hyperbolic tangent."""
    share = over(write.clamped(t, schedule.steps).expression, number(schedule.steps)) if schedule.steps else number(1)
    place = between(schedule.lower, schedule.upper, share)
    return over(minus(number(1), write.function("tanh", place)), number(2))


def hyperbolic(write: Writer, schedule: Hyperbolic, t: Time) -> Expression:
    """Return a hyperbola."""
    steps, bound = schedule.steps, number(schedule.bound)
    if steps == 0 or t.high <= 0:
        return number(1.0)
    passed = write.named(write.clamped(t, steps).expression, "passed")
    square = times(
        over(minus(number(steps), passed), bound), over(minus(number(2 * schedule.bound - steps), passed), bound)
    )
    first = math.sqrt(steps / schedule.bound * ((2 * schedule.bound - steps) / schedule.bound))
    fall = minus(number(first), write.function("sqrt", square))
    if schedule.exponential:
        return power(number(schedule.infimum), fall)
    return minus(number(1.0), times(number(1 - schedule.infimum), fall))


def polynomial_cycles(write: Writer, schedule: PolynomialCycles, t: Time) -> Expression:
    """Return a polynomial towards the end of the cycle that is under way."""
    if not t.whole:
        raise NotExactError("it may jump between two steps")
    t = write.clamped(t)
    begun = over(plus(t.expression, number(schedule.every - 1)), number(schedule.every), "//")
    end = write.named(times(number(schedule.every), write.most(begun, number(1))), "end")
    return power(over(minus(end, t.expression), end), number(schedule.power))


def stairs(write: Writer, t: Time, every: int, count: int) -> Expression:
    """Return how many stairs have begun after the first, each at the step nearest to its multiple, halves up."""
    if every == count == 1 and t.whole:
        return t.expression
    if count == 1:
        return over(t.expression, number(every), "//")
    step = t.expression if t.whole else write.function("floor", t.expression)
    counted = write.whole_times(step, count, write.reach(t) * count)
    return over(plus(counted, number((count - 1) // 2)), number(every), "//")


def staircase(write: Writer, schedule: Staircase, t: Time) -> Expression:
    """Return a power of gamma that rises by one with every stair."""
    drops = stairs(write, write.clamped(t), schedule.every, schedule.stairs)
    return write.grown(schedule.gamma, drops, write.reach(t) * schedule.stairs / schedule.every + 1)


def milestones(write: Writer, schedule: Milestones, t: Time) -> Expression:
    """Return a power of gamma that rises by one at every milestone."""
    count = len(schedule.milestones)
    return write.grown(schedule.gamma, write.passed(schedule.milestones, write.clamped(t).expression), count)


def exponential(write: Writer, schedule: Exponential, t: Time) -> Expression:
    """Return a power of gamma that rises with every step."""
    exponent = over(write.clamped(t).expression, number(schedule.every))
    return write.grown(schedule.gamma, exponent, write.reach(t) / schedule.every)
