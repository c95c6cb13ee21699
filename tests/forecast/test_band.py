"""Bands: what they are made of, and that they are as wide as the errors of forecasts on made-up models."""

import numpy as np
import pytest
from forecast_runs import rates, run, slow_losses
from scipy.stats import t

from ratesmith import forecast
from ratesmith.forecast import band


def test_the_parts_add_as_squares():
    loss = np.array([2.0])
    alone = [
        band.spread(np.array([0.02]), 0 * loss, 0.0, 0.0),
        band.spread(np.array([0.0]), loss, 0.0, 0.0),
        np.sqrt(band.spread(np.array([0.0]), loss, 2.0, 0.0) ** 2 - (band.FLOOR * loss) ** 2),
        np.sqrt(band.spread(np.array([0.0]), loss, 0.0, 3.0) ** 2 - (band.FLOOR * loss) ** 2),
    ]
    assert np.array(alone).ravel() == pytest.approx([0.02, 0.0024, 0.014, 0.06])
    together = band.spread(np.array([0.02]), loss, 2.0, 3.0)
    assert together == pytest.approx(np.sqrt(np.sum(np.square(alone))))


def test_a_doubling_of_the_horizon_adds_a_third_of_a_percent():
    assert band.spread(np.zeros(1), np.ones(1), 1.0, 0.0) == pytest.approx(np.hypot(0.0035, 0.0012))


def test_the_widths_are_nearly_those_of_a_t_distribution():
    for level, factor in band.FACTORS.items():
        assert factor == pytest.approx(t.ppf(0.5 + level / 200, band.TAILS), rel=0.1)


def test_the_chance_follows_from_the_difference():
    assert band.chance_below(0.0, 1.0) == 0.5
    assert band.chance_below(-1.0, 1.0) == pytest.approx(t.cdf(1, band.TAILS))
    assert band.chance_below(-1.0, 1.0) + band.chance_below(1.0, 1.0) == pytest.approx(1)
    assert (band.chance_below(-1.0, 0.0), band.chance_below(1.0, 0.0)) == (1, 0)


def test_a_schedule_is_unlike_others_and_not_unlike_itself():
    one, other = np.linspace(1, 0, 50), np.ones(50)
    assert band.unlike(one, one) == 0
    assert band.unlike(one, other) == 1
    assert 0 < band.unlike(one, one**1.1) < 0.3


def test_on_models_drawn_from_the_priors_the_bands_hold_at_least_what_they_promise():
    draw = np.random.default_rng(5)
    inside = dict.fromkeys(band.LEVELS, 0)
    for count in range(25):
        model = {
            "alpha": np.exp(draw.normal(-0.68, 0.2)),
            "b": 0.4 * np.exp(draw.normal(0.2, 0.5)),
            "tau": np.exp(draw.normal(4.5, 0.8)),
            "p": draw.normal(0.69, 0.1),
            "q": draw.normal(0.7, 0.12),
        }
        runs = [run(shape, 1500, 0.001, every=25, change=model) for shape in ("constant", "cosine")]
        rate = rates(["linear", "wsd", "jump"][count % 3], 1500)
        told, true = forecast.fit(runs).under("x", rate, [1500]), slow_losses(rate, **model)[-1]
        for level in inside:
            inside[level] += told.low(level)[0] <= true <= told.high(level)[0]
    # 25 models: what is promised, less two standard deviations
    assert inside[50] >= 8
    assert inside[80] >= 17
    assert inside[95] >= 21


def test_the_fits_own_doubt_counts_more_where_no_annealing_was_seen():
    assert forecast.fit(run("constant")).counted == band.UNSEEN > band.LAPLACE == forecast.fit(run("cosine")).counted
