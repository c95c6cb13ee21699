"""A study's folder: held by one driver at a time, and cleaned of what a study has written."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ratesmith._checks import Option
from ratesmith._whole_files import written_whole
from ratesmith.experiment.checkpoints import digest_of, states_in
from ratesmith.study_database import STUDY_FILE, StudyError, connect, opened_study

LOCK_FILE: Final = "lock.sqlite"
STATES: Final = "states"
LOGS: Final = "logs"
RESULTS: Final = ("results.json", "report.html")
WRITTEN: Final = "written"
"""The key under which a study lists the results that it has written."""


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


def results_of(folder: Path, *, any_version: bool = False) -> list[Path]:
    """Return the results in a folder that its study has written, and nobody has changed since."""
    present = [path for path in (folder / name for name in RESULTS) if path.exists()]
    # Looked up only if there are results: a driver that was killed at once leaves a file that is no study's yet.
    written = _written(folder, any_version=any_version) if present else {}
    return [path for path in present if path.is_file() and digest_of(path) in written.get(path.name, ())]


def refuse_foreign_results(folder: Path) -> None:
    """Raise StudyError if results would be written over a file that is not the study's own."""
    own = results_of(folder)
    for path in (folder / name for name in RESULTS):
        if path.exists() and path not in own:
            raise StudyError(
                f"{path}: this file was not written by a study here, or was changed since, and would be overwritten; "
                "move it, or give another ",
                Option("folder="),
            )


@contextmanager
def results_written(folder: Path) -> Iterator[Path]:
    """Return a folder to write results into; when the block ends they are listed in the study, and copied beside it."""
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)
        refuse_foreign_results(folder)
        contents = {path.name: path.read_bytes() for path in Path(temporary).iterdir()}
    before = _written(folder)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    # Listed before they are written: wherever this is cut off, each file is the old one or the new one, and known.
    _list(folder, {name: [*before.get(name, ()), digest] for name, digest in digests.items()})
    for name, content in contents.items():
        with written_whole(folder / name) as part:
            part.write_bytes(content)
    _list(folder, {name: [digest] for name, digest in digests.items()})


def _written(folder: Path, *, any_version: bool = False) -> dict[str, list[str]]:
    """Return the digests of what a study has written, by the name of the file."""
    if not (folder / STUDY_FILE).is_file():
        return {}
    with opened_study(folder, any_version=any_version) as database:
        row = database.execute("SELECT value FROM study WHERE key = ?", (WRITTEN,)).fetchone()
    written: dict[str, list[str]] = json.loads(row[0]) if row else {}
    return written


def _list(folder: Path, written: dict[str, list[str]]) -> None:
    with closing(connect(folder)) as database:
        database.execute("INSERT OR REPLACE INTO study VALUES (?, ?)", (WRITTEN, json.dumps(written)))


def own_files(folder: Path) -> list[Path]:
    """Return the files in a folder that a study has written."""
    names = (STUDY_FILE, f"{STUDY_FILE}-wal", f"{STUDY_FILE}-shm", LOCK_FILE)
    files = [folder / name for name in names if (folder / name).is_file()]
    # Logs by the names that a script's runs have: somebody else's may lie beside them.
    logs = sorted((folder / LOGS).glob(f"*-{'[0-9a-f]' * 8}.log"))
    return [*files, *states_in(folder / STATES), *logs, *results_of(folder, any_version=True)]


def clean(folder: Path) -> None:
    """Delete what a study has written into a folder, and the folder if nothing else is in it."""
    for path in own_files(folder):
        path.unlink(missing_ok=True)
    for place in (folder / STATES, folder / LOGS, folder):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
