"""Trained states as files: written whole or not at all, and noticed if they are not what was written."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from ratesmith._text import one_line
from ratesmith.study_database import StudyError

STATE_NAME: Final = re.compile(r"[0-9a-f]{24}\.state(\.\d+\.part)?")
"""What `state_file` and `written_whole` call a state."""


class StateError(StudyError):
    """A state that could not be written, or is not what was written."""


def cannot_keep(folder: Path, error: Exception) -> StateError:
    """Return the error for a result that could not be written."""
    return StateError(
        f"{folder}: a result could not be kept ({one_line(error)}); make room, or make the folder writable: "
        "finished runs are safe, and the same command goes on from there"
    )


def state_file(folder: Path, name: str) -> Path:
    """Return the file for a state of this name."""
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.state"


def states_in(folder: Path) -> list[Path]:
    """Return the states in a folder, those too that were never written to their end; nothing that has another name."""
    return [path for path in folder.glob("*") if STATE_NAME.fullmatch(path.name)]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
