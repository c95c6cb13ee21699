"""Rates below 0, which reach the optimizer only if they are meant."""

import pytest
import torch
from stepping import go, parameters, rates, update
from trial_channel import trial

from ratesmith import Constant, Custom, Plateau, Ramp
from ratesmith.torch import Absolute, ControllerLR, ScheduleLR, Target, apply

FALLS = Ramp(1.0, -1.0, 10)


def sgd(*rates, tensor=False, **options):
    groups = [{"params": parameters(), "lr": torch.tensor(rate) if tensor else rate} for rate in rates]
    return torch.optim.SGD(groups, lr=0.1, **options)


@pytest.mark.parametrize(
    "schedule",
    [Constant(-1.0), -1 * Ramp(1.0, 0.5, 10), Custom(lambda step: -1.0), Absolute(Constant(-1.0)), "-1 * constant()"],
)
def test_a_rate_below_0_is_refused_before_anything_is_written(schedule):
    optimizer = sgd(0.5, 0.1)
    before = [dict(group) for group in optimizer.param_groups]
    with pytest.raises(ValueError, match=r"ScheduleLR: the rate must be at least 0, got -.* at step 0; change the sc"):
        ScheduleLR(optimizer, schedule, horizon=10)
    assert optimizer.param_groups == before


@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize("bases", [(0.5,), (0.5, 0.5), (0.5, 0.25)])
def test_a_schedule_that_dips_below_0_is_refused_at_that_step_with_the_way_out(bases, tensor):
    optimizer = sgd(*bases, tensor=tensor)
    scheduler = ScheduleLR(optimizer, FALLS)
    before = go(optimizer, scheduler, 5)
    assert before == [0.0] * len(bases)
    update(optimizer)
    with pytest.raises(ValueError, match="the rate must be") as caught:
        scheduler.step()
    message = (
        "ScheduleLR: the rate must be at least 0, got -0.1 at step 6; change the schedule, or if it is meant give "
        "allow_negative=True (to climb, torch's optimizers take maximize=True)"
    )
    assert str(caught.value) == message
    assert (rates(optimizer), scheduler.last_epoch) == (before, 5)
    with pytest.raises(ValueError, match="at step 10"):
        scheduler.step_to(10)


@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize("bases", [(0.5,), (0.5, 0.25)])
def test_a_rate_below_0_that_is_meant_is_written(bases, tensor):
    optimizer = sgd(*bases, tensor=tensor)
    scheduler = ScheduleLR(optimizer, FALLS, allow_negative=True)
    assert go(optimizer, scheduler, 10) == [-base for base in bases]


def test_a_rate_below_0_set_by_hand_is_refused_at_the_next_step():
    optimizer = sgd(0.5)
    scheduler = ScheduleLR(optimizer, Ramp(1.0, 0.5, 10))
    go(optimizer, scheduler, 3)
    optimizer.param_groups[0]["lr"] = -0.1
    with pytest.raises(ValueError, match="the rate must be at least 0, got -0"):
        scheduler.step()


def test_another_key_may_be_below_0():
    optimizer = sgd(0.5, weight_decay=0.1)
    ScheduleLR(optimizer, Target(Constant(-1.0), "weight_decay"))
    assert optimizer.param_groups[0]["weight_decay"] == -0.1


def test_a_measurement_that_leads_below_0_is_not_heard():
    optimizer = sgd(0.5)
    scheduler = ScheduleLR(optimizer, FALLS * Plateau(0.5, patience=0))
    go(optimizer, scheduler, 5)
    state = scheduler.state_dict()
    with pytest.raises(ValueError, match="at step 6"):
        scheduler.step(metrics=1.0)
    assert scheduler.state_dict() == state


def test_controllers_and_trials_pass_the_permission_on():
    optimizer = sgd(0.5)
    ControllerLR(optimizer, Constant(-1.0), allow_negative=True)
    assert rates(optimizer) == [-0.5]
    with pytest.raises(ValueError, match="the rate must be at least 0"):
        ControllerLR(sgd(0.5), Constant(-1.0))
    asked, _ = trial(schedule="-1 * constant()", steps=10)
    optimizer = sgd(asked.lr)
    ScheduleLR.from_trial(optimizer, asked, allow_negative=True)
    assert rates(optimizer) == [-asked.lr]


def test_apply_refuses_a_rate_below_0_unless_it_is_meant():
    optimizer = sgd(0.5, 0.25)
    message = "apply: the rate must be at least 0, got -0.6 at step 8; change the schedule, or if it is meant give all"
    with pytest.raises(ValueError, match=message):
        apply(optimizer, FALLS, 8)
    assert rates(optimizer) == [0.5, 0.25]
    apply(optimizer, FALLS, 10, base_lrs=[0.5, 0.25], allow_negative=True)
    assert rates(optimizer) == [-0.5, -0.25]
    with pytest.raises(ValueError, match=r"apply: the rate must be at least 0, got -0\.5 at step 0"):
        apply(optimizer, Constant(1.0), 0, base_lrs=[0.5, -0.5])
