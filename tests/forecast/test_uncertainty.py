"""Uncertainty: what bands are made of, and that they are as wide as the errors of forecasts; holdouts of the runs."""

import numpy as np
import pytest
from forecast_runs import rates, run, slow_losses
from scipy.stats import t

from ratesmith import forecast
from ratesmith.forecast.uncertainty import (
    ANNEALED_WEIGHT,
    DEGREES_OF_FREEDOM,
    EXACT_MISFIT,
    FACTORS,
    LEVELS,
    MOST_HOLDOUTS,
    UNANNEALED_WEIGHT,
    Holdout,
    chance_below,
    difference_sd,
    forecast_losses,
    inflation_of,
    law_error_sd,
    loss_sd,
    parameter_weight,
    peak_doublings,
    unlikeness,
)


def test_the_parts_add_as_squares():
    nothing = float(law_error_sd(0.0, 0.0, 0.0))
    alone = [
        np.sqrt(law_error_sd(*parts) ** 2 - nothing**2) for parts in ((0.001, 0, 0), (0.0, 2.0, 0.0), (0.0, 0.0, 3.0))
    ]
    assert [nothing, *alone] == pytest.approx([0.0004, 0.0018, 0.005, 0.03])
    assert law_error_sd(0.001, 2.0, 3.0) == pytest.approx(np.sqrt(np.sum(np.square([nothing, *alone]))))
    assert loss_sd(np.array([0.03]), np.array([2.0]), 0.02) == pytest.approx(0.05)


def test_a_law_that_misses_its_runs_by_more_gives_wider_bands_and_less_sure_differences():
    runs = [run("constant"), run("cosine")]
    wave = [
        forecast.Curve(one.name, one.rates, one.steps, one.losses * (1 + 0.004 * np.sin(one.steps / 250)))
        for one in runs
    ]
    exact, rough = forecast.fit(runs), forecast.fit(wave)
    assert exact.misfit < EXACT_MISFIT < 0.001 < rough.misfit
    assert parameter_weight(rough.fits) == pytest.approx(ANNEALED_WEIGHT * rough.misfit / EXACT_MISFIT)
    assert rough.predict("linear()").sd[-1] > 5 * exact.predict("linear()").sd[-1]
    sure, unsure = (forecaster.compare(["cosine()", "linear()"]).row("linear()") for forecaster in (exact, rough))
    assert unsure.sd > 3 * sure.sd


def test_what_is_wrong_with_both_alike_cancels_in_a_difference():
    assert difference_sd(0.0, 3.0, 0.01, 0.0) == 0
    assert difference_sd(0.0, 3.0, 0.01, 1.0) == pytest.approx(0.03 * np.sqrt(2))
    assert difference_sd(0.04, 3.0, 0.01, 1.0) == pytest.approx(np.hypot(0.04, 0.03 * np.sqrt(2)))


def test_a_peak_is_as_far_from_those_seen_above_as_below():
    curves = [run("constant"), run("cosine", peak=2e-3)]
    peaks = {4e-3: 1.0, 8e-3: 2.0, 5e-4: 1.0, 2.5e-4: 2.0, 1e-3: 0.0, 1.5e-3: 0.0, 2e-3: 0.0}
    for peak, doublings in peaks.items():
        assert peak_doublings(curves, rates("linear", peak=peak)) == pytest.approx(doublings, abs=1e-3)


def test_the_widths_are_nearly_those_of_a_t_distribution():
    for level, factor in FACTORS.items():
        assert factor == pytest.approx(t.ppf(0.5 + level / 200, DEGREES_OF_FREEDOM), rel=0.01)


def test_the_chance_follows_from_the_difference():
    assert chance_below(0.0, 1.0) == 0.5
    assert chance_below(-1.0, 1.0) == pytest.approx(t.cdf(1, DEGREES_OF_FREEDOM))
    assert chance_below(-1.0, 1.0) + chance_below(1.0, 1.0) == pytest.approx(1)
    assert (chance_below(-1.0, 0.0), chance_below(1.0, 0.0)) == (1, 0)


def test_a_schedule_is_unlike_others_and_not_unlike_itself():
    one, other = np.linspace(1, 0, 50), np.ones(50)
    assert unlikeness(one, one) == 0
    assert unlikeness(one, other) == 1
    assert 0 < unlikeness(one, one**1.1) < 0.3


