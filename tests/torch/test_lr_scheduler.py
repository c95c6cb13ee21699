"""The drop-in schedulers against the installed torch, class by class."""

import copy
import gc
import io
import math
import pickle
import random
import re
import types
import warnings
import weakref

import pytest
import torch
from torch.optim import lr_scheduler, swa_utils

from ratesmith import Custom, Exponential, Milestones, Plateau, Ramp, Staircase
from ratesmith.torch import lr_scheduler as ours

theirs = types.SimpleNamespace(**{name: getattr(lr_scheduler, name, swa_utils.SWALR) for name in ours.__all__})

CASES = [
    ("StepLR", {"step_size": 30}),
    ("StepLR", {"step_size": 7, "gamma": 0.9}),
    ("MultiStepLR", {"milestones": [30, 80]}),
    ("MultiStepLR", {"milestones": [80, 30, 200, 30], "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [0, 3]}),
    ("MultiStepLR", {"milestones": []}),
    ("MultiStepLR", {"milestones": [0.5 * 60, -1, 0.75 * 60]}),
    ("StepLR", {"step_size": 30.0, "gamma": 0.0}),
    ("ExponentialLR", {"gamma": 1.001}),
    ("ExponentialLR", {"gamma": 0.97}),
    ("CosineAnnealingLR", {"T_max": 1}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.001}),
    ("CosineAnnealingLR", {"T_max": 100}),
    ("CosineAnnealingLR", {"T_max": 200, "eta_min": 0.05}),
    ("CosineAnnealingLR", {"T_max": 300}),
    ("CosineAnnealingLR", {"T_max": 62.5}),
    ("ConstantLR", {"factor": 0.3, "total_iters": 20}),
    ("ConstantLR", {}),
    ("LinearLR", {"start_factor": 0.01, "total_iters": 50}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.1, "total_iters": 100}),
    ("PolynomialLR", {"total_iters": 90, "power": 2.5}),
    ("PolynomialLR", {}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.95**epoch}),
    ("LambdaLR", {"lr_lambda": lambda epoch: epoch < 5}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 0.95**epoch, lambda epoch: 1 / (1 + epoch)]}),
]
CYCLING = [
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.99}),
    ("MultiplicativeLR", {"lr_lambda": [lambda epoch: 0.99, lambda epoch: 1 - 0.5 / (1 + epoch)]}),
    ("CosineAnnealingWarmRestarts", {"T_0": 7}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 3, "eta_min": 0.001}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 20, "cycle_momentum": False}),
    (
        "CyclicLR",
        {"base_lr": [0.01, 0.001], "max_lr": 0.1, "step_size_up": 5, "step_size_down": 9, "mode": "triangular2"},
    ),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 9, "mode": "exp_range", "gamma": 0.99}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 500}),
    ("OneCycleLR", {"max_lr": [0.5, 0.1], "total_steps": 500, "three_phase": True, "anneal_strategy": "linear"}),
    ("SWALR", {"swa_lr": 0.05}),
    ("SWALR", {"swa_lr": [0.05, 0.5], "anneal_epochs": 40, "anneal_strategy": "linear"}),
]
NAMES = [f"{name}-{index}" for index, (name, _) in enumerate(CASES)]


def optimizer(as_tensors=False):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.013)]
    if as_tensors:
        groups = [{**group, "lr": torch.tensor(group["lr"])} for group in groups]
    return torch.optim.SGD(groups, momentum=0.9)


def rates(of):
    return [float(group["lr"]) for group in of.param_groups]


def go(of, *schedulers):
    of.step()
    for scheduler in schedulers:
        scheduler.step()
    return rates(of)


def test_every_name_of_torchs_module_is_here():
    assert set(lr_scheduler.__all__) | {"SWALR"} == set(ours.__all__)


