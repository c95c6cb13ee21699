"""The store: strict, fenced, whole or not at all; and what can be done with a study afterwards."""

import csv
import json
import math
import sqlite3
from dataclasses import replace

import pytest
from numpy_task import LogisticTask

from ratesmith.experiment import Point, Run, RunStatus, StudyError, Trial, compare, export, studies
from ratesmith.experiment.sharing import Branch
from ratesmith.experiment.store import Store

TRIAL = Trial("cosine()", 0.1, 0, 60)
RUN = Run(
    trial=TRIAL,
    status=RunStatus.DONE,
    updates=60,
    seconds=1.5,
    metrics={"loss": 0.5, "f1": math.inf},
    curve=(Point(0, None, {"loss": 2.0, "f1": 0.0}), Point(60, 0.75, {"loss": 0.5, "f1": math.inf})),
    rates=((0, 0.1), (30, 0.05)),
    events=((30, "cut"),),
    shared=20,
    shared_with="constant()",
)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as made:
        yield made


def study(folder, **options):
    standard = {"steps": 60, "seeds": 2, "rates": [0.1, 0.3]}
    return compare(LogisticTask(), ["cosine()"], folder=folder, **{**standard, **options})


def test_a_run_comes_back_as_it_was(store):
    store.put(RUN)
    assert store.runs() == {TRIAL: RUN}


def test_what_is_kept_for_later_is_empty_and_comes_back_if_it_is_not(store):
    store.put(RUN)
    later = ("task_version", "value_digests", "log_path", "traits")
    row = store._connection.execute(f"SELECT {', '.join(later)} FROM runs").fetchone()
    assert row == (None, None, None, None)
    values = {"task_version": "v2", "value_digests": {"data": "ab"}, "log_path": "0.log", "traits": {"width": 64.0}}
    other = replace(RUN, trial=TRIAL._replace(seed=1), **values)
    store.put(other)
    assert store.runs() == {TRIAL: RUN, other.trial: other}
    assert other.to_dict().items() >= values.items()


def test_a_finished_run_stays_and_one_that_failed_gives_way(store):
    other = Run(TRIAL, RunStatus.FAILED, 3, 0.1, message="no")
    store.put(other)
    store.put(RUN)
    store.put(other)
    assert store.runs() == {TRIAL: RUN}


def test_a_value_that_is_not_a_number_comes_back_as_one(store):
    store.put(Run(TRIAL, RunStatus.DONE, 60, 1.0, curve=(Point(60, math.nan, {"loss": math.nan}),)))
    point = store.runs()[TRIAL].curve[0]
    assert math.isnan(point.train_loss)
    assert math.isnan(point.metrics["loss"])


def test_bundles_wait_in_the_store_until_their_last_trial_is_told(store):
    other = TRIAL._replace(seed=1)
    key = store.add_branches([Branch((TRIAL, other))])[0]
    left = Branch((other,), 5, ({"curve": []},), str(store.states / "x.state"), "abc", "constant()")
    assert store.take(key, 1, RUN, left, None) == 0
    assert store.branches() == {key: left}
    forked = store.take(key, 1, None, None, left)
    assert store.branches() == {forked: left}


def test_what_an_earlier_attempt_still_tells_is_refused(store):
    key = store.add_branches([Branch((TRIAL,))])[0]
    assert store.next_attempt(key) == 2
    with pytest.raises(StudyError, match=f"attempt 1 at branch {key} is over; its result is dropped"):
        store.take(key, 1, RUN, None, None)
    assert store.runs() == {}
    store.take(key, 2, RUN, None, None)
    assert store.runs() == {TRIAL: RUN}


def test_a_driver_that_lost_the_folder_writes_nothing_more(store, tmp_path):
    with sqlite3.connect(tmp_path / "study.sqlite") as database:
        database.execute("UPDATE study SET value = '\"another\"' WHERE key = 'holder'")
    with pytest.raises(StudyError, match="another comparison has taken this folder over; stop one of the two"):
        store.put(RUN)
    assert store.runs() == {}


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path):
    (tmp_path / "study.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(StudyError, match=r"runs cannot be kept here .*not a database.*; give another folder"):
        study(tmp_path)
    with pytest.raises(StudyError, match=r"the study cannot be read .*not a database"):
        studies.verify(tmp_path)


def test_strict_tables_refuse_what_is_of_another_kind(store):
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT value in INTEGER column"):
        store._connection.execute("INSERT INTO points VALUES ('one', 0, 'train', 'loss', 1.0)")


def test_a_whole_study_is_whole_and_a_damaged_one_is_told(tmp_path):
    study(tmp_path)
    assert studies.verify(tmp_path) == []
    with sqlite3.connect(tmp_path / "study.sqlite") as database:
        database.execute("UPDATE runs SET updates = 7 WHERE id = 1")
        database.execute("UPDATE runs SET status = 'fine' WHERE id = 2")
        row = json.dumps([list(TRIAL)])
        database.execute("INSERT INTO branches VALUES (90, 30, ?, '[]', 'gone.state', 'x', '', NULL, 1)", (row,))
        database.execute("INSERT INTO branches VALUES (91, 40, ?, '[]', 'torn.state', 'x', '', NULL, 1)", (row,))
    (tmp_path / "states" / "torn.state").write_bytes(b"torn")
    wrong = studies.verify(tmp_path)
    assert len(wrong) == 4
    assert "it is called done after 7 steps of 60" in wrong[0]
    assert "there is no status 'fine'" in wrong[1]
    assert wrong[2] == "the state at step 30 of cosine() is gone: it will be trained again"
    assert wrong[3] == "the state at step 40 of cosine() is torn: it will be trained again"


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


def test_studies_are_listed_and_removed_without_what_else_lies_there(tmp_path):
    found = study(tmp_path / "a" / "one")
    (tmp_path / "a" / "one" / "mine.txt").write_text("mine")
    (kept,) = studies.list_studies(tmp_path)
    assert kept.runs == {"done": len(found.runs)}
    assert (kept.steps, kept.unfinished, kept.running) == (60, 0, False)
    studies.remove(tmp_path / "a" / "one")
    assert [path.name for path in (tmp_path / "a" / "one").iterdir()] == ["mine.txt"]
    with pytest.raises(StudyError, match="there is no study here"):
        studies.remove(tmp_path / "a" / "one")


def test_a_study_that_is_running_is_not_removed(store, tmp_path):
    with pytest.raises(StudyError, match="a comparison is running in this folder; stop it first"):
        studies.remove(tmp_path)


def test_a_study_of_a_task_without_a_file_has_no_call_to_give_again(tmp_path):
    study(tmp_path)
    with pytest.raises(StudyError, match="its call was not kept"):
        studies.stored_call(tmp_path)
