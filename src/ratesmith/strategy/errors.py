"""The error of notation: what is wrong in one line, and under it the text with a caret."""

from __future__ import annotations

import unicodedata
from typing import Final, NoReturn

from ratesmith._checks import Option, OptionValueError

SHOWN_ON_A_SIDE: Final = 60
"""Characters of the text that are shown on either side of the place."""


class NotationError(OptionValueError):
    """A text that is not notation: one line that says why, then the text with a caret under the place."""


def refuse(line: str, place: int, message: str | tuple[str, ...], cause: Exception | None = None) -> NoReturn:
    """Raise NotationError with the message, and under it the text around a place, in characters, and a caret.

    Of the options that the message speaks of, those in the text are called as they are there; only what it asks for
    beside the text, as `Option("steps=")`, is an option of the caller.
    """
    begin, end = max(0, place - SHOWN_ON_A_SIDE), place + SHOWN_ON_A_SIDE
    before = ("..." if begin else "") + line[begin:place]
    after = line[place:end] + ("..." if end < len(line) else "")
    # A caret stands under a letter that is two columns wide only if those before it count as two.
    columns = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in before)
    parts = (message,) if isinstance(message, str) else message
    sentence = (part if isinstance(part, Option) and part.endswith("=") else str(part) for part in parts)
    raise NotationError("Notation: ", *sentence, f"\n  {before}{after}\n  {' ' * columns}^") from cause