@pytest.mark.parametrize(("name", "options"), CASES + CYCLING)
def test_400_rates_of_two_groups_equal_torch(name, options):
    a, b = optimizer(), optimizer()
    their, our = getattr(theirs, name)(a, **options), getattr(ours, name)(b, **options)
    assert isinstance(our, getattr(theirs, name))
    assert rates(a) == rates(b)
    for _ in range(400):
        # torch's recursion is itself up to 1.2e-12 from its formula by then (cosine, T_max=7)
        assert go(b, our) == pytest.approx(go(a, their), rel=1.5e-12, abs=0)
        assert our.get_last_lr() == rates(b)


@pytest.mark.parametrize(("name", "options"), CASES + CYCLING)
@pytest.mark.parametrize("k", [1, 7, 30, 63])
def test_saved_after_any_step_and_loaded_anew_it_goes_on_the_same(name, options, k):
    a, b = optimizer(), optimizer()
    first = getattr(ours, name)(a, **options)
    for _ in range(k):
        go(a, first)
    file = io.BytesIO()
    torch.save({"optimizer": a.state_dict(), "scheduler": first.state_dict()}, file)
    second = getattr(ours, name)(b, **options)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    b.load_state_dict(saved["optimizer"])
    second.load_state_dict(saved["scheduler"])
    for _ in range(100):
        assert go(b, second) == go(a, first)


@pytest.mark.parametrize(("name", "options"), CASES + CYCLING)
def test_checkpoints_go_both_ways_between_torch_and_the_drop_in(name, options):
    for first_module, second_module in ((theirs, ours), (ours, theirs)):
        a, b = optimizer(), optimizer()
        first = getattr(first_module, name)(a, **options)
        for _ in range(33):
            go(a, first)
        second = getattr(second_module, name)(b, **options)
        b.load_state_dict(copy.deepcopy(a.state_dict()))
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        for _ in range(60):
            assert go(b, second) == pytest.approx(go(a, first), rel=1e-12, abs=0)


@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_a_scheduler_built_in_the_middle_of_a_run_knows_its_rate(name, options):
    a, b = optimizer(), optimizer()
    whole = getattr(ours, name)(a, **options)
    for _ in range(40):
        go(a, whole)
    for group in b.param_groups:
        group["initial_lr"] = group["lr"]
    late = getattr(ours, name)(b, last_epoch=39, **options)
    assert rates(b) == rates(a)
    assert go(b, late) == go(a, whole)


@pytest.mark.parametrize(("name", "options"), [case for case in CASES if case[0] != "LambdaLR"])
def test_a_rate_that_somebody_else_changed_is_kept_and_scaled_as_torch_does(name, options):
    a, b = optimizer(), optimizer()
    their, our = getattr(theirs, name)(a, **options), getattr(ours, name)(b, **options)
    for step in range(60):
        if step == 20:
            for of in (a, b):
                of.param_groups[0]["lr"] *= 0.3
        assert go(b, our) == pytest.approx(go(a, their), rel=1e-9, abs=0)


@pytest.mark.parametrize("name", ["StepLR", "ExponentialLR", "CosineAnnealingLR", "MultiStepLR"])
def test_behind_a_warm_up_of_torch_it_gives_torchs_rates(name):
    options = dict(CASES)[name] if name != "CosineAnnealingLR" else {"T_max": 100, "eta_min": 0.001}
    found = []
    for module in (theirs, ours):
        of = optimizer()
        both = [lr_scheduler.LinearLR(of, 0.1, total_iters=10), getattr(module, name)(of, **options)]
        found.append([rates(of)] + [go(of, *both) for _ in range(60)])
    for their, our in zip(*found, strict=True):
        assert our == pytest.approx(their, rel=1e-9, abs=0)


@pytest.mark.parametrize("name", ["StepLR", "ExponentialLR", "CosineAnnealingLR"])
def test_in_a_sequence_of_torch_it_gives_torchs_rates(name):
    options = dict(CASES)[name] if name != "CosineAnnealingLR" else {"T_max": 50}
    found = []
    for module in (theirs, ours):
        of = optimizer()
        parts = [lr_scheduler.LinearLR(of, 0.1, total_iters=10), getattr(module, name)(of, **options)]
        both = lr_scheduler.SequentialLR(of, parts, milestones=[10])
        found.append([rates(of)] + [go(of, both) for _ in range(50)])
    for their, our in zip(*found, strict=True):
        assert our == pytest.approx(their, rel=1e-12, abs=0)


