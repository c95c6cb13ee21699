"""Runs written where other tools look."""

import csv
import json

import pytest
from numpy_task import LogisticTask

from ratesmith.experiment import StudyError, compare, export


def study(folder, **options):
    standard = {"steps": 60, "seeds": 2, "rates": [0.1, 0.3]}
    return compare(LogisticTask(), ["cosine()"], folder=folder, **{**standard, **options})


def test_every_measurement_is_exported(tmp_path):
    found = study(tmp_path / "study")
    measured = sum(len(point.metrics) + (point.train_loss is not None) for run in found.runs for point in run.curve)
    assert export.to_file(tmp_path / "study", tmp_path / "out.csv") == measured
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == measured
    last = {(row["strategy"], row["base_lr"], row["seed"]): row for row in rows if row["metric"] == "loss"}
    for run in found.runs:
        row = last[run.trial.strategy, str(run.trial.base_lr), str(run.trial.seed)]
        assert (float(row["value"]), row["split"], row["step"]) == (run.metrics["loss"], "validation", "60")
    export.to_file(tmp_path / "study", tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [str(line["value"]) for line in lines] == [row["value"] for row in rows]
    with pytest.raises(StudyError, match=r"the file must end in .csv, .jsonl or .parquet, got out.txt; choose one"):
        export.to_file(tmp_path / "study", tmp_path / "out.txt")
    with pytest.raises(StudyError, match="cannot be written"):
        export.to_file(tmp_path / "study", tmp_path / "no" / "out.csv")


def test_every_measurement_is_exported_to_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    study(tmp_path / "study")
    rows = export.to_file(tmp_path / "study", tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert (table.num_rows, tuple(table.column_names)) == (rows, export.COLUMNS)
