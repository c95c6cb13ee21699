"""The commands of comparisons: options in their own words, codes in table, page and results, and older studies."""

import json
import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from comparing import TASK

from ratesmith.cli import run

QUICK = [TASK, "--steps", "20", "--rates", "0.1,0.3", "--seeds", "2", "--workers", "0"]


def test_table_notes_page_and_results_have_the_codes_and_speak_of_options_as_the_command_does(tmp_path, capsys):
    assert run(["compare", *QUICK, "--strategy", "plateau(patience=50)", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "[RS310" in out[: out.index(", with lr=")]
    assert "give more with --seeds. [RS312]" in out
    assert "or more steps with --steps. [RS310]" in out
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "give more with --seeds. [RS312]" in page
    assert "<small>RS310</small>" in page
    assert "seeds=." not in page
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["format"] == 3
    assert "with --steps." in next(note["text"] for note in results["notes"] if note["code"] == "RS310")
    assert run(["study", "resume", str(tmp_path), "--quiet"]) == 0
    assert "or more steps with --steps. [RS310]" in capsys.readouterr().out


def test_a_verdict_without_some_runs_ends_with_status_3(tmp_path, capsys):
    command = [TASK.replace(":task", ":failing"), "--steps", "30", "--rates", "0.1", "--seeds", "3", "--workers", "0"]
    assert run(["compare", *command, "--strategy", "cosine()", "--out", str(tmp_path)]) == 3
    out = capsys.readouterr().out
    assert "\nIncomplete: the verdict is given without 2 of 6 runs (2 failed); " in out
    assert "lr=0.1, 2 of 3 seeds" in out
    assert json.loads((tmp_path / "results.json").read_text())["verdict"].startswith("Incomplete: ")
    assert run(["study", "resume", str(tmp_path), "--quiet"]) == 3
    assert capsys.readouterr().out.startswith("Incomplete: ")


@pytest.fixture
def begun_elsewhere(tmp_path, monkeypatch):
    """Return the folder of a study that was begun in another working folder, by relative paths, with relative data."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "data.txt").write_text("0.5")
    (home / "mine.py").write_text(
        f"import sys\nfrom pathlib import Path\nsys.path.insert(0, {str(Path(TASK).parent)!r})\n"
        "from numpy_task import LogisticTask\n\n\ndef task():\n    float(Path('data.txt').read_text())\n"
        "    return LogisticTask()\n"
    )
    monkeypatch.chdir(home)
    options = ["--steps", "20", "--rates", "0.1", "--seeds", "2", "--workers", "1", "--out", "study"]
    assert run(["compare", "mine.py:task", "--strategy", "cosine()", *options]) == 0
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    return home / "study"


def test_a_study_is_resumed_from_any_working_folder(begun_elsewhere, capsys):
    before = (begun_elsewhere / "results.json").read_text()
    (begun_elsewhere / "results.json").unlink()
    capsys.readouterr()
    assert run(["study", "resume", os.path.relpath(begun_elsewhere)]) == 0
    assert capsys.readouterr().out.endswith(f"Report: {begun_elsewhere / 'report.html'}\n")
    assert (begun_elsewhere / "results.json").read_text() == before
    assert list(Path.cwd().iterdir()) == []
    assert run(["study", "resume", str(begun_elsewhere), "--quiet"]) == 0


@pytest.mark.parametrize("gone", ["mine.py", ""])
def test_a_study_whose_task_or_first_working_folder_is_gone_is_one_line(begun_elsewhere, capsys, gone):
    path = begun_elsewhere.parent / gone
    study = begun_elsewhere.rename(begun_elsewhere.parents[1] / "moved")
    path.rename(path.with_name("renamed"))
    capsys.readouterr()
    assert run(["study", "resume", str(study)]) == 2
    what = "the task's file" if gone else "the folder in which it began"
    remedy = "put it back, or give the command again from where the task is now, with --out"
    assert capsys.readouterr().err == f"ratesmith: {study}: {what}, {path}, is gone; {remedy}\n"


def test_a_tracker_that_cannot_be_written_costs_no_result(tmp_path, capsys):
    pytest.importorskip("tensorboard")
    pytest.importorskip("mlflow")
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    trackers = ["--tensorboard", str(tmp_path / "file" / "board"), "--mlflow", f"http://me:secret@127.0.0.1:{port}"]
    assert run(["compare", *QUICK, *trackers, "--out", str(tmp_path / "study")]) == 1
    out, err = capsys.readouterr()
    assert ", with lr=" in out
    assert (tmp_path / "study" / "results.json").is_file()
    board, server = err.splitlines()[-2:]
    kept = (
        f"all results are kept: give the same command again, or use `ratesmith study export {tmp_path / 'study'} runs"
    )
    assert board.startswith("ratesmith: compare: --tensorboard: the runs could not be written to ")
    assert server.startswith(
        f"ratesmith: compare: --mlflow: the runs could not be written to http://127.0.0.1:{port} ("
    )
    assert kept in board
    assert kept in server
    assert "secret" not in (tmp_path / "study" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["--rung", "--round"])
def test_shorter_runs_are_asked_for_by_either_name(name, tmp_path, capsys):
    options = ["--rates", "0.1,0.3,1.0", "--choice-seeds", "1", "--seeds", "1"]
    assert run(["compare", *QUICK, *options, name, "0.5", "--out", str(tmp_path)]) == 0
    assert "rung of 10 steps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--timeout", "3"], "compare: --timeout needs workers that can be stopped; give some with --workers"),
        (["--rung", "2"], "compare: --rung must be shares of a run between 0 and 1, got [2.0]; give 0.25"),
        (["--address", "auto"], "compare: --address is for the engine 'ray'; add that, or drop it"),
        (["--evaluate-every", "soon"], "compare: --evaluate-every must be a number of steps, epochs or a share, got"),
        (["--budget", "9"], "compare: a budget of 9 steps is too small, the least plan is "),
    ],
)
def test_a_mistake_names_the_option_that_was_given(options, message, tmp_path, capsys):
    assert run(["compare", *QUICK, *options, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"ratesmith: {message}")
    assert "=" not in error


def test_an_older_study_is_one_line_and_can_be_deleted(tmp_path, capsys):
    with closing(sqlite3.connect(tmp_path / "study.sqlite")) as connection:
        connection.execute("CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        connection.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, made INTEGER)")
        connection.execute("INSERT INTO study VALUES ('schema', '2')")
        connection.commit()
    line = (
        f"ratesmith: {tmp_path}: the study here was kept by another version of Ratesmith (schema 2, this one has 3) "
        "and is left as it is; give another --out, or delete this one\n"
    )
    for command in (["compare", *QUICK, "--out"], ["study", "verify"], ["study", "resume"], ["forecast"]):
        assert run([*command, str(tmp_path)]) == 2
        assert capsys.readouterr().err == line
    assert run(["study", "rm", str(tmp_path), "--yes"]) == 0
    assert not tmp_path.exists()
