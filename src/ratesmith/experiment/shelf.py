"""Studies on disk: which there are, whether one is whole, its runs as a table, its call given again, its end."""

from __future__ import annotations

import contextlib
import csv
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ratesmith.experiment.states import StudyError, digest_of
from ratesmith.experiment.store import SCHEMA_VERSION, clean, connect, read_runs, taken
from ratesmith.experiment.trial import STATUSES, Run, Trial


class Shelved(NamedTuple):
    """A study in a folder."""

    folder: Path
    task: str
    steps: int
    runs: dict[str, int]
    """How many runs ended with each status."""
    unfinished: int
    """Bundles of trials that wait to be gone on with."""
    bytes: int
    running: bool


def studies(root: Path) -> list[Shelved]:
    """Return the studies in a folder and below it; those that cannot be read are left out."""
    found = []
    for file in sorted(root.rglob("study.sqlite")):
        with contextlib.suppress(StudyError):
            found.append(describe(file.parent))
    return found


def describe(folder: Path) -> Shelved:
    """Return what is in a study."""
    with _opened(folder) as database:
        settings = _settings(database)
        runs = Counter(status for (status,) in database.execute("SELECT status FROM runs"))
        unfinished = database.execute("SELECT count(*) FROM bundles").fetchone()[0]
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    steps = int(settings.get("steps", 0))
    return Shelved(folder, str(settings.get("task", "?")), steps, dict(runs), unfinished, size, taken(folder))


def verify(folder: Path) -> list[str]:
    """Return what is wrong with a study, a sentence each; nothing where it is whole.

    The database's own check, every run read, every state that a bundle waits for compared with its digest.
    """
    wrong = []
    with _opened(folder) as database:
        wrong += [str(row[0]) for row in database.execute("PRAGMA integrity_check") if row[0] != "ok"]
        wrong += [f"table {row[0]}: a row belongs to nothing" for row in database.execute("PRAGMA foreign_key_check")]
        try:
            runs = read_runs(database)
        except (ValueError, KeyError, TypeError, json.JSONDecodeError) as error:
            return [*wrong, f"a run cannot be read: {error}"]
        wrong += [_complaint(run) for run in runs.values() if _complaint(run)]
        bundles = database.execute("SELECT trials, step, state, digest FROM bundles").fetchall()
    for trials, step, state, digest in bundles:
        names = ", ".join(Trial(*trial).strategy for trial in json.loads(trials))
        path = folder / "states" / (state or "")
        if state is not None and not path.is_file():
            wrong.append(f"the state at step {step} of {names} is gone: it will be trained again")
        elif state is not None and digest_of(path) != digest:
            wrong.append(f"the state at step {step} of {names} is torn: it will be trained again")
    return wrong


def _complaint(run: Run) -> str:
    if run.status not in STATUSES:
        return f"{run.trial}: there is no status {run.status!r}"
    if run.done and (run.steps != run.trial.steps or not run.metrics):
        return f"{run.trial}: it is called done after {run.steps} steps of {run.trial.steps}"
    return ""


def export(folder: Path, path: Path) -> int:
    """Write one row for every measurement of every run, as the suffix says: .csv, .jsonl or .parquet; give how many.

    Columns: strategy, base_lr, seed, steps, status, message, step, split ("train" or "validation"), metric, value.
    """
    writers = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}
    if path.suffix not in writers:
        raise StudyError(f"study: the file must end in .csv, .jsonl or .parquet, got {path.name}; choose one")
    with _opened(folder) as database:
        rows = list(_rows(database))
    try:
        writers[path.suffix](path, rows)
    except ModuleNotFoundError as error:
        raise StudyError(f"study: {path.suffix} needs {error.name}; install it, or write .csv") from error
    except OSError as error:
        raise StudyError(f"study: {path} cannot be written ({error}); give another file") from error
    return len(rows)


COLUMNS = ("strategy", "base_lr", "seed", "steps", "status", "message", "step", "split", "metric", "value")


def _rows(database: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    yield from database.execute(
        "SELECT r.strategy, r.base_lr, r.seed, r.steps, r.status, r.message, p.step, p.split, p.name, p.value "
        "FROM runs r LEFT JOIN points p ON p.run = r.id ORDER BY r.id, p.rowid"
    )


def _csv(path: Path, rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def _json_lines(path: Path, rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(dict(zip(COLUMNS, row, strict=True)))}\n" for row in rows)


def _parquet(path: Path, rows: list[tuple[Any, ...]]) -> None:
    import pyarrow
    from pyarrow import parquet

    columns = zip(*rows, strict=True) if rows else [[] for _ in COLUMNS]
    parquet.write_table(pyarrow.table(dict(zip(COLUMNS, map(list, columns), strict=True))), path)


def call(folder: Path) -> dict[str, Any]:
    """Return the call that the study answers, as `compare` takes it."""
    with _opened(folder) as database:
        row = database.execute("SELECT value FROM study WHERE key = 'call'").fetchone()
    if row is None:
        raise StudyError(f"{folder}: its call was not kept (a task that is no file); give the command again")
    found: dict[str, Any] = json.loads(row[0])
    return found


def remove(folder: Path) -> None:
    """Delete a study: what it has written, and the folder where nothing else is in it."""
    _refuse_none(folder)
    if taken(folder):
        raise StudyError(f"{folder}: a comparison is running in this folder; stop it first")
    clean(folder)


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open a study for reading."""
    _refuse_none(folder)
    try:
        connection = connect(folder, read_only=True)
        schema = _settings(connection).get("schema")
    except sqlite3.Error as error:
        raise StudyError(f"{folder}: the study cannot be read ({error}); export a copy, or delete it") from error
    with contextlib.closing(connection):
        if schema not in (None, SCHEMA_VERSION):
            raise StudyError(f"{folder}: the study was kept by another version of Ratesmith (schema {schema})")
        yield connection


def _refuse_none(folder: Path) -> None:
    if not (folder / "study.sqlite").is_file():
        raise StudyError(f"{folder}: there is no study here; give the folder of one, as ratesmith study list does")


def _settings(database: sqlite3.Connection) -> dict[str, Any]:
    return {key: json.loads(value) for key, value in database.execute("SELECT key, value FROM study")}
