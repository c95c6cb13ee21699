"""The store: strict, fenced, whole or not at all."""

import math
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from comparing import STRATEGIES, small, study
from numpy_task import LogisticTask, Odd

from ratesmith.experiment import Point, Run, RunStatus, StudyError, Trial, studies
from ratesmith.experiment.sharing import Branch
from ratesmith.experiment.store import Store
from ratesmith.task import TaskError

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


def test_branches_wait_in_the_store_until_their_last_trial_has_ended(store):
    other = TRIAL._replace(seed=1)
    key = store.add_branches([Branch((TRIAL, other))])[0]
    left = Branch((other,), 5, ({"curve": []},), str(store.states / "x.state"), "abc", "constant()")
    assert store.take(key, 1, RUN, left, None) == 0
    assert store.branches() == {key: left}
    forked = store.take(key, 1, None, None, left)
    assert store.branches() == {forked: left}


def test_what_an_earlier_attempt_still_sends_is_refused(store):
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


def test_runs_made_with_other_settings_are_not_mixed_in(tmp_path):
    small(LogisticTask(), tmp_path)
    with pytest.raises(
        StudyError, match="the runs here were made with other settings: steps 60, now 90; give another folder"
    ):
        small(LogisticTask(), tmp_path, steps=90)


def test_with_nothing_finished_a_mended_task_is_taken(tmp_path):
    broken = Odd(step=lambda training, old: lambda lr: old(lr) if training.steps < 50 else 1 / 0)
    with pytest.raises(TaskError, match=r"ZeroDivisionError: division by zero \(3 runs, every one so far"):
        small(broken, tmp_path)
    small(LogisticTask(), tmp_path, steps=90, rates=[0.1])


def test_a_database_that_cannot_grow_is_one_line_and_keeps_what_is_in_it(tmp_path):
    def fill(progress):
        if progress.done == 2:
            study = progress_store["store"]
            pages = study._connection.execute("PRAGMA page_count").fetchone()[0]
            study._connection.execute(f"PRAGMA max_page_count = {pages}")

    progress_store = {}
    original = Store.settle

    def settle(self, settings):
        progress_store["store"] = self
        original(self, settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "settle", settle)
        with pytest.raises(StudyError, match=r"a result could not be kept .*full"):
            small(LogisticTask(), tmp_path, STRATEGIES, on_progress=fill, steps=300, evaluate_every=1)
    with sqlite3.connect(tmp_path / "study.sqlite") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone()[0] >= 2


def test_a_second_comparison_on_the_same_folder_is_told_to_wait(tmp_path):
    def meanwhile(progress):
        with pytest.raises(StudyError, match="another comparison is running in this folder; wait for it"):
            small(LogisticTask(), tmp_path)

    small(LogisticTask(), tmp_path, on_progress=meanwhile, rates=[0.1])
    small(LogisticTask(), tmp_path, rates=[0.1])


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="runs cannot be kept here"):
        small(LogisticTask(), tmp_path / "file" / "study")


def test_a_state_that_is_gone_while_states_are_counted_counts_nothing(store, tmp_path, monkeypatch):
    kept = store.write_state("0" * 64, b"1234")
    monkeypatch.setattr(
        "ratesmith.experiment.store.states_in", lambda folder: [folder / "gone.state.1.part", Path(kept)]
    )
    assert store.states_size() == 4
