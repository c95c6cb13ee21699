"""Designs: the most promising of a family of usual schedules."""

import numpy as np
from forecast_runs import slow_losses

import ratesmith
from ratesmith import forecast
from ratesmith.forecast.design import family

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
