"""Functions of the user's own inside a schedule: told apart by what they do, since only their name can be saved."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

PLAIN = (int, float, complex, str, bytes, type(None))


def fingerprints(controller: Any) -> dict[str, str]:
    """Return a short text for each function in a schedule or controller, by name: another for another code.

    The code is Python's own, so a text belongs to one version of Python, which it names. What a function closes over,
    and its defaults, count where they are plain numbers and texts.
    """
    return {getattr(function, "__name__", "function"): _fingerprint(function) for function in _functions(controller)}


def same(saved: str, here: str) -> bool:
    """Whether two fingerprints may be of one function; of two versions of Python, they may."""
    return saved == here or saved.partition(" ")[0] != here.partition(" ")[0]


def _functions(value: Any) -> Iterator[Callable[..., Any]]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _functions(getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _functions(part)
    elif callable(value):
        yield value


def _fingerprint(function: Any) -> str:
    code = getattr(function, "__code__", None)
    closed_over = inspect.getclosurevars(function).nonlocals.values() if code else ()
    defaults = (
        *(getattr(function, "__defaults__", None) or ()),
        *(getattr(function, "__kwdefaults__", None) or {}).items(),
    )
    parts = [*_code(code, getattr(function, "__doc__", None)), *map(_plain, (*closed_over, *defaults))]
    version = f"{sys.implementation.name}-{sys.version_info[0]}.{sys.version_info[1]}"
    return f"{version} {hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


def _code(code: CodeType | None, said: str | None = None) -> Iterator[Any]:
    """Return what decides what a function does: instructions, names, and constants but for its docstring `said`."""
    if code is None:  # an object that can be called, or a function of C
        return
    yield from (code.co_code, code.co_names, code.co_varnames[: code.co_argcount])
    for constant in code.co_consts[1 if said is not None and code.co_consts[:1] == (said,) else 0 :]:
        yield from _code(constant) if isinstance(constant, CodeType) else [_plain(constant)]


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, frozenset)):
        return sorted(map(repr, value)) if isinstance(value, frozenset) else [_plain(part) for part in value]
    return value if isinstance(value, PLAIN) else type(value).__name__
