"""What writes a function: its statements, its names, and the time as each schedule in it counts it."""

from __future__ import annotations

import contextlib
import itertools
import math
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from ratesmith._checks import most_power
from ratesmith.exporters.expressions import Expression, call, minus, number, plus, power, times

MOST_BRANCHES: Final = 5
"""Parts of a sequence that are branches; more are a table, if all are flat or straight."""
MOST_LINES: Final = 60
"""Statements of a function; a longer one is not written."""
WIDTH: Final = 110
"""Columns of a line that is filled with numbers."""


class NotExactError(Exception):
    """A form cannot say a schedule exactly; the text says why."""


@dataclass(frozen=True)
class Time:
    """The step as a schedule sees it, `base - offset`, and between which values it can lie."""

    base: Expression
    offset: int = 0
    low: float = 0
    high: float = math.inf
    whole: bool = True

    @property
    def expression(self) -> Expression:
        """The step itself."""
        if self.offset < 0:
            return plus(self.base, number(-self.offset))
        return minus(self.base, number(self.offset))

    def later(self, steps: int) -> Time:
        """Return the time of what begins so many steps later."""
        return replace(self, offset=self.offset + steps, low=self.low - steps, high=self.high - steps)


class Writer:
    """Writes the factor of a schedule at `step`, a whole number of at least 0, as statements and one expression.

    `until` is the last step for which the text must hold: it bounds what grows.
    """

    def __init__(self, until: int, maths: str = "math") -> None:
        """Begin with no statement; `maths` is the module with cos, sqrt and so on."""
        self.until, self.maths = until, maths
        self.lines: list[str] = []
        self.modules: set[str] = set()
        self._indent = 1
        self._names: set[str] = {"step"}

    # Statements

    def line(self, text: str) -> None:
        """Add a statement."""
        self.lines.append("    " * self._indent + text)
        if len(self.lines) > MOST_LINES:
            raise NotExactError("it would be too long a function")

    def fresh(self, wanted: str) -> Expression:
        """Return a name that no other value has."""
        names = itertools.chain([wanted], (f"{wanted}_{count}" for count in itertools.count(2)))
        name = next(name for name in names if name not in self._names)
        self._names.add(name)
        return Expression(name)

    def named(self, expression: Expression, wanted: str) -> Expression:
        """Return a name for a value that is used more than once."""
        if expression.text.isidentifier():
            return expression
        name = self.fresh(wanted)
        self.line(f"{name.text} = {expression.text}")
        return name

    def short(self, expression: Expression, wanted: str, most: int) -> Expression:
        """Return a value, by a name if its text is longer than so many characters."""
        return expression if len(expression.text) <= most else self.named(expression, wanted)

    def listed(self, name: Expression, items: list[str]) -> None:
        """Add a list, in several lines if it is long."""
        text = ", ".join(items)
        if len(text) < WIDTH:
            self.line(f"{name.text} = [{text}]")
            return
        self.line(f"{name.text} = [")
        for part in textwrap.wrap(text + ",", WIDTH):
            self.line(f"    {part}")
        self.line("]")

    @contextlib.contextmanager
    def _indented(self) -> Iterator[None]:
        self._indent += 1
        yield
        self._indent -= 1

    # What is written otherwise for arrays

    loops = True
    """Whether a statement may depend on the step, as a loop does."""

    def function(self, name: str, *arguments: Expression) -> Expression:
        """Return a call of a function of the module of mathematics."""
        self.modules.add(self.maths)
        return call(f"{self.maths}.{name}", *arguments)

    def pi(self) -> Expression:
        """Return the ratio of a circle's circumference to its diameter."""
        self.modules.add(self.maths)
        return Expression(f"{self.maths}.pi")

    def least(self, a: Expression, b: Expression) -> Expression:
        """Return the smaller of two."""
        return call("min", a, b)

    def most(self, a: Expression, b: Expression) -> Expression:
        """Return the larger of two."""
        return call("max", a, b)

    def limited(self, a: Expression, most: float) -> Expression:
        """Return a value kept from 0 to `most`."""
        return self.least(self.most(a, number(0)), number(most))

    def passed(self, edges: tuple[int, ...], t: Expression) -> Expression:
        """Return how many of the rising steps lie at or before `t`."""
        self.modules.add("bisect")
        if len(edges) > MOST_BRANCHES:
            name = self.fresh("milestones")
            self.listed(name, [repr(edge) for edge in edges])
        else:
            name = Expression(repr(list(edges)))
        return call("bisect.bisect_right", name, t)

    def branches(self, t: Expression, cases: list[tuple[float, Callable[[], Expression]]]) -> Expression:
        """Return a value that depends on where `t` lies: the first case whose end lies behind it."""
        factor = self.fresh("factor")
        for place, (end, value) in enumerate(cases):
            last = place == len(cases) - 1
            self.line("else:" if last else f"{'elif' if place else 'if'} {t.text} < {end!r}:")
            with self._indented():
                self.line(f"{factor.text} = {value().text}")
        return factor

    def case(self, t: Time, start: int, end: float) -> Time:
        """Return the time of a part that is reached only from `start` to `end`, counted from where it starts."""
        inner = t.later(start)
        last = end - 1 if t.whole and end < math.inf else end
        return replace(inner, low=max(inner.low, 0) if start else inner.low, high=min(inner.high, last - start))

    # Times and growth

    def clamped(self, t: Time, most: float = math.inf) -> Time:
        """Return a time that is kept from 0 to `most`, where it can lie outside."""
        below, above, expression = t.low < 0, t.high > most, t.expression
        if not below and not above:
            return t
        if below and above:
            expression = self.limited(expression, most)
        else:
            expression = self.most(expression, number(0)) if below else self.least(expression, number(most))
        return Time(expression, 0, max(t.low, 0), max(0, min(t.high, most)), t.whole)

    def left(self, t: Time, steps: int) -> Expression:
        """Return how many steps of so many are left at `t`."""
        rest = minus(number(steps + t.offset), t.base)
        if t.high > steps:
            rest = self.most(rest, number(0))
        return self.least(rest, number(steps)) if t.low < 0 else rest

    def whole_times(self, steps: Expression, factor: int, most: float) -> Expression:
        """Return whole steps times a whole number, which comes to `most` at most."""
        return times(steps, number(factor))

    def reach(self, t: Time) -> float:
        """Return the last time at which the text must hold."""
        return t.high if t.high < math.inf else self.until + abs(t.offset)

    def grown(self, base: float, exponent: Expression, most: float) -> Expression:
        """Return a power, if it stays below the numbers at which Ratesmith's stay flat."""
        if most > most_power(base):
            raise NotExactError("it grows without bound")
        return power(number(base), exponent)
