"""What the drop-ins refuse when built, each with one clear line, and never in the middle of a training."""

import contextlib
import inspect
import itertools
import math
import re

import pytest
import torch
from torch.optim import lr_scheduler

from ratesmith.torch import ScheduleLR
from ratesmith.torch import lr_scheduler as ours


def optimizer(*rates):
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates or (0.1, 0.013)]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


MINIMAL = {
    "LambdaLR": {"lr_lambda": lambda step: 1.0},
    "MultiplicativeLR": {"lr_lambda": lambda step: 1.0},
    "StepLR": {"step_size": 3},
    "MultiStepLR": {"milestones": [3]},
    "ConstantLR": {},
    "LinearLR": {},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {},
    "CosineAnnealingLR": {"T_max": 10},
    "CosineAnnealingWarmRestarts": {"T_0": 3},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.2, "step_size_up": 3},
    "OneCycleLR": {"max_lr": 0.5, "total_steps": 12},
    "SWALR": {"swa_lr": 0.01},
    "ReduceLROnPlateau": {},
}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("CyclicLR", {"step_size_up": 0}, "CyclicLR: step_size_up must be above 0, got 0; give steps"),
        (
            "CyclicLR",
            {"step_size_up": 0, "step_size_down": 5},
            "CyclicLR: step_size_up must be above 0, got 0; give steps",
        ),
        (
            "CyclicLR",
            {"step_size_down": -1},
            "CyclicLR: step_size_down must be a finite number of at least 0, got -1; give such a number",
        ),
        (
            "CyclicLR",
            {"base_lr": -0.1},
            "CyclicLR: base_lr must be a finite number of at least 0, got -0.1; give such a number",
        ),
        (
            "CyclicLR",
            {"max_momentum": math.nan},
            "CyclicLR: max_momentum must be a finite number of at least 0, got nan; give such a number",
        ),
        (
            "OneCycleLR",
            {"total_steps": 2, "pct_start": 0.5},
            "OneCycleLR: each of its phases must have a length, got 2 steps with one that begins and ends at 0; "
            "change pct_start or total_steps",
        ),
        (
            "OneCycleLR",
            {"total_steps": 10, "pct_start": 1.0},
            "OneCycleLR: each of its phases must have a length, got 10 steps with one that begins and ends at 9; "
            "change pct_start or total_steps",
        ),
        (
            "OneCycleLR",
            {"total_steps": 9, "pct_start": 5 / 9, "three_phase": True},
            "OneCycleLR: each of its phases must have a length, got 9 steps with one that begins and ends at 8; "
            "change pct_start or total_steps",
        ),
        (
            "OneCycleLR",
            {"div_factor": 0},
            "OneCycleLR: div_factor must be above 0, got 0; give the factor between two rates",
        ),
        (
            "OneCycleLR",
            {"final_div_factor": 0.0},
            "OneCycleLR: final_div_factor must be above 0, got 0.0; give the factor between two rates",
        ),
        (
            "OneCycleLR",
            {"max_lr": [0.1, -1]},
            "OneCycleLR: max_lr must be a finite number of at least 0, got -1; give such a number",
        ),
        (
            "OneCycleLR",
            {"pct_start": math.nan},
            "OneCycleLR: pct_start must be a finite number, got nan; give such a number",
        ),
        (
            "PolynomialLR",
            {"power": -0.5},
            "PolynomialLR: power must be a finite number of at least 0, got -0.5; give such a number",
        ),
        (
            "PolynomialLR",
            {"total_iters": -1},
            "PolynomialLR: total_iters must be a whole number of at least 0, got -1; give a larger number",
        ),
        (
            "CosineAnnealingLR",
            {"eta_min": -1},
            "CosineAnnealingLR: eta_min must be a finite number of at least 0, got -1; give such a number",
        ),
        (
            "CosineAnnealingLR",
            {"eta_min": [0.1, 0.2]},
            "CosineAnnealingLR: eta_min must be a finite number of at least 0, got [0.1, 0.2]; give a plain number",
        ),
        ("MultiStepLR", {"milestones": 30}, "MultiStepLR: milestones must be steps, got 30; give a list"),
        ("SWALR", {"swa_lr": -1}, "SWALR: swa_lr must be a finite number of at least 0, got -1; give such a number"),
    ],
)
def test_an_option_that_cannot_hold_is_refused_in_one_line(name, options, message):
    with pytest.raises((ValueError, TypeError), match=f"^{re.escape(message)}$"):
        getattr(ours, name)(optimizer(), **{**MINIMAL[name], **options})


ODD = [0, -1, 1, 2, 0.0, 0.5, 1.0, -0.5, 1.5, math.nan, math.inf, -math.inf, [], [0.1], [0.1, 0.2], [math.nan, 0.1]]