def test_a_group_that_joins_late_follows_the_remaining_factors():
    of = optimizer()
    scheduler = ours.ExponentialLR(of, gamma=0.5)
    go(of, scheduler)
    of.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 1.0})
    assert go(of, scheduler) == [0.025, 0.00325, 0.5]


@pytest.mark.parametrize(("name", "options"), [case for case in CASES if case[0] != "LambdaLR"])
@pytest.mark.parametrize("at", [1, 7, 10, 30])
def test_a_late_group_never_rises_above_the_rate_that_it_joined_with(name, options, at):
    of = optimizer()
    scheduler = getattr(ours, name)(of, **options)
    for _ in range(at):
        go(of, scheduler)
    of.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 1.0})
    for _ in range(100):
        assert 0.0 <= go(of, scheduler)[2] <= 1.0


@pytest.mark.parametrize(
    ("name", "options", "value"),
    [
        ("StepLR", {"step_size": 30}, Staircase(30, 0.1)),
        ("MultiStepLR", {"milestones": [30, 80]}, Milestones((30, 80), 0.1)),
        ("ExponentialLR", {"gamma": 0.97}, Exponential(0.97)),
        ("CosineAnnealingLR", {"T_max": 100}, Ramp(1.0, 0.0, 100, "cosine")),
        ("LambdaLR", {"lr_lambda": lambda epoch: 0.95**epoch}, Custom(lambda epoch: 0.95**epoch)),
    ],
)
def test_the_value_form_gives_the_schedulers_rates(name, options, value):
    of = optimizer()
    scheduler = getattr(ours, name)(of, **options)
    for step in range(100):
        assert rates(of) == [0.1 * value(step), 0.013 * value(step)]
        go(of, scheduler)


def test_past_its_end_the_cosine_rises_again_and_the_value_holds():
    of = optimizer()
    scheduler = ours.CosineAnnealingLR(of, T_max=10)
    curve = [go(of, scheduler)[0] for _ in range(20)]
    assert curve[9] == 0.0
    assert curve[19] == 0.1
    assert Ramp(1.0, 0.0, 10, "cosine")(20) == 0.0


@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateau_equals_torch_position_by_position(mode):
    noise = random.Random(0)
    positions = (mode, 0.7, 3, 1e-3, "abs", 2, [1e-4, 1e-3], 1e-5)
    a, b = optimizer(), optimizer()
    their, our = lr_scheduler.ReduceLROnPlateau(a, *positions), ours.ReduceLROnPlateau(b, *positions)
    for _ in range(300):
        measured = noise.gauss(0, 1)
        their.step(measured)
        our.step(measured)
        assert rates(b) == rates(a)
    assert {**our.state_dict(), "verbose": None} == {**their.state_dict(), "verbose": None}
    assert isinstance(our, lr_scheduler.ReduceLROnPlateau)


def test_plateau_says_each_reduction_once_when_verbose(capsys):
    of = optimizer()
    scheduler = ours.ReduceLROnPlateau(of, patience=1, factor=0.5, min_lr=0.02, verbose=True)
    for _ in range(9):
        scheduler.step(1.0)
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "ReduceLROnPlateau: epoch 3: reducing the learning rate, 0.1 -> 0.05, 0.013 -> 0.013",
        "ReduceLROnPlateau: epoch 5: reducing the learning rate, 0.05 -> 0.025, 0.013 -> 0.013",
        "ReduceLROnPlateau: epoch 7: reducing the learning rate, 0.025 -> 0.02, 0.013 -> 0.013",
    ]
    quiet = ours.ReduceLROnPlateau(optimizer(), patience=0)
    for _ in range(3):
        quiet.step(1.0)
    assert capsys.readouterr().out == ""


