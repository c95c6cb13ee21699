"""ratesmith compare: what its table and its notes say beside the figures."""

from pathlib import Path

from ratesmith.cli import run

TASK = f"{Path(__file__).parents[1] / 'numpy_task.py'}:task"
QUICK = [TASK, "--steps", "20", "--seeds", "3", "--choice-seeds", "1", "--rates", "0.1", "--workers", "0"]
CORRECTED = "Several strategies are compared at once: all intervals, and the words beside them, allow for that."


def test_the_table_names_the_correction_if_several_are_compared_at_once(tmp_path, capsys):
    assert run(["compare", *QUICK, "--strategy", "cosine()", "--strategy", "rex()", "--out", str(tmp_path / "a")]) == 0
    assert CORRECTED in capsys.readouterr().out
    assert run(["compare", *QUICK, "--strategy", "cosine()", "--out", str(tmp_path / "b")]) == 0
    assert CORRECTED not in capsys.readouterr().out


def test_a_mode_against_the_name_of_its_metric_is_noted_with_the_verdict(tmp_path, capsys):
    mode = ["--metric", "accuracy", "--mode", "min", "--strategy", "cosine()"]
    assert run(["compare", *QUICK, *mode, "--quiet", "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "--mode 'min' seeks small values of 'accuracy'" in out
    assert "[RS324]" in out
    assert err == ""
