"""The statistics of the verdict, against SciPy's own tests and plain counting."""

import itertools
import math
import statistics
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ratesmith.experiment.statistics import corrected, estimate, expected_best, holm, nearly_as_good, paired, unpaired

LOSSES = st.lists(st.floats(0.1, 10), min_size=3, max_size=9)


@given(LOSSES, st.integers(0, 1000))
def test_a_paired_difference_is_scipys_paired_t_test_on_the_logarithms(values, seed):
    others = list(np.array(values) * np.random.default_rng(seed).uniform(0.5, 2.0, len(values)))
    difference = paired(values, others, "min", 0.01)
    oracle = stats.ttest_rel(np.log(values), np.log(others))
    low, high = oracle.confidence_interval(0.95)
    assert (difference.low, difference.high) == pytest.approx((low, high), rel=1e-9, abs=1e-12)
    assert difference.p == pytest.approx(oracle.pvalue, rel=1e-6)
    assert difference.boot_low <= difference.mean <= difference.boot_high
    assert difference.relative


def test_a_metric_or_a_loss_that_is_not_positive_is_compared_as_it_is():
    difference = paired([0.9, 0.92, 0.91], [0.8, 0.81, 0.83], "max", 0.01)
    assert not difference.relative
    assert difference.mean == pytest.approx(statistics.fmean([0.1, 0.11, 0.08]))
    assert difference.conclusion == "better"
    assert paired([-1.0, -1.1, -1.2], [1.0, 1.1, 1.2], "min", 0.01).mean == pytest.approx(-2.2)


@pytest.mark.parametrize(
    ("values", "others", "conclusion"),
    [
        ([1.0, 1.01, 1.02], [2.0, 2.01, 2.03], "better"),
        ([2.0, 2.01, 2.03], [1.0, 1.01, 1.02], "worse"),
        ([1.0, 1.1, 1.2], [1.001, 1.1, 1.201], "tie"),
        ([1.0, 1.1, 1.2], [1.0, 1.1, 1.2], "tie"),
        ([1.0, 1.5, 1.2], [1.2, 1.1, 1.4], "not told apart"),
        ([1.0], [2.0], "not told apart"),
    ],
)
def test_the_conclusions(values, others, conclusion):
    assert paired(values, others, "min", 0.01).conclusion == conclusion


def test_holms_correction_is_the_stepwise_rule():
    for values in itertools.permutations([0.001, 0.01, 0.03, 0.04, 0.5]):
        ranked = sorted(values)
        steps = [min(1.0, (5 - i) * p) for i, p in enumerate(ranked)]
        wanted = {p: max(steps[: i + 1]) for i, p in enumerate(ranked)}
        assert holm(values) == [wanted[p] for p in values]
    assert holm([]) == []


def test_many_strategies_asked_at_once_take_a_conclusion_back():
    rng = np.random.default_rng(3)
    base = rng.uniform(1, 2, 5)
    slight = paired(list(base * np.exp([-0.02, -0.05, -0.09, -0.01, -0.06])), list(base), "min", 0.001)
    assert slight.conclusion == "better"
    others = {f"noise {i}": paired(list(base * rng.uniform(0.8, 1.2, 5)), list(base), "min", 0.001) for i in range(9)}
    assert corrected({"slight": slight, **others}, "min", 0.001)["slight"].conclusion == "not told apart"
    assert corrected({"slight": slight}, "min", 0.001)["slight"] == slight


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6), st.data())
def test_the_expected_best_is_the_mean_over_all_draws(values, data):
    k = data.draw(st.integers(1, len(values)))
    for mode, best in (("min", min), ("max", max)):
        draws = [best(chosen) for chosen in itertools.combinations(values, k)]
        assert expected_best(values, k, mode) == pytest.approx(statistics.fmean(draws), abs=1e-9)


def test_the_range_of_rates_that_are_nearly_as_good():
    means = {0.01: 2.0, 0.1: 1.0, 1.0: 4.0}
    low, high = nearly_as_good(means, "min")
    share = math.log(1.05) / math.log(2.0)
    assert low == pytest.approx(0.1 * 0.1**share)
    assert high == pytest.approx(0.1 * 10 ** (math.log(1.05) / math.log(4.0)))
    assert nearly_as_good({0.1: 1.0}, "min") is None
    assert nearly_as_good({0.1: 1.0, 1.0: 1.0}, "min") == (0.1, 1.0)
    low, high = nearly_as_good({0.1: 0.5, 1.0: 0.9, 10.0: 0.1}, "max")
    assert 0.1 < low < 1.0 < high < 10.0


def test_an_estimate_is_students_interval():
    low, high = stats.t.interval(0.95, 4, loc=3.0, scale=stats.sem([1, 2, 3, 4, 5]))
    assert estimate([1, 2, 3, 4, 5])[1:] == pytest.approx((low, high))
    assert estimate([2.0]) == (2.0, None, None)


@given(LOSSES, LOSSES)
def test_what_is_not_paired_is_welchs_test(values, others):
    difference = unpaired(values, others, "max", 0.0)
    if np.ptp(values) == 0 == np.ptp(others):
        assert difference.mean == difference.low == difference.high
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nearly equal values
        test = stats.ttest_ind(values, others, equal_var=False)
    assert difference.p == pytest.approx(test.pvalue, abs=1e-12)
    spread = np.var(values, ddof=1) / len(values), np.var(others, ddof=1) / len(others)
    degrees = sum(spread) ** 2 / (spread[0] ** 2 / (len(values) - 1) + spread[1] ** 2 / (len(others) - 1))
    half = stats.t.ppf(0.975, degrees) * math.sqrt(sum(spread))
    assert difference.low == pytest.approx(difference.mean - half, abs=1e-9)
    assert difference.boot_low <= difference.mean + 1e-9
    assert difference.boot_high >= difference.mean - 1e-9


def test_runs_that_have_nothing_in_common_are_told_apart_less_often_than_pairs_would_be():
    """Pairs share the difficulty of their seed, which hides a shift from a test that does not know it."""
    hard = np.linspace(1.0, 3.0, 6)
    shifted = hard * 0.97 + np.array([1, -1, 1, -1, 1, -1]) * 1e-3
    assert paired(shifted, hard, "min", 0.0).conclusion == "better"
    assert unpaired(shifted, hard, "min", 0.0).conclusion == "not told apart"