def test_the_value_form_of_plateau_gives_the_schedulers_rates():
    of, noise, value = optimizer(), random.Random(2), Plateau(0.5, patience=2)
    scheduler, state = ours.ReduceLROnPlateau(of, factor=0.5, patience=2, eps=0), value.init()
    for step in range(60):
        measured = noise.random()
        scheduler.step(measured)
        state = value.observe(state, step, {"loss": measured})
        assert rates(of) == [0.1 * value.value(state, step), 0.013 * value.value(state, step)]


def test_a_function_that_groups_share_is_called_once_a_step():
    calls = []
    of = optimizer()
    scheduler = ours.LambdaLR(of, lambda epoch: calls.append(epoch) or 1.0)
    go(of, scheduler)
    assert calls == [0, 1]


@pytest.mark.parametrize(("name", "options"), CASES, ids=NAMES)
def test_a_tensor_rate_stays_the_same_tensor(name, options):
    of = optimizer(as_tensors=True)
    before = [group["lr"] for group in of.param_groups]
    scheduler = getattr(ours, name)(of, **options)
    plain = optimizer()
    same = getattr(ours, name)(plain, **options)
    for _ in range(50):
        assert go(of, scheduler) == pytest.approx(go(plain, same), rel=1e-6, abs=1e-12)
    assert all(group["lr"] is tensor for group, tensor in zip(of.param_groups, before, strict=True))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda of: ours.StepLR(of, 0), "StepLR: step_size must be a whole number of at least 1, got 0"),
        (lambda of: ours.StepLR(of, 1.5), "StepLR: step_size must be a whole number of at least 1, got 1.5"),
        (
            lambda of: ours.StepLR(of, 5, gamma=float("nan")),
            "StepLR: gamma must be a finite number of at least 0, got nan",
        ),
        (lambda of: ours.MultiStepLR(of, [2.5]), "MultiStepLR: a milestone must be a whole number"),
        (lambda of: ours.ExponentialLR(of, -1), "ExponentialLR: gamma must be a finite number of at least 0, got -1;"),
        (lambda of: ours.CosineAnnealingLR(of, 0), "CosineAnnealingLR: T_max must be above 0, got 0"),
        (lambda of: ours.CosineAnnealingLR(of, -3), "CosineAnnealingLR: T_max must be above 0, got -3"),
        (lambda of: ours.LambdaLR(of, lambda _: float("nan")), "LambdaLR: lr_lambda(0): its value must be a finite"),
        (lambda of: ours.LambdaLR(of, [lambda _: 1.0]), "Expected 2 lr_lambdas, but got 1"),
        (lambda of: ours.ReduceLROnPlateau(of, factor=1.0), "Factor should be < 1.0."),
        (lambda of: ours.StepLR("SGD", 5), "str is not an Optimizer"),
    ],
)
def test_what_cannot_hold_is_refused_when_built(build, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        build(optimizer())
    assert str(caught.value).startswith(message)


def pair(module, optimizer, first, second):
    return [getattr(module, name)(optimizer, **options) for name, options in (first, second)]


CHAINED = [
    ("ExponentialLR", {"gamma": 0.99}),
    ("StepLR", {"step_size": 30, "gamma": 0.5}),
    ("LinearLR", {"start_factor": 0.1, "total_iters": 20}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 10}),
    ("PolynomialLR", {"total_iters": 200, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 300}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.995}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.97**epoch}),
    ("CosineAnnealingWarmRestarts", {"T_0": 30}),
]


@pytest.mark.parametrize("first", CHAINED)
@pytest.mark.parametrize("second", CHAINED)
def test_chained_two_by_two_they_give_torchs_rates(first, second):
    a, b = optimizer(), optimizer()
    their = lr_scheduler.ChainedScheduler(pair(theirs, a, first, second), a)
    our = ours.ChainedScheduler(pair(ours, b, first, second), b)
    assert rates(a) == pytest.approx(rates(b), rel=1e-15)
    for _ in range(150):
        assert go(b, our) == pytest.approx(go(a, their), rel=1e-9, abs=1e-16)


