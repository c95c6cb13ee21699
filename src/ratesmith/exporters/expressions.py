"""Arithmetic as text: every operation puts brackets where its parts need them, and leaves out what changes nothing."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Final

SUM, WHOLE, PRODUCT, POWER, ATOM = 1, 2, 3, 4, 5
"""How tightly things hold together. Whole quotients and rests stand apart: 0.5 * step // 3 is not 0.5 * (step // 3)."""
SHORT: Final = 10
"""Characters of a number that is easy to read; the difference of two may have 17 digits."""
LONGEST: Final = 90
"""Characters of a line, before what it is assigned to."""
ZEROS: Final = ("0", "0.0")
ONES: Final = ("1", "1.0")


@dataclass(frozen=True)
class Expression:
    """A text, and how tightly it holds together."""

    text: str
    level: int = ATOM

    def within(self, level: int) -> str:
        """Return the text as a part that must hold at least so tightly."""
        return self.text if self.level >= level else f"({self.text})"


def number(value: float) -> Expression:
    """Return a number as Python writes it, so that it is read back to the last digit.

    >>> number(0.1), number(-2)
    (Expression(text='0.1', level=5), Expression(text='-2', level=1))
    """
    return Expression(repr(value), SUM if value < 0 else ATOM)


def plus(a: Expression, b: Expression) -> Expression:
    """Return a sum."""
    if a.text in ZEROS or b.text in ZEROS:
        return a if b.text in ZEROS else b
    return Expression(f"{a.within(SUM)} + {b.within(PRODUCT)}", SUM)


def minus(a: Expression, b: Expression) -> Expression:
    """Return a difference."""
    return a if b.text in ZEROS else Expression(f"{a.within(SUM)} - {b.within(PRODUCT)}", SUM)


def times(a: Expression, b: Expression) -> Expression:
    """Return a product.

    >>> half_of_sum = times(number(0.5), plus(Expression("a"), Expression("b")))
    >>> half_of_sum.text, times(number(1.0), half_of_sum).text
    ('0.5 * (a + b)', '0.5 * (a + b)')
    """
    if a.text in ONES or b.text in ONES:
        return a if b.text in ONES else b
    if b.level == PRODUCT and b.text.startswith("1 / "):
        return Expression(f"{a.within(PRODUCT)} / {b.text[4:]}", PRODUCT)
    return Expression(f"{a.within(PRODUCT)} * {b.within(PRODUCT)}", PRODUCT)


def over(a: Expression, b: Expression, sign: str = "/") -> Expression:
    """Return a quotient, or with another sign of division a whole quotient or a rest."""
    if b.text in ONES and sign == "/":
        return a
    return Expression(f"{a.within(PRODUCT)} {sign} {b.within(POWER)}", PRODUCT if sign == "/" else WHOLE)


def between(start: float, end: float, share: Expression) -> Expression:
    """Return `start` plus a share of the way to `end`, as shortly as it can be said to the last digit.

    >>> share = Expression("share")
    >>> between(0.0, 0.5, share).text, between(1.0, 0.1, share).text, between(0.1, 1.0, share).text
    ('0.5 * share', '1.0 - 0.9 * share', '0.1 + 0.9 * share')
    """
    if start == 0:
        return times(number(end), share)
    low, high = min(start, end), max(start, end)
    way = number(high - low)
    if len(way.text) > SHORT:
        way = minus(number(high), number(low))
    return (plus if end > start else minus)(number(start), times(way, share))


def power(a: Expression, b: Expression) -> Expression:
    """Return a power.

    >>> power(number(0.5), over(Expression("step"), number(30), "//")).text
    '0.5 ** (step // 30)'
    """
    return a if b.text in ONES else Expression(f"{a.within(ATOM)} ** {b.within(ATOM)}", POWER)


def in_lines(name: str, *arguments: str) -> str:
    """Return a call with an argument a line if it would be long in one.

    >>> in_lines("StepLR", "optimizer", "step_size=30")
    'StepLR(optimizer, step_size=30)'
    """
    text = f"{name}({', '.join(arguments)})"
    if len(text) <= LONGEST:
        return text
    lines = (
        textwrap.fill(f"{argument},", LONGEST, initial_indent="    ", subsequent_indent="        ")
        for argument in arguments
    )
    return "\n".join([f"{name}(", *lines, ")"])


def call(name: str, *arguments: Expression) -> Expression:
    """Return a call."""
    return Expression(f"{name}({', '.join(argument.text for argument in arguments)})")
