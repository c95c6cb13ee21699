"""A study's folder: held by one driver at a time, and cleaned of what a study has written."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from ratesmith._checks import Option
from ratesmith.study_database import STUDY_FILE, StudyError

LOCK_FILE: Final = "lock.sqlite"


def file_id(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another that has its name by now; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def locked(folder: Path) -> sqlite3.Connection:
    """Return a connection that holds the folder until it is closed, or its process dies."""
    # A file of its own: a lock on study.sqlite itself would shut readers out, `ratesmith study list` among them.
    lock = sqlite3.connect(folder / LOCK_FILE, timeout=0, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise StudyError(
            f"{folder}: another comparison is running in this folder; wait for it, or give another ",
            Option("folder="),
        ) from error
    return lock


def taken(folder: Path) -> bool:
    """Whether a comparison is running in a folder."""
    try:
        locked(folder).close()
    except StudyError:
        return True
    return False


def clean(folder: Path) -> None:
    """Delete what a study has written into a folder, and the folder if nothing else is in it."""
    files = (STUDY_FILE, f"{STUDY_FILE}-wal", f"{STUDY_FILE}-shm", LOCK_FILE, "results.json", "report.html")
    for name in files:
        (folder / name).unlink(missing_ok=True)
    # Logs by the names that a script's runs have: somebody else's may lie beside them.
    for path in (*(folder / "states").glob("*"), *(folder / "logs").glob(f"*-{'[0-9a-f]' * 8}.log")):
        path.unlink(missing_ok=True)
    for place in (folder / "states", folder / "logs", folder):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
