"""What controllers listen to in `ratesmith show`: the example, or measurements from a file."""

import json

import pytest

from ratesmith import Plateau
from ratesmith.cli import run
from ratesmith.cli.measured import read_losses
from ratesmith.example_metric import follow
from ratesmith.logs.formats import open_log


def log(tmp_path, text):
    path = tmp_path / "log.csv"
    path.write_text(text)
    return path


FLAT = "step,val_loss,accuracy\n" + "".join(f"{step},1.0,0.5\n" for step in range(10, 101, 10))


def test_a_log_is_read_by_the_metrics_name_or_its_loss(tmp_path):
    by_name, by_loss = Plateau(patience=1, metric="accuracy", mode="max"), Plateau(patience=3)
    measured = read_losses(log(tmp_path, FLAT), [by_name, by_loss], 100)
    assert follow(by_name, measured).changes[0] == 30
    assert follow(by_loss, measured).changes[0] == 50
    assert measured.text == "Drawn on accuracy and val_loss of log.csv, 10 measurements."


def test_a_single_column_is_spread_over_the_training(tmp_path):
    path = log(tmp_path, "loss\n" + "1.0\n" * 10)
    with pytest.raises(ValueError, match="read: it must be CSV"):
        open_log(path)
    measured = read_losses(path, [Plateau()], 200)
    assert measured.steps == tuple(range(20, 201, 20))
    assert "spread evenly" in measured.text


def test_rows_without_the_metric_and_after_the_end_are_left_out(tmp_path):
    path = log(tmp_path, "step,loss\n10,1\n20,\n30,nan\n40,1\n50,1\n")
    measured = read_losses(path, [Plateau()], 45)
    assert measured.steps == (10, 30, 40)  # what is not finite is a measurement, and no improvement
    assert "1 after step 45 are left out" in measured.text


def test_without_a_length_the_log_gives_it(tmp_path, capsys):
    assert run(["show", "plateau()", "--losses", str(log(tmp_path, FLAT)), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["steps"] == 100
    assert "of log.csv, 10 measurements." in err


@pytest.mark.parametrize(
    ("text", "strategy", "message"),
    [
        (FLAT, "cosine()", "show: --losses is for plateau, greedy and spike_guard, got none; drop it"),
        (
            FLAT,
            'plateau(metric="f1")',
            "read 'log.csv': it must have the column 'f1', got 'step', 'val_loss', 'accuracy'; name it so, or",
        ),
        ("step,loss\n", "plateau()", "read 'log.csv': it must hold measurements, got none in 'loss'; fill them"),
        ("step,loss\n99,1\n", "plateau()", "show: --losses must measure within the training, got step 99 first, of 50"),
        ("a,b\n1,2\n", "plateau()", "read 'log.csv': a column must hold the loss, got 'a', 'b', 'step'; name it as"),
        ("hello\n", "plateau()", "read 'log.csv': it must be CSV, JSON lines, Parquet, a TensorBoard event file"),
        (None, "plateau()", "read 'log.csv': it must be a file, got no such one; check the path"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(text, strategy, message, tmp_path, capsys):
    if text is not None:
        log(tmp_path, text)
    assert run(["show", strategy, "--steps", "50", "--losses", str(tmp_path / "log.csv")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ratesmith: {message}")
    assert err.count("\n") == 1


def test_show_says_what_the_controllers_heard_and_which_did_nothing(capsys):
    assert run(["show", "plateau(patience=2)", "plateau(patience=40)", "--steps", "1000"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Drawn on an example metric that stops improving at 60 %, measured 50 times;" in said
    assert said.endswith("It gave plateau(patience=40) nothing to do.")
