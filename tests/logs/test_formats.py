"""The files that logs are kept in: all give the same, and what is none is refused in one line."""

import json
import sys

import numpy as np
import pytest
from log_files import LOSSES, RATES, STEPS, csv, fails, same

from ratesmith.logs import read


def test_every_form_gives_the_same_curve(tmp_path):
    rows = [
        {"step": int(step), "lr": rate, "val_loss": loss} for step, rate, loss in zip(STEPS, RATES, LOSSES, strict=True)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "list.json").write_text(json.dumps(rows, indent=1))
    nested = ({"step": row["step"], "lr": row["lr"], "val": {"loss": row["val_loss"]}} for row in rows)
    (tmp_path / "nested.jsonl").write_text("".join(json.dumps(row) + "\n" for row in nested))
    text = csv(tmp_path).read_text()
    (tmp_path / "semicolons.csv").write_text(text.replace(",", ";"))
    (tmp_path / "tabs.tsv").write_text("# a comment\n" + text.replace(",", "\t"), encoding="utf-8-sig")
    for file in tmp_path.iterdir():
        curve = read(file)
        same(curve)
        np.testing.assert_allclose(curve.rates, read(tmp_path / "run.csv").rates)


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "an empty file"),
        (b"\x80\x04\x95\x00\x00", "a binary file"),
        (b"hello, this is no log", "text that begins with 'hello, this is no log'"),
        (b"one\n2\n", "text that begins with 'one'"),
        (b"{\n", "what is no whole JSON"),
        (b"[1, 2]", "JSON that is no list of rows"),
        (b"[" * 100_000, "what is no whole JSON"),
        (b'{"a": 1,\n "b": [2]}', "JSON that is no list of rows"),
    ],
)
def test_what_is_no_log_is_said(tmp_path, content, got):
    file = tmp_path / "run.csv"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"^read ") as caught:
        read(file)
    said = str(caught.value)
    if b"," in content and content[:1] == b"h":
        assert "a column must count the steps, got 'hello', 'this is no log'" in said
    else:
        assert "it must be CSV, JSON lines, Parquet, a TensorBoard event file, Hugging Face's" in said
        assert f"got {got}" in said
    assert "\n" not in said


def test_a_damaged_parquet_file_is_said(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "run.parquet").write_bytes(b"PAR1 and nothing else")
    fails(tmp_path / "run.parquet", "it must be CSV")


def test_a_file_or_folder_that_is_not_there_is_said(tmp_path):
    fails(tmp_path / "none.csv", "it must be a file, got no such one")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("x")
    fails(tmp_path / "folder", "the folder must hold *tfevents* or trainer_state.json or metrics.csv, got notes.txt")


def test_a_file_without_names_is_said(tmp_path):
    (tmp_path / "run.csv").write_text("1,0.001,3.5\n2,0.001,3.4\n")
    fails(tmp_path / "run.csv", "the first row must name the columns, got '1,0.001,3.5'; add such a row")


@pytest.mark.parametrize(("package", "name"), [("pyarrow", "run.parquet"), ("tensorboard", "events.out.tfevents.1")])
def test_a_missing_package_is_said(tmp_path, monkeypatch, package, name):
    (tmp_path / name).write_bytes(b"PAR1")
    for part in (package, f"{package}.parquet", f"{package}.backend.event_processing"):
        monkeypatch.setitem(sys.modules, part, None)
    with pytest.raises(ValueError, match=f"{package} must be installed, got none; pip install {package}"):
        read(tmp_path / name)


def test_a_half_written_last_line_is_left_out(tmp_path):
    rows = [json.dumps({"step": int(s), "lr": 1e-3, "loss": v}) for s, v in zip(STEPS, LOSSES, strict=True)]
    (tmp_path / "run.jsonl").write_text("\n".join(rows) + '\n{"step": 41')
    same(read(tmp_path / "run.jsonl"))


def test_nan_may_stand_for_what_was_not_logged(tmp_path):
    losses = [loss if index % 2 else "nan" for index, loss in enumerate([*LOSSES.tolist(), 1.0])]
    steps, rates = [*STEPS, 410], [*RATES, 1e-4]
    same(read(csv(tmp_path, steps=steps, rates=rates, losses=losses)), STEPS[1::2], LOSSES[1::2])


def test_parquet_is_read(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    losses = [loss if index % 2 else None for index, loss in enumerate(LOSSES)]
    table = pyarrow.table({"step": STEPS, "lr": RATES.astype("float32"), "val_loss": losses, "note": ["x"] * 40})
    parquet.write_table(table, tmp_path / "run.parquet")
    same(read(tmp_path / "run.parquet"), STEPS[1::2], LOSSES[1::2])
    with pytest.raises(ValueError, match=r"column 'note' must hold numbers, got string; see which column it is"):
        read(tmp_path / "run.parquet", columns={"loss": "note"})


def test_a_cell_too_long_for_csv_and_a_column_that_is_there_twice_are_said(tmp_path):
    file = csv(tmp_path)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:5], '"' + "x" * 200_000 + '",1,1', *lines[5:]]))
    fails(file, "it must be CSV, JSON lines")
    file.write_text("step,lr,val_loss,val_loss\n" + "\n".join(f"{s},0.1,{3 / s},{9 / s}" for s in range(1, 30)))
    fails(file, "a column must have a name of its own, got 'val_loss' twice; rename one")
