"""What a trainer's callback makes the base of a trial's rates."""

from types import SimpleNamespace

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau
from trial_channel import trial

import ratesmith.torch.lr_scheduler
from ratesmith import get_trial
from ratesmith.torch import ScheduleLR
from ratesmith.torch.trial_rates import scheduler_of


def optimizer(*rates):
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates], lr=1.0)


@pytest.mark.parametrize(
    ("rates", "bases"),
    [
        ([0.5], [0.01]),
        ([0.5, 0.05], [0.01, 0.001]),
        ([0.0, 0.5], [0.0, 0.01]),
        ([0.1, 0.01], [0.1, 0.01]),  # one has the trial's rate already
    ],
)
def test_the_first_rate_becomes_the_trials_and_the_others_keep_their_ratio(rates, bases):
    asked, _ = trial(schedule="linear()", steps=10)
    scheduler = scheduler_of(asked, [optimizer(*rates)], count_updates=False)
    assert scheduler.base_lrs == pytest.approx(bases, rel=1e-15)
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.9 * base for base in bases], rel=1e-15)


@pytest.mark.parametrize(
    "before",
    [
        lambda one: torch.optim.lr_scheduler.LinearLR(one, 0.1, total_iters=10),
        lambda one: torch.optim.lr_scheduler.OneCycleLR(one, 0.5, total_steps=10, cycle_momentum=False),
        lambda one: ScheduleLR(one, "warmup(4) >> cosine()", horizon=10),
        lambda one: ScheduleLR(one, "ramp(0.1, 1)", horizon=10, count_updates=True),
    ],
)
@pytest.mark.parametrize("rate", [0.5, 0.01])
def test_a_scheduler_that_was_there_before_changes_nothing(before, rate):
    asked, _ = trial(schedule="linear()", steps=10)
    made = optimizer(rate)
    before(made)
    scheduler = scheduler_of(asked, [made])
    assert scheduler.base_lrs == [0.01]
    assert made.param_groups[0]["lr"] == 0.01


def test_an_optimizer_without_a_rate_is_refused():
    asked, _ = trial()
    with pytest.raises(
        ValueError, match=r"TrialCallback: optimizer must have a rate above 0, got \[0.0\]; make it with"
    ):
        scheduler_of(asked, [optimizer(0.0)])


def updates_of_a_trial(make_other, *, first):
    """Train as a trial asks, with another scheduler made before or after the trial's and stepped at each report."""
    asked = get_trial(lr=1.0, schedule="cosine()", steps=20)
    one = optimizer(1.0)
    other = make_other(one) if first else None
    ScheduleLR.from_trial(one, asked)
    other = other or make_other(one)
    for step in range(1, 10):
        one.step()
        if step % 3 == 0:
            asked.report(loss=1.0)
            other.step(*((1.0,) if isinstance(other, ReduceLROnPlateau) else ()))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "make_other",
    [
        lambda one: torch.optim.lr_scheduler.StepLR(one, 1),
        lambda one: torch.optim.lr_scheduler.LambdaLR(one, lambda epoch: 1 / (1 + epoch)),
        lambda one: ReduceLROnPlateau(one, patience=0),
        lambda one: ratesmith.torch.lr_scheduler.StepLR(one, 1),
        lambda one: SimpleNamespace(step=lambda: one.param_groups[0].update(lr=0.1)),
    ],
)
def test_a_script_whose_rate_something_else_sets_too_is_told(make_other, first):
    with pytest.raises(ValueError, match=r"the trial's schedule alone must set the rate, got .*; take the other sched"):
        updates_of_a_trial(make_other, first=first)


def test_a_group_that_comes_later_and_a_reload_are_no_other_scheduler():
    asked, one = get_trial(lr=1.0, schedule="cosine()", steps=20), optimizer(1.0)
    scheduler = ScheduleLR.from_trial(one, asked)
    one.step()
    asked.report(loss=1.0)
    one.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.3})
    one.step()
    one.load_state_dict(one.state_dict())
    scheduler.load_state_dict(scheduler.state_dict())
    one.step()
    asked.report(loss=1.0)
