"""The ranking: by what is tested, with what is missing said, and nothing dropped."""

import math

import pytest

from ratesmith.experiment import Comparison, Point, Run, RunLayout, Trial
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.ranking import rank

PLAN = RunLayout(10, 10)


def compared(finals, mode="min", metric="loss", baseline="constant()"):
    """Return a comparison of strategies by their final values; None failed, "diverged" did."""
    seeds = tuple(range(1000, 1000 + max(map(len, finals.values()))))
    runs = {}
    for name, values in finals.items():
        for seed, value in zip(seeds, values, strict=True):
            trial, start = Trial(name, 0.1, seed, 10), Point(0, None, {"loss": 3.0, metric: 3.0})
            if value is None:
                runs[trial] = Run(trial, "failed", 3, 0.0, message="no")
            elif value == "diverged":
                runs[trial] = Run(trial, "diverged", 3, 0.0, curve=(start,))
            else:
                end = {"loss": 1.0, metric: value}
                runs[trial] = Run(trial, "done", 10, 0.0, metrics=end, curve=(start, Point(10, 1.0, end)))
    question = Question({name: (name,) for name in finals}, baseline, metric, mode, 0.01, (0,), seeds)
    chosen = {name: Choice(name, 0.1) for name in finals}
    rows = rank(runs, chosen, question, PLAN, (metric,))
    return Comparison(rows=rows, question=question, layout=PLAN, runs=tuple(runs.values()))


def test_the_ranking_is_by_the_logarithms_that_are_tested():
    one = [0.01, 0.011, 0.012, 0.01, 10.0]
    other = [value * factor for value, factor in zip(one, [1.1, 1.1, 1.11, 1.1, 0.99], strict=True)]
    found = compared({"constant()": one, "cosine()": other})
    assert [row.strategy for row in found.rows] == ["constant()", "cosine()"]
    assert found.rows[1].to_best.conclusion == "worse"
    assert found.rows[1].difference.mean > 0


def test_a_strategy_without_all_its_seeds_stands_below_those_with_all_and_it_is_said():
    found = compared({"constant()": [1.0, 1.1, 1.2, 0.9, 5.0], "cosine()": [1.05, 1.15, 1.25, 0.95, None]})
    assert [row.strategy for row in found.rows] == ["constant()", "cosine()"]
    assert found.rows[1].missing == 1
    assert found.rows[1].difference.pairs == 4
    alone = compared({"constant()": [None, 1.1, 1.2, 0.9, 5.0]})
    assert "over 4 fresh seeds" in alone.verdict()


def test_a_metric_that_is_not_finite_on_some_seed_is_missing_and_cannot_win():
    nan = math.nan
    found = compared(
        {"constant()": [0.8, 0.81, 0.82, 0.8, 0.8], "cosine()": [0.9, 0.91, nan, nan, nan]}, mode="max", metric="auc"
    )
    assert [row.strategy for row in found.rows] == ["constant()", "cosine()"]
    assert found.rows[1].missing == 3


def test_a_diverged_run_counts_with_its_first_loss():
    found = compared({"constant()": [1.0, 1.1, 1.2], "cosine()": [0.9, 1.0, "diverged"]})
    assert [row.strategy for row in found.rows] == ["constant()", "cosine()"]
    assert found.rows[1].missing == 0
    assert found.rows[1].estimates["loss"].mean == pytest.approx((0.9 + 1.0 + 3.0) / 3)


def test_a_strategy_without_a_result_is_named():
    found = compared({"constant()": [1.0, 1.1, 1.2], "cosine()": [None, None, None], "linear()": [2.0, 2.2, 2.4]})
    assert found.rows[-1].strategy == "cosine()"
    assert found.rows[-1].base_lr is None
    assert found.verdict().endswith("Without a rate at which every run ended well: cosine(). [RS316]")
    assert "Every other strategy is worse" not in found.verdict()


def test_the_lines_to_paste_hear_the_metric_that_the_strategy_listens_to():
    found = compared({'plateau(metric="accuracy", mode="max")': [1.0, 1.1]}, baseline="constant()")
    assert '.step(metrics={"accuracy": validation_accuracy, "loss": validation_loss})' in found.paste()
    assert "count_updates=True" in found.paste()
    named = compared({'custom("plateau_x")': [1.0, 1.1]})
    assert "count_updates" not in named.paste()
    assert "functions={'plateau_x': plateau_x}" in named.paste()


def pasted(text):
    """Return the lines to paste for a winner."""
    return compared({text: [1.0, 1.1]}).paste()


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
    assert lines.endswith(f", functions={functions})")
    assert "count_updates" not in lines
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
