"""The ten orders of resuming: what each gives, as docs/torch.md has it in a table."""

import copy
import io
import warnings
from pathlib import Path

import pytest
import torch

from ratesmith.torch import Absolute, ControllerLR, ScheduleLR, Target

STEPS = 12
STOPS = (1, 3, 6, 9, 11)
ROOT = Path(__file__).parents[2]

EXACT, REFUSED, NEW = "exact", "refused", "a new run"
ORDERS = {
    "build, load optimizer, load scheduler": EXACT,
    "build, load scheduler, load optimizer": EXACT,
    "load optimizer, build, load scheduler": EXACT,
    "build, two steps, load optimizer, load scheduler": EXACT,
    "load both into the objects that went on": EXACT,
    "load scheduler only": EXACT,
    "load optimizer only, build with last_epoch": EXACT,
    "load optimizer only, build, step_to": EXACT,
    "load optimizer only, build": EXACT,
    "nothing loaded": NEW,
}
FOREIGN = {  # the optimizer's state was saved without any scheduler: no base in its groups
    "load optimizer only, build with last_epoch": REFUSED,
    "load optimizer only, build, step_to": REFUSED,
    "load optimizer only, build": NEW,
}
SCHEDULES = {
    "cosine": "cosine(final=0.1)",
    "warm-up": 'warmup("25%") >> linear()',
    "steps": "step(3, gamma=0.5)",
    "cycles": "sgdr(4)",
}


def made_optimizer(kind):
    torch.manual_seed(0)
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": rate} for rate in (0.1, 0.03)]
    return kind(groups, lr=0.1, weight_decay=0.5)


def built(optimizer, text, make=ScheduleLR, **options):
    return make(optimizer, text, Target(Absolute("linear()"), "weight_decay"), horizon=STEPS, **options)


def trained(optimizer, scheduler, begin, end):
    """Train and return the rates of each update, and the weights at the end."""
    seen = []
    for step in range(begin, end):
        seen.append([group[key] for group in optimizer.param_groups for key in ("lr", "weight_decay")])
        for group in optimizer.param_groups:
            for weight in group["params"]:
                weight.grad = torch.full_like(weight, 0.1 * (step + 1))
        optimizer.step()
        scheduler.step()
    return seen


def saved(optimizer, scheduler):
    """Return the states as a file keeps them."""
    file = io.BytesIO()
    torch.save((optimizer.state_dict(), scheduler.state_dict()), file)

    def load():
        file.seek(0)
        return torch.load(file, weights_only=True)

    return load


