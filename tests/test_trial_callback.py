"""What the callbacks of trainers share."""

import pytest
from trial_channel import rates, trial

from ratesmith._script import TrialRate
from ratesmith._trial_callback import checked_trial, measurements


def test_a_callback_takes_a_trial_and_nothing_else():
    asked, _ = trial()
    assert checked_trial(asked) is asked
    with pytest.raises(TypeError, match=r"TrialCallback: trial must be what ratesmith.get_trial returns, got float"):
        checked_trial(0.1)


def test_a_trial_that_has_a_scheduler_is_not_given_a_second_one():
    asked, _ = trial()
    asked.attach(TrialRate(asked))
    with pytest.raises(ValueError, match="TrialCallback: trial must have one scheduler and one training, got a second"):
        checked_trial(asked)


def test_the_rate_is_the_trials_at_each_step():
    asked, _ = trial()
    rate, found = TrialRate(asked), []
    for step in range(asked.steps):
        rate.step_to(step)
        found += rate.get_last_lr()
    assert found == rates(asked)


def test_a_controller_hears_what_is_reported():
    asked, _ = trial(schedule="plateau(patience=0, factor=0.1)")
    rate = TrialRate(asked)
    asked.attach(rate)
    for step in (5, 10):
        rate.step_to(step)
        asked.report(loss=1.0)
    assert rate.get_last_lr() == pytest.approx([0.001])


def test_a_name_that_is_all_prefix_is_left_out():
    assert measurements({"val_": 1.0, "val/loss": 2.0, "lr": 3.0}, ["val_", "val/"]) == {"loss": 2.0}
