"""Numbers as users may give them: checked, with one message that says who wanted what."""

from __future__ import annotations

import math
import numbers
import operator
import re
from typing import Any, Final

LARGEST: Final = 1e150
"""Where growth stays flat, and no number may lie beyond: two of these can still be multiplied."""
FARTHEST: Final = 2**62
"""The step up to which everything is laid out; it and twice it fit in 64 bits."""
DEEPEST: Final = 64
"""Schedules that may lie inside each other, and parts of a text that may."""
MOST_MILESTONES: Final = 250_000
"""Milestones that one schedule may have."""
MOST_CYCLES: Final = 10_000
"""Cycles of growing length that are laid out one by one."""
A_LIST: Final = "a list"
"""Declares that an option is a list by itself, `Annotated[..., A_LIST]`: in a text, `[...]` is then no choice."""
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


def whole(who: str, name: str, value: Any, least: int) -> int:
    """Return `value` as an int of at least `least`, or raise an error that says who wanted it.

    >>> whole("Ramp", "steps", 10, least=0)
    10
    """
    must = f"{who}: {name} must be a whole number of at least {least}, got {value!r}"
    if isinstance(value, str):
        raise TypeError(f"{must}; write a whole number (a name in small letters takes '5%' and '2ep' for its lengths)")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{must}; give a whole number") from None
    if isinstance(value, bool):
        raise TypeError(f"{must}; give a whole number")
    if number < least:
        raise ValueError(f"{must}; give a larger number")
    if number > FARTHEST:
        raise ValueError(f"{who}: {name} must be at most 2**62, got more; give a smaller number")
    return number


def most_power(base: float, largest: float = LARGEST) -> float:
    """Return the power of `base` at which it stays flat, so that growth never passes `largest`."""
    return math.inf if base <= 1 else math.floor(math.log(largest) / math.log(base))


def finite(who: str, name: str, value: Any, least: float = -LARGEST, most: float = LARGEST) -> float:
    """Return `value` as a finite float within `least` and `most`, or raise an error that says who wanted it.

    >>> finite("Ramp", "start", 1)
    1.0
    """
    must = f"{who}: {name} must be a finite number"
    if least > -LARGEST:
        must += f" from {least:g} to {most:g}" if most < LARGEST else f" of at least {least:g}"
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        raise TypeError(
            f"{must}, got the text {value!r}; write it without quotes (in YAML as 1.0e-3, since 1e-3 is text)"
        )
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{must}, got {value!r}; give a plain number")
    number = float(value)
    if LARGEST < abs(number) < math.inf:
        raise ValueError(f"{who}: {name} must be a number of at most {LARGEST:g}, got {value!r}; give a smaller one")
    if not least <= number <= most:
        raise ValueError(f"{must}, got {value!r}; give such a number")
    return number
