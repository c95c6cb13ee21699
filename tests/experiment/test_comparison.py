"""The result of a comparison as plain data."""

from numpy_task import LogisticTask

from ratesmith.experiment import compare


def test_table_json_and_text_carry_the_codes(tmp_path):
    found = compare(LogisticTask(), ["plateau(patience=50)"], folder=tmp_path, steps=60, seeds=1, rates=[1e-9, 1e-8])
    codes = {row["strategy"]: row["codes"].split() for row in found.table()}
    minded = ["RS311", "RS327"] if found.best.strategy == "constant()" else ["RS310", "RS311", "RS327"]
    assert codes[found.best.strategy] == minded
    assert "RS310" in codes["plateau(patience=50)"]
    data = found.to_dict()
    assert data["format"] == 3
    assert {note["code"] for note in data["notes"]} == {"RS305", "RS310", "RS311", "RS312", "RS327"}
    assert [row["codes"] for row in data["rows"]] == [row["codes"].split() for row in found.table()]
    assert sum("[RS31" in line for line in found.note_lines()) == 3
    assert all(line.endswith("]") for line in found.note_lines())
