"""Fitting: it finds what made a run, always the same, and agrees with SciPy where SciPy does the same."""

import dataclasses

import numpy as np
import pytest
from forecast_runs import TRUE, rates, run, slow_losses
from scipy.optimize import nnls

from ratesmith import forecast
from ratesmith.forecast import fitting
from ratesmith.forecast.fitting import first_step
from ratesmith.forecast.laws import LAWS


def problem(law="default", *runs):
    """Return what is fitted for a law and runs."""
    priors = LAWS[law].priors
    means, sds = (np.array([getattr(prior, name) for prior in priors]) for name in ("mean", "sd"))
    runs = runs or (run("constant"), run("cosine"))
    return fitting.problem_of(LAWS[law], runs, [first_step(one) for one in runs], means, sds)


@pytest.fixture(scope="module")
def forecaster():
    return forecast.fit([run("constant"), run("cosine"), run("wsd")])


def test_what_made_the_runs_is_found_again(forecaster):
    found = forecaster.fit_result.parameters
    assert found["L0"] == pytest.approx(TRUE["l0"], rel=0.02)
    for name in ("alpha", "p", "q", "tau"):
        assert found[name] == pytest.approx(TRUE[name], rel=0.15), name


@pytest.mark.parametrize("shape", ["linear", "jump", "cyclic"])
def test_a_schedule_that_was_not_seen_is_forecast(forecaster, shape):
    rate = rates(shape)
    told = forecaster.under(shape, rate, np.arange(400, 4001, 100))
    np.testing.assert_allclose(told.losses, slow_losses(rate)[told.steps - 1], rtol=2e-3)


def test_a_fit_is_always_the_same_and_the_order_of_the_runs_does_not_matter():
    runs = [run("constant"), run("cosine", noise=0.003)]
    first, again, turned = forecast.fit(runs), forecast.fit(runs), forecast.fit(runs[::-1])
    assert np.array_equal(first.fit_result.x, again.fit_result.x)
    np.testing.assert_allclose(first.fit_result.x, turned.fit_result.x, atol=0.02)
    assert first.predict("linear()").final == pytest.approx(turned.predict("linear()").final, abs=1e-3)


def test_units_of_the_loss_and_of_the_rate_do_not_matter():
    curve = run("cosine")
    other = forecast.Curve("b", 300 * curve.rates, curve.steps, curve.losses / np.log(2))
    one, two = forecast.fit(curve).predict("linear()"), forecast.fit(other).predict("linear()")
    np.testing.assert_allclose(one.losses, two.losses * np.log(2), rtol=1e-5)
    np.testing.assert_allclose(one.sd, two.sd * np.log(2), rtol=1e-3)


@pytest.mark.parametrize("name", ["default", "tissue", "multi-power"])
def test_the_derivatives_are_those_of_differences(name):
    given = problem(name)
    residuals = fitting._Residuals(given)
    start = fitting._lattice(given)[0] + 0.01
    found = residuals.jacobian(start)
    for place, move in enumerate(1e-5 * np.eye(len(start))):
        rough = (residuals.values(start + move) - residuals.values(start - move)) / 2e-5
        np.testing.assert_allclose(found[:, place], rough, atol=2e-3 * np.abs(rough).max())


def test_the_lattices_least_squares_are_scipys():
    draw = np.random.default_rng(1)
    ones, columns = draw.random((1, 30)) + 0.5, draw.random((40, 30))
    target = draw.normal(0.3, 1, 30)
    level, slope = fitting._two_columns(ones, columns, target)
    for place, column in enumerate(columns):
        best, _ = nnls(np.stack([ones[0], column], axis=1), target)
        np.testing.assert_allclose([level[place, 0], slope[place, 0]], best, atol=1e-8)


def test_the_robust_residual_is_hubers_loss():
    given = problem("default", run("cosine"))
    flat = dataclasses.replace(given, weights=np.ones_like(given.weights))
    value, _ = fitting._Residuals(flat)._robust(given.losses * np.exp(np.linspace(-0.01, 0.01, len(given.losses))))
    raw = np.linspace(-0.01, 0.01, len(given.losses))
    delta = fitting.HUBER
    hubers = np.where(np.abs(raw) <= delta, raw**2 / 2, delta * (np.abs(raw) - delta / 2))
    np.testing.assert_allclose(value**2 / 2, hubers, atol=1e-12)


def test_noise_and_a_few_wild_losses_move_a_forecast_little():
    clean = run("cosine")
    losses = clean.losses * (1 + 0.002 * np.random.default_rng(0).standard_normal(len(clean.losses)))
    losses[[20, 50, 80]] *= 1.3
    wild = forecast.Curve("wild", clean.rates, clean.steps, losses)
    assert forecast.fit(wild).predict("linear()").final == pytest.approx(slow_losses(rates("linear"))[-1], abs=0.02)


def test_very_many_losses_are_averaged():
    curve = run("wsd", every=1)
    steps, losses = fitting.downsample(curve, 100)
    assert len(steps) == len(losses) == fitting.MOST_LOSSES
    assert np.interp(steps, curve.steps, curve.losses) == pytest.approx(losses, rel=2e-3)


def test_other_priors_are_believed_where_the_run_says_nothing():
    one = forecast.fit(run("constant"), priors={"log B/A": (-3.0, 0.01)})
    assert one.fit_result.x[3] == pytest.approx(-3.0, abs=0.1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"curves": []}, "Forecast: at least one run is needed, got none; give a Curve"),
        (
            {"law": "chinchilla"},
            "Forecast: law must be one of 'default', 'two-clock', 'tissue', 'multi-power', got 'chinchilla'; "
            "choose one of them",
        ),
        ({"curves": [run("wsd"), run("wsd")]}, "Forecast: each run needs a name of its own, got 'wsd_4000' twice; "),
        ({"epochs": 0}, "Forecast: epochs must be above 0, got 0; say how often the data is seen"),
        ({"priors": {"beta": (0, 1)}}, "Forecast: priors are (mean, sd above 0) of 'log alpha', 'log B/A', "),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_one_line(options, said):
    given = {"curves": run("wsd"), **options}
    with pytest.raises(ValueError, match=r"^Forecast: ") as error:
        forecast.fit(given.pop("curves"), **given)
    assert str(error.value).startswith(said)


def test_what_is_no_run_is_a_type_error():
    with pytest.raises(TypeError, match="Forecast: a run must be a Curve, got str; make one, or read a log file"):
        forecast.fit(["run.csv"])
