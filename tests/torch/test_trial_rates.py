"""What a trainer's callback makes the base of a trial's rates."""

import pytest
import torch
from trial_channel import trial

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
