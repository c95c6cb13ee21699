"""Studies on disk: which there are, whether one is whole, its call, its end."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ratesmith._checks import Option
from ratesmith.experiment.checkpoints import digest_of
from ratesmith.experiment.options import CompareOptions
from ratesmith.experiment.study_folder import STATES, clean, own_files, taken
from ratesmith.experiment.trial import RunStatus, Trial
from ratesmith.script_process import is_script
from ratesmith.study_database import (
    STUDY_FILE,
    StoredRun,
    StudyError,
    opened_study,
    read_runs,
    read_settings,
    require_study,
)
from ratesmith.task import split_reference


class StoredStudy(NamedTuple):
    """A study in a folder."""

    folder: Path
    task: str
    steps: int
    runs: dict[str, int]
    """How many runs ended with each status."""
    unfinished: int
    """Branches that wait to be gone on with."""
    bytes: int
    running: bool


class StoredCall(NamedTuple):
    """The call that a study answers."""

    task: str
    """As it was given."""
    options: CompareOptions
    working_folder: Path
    """Where it was given: paths in the call, and in the task's file, begin there."""


def list_studies(root: Path) -> list[StoredStudy]:
    """Return the studies in a folder and below it; those that cannot be read are left out."""
    studies = []
    for file in sorted(root.rglob(STUDY_FILE)):
        with contextlib.suppress(StudyError):
            studies.append(describe(file.parent))
    return studies


def describe(folder: Path) -> StoredStudy:
    """Return what is in a study."""
    with opened_study(folder) as database:
        settings = read_settings(database)
        runs = Counter(status for (status,) in database.execute("SELECT status FROM runs"))
        unfinished = database.execute("SELECT count(*) FROM branches").fetchone()[0]
    size = sum(path.stat().st_size for path in own_files(folder))
    steps = int(settings.get("steps", 0))
    return StoredStudy(folder, str(settings.get("task", "?")), steps, dict(runs), unfinished, size, taken(folder))


def count_runs(folder: Path) -> int:
    """Return how many runs a study holds, of whatever version it is."""
    with opened_study(folder, any_version=True) as database:
        return int(database.execute("SELECT count(*) FROM runs").fetchone()[0])


def verify(folder: Path) -> list[str]:
    """Return what is wrong with a study, a sentence each; nothing if it is whole.

    The database's own check, every run read, every state that a branch waits for compared with its digest.
    """
    with opened_study(folder) as database:
        wrong = [str(row[0]) for row in database.execute("PRAGMA integrity_check") if row[0] != "ok"]
        wrong += [f"table {row[0]}: a row belongs to nothing" for row in database.execute("PRAGMA foreign_key_check")]
        try:
            wrong += _complaints(database)
        except (ValueError, KeyError, TypeError) as error:
            return [*wrong, f"a run cannot be read: {error}"]
        branches = database.execute("SELECT trials, step, state, digest FROM branches").fetchall()
    for trials, step, state, digest in branches:
        names = ", ".join(Trial(*trial).strategy for trial in json.loads(trials))
        path = folder / STATES / (state or "")
        if state is not None and not path.is_file():
            wrong.append(f"the state at step {step} of {names} is gone: it will be trained again")
        elif state is not None and digest_of(path) != digest:
            wrong.append(f"the state at step {step} of {names} is torn: it will be trained again")
    return wrong


def _complaints(database: sqlite3.Connection) -> Iterator[str]:
    measured = dict(database.execute("SELECT run, count(*) FROM points WHERE split = 'validation' GROUP BY run"))
    for run in read_runs(database):
        if complaint := _complaint(run, measured.get(run.id, 0)):
            trial = Trial(run.strategy, run.base_lr, run.seed, run.steps)
            yield f"{trial}: {complaint}"


def _complaint(run: StoredRun, measured: int) -> str:
    if run.status not in list(RunStatus):
        return f"there is no status {run.status!r}"
    if run.status == RunStatus.DONE and run.updates != run.steps:
        return f"it is called done after {run.updates} steps of {run.steps}"
    if run.status == RunStatus.DONE and not measured:
        return f"it is called done after {run.updates} steps of {run.steps}, and was never measured"
    return ""


def stored_call(folder: Path) -> StoredCall:
    """Return the call that the study answers."""
    with opened_study(folder) as database:
        call = read_settings(database).get("call")
    if call is None:
        raise StudyError(f"{folder}: its call was not kept (a task that is no file); give the command again")
    working_folder = Path(call.get("working_folder", ""))
    for path, what in (
        (working_folder, "the folder in which it began"),
        (Path(call.get("path", "")), "the task's file"),
    ):
        if not path.exists():
            raise StudyError(
                f"{folder}: {what}, {path}, is gone; put it back, or give the command again from where the task is "
                "now, with ",
                Option("folder="),
            )
    return StoredCall(call["task"], CompareOptions.from_data(call["options"]), working_folder)


def call_data(task: str, options: CompareOptions) -> dict[str, Any]:
    """Return the call as plain data, with what it needs to be given again from another working folder."""
    path = Path(task) if is_script(task) else split_reference(task)[0]
    return {
        "task": task,
        "path": str(path.resolve()),
        "working_folder": str(Path.cwd()),
        "options": options.to_data(),
    }


def remove(folder: Path) -> None:
    """Delete a study: what it has written, and the folder if nothing else is in it."""
    require_study(folder)
    if taken(folder):
        raise StudyError(f"{folder}: a comparison is running in this folder; stop it first")
    clean(folder)
