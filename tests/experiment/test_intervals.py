"""Intervals of differences, against SciPy's tests, published critical values, permutations and simulation."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ratesmith.experiment.intervals import LEVELS, LOOKS, OTHERS, Sample, conclude, level
from ratesmith.experiment.statistics import quantile

VALUES = st.lists(st.floats(-5, 5), min_size=3, max_size=9)
EDGES = st.floats(-0.5, 0.5)
DUNNETT = {1: 1.96, 2: 2.21, 3: 2.35, 4: 2.44, 5: 2.51, 6: 2.57, 7: 2.61, 8: 2.65, 9: 2.69}
"""Two-sided 5 % points for so many treatments and a control, infinite degrees of freedom (Dunnett 1964, table II)."""
POCOCK = {1: 1.960, 2: 2.178, 3: 2.289, 4: 2.361, 5: 2.413, 8: 2.512, 10: 2.555, 20: 2.672}
"""Two-sided 5 % points for so many looks at equal distances (Jennison and Turnbull 2000, table 2.1)."""


@given(VALUES, st.integers(0, 1000), st.sampled_from([0.05, 0.01]))
def test_a_paired_interval_is_scipys(values, seed, its_level):
    others = list(np.array(values) + np.random.default_rng(seed).normal(0, 1, len(values)))
    sample = Sample.paired(values, others)
    wanted = stats.ttest_rel(values, others).confidence_interval(1 - its_level)
    assert sample.interval(its_level) == pytest.approx(tuple(wanted), rel=1e-9, abs=1e-9)


@given(VALUES, VALUES)
def test_an_interval_of_runs_that_are_not_paired_is_welchs(values, others):
    sample = Sample.unpaired(values, others)
    if np.ptp(values) < 1e-6 or np.ptp(others) < 1e-6:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nearly equal values
        wanted = stats.ttest_ind(values, others, equal_var=False).confidence_interval(0.95)
    assert sample.interval(0.05) == pytest.approx(tuple(wanted), rel=1e-6)


def test_a_fixed_number_of_pairs_is_judged_as_by_the_permutation_test():
    """All 1,024 changes of sign of ten differences: the two tests decide alike but for the closest cases."""
    rng = np.random.default_rng(5)
    signs = np.array(list(itertools.product([-1, 1], repeat=10)))
    alike, claims = 0, 0
    for shift in np.repeat([0.0, 0.5, 1.0], 100):
        differences = rng.normal(shift, 1, 10)
        means = np.abs(signs @ differences) / 10
        permuted = float(np.mean(means >= abs(differences.mean()) - 1e-12)) <= 0.05
        low, high = Sample.paired(differences, np.zeros(10)).interval(0.05)
        claims += permuted
        alike += permuted == (not low <= 0 <= high)
    assert alike >= 290
    assert 80 < claims < 220


def test_levels_of_several_looks_are_stricter_than_dunnetts_and_no_less_strict_than_pococks():
    for others, wanted in DUNNETT.items():
        assert stats.norm.isf(level(8, others) / 2) > wanted
    for looks, wanted in POCOCK.items():
        assert stats.norm.isf(level(looks, 1) / 2) >= wanted - 0.001


def test_a_level_falls_with_every_look_and_every_strategy_and_is_that_of_the_table_at_its_points():
    for (row, others), (column, looks) in itertools.product(enumerate(OTHERS), enumerate(LOOKS)):
        assert level(looks, others) == pytest.approx(LEVELS[row][column])
        assert level(looks, others, paired=False) < level(looks, others)
    for others in range(1, 25):
        levels = [level(looks, others) for looks in range(1, 40)]
        assert levels == sorted(set(levels), reverse=True)
        assert level(8, others + 1) < level(8, others)


def _error(strategies, noise, wrong=None, comparisons=3000, cap=10):
    """Return how often equal strategies are told apart over all looks, by arrays alone; `wrong` is another level."""
    rng = np.random.default_rng([strategies, cap])
    shape = (comparisons, strategies, cap)
    values = rng.standard_t(3, shape) if noise == "heavy" else rng.standard_normal(shape)
    if noise == "noisy":
        values[:, -1] *= 3
    its_level = level(cap - 2, strategies - 1) if wrong is None else wrong
    claimed, above = np.zeros(comparisons, dtype=bool), np.triu_indices(strategies, 1)
    for seeds in range(3, cap + 1):
        seen = values[:, :, :seeds]
        means, rest = seen.mean(axis=2), seen - seen.mean(axis=2, keepdims=True)
        products = rest @ rest.transpose(0, 2, 1) / (seeds - 1)
        own = np.einsum("rii->ri", products)
        variances = own[:, :, None] + own[:, None, :] - 2 * products
        least = np.median(variances[:, above[0], above[1]], axis=1)[:, None]
        best = means.argmin(axis=1)
        for other in (np.zeros_like(best), best):
            those = np.arange(comparisons), other
            raised = variances[those] * (seeds - 1) / stats.chi2.ppf(0.01, seeds - 1)
            errors = np.sqrt(np.maximum(variances[those], np.minimum(least, raised)) / seeds)
            claimed |= (np.abs(means - means[those][:, None]) > quantile(its_level, seeds - 1) * errors).any(axis=1)
    return claimed.mean()


@pytest.mark.parametrize("strategies", [2, 5, 8])
@pytest.mark.parametrize("noise", ["normal", "heavy", "noisy"])
def test_equal_strategies_are_told_apart_in_at_most_5_percent_over_all_looks(strategies, noise):
    assert _error(strategies, noise) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 3000)


def test_that_a_look_or_a_strategy_is_not_counted_would_be_seen():
    limit = 0.05 + 3 * math.sqrt(0.05 * 0.95 / 3000)
    assert _error(5, "normal", wrong=level(1, 4)) > 2 * limit
    assert _error(8, "noisy", wrong=level(8, 1)) > limit
    assert _error(2, "normal", wrong=2 * level(8, 1)) > limit


def test_folds_that_share_their_training_data_say_less():
    """Nadeau and Bengio's correction: with ten folds the variance of the mean is s^2 (1/10 + 1/9)."""
    differences = np.random.default_rng(1).normal(1, 1, 10)
    sample = Sample.paired(differences, np.zeros(10))
    low, high = sample.interval(0.05, overlap=1 / 9)
    wanted = 2.2622 * math.sqrt(differences.var(ddof=1) * (1 / 10 + 1 / 9))
    assert (high - low) / 2 == pytest.approx(wanted, rel=1e-4)


