"""A task's file: what belongs to it, when it has changed, and which line of it an error came through."""

import re
from pathlib import Path

import pytest
from comparing import TASK, small

from ratesmith.experiment import StudyError


def test_a_changed_task_file_is_noticed(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(Path(TASK.rpartition(":")[0]).read_text())
    small(f"{file}:task", tmp_path / "study", rates=[0.1])
    file.write_text(file.read_text() + "\n# changed\n")
    with pytest.raises(StudyError, match="the task's files"):
        small(f"{file}:task", tmp_path / "study", rates=[0.1])


def test_a_changed_neighbour_of_the_tasks_file_is_noticed(tmp_path):
    (tmp_path / "neighbour_of_mine.py").write_text("FACTOR = 1.0")
    source = Path(TASK.rpartition(":")[0]).read_text()
    (tmp_path / "mine.py").write_text(f"from neighbour_of_mine import FACTOR\n{source}")
    small(f"{tmp_path / 'mine.py'}:task", tmp_path / "study", rates=[0.1], workers=1)
    (tmp_path / "neighbour_of_mine.py").write_text("FACTOR = 2.0")
    with pytest.raises(StudyError, match="the task's files"):
        small(f"{tmp_path / 'mine.py'}:task", tmp_path / "study", rates=[0.1], workers=1)


def test_an_edited_file_is_read_again_in_the_same_process(tmp_path):
    source = Path(TASK.rpartition(":")[0]).read_text()
    (tmp_path / "mine.py").write_text(source)
    first = small(f"{tmp_path / 'mine.py'}:task", tmp_path / "a", rates=[0.1])
    (tmp_path / "mine.py").write_text(source.replace("np.split(order, [300, 430])", "np.split(order, [300, 431])"))
    assert small(f"{tmp_path / 'mine.py'}:task", tmp_path / "b", rates=[0.1]).rows != first.rows


def test_an_error_in_the_task_names_its_line_and_the_other_runs_go_on(tmp_path):
    found = small(TASK.replace(":task", ":failing"), tmp_path, workers=1, rates=[0.1])
    failed = [run for run in found.runs if run.status == "failed"]
    assert {run.trial.seed for run in failed} == {1001}
    message = r"numpy_task.py:failing, line \d+: KeyError: 'batch 20 is missing'"
    assert all(re.search(message, run.message) for run in failed)
    assert {row.missing for row in found.rows} == {1}
    assert any(re.match(r"2 runs failed; the first: .*batch 20 is missing", note.text()) for note in found.notes)


def test_a_rule_of_ones_own_is_named_from_the_tasks_file(tmp_path):
    found = small(TASK, tmp_path, ['custom("halving", every="1ep")'], rates=[1.0])
    run = found.runs_of('custom("halving", every="1ep")', 1.0)[0]
    assert [rate for step, rate in run.rates if step in (0, 29, 30, 59)] == [1.0, 1.0, 0.5, 0.5]
