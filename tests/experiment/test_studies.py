"""Studies on disk: listed, verified, called again, removed."""

import json
import sqlite3
from pathlib import Path

import pytest
from comparing import TASK, study

from ratesmith.experiment import StudyError, compare, studies


def test_a_whole_study_is_whole_and_a_damaged_one_is_told(tmp_path):
    study(tmp_path)
    assert studies.verify(tmp_path) == []
    with sqlite3.connect(tmp_path / "study.sqlite") as database:
        database.execute("UPDATE runs SET updates = 7 WHERE id = 1")
        database.execute("UPDATE runs SET status = 'fine' WHERE id = 2")
        row = json.dumps([["cosine()", 0.1, 0, 60]])
        database.execute("INSERT INTO branches VALUES (90, 30, ?, '[]', 'gone.state', 'x', '', NULL, 1)", (row,))
        database.execute("INSERT INTO branches VALUES (91, 40, ?, '[]', 'torn.state', 'x', '', NULL, 1)", (row,))
        database.execute("DELETE FROM points WHERE run = 3")
    (tmp_path / "states" / "torn.state").write_bytes(b"torn")
    wrong = studies.verify(tmp_path)
    assert len(wrong) == 5
    assert "it is called done after 60 steps of 60, and was never measured" in wrong.pop(2)
    assert "it is called done after 7 steps of 60" in wrong[0]
    assert "there is no status 'fine'" in wrong[1]
    assert wrong[2] == "the state at step 30 of cosine() is gone: it will be trained again"
    assert wrong[3] == "the state at step 40 of cosine() is torn: it will be trained again"


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


def test_a_studys_call_is_kept_as_it_was_given(tmp_path):
    options = {"steps": 60, "seeds": 1, "choice_seeds": 1, "rates": [0.3], "evaluate_every": "50%"}
    compare(TASK, ["cosine()"], folder=tmp_path, **options)
    task, kept, working_folder = studies.stored_call(tmp_path)
    assert task == TASK
    assert working_folder == Path.cwd()
    assert (kept.strategies, kept.rates, kept.evaluate_every) == (("cosine()",), (0.3,), "50%")
    assert studies.list_studies(tmp_path)[0].task == "task"
