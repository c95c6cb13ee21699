"""A study's folder may have other files: none is overwritten or deleted, however it is called."""

import sqlite3
from contextlib import closing

import pytest
from comparing import TASK, study
from numpy_task import LogisticTask

from ratesmith.cli import run
from ratesmith.experiment import StudyError, compare, studies

COMMAND = ["compare", TASK, "--strategy", "cosine()", "--steps", "20", "--rates", "0.1", "--seeds", "2"]
FOREIGN = "this file was not written by a study here, or was changed since, and would be overwritten; move it, or give"


@pytest.mark.parametrize("name", ["results.json", "report.html"])
def test_a_file_of_the_users_is_refused_before_anything_is_trained(tmp_path, monkeypatch, capsys, name):
    (tmp_path / name).write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RATESMITH_TEST_LOG", str(tmp_path.parent / "log"))
    assert run([*COMMAND, "--workers", "0", "--out", "."]) == 2
    assert capsys.readouterr().err == f"ratesmith: {name}: {FOREIGN} another --out\n"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"
    assert not (tmp_path.parent / "log").exists()


def test_a_study_writes_its_results_anew_and_not_over_what_was_changed(tmp_path, capsys):
    command = [*COMMAND, "--workers", "0", "--out", str(tmp_path)]
    assert run(command) == 0
    assert run([*command, "--margin", "0.5"]) == 0
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []
    (tmp_path / "report.html").write_text("my notes")
    capsys.readouterr()
    assert run(command) == 2
    assert FOREIGN in capsys.readouterr().err
    assert run(["study", "rm", str(tmp_path), "--yes"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_results_that_were_cut_off_are_still_the_studys_own(tmp_path, monkeypatch):
    command = [*COMMAND, "--workers", "0", "--out", str(tmp_path)]
    assert run(command) == 0
    first = (tmp_path / "report.html").read_bytes()

    def cut_off(path, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", cut_off)
        assert run([*command, "--margin", "0.5"]) == 130
    assert (tmp_path / "report.html").read_bytes() == first
    assert run(command) == 0


def test_states_of_the_users_stay_and_only_a_studys_own_files_are_counted_and_deleted(tmp_path):
    (tmp_path / "states").mkdir()
    names = {"iowa.state", "model.state.1.part", "notes.txt"}
    for name in names:
        (tmp_path / "states" / name).write_text("mine")
    (tmp_path / "data.bin").write_bytes(bytes(10**7))
    study(tmp_path)
    assert studies.list_studies(tmp_path)[0].bytes < 10**6
    studies.remove(tmp_path)
    assert {path.name for path in (tmp_path / "states").iterdir()} == names
    assert {path.name for path in tmp_path.iterdir()} == {"states", "data.bin"}


def test_a_database_of_the_users_is_no_study(tmp_path):
    with closing(sqlite3.connect(tmp_path / "study.sqlite")) as database:
        database.execute("CREATE TABLE mine (x INTEGER)")
        database.commit()
    before = (tmp_path / "study.sqlite").read_bytes()
    with pytest.raises(StudyError, match=r"study.sqlite is not a study's file; give another folder="):
        compare(LogisticTask(), [], folder=tmp_path, steps=20, rates=[0.1])
    assert (tmp_path / "study.sqlite").read_bytes() == before
