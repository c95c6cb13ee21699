"""Shapes: the mean of a schedule, its end, and for how long two are the same."""

import pytest

from ratesmith.experiment import Run, RunStatus, Trial
from ratesmith.experiment.shapes import StrategyShape, mean_factor, shape_of
from ratesmith.experiment.sharing import Rates

RATES = Rates(320, 32, {})


def test_the_mean_and_the_end_of_a_schedule():
    linear = shape_of("linear()", RATES)
    assert (linear.mean, linear.tail) == pytest.approx((0.5, 0.05), abs=0.002)
    assert shape_of("constant()", RATES)[:2] == (1.0, 1.0)


def test_of_a_controller_nothing_is_known_and_nothing_is_shared():
    plateau = shape_of("plateau()", RATES)
    assert plateau == StrategyShape(None, None, ())
    assert plateau.shares(plateau) == 0.0


@pytest.mark.parametrize(
    ("other", "share"), [("constant()", 1.0), ('wsd(decay="30%")', 0.7), ('step(every="50%")', 0.5), ("cosine()", 0.0)]
)
def test_two_schedules_are_the_same_until_one_turns(other, share):
    assert shape_of("constant()", RATES).shares(shape_of(other, RATES)) == pytest.approx(share, abs=1 / 64)


def test_the_mean_factor_of_a_run_is_that_of_the_rates_it_recorded():
    trial = Trial("plateau()", 0.2, 0, 100)
    run = Run(trial, RunStatus.DONE, 100, 0.0, rates=((0, 0.2), (50, 0.1), (100, 0.01)))
    assert mean_factor(run) == pytest.approx(0.75)  # the last is what a further update would have had
    assert mean_factor(Run(trial, RunStatus.FAILED, 3, 0.0)) is None
