"""The reader of a study's file: what it gives, and what it refuses in one line and leaves as it is."""

import math
import sqlite3
from contextlib import closing

import pytest
from numpy_task import LogisticTask

from ratesmith.experiment import compare
from ratesmith.experiment.studies import count_runs, list_studies, remove
from ratesmith.forecast import read_study
from ratesmith.study_database import (
    RUN_COLUMNS,
    SCHEMA,
    SCHEMA_VERSION,
    StoredRun,
    StudyError,
    opened_study,
    read_points,
    read_runs,
    read_settings,
)

OLDER = """
PRAGMA journal_mode = WAL;
CREATE TABLE study (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    strategy TEXT NOT NULL, base_lr REAL NOT NULL, seed INTEGER NOT NULL, steps INTEGER NOT NULL,
    status TEXT NOT NULL, made INTEGER NOT NULL, shared INTEGER NOT NULL, grew_from TEXT NOT NULL,
    seconds REAL NOT NULL, message TEXT NOT NULL, rates TEXT NOT NULL, acts TEXT NOT NULL,
    UNIQUE (strategy, base_lr, seed, steps)
) STRICT;
CREATE TABLE points (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL, split TEXT NOT NULL, name TEXT NOT NULL, value REAL
) STRICT;
CREATE TABLE bundles (
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL, trials TEXT NOT NULL, records TEXT NOT NULL, state TEXT, digest TEXT NOT NULL,
    grew_from TEXT NOT NULL, next_loss REAL, attempt INTEGER NOT NULL
) STRICT;
INSERT INTO study VALUES ('schema', '2'), ('holder', '"x"'), ('task', '"task"'), ('steps', '60');
INSERT INTO runs VALUES (1, 'cosine()', 0.1, 0, 60, 'done', 60, 0, '', 1.5, '', '[[0, 0.1]]', '[]');
INSERT INTO points VALUES (1, 60, 'validation', 'loss', 0.5);
"""
"""The tables and a run as the version before kept them."""


@pytest.fixture
def older(tmp_path):
    """Return the folder of a study of the version before."""
    with closing(sqlite3.connect(tmp_path / "study.sqlite")) as connection:
        connection.executescript(OLDER)
    return tmp_path


def test_a_study_of_an_older_version_is_refused_in_one_line_and_left_as_it_is(older):
    before = (older / "study.sqlite").read_bytes()
    message = (
        f"{older}: the study here was kept by another version of Ratesmith (schema 2, this one has {SCHEMA_VERSION}) "
        "and is left as it is; give another folder=, or delete this one"
    )
    for use in (
        lambda: compare(LogisticTask(), [], folder=older, steps=60, rates=[0.1]),
        lambda: read_study(older),
        lambda: opened_study(older).__enter__(),
    ):
        with pytest.raises(StudyError) as caught:
            use()
        assert str(caught.value) == message
        assert caught.value.spelled({"folder": "--out"}) == message.replace("folder=", "--out")
    assert list_studies(older) == []
    assert (older / "study.sqlite").read_bytes() == before
    assert not (older / "states").exists()
    with closing(sqlite3.connect(older / "study.sqlite")) as connection:
        assert connection.execute("SELECT made FROM runs").fetchall() == [(60,)]


def test_a_study_of_an_older_version_can_be_deleted(older):
    assert count_runs(older) == 1
    remove(older)
    assert not older.exists()


def test_tables_without_a_version_are_those_of_an_older_driver_that_was_stopped_early(older):
    with closing(sqlite3.connect(older / "study.sqlite")) as connection:
        connection.execute("DELETE FROM study")
        connection.commit()
    with pytest.raises(StudyError, match=r"schema unknown, this one has 3"):
        compare(LogisticTask(), [], folder=older, steps=60, rates=[0.1])


def test_what_is_not_a_study_is_said_in_one_line(tmp_path):
    with pytest.raises(StudyError, match=r"there is no study here; give the folder of one"), opened_study(tmp_path):
        pass
    (tmp_path / "study.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(StudyError, match=r"cannot be read \(file is not a database\)"), opened_study(tmp_path):
        pass
    (tmp_path / "study.sqlite").unlink()
    with closing(sqlite3.connect(tmp_path / "study.sqlite")) as connection:
        connection.execute("CREATE TABLE other (key TEXT)")
    with pytest.raises(StudyError, match=r"study.sqlite is not a study's file; give another"), opened_study(tmp_path):
        pass


def test_nothing_is_written_through_the_reader(tmp_path):
    compare(LogisticTask(), [], folder=tmp_path, steps=20, seeds=1, rates=[0.1])
    with pytest.raises(StudyError, match="attempt to write a readonly database"), opened_study(tmp_path) as connection:
        connection.execute("DELETE FROM runs")
    with opened_study(tmp_path) as connection:
        assert len(list(read_runs(connection))) == 1


def test_runs_points_and_settings_are_read_as_they_were_written(tmp_path):
    row = ("cosine()", 0.1, 0, 60, "done", 60, 20, "constant()", 1.5, "", "[[0, 0.1]]", '[[30, "cut"]]')
    later = ("v2", '{"data": "abc"}', "logs/0.txt", '{"batch_size": 32}')
    with closing(sqlite3.connect(tmp_path / "study.sqlite")) as connection:
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO study VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
        columns, places = ", ".join(RUN_COLUMNS), ", ".join("?" * len(RUN_COLUMNS))
        connection.execute(f"INSERT INTO runs ({columns}) VALUES ({places})", (*row, *later))
        for point in (
            (1, 0, "validation", "loss", 2.0),
            (1, 9, "train", "loss", 1.0),
            (1, 9, "validation", "f1", None),
        ):
            connection.execute("INSERT INTO points VALUES (?, ?, ?, ?, ?)", point)
        connection.commit()
    with opened_study(tmp_path) as connection:
        assert read_settings(connection) == {"schema": SCHEMA_VERSION}
        assert list(read_runs(connection)) == [
            StoredRun(
                *(1, "cosine()", 0.1, 0, 60, "done", 60, 20, "constant()", 1.5, "", [(0, 0.1)], [(30, "cut")]),
                *("v2", {"data": "abc"}, "logs/0.txt", {"batch_size": 32}),
            )
        ]
        assert [point[1:] for point in read_points(connection, split="validation", metric="loss")] == [
            (0, "validation", "loss", 2.0)
        ]
        values = [point.value for point in read_points(connection)]
    assert values[:2] == [2.0, 1.0]
    assert math.isnan(values[2])
