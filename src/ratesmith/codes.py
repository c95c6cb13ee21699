"""Every warning, flag and diagnostic by its stable code, as docs/codes.md explains them."""

from __future__ import annotations

from typing import Final, NamedTuple


class Code(NamedTuple):
    """What may be wrong: once given, a code keeps its meaning and is never used for anything else."""

    number: str
    """RS1..: found by `find`; RS2..: by a scheduler in a training; RS3..: by `compare`; RS4..: by `forecast`."""
    name: str
    """The same for programs: a finder's flag, a diagnostic's kind."""
    meaning: str
    """What it says, in one sentence that holds wherever it appears."""


CODES: Final = {
    code.number: code
    for code in (Code("RS101", "edge", "The rate lies on the edge of those tried: a better one may lie beyond it."),)
}
"""All codes, in order."""


def coded(number: str, text: str) -> str:
    """Return a sentence with its code, by which the documentation explains it.

    >>> coded("RS101", "The best rate is the highest tried.")
    'The best rate is the highest tried. [RS101]'
    """
    return f"{text} [{CODES[number].number}]"
