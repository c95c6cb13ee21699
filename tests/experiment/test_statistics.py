"""The statistics of the verdict, against SciPy's own intervals and plain counting."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ratesmith.experiment.statistics import (
    Scale,
    adjusted_means,
    estimate,
    quantile,
    scale_of,
)


def test_an_estimate_is_students_interval():
    low, high = stats.t.interval(0.95, 4, loc=3.0, scale=stats.sem([1, 2, 3, 4, 5]))
    assert estimate([1, 2, 3, 4, 5])[1:] == pytest.approx((low, high))
    assert estimate([2.0]) == (2.0, None, None)


@given(st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=9))
def test_a_losss_estimate_is_the_geometric_mean_and_never_below_0(losses):
    found = estimate(losses, scale_of("loss", losses, "min"))
    assert found.mean == pytest.approx(stats.gmean(losses))
    assert 0.0 <= found.low <= found.mean * (1 + 1e-9)
    assert found.high >= found.mean * (1 - 1e-9)


@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=9), st.sampled_from([1, 100]))
def test_a_shares_estimate_stays_a_share_or_a_percentage(shares, unit):
    values = [unit * share for share in shares]
    found = estimate(values, scale_of("val_accuracy", values, "max"))
    assert 0.0 <= found.low <= found.high <= unit
    assert found.mean == pytest.approx(statistics.fmean(values), abs=1e-9)


def test_a_metrics_scale_goes_by_its_mode_its_values_and_its_name():
    assert scale_of("loss", [0.1, 2.0], "min") == Scale(logs=True)
    assert scale_of("loss", [0.0, 2.0], "min") == scale_of("reward", [0.1, 2.0], "max") == Scale()
    assert scale_of("val_loss", [0.1, 2.0]).logs
    assert not scale_of("neg_loss", [0.1, 2.0]).logs
    assert scale_of("f1", [0.5]) == Scale(lowest=0.0, highest=1.0)
    assert scale_of("r2", [0.5]) == scale_of("accuracy", [900.0]) == Scale()


def test_the_quantile_is_two_sided():
    assert quantile(0.05, 4) == pytest.approx(2.776, abs=5e-4)  # Student's table


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=2, max_size=5), st.integers(0, 99))
def test_adjusted_means_are_those_of_all_seeds_where_strategy_and_seed_add(missing, seed):
    """Whatever is missing, as long as the first strategy and the first seed are whole, which joins all."""
    rng = np.random.default_rng(seed)
    of_strategy, of_seed = rng.normal(0, 1, len(missing) + 1), rng.normal(0, 1, 6)
    gaps = [[False] * 6, *([False, *row[1:]] for row in missing)]
    values = {
        f"{place}": {seed: of_strategy[place] + of_seed[seed] for seed in range(6) if not row[seed]}
        for place, row in enumerate(gaps)
    }
    wanted = [effect + of_seed.mean() for effect in of_strategy]
    assert list(adjusted_means(values).values()) == pytest.approx(wanted)


def test_strategies_without_a_seed_in_common_keep_their_plain_means():
    assert adjusted_means({"a": {0: 1.0, 1: 3.0}, "b": {2: 5.0}}) == {"a": 2.0, "b": 5.0}
