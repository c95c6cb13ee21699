"""Checks of a dataclass's fields, each declared with its type: `steps: Annotated[int, Check(whole, least=0)]`.

A frozen dataclass has to set a field by `object.__setattr__` once it is checked. That is done here, for all of them: a
class calls `check_fields(self)` in its `__post_init__`, and `derive` for what follows from its fields.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable
from typing import Any

from ratesmith._checks import Option, OptionTypeError, OptionValueError, finite


class Check:
    """What a field must be: `check(thing, field, value, **limits)` returns the value to keep, or raises an error.

    `or_none`: None is kept as it is.
    """

    def __init__(self, check: Callable[..., Any], *, or_none: bool = False, **limits: Any) -> None:
        """Take the function that checks, and what it is called with beside the names and the value."""
        self.check, self.or_none, self.limits = check, or_none, limits

    def __call__(self, thing: str, field: str, value: Any) -> Any:
        """Return the value to keep; an error speaks of `thing` and of its `field`."""
        return None if value is None and self.or_none else self.check(thing, field, value, **self.limits)


def check_fields(value: Any) -> None:
    """Replace each field of a frozen dataclass by what its `Check` returns, in the order of the fields."""
    kind: Any = type(value)
    for field, check in _checks_of(kind):
        object.__setattr__(value, field, check(type(value).__name__, field, getattr(value, field)))


def derive(value: Any, **fields: Any) -> None:
    """Set what is no field of a frozen dataclass: what follows from its fields, in its `__post_init__`, or a hint."""
    for field, derived in fields.items():
        object.__setattr__(value, field, derived)


def positive(thing: str, field: str, value: Any, remedy: str = "give a factor such as 0.1") -> float:
    """Return a finite float above 0, or raise an error that names the field.

    >>> positive("Staircase", "gamma", 2)
    2.0
    """
    number = finite(thing, field, value)
    if number <= 0:
        start = (f"{thing}: ", Option(field))
        raise OptionValueError(*start, f" must be above 0, got {value!r}; {remedy}")
    return number


def check_flag(thing: str, option: str, flag: Any) -> bool:
    """Return what is True or False, or refuse it."""
    if not isinstance(flag, bool):
        must = f" must be True or False, got {flag!r}; write one of them"
        raise OptionTypeError(f"{thing}: ", Option(option), must)
    return flag


@functools.cache
def field_names(kind: Any) -> tuple[str, ...]:
    """Return the names of a dataclass's fields."""
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.cache
def _checks_of(kind: Any) -> tuple[tuple[str, Check], ...]:
    """Return the fields of a dataclass that have a `Check`.

    Types are text where annotations are postponed. They are looked up only if a check is written in one of them: a
    user's own class may have types that cannot be looked up, such as those imported for a type checker alone.
    """
    types: dict[str, Any] = {field.name: field.type for field in dataclasses.fields(kind)}
    if any(isinstance(declared, str) and "Check(" in declared for declared in types.values()):
        looked_up = typing.get_type_hints(kind, include_extras=True)
        types = {name: looked_up[name] for name in types}
    metadata = ((name, getattr(declared, "__metadata__", ())) for name, declared in types.items())
    return tuple((name, check) for name, each in metadata for check in each if isinstance(check, Check))
