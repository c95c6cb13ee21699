"""Counting the updates that were made, and not those that changed nothing."""

import gc
import math
import weakref

import pytest
import torch

from ratesmith import Ramp
from ratesmith.torch import ControllerLR, ScheduleLR

WARM = Ramp(0.0, 1.0, 3) >> Ramp(1.0, 0.0, 17)


def made(kind=torch.optim.SGD, schedule=WARM, make=ScheduleLR, **options):
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = kind([weight], lr=0.1, **options)
    return weight, optimizer, make(optimizer, schedule, count_updates=True)


@pytest.mark.parametrize("make", [ScheduleLR, ControllerLR])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.SGD, {}),
        (torch.optim.SGD, {"fused": True}),
        (torch.optim.SGD, {"foreach": True}),
        (torch.optim.AdamW, {"fused": True}),
        (torch.optim.Adam, {"fused": True, "amsgrad": True}),
        (torch.optim.Adagrad, {"fused": True}),
    ],
)
def test_an_update_that_a_gradient_scaler_skips_is_not_counted(make, kind, options):
    weight, optimizer, scheduler = made(kind, make=make, **options)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
    made_updates = 0
    for gradient in [1.0, math.inf, 1.0, math.nan, math.inf, 1.0, 1.0]:
        optimizer.zero_grad()
        scaler.scale((weight * gradient).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        made_updates += math.isfinite(gradient)
        assert scheduler.last_epoch == made_updates
    assert optimizer.param_groups[0]["lr"] == 0.1 * WARM(4)


def test_an_update_at_a_rate_of_zero_counts_like_any_other():
    weight, optimizer, scheduler = made()  # the warm-up begins at 0
    weight.grad = torch.ones(2)
    optimizer.step()
    assert scheduler.last_epoch == 1
    optimizer.param_groups[0]["lr"] = 0.0  # set by hand, with gradients: an update nevertheless
    optimizer.step()
    assert scheduler.last_epoch == 2


@pytest.mark.parametrize("step", [0, 5, 19])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("tensor", [False, True])
def test_the_hidden_step_of_a_distributed_checkpoint_is_not_counted(step, kind, tensor):
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

    def fresh():
        torch.manual_seed(0)
        model = torch.nn.Linear(2, 1)
        optimizer = kind(model.parameters(), lr=torch.tensor(0.1) if tensor else 0.1)
        return model, optimizer, ScheduleLR(optimizer, WARM, count_updates=True)

    def train(model, optimizer, scheduler, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            model(torch.ones(1, 2)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            get_state_dict(model, optimizer)  # with plain SGD it makes a step of its own at every save
            scheduler.step()
        return float(optimizer.param_groups[0]["lr"])

    model, optimizer, scheduler = fresh()
    get_state_dict(model, optimizer)  # and with any optimizer before the first update
    train(model, optimizer, scheduler, step)
    assert scheduler.last_epoch == step
    saved = get_state_dict(model, optimizer), scheduler.state_dict()
    for order in ("scheduler optimizer", "optimizer scheduler", "optimizer"):
        model_again, optimizer_again, again = fresh()
        for what in order.split():
            if what == "optimizer":
                model_state, optimizer_state = saved[0]
                set_state_dict(
                    model_again, optimizer_again, model_state_dict=model_state, optim_state_dict=optimizer_state
                )
            else:
                again.load_state_dict(saved[1])
        again.observe(1.0)
        assert again.last_epoch == step, order
        assert float(optimizer_again.param_groups[0]["lr"]) == pytest.approx(0.1 * WARM(step))
        again.step()
        assert again.last_epoch == step


def test_counting_does_not_keep_the_scheduler_alive_and_says_once_that_it_is_gone():
    _, optimizer, scheduler = made()
    gone = weakref.ref(scheduler)
    del scheduler
    gc.collect()
    assert gone() is None
    with pytest.warns(UserWarning, match="since nothing holds the scheduler that counted them; keep it in a variable"):
        optimizer.step()
    optimizer.step()
    _, optimizer, scheduler = made()
    del scheduler
    later = ScheduleLR(optimizer, WARM)  # takes its place
    optimizer.step()
    later.step()


def test_one_hook_counts_however_often_it_is_loaded_and_copied():
    _, optimizer, scheduler = made()
    for _ in range(3):
        scheduler.load_state_dict(scheduler.state_dict())
        optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step()
    assert scheduler.last_epoch == 1
    assert len(optimizer._optimizer_step_post_hooks) == 2, "one counts, and one watches for the doctor"
