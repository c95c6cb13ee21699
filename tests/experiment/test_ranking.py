"""The ranking: by what is tested, with what is missing said, and nothing dropped."""

import math
import statistics

import pytest
from comparing import CHOICE, STRATEGIES, judged, small
from numpy_task import LogisticTask


def test_the_ranking_is_by_the_mean_of_the_last_measurement_at_each_strategys_best_rate(tmp_path):
    found = small(LogisticTask(), tmp_path, STRATEGIES)
    means = [row.estimates["loss"].mean for row in found.rows]
    assert means == sorted(means)
    for row in found.rows:
        by_rate = {}
        for rate in found.rates:
            if runs := found.runs_of(row.strategy, rate, CHOICE):
                by_rate[rate] = sum(run.curve[-1].metrics["loss"] for run in runs) / len(runs)
        assert by_rate[row.base_lr] <= 1.1 * min(by_rate.values())  # what luck explains does not decide
        fresh = [run.curve[-1].metrics["loss"] for run in found.runs_of(row.strategy, row.base_lr)]
        assert len(fresh) == 2
        assert row.estimates["loss"].mean == pytest.approx(statistics.geometric_mean(fresh), rel=1e-12)
        assert row.seeds == 2


def test_the_ranking_is_by_the_logarithms_that_are_tested_and_printed():
    one = [0.01, 0.011, 0.012, 0.01, 10.0]
    other = [value * factor for value, factor in zip(one, [1.1, 1.1, 1.11, 1.1, 0.99], strict=True)]
    found = judged({"constant()": one, "cosine()": other})
    assert [row.strategy for row in found.rows] == ["constant()", "cosine()"]
    assert found.rows[0].estimates["loss"].mean < found.rows[1].estimates["loss"].mean
    assert sum(one) > sum(other)
    assert found.rows[1].difference.mean > 0


def test_a_strategy_without_all_its_seeds_stands_below_those_with_all_and_it_is_said():
    found = judged({"constant()": [1.0, 1.1, 1.2, 0.9, 5.0], "cosine()": [1.05, 1.15, 1.25, 0.95, None]})
    assert [row.strategy for row in found.rows] == ["constant()", "cosine()"]
    assert found.rows[1].missing == 1
    assert found.rows[1].difference.pairs == 4
    assert [row["codes"] for row in found.table()] == ["", "RS317"]
    assert [row["seeds"] for row in found.table()] == [5, 4]


def test_a_metric_that_is_not_finite_on_some_seed_is_missing_and_cannot_win():
    nan = math.nan
    found = judged(
        {"constant()": [0.8, 0.81, 0.82, 0.8, 0.8], "cosine()": [0.9, 0.91, nan, nan, nan]}, mode="max", metric="auc"
    )
    assert [row.strategy for row in found.rows] == ["constant()", "cosine()"]
    assert found.rows[1].missing == 3


def test_a_diverged_run_counts_with_its_first_loss():
    found = judged({"constant()": [1.0, 1.1, 1.2], "cosine()": [0.9, 1.0, "diverged"]})
    assert [row.strategy for row in found.rows] == ["constant()", "cosine()"]
    assert found.rows[1].missing == 0
    assert found.rows[1].estimates["loss"].mean == pytest.approx((0.9 * 1.0 * 3.0) ** (1 / 3))


def test_a_target_is_reached_when_most_seeds_reach_it_and_half_of_them_are_not_most():
    found = judged({"constant()": [1.0, 1.0], "cosine()": [0.5, 2.0], "linear()": [0.5, 1.0], "rex()": [0.9, None]})
    reached = {row.strategy: row.reached for row in found.rows}
    assert reached == {"constant()": 10, "cosine()": math.inf, "linear()": 10, "rex()": math.inf}


def test_a_strategy_that_was_stopped_early_is_not_missing_and_is_printed_as_if_it_had_all_seeds():
    hard = [1.0, 1.2, 1.1, 3.0, 4.0]
    found = judged({"constant()": hard, "cosine()": [0.5, 0.61, 0.55]}, doubts={"cosine()": 0.1})
    best = found.rows[0]
    assert (best.strategy, best.seeds, best.missing, best.doubt, best.difference.pairs) == ("cosine()", 3, 0, 0.1, 3)
    assert best.estimates["loss"].mean == pytest.approx(0.5 * statistics.geometric_mean(hard), rel=0.02)
    assert found.rows[1].seeds == 5
