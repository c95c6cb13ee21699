"""Every run of a comparison, written where other tools look: TensorBoard's event files, or MLflow."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ratesmith.experiment.comparison import Comparison
from ratesmith.experiment.states import StudyError
from ratesmith.experiment.trial import Run


def log_to(kind: str, comparison: Comparison, where: str) -> None:
    """Write all runs to "tensorboard" (a folder) or "mlflow" (a tracking address); raise StudyError without it."""
    try:
        (_to_tensorboard if kind == "tensorboard" else _to_mlflow)(comparison, where)
    except ModuleNotFoundError as error:
        raise StudyError(f"compare: --{kind} needs {error.name}; install {kind}") from error


def _to_tensorboard(comparison: Comparison, where: str) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for run in comparison.runs:
        writer = EventFileWriter(str(Path(where) / _name(run)))
        for step, values in _rows(run):
            for name, value in values.items():
                summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
                writer.add_event(Event(step=step, summary=summary))
        writer.close()


def _to_mlflow(comparison: Comparison, where: str) -> None:
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    client = MlflowClient(where)
    name = "ratesmith compare"
    known = client.get_experiment_by_name(name)
    experiment = known.experiment_id if known else client.create_experiment(name)
    for run in comparison.runs:
        made = client.create_run(experiment, run_name=_name(run)).info.run_id
        metrics = []
        for step, values in _rows(run):
            metrics += [Metric(name.replace("/", "."), value, 0, step) for name, value in values.items()]
        params = [Param(key, str(value)) for key, value in run.trial._asdict().items()]
        for start in range(0, max(1, len(metrics)), 900):  # a call takes at most 1000
            client.log_batch(made, metrics[start : start + 900], params if start == 0 else ())
        client.set_terminated(made, "FINISHED" if run.done else "FAILED")


def _name(run: Run) -> str:
    """Return a run a name that a file may have, and that no other has."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in run.trial.strategy)[:60].strip("-")
    mark = hashlib.sha256(run.trial.strategy.encode()).hexdigest()[:6]
    return f"{plain}-{mark}_lr{run.trial.base_lr:g}_seed{run.trial.seed}_steps{run.trial.steps}"


def _rows(run: Run) -> list[tuple[int, dict[str, Any]]]:
    """Return what is to be plotted at each step."""
    rows: list[tuple[int, dict[str, Any]]] = [(step, {"rate": rate}) for step, rate in run.rates]
    for point in run.curve:
        values = {f"validation/{name}": value for name, value in point.metrics.items()}
        rows.append((point.step, values if point.train_loss is None else {**values, "train/loss": point.train_loss}))
    return rows
