"""Runs written where other tools look: a table file, TensorBoard's event files, MLflow."""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ratesmith._checks import Option
from ratesmith._environment import environment
from ratesmith._text import named_line
from ratesmith.experiment.comparison import Comparison
from ratesmith.experiment.trial import Run
from ratesmith.study_database import StudyError, opened_study

COLUMNS: Final = ("strategy", "base_lr", "seed", "steps", "status", "message", "step", "split", "metric", "value")
MOST_AT_ONCE: Final = 900
"""Values in one call to MLflow, which takes at most 1000."""


MLFLOW_LIMITS: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""How often and for how many seconds a server is tried; MLflow's own values make that minutes for every call."""


def to_file(folder: Path, path: Path) -> int:
    """Write one row for every measurement of every run of a study, as the suffix says; return how many.

    .csv, .jsonl or .parquet. Columns: strategy, base_lr, seed, steps, status, message, step, split ("train" or
    "validation"), metric, value.
    """
    writers = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}
    if path.suffix not in writers:
        raise StudyError(f"study: the file must end in .csv, .jsonl or .parquet, got {path.name}; choose one")
    with opened_study(folder) as database:
        rows = list(_stored_rows(database))
    try:
        writers[path.suffix](path, rows)
    except ModuleNotFoundError as error:
        raise StudyError(f"study: {path.suffix} needs {error.name}; install it, or write .csv") from error
    except OSError as error:
        raise StudyError(f"study: {path} cannot be written ({error}); give another file") from error
    return len(rows)


def _stored_rows(database: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    # A run without measurements, such as one that failed at once, is a row all the same.
    yield from database.execute(
        "SELECT r.strategy, r.base_lr, r.seed, r.steps, r.status, r.message, p.step, p.split, p.metric, p.value "
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


def to_tracker(kind: str, comparison: Comparison, where: str) -> None:
    """Write all runs to "tensorboard" (a folder) or "mlflow" (a tracking address); raise StudyError if that fails.

    Whether a server answers is soon known: unless the user has set MLflow's own variables, it is asked a few times.
    """
    try:
        with environment(MLFLOW_LIMITS):
            (_to_tensorboard if kind == "tensorboard" else _to_mlflow)(comparison, where)
    except ModuleNotFoundError as error:
        raise StudyError("compare: ", Option(kind), f" needs {error.name}; install {kind}") from error
    except Exception as error:  # of many kinds: MlflowException, OSError, what tensorboard's writer or requests raise
        raise StudyError(
            "compare: ", Option(kind), f": the runs could not be written to {where} ({named_line(error)})"
        ) from error


def _to_tensorboard(comparison: Comparison, where: str) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for run in comparison.runs:
        writer = EventFileWriter(str(Path(where) / _file_name(run)))
        for step, values in _series(run):
            for name, value in values.items():
                summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
                writer.add_event(Event(step=step, summary=summary))
        writer.close()


def _to_mlflow(comparison: Comparison, where: str) -> None:
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    client = MlflowClient(where)
    name = "ratesmith compare"
    there = client.get_experiment_by_name(name)
    experiment = there.experiment_id if there else client.create_experiment(name)
    for run in comparison.runs:
        logged = client.create_run(experiment, run_name=_file_name(run)).info.run_id
        metrics = []
        for step, values in _series(run):
            metrics += [Metric(name.replace("/", "."), value, 0, step) for name, value in values.items()]
        params = [Param(key, str(value)) for key, value in run.trial._asdict().items()]
        for start in range(0, max(1, len(metrics)), MOST_AT_ONCE):
            client.log_batch(logged, metrics[start : start + MOST_AT_ONCE], params if start == 0 else ())
        client.set_terminated(logged, "FINISHED" if run.done else "FAILED")


def _file_name(run: Run) -> str:
    """Return a run's name, such as a file may have, and that no other has."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in run.trial.strategy)[:60].strip("-")
    # Two strategies may be equal in letters and digits: the mark tells them apart.
    mark = hashlib.sha256(run.trial.strategy.encode()).hexdigest()[:6]
    return f"{plain}-{mark}_lr{run.trial.base_lr:g}_seed{run.trial.seed}_steps{run.trial.steps}"


def _series(run: Run) -> list[tuple[int, dict[str, Any]]]:
    """Return what is to be plotted at each step."""
    rows: list[tuple[int, dict[str, Any]]] = [(step, {"rate": rate}) for step, rate in run.rates]
    for point in run.curve:
        values = {f"validation/{name}": value for name, value in point.metrics.items()}
        rows.append((point.step, values if point.train_loss is None else {**values, "train/loss": point.train_loss}))
    return rows
