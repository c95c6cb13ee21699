"""A comparison in words: the verdict, and lines to paste that train what was compared."""

import json
import math
from dataclasses import replace

import pytest
from comparing import LAYOUT, judged, small
from numpy_task import LogisticTask, Odd
from ranked_rows import BETTER, WIDE, WORSE, ranked, row_of

from ratesmith.experiment import Run, RunStatus, Trial
from ratesmith.report import write_html


def test_ties_are_named_and_a_single_seed_tells_nothing_apart(tmp_path):
    tied = small(LogisticTask(), tmp_path / "a", ["plateau(patience=50)"], seeds=3)
    assert tied.rows[0].strategy == "constant()"
    assert tied.rows[1].to_best.conclusion == tied.rows[1].difference.conclusion == "tie"
    assert tied.verdict().endswith("No strategy is shown to beat it. plateau(patience=50) is as good within 1 %.")
    assert "The verdict rests on 3 paired seeds: fewer than 5 tell little apart. [RS305]" in tied.note_lines()
    assert any(note.text().startswith("plateau(patience=50) never changed its rate within") for note in tied.notes)
    single = small(LogisticTask(), tmp_path / "b", seeds=1)
    assert single.verdict().endswith("One seed tells nothing apart.")
    assert "Fewer than 3 seeds have no interval, so they tell nothing apart: give more with seeds=. [RS312]" in (
        single.note_lines()
    )
    assert single.best.estimates["loss"].low is None


def test_a_best_rate_with_nothing_worse_on_one_side_is_said(tmp_path):
    found = small(LogisticTask(), tmp_path, rates=[1e-9, 1e-8])
    assert found.note_lines()[0] == (
        f"No rate above that of {found.best.chosen}, {found.best.base_lr:g}, was seen to be worse: a better one may "
        "lie there; look further with rates=. [RS311]"
    )
    assert "RS311" in found.table()[0]["codes"]


@pytest.mark.parametrize(
    ("outcomes", "side"),
    [
        ({("cosine()", 0.1): 1.0}, ""),  # one rate alone: nothing was looked for
        ({("cosine()", 0.01): 2.0, ("cosine()", 0.1): 1.0}, "above"),
        ({("cosine()", 0.1): 1.0, ("cosine()", 1.0): 2.0}, "below"),
        ({("cosine()", 0.01): 2.0, ("cosine()", 0.1): 1.0, ("cosine()", 1.0): 2.0}, ""),
        ({("cosine()", 0.01): 2.0, ("cosine()", 0.1): 1.0, ("cosine()", 1.0): "diverged"}, ""),
        ({("cosine()", 0.01): 2.0, ("cosine()", 0.1): 1.0, ("linear()", 1.0): "diverged"}, ""),
        ({("cosine()", 0.01): 2.0, ("cosine()", 0.1): 1.0, ("linear()", 1.0): 2.0}, "above"),  # as good as where?
        ({("cosine()", 0.01): 2.0, ("cosine()", 0.1): 1.0, ("linear()", 0.1): 1.5, ("linear()", 1.0): 2.0}, ""),
        ({("cosine()", 0.01): 2.0, ("cosine()", 0.1): 1.0, ("linear()", 0.1): 1.5, ("linear()", 1.0): 1.2}, "above"),
        ({("cosine()", 0.01): 2.0, ("cosine()", 0.1): 1.0, ("muon: linear()", 1.0): "diverged"}, "above"),
        ({("cosine()", 0.01): 2.0, ("cosine()", 0.1): 1.0, ("linear()", 1.0): "failed"}, "above"),
    ],
)
def test_a_rate_is_bounded_where_a_strategy_of_its_optimizer_was_worse_beyond_it(outcomes, side):
    rows = row_of("cosine()", 1.0, BETTER), row_of("linear()", 1.1, BETTER, WIDE), row_of("constant()", 2.0)
    runs = []
    for (text, rate), value in outcomes.items():
        trial = Trial(text, rate, 0, LAYOUT.steps)
        if isinstance(value, str):
            runs.append(Run(trial, RunStatus(value), 3, 0.0))
        else:
            runs.append(Run(trial, RunStatus.DONE, 10, 0.0, metrics={"loss": value}))
    lines = replace(ranked(*rows), runs=tuple(runs)).note_lines()
    assert [line.split()[2] for line in lines if "[RS311]" in line] == ([side] if side else [])


def test_a_metric_that_is_nowhere_finite_is_not_called_divergence(tmp_path):
    undefined = Odd(evaluate=lambda training, old: lambda split="validation": {**old(split), "f1": math.nan})
    found = small(undefined, tmp_path, metric="f1", mode="max", rates=[0.1, 0.3])
    assert found.verdict().startswith("No strategy has a rate at which every seed ended with a finite f1")
    json.dumps(small(undefined, tmp_path, rates=[0.1]).to_dict(), allow_nan=False)


