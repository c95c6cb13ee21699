"""Designs: the most promising of a family of usual schedules."""

import numpy as np
from forecast_runs import slow_losses

import ratesmith
from ratesmith import forecast
from ratesmith.forecast import design
from ratesmith.forecast.design import family
from ratesmith.forecast.uncertainty import ranking_scores
from ratesmith.logs.rates_per_update import rates_of

FAMILY = [f"warmup(100) >> {text}" for text in family(4000, 100)]


def test_a_design_is_one_of_the_family_and_is_at_least_as_good_as_the_habits(forecaster):
    candidates = forecaster.design(4000)
    assert candidates.best.name in FAMILY
    assert {"warmup(100) >> linear()", "warmup(100) >> cosine()", 'warmup(100) >> wsd(decay="20%")'} <= {
        row.name for row in candidates.rows
    }
    true = {text: slow_losses(1e-3 * ratesmith.parse(text).build(4000)(np.arange(4000.0)))[-1] for text in FAMILY}
    assert true[candidates.best.name] < min(true.values()) + 0.01
    assert true[candidates.best.name] <= true["warmup(100) >> linear()"] + 1e-3


def test_a_design_is_always_the_same(forecaster):
    again = forecast.fit(forecaster.curves)
    assert [row.name for row in forecaster.design(20_000).rows] == [row.name for row in again.design(20_000).rows]


def test_candidates_laid_out_at_few_steps_score_as_at_all_of_them(forecaster):
    texts = [f"warmup(100) >> {text}" for text in ("linear()", "cosine()", 'wsd(decay="20%")', "rex()")]
    steps, fits = 40_000, forecaster.fits
    few = design._scores(fits, 1.0, texts, 0, steps, 1e-3)
    runs = [(rates_of(text, 1e-3, steps), np.array([steps])) for text in texts]
    np.testing.assert_allclose(few, ranking_scores(fits, 1.0, fits.main.segments(runs), [0] * 4), atol=3e-4)
    assert np.abs(few[1:]).min() > 1e-3


def test_habits_stand_behind_the_runs_warmup_of_a_fifth_of_the_steps_at_most():
    assert design.habits(100, 4000)[0] == "warmup(100) >> linear()"
    assert design.habits(100, 200)[0] == "warmup(40) >> linear()"
    assert design.habits(0, 4000) == list(design.HABITS)
