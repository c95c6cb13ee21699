"""A function of the user's, called for a value that must be a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratesmith._checks import Option, OptionTypeError, OptionValueError, finite
from ratesmith._text import named_line


def called(thing: str, function: Callable[[Any], Any], value: Any) -> Any:
    """Call a function of the user's; if its argument is a number, refuse all but a finite number from it."""
    name = f"{thing}: {getattr(function, '__name__', 'function')}({value})"
    try:
        result = function(value)
    except Exception as error:
        cause = named_line(error)
        raise OptionValueError(f"{name}: it must give a number, got {cause}; mend the function") from error
    return finite(name, "its value", result) if isinstance(value, (int, float)) else result


def callable_given(thing: str, option: str, given: Any) -> Any:
    if not callable(given):
        must = f" must be callable, got {given!r}; give a function of the step"
        raise OptionTypeError(f"{thing}: ", Option(option), must)
    return given
