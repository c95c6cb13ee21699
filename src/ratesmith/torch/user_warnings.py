"""Warnings that point at the user's own line, wherever in this package, or in torch's, they come from."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import torch

_INSIDE: Final = (str(Path(__file__).parent), str(Path(torch.__file__).parent))


class Information(UserWarning):
    """A line that tells a fact of a training in which nothing need be wrong."""


def warn_user(notes: Iterable[str], category: type[Warning] = UserWarning) -> None:
    """Warn once of each thing that is said; the line is that of the first caller outside."""
    for note in dict.fromkeys(notes):
        level, frame = 2, sys._getframe(1)
        while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
            level, frame = level + 1, frame.f_back
        warnings.warn(note, category, stacklevel=level)
