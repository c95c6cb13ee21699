"""A study's file: the runs of one comparison in SQLite, its tables by name, and how they are read.

Only the driver of a comparison writes it (`ratesmith.experiment.store`). Everybody else, forecasts among them, reads it
here, so that one place describes the tables.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from ratesmith._checks import Option, OptionValueError

STUDY_FILE: Final = "study.sqlite"
SCHEMA_VERSION: Final = 3
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS study (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY,
    strategy TEXT NOT NULL, base_lr REAL NOT NULL, seed INTEGER NOT NULL, steps INTEGER NOT NULL,
    status TEXT NOT NULL, updates INTEGER NOT NULL, shared INTEGER NOT NULL, shared_with TEXT NOT NULL,
    seconds REAL NOT NULL, message TEXT NOT NULL, rates TEXT NOT NULL, events TEXT NOT NULL,
    task_version TEXT, value_digests TEXT, log_path TEXT, traits TEXT,
    UNIQUE (strategy, base_lr, seed, steps)
) STRICT;
CREATE TABLE IF NOT EXISTS points (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL, split TEXT NOT NULL, metric TEXT NOT NULL, value REAL
) STRICT;
CREATE INDEX IF NOT EXISTS points_of_run ON points (run);
CREATE TABLE IF NOT EXISTS branches (
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL, trials TEXT NOT NULL, records TEXT NOT NULL, state TEXT, digest TEXT NOT NULL,
    shared_with TEXT NOT NULL, next_loss REAL, attempt INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS tests (
    strategy TEXT NOT NULL, base_lr REAL NOT NULL, seed INTEGER NOT NULL, steps INTEGER NOT NULL,
    metrics TEXT NOT NULL,
    PRIMARY KEY (strategy, base_lr, seed, steps)
) STRICT;
"""
"""`study` holds settings by key, as JSON. A column of more than one value is JSON too."""


class StudyError(OptionValueError):
    """A folder whose runs cannot be read, or cannot be gone on with; the message is one line for the user."""


class StoredRun(NamedTuple):
    """A row of `runs`, with JSON read."""

    id: int
    strategy: str
    base_lr: float
    seed: int
    steps: int
    """Updates that were asked for."""
    status: str
    updates: int
    """Updates that were made, those included that it shares."""
    shared: int
    shared_with: str
    seconds: float
    message: str
    rates: list[tuple[int, float]]
    events: list[tuple[int, str]]
    task_version: str | None
    """The version of the task, as the user named it."""
    value_digests: dict[str, str] | None
    """Digests of the values that the task was made of, by name."""
    log_path: str | None
    """Where the run's own log is."""
    traits: dict[str, float] | None
    """Numbers that describe the training, such as its batch size and width."""


RUN_COLUMNS: Final = StoredRun._fields[1:]
"""The columns of `runs` that a run fills, in order; the database gives the id."""


class StoredPoint(NamedTuple):
    """A row of `points`: one value of one measurement."""

    run: int
    """The run's id."""
    step: int
    split: str
    """ "train" or "validation"."""
    metric: str
    value: float
    """SQLite keeps NaN as NULL: it is read as NaN again."""


@contextmanager
def opened_study(folder: Path, *, any_version: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the study in a folder for reading, and leave its file as it is.

    Raise StudyError if there is none, if the file is not a study's, or if another version of Ratesmith has kept it.
    """
    require_study(folder)
    try:
        with closing(connect(folder, read_only=True)) as connection:
            version = stored_version(connection)
            if version is None:
                raise StudyError(f"{folder}: {STUDY_FILE} is not a study's file; give another folder")
            if not any_version:
                refuse_other_version(folder, version)
            yield connection
    except sqlite3.Error as error:
        raise StudyError(f"{folder}: the study cannot be read ({error}); give another folder, or delete it") from error


def require_study(folder: Path) -> None:
    """Raise StudyError if there is no study in a folder."""
    if not (folder / STUDY_FILE).is_file():
        raise StudyError(
            f"{folder}: there is no study here; give the folder of one, as `ratesmith study list` shows it"
        )


def connect(folder: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Return a connection to the file in a folder, each statement its own transaction unless one is begun."""
    path = (folder / STUDY_FILE).resolve()
    uri = f"{path.as_uri()}?mode=ro" if read_only else path.as_uri()
    return sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)


def stored_version(connection: sqlite3.Connection) -> str | None:
    """Return the version of the tables that a file has; None if it has none."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'study'").fetchone() is None:
        return None
    row = connection.execute("SELECT value FROM study WHERE key = 'schema'").fetchone()
    # Today the version comes with the tables; an older driver that was killed early has left tables without one.
    return "unknown" if row is None else str(row[0])


def refuse_other_version(folder: Path, version: str | None) -> None:
    """Raise StudyError if a file has tables of another version; it is not touched, not even to be converted."""
    if version not in (None, str(SCHEMA_VERSION)):
        raise StudyError(
            f"{folder}: the study here was kept by another version of Ratesmith (schema {version}, this one has "
            f"{SCHEMA_VERSION}) and is left as it is; give another ",
            Option("folder="),
            ", or delete this one",
        )


def read_settings(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return what is noted of the study as a whole."""
    return {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM study")}


def read_runs(connection: sqlite3.Connection) -> Iterator[StoredRun]:
    """Yield the runs in the order in which they ended."""
    for row in connection.execute(f"SELECT {', '.join(StoredRun._fields)} FROM runs ORDER BY id"):  # noqa: S608
        values = dict(zip(StoredRun._fields, row, strict=True))
        values["rates"] = [(step, rate) for step, rate in json.loads(values["rates"])]
        values["events"] = [(step, why) for step, why in json.loads(values["events"])]
        values |= {name: _decoded(values[name]) for name in ("value_digests", "traits")}
        yield StoredRun(**values)


def read_points(
    connection: sqlite3.Connection, *, split: str | None = None, metric: str | None = None
) -> Iterator[StoredPoint]:
    """Yield the measured values, of one split and metric if these are named, in the order in which they were kept."""
    chosen = "(:split IS NULL OR split = :split) AND (:metric IS NULL OR metric = :metric)"
    query = f"SELECT run, step, split, metric, value FROM points WHERE {chosen} ORDER BY rowid"  # noqa: S608
    for run, step, its_split, its_metric, value in connection.execute(query, {"split": split, "metric": metric}):
        yield StoredPoint(run, step, its_split, its_metric, math.nan if value is None else value)


def encoded(value: dict[str, Any] | None) -> str | None:
    """Return what a column holds that may be empty."""
    return None if value is None else json.dumps(value)


def _decoded(text: str | None) -> dict[str, Any] | None:
    value: dict[str, Any] | None = None if text is None else json.loads(text)
    return value
