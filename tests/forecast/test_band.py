"""Bands: what they are made of, and that they are as wide as the errors of forecasts on made-up models."""

import numpy as np
import pytest
from forecast_runs import rates, run, slow_losses
from scipy.stats import t

from ratesmith import forecast
from ratesmith.forecast import band, doubt


def test_the_parts_add_as_squares():
    nothing = float(band.outside(0.0, 0.0, 0.0))
    alone = [
        np.sqrt(band.outside(*parts) ** 2 - nothing**2) for parts in ((0.001, 0, 0), (0.0, 2.0, 0.0), (0.0, 0.0, 3.0))
    ]
    assert [nothing, *alone] == pytest.approx([0.0004, 0.0018, 0.005, 0.03])
    assert band.outside(0.001, 2.0, 3.0) == pytest.approx(np.sqrt(np.sum(np.square([nothing, *alone]))))
    assert band.spread(np.array([0.03]), np.array([2.0]), 0.02) == pytest.approx(0.05)


def test_a_law_that_misses_its_runs_by_more_gives_wider_bands_and_less_sure_differences():
    runs = [run("constant"), run("cosine")]
    wave = [
        forecast.Curve(one.name, one.rates, one.steps, one.losses * (1 + 0.004 * np.sin(one.steps / 250)))
        for one in runs
    ]
    exact, rough = forecast.fit(runs), forecast.fit(wave)
    assert exact.misfit < band.EXACT < 0.001 < rough.misfit
    assert doubt.counted(rough) == pytest.approx(band.LAPLACE * rough.misfit / band.EXACT)
    assert rough.predict("linear()").sd[-1] > 5 * exact.predict("linear()").sd[-1]
    sure, unsure = (law.compare(["cosine()", "linear()"]).row("linear()") for law in (exact, rough))
    assert unsure.sd > 3 * sure.sd


def test_what_is_wrong_with_both_alike_cancels_in_a_difference():
    assert band.spread_of_difference(0.0, 3.0, 0.01, 0.0) == 0
    assert band.spread_of_difference(0.0, 3.0, 0.01, 1.0) == pytest.approx(0.03 * np.sqrt(2))
    assert band.spread_of_difference(0.04, 3.0, 0.01, 1.0) == pytest.approx(np.hypot(0.04, 0.03 * np.sqrt(2)))


def test_the_widths_are_nearly_those_of_a_t_distribution():
    for level, factor in band.FACTORS.items():
        assert factor == pytest.approx(t.ppf(0.5 + level / 200, band.TAILS), rel=0.01)


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
            "alpha": np.exp(draw.normal(-0.69, 0.12)),
            "b": 0.4 * np.exp(draw.normal(0.1, 0.44)),
            "tau": np.exp(draw.normal(3.97, 1.18)),
            "p": draw.normal(0.625, 0.076),
            "q": draw.normal(0.733, 0.132),
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
    assert (
        doubt.counted(forecast.fit(run("constant")))
        == band.UNSEEN
        > band.LAPLACE
        == doubt.counted(forecast.fit(run("cosine")))
    )