def test_on_models_drawn_from_the_priors_the_bands_hold_at_least_what_they_promise():
    draw = np.random.default_rng(5)
    inside = dict.fromkeys(LEVELS, 0)
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
        prediction, true = forecast.fit(runs).under("x", rate, [1500]), slow_losses(rate, **model)[-1]
        for level in inside:
            inside[level] += prediction.low(level)[0] <= true <= prediction.high(level)[0]
    # 25 models: what is promised, less two standard deviations
    assert inside[50] >= 8
    assert inside[80] >= 17
    assert inside[95] >= 21


def test_the_fits_own_doubt_counts_more_where_no_annealing_was_seen():
    assert (
        parameter_weight(forecast.fit(run("constant")).fits)
        == UNANNEALED_WEIGHT
        > ANNEALED_WEIGHT
        == parameter_weight(forecast.fit(run("cosine")).fits)
    )


def test_beyond_twice_the_longest_run_the_fit_for_long_horizons_speaks_and_between_a_mixture(forecaster):
    fits = forecaster.fits
    assert fits.long_horizon.x[2] < fits.main.x[2]  # log alpha: progress goes on for longer
    for steps, share in ((3000, 0.0), (4000 * 2**0.5, 0.5), (8000, 1.0), (20_000, 1.0)):
        runs = [(rates("cosine", int(steps)), np.array([int(steps)]))]
        segments = fits.main.segments(runs)
        main, long = (float(fit.losses(segments)[0, 0]) for fit in (fits.main, fits.long_horizon))
        assert forecast_losses(fits, runs).losses[0] == pytest.approx(main + share * (long - main), abs=1e-5)


def test_one_run_is_tried_on_nothing():
    forecaster = forecast.fit(run("cosine"))
    assert forecaster.holdouts == ()
    assert forecaster.inflation == 1


def test_a_holdout_is_the_forecast_of_a_law_that_did_not_see_the_run():
    runs = [run("constant", noise=0.001), run("cosine", noise=0.001)]
    (first, second) = forecast.fit(runs).holdouts
    steps, losses = forecast.fit(runs).measured(runs[1])
    prediction = forecast.fit(runs[0]).under("cosine", runs[1].rates, steps)
    assert second.name == runs[1].name
    assert second.error == pytest.approx(np.sqrt(np.mean((losses / prediction.losses - 1) ** 2)))
    assert second.ratio == pytest.approx(np.sqrt(np.mean(((losses - prediction.losses) / prediction.sd) ** 2)))
    assert first.name == runs[0].name


def test_runs_that_contradict_each_other_make_all_bands_wider_and_lower_the_grade():
    good, other = [run("cosine"), run("wsd")], run("linear")
    bad = forecast.Curve("linear", other.rates, other.steps, other.losses * np.linspace(1, 1.06, len(other.steps)))
    forecaster = forecast.fit([*good, bad])
    assert max(holdout.ratio for holdout in forecaster.holdouts) > 3
    assert forecaster.inflation > 1.5
    assert forecaster.grade in ("B", "C")
    assert any("forecast from the others, was missed by" in each.text for each in forecaster.diagnostics)
    alone = forecast_losses(forecaster.fits, [(other.rates, np.array([4000]))])
    assert forecaster.under("linear", other.rates, [4000]).sd[-1] == pytest.approx(forecaster.inflation * alone.sd[-1])
    assert f"linear is missed by {100 * forecaster.holdouts[2].error:.1f} %" in forecaster.explain()
    assert forecaster.to_dict()["holdouts"][2]["run"] == "linear"


def test_at_most_four_runs_are_left_out():
    runs = [run("cosine", name=f"run {count}", noise=0.001 * (count + 1)) for count in range(6)]
    assert [holdout.name for holdout in forecast.fit(runs).holdouts] == ["run 0", "run 2", "run 4"]
    assert len(forecast.fit(runs[:4]).holdouts) == MOST_HOLDOUTS


def test_a_run_without_which_nothing_can_be_said_is_not_tried():
    forecaster = forecast.fit([run("cosine"), run("jump", every=400)])
    assert [holdout.name for holdout in forecaster.holdouts] == [forecaster.curves[1].name]


def test_good_holdouts_never_make_bands_narrower():
    assert inflation_of([Holdout("a", 0.0, 0.0)] * 4) == 1
    assert inflation_of([Holdout("a", 0.0, 1.5)] * 4) == 1
    assert inflation_of([Holdout("a", 0.0, 3.0)] * 4) == pytest.approx(np.sqrt((1 + 16) / 5))