def test_a_strategy_without_a_result_is_named():
    found = judged({"constant()": [1.0, 1.1, 1.2], "cosine()": [None, None, None], "linear()": [2.0, 2.2, 2.4]})
    assert found.rows[-1].strategy == "cosine()"
    assert found.rows[-1].base_lr is None
    assert "Without a rate at which every run ended well: cosine(). [RS316]" in found.note_lines()
    assert "Keep constant(), with lr=0.1." in found.verdict()
    assert "All others" not in found.verdict()


def test_a_verdict_without_some_runs_says_so_first_everywhere(tmp_path):
    comparison = judged({"constant()": [1.0, 1.1, 1.2], "cosine()": [0.5, None, 0.6], "linear()": [None, None, None]})
    first = (
        "Incomplete: the verdict is given without 4 of 9 runs (4 failed); the same call tries what is missing again."
    )
    assert comparison.verdict().startswith(f"{first} [RS320] constant() comes first, with lr=0.1.")
    data = comparison.to_dict()
    assert data["verdict"] == comparison.verdict()
    assert data["notes"][0] == {"code": "RS320", "strategy": "", "text": first}
    assert data["missing_runs"] == 4
    assert [row["seeds"] for row in data["rows"]] == [row["seeds"] for row in comparison.table()] == [3, 2, 0]
    page = write_html(comparison, tmp_path / "report.html").read_text(encoding="utf-8")
    assert f'<p class="verdict">{first}' in page
    assert "<small>lr=0.1, 2 of 3 seeds</small>" in page
    assert judged({"constant()": [1.0, "diverged"]}).missing_runs == ()


def test_the_lines_to_paste_hear_the_metric_that_the_strategy_listens_to():
    found = judged({'plateau(metric="accuracy", mode="max")': [1.0, 1.1]}, baseline="constant()")
    assert '.step(metrics={"accuracy": validation_accuracy, "loss": validation_loss})' in found.paste()
    assert "count_updates=True" in found.paste()
    named = judged({'custom("plateau_x")': [1.0, 1.1]})
    assert "metrics" not in named.paste()
    assert "functions={'plateau_x': plateau_x}, count_updates=True)" in named.paste()


def pasted(text):
    """Return the lines to paste for a winner."""
    return judged({text: [1.0, 1.1]}).paste()


def test_a_controller_written_as_a_value_is_pasted_with_its_measurements():
    lines = pasted("cosine() * Plateau(factor=0.3, patience=0, threshold=0.5)")
    assert 'after every measurement: scheduler.step(metrics={"loss": validation_loss})' in lines
    assert lines.endswith(", count_updates=True)")
    assert '{"f1": validation_f1, "loss": validation_loss}' in pasted('Greedy(metric="f1")')


@pytest.mark.parametrize(
    ("text", "functions"),
    [
        ('custom(function="halving")', "{'halving': halving}"),
        ('warmup("5%", shape="mycurve") >> cosine()', "{'mycurve': mycurve}"),
        ('Ramp(1, 0, 9, "mycurve") * custom("halving")', "{'halving': halving, 'mycurve': mycurve}"),
    ],
)
def test_functions_and_curves_are_pasted_by_whatever_way_they_are_named(text, functions):
    lines = pasted(text)
    assert lines.endswith(f", functions={functions}, count_updates=True)")
    assert "functions" not in pasted('warmup("5%", shape="cosine") >> cosine()')


def halving(epoch):
    return 0.5**epoch


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("Constant(0.8) * Plateau(factor=0.5, patience=0)", 0.4),
        ('custom(function="halving")', 0.25),
        ('Ramp(0, 1, 4, shape="square")', 0.25),
    ],
)
def test_the_lines_to_paste_train_what_was_compared(text, factor):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    script = {"optimizer": optimizer, "halving": halving, "square": lambda share: share**2}
    exec(pasted(text), script)
    for _ in range(2):
        optimizer.step()
        script["scheduler"].step(metrics={"loss": 1.0})
    assert script["scheduler"].last_epoch == 2
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * factor)


@pytest.mark.parametrize("steps_of_scheduler", [0, 1, 2])
def test_the_pasted_scheduler_is_right_wherever_its_step_is_called(steps_of_scheduler):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    script = {"optimizer": optimizer}
    exec(pasted("step(every=2, gamma=0.5)"), script)
    for _ in range(4):
        optimizer.step()
        for _ in range(steps_of_scheduler):
            script["scheduler"].step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.25)


def test_the_winner_is_pasted_in_every_form_that_says_it_exactly():
    found = judged({"cosine()": [1.0, 1.1]})
    assert found.paste_forms()[:3] == ("ratesmith", "python", "torch")
    script = {}
    exec(found.paste("python"), script)
    assert script["learning_rate"](0) == found.best.base_lr
    assert script["learning_rate"](found.layout.steps) == 0.0
    with pytest.raises(ValueError, match=r"code: form must be a form that says this schedule exactly, got 'torch'"):
        judged({"greedy()": [1.0, 1.1]}).paste("torch")


