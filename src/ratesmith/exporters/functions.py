"""The learning rate as a function of about ten lines: of plain Python, and of JAX's arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from ratesmith.exporters.expressions import Expression, number, times
from ratesmith.exporters.formulas import INSIDE, READABLE, value_of
from ratesmith.exporters.source import Source
from ratesmith.exporters.writer import NotExactError, Time, Writer
from ratesmith.schedule import Schedule

LARGEST_INTEGER: Final = 2**31 - 1
"""JAX counts updates in 32 bits."""


class ArrayWriter(Writer):
    """Writes for JAX, where a step's value may not be known yet: every branch is computed, at every step."""

    loops = False

    def __init__(self, until: int) -> None:
        """Begin with no statement."""
        super().__init__(until, "jnp")

    def least(self, a: Expression, b: Expression) -> Expression:
        """Return the smaller of two."""
        return self.function("minimum", a, b)

    def most(self, a: Expression, b: Expression) -> Expression:
        """Return the larger of two."""
        return self.function("maximum", a, b)

    def limited(self, a: Expression, most: float) -> Expression:
        """Return a value kept from 0 to `most`."""
        return self.function("clip", a, number(0), number(most))

    def passed(self, edges: tuple[int, ...], t: Expression) -> Expression:
        """Return how many of the rising steps lie at or before `t`."""
        if len(edges) > 20:
            raise NotExactError("it has too many milestones")
        listed = self.function("array", Expression(repr(list(edges))))
        return self.function("searchsorted", listed, t, Expression('side="right"'))

    def branches(self, t: Expression, cases: list[tuple[float, Callable[[], Expression]]]) -> Expression:
        """Return a value that depends on where `t` lies: the last case, and over it those before."""
        factor = self.fresh("factor")
        self.line(f"{factor.text} = {cases[-1][1]().text}")
        for end, value in reversed(cases[:-1]):
            part = self.short(value(), "part", INSIDE)
            chosen = self.function("where", Expression(f"{t.text} < {end!r}"), part, factor)
            self.line(f"{factor.text} = {chosen.text}")
        return factor

    def case(self, t: Time, start: int, end: float) -> Time:
        """Return the time of a part, which is computed at every step."""
        later = t.later(start)
        return Time(later.base, later.offset, later.low if start == 0 else -math.inf, math.inf, t.whole)

    def whole_times(self, steps: Expression, factor: int, most: float) -> Expression:
        """Return whole steps times a whole number; refuse what JAX's integers cannot hold."""
        if most * 2 > LARGEST_INTEGER:
            raise NotExactError("its steps do not fit into 32 bits")
        return super().whole_times(steps, factor, most)


def python(source: Source) -> str:
    """Return a function of plain Python."""
    return written(Writer(source.until), source.schedule, source, "learning_rate", source.base_lr)


def array_function(source: Source) -> str:
    """Return a function of JAX's arrays."""
    if source.until > LARGEST_INTEGER:
        raise NotExactError("its steps do not fit into 32 bits")
    return written(ArrayWriter(source.until), source.schedule, source, "learning_rate", source.base_lr)


def written(write: Writer, schedule: Schedule, source: Source, name: str, scale: float) -> str:
    """Return a function of the step with the modules that it needs."""
    factor = value_of(write, schedule, Time(Expression("step")))
    value = times(number(scale), factor if scale == 1 else write.short(factor, "factor", READABLE))
    what = "learning rate" if name == "learning_rate" else "factor of the initial rate"
    imports = [f"import {'jax.numpy as jnp' if module == 'jnp' else module}" for module in sorted(write.modules)]
    lines = [
        *imports,
        *([""] * 2 if imports else []),
        f"def {name}(step):",
        f'    """Return the {what} for the update after `step` others."""',
        *write.lines,
        f"    return {value.text}",
    ]
    return "\n".join(lines)
