"""The store: finished runs and test results in one SQLite file, trained states beside it."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ratesmith.experiment.trial import Run, Trial

SCHEMA_VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS study (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    strategy TEXT NOT NULL, base_lr REAL NOT NULL, seed INTEGER NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (strategy, base_lr, seed)
);
CREATE TABLE IF NOT EXISTS tests (
    strategy TEXT NOT NULL, base_lr REAL NOT NULL, seed INTEGER NOT NULL, metrics TEXT NOT NULL,
    PRIMARY KEY (strategy, base_lr, seed)
);
"""


class StudyError(Exception):
    """A folder whose runs cannot be gone on with; the message is one line for the user."""


class Store:
    """One comparison's folder: `study.sqlite` and `states/`. Each result is one short transaction."""

    def __init__(self, folder: Path) -> None:
        """Open the folder's store, making both where there are none."""
        self.folder = folder
        self.states = folder / "states"
        try:
            self.states.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder)
            self._connection = sqlite3.connect(folder / "study.sqlite", timeout=30, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StudyError(f"{folder}: runs cannot be kept here ({error}); give another folder") from error

    def __enter__(self) -> Store:
        """Use the store in a with block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the database, and let another comparison have the folder."""
        self._connection.close()
        self._lock.close()

    def settle(self, settings: Mapping[str, Any]) -> None:
        """Note what the runs depend on; refuse to mix in runs that depended on something else."""
        wanted = {"schema": SCHEMA_VERSION, **settings}
        for path in self.states.glob("*.part"):
            path.unlink(missing_ok=True)  # what an interrupted write left
        with self._transaction() as do:
            known = {key: json.loads(value) for key, value in do("SELECT key, value FROM study")}
            changed = [key for key in wanted if known and not _same(known.get(key), wanted[key])]
            if changed and not do("SELECT count(*) FROM runs").fetchone()[0]:
                do("DELETE FROM study")  # nothing was finished under the old settings: nothing to mix
                known = {}
            elif changed:
                was = ", ".join(f"{key} {known.get(key)!r}, now {wanted[key]!r}" for key in changed)
                raise StudyError(
                    f"{self.folder}: the runs here were made with other settings: {was}; "
                    "give another folder with --out, or delete this one"
                )
            for key, value in () if known else wanted.items():
                do("INSERT INTO study VALUES (?, ?)", (key, json.dumps(value)))

    def add(self, run: Run) -> None:
        """Keep a finished run."""
        with self._transaction() as do:
            do("INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?)", (*run.trial, json.dumps(run.to_dict())))

    def runs(self) -> dict[Trial, Run]:
        """Give all finished runs."""
        rows = self._connection.execute("SELECT data FROM runs").fetchall()
        return {run.trial: run for run in (Run.from_dict(json.loads(data)) for (data,) in rows)}

    def add_test(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        """Keep what a trained state measured on the test set."""
        with self._transaction() as do:
            do("INSERT OR IGNORE INTO tests VALUES (?, ?, ?, ?)", (*trial, json.dumps(dict(metrics))))

    def tests(self) -> dict[Trial, dict[str, float]]:
        """Give all test results: more than one strategy's, where the winner changed as the study grew."""
        rows = self._connection.execute("SELECT * FROM tests").fetchall()
        return {Trial(strategy, base_lr, seed): json.loads(data) for strategy, base_lr, seed, data in rows}

    def state_path(self, trial: Trial) -> Path:
        """Give the file that holds the trained state of a trial."""
        return self.states / f"{hashlib.sha256(repr(tuple(trial)).encode()).hexdigest()[:24]}.state"

    def keep_states(self, trials: set[Trial]) -> None:
        """Delete the trained states of all other trials."""
        wanted = {self.state_path(trial) for trial in trials}
        for path in self.states.glob("*.state"):
            if path not in wanted:
                path.unlink(missing_ok=True)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
            except BaseException:
                # On some errors, a full disk's among them, SQLite has rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise cannot_keep(self.folder, error) from error


def cannot_keep(folder: Path, error: Exception) -> StudyError:
    """Give the error for a result that could not be written."""
    return StudyError(
        f"{folder}: a result could not be kept ({error}); make room, or make the folder writable: "
        "finished runs are safe, and the same command goes on from there"
    )


def _same(before: Any, now: Any) -> bool:
    """Tell whether two settings are equal; measurements may differ as far as hardware makes them."""
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=1e-3) or (math.isnan(before) and math.isnan(now))
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(_same, before, now))
    return bool(before == now)


def _locked(folder: Path) -> sqlite3.Connection:
    """Give a connection that holds the folder until it is closed, or its process dies."""
    lock = sqlite3.connect(folder / "lock.sqlite", timeout=0, isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        raise StudyError(
            f"{folder}: another comparison is running in this folder; wait for it, or give another folder with --out"
        ) from error
    return lock


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path to write to that becomes `path` only when all is on disk."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("r+b") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
