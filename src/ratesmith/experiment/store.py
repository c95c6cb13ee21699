"""The store: one study's runs, measurements and unfinished bundles in one SQLite file, trained states beside it."""

from __future__ import annotations

import json
import math
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ratesmith.experiment.states import StudyError, cannot_keep, state_file, written_whole
from ratesmith.experiment.trial import FINAL, Bundle, Point, Run, Trial

SCHEMA_VERSION: Final = 2
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS study (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY,
    strategy TEXT NOT NULL, base_lr REAL NOT NULL, seed INTEGER NOT NULL, steps INTEGER NOT NULL,
    status TEXT NOT NULL, made INTEGER NOT NULL, shared INTEGER NOT NULL, grew_from TEXT NOT NULL,
    seconds REAL NOT NULL, message TEXT NOT NULL, rates TEXT NOT NULL, acts TEXT NOT NULL,
    UNIQUE (strategy, base_lr, seed, steps)
) STRICT;
CREATE TABLE IF NOT EXISTS points (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL, split TEXT NOT NULL, name TEXT NOT NULL, value REAL
) STRICT;
CREATE INDEX IF NOT EXISTS points_of_run ON points (run);
CREATE TABLE IF NOT EXISTS bundles (
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL, trials TEXT NOT NULL, records TEXT NOT NULL, state TEXT, digest TEXT NOT NULL,
    grew_from TEXT NOT NULL, next_loss REAL, attempt INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS tests (
    strategy TEXT NOT NULL, base_lr REAL NOT NULL, seed INTEGER NOT NULL, steps INTEGER NOT NULL,
    metrics TEXT NOT NULL,
    PRIMARY KEY (strategy, base_lr, seed, steps)
) STRICT;
"""
RUN_COLUMNS: Final = "strategy, base_lr, seed, steps, status, made, shared, grew_from, seconds, message, rates, acts"


class Store:
    """One study's folder: `study.sqlite` and `states/`.

    The driver alone writes. It holds the folder by a lock that dies with its process, and every transaction checks that
    the folder is still its own, since on a shared file system a lock can be lost. What a job has to tell is taken only
    where the bundle's attempt is still the job's.
    """

    def __init__(self, folder: Path) -> None:
        """Open the folder's store, making both where there are none."""
        self.folder = folder
        self.states = folder / "states"
        self._holder = uuid.uuid4().hex
        try:
            self.states.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder)
            self._connection = connect(folder)
            self._connection.execute("PRAGMA synchronous = FULL")
            self._refuse_others()
            self._connection.executescript(SCHEMA)
            self._connection.execute("INSERT OR REPLACE INTO study VALUES ('holder', ?)", (json.dumps(self._holder),))
        except (OSError, sqlite3.Error) as error:
            raise StudyError(f"{folder}: runs cannot be kept here ({error}); give another folder") from error

    def __enter__(self) -> Store:
        """Use the store in a with block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the database, and let another comparison have the folder."""
        self._connection.close()
        self._lock.close()

    def _refuse_others(self) -> None:
        """Refuse a folder that another version wrote."""
        if self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'study'").fetchone() is None:
            return
        row = self._connection.execute("SELECT value FROM study WHERE key = 'schema'").fetchone()
        if row is not None and json.loads(row[0]) != SCHEMA_VERSION:
            raise StudyError(
                f"{self.folder}: the runs here were kept by another version of Ratesmith (schema {row[0]}, this one "
                f"has {SCHEMA_VERSION}); give another folder with --out, or delete this one"
            )

    def settle(self, settings: Mapping[str, Any]) -> None:
        """Note what the runs depend on; refuse to mix in runs that depended on something else."""
        wanted = {"schema": SCHEMA_VERSION, **settings}
        for path in self.states.glob("*.part"):
            path.unlink(missing_ok=True)  # what an interrupted write left
        with self._transaction() as do:
            rows = do("SELECT key, value FROM study WHERE key NOT IN ('holder', 'call', 'centre', 'fitted')")
            known = {key: json.loads(value) for key, value in rows}
            changed = [key for key in wanted if known and not _same(known.get(key), wanted[key])]
            if changed and not do("SELECT count(*) FROM runs WHERE status IN (?, ?)", FINAL).fetchone()[0]:
                do("DELETE FROM study WHERE key != 'holder'")  # nothing was finished: nothing to mix
                do("DELETE FROM bundles")
                do("DELETE FROM runs")
                known = {}
            elif changed:
                was = ", ".join(f"{key} {known.get(key)!r}, now {wanted[key]!r}" for key in changed)
                raise StudyError(
                    f"{self.folder}: the runs here were made with other settings: {was}; "
                    "give another folder with --out, or delete this one"
                )
            for key, value in () if known else wanted.items():
                do("INSERT INTO study VALUES (?, ?)", (key, json.dumps(value)))

    def note(self, key: str, value: Any) -> None:
        """Keep something about the study that is no setting: its call, the finder's rate, the size that was fitted."""
        with self._transaction() as do:
            do("INSERT OR REPLACE INTO study VALUES (?, ?)", (key, json.dumps(value)))

    def get(self, key: str) -> Any:
        """Return what `note` kept; None where there is nothing."""
        row = self._connection.execute("SELECT value FROM study WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def states_size(self) -> int:
        """Return the bytes that all states take."""
        return sum(path.stat().st_size for path in self.states.glob("*.state"))

    def runs(self) -> dict[Trial, Run]:
        """Return all runs."""
        return read_runs(self._connection)

    def take(self, bundle_id: int, attempt: int, part: Run | None, left: Bundle | None, parted: Bundle | None) -> int:
        """Take in what a job tells, all of it or nothing: a run that ended, a bundle that parted, what is left of it.

        Gives the id of the parted bundle, 0 where there is none. Raises StudyError where the job is no longer the
        bundle's.
        """
        with self._transaction() as do:
            row = do("SELECT attempt FROM bundles WHERE id = ?", (bundle_id,)).fetchone()
            if row is None or row[0] != attempt:
                raise StudyError(
                    f"{self.folder}: attempt {attempt} at bundle {bundle_id} is over; its result is dropped"
                )
            if part is not None:
                self._put(do, part)
            if left is None:
                do("DELETE FROM bundles WHERE id = ?", (bundle_id,))
            else:
                do(
                    "UPDATE bundles SET step=?, trials=?, records=?, state=?, digest=?, grew_from=?, next_loss=? "
                    "WHERE id=?",
                    (*_bundle_row(left), bundle_id),
                )
            return 0 if parted is None else self._insert(do, parted)

    def add_bundles(self, bundles: Iterable[Bundle]) -> list[int]:
        """Keep bundles that are to be trained; give their ids."""
        with self._transaction() as do:
            return [self._insert(do, bundle) for bundle in bundles]

    def bundles(self) -> dict[int, Bundle]:
        """Return the bundles that an earlier driver left unfinished."""
        found = {}
        for key, step, trials, records, state, digest, grew_from, next_loss in self._connection.execute(
            "SELECT id, step, trials, records, state, digest, grew_from, next_loss FROM bundles"
        ):
            members = tuple(Trial(*trial) for trial in json.loads(trials))
            path = None if state is None else str(self.states / state)
            found[key] = Bundle(members, step, tuple(json.loads(records)), path, digest, grew_from, next_loss)
        return found

    def narrow(self, key: int, bundle: Bundle) -> None:
        """Leave a bundle with fewer of its trials."""
        with self._transaction() as do:
            do("UPDATE bundles SET trials = ?, records = ? WHERE id = ?", (*_bundle_row(bundle)[1:3], key))

    def forget_bundles(self, keys: Iterable[int]) -> None:
        """Drop bundles whose trials nobody waits for."""
        with self._transaction() as do:
            for key in keys:
                do("DELETE FROM bundles WHERE id = ?", (key,))

    def next_attempt(self, bundle_id: int) -> int:
        """Begin another attempt at a bundle: what the one before still tells is dropped."""
        with self._transaction() as do:
            do("UPDATE bundles SET attempt = attempt + 1 WHERE id = ?", (bundle_id,))
            return int(do("SELECT attempt FROM bundles WHERE id = ?", (bundle_id,)).fetchone()[0])

    def put(self, run: Run) -> None:
        """Keep a run that no job told."""
        with self._transaction() as do:
            self._put(do, run)

    def _put(self, do: Any, run: Run) -> None:
        row = (
            *(*run.trial, run.status, run.steps, run.shared, run.grew_from, run.seconds, run.message),
            *(json.dumps(run.rates), json.dumps(run.acts)),
        )
        where = "strategy = ? AND base_lr = ? AND seed = ? AND steps = ?"
        was = do(f"SELECT status FROM runs WHERE {where}", run.trial).fetchone()  # noqa: S608  # a constant
        if was is not None and was[0] in FINAL:
            return  # a finished run stays as it is
        do(f"DELETE FROM runs WHERE {where}", run.trial)  # noqa: S608
        key = do(f"INSERT INTO runs ({RUN_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", row).lastrowid  # noqa: S608
        self._connection.executemany("INSERT INTO points VALUES (?, ?, ?, ?, ?)", point_rows(key, run.curve))

    def _insert(self, do: Any, bundle: Bundle) -> int:
        row = (*_bundle_row(bundle), 1)
        key = do(
            "INSERT INTO bundles (step, trials, records, state, digest, grew_from, next_loss, attempt) "
            "VALUES (?,?,?,?,?,?,?,?)",
            row,
        ).lastrowid
        return int(key)

    def add_test(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        """Keep what a trained state measured on the test set."""
        with self._transaction() as do:
            do("INSERT OR IGNORE INTO tests VALUES (?, ?, ?, ?, ?)", (*trial, json.dumps(dict(metrics))))

    def tests(self) -> dict[Trial, dict[str, float]]:
        """Return all test results: more than one strategy's, where the winner changed as the study grew."""
        rows = self._connection.execute("SELECT * FROM tests").fetchall()
        return {Trial(*row[:4]): json.loads(row[4]) for row in rows}

    def write_state(self, name: str, content: bytes) -> str:
        """Keep a state that came as bytes; give its path."""
        path = state_file(self.states, name)
        try:
            with written_whole(path) as part:
                part.write_bytes(content)
        except OSError as error:
            raise cannot_keep(self.folder, error) from error
        return str(path)

    def state_path(self, trial: Trial) -> Path:
        """Return the file that holds the state at the end of a trial."""
        return state_file(self.states, repr(tuple(trial)))

    def keep_states(self, paths: set[Path]) -> None:
        """Delete all other states."""
        for path in self.states.glob("*.state"):
            if path not in paths:
                path.unlink(missing_ok=True)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        try:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                holder = self._connection.execute("SELECT value FROM study WHERE key = 'holder'").fetchone()
                if holder is None or json.loads(holder[0]) != self._holder:
                    raise StudyError(
                        f"{self.folder}: another comparison has taken this folder over; stop one of the two, and give "
                        "the other's command again"
                    )
                yield self._connection.execute
            except BaseException:
                # On some errors, a full disk's among them, SQLite has rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise cannot_keep(self.folder, error) from error


def connect(folder: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a study's database."""
    path = (folder / "study.sqlite").resolve()
    uri = f"{path.as_uri()}?mode=ro" if read_only else path.as_uri()
    connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def read_runs(connection: sqlite3.Connection) -> dict[Trial, Run]:
    """Return all runs."""
    measured: dict[int, dict[int, tuple[dict[str, float], dict[str, float]]]] = {}
    for run, step, split, name, value in connection.execute("SELECT * FROM points"):
        train, validation = measured.setdefault(run, {}).setdefault(step, ({}, {}))
        (train if split == "train" else validation)[name] = math.nan if value is None else value
    runs = {}
    for row in connection.execute(f"SELECT id, {RUN_COLUMNS} FROM runs ORDER BY id"):  # noqa: S608
        key, strategy, base_lr, seed, steps, status, made, shared, grew_from, seconds, message, rates, acts = row
        points = sorted(measured.get(key, {}).items())
        curve = tuple(Point(step, train.get("loss"), validation) for step, (train, validation) in points)
        run = Run(
            trial=Trial(strategy, base_lr, seed, steps),
            status=status,
            steps=made,
            seconds=seconds,
            metrics=curve[-1].metrics if status == "done" and curve else {},
            curve=curve,
            rates=tuple((step, rate) for step, rate in json.loads(rates)),
            message=message,
            acts=tuple((step, why) for step, why in json.loads(acts)),
            shared=shared,
            grew_from=grew_from,
        )
        runs[run.trial] = run
    return runs


def point_rows(run: int, curve: Iterable[Point]) -> Iterator[tuple[int, int, str, str, float]]:
    """Return a run's measurements as rows."""
    for point in curve:
        if point.train_loss is not None:
            yield run, point.step, "train", "loss", point.train_loss
        for name, value in point.metrics.items():
            yield run, point.step, "validation", name, value


def _bundle_row(bundle: Bundle) -> tuple[int, str, str, str | None, str, str, float | None]:
    state = None if bundle.state is None else Path(str(bundle.state)).name
    trials, records = json.dumps(bundle.trials), json.dumps(bundle.records)
    return bundle.step, trials, records, state, bundle.digest, bundle.grew_from, bundle.next_loss


def _same(before: Any, now: Any) -> bool:
    """Whether two settings are equal; measurements may differ as far as hardware makes them."""
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=1e-3) or (math.isnan(before) and math.isnan(now))
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(_same, before, now))
    return bool(before == now)


def _locked(folder: Path) -> sqlite3.Connection:
    """Return a connection that holds the folder until it is closed, or its process dies."""
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


def taken(folder: Path) -> bool:
    """Whether a comparison is running in a folder."""
    try:
        _locked(folder).close()
    except StudyError:
        return True
    return False


def clean(folder: Path) -> None:
    """Delete what a study has written into a folder, and the folder where nothing else is in it."""
    for name in ("study.sqlite", "study.sqlite-wal", "study.sqlite-shm", "lock.sqlite", "results.json", "report.html"):
        (folder / name).unlink(missing_ok=True)
    for path in (folder / "states").glob("*"):
        path.unlink(missing_ok=True)
    for place in (folder / "states", folder):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
