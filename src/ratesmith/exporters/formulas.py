"""Schedules as statements and an expression: one function a class, with the formula that the class has.

What is known of the step is carried along, so that `min` and `max` stand only where it can lie outside a curve.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

from ratesmith._checks import LARGEST
from ratesmith.exporters import curves
from ratesmith.exporters.bounds import refuse_large
from ratesmith.exporters.expressions import Expression, minus, number, over, plus, power, times
from ratesmith.exporters.writer import MOST_BRANCHES, NotExactError, Time, Writer
from ratesmith.schedule import (
    Clip,
    Constant,
    Hold,
    KDecay,
    Max,
    Min,
    Power,
    Product,
    Repeat,
    Schedule,
    Sequence,
    Shift,
    Stretch,
    Sum,
    Take,
)
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

READABLE: Final = 80
"""Characters of a value that is easy to read in one line."""
INSIDE: Final = 40
"""The same of one that is multiplied or added."""


def value_of(write: Writer, schedule: Schedule, t: Time) -> Expression:
    """Return the factor at `t`, after the statements that it needs; raise NotExactError for what cannot be written."""
    # Not isinstance: a class that a user derives may have another formula.
    if type(schedule) not in _WRITERS:
        raise NotExactError(f"it has a {type(schedule).__name__}, which only Ratesmith can compute")
    return _WRITERS[type(schedule)](write, schedule, t)


def _constant(write: Writer, schedule: Constant, t: Time) -> Expression:
    return number(schedule.factor)


def _sequence(write: Writer, schedule: Sequence, t: Time) -> Expression:
    rows = list(_rows(schedule, 0, math.inf))
    rows = [row for row in rows if row[1] > t.low and (row[0] <= t.high or row[0] == 0)]
    if len(rows) == 1:
        return value_of(write, rows[0][2], t.later(rows[0][0]))
    if len(rows) > MOST_BRANCHES and write.loops and all(_straight(part) for _, _, part in rows):
        return _table(write, [(start, part) for start, _, part in rows], t)

    def case(start: int, end: float, part: Schedule) -> Callable[[], Expression]:
        return lambda: value_of(write, part, write.case(t, start, end))

    if not t.expression.text.isidentifier():
        name = write.named(t.expression, "part")
        t = Time(name, 0, t.low, t.high, t.whole)
    return write.branches(t.expression, [(end, case(start, end, part)) for start, end, part in rows])


def _rows(schedule: Sequence, start: int, until: float) -> Iterator[tuple[int, float, Schedule]]:
    """Yield start, end and part; those of a sequence of which the beginning is taken one by one too."""
    for place, part in enumerate(schedule.parts, 1):  # by place: one schedule may be there twice
        end = min(start + (part.steps or 0), until) if place < len(schedule.parts) else until
        if type(part) is Take and type(part.schedule) is Sequence and end < math.inf:
            yield from _rows(part.schedule, start, end)
        elif start < end:
            yield start, end, part
        start += part.steps or 0


def _straight(part: Schedule) -> bool:
    return type(part) is Constant or (type(part) is Ramp and part.shape in ("linear", 1.0))


def _table(write: Writer, rows: list[tuple[int, Schedule]], t: Time) -> Expression:
    """Return a value from a table of straight parts: step, steps, from, to; or of flat ones."""
    t = write.clamped(t)
    if all(type(part) is Constant for _, part in rows):
        factors = write.fresh("factors")
        write.listed(factors, [repr(part.factor) for _, part in rows if isinstance(part, Constant)])
        place = write.passed(tuple(start for start, _ in rows[1:]), t.expression)
        return Expression(f"{factors.text}[{place.text}]")
    lines, begin, steps, low, high = (write.fresh(name) for name in ("lines", "begin", "steps", "start", "end"))
    values = []
    for begun, part in rows:
        ends = (part.start, part.end) if isinstance(part, Ramp) else (part(0), part(0))
        values.append(repr((begun, part.steps or 1, *ends)))
    write.listed(lines, values)
    where = f"[line for line in {lines.text} if line[0] <= {t.expression.text}][-1]"
    write.line(f"{begin.text}, {steps.text}, {low.text}, {high.text} = {where}")
    share = write.least(over(minus(t.expression, begin), steps), number(1))
    return plus(low, times(minus(high, low), share))


def _product(write: Writer, schedule: Product, t: Time) -> Expression:
    refuse_large(schedule)
    return _joined(write, number(schedule.scale), times, schedule.factors, "factor", t)


def _sum(write: Writer, schedule: Sum, t: Time) -> Expression:
    refuse_large(schedule)
    return _joined(write, number(schedule.offset), plus, schedule.parts, "part", t)


def _max(write: Writer, schedule: Max, t: Time) -> Expression:
    first, *others = (write.short(value_of(write, part, t), "part", INSIDE) for part in schedule.parts)
    value = functools.reduce(write.most, others, first)
    return value if schedule.least == -LARGEST else write.most(value, number(schedule.least))


def _min(write: Writer, schedule: Min, t: Time) -> Expression:
    first, *others = (write.short(value_of(write, part, t), "part", INSIDE) for part in schedule.parts)
    value = functools.reduce(write.least, others, first)
    return value if schedule.most == LARGEST else write.least(value, number(schedule.most))


def _joined(
    write: Writer,
    value: Expression,
    join: Callable[[Expression, Expression], Expression],
    parts: tuple[Schedule, ...],
    name: str,
    t: Time,
) -> Expression:
    """Return a number with the value of each part joined to it; long ones get a name and a line of their own."""
    most = INSIDE if len(parts) > 1 else READABLE
    for part in parts:
        value = join(value, write.short(value_of(write, part, t), name, most))
    return value


def _repeat(write: Writer, schedule: Repeat, t: Time) -> Expression:
    refuse_large(schedule)
    steps = schedule.schedule.steps or 1
    t = write.clamped(t, math.inf if schedule.steps is None else schedule.steps)
    if schedule.growth != 1.0:
        cycle, inner = _growing(write, schedule, t)
    else:
        if schedule.times is None and schedule.height == 1.0:
            inner = Time(write.named(over(t.expression, number(steps), "%"), "part"), 0, 0, steps, t.whole)
            return value_of(write, schedule.schedule, inner)
        count = curves.stairs(write, t, steps, 1)
        if schedule.times is not None:
            count = write.least(count, number(schedule.times - 1))
        cycle = write.named(count, "cycle")
        part = write.named(minus(t.expression, times(number(steps), cycle)), "part")
        inner = Time(part, 0, 0, steps, t.whole)
    value = value_of(write, schedule.schedule, inner)
    return (
        value if schedule.height == 1.0 else times(write.grown(schedule.height, cycle, write.reach(t) / steps), value)
    )


def _growing(write: Writer, schedule: Repeat, t: Time) -> tuple[Expression, Time]:
    """Return the number of a cycle, and the time in it, of cycles that become longer or shorter."""
    if not write.loops:
        raise NotExactError("its cycles are not equally long")
    steps = schedule.schedule.steps or 1
    now = write.named(t.expression, "now")
    cycle, begin, end = (write.fresh(name) for name in ("cycle", "begin", "end"))
    write.line(f"{cycle.text}, {begin.text}, {end.text} = 0, 0, {steps}")
    cycles = schedule.times if schedule.growth > 1.0 else len(schedule._starts) - 1
    limit = "" if cycles is None else f" and {cycle.text} < {cycles - 1}"
    write.line(f"while {now.text} >= {end.text}{limit}:")
    longer = f"round({steps} * {schedule.growth!r} ** {cycle.text})"
    write.line(f"    {cycle.text}, {begin.text} = {cycle.text} + 1, {end.text}")
    write.line(f"    {end.text} += {longer}")
    part = write.named(over(times(minus(now, begin), number(steps)), minus(end, begin)), "part")
    return cycle, Time(part, 0, 0, steps, whole=False)


def _shift(write: Writer, schedule: Shift, t: Time) -> Expression:
    return value_of(write, schedule.schedule, write.clamped(t).later(schedule.by))


def _stretch(write: Writer, schedule: Stretch, t: Time) -> Expression:
    length = schedule.schedule.steps or 0
    if length == 0:
        return value_of(write, schedule.schedule, Time(number(0), high=0))
    common = math.gcd(length, schedule.steps)
    up, down = length // common, schedule.steps // common
    if down > 1 and not write.loops and type(schedule.schedule) is not Ramp:
        raise NotExactError("it may jump between two steps")  # where a compiled division rounds to the other side
    inner = over(write.whole_times(write.clamped(t, schedule.steps).expression, up, length * down), number(down))
    return value_of(write, schedule.schedule, Time(write.named(inner, "part"), 0, 0, length, t.whole and down == 1))


def _take(write: Writer, schedule: Take, t: Time) -> Expression:
    return value_of(write, schedule.schedule, write.clamped(t, schedule.steps))


def _clip(write: Writer, schedule: Clip, t: Time) -> Expression:
    value = value_of(write, schedule.schedule, t)
    if schedule.low > -LARGEST:
        value = write.most(value, number(schedule.low))
    return write.least(value, number(schedule.high)) if schedule.high < LARGEST else value


def _hold(write: Writer, schedule: Hold, t: Time) -> Expression:
    every, stairs = schedule.every, schedule.stairs
    if every == stairs == 1 and t.whole:
        return value_of(write, schedule.schedule, t)
    t = write.clamped(t)
    begun = write.whole_times(curves.stairs(write, t, every, stairs), every, write.reach(t) * stairs)
    if stairs > 1:
        begun = over(plus(begun, number(stairs // 2)), number(stairs), "//")
    inner = Time(write.named(begun, "held"), 0, 0, t.high + (stairs > 1), whole=True)
    return value_of(write, schedule.schedule, inner)


def _power(write: Writer, schedule: Power, t: Time) -> Expression:
    refuse_large(schedule)
    inside = schedule.schedule
    value = write.short(value_of(write, inside, t), "part", INSIDE)
    ramp = inside.schedule if isinstance(inside, KDecay) else inside
    if not isinstance(ramp, InverseSqrt) and not (isinstance(ramp, Ramp) and min(ramp.start, ramp.end) >= 0):
        value = write.most(value, number(0))
    return power(value, number(schedule.power))


def _k_decay(write: Writer, schedule: KDecay, t: Time) -> Expression:
    length = schedule.steps or 0
    if length == 0:
        return value_of(write, schedule.schedule, Time(number(0), high=0))
    if not write.loops and type(schedule.schedule) is not Ramp:
        raise NotExactError("it may jump between two steps")
    share = over(write.clamped(t, length).expression, number(length))
    inner = write.named(times(power(share, number(schedule.k)), number(length)), "part")
    return value_of(write, schedule.schedule, Time(inner, 0, 0, length, whole=False))


_WRITERS: Final[dict[type, Callable[[Writer, Any, Time], Expression]]] = {
    Constant: _constant,
    Sequence: _sequence,
    Product: _product,
    Sum: _sum,
    Max: _max,
    Min: _min,
    Repeat: _repeat,
    Shift: _shift,
    Stretch: _stretch,
    Take: _take,
    Clip: _clip,
    Hold: _hold,
    Power: _power,
    KDecay: _k_decay,
    Ramp: curves.ramp,
    InverseSqrt: curves.inverse_sqrt,
    InverseTime: curves.inverse_time,
    Tanh: curves.tanh,
    Hyperbolic: curves.hyperbolic,
    PolynomialCycles: curves.polynomial_cycles,
    Staircase: curves.staircase,
    Milestones: curves.milestones,
    Exponential: curves.exponential,
}
"""How each class of schedule is written."""
