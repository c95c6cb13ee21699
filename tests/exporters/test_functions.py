"""The learning rate as a function of plain Python: the same rates, in about ten lines, without any import of ours."""

import pytest
from exporting import CASES, HORIZONS, ran, rates_of, same
from hypothesis import given, settings
from strategies import schedules

from ratesmith.exporters import code, forms


@pytest.mark.parametrize(("text", "horizon"), CASES)
def test_the_function_has_the_same_rates_over_the_training_and_behind_it(text, horizon):
    function = ran(text, HORIZONS[horizon], "python")["learning_rate"]
    wanted = rates_of(text, HORIZONS[horizon])
    same([function(step) for step in range(len(wanted))], wanted, 1e-13)


@settings(max_examples=400, deadline=None)
@given(schedules)
def test_any_schedule_that_can_be_said_is_said_exactly(schedule):
    if "python" not in forms(schedule, 50):
        return
    script = {}
    exec(code(schedule, 0.3, 50), script)
    wanted = [0.3 * schedule(step) for step in range(200)]
    same([script["learning_rate"](step) for step in range(200)], wanted, 1e-12)
