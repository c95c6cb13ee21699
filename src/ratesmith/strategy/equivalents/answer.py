"""The answer to a schedule of another library, and how it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ratesmith._checks import LARGEST
from ratesmith._text import literal

OF_THE_RATE: Final = "{} is {} as a share of the initial rate"
PEAK_IS_BASE: Final = "the initial rate is {}"


class Equivalent(NamedTuple):
    """What a schedule of another library is here."""

    notation: str
    steps: int | None = None
    """The length of training, if the other schedule has one of its own."""
    by_epoch: str | None = ""
    """The notation if it is stepped once an epoch: "" if the length alone counts epochs then, None if it never is."""
    note: str = ""
    is_example: bool = False
    """Whether options were missing, so that the notation has others in their place."""


Answer = Callable[..., Equivalent]


def call(name: str, *values: Any, **options: Any) -> str:
    """Return a call in notation; options that are None are left out."""
    named = (f"{option}={written(value)}" for option, value in options.items() if value is not None)
    return f"{name}({', '.join([*map(written, values), *named])})"


def written(value: Any) -> str:
    """Return a value as notation has it; raise TypeError or ValueError for what it has not."""
    if isinstance(value, list):
        if not value or any(isinstance(item, list) for item in value):
            raise TypeError(f"{value!r} is no list of numbers")
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"{value!r} is no number or text")
    if isinstance(value, str):
        if not value.isprintable():
            raise ValueError(f"{value!r} cannot be written")
        return literal(value)
    if not abs(value) <= LARGEST:
        raise ValueError("the number is too large")
    if isinstance(value, int):
        return f"{value}"
    rounded = float(f"{value:.12g}")  # a quotient such as 0.01 / 0.1 has digits that nobody means
    return f"{int(rounded)}" if rounded.is_integer() and abs(rounded) < 1e15 else f"{rounded!r}"


def epochs(length: int) -> str:
    """Return a length in epochs, as notation has it; raise TypeError for no whole number."""
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise TypeError(f"{length!r} is no number of epochs")
    return f"{length}ep"


def unless(default: Any, value: Any) -> Any:
    """Return a value, or None if it is the default, which need not be written."""
    return None if value == default else value


def final_share(option: str, rate: float | None, base: float | None = None) -> tuple[float | None, str]:
    """Return the share that a lowest rate is, and what to note if the initial rate is not known."""
    if not rate:
        return None, ""
    return (rate / base, "") if base else (0.01, OF_THE_RATE.format("final", option))


def with_warmup(steps: int | str | None, start: float | None, rest: str) -> str:
    """Return the notation with a warm-up before it, if there is one."""
    return f"{call('warmup', steps, start=start or None)} >> {rest}" if steps else rest
