"""ratesmith compare: what its table and its notes say beside the figures."""

import math
from dataclasses import replace
from pathlib import Path

from ranked_rows import BETTER, WIDE, ranked, row_of

from ratesmith.cli import run
from ratesmith.cli.compare import print_table
from ratesmith.experiment import Estimate

TASK = f"{Path(__file__).parents[1] / 'numpy_task.py'}:task"
QUICK = [TASK, "--steps", "20", "--seeds", "3", "--choice-seeds", "1", "--rates", "0.1", "--workers", "0"]


USUAL = ["cosine()", 'step(every="30%")', 'multistep(["50%", "75%"])', "exponential(0.95)", "plateau(patience=2)"]


def printed(comparison, monkeypatch, capsys, width):
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(comparison)
    return capsys.readouterr().out.splitlines()


def usual():
    """Return a comparison of six strategies of usual length, with speed and signs of overfitting."""
    rows = [
        row_of(name, 0.01234 * place, None if place == 6 else BETTER, BETTER, reached=5.0, gap=0.0123, turned=8.0)
        for place, name in enumerate([*USUAL, "constant()"], 1)
    ]
    values = {"loss": Estimate(0.01234, 0.01123, 0.01345), "accuracy": Estimate(0.9876, 0.9765, 0.9987)}
    return ranked(*(replace(each, estimates=values, base_lr=0.0123) for each in rows))


def test_the_table_of_six_strategies_fits_on_80_columns_without_a_cut(monkeypatch, capsys):
    lines = printed(usual(), monkeypatch, capsys, 80)
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines).replace("multistep(…)", "")
    text = "\n".join(lines)
    for cell in ("lr=0.0123, 10 seeds", "0.01123 to 0.01345", "-63 to -18 %", "better", "50 %", "turn at 80 %"):
        assert cell in text
    assert "accuracy" not in text


def test_other_metrics_stand_where_there_is_room(monkeypatch, capsys):
    assert "0.9765 to 0.9987" in "\n".join(printed(usual(), monkeypatch, capsys, 110))


def test_the_table_has_one_interval_a_cell_and_what_is_to_be_minded(monkeypatch, capsys):
    rows = (
        row_of("cosine()", 0.5, BETTER, doubt=0.5, reached=5.0),
        row_of("linear()", 0.6, WIDE, WIDE, missing=2, pairs=8, diverged=1, runs=9, reached=math.inf),
        row_of("constant()", 1.0, reached=math.inf),
        row_of("rex()", None, rate=None),
    )
    table = "\n".join(printed(ranked(*rows), monkeypatch, capsys, 80))
    for words in (
        "[RS327]",
        "lr=0.1, 8 of 10 seeds",
        "1 of 9 runs diverged",
        "-3 to +2 %",
        "never",
        "100 %",
        "[RS316]",
    ):
        assert words in table
    assert "training" not in table  # nothing is known of overfitting
    assert "Speed: the share of the steps until it is as good as the baseline's end." in " ".join(table.split())
    comparison = ranked(*rows)
    aimed = replace(comparison, question=replace(comparison.question, target=0.25))
    text = "\n".join(printed(aimed, monkeypatch, capsys, 80))
    assert "Speed: the share of the steps until it reaches 0.25." in text
    assert "target" in text


def test_a_mode_against_the_name_of_its_metric_is_noted_with_the_verdict(tmp_path, capsys):
    mode = ["--metric", "accuracy", "--mode", "min", "--strategy", "cosine()"]
    assert run(["compare", *QUICK, *mode, "--quiet", "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "--mode 'min' seeks small values of 'accuracy'" in out
    assert "[RS324]" in out
    assert err == ""