@pytest.mark.parametrize("first", CHAINED)
@pytest.mark.parametrize("second", CHAINED)
def test_in_a_sequence_two_by_two_they_give_torchs_rates(first, second):
    a, b = optimizer(), optimizer()
    their = lr_scheduler.SequentialLR(a, pair(theirs, a, first, second), [37])
    our = ours.SequentialLR(b, pair(ours, b, first, second), [37])
    for _ in range(150):
        assert rates(b) == pytest.approx(rates(a), rel=1e-9, abs=1e-16)
        assert go(b, our) == pytest.approx(go(a, their), rel=1e-9, abs=1e-16)
    state = copy.deepcopy(our.state_dict())
    c = optimizer()
    again = ours.SequentialLR(c, pair(ours, c, first, second), [37])
    c.load_state_dict(b.state_dict())
    again.load_state_dict(state)
    assert go(c, again) == go(b, our)


# What torch does that nobody can want, mended


def sequence(optimizer, children, milestones):
    return ours.SequentialLR(optimizer, children, milestones)


def warm(optimizer):
    return ours.LinearLR(optimizer, 0.1, total_iters=4)


def falling(optimizer):
    return ours.ExponentialLR(optimizer, 0.9)


def halved(optimizer):
    return ours.StepLR(optimizer, 2, 0.5)


def followed(of, scheduler, steps):
    found = [rates(of)[0] / 0.1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(steps):
            found.append(go(of, scheduler)[0] / 0.1)
    return found


RISE = [0.1, 0.325, 0.55, 0.775]
BOTH = [1, 0.9, 0.81 * 0.5, 0.729 * 0.5, 0.6561 * 0.25]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda o: sequence(o, [warm(o), ours.ChainedScheduler([falling(o), halved(o)], o)], [4]), RISE + BOTH),
        (lambda o: sequence(o, [ours.ChainedScheduler([falling(o), halved(o)], o)], []), BOTH),
        (
            lambda o: sequence(o, [warm(o), sequence(o, [ours.ConstantLR(o, 0.5, 9), falling(o)], [2])], [4]),
            [*RISE, 0.5, 0.5, 1, 0.9],
        ),
        (
            lambda o: sequence(o, [sequence(o, [ours.ConstantLR(o, 0.5, 9), falling(o)], [2]), halved(o)], [4]),
            [0.5, 0.5, 1, 0.9, 1, 1, 0.5],
        ),
        (lambda o: ours.ChainedScheduler([ours.ChainedScheduler([falling(o)], o), halved(o)], o), BOTH),
    ],
)
def test_composites_may_hold_composites_anywhere(make, expected):
    of = optimizer()
    assert followed(of, make(of), len(expected) - 1) == pytest.approx(expected, rel=1e-12)


def test_a_factor_of_zero_ends():
    of = optimizer()
    assert followed(of, ours.ConstantLR(of, 0.0, 2), 4) == pytest.approx([0, 0, 1, 1, 1])


def test_a_ramp_of_no_steps_is_at_its_end():
    of = optimizer()
    assert followed(of, ours.LinearLR(of, 0.1, total_iters=0), 2) == [1, 1, 1]
    of = optimizer()
    assert followed(of, ours.ConstantLR(of, 0.1, total_iters=0), 2) == [1, 1, 1]


def test_restarts_asked_for_by_number_are_all_made():
    for first, factor in ((3, 3), (1, 3), (1, 10), (2, 2)):
        of = optimizer()
        scheduler = ours.CosineAnnealingWarmRestarts(of, first, factor)
        of.step()
        start, length = 0, first
        while start < 2000:
            scheduler.step(start)
            assert rates(of)[0] == 0.1, (first, factor, start)
            scheduler.step(start + 0.5 * length)
            assert rates(of)[0] == pytest.approx(0.05)
            start, length = start + length, length * factor


