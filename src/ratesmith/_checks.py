"""Numbers as users may give them, and mistakes that name the option, what must hold, what came and what to do."""

from __future__ import annotations

import math
import numbers
import operator
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self

LARGEST: Final = 1e150
"""Where growth stays flat, and no number may lie beyond: two of these can still be multiplied."""
FARTHEST: Final = 2**53
"""The step up to which everything is laid out: up to there a float64 holds every whole number."""
DEEPEST: Final = 64
"""Schedules that may lie inside each other, and parts of a text that may."""
MOST_MILESTONES: Final = 250_000
"""Milestones that one schedule may have."""
MOST_CYCLES: Final = 10_000
"""Cycles of growing length that are laid out one by one."""
A_LIST: Final = "a list"
"""Declares that an option is a list by itself, `Annotated[..., A_LIST]`: in a text, `[...]` is then no choice."""
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


class Option(str):
    """An option in a sentence, by its name in Python: `steps`, or `steps=` where the reader is asked to give it."""

    __slots__ = ()


def spell(parts: Iterable[str], names: Mapping[str, str] | None = None) -> str:
    """Return the sentence that the parts make; each `Option` among them by its name in `names`, else as in Python.

    >>> spell(["give ", Option("steps="), ", or a file a_steps=.csv"], {"steps": "--steps"})
    'give --steps, or a file a_steps=.csv'
    """
    known = names or {}
    return "".join(known.get(part.removesuffix("="), part) if isinstance(part, Option) else part for part in parts)


class OptionError(Exception):
    """A mistake of the caller's, as the parts of one sentence: `Thing: what must hold, got what; what to do`.

    Each option that it speaks of is an `Option`, so that every caller can call it by the name that it has there: the
    command line prints `--steps` where Python prints `steps=`. Words in the sentence are never replaced.

    >>> error = OptionValueError("Ramp: ", Option("steps"), " must be at least 0, got -1; give a larger number")
    >>> str(error)
    'Ramp: steps must be at least 0, got -1; give a larger number'
    >>> error.spelled({"steps": "--steps"})
    'Ramp: --steps must be at least 0, got -1; give a larger number'
    >>> str(error.renamed("warmup", {"steps": "length"}))
    'warmup: length must be at least 0, got -1; give a larger number'
    """

    def __init__(self, *parts: str) -> None:
        """Take the sentence in parts; as `args` they also survive the way from another process."""
        super().__init__(*parts)

    @property
    def option(self) -> str:
        """The option that is wrong: the first that the sentence names, "" if it names none."""
        return next((part.removesuffix("=") for part in self.args if isinstance(part, Option)), "")

    def spelled(self, names: Mapping[str, str]) -> str:
        """Return the sentence with options by these names: `{"steps": "--steps"}`."""
        return spell(self.args, names)

    def renamed(self, thing: str, names: Mapping[str, str]) -> Self:
        """Return the same mistake as one of `thing`, where each option is called as `names` says."""
        first, *others = self.args or ("",)
        # Not `thing` itself: a backslash in it, as in the name of a file, would mean something to `sub`.
        first = re.sub(r"^[^:]*(?=: )", lambda _: thing, first) if not isinstance(first, Option) else first
        return type(self)(*(Option(names.get(p, p)) if isinstance(p, Option) else p for p in (first, *others)))

    def __str__(self) -> str:
        """Return the sentence with options by their names in Python."""
        return spell(self.args)


class OptionValueError(OptionError, ValueError):
    """An option's value is of the right kind, and must not be this."""


class OptionTypeError(OptionError, TypeError):
    """An option's value is of another kind than it must be."""


@contextmanager
def options_of(thing: str, **names: str) -> Iterator[None]:
    """Let mistakes that are found inside speak of `thing`, and of its options: `inner="outer"`.

    >>> with options_of("warmup", steps="length"):
    ...     finite("Ramp", "steps", "x")
    Traceback (most recent call last):
    ratesmith._checks.OptionTypeError: warmup: length must be a finite number, got 'x'; give a plain number
    """
    try:
        yield
    except OptionError as error:
        raise error.renamed(thing, names) from None


def whole(who: str, name: str, value: Any, least: int) -> int:
    """Return `value` as an int of at least `least`, or raise an error that says who wanted it.

    >>> whole("Ramp", "steps", 10, least=0)
    10
    """
    must = f" must be a whole number of at least {least}, got {value!r}"
    start = (f"{who}: ", Option(name))
    if isinstance(value, str):
        remedy = "write a whole number (shares and epochs, '5%' and '2ep', are for the lengths of recipes)"
        raise OptionTypeError(*start, f"{must}; {remedy}")
    try:
        number = operator.index(value)
    except TypeError:
        raise OptionTypeError(*start, f"{must}; give a whole number") from None
    if isinstance(value, bool):
        raise OptionTypeError(*start, f"{must}; give a whole number")
    if number < least:
        raise OptionValueError(*start, f"{must}; give a larger number")
    if number > FARTHEST:
        raise OptionValueError(*start, " must be at most 2**53, got more; give a smaller number")
    return number


def most_power(base: float, largest: float = LARGEST) -> float:
    """Return the power of `base` at which it stays flat, so that growth never passes `largest`."""
    return math.inf if base <= 1 else math.floor(math.log(largest) / math.log(base))


def finite(who: str, name: str, value: Any, least: float = -LARGEST, most: float = LARGEST) -> float:
    """Return `value` as a finite float within `least` and `most`, or raise an error that says who wanted it.

    >>> finite("Ramp", "start", 1)
    1.0
    """
    must = " must be a finite number"
    start = (f"{who}: ", Option(name))
    if least > -LARGEST:
        must += f" from {least:g} to {most:g}" if most < LARGEST else f" of at least {least:g}"
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        remedy = "write it without quotes (in YAML as 1.0e-3, since 1e-3 is text)"
        raise OptionTypeError(*start, f"{must}, got the text {value!r}; {remedy}")
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise OptionTypeError(*start, f"{must}, got {value!r}; give a plain number")
    number = float(value)
    if LARGEST < abs(number) < math.inf:
        must = f" must be a number of at most {LARGEST:g}"
        raise OptionValueError(*start, f"{must}, got {value!r}; give a smaller one")
    if not least <= number <= most:
        raise OptionValueError(*start, f"{must}, got {value!r}; give such a number")
    return number