def test_a_variance_that_is_small_by_chance_is_raised_to_the_least():
    sample = Sample.paired([1.0, 1.2, 0.8], [0.0, 0.0, 0.0])
    assert sample.variance == pytest.approx(0.04)
    low, high = sample.interval(0.05, floor=3.0)
    assert high - low == pytest.approx(2 * 4.302653)
    assert sample.interval(0.05, floor=0.01) == sample.interval(0.05)


def test_a_variance_that_is_too_small_for_chance_is_raised_to_what_it_may_be():
    """The variance of 3 differences is below 0.01005 of the truth in 1 % of samples; that of 10 below 0.232."""
    for pairs, share in ((3, 0.01005), (10, 0.232)):
        differences = np.random.default_rng(pairs).normal(0, 1, pairs)
        sample = Sample.paired(differences, np.zeros(pairs))
        low, high = sample.interval(0.05, floor=1e9)
        plain = sample.interval(0.05)
        assert (high - low) / (plain[1] - plain[0]) == pytest.approx(share**-0.5, rel=1e-3)


def test_the_same_training_differs_by_exactly_nothing_and_the_same_difference_each_time_takes_some_pairs():
    assert Sample.paired([0.3, 0.5, 0.7], [0.3, 0.5, 0.7]).interval(0.01, floor=1.0) == (0.0, 0.0)
    for pairs, told in ((3, False), (10, True)):
        low, high = Sample.paired([0.9] * pairs, [0.8] * pairs).interval(0.01)
        assert (low > 0) == told
        assert low < 0.1 < high
        low, high = Sample.unpaired([0.9] * pairs, [0.8] * pairs).interval(0.01)
        assert (low > 0) == told
    assert Sample.paired([1.0, 2.0], [2.0, 3.5]).interval(0.05) is None


@given(VALUES, st.integers(0, 1000), st.booleans())
def test_a_difference_turned_round_is_its_mirror(values, seed, is_paired):
    others = list(np.random.default_rng(seed).permutation(values) + 0.1)
    sample = Sample.paired if is_paired else Sample.unpaired
    low, high = sample(values, others).interval(0.03, floor=0.1)
    assert sample(others, values).interval(0.03, floor=0.1) == pytest.approx((-high, -low))


@given(EDGES, EDGES, st.sampled_from(["min", "max"]), st.floats(0, 0.3))
def test_the_word_follows_from_the_interval_and_the_margin_alone(first, second, mode, margin):
    low, high = sorted([first, second])
    word = conclude(low, high, mode, margin)
    within = max(abs(low), abs(high)) <= margin
    assert (word == "tie") == within
    assert (word == "not told apart") == (not within and low <= 0 <= high)
    if not within and (low > 0 or high < 0):
        assert word == ("better" if (mode == "min") == (high < 0) else "worse")
    assert conclude(None, None, mode, margin) == "not told apart"
