"""Values as text: the call that makes one, in the spelling that notation reads."""

from __future__ import annotations

import dataclasses
import difflib
import json
import textwrap
from collections.abc import Iterable
from typing import Any


def call(value: Any) -> str:
    """Return a dataclass value as a call of its class; what has its default is left out.

    >>> from ratesmith import Ramp
    >>> call(Ramp(1.0, 0.0, 100, "cosine"))
    'Ramp(1.0, 0.0, 100, shape="cosine")'
    """
    parts = []
    for field in dataclasses.fields(value):
        given = getattr(value, field.name)
        if not field.init or (field.default is not dataclasses.MISSING and given == field.default):
            continue
        by_name = "" if field.default is dataclasses.MISSING else f"{field.name}="
        parts.append(by_name + literal(given))
    return f"{type(value).__name__}({', '.join(parts)})"


def one_line(error: BaseException) -> str:
    """Return an error's text in one line; that it has none, with its type, if making the text raises."""
    try:
        return " ".join(str(error).split())
    except Exception:  # a class of the user's, whose __str__ or whose arguments' __repr__ goes wrong
        return f"{type(error).__name__} (its text cannot be made)"


def named_line(error: BaseException) -> str:
    """Return an error's type and text in one line.

    >>> named_line(KeyError("loss"))
    "KeyError: 'loss'"
    """
    text, name = one_line(error), type(error).__name__
    return text if text == f"{name} (its text cannot be made)" else f"{name}: {text or 'no message'}"


def shortened(error: BaseException, length: int = 160) -> str:
    """Return an error's class and the beginning of its text, in one line."""
    return textwrap.shorten(f"{type(error).__name__}: {one_line(error)}", length, placeholder=" ...")


def literal(value: Any) -> str:
    """Return one option: a number, a text in double quotes, a list, a schedule, or a function by its name."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if dataclasses.is_dataclass(value) or not callable(value):
        return str(value)
    return json.dumps(getattr(value, "__name__", type(value).__name__), ensure_ascii=False)


def hint(word: Any, names: Iterable[str], otherwise: str) -> str:
    """Return "did you mean ...?" with the nearest of the names, or the other text if none is near.

    >>> hint("cosin", ["cosine", "step"], "see the list")
    "did you mean 'cosine'?"
    """
    near = difflib.get_close_matches(word, list(names), n=1) if isinstance(word, str) else []
    return f"did you mean {near[0]!r}?" if near else otherwise
