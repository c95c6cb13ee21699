"""The store: how the driver of a comparison writes its runs and unfinished branches, with trained states beside them.

Whatever is in the file is whole: each result is one transaction, on disk before anything is built on it.
"""

from __future__ import annotations

import json
import math
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ratesmith._checks import Option
from ratesmith._whole_files import written_whole
from ratesmith.experiment.checkpoints import cannot_keep, state_file, states_in
from ratesmith.experiment.optimizers import OPTIMIZER
from ratesmith.experiment.sharing import Branch
from ratesmith.experiment.study_folder import LOCK_FILE, STATES, WRITTEN, clean, file_id, locked
from ratesmith.experiment.trial import FINAL, Point, Run, RunStatus, Trial
from ratesmith.study_database import (
    RUN_COLUMNS,
    SCHEMA,
    SCHEMA_VERSION,
    STUDY_FILE,
    StoredRun,
    StudyError,
    connect,
    encoded,
    read_points,
    read_runs,
    refuse_other_version,
    stored_version,
)

NO_SETTINGS: Final = ("holder", "call", "profile", "centre", "centres", "fitted", WRITTEN)
"""Keys of the table `study` on which no run depends."""
DEFAULTS: Final = {"folds": 0}
"""What a study that lacks a setting was made with."""
WORDS: Final = {
    "task_files": "the task's files",
    "first_losses": "the losses at the first steps",
    "task_version": "the version",
}
"""What settings are called in a message, if not by their key."""
BRANCH_COLUMNS: Final = ("step", "trials", "records", "state", "digest", "shared_with", "next_loss")