def resumed(order, load, kind, text, k, went_on):
    """Put a run together in one order."""
    if order == "load both into the objects that went on":
        optimizer, scheduler = went_on
        optimizer.load_state_dict(load()[0])
        scheduler.load_state_dict(load()[1])
        return optimizer, scheduler
    optimizer = made_optimizer(kind)
    scheduler = None
    for act in order.split(", "):
        if act.startswith("load optimizer"):
            optimizer.load_state_dict(load()[0])
        elif act.startswith("load scheduler"):
            scheduler = scheduler or built(optimizer, text)
            scheduler.load_state_dict(load()[1])
        elif act == "build with last_epoch":
            scheduler = built(optimizer, text, last_epoch=k - 1)
        elif act == "step_to":
            scheduler.step_to(k)
        elif act == "two steps":
            trained(optimizer, scheduler, 0, 2)
        else:
            scheduler = built(optimizer, text)
    return optimizer, scheduler


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("text", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_every_order_of_resuming_gives_what_the_table_says(order, text, kind):
    whole = made_optimizer(kind)
    expected = trained(whole, built(whole, text), 0, STEPS)
    for k in STOPS:
        optimizer = made_optimizer(kind)
        scheduler = built(optimizer, text)
        trained(optimizer, scheduler, 0, k)
        load = saved(optimizer, scheduler)
        trained(optimizer, scheduler, k, STEPS)
        again = resumed(order, load, kind, text, k, (optimizer, scheduler))
        if ORDERS[order] == NEW:
            assert trained(*again, 0, STEPS) == expected
        else:
            assert trained(*again, k, STEPS) == expected[k:], k


@pytest.mark.parametrize("order", FOREIGN)
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("k", STOPS[1:])
def test_the_state_of_an_optimizer_that_no_scheduler_marked_gives_what_the_table_says(order, kind, k):
    text = SCHEDULES["cosine"]
    optimizer = made_optimizer(kind)
    trained(optimizer, type("Nothing", (), {"step": lambda self: None})(), 0, k)
    for group, rate in zip(optimizer.param_groups, (0.04, 0.01), strict=True):
        group["lr"] = rate  # as a function of the user's own left it
    load = lambda: copy.deepcopy((optimizer.state_dict(), None))  # noqa: E731
    if FOREIGN[order] == REFUSED:
        with pytest.raises(ValueError, match=r"ScheduleLR: the base of 'lr' must be known .*, got an optimizer that"):
            resumed(order, load, kind, text, k, None)
        return
    _, scheduler = resumed(order, load, kind, text, k, None)
    assert scheduler.base_lrs == [0.04, 0.01]
    assert scheduler.last_epoch == 0


@pytest.mark.parametrize("order", ORDERS)
def test_a_controllers_state_goes_with_the_schedulers_and_its_absence_is_said(order):
    losses = [1.0, 0.9, 0.95, 0.96, 0.97, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    text = "cosine() * plateau(factor=0.5, patience=1)"

    def heard(optimizer, scheduler, begin, end):
        seen = []
        for step in range(begin, end):
            seen += [group["lr"] for group in optimizer.param_groups]
            optimizer.step()
            scheduler.step(metrics=losses[step])
        return seen

    whole = made_optimizer(torch.optim.SGD)
    expected = heard(whole, built(whole, text), 0, STEPS)
    k = 6  # the plateau has cut by then
    optimizer = made_optimizer(torch.optim.SGD)
    scheduler = built(optimizer, text)
    heard(optimizer, scheduler, 0, k)
    load = saved(optimizer, scheduler)
    heard(optimizer, scheduler, k, STEPS)
    again = resumed(order, load, torch.optim.SGD, text, k, (optimizer, scheduler))
    if "scheduler" in order or order.startswith("load both"):
        assert heard(*again, k, STEPS) == expected[2 * k :]
        return
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        heard(*again, 0, 1)
    told = [text for text in map(str, (one.message for one in said)) if "does not say what a controller had" in text]
    assert len(told) == (order != "nothing loaded")


@pytest.mark.parametrize("k", STOPS)
def test_a_controller_lr_resumes_exactly_in_every_order_with_its_state(k):
    text = "cosine() * plateau(factor=0.5, patience=1)"

    def heard(optimizer, scheduler, begin, end):
        seen = []
        for _ in range(begin, end):
            seen += [group["lr"] for group in optimizer.param_groups]
            optimizer.step()
            scheduler.step(1.0)
        return seen

    def make(optimizer):
        return built(optimizer, text, ControllerLR)

    whole = made_optimizer(torch.optim.SGD)
    expected = heard(whole, make(whole), 0, STEPS)
    first = made_optimizer(torch.optim.SGD)
    scheduler = make(first)
    heard(first, scheduler, 0, k)
    load = saved(first, scheduler)
    for order in ("BOS", "BSO", "OBS", "BS"):
        optimizer = made_optimizer(torch.optim.SGD)
        for what in order:
            if what == "B":
                again = make(optimizer)
            elif what == "O":
                optimizer.load_state_dict(load()[0])
            else:
                again.load_state_dict(load()[1])
        assert heard(optimizer, again, k, STEPS) == expected[2 * k :], order


def test_the_page_has_this_table():
    page = (ROOT / "docs" / "torch.md").read_text(encoding="utf-8")
    for order, outcome in ORDERS.items():
        assert f"| {order} | {outcome}" in page, order


@pytest.mark.parametrize("resting", [0, 1])
def test_one_of_several_optimizers_may_rest_after_the_states_were_loaded(resting, recwarn):
    def made():
        optimizers = [made_optimizer(torch.optim.SGD) for _ in range(2)]
        return optimizers, ScheduleLR(optimizers, "linear()", horizon=40)

    (first, second), scheduler = made()
    for _ in range(3):
        first.step(), second.step(), scheduler.step()
    optimizers, resumed = made()
    for optimizer, earlier in zip(optimizers, (first, second), strict=True):
        optimizer.load_state_dict(copy.deepcopy(earlier.state_dict()))
    for _ in range(12):
        optimizers[1 - resting].step()
        resumed.step()
    assert resumed.last_epoch == 15
    assert not [str(warning.message) for warning in recwarn if "RS210" in str(warning.message)]