EQUAL = [1.0, 1.1, 1.2]
HEADLINES = {
    "Incomplete: keep constant() with lr=0.1: no other strategy ended well.": {"cosine()": [None] * 3},
    "Incomplete: use cosine() with lr=0.1: no other strategy ended well.": {
        "constant()": [None] * 3,
        "cosine()": EQUAL,
    },
    "Incomplete: constant() with lr=0.1 comes first; 2 seeds tell nothing apart.": {"cosine()": [0.5, 0.6, None]},
    "No answer: every run diverged.": {"constant()": ["diverged"] * 3},
    "No answer: no strategy has a rate at which every run ended well.": {"constant()": [None] * 3},
}


@pytest.mark.parametrize("headline", HEADLINES)
def test_the_headline_gives_the_answer_in_20_words_and_what_is_missing_first(headline):
    assert judged({"constant()": EQUAL} | HEADLINES[headline]).headline() == headline
    assert len(headline.split()) <= 20


def test_a_rate_that_may_not_be_the_best_is_said_of_what_may_be_the_best_alone():
    rows = (
        row_of("cosine()", 0.5, BETTER, doubt=0.03),
        row_of("linear()", 0.6, BETTER, WIDE, doubt=0.009),
        row_of("constant()", 1.0, None, (0.2, 1.0), doubt=0.5),
    )
    [line] = ranked(*rows).note_lines()
    assert line == (
        "Another rate may be better than the one that was chosen: for cosine() by 3 %. The intervals are wider for "
        "that; look closer with rates=. [RS327]"
    )
    assert [each["codes"] for each in ranked(*rows).table()] == ["RS327", "", ""]
    more = [row_of(f"wsd(decay={place})", 0.6, BETTER, WIDE, doubt=place / 100) for place in (4, 5)]
    [line] = ranked(rows[0], *more, rows[2]).note_lines()
    assert "better than the one that was chosen: for 3 strategies, by 3 to 4.9 %. The intervals" in line
    large = {"mode": "max", "metric": "accuracy"}
    of_shares = ranked(
        row_of("cosine()", 0.9, (0.1, 0.2), doubt=0.02, **large), row_of("constant()", 0.7, **large), **large
    )
    assert "for cosine() by 0.02." in of_shares.note_lines()[0]


def test_seeds_that_were_left_are_said_of_what_may_be_as_good():
    rows = row_of("cosine()", 0.5, BETTER, pairs=4), row_of("linear()", 0.6, BETTER, WIDE, pairs=4)
    behind = row_of("wsd()", 0.9, WORSE, WIDE, pairs=3), row_of("constant()", 1.0, None, (0.2, 1.0), pairs=4)
    comparison = ranked(*rows, *behind)
    [line] = comparison.note_lines()
    assert line == (
        "linear() may be as good as far as 4 of 10 seeds tell. No more were trained: only better "
        "rates could tell. [RS326]"
    )
    assert [each["codes"] for each in comparison.table()] == ["", "RS326", "", ""]
    assert ranked(*rows, *behind, seeds=4).note_lines() == []


def test_what_is_far_behind_is_called_so_and_nothing_else_is_said_of_it(tmp_path):
    kept = row_of("constant()", 1.0), row_of("cosine()", 1.3, (-0.1, 0.7), (-0.1, 0.7), left_behind=True, pairs=3)
    comparison = ranked(*kept)
    assert comparison.verdict() == (
        "Keep constant(), with lr=0.1. No strategy is shown to beat it. cosine() is far behind, and got no more than 3 "
        "seeds."
    )
    assert comparison.note_lines() == []
    assert [row["against_baseline"] for row in comparison.table()] == ["", "far behind"]
    assert [row["against_best"] for row in comparison.table()] == ["", "far behind"]
    page = write_html(comparison, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<small>far behind, stopped</small>" in page
    assert "not told apart</td>" not in page
    first = row_of("linear()", 0.5, BETTER)
    behind = row_of("cosine()", 1.3, WIDE, (-0.1, 0.9), left_behind=True, pairs=3, doubt=0.5)
    comparison = ranked(first, row_of("constant()", 1.0, None, (0.2, 1.0)), behind)
    assert comparison.verdict().endswith("cosine() is far behind, and got no more than 3 seeds.")
    assert comparison.note_lines() == []
    assert [row["against_baseline"] for row in comparison.table()] == ["better", "", "not told apart"]
    assert [row["against_best"] for row in comparison.table()] == ["", "worse", "far behind"]
    claimed = ranked(row_of("constant()", 1.0), row_of("cosine()", 1.3, WORSE, WORSE, left_behind=True))
    assert "far behind" not in claimed.verdict()