@pytest.mark.parametrize(("name", "options"), CASES + CYCLING)
def test_a_late_group_joins_wherever_the_others_share_their_options(name, options):
    several = any(isinstance(value, list) and name != "MultiStepLR" for value in options.values())
    of = optimizer()
    scheduler = getattr(ours, name)(of, **options)
    for _ in range(10):
        go(of, scheduler)
    of.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.02})
    if several:
        with pytest.raises(ValueError, match=rf"{name}: \w+ must be the same for all groups when one is added, got"):
            go(of, scheduler)
        return
    for _ in range(50):
        assert len(go(of, scheduler)) == 3
    assert len(scheduler.get_last_lr()) == 3


def test_loading_leaves_the_callers_state_as_it_was():
    of = optimizer()
    for scheduler in (ours.LambdaLR(of, lambda epoch: 1.0), warm(of), sequence(of, [warm(of), falling(of)], [3])):
        state = scheduler.state_dict()
        before = copy.deepcopy(state)
        scheduler.load_state_dict(state)
        go(of, scheduler)
        assert state.keys() == before.keys()


@pytest.mark.parametrize("name", ["StepLR", "LinearLR", "PolynomialLR", "CosineAnnealingLR", "ExponentialLR"])
def test_single_precision_rates_do_not_drift(name):
    steps = 20_000
    options = {
        "StepLR": {"step_size": 100, "gamma": 0.98},
        "LinearLR": {"start_factor": 1.0, "end_factor": 0.01, "total_iters": steps},
        "PolynomialLR": {"total_iters": steps, "power": 2.0},
        "CosineAnnealingLR": {"T_max": steps, "eta_min": 0.001},
        "ExponentialLR": {"gamma": 1e-3 ** (1 / steps)},
    }[name]
    exact, single = optimizer(), optimizer(as_tensors=True)
    schedulers = [getattr(ours, name)(of, **options) for of in (exact, single)]
    exact.step()
    single.step()
    for _ in range(steps - 1):
        for scheduler in schedulers:
            scheduler.step()
    assert rates(single) == pytest.approx(rates(exact), rel=1e-5)


@pytest.mark.parametrize(("name", "options"), [case for case in CASES + CYCLING if "lambda" not in str(case)])
def test_schedulers_pickle_and_leave_no_cycle(name, options):
    of = optimizer()
    scheduler = getattr(ours, name)(of, **options)
    assert pickle.loads(pickle.dumps(scheduler.state_dict())).keys() == scheduler.state_dict().keys()
    gone = weakref.ref(scheduler)
    gc.disable()
    try:
        del scheduler
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("name", "options"), [case for case in CASES + CYCLING if case[0] not in ("CosineAnnealingWarmRestarts", "SWALR")]
)
def test_the_order_and_the_deprecation_are_warned_of_as_in_torch(name, options):
    for module in (theirs, ours):
        of = optimizer()
        scheduler = getattr(module, name)(of, **options)
        with pytest.warns(UserWarning, match="how-to-adjust-learning-rate") as first:
            scheduler.step()
        assert len(first) == 1
        of.step()
        with pytest.warns(UserWarning, match="epoch parameter in `scheduler.step") as second:
            scheduler.step(5)
        assert len(second) == 1