class Store:
    """One study's folder: `study.sqlite` and `states/`.

    The driver alone writes. It holds the folder by a lock that dies with its process, and every transaction checks that
    the folder is still its own, since on a shared file system a lock can be lost. What a worker sends is taken only if
    the branch's attempt is still the worker's.
    """

    def __init__(self, folder: Path) -> None:
        """Open the folder's store, making both if there are none."""
        self.folder = folder
        self.states = folder / STATES
        self._holder = uuid.uuid4().hex
        try:
            _refuse_others(folder)
            self.states.mkdir(parents=True, exist_ok=True)
            self._lock = locked(folder)
            self._connection = connect(folder)
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")  # WAL alone may lose the last commit with the power
            # The tables and their version come together, so that a file with tables and no version is an older one's.
            self._connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA}")
            self._connection.execute("INSERT OR IGNORE INTO study VALUES ('schema', ?)", (json.dumps(SCHEMA_VERSION),))
            self._connection.execute("COMMIT")
            self._connection.execute("INSERT OR REPLACE INTO study VALUES ('holder', ?)", (json.dumps(self._holder),))
            self._file, self._lock_file = file_id(folder / STUDY_FILE), file_id(folder / LOCK_FILE)
        except (OSError, sqlite3.Error) as error:
            raise StudyError(
                f"{folder}: runs cannot be kept here ({error}); give another ", Option("folder=")
            ) from error

    def __enter__(self) -> Store:
        """Use the store in a with block."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Close the database, and let another comparison have the folder.

        Raise StudyError if the study was deleted meanwhile, whatever else came of that.
        """
        gone = file_id(self.folder / STUDY_FILE) != self._file
        # What another comparison has begun here since then is not touched.
        if (
            gone
            and not (self.folder / STUDY_FILE).exists()
            and file_id(self.folder / LOCK_FILE) in (None, self._lock_file)
        ):
            clean(self.folder)
        self._connection.close()
        self._lock.close()
        if gone and (error is None or isinstance(error, Exception)):
            raise self._deleted() from error

    def _deleted(self) -> StudyError:
        return StudyError(
            f"{self.folder}: the study was deleted while it ran, and nothing of it is kept; give the command again to "
            "begin anew"
        )

    def settle(self, settings: Mapping[str, Any]) -> None:
        """Note what the runs depend on; refuse to mix in runs that depended on something else."""
        # The schema is among them, since what was settled before is compared key by key.
        wanted = {"schema": SCHEMA_VERSION, **settings}
        for path in states_in(self.states):
            if path.suffix == ".part":
                path.unlink(missing_ok=True)  # what an interrupted write left
        with self._transaction() as do:
            rows = do("SELECT key, value FROM study").fetchall()
            stored = {key: json.loads(value) for key, value in rows if key not in NO_SETTINGS}
            is_new = stored.keys() <= {"schema"}
            added = [key for key in wanted if key.startswith(OPTIMIZER) and key not in stored]
            changed = [
                key
                for key in wanted
                if not is_new and key not in added and not _same(stored.get(key, DEFAULTS.get(key)), wanted[key])
            ]
            if changed and not do("SELECT count(*) FROM runs WHERE status IN (?, ?)", FINAL).fetchone()[0]:
                do(
                    "DELETE FROM study WHERE key NOT IN ('holder', ?)", (WRITTEN,)
                )  # nothing was finished: nothing to mix
                do("DELETE FROM branches")
                do("DELETE FROM runs")
                is_new = True
            elif changed:
                was = ", ".join(_changed(key, stored.get(key), wanted[key]) for key in changed)
                raise StudyError(
                    f"{self.folder}: the runs here were made with other settings: {was}; give another ",
                    Option("folder="),
                    ", or delete this one",
                )
            for key in wanted if is_new else added:
                do("INSERT OR REPLACE INTO study VALUES (?, ?)", (key, json.dumps(wanted[key])))

    def require_version(self, version: str | None) -> None:
        """Refuse to go on with finished runs of a task that is an object, unless the user says that it is the same."""
        finished = "SELECT count(*) FROM runs WHERE status IN (?, ?)"
        if not self._connection.execute(finished, FINAL).fetchone()[0]:
            return
        before = self.get("task_version")
        if before is None:
            raise StudyError(
                f"{self.folder}: there are runs of a task that is an object, and whether it is still the same "
                "cannot be known; give another ",
                Option("folder="),
                ", and from its first call on a ",
                Option("version="),
                " that you change with the task",
            )
        if version != before:
            raise StudyError(
                f"{self.folder}: the runs here are of another version of the task, {before!r}, now {version!r}; give ",
                Option("version="),
                f"{before!r} if the task is the same, or another ",
                Option("folder="),
            )

    def note(self, key: str, value: Any) -> None:
        """Keep something about the study that is no setting: its call, the finder's rate, the size that was fitted."""
        with self._transaction() as do:
            do("INSERT OR REPLACE INTO study VALUES (?, ?)", (key, json.dumps(value)))

    def get(self, key: str) -> Any:
        """Return what `note` kept; None if there is nothing."""
        row = self._connection.execute("SELECT value FROM study WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def states_size(self) -> int:
        """Return the bytes that all states take."""
        total = 0
        for path in states_in(self.states):
            with suppress(FileNotFoundError):  # a worker has just given it its name, or has thrown it away
                total += path.stat().st_size
        return total

    def runs(self) -> dict[Trial, Run]:
        """Return all runs."""
        return runs_in(self._connection)

    def take(self, branch_id: int, attempt: int, run: Run | None, left: Branch | None, forked: Branch | None) -> int:
        """Take in what a worker sends, all of it or nothing: a run that ended, a fork, what is left of the branch.

        Return the id of the forked branch, 0 if there is none. Raise StudyError if the worker's attempt is over.
        """
        with self._transaction() as do:
            # Checked in the transaction that writes: an attempt cannot end between the two.
            row = do("SELECT attempt FROM branches WHERE id = ?", (branch_id,)).fetchone()
            if row is None or row[0] != attempt:
                raise StudyError(
                    f"{self.folder}: attempt {attempt} at branch {branch_id} is over; its result is dropped"
                )
            if run is not None:
                self._put(do, run)
            if left is None:
                do("DELETE FROM branches WHERE id = ?", (branch_id,))
            else:
                changes = ", ".join(f"{column} = ?" for column in BRANCH_COLUMNS)
                do(f"UPDATE branches SET {changes} WHERE id = ?", (*_branch_row(left), branch_id))  # noqa: S608
            return 0 if forked is None else self._insert(do, forked)

    def add_branches(self, branches: Iterable[Branch]) -> list[int]:
        """Keep branches that are to be trained; return their ids."""
        with self._transaction() as do:
            return [self._insert(do, branch) for branch in branches]

    def branches(self) -> dict[int, Branch]:
        """Return the branches that an earlier driver left unfinished."""
        branches = {}
        query = f"SELECT id, {', '.join(BRANCH_COLUMNS)} FROM branches"  # noqa: S608  # constants
        for key, step, trials, records, state, digest, shared_with, next_loss in self._connection.execute(query):
            # JSON keeps doubles exactly, so a trial that is read is equal to the one that was written.
            read = tuple(Trial(*trial) for trial in json.loads(trials))
            path = None if state is None else str(self.states / state)
            branches[key] = Branch(read, step, tuple(json.loads(records)), path, digest, shared_with, next_loss)
        return branches

    def narrow(self, key: int, branch: Branch) -> None:
        """Leave a branch with fewer of its trials."""
        with self._transaction() as do:
            do("UPDATE branches SET trials = ?, records = ? WHERE id = ?", (*_branch_row(branch)[1:3], key))

    def forget_branches(self, keys: Iterable[int]) -> None:
        """Drop branches whose trials nobody waits for."""
        with self._transaction() as do:
            for key in keys:
                do("DELETE FROM branches WHERE id = ?", (key,))

    def next_attempt(self, branch_id: int) -> int:
        """Begin another attempt at a branch: what the one before still sends is dropped."""
        with self._transaction() as do:
            do("UPDATE branches SET attempt = attempt + 1 WHERE id = ?", (branch_id,))
            return int(do("SELECT attempt FROM branches WHERE id = ?", (branch_id,)).fetchone()[0])

    def put(self, run: Run) -> None:
        """Keep a run that no worker sent."""
        with self._transaction() as do:
            self._put(do, run)

    def _put(self, do: Any, run: Run) -> None:
        where = "strategy = ? AND base_lr = ? AND seed = ? AND steps = ?"
        was = do(f"SELECT status FROM runs WHERE {where}", run.trial).fetchone()  # noqa: S608  # a constant
        if was is not None and was[0] in FINAL:
            return  # a finished run stays as it is
        # Its points go with it: they reference the run.
        do(f"DELETE FROM runs WHERE {where}", run.trial)  # noqa: S608
        columns, places = ", ".join(RUN_COLUMNS), ", ".join("?" * len(RUN_COLUMNS))
        key = do(f"INSERT INTO runs ({columns}) VALUES ({places})", _run_row(run)).lastrowid  # noqa: S608
        self._connection.executemany("INSERT INTO points VALUES (?, ?, ?, ?, ?)", _point_rows(key, run.curve))

    def _insert(self, do: Any, branch: Branch) -> int:
        columns, places = ", ".join((*BRANCH_COLUMNS, "attempt")), ", ".join("?" * (len(BRANCH_COLUMNS) + 1))
        row = (*_branch_row(branch), 1)
        return int(do(f"INSERT INTO branches ({columns}) VALUES ({places})", row).lastrowid)  # noqa: S608

    def add_test(self, trial: Trial, metrics: Mapping[str, float]) -> None:
        """Keep what a trained state measured on the test set."""
        with self._transaction() as do:
            do("INSERT OR IGNORE INTO tests VALUES (?, ?, ?, ?, ?)", (*trial, json.dumps(dict(metrics))))

    def tests(self) -> dict[Trial, dict[str, float]]:
        """Return all test results: more than one strategy's, if the winner changed as the study grew."""
        rows = self._connection.execute("SELECT * FROM tests").fetchall()
        return {Trial(*row[:4]): json.loads(row[4]) for row in rows}

    def write_state(self, name: str, content: bytes) -> str:
        """Keep a state that came as bytes; return its path."""
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
        for path in states_in(self.states):
            if path not in paths and path.suffix == ".state":
                path.unlink(missing_ok=True)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """Run a block in one transaction, if the folder is still this driver's."""
        # SQLite writes on into a file that was deleted, and says nothing.
        if file_id(self.folder / STUDY_FILE) != self._file:
            raise self._deleted()
        try:
            try:
                self._connection.execute("BEGIN IMMEDIATE")  # so that nobody else writes after the check
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


def _changed(key: str, before: Any, now: Any) -> str:
    """Return what has changed; two digests would tell nobody anything."""
    if key == "task_files":
        return f"{WORDS[key]} have changed since"
    if key.startswith(OPTIMIZER):
        if before["function"] != now["function"]:
            return f"the {key} {before['function']!r}, now {now['function']!r}"
        before, now, key = before["first_losses"], now["first_losses"], f"the losses at the first steps with the {key}"
    return f"{WORDS.get(key, key)} {before!r}, now {now!r}"


def _refuse_others(folder: Path) -> None:
    """Refuse a folder that another version wrote, before anything in it is touched."""
    if (folder / STUDY_FILE).is_file():
        with closing(connect(folder, read_only=True)) as connection:
            version = stored_version(connection)
            refuse_other_version(folder, version)
            if version is None and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise StudyError(f"{folder}: {STUDY_FILE} is not a study's file; give another ", Option("folder="))


def runs_in(connection: sqlite3.Connection) -> dict[Trial, Run]:
    """Return all runs of a study that is open; raise ValueError for one that cannot be read."""
    measured: dict[int, dict[int, tuple[dict[str, float], dict[str, float]]]] = {}
    for point in read_points(connection):
        train, validation = measured.setdefault(point.run, {}).setdefault(point.step, ({}, {}))
        (train if point.split == "train" else validation)[point.metric] = point.value
    runs = {}
    for row in read_runs(connection):
        points = sorted(measured.get(row.id, {}).items())
        curve = tuple(Point(step, train.get("loss"), validation) for step, (train, validation) in points)
        run = _run(row, curve)
        runs[run.trial] = run
    return runs


def _run(row: StoredRun, curve: tuple[Point, ...]) -> Run:
    status = RunStatus(row.status)
    return Run(
        trial=Trial(row.strategy, row.base_lr, row.seed, row.steps),
        status=status,
        updates=row.updates,
        seconds=row.seconds,
        metrics=curve[-1].metrics if status == RunStatus.DONE and curve else {},
        curve=curve,
        rates=tuple(row.rates),
        message=row.message,
        events=tuple(row.events),
        shared=row.shared,
        shared_with=row.shared_with,
        task_version=row.task_version,
        value_digests=row.value_digests,
        log_path=row.log_path,
        traits=row.traits,
    )


def _run_row(run: Run) -> tuple[Any, ...]:
    """Return the columns of a run, in the order of RUN_COLUMNS."""
    return (
        *(*run.trial, run.status.value, run.updates, run.shared, run.shared_with, run.seconds, run.message),
        *(json.dumps(run.rates), json.dumps(run.events)),
        *(run.task_version, encoded(run.value_digests), run.log_path, encoded(run.traits)),
    )


def _point_rows(run: int, curve: Iterable[Point]) -> Iterator[tuple[int, int, str, str, float]]:
    """Yield a run's measurements as rows."""
    for point in curve:
        if point.train_loss is not None:
            yield run, point.step, "train", "loss", point.train_loss
        for name, value in point.metrics.items():
            yield run, point.step, "validation", name, value


def _branch_row(branch: Branch) -> tuple[int, str, str, str | None, str, str, float | None]:
    """Return the columns of a branch, in the order of BRANCH_COLUMNS; states by name, so that a folder can be moved."""
    state = None if branch.state is None else Path(str(branch.state)).name
    trials, records = json.dumps(branch.trials), json.dumps(branch.records)
    return branch.step, trials, records, state, branch.digest, branch.shared_with, branch.next_loss


def _same(before: Any, now: Any) -> bool:
    """Whether two settings are equal; measurements may differ as far as hardware makes them."""
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=1e-3) or (math.isnan(before) and math.isnan(now))
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(_same, before, now))
    return bool(before == now)
