"""What a forecaster is asked, forecasts and longer runs, and what it refuses."""

import numpy as np
import pytest
from forecast_runs import rates, run, slow_losses

import ratesmith
from ratesmith import forecast
from ratesmith.forecast.segments import segments_of


def test_every_form_of_a_schedule_gives_the_same_forecast(forecaster):
    built = ratesmith.parse("cosine(final=0.1)").build(3000)
    forms = ["cosine(final=0.1)", ratesmith.parse("cosine(final=0.1)"), built, built(np.arange(3000.0))]
    finals = {forecaster.predict(form, 1e-3, 3000).final for form in forms}
    assert len(finals) == 1


def test_a_forecast_has_bands_that_widen_with_the_level_and_ends_where_the_schedule_does(forecaster):
    prediction = forecaster.predict("linear()", 1e-3, 4000)
    assert prediction.steps[-1] == 4000
    assert len(prediction.steps) <= 200
    for inner, outer in ((50, 80), (80, 95)):
        assert (prediction.low(outer) < prediction.low(inner)).all()
        assert (prediction.high(outer) > prediction.high(inner)).all()
    assert prediction.low()[-1] < slow_losses(rates("linear"))[-1] < prediction.high()[-1]
    assert prediction.grade == "A"
    assert prediction.diagnostics == ()


def test_losses_are_given_at_the_steps_asked_for(forecaster):
    prediction = forecaster.predict("linear()", 1e-3, 4000, at=[10, 1000, 4000])
    whole = forecaster.predict("linear()", 1e-3, 4000, at=np.arange(1, 4001))
    assert prediction.steps.tolist() == [10, 1000, 4000]
    np.testing.assert_allclose(prediction.losses, whole.losses[prediction.steps - 1], rtol=3e-4)
    assert prediction.rates == pytest.approx([1e-3 * (1 - 9 / 4000), 1e-3 * (1 - 999 / 4000), 1e-3 / 4000])


def test_where_nothing_is_said_rate_and_length_are_those_of_the_runs(forecaster):
    assert forecaster.predict("linear()").final == forecaster.predict("linear()", 1e-3, 4000).final


def test_the_band_widens_with_the_horizon_and_away_from_the_rates_seen(forecaster):
    sds = [forecaster.predict("cosine()", 1e-3, steps).sd[-1] for steps in (4000, 8000, 16_000)]
    assert sds == sorted(sds)
    assert sds[2] > 2 * sds[0]
    assert forecaster.predict("cosine()", 4e-4, 4000).sd[-1] > forecaster.predict("cosine()", 1e-3, 4000).sd[-1]


def test_what_is_no_run_and_no_number_is_said(forecaster):
    with pytest.raises(TypeError, match="curves must be runs, got NoneType"):
        forecast.fit(None)
    with pytest.raises(TypeError, match="epochs must be a finite number of at least 0, got 'x'"):
        forecast.fit(forecaster.curves, epochs="x")
    with pytest.raises(ValueError, match=r"prior's mean of 'log alpha' must be a finite number"):
        forecast.fit(forecaster.curves, priors={"log alpha": (float("nan"), 1.0)})
    with pytest.raises(TypeError, match="candidates must be several, got int"):
        forecaster.compare(5)


def test_a_longer_run_keeps_its_warmup_and_stretches_the_rest(forecaster):
    longer = forecaster.extend(8000, at=[100, 8000])
    assert longer.rates == pytest.approx([1e-3, 1e-3])
    assert longer.final < forecaster.under("as it was", forecaster.curves[0].rates).final
    assert forecaster.extend(8000, "cosine()").final == forecaster.predict("cosine()", steps=8000).final


@pytest.mark.parametrize("name", ["tissue", "multi-power"])
def test_the_published_laws_forecast_too(name):
    forecaster = forecast.fit([run("constant"), run("cosine")], law=name)
    assert forecaster.predict("linear()").final == pytest.approx(slow_losses(rates("linear"))[-1], abs=0.05)
    assert next(iter(forecaster.fits.by_law)) == name
    assert forecaster.design(4000).rows


@pytest.mark.parametrize("text", ['wsd(decay="20%")', "cosine()", "cyclic(7)", "warmup(100) >> rex()"])
def test_a_hundred_times_the_steps_make_no_more_segments_to_forecast(forecaster, monkeypatch, text):
    made = {}

    def counted(runs, *options):
        segments = segments_of(runs, *options)
        made[len(runs[0][0])] = segments.lengths.size
        return segments

    monkeypatch.setattr("ratesmith.forecast.fitting.segments_of", counted)
    short, long = 3900, 390_000  # another length than that of the runs, which are compressed too
    for steps in (short, long):
        forecaster.predict(text, steps=steps)
    assert made[long] <= 1.1 * made[short]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            lambda forecaster: forecaster.predict("plateau()"),
            "Forecast: cannot say what plateau() will do, since it listens",
        ),
        (lambda forecaster: forecaster.predict("cosin()"), "Notation: there is no strategy 'cosin'"),
        (
            lambda forecaster: forecaster.predict([1.0, 0.5], steps=3),
            "Forecast: an array of factors must have one for each step, ",
        ),
        (
            lambda forecaster: forecaster.predict("linear()", steps=1),
            "Forecast: steps must be a whole number of at least 2, got 1",
        ),
        (
            lambda forecaster: forecaster.predict("linear()", steps=10**9),
            "Forecast: steps must be at most 100,000,000, got 1,0",
        ),
        (
            lambda forecaster: forecaster.predict("linear()", base_lr=0),
            "Forecast: the rates must not all be zero, got only zeros",
        ),
        (
            lambda forecaster: forecaster.predict([1.0, -1.0], steps=2),
            "Forecast: a rate must be at least 0, got -0.001 at ",
        ),
        (
            lambda forecaster: forecaster.predict("linear()", at=[3, 2]),
            "Forecast: at must be increasing whole steps from 1 to 4000",
        ),
        (
            lambda forecaster: forecaster.compare({}),
            "Forecast: at least one candidate is needed, got none; give schedules by name",
        ),
        (
            lambda forecaster: forecaster.compare(["linear()"], baseline="cosine()"),
            "Forecast: the baseline must be one of the candidates 'linear()', got 'cosine()'; name one",
        ),
        (
            lambda forecaster: forecaster.design(4000, baseline="rex"),
            "Forecaster.design: baseline must be 'linear' or 'cosine', got 'rex'",
        ),
        (
            lambda forecaster: forecaster.what_if_cooldown(9000),
            "Forecaster.what_if_cooldown: now must be a step of run 'constant_4000'",
        ),
        (
            lambda forecaster: forecaster.what_if_cooldown(run="x"),
            "Forecaster.what_if_cooldown: run must be one of 'constant_4000', ",
        ),
        (
            lambda forecaster: forecaster.what_if_cooldown(lengths=[]),
            "Forecaster.what_if_cooldown: at least one length is needed, got none;",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_with_one_line(forecaster, asked, said):
    with pytest.raises(ValueError, match=r"^(Forecast|Notation|Forecaster\.)") as error:
        asked(forecaster)
    assert str(error.value).startswith(said)


def test_a_longer_run_may_have_another_peak(forecaster):
    longer, lower = (forecaster.extend(8000, base_lr=peak, at=[4000, 8000]) for peak in (None, 5e-4))
    assert lower.rates == pytest.approx(longer.rates / 2)
