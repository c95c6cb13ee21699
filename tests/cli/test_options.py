"""Mistakes in the options of `compare` and `find` that no training is needed for to see."""

import pytest

from ratesmith.cli import run


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A script that leaves a file if it is ever run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("open('ran', 'w').close()\n")
    return tmp_path / "ran"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "train.py", "--metric", "f1"], "compare: --mode must be given for the metric 'f1'; write 'min'"),
        (["compare", "train.py", "--mode", "best"], "compare: --mode must be 'min' or 'max', got 'best'; choose one"),
        (
            ["compare", "train.py", "--steps", "soon"],
            "compare: --steps must be a number of steps or epochs, got 'soon'",
        ),
        (["compare", "train.py", "--steps", "xep"], "compare: --steps must be a number of steps or epochs, got 'xep'"),
        (["compare", "train.py", "--steps", "50%"], "compare: --steps must be a number of steps or epochs, got '50%'"),
        (["compare", "train.py", "--steps", "0"], "compare: --steps must be a whole number of at least 1, got 0"),
        (
            ["compare", "train.py", "--evaluate-every", "often"],
            "compare: --evaluate-every must be a number of steps, epochs or a share, got 'often'; write 50, '1ep'",
        ),
        (["find", "train.py", "--group", "head"], "find: --group is for a task; drop it: a script's groups keep their"),
        (["find", "train.py", "--steps", "soon"], "find: --steps must be a number of steps or epochs, got 'soon'"),
        (
            ["find", "train.py", "--method", "race", "--metric", "f1"],
            "race: --mode must be given for the metric 'f1', got none; give 'max' where more is better, else 'min'",
        ),
        (
            ["find", "train.py", "--method", "grid", "--rates", "0.1", "--mode", "best"],
            "grid: --mode must be 'min' or 'max', got 'best'; choose one",
        ),
    ],
)
def test_a_mistake_is_told_before_the_script_is_run(arguments, message, script, capsys):
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ratesmith: {message}")
    assert err.count("\n") == 1
    assert not script.exists()


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["compare", "train.py", "--data", "x"], "ratesmith compare train.py -- --data x"),
        (
            ["compare", "train.py", "--steps", "10ep", "--seed", "3", "--rates=0.1", "--flag", "--", "--more", "2"],
            "ratesmith compare train.py --steps 10ep --rates=0.1 -- --seed 3 --flag --more 2",
        ),
        (["compare", "train.py", "-d", "a b", "--quiet"], "ratesmith compare train.py --quiet -- -d 'a b'"),
        (["compare", "train.py", "--yes", "--data", "x"], "ratesmith compare train.py --yes -- --data x"),
        (["find", "train.py", "--data", "x"], "ratesmith find train.py -- --data x"),
    ],
)
def test_an_option_of_the_scripts_own_is_told_its_place(arguments, command, capsys):
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("ratesmith: No such option '-")
    assert err.endswith(f" If it is the script's own, it stands behind --: {command}\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["compare", "digits.py:task", "--data", "x"], ["show", "cosine()", "--data"]])
def test_where_there_is_no_script_nothing_is_said_of_one(arguments, capsys):
    assert run(arguments) == 2
    assert "script" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("metric", "mode", "other"),
    [("accuracy", "min", "max"), ("val/F1", "min", "max"), ("loss", "max", "min"), ("word_error_rate", "max", "min")],
)
def test_a_mode_against_the_name_of_its_metric_is_warned_of_in_one_line(metric, mode, other, capsys):
    # There is no such file: nothing further is done.
    assert run(["compare", "none.py", "--metric", metric, "--mode", mode]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"ratesmith: --mode '{mode}' seeks ")
    assert first.endswith(f"by its name; write '{other}' if they are. [RS324]")
    assert "there is no such file" in second


def test_find_warns_of_the_mode_before_the_script_is_run(script, capsys):
    assert run(["find", "train.py", "--method", "race", "--metric", "acc", "--mode", "min"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("write 'max' if they are. [RS324]")
    assert "train.py: it ended" in second
    assert script.exists()


@pytest.mark.parametrize(("metric", "mode"), [("accuracy", "max"), ("loss", "min"), ("neg_loss", "max"), ("x", "max")])
def test_a_mode_that_may_be_meant_is_not_warned_of(metric, mode, capsys):
    assert run(["compare", "none.py", "--metric", metric, "--mode", mode]) == 2
    assert "RS324" not in capsys.readouterr().err
