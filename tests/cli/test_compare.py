"""ratesmith compare: what its table and its notes say beside the figures."""

import io
import math
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from ranked_rows import BETTER, WIDE, ranked, row_of

from ratesmith.cli import run
from ratesmith.cli.compare import print_table
from ratesmith.cli.progress import ShownProgress
from ratesmith.experiment import Estimate, Progress

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


def test_what_lies_far_behind_is_never_called_not_told_apart_from_the_first(monkeypatch, capsys):
    behind = row_of("cosine()", 1.3, (-0.1, 0.7), (-0.1, 0.7), left_behind=True, pairs=3)
    table = "\n".join(printed(ranked(row_of("constant()", 1.0), behind), monkeypatch, capsys, 80))
    assert "far behind, stopped" in table
    assert "-10 to +100 %" in table
    assert "not told apart" not in table


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_comparison_that_ends_before_its_plan_leaves_a_full_bar(monkeypatch, tmp_path, error):
    monkeypatch.setattr("sys.stderr", screen := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    progress = ShownProgress(tmp_path, quiet=False, ask=False)
    with suppress(KeyboardInterrupt), progress:
        progress.update(Progress("verdict", 40, 78, None, 0, None))
        if error:
            raise error
    [last] = [line for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).split("\n") if line][-1:]
    if error:
        assert "verdict" in last
        assert "40/78 runs at most, time left" in last
    else:
        assert "done" in last
        assert "40/40 runs of at most 78" in last


def test_lines_of_a_log_say_that_the_plan_is_the_most(capsys, tmp_path):
    ShownProgress(tmp_path, quiet=False, ask=False).update(Progress("verdict", 40, 78, None, 0, None))
    assert capsys.readouterr().err == "ratesmith: verdict: 40 of at most 78 runs\n"


def test_a_mode_against_the_name_of_its_metric_is_noted_with_the_verdict(tmp_path, capsys):
    mode = ["--metric", "accuracy", "--mode", "min", "--strategy", "cosine()"]
    assert run(["compare", *QUICK, *mode, "--quiet", "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "--mode 'min' seeks small values of 'accuracy'" in out
    assert "[RS324]" in out
    assert err == ""


def test_optimizers_of_the_tasks_file_take_part_by_their_names(tmp_path, capsys):
    task = [TASK.replace("numpy_task", "optimizer_task"), *QUICK[1:], "--out", str(tmp_path)]
    named = ["--optimizer", "heavy=make_momentum", "--optimizer", "fixed = make_other@0.3"]
    assert run(["compare", *task, *named, "--strategy", "heavy:cosine()", "--baseline", "fixed: cosine()"]) == 0
    out = capsys.readouterr().out
    assert "heavy: cosine()" in out
    assert "fixed: cosine()" in out
    assert "constant()" not in out
    assert "makes\nfrom ratesmith import Horizon" in out
    assert "`ratesmith show 'cosine()' --steps" in out
    assert run(["study", "resume", str(tmp_path), "--quiet"]) == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["heavy"], "compare: --optimizer must be NAME=FUNCTION, got 'heavy'; write muon=make_muon"),
        (["a=b", "a=c"], "compare: --optimizer must give a name once, got 'a' twice; call one otherwise"),
        (["a b=c"], "compare: --optimizer must be called by letters, digits, _ and -, got 'a b'; give a name such as"),
        (["a=c@0"], "compare: --optimizer must have a fixed rate above 0, got 0.0; write @1, or leave it out"),
        (["a=c"], "compare: --optimizer needs a task that can take another, got LogisticTask; give a TorchTask, or"),
    ],
)
def test_a_mistake_in_an_optimizer_is_one_line_in_the_commands_words(tmp_path, capsys, given, message):
    options = [word for text in given for word in ("--optimizer", text)]
    assert run(["compare", *QUICK, *options, "--strategy", "cosine()", "--out", str(tmp_path / "a")]) == 2
    assert capsys.readouterr().err.startswith(f"ratesmith: {message}")
