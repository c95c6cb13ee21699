"""A strategy with the name of the optimizer that it drives, as comparisons write it: `muon: cosine()`."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

NAME: Final = r"[A-Za-z_]\w*(?:-\w+)*"
"""What an optimizer may be called. Notation never begins so: a colon in it stands within quotes, in brackets."""
_NAMED: Final = re.compile(rf"\s*({NAME})\s*:(.*)", re.DOTALL)


class Contender(NamedTuple):
    """An optimizer's name, "" for the task's own, and the notation of the schedule or controller that drives it."""

    optimizer: str
    notation: str

    def __str__(self) -> str:
        """Return the text that `contender_of` reads."""
        return f"{self.optimizer}: {self.notation}" if self.optimizer else self.notation


def contender_of(strategy: str) -> Contender:
    """Return a strategy's optimizer and its notation, which is not read.

    >>> contender_of("muon: cosine()"), contender_of('custom("a: b")')
    (Contender(optimizer='muon', notation='cosine()'), Contender(optimizer='', notation='custom("a: b")'))
    """
    named = _NAMED.fullmatch(strategy)
    return Contender(named[1], named[2].strip()) if named else Contender("", strategy)


def optimizer_of(strategy: str) -> str:
    """Return the name of a strategy's optimizer; "" for the task's own.

    >>> optimizer_of("muon: cosine()"), optimizer_of("cosine()")
    ('muon', '')
    """
    return contender_of(strategy).optimizer


def notation_of(strategy: str) -> str:
    """Return a strategy's notation without its optimizer.

    >>> notation_of("muon: cosine()")
    'cosine()'
    """
    return contender_of(strategy).notation