@pytest.mark.parametrize("name", MINIMAL)
def test_of_odd_numbers_none_is_a_division_by_zero_or_a_rate_that_is_none(name):
    options = [option for option in inspect.signature(getattr(ours, name)).parameters if option not in SKIPPED]
    grid = [{option: value} for option in options for value in ODD]
    if name in ("CyclicLR", "OneCycleLR"):
        pairs, values = itertools.combinations(options, 2), [0, 1, 2, 0.0, 0.5, 1.0]
        grid += [{a: v, b: w} for a, b in pairs for v, w in itertools.product(values, values)]
    if name == "OneCycleLR":
        lengths, shares = range(1, 12), [place / 20 for place in range(21)]
        grid += [
            {"total_steps": steps, "pct_start": share, "three_phase": phases}
            for steps, share, phases in itertools.product(lengths, shares, (False, True))
        ]
    for odd in grid:
        of = optimizer()
        try:
            scheduler = getattr(ours, name)(of, **{**MINIMAL[name], **odd})
        except (ValueError, TypeError):
            continue
        of.step()
        for _ in range(min(getattr(scheduler, "total_steps", 12), 12)):
            scheduler.step(1.0) if name == "ReduceLROnPlateau" else scheduler.step()
            assert all(0 <= float(group["lr"]) < math.inf for group in of.param_groups), odd


SKIPPED = ("optimizer", "last_epoch", "verbose")


def test_a_cycle_may_fall_at_once_and_a_polynomial_may_be_flat():
    of = optimizer()
    scheduler = ours.CyclicLR(of, 0.1, 0.5, 4, 0, cycle_momentum=False)
    of.step()
    risen = [0.1]
    for _ in range(5):
        scheduler.step()
        risen.append(of.param_groups[0]["lr"])
    assert risen == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.1, 0.2])
    ours.PolynomialLR(of, 5, 0)


@pytest.mark.parametrize("name", MINIMAL)
@pytest.mark.parametrize("rate", [math.nan, math.inf, torch.tensor(math.nan), torch.tensor([math.inf])])
def test_an_optimizer_whose_rate_is_no_number_is_refused(name, rate):
    of = optimizer(0.1, rate)
    with pytest.raises(ValueError, match=f"^{name}: the optimizer's lr must be a finite number, got (nan|inf); give"):
        getattr(ours, name)(of, **MINIMAL[name])


@pytest.mark.parametrize("name", ["SequentialLR", "ChainedScheduler"])
def test_composites_of_torchs_own_schedulers_refuse_such_a_rate_too(name):
    of = optimizer(0.1)
    parts = [lr_scheduler.StepLR(of, 3)]
    of.param_groups[0]["lr"] = math.nan
    with pytest.raises(ValueError, match=f"^{name}: the optimizer's lr must be a finite number, got nan; give"):
        ours.SequentialLR(of, parts, []) if name == "SequentialLR" else ours.ChainedScheduler(parts)


# States


def composite(name, of):
    parts = [ours.LinearLR(of), ours.StepLR(of, 3)]
    return ours.SequentialLR(of, parts, [4]) if name == "SequentialLR" else ours.ChainedScheduler(parts, of)


@pytest.mark.parametrize("name", [*MINIMAL, "SequentialLR", "ChainedScheduler"])
def test_a_state_of_schedule_lr_is_refused(name):
    state = ScheduleLR(optimizer(), "warmup(5) >> cosine()", horizon=30).state_dict()
    of = optimizer()
    scheduler = getattr(ours, name)(of, **MINIMAL[name]) if name in MINIMAL else composite(name, of)
    before = scheduler.state_dict()
    with pytest.raises(
        ValueError, match=rf"^{name}: the state must be one that {name} saved, got one without \w+.*; load"
    ):
        scheduler.load_state_dict(state)
    assert scheduler.state_dict() == before


@pytest.mark.parametrize("name", ["SequentialLR", "ChainedScheduler", "SWALR"])
def test_a_step_by_number_that_cannot_be_right_is_refused(name):
    of = optimizer()
    scheduler = ours.SWALR(of, 0.01) if name == "SWALR" else composite(name, of)
    of.step()
    said = pytest.warns(UserWarning, match="epoch parameter") if name == "SWALR" else _nothing()
    with said, pytest.raises((TypeError, ValueError), match=rf"^{name}: step must be given no number, got 7.*; load"):
        scheduler.step(7)


def _nothing():
    return contextlib.nullcontext()


def test_a_multiplicative_scheduler_sent_to_a_step_multiplies_all_up_to_there():
    of = optimizer(0.1)
    scheduler = ours.MultiplicativeLR(of, lambda step: 1 - 1 / (step + 1))
    of.step()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(4)
    assert of.param_groups[0]["lr"] == pytest.approx(0.1 * (1 / 2) * (2 / 3) * (3 / 4) * (4 / 5))
    assert scheduler.get_last_lr() == [of.param_groups[0]["lr"]]
