"""What a reader of a comparison must mind: sentences with a stable code, and with their options as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ratesmith._checks import spell
from ratesmith.codes import coded

PYTHON_NAMES: Final[Mapping[str, str]] = {}
"""How options are called where nothing else is said: as in Python."""


class Note(NamedTuple):
    """A note or a warning; as text it ends with its code, by which the documentation explains it."""

    code: str
    parts: tuple[str, ...]
    """One sentence, in which every option is an `Option`, so that each caller can print its own name for it."""
    strategy: str = ""
    """The strategy that it is about; "" if it is about the comparison."""

    def text(self, names: Mapping[str, str] = PYTHON_NAMES) -> str:
        """Return the sentence without the code, with options by these names."""
        return spell(self.parts, names)

    def spelled(self, names: Mapping[str, str] = PYTHON_NAMES) -> str:
        """Return the sentence with its code, with options by these names."""
        return coded(self.code, self.text(names))

    def __str__(self) -> str:
        """Return the sentence with its code, with options by their names in Python."""
        return self.spelled()