@pytest.mark.parametrize("milestones", [[6, 3], [1.5, 3], [-1, 3]])
def test_milestones_of_a_sequence_must_rise(milestones):
    of = optimizer()
    with pytest.raises((ValueError, TypeError), match=r"^SequentialLR: (a milestone|milestones) must"):
        sequence(of, [warm(of), falling(of), halved(of)], milestones)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: ours.StepLR(o, 3, "a"), "StepLR: gamma must be a finite number of at least 0, got 'a'"),
        (lambda o: ours.MultiStepLR(o, [2.5]), "MultiStepLR: a milestone must be a whole number, got 2.5"),
        (
            lambda o: ours.CosineAnnealingLR(o, 5, math.nan),
            "CosineAnnealingLR: eta_min must be a finite number of at least 0, got nan",
        ),
        (
            lambda o: ours.CosineAnnealingWarmRestarts(o, 5, eta_min=math.nan),
            "CosineAnnealingWarmRestarts: eta_min must be a finite number of at least 0, got nan",
        ),
        (lambda o: ours.ConstantLR(o, math.nan), "ConstantLR: factor must be a finite number, got nan"),
        (
            lambda o: ours.LinearLR(o, math.nan),
            "LinearLR: start_factor and end_factor must be a finite number, got nan",
        ),
        (
            lambda o: ours.CyclicLR(o, 0.1, 0.5, -4, cycle_momentum=False),
            "CyclicLR: step_size_up must be above 0, got -4; give steps",
        ),
        (lambda o: ours.CyclicLR(o, 0.1, math.nan, cycle_momentum=False), "CyclicLR: max_lr must be a finite number"),
        (lambda o: ours.OneCycleLR(o, math.nan, 9, cycle_momentum=False), "OneCycleLR: max_lr must be a finite number"),
        (lambda o: ours.SWALR(o, math.nan), "SWALR: swa_lr must be a finite number of at least 0, got nan"),
        (lambda o: ours.LambdaLR(o, 3), "LambdaLR: lr_lambda must be a function of the step, got 3; give one"),
        (
            lambda o: ours.LambdaLR(o, lambda step: "a"),
            "LambdaLR: lr_lambda(0): its value must be a finite number, got",
        ),
        (lambda o: ours.ReduceLROnPlateau(o, patience=-1), "ReduceLROnPlateau: patience must be a whole number of at"),
        (lambda o: ours.ReduceLROnPlateau(o, cooldown=1.5), "ReduceLROnPlateau: cooldown must be a whole number of at"),
        (
            lambda o: ours.ReduceLROnPlateau(o, factor=-1),
            "ReduceLROnPlateau: factor must be a finite number of at least",
        ),
        (
            lambda o: ours.ReduceLROnPlateau(o, threshold=math.nan),
            "ReduceLROnPlateau: threshold must be a finite number",
        ),
        (
            lambda o: ours.ReduceLROnPlateau(o, min_lr=[-1]),
            "ReduceLROnPlateau: min_lr must be a finite number of at least",
        ),
        (lambda o: ours.ReduceLROnPlateau(o).step("a"), "ReduceLROnPlateau: metrics must be one number, got 'a'; give"),
    ],
)
def test_what_torch_accepts_and_nobody_can_want_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match="^" + re.escape(message)):
        make(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1))


def test_a_state_of_another_class_and_garbage_are_refused():
    def made(kind, *options):
        return kind(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1), *options)

    def chain(module, count):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        return module.ChainedScheduler([module.StepLR(optimizer, 3) for _ in range(count)])

    of_the_same = "; load the state of the same class"
    for state, said in (
        (made(lr_scheduler.ExponentialLR, 0.9).state_dict(), "one without step_size" + of_the_same),
        ({}, "one without gamma, last_epoch, step_size" + of_the_same),
        (3, "int" + of_the_same),
        (
            made(lr_scheduler.CyclicLR, 0.1, 0.2, 9, 9, "triangular", 1.0, None, "cycle", False).state_dict(),
            "one without step",
        ),
    ):
        with pytest.raises(
            (ValueError, TypeError), match="StepLR: the state must be one that StepLR saved, got " + said
        ):
            made(ours.StepLR, 3).load_state_dict(state)
    with pytest.raises(ValueError, match=r"ExponentialLR: the state must be .*, got one with step_size" + of_the_same):
        made(ours.ExponentialLR, 0.9).load_state_dict(made(lr_scheduler.StepLR, 3).state_dict())
    with pytest.raises(
        ValueError, match=r"ChainedScheduler: the state must be .* with 2 schedulers, got 3; make it of"
    ):
        chain(ours, 2).load_state_dict(chain(lr_scheduler, 3).state_dict())
    with pytest.raises(TypeError, match="StepLR: last_epoch of the state must be a finite number, got 'x'"):
        made(ours.StepLR, 3).load_state_dict({**made(lr_scheduler.StepLR, 3).state_dict(), "last_epoch": "x"})
