"""The example that controllers are drawn on."""

import itertools

import pytest

from ratesmith import Greedy, Horizon, Plateau, Ramp, SpikeGuard
from ratesmith.example_metric import example, follow


def test_a_schedule_needs_no_measurements():
    assert example([Ramp(1.0, 0.0, 9)], 9, None) is None
    assert follow(Ramp(1.0, 0.0, 9), None).at(9) == 0.0


@pytest.mark.parametrize("controller", [Plateau(), Plateau(metric="accuracy", mode="max")])
def test_the_example_improves_up_to_its_stop_and_no_further(controller):
    measured = example([controller], 1000, None)
    [values] = measured.values.values()
    better = [(new < old) if controller.mode == "min" else (new > old) for old, new in itertools.pairwise(values)]
    assert better == [step <= 600 for step in measured.steps[1:]]
    assert len(values) == 50


def test_a_plateau_cuts_the_example_after_its_patience():
    curve = follow(Plateau(patience=3, factor=0.5), example([Plateau(patience=3, factor=0.5)], 1000, None))
    # The last improvement is that at step 600; the fourth measurement after it is that at step 680.
    assert curve.changes[0] == 680
    assert (curve.at(679), curve.at(680)) == (1.0, 0.5)


def test_each_mode_sees_the_same_example_the_right_way_up():
    low, high = Plateau(patience=2), Plateau(patience=2, metric="accuracy", mode="max")
    measured = example([low, high], 1000, None)
    assert follow(low, measured).changes == follow(high, measured).changes != []


def test_the_example_is_measured_once_an_epoch_where_that_is_known():
    measured = example([Plateau()], 100, Horizon(100, steps_per_epoch=10))
    assert measured.steps == tuple(range(10, 101, 10))
    assert "once an epoch" in measured.text


def test_an_epoch_that_does_not_divide_the_training_is_still_an_epoch():
    assert example([Plateau()], 95, Horizon(95, steps_per_epoch=30)).steps == (30, 60, 90)
    assert example([SpikeGuard()], 9, Horizon(9, steps_per_epoch=30)).steps == ()


def test_a_spike_guard_gets_a_spike_and_others_alone_do_not():
    measured = example([SpikeGuard()], 1000, None)
    assert follow(SpikeGuard(), measured).changes == [800]
    assert "jumps once at 80 %" in measured.text
    assert "jumps" not in example([Plateau(), Greedy()], 1000, None).text


def test_a_controller_times_a_schedule_changes_where_either_does():
    product = (Ramp(0.0, 1.0, 100) >> Ramp(1.0, 0.0, 900)) * Plateau(patience=3, factor=0.5)
    curve = follow(product, example([product], 1000, None))
    assert curve.breakpoints(0, 700) == [100, 680]
