"""Values that Ratesmith keeps flat at 1e150 are not said otherwise."""

import pytest

from ratesmith import Constant, Exponential, Milestones, Ramp, Staircase
from ratesmith.exporters import code, forms

HUGE = 1e100


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(HUGE) * Constant(HUGE) * Constant(1e-100),
        Constant(1.5e150 / 2) + Constant(1.5e150 / 2),
        Exponential(2.0) * Exponential(2.0),
        Staircase(1, 10.0) * Constant(2.0),
        Ramp(0.0, 2.0, 5).repeat(height=2.0),
        Exponential(10.0),
        Milestones(tuple(range(200)), 10.0),
    ],
    ids=str,
)
def test_what_could_reach_the_largest_number_has_the_form_of_ratesmith_alone(schedule):
    assert forms(schedule, 200) == ("ratesmith",)


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(HUGE) * Constant(1e-100),
        0.001 * Exponential(1.01),
        Ramp(0.0, 1.0, 5).repeat(height=1.1),
        (Exponential(1.01) * Constant(0.5)).clip(0.0, 3.0) * Constant(2.0),
    ],
    ids=str,
)
def test_growth_that_ends_below_it_is_said(schedule):
    script = {}
    exec(code(schedule, 1.0, 200), script)
    assert script["learning_rate"](400) == pytest.approx(schedule(400), rel=1e-12)
