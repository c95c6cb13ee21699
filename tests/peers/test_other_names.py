"""What is answered to a name of another library equals that library's rates."""

import itertools

import pytest
import torch
from timm_alone import timm_scheduler
from torch.optim import lr_scheduler

from ratesmith import Horizon, parse
from ratesmith.strategy.other_names import UNREAD, equivalent

keras, optax = (pytest.importorskip(name) for name in ("keras", "optax"))

STEPS = 60


def ours(name, values, options):
    here = equivalent(name, values, options)
    controller = parse(here.notation).build(Horizon(here.steps or STEPS))
    return here, [controller.value(controller.init(), step) for step in range((here.steps or STEPS) + 1)]


def by_torch(name, values, options, lr, count):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler, rates = getattr(lr_scheduler, name)(optimizer, *values, **options), []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("name", "values", "options"),
    [
        ("StepLR", (7,), {}),
        ("StepLR", (), {"step_size": 3, "gamma": 0.5}),
        ("MultiStepLR", ([20, 5],), {"gamma": 0.3}),
        ("ConstantLR", (), {}),
        ("ConstantLR", (0.25, 9), {}),
        ("LinearLR", (), {}),
        ("LinearLR", (0.1, 0.7, 20), {}),
        ("ExponentialLR", (0.9,), {}),
        ("PolynomialLR", (30, 2.0), {}),
        ("CosineAnnealingLR", (), {"T_max": 50}),
        ("CosineAnnealingWarmRestarts", (10,), {"T_mult": 2}),
        ("CyclicLR", (0.1, 1.0, 8), {"cycle_momentum": False}),
        ("CyclicLR", (0.1, 1.0, 8, 4), {"cycle_momentum": False, "mode": "exp_range", "gamma": 0.99}),
    ],
)
def test_the_answer_equals_torchs_scheduler(name, values, options):
    here, factors = ours(name, (UNREAD, *values), options)
    assert not here.is_example
    assert factors == pytest.approx(by_torch(name, values, options, 1.0, len(factors)), rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("options", [{}, {"three_phase": True, "anneal_strategy": "linear", "pct_start": 0.25}])
def test_one_cycle_is_torchs_but_for_a_step(options):
    here, factors = ours("OneCycleLR", (UNREAD, 1.0), {"total_steps": 200, **options})
    theirs = by_torch("OneCycleLR", (1.0,), {"total_steps": 200, "cycle_momentum": False, **options}, 1.0, 200)
    # Within what two steps change at most: the middle of three phases lies two steps apart.
    largest = max(abs(a - b) for a, b in itertools.pairwise(theirs))
    assert max(abs(a - b) for a, b in zip(factors, theirs, strict=False)) <= 2.1 * largest
    assert "a step earlier" in here.note


@pytest.mark.parametrize(
    ("name", "values", "options", "base"),
    [
        ("ExponentialDecay", (0.5, 10, 0.7), {}, 0.5),
        ("ExponentialDecay", (0.5, 10, 0.7), {"staircase": True}, 0.5),
        ("CosineDecay", (0.5, 40), {"alpha": 0.1}, 0.5),
        ("CosineDecay", (0.1, 40), {"warmup_target": 0.5, "warmup_steps": 10}, 0.5),
        ("CosineDecayRestarts", (0.5, 10), {"t_mul": 2.0, "m_mul": 0.7, "alpha": 0.1}, 0.5),
        ("PolynomialDecay", (0.5, 40, 0.05, 2.0), {}, 0.5),
        ("PolynomialDecay", (0.5, 15, 0.05, 2.0), {"cycle": True}, 0.5),
        ("InverseTimeDecay", (0.5, 10, 0.3), {}, 0.5),
        ("InverseTimeDecay", (0.5, 10, 0.3, True), {}, 0.5),
        ("PiecewiseConstantDecay", ([10, 20], [0.5, 0.2, 0.1]), {}, 0.5),
    ],
)
def test_the_answer_equals_keras_schedule(name, values, options, base):
    theirs = getattr(keras.optimizers.schedules, name)(*values, **options)
    here, factors = ours(name, values, options)
    assert not here.is_example
    rates = [float(theirs(step)) / base for step in range(len(factors))]
    assert factors == pytest.approx(rates, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "values", "options", "base"),
    [
        ("cosine_decay_schedule", (0.5, 40), {"alpha": 0.1}, 0.5),
        ("warmup_cosine_decay_schedule", (0.1, 0.5, 10, 50, 0.05), {}, 0.5),
        ("exponential_decay", (0.5, 10, 0.7), {}, 0.5),
        ("exponential_decay", (0.5, 10, 0.7), {"transition_begin": 5, "staircase": True, "end_value": 0.1}, 0.5),
        ("warmup_exponential_decay_schedule", (0.0, 0.5, 10, 10, 0.7), {}, 0.5),
        ("piecewise_constant_schedule", (0.5, {10: 0.5, 30: 0.1}), {}, 0.5),
        ("piecewise_constant_schedule", (0.5, {10: 0.5, 30: 0.5}), {}, 0.5),
        ("linear_schedule", (0.1, 0.5, 20), {"transition_begin": 5}, 0.5),
        ("polynomial_schedule", (0.5, 0.05, 2.0, 30), {}, 0.5),
        ("cosine_onecycle_schedule", (100, 0.5), {}, 0.5),
        ("cosine_decay_schedule", (0.5, 40, 0.1, 2.0), {}, 0.5),
        ("warmup_cosine_decay_schedule", (0.1, 0.5, 10, 50, 0.05), {"exponent": 2.0}, 0.5),
        ("polynomial_schedule", (0.1, 0.5, 2.0, 30), {}, 0.5),
        ("linear_onecycle_schedule", (99, 0.5), {}, 0.5),
        ("linear_onecycle_schedule", (100, 0.5, 0.2, 0.6), {"div_factor": 10.0}, 0.5),
        ("warmup_constant_schedule", (0.1, 0.5, 10), {}, 0.5),
    ],
)
def test_the_answer_equals_optax_schedule(name, values, options, base):
    theirs = getattr(optax, name)(*values, **options)
    here, factors = ours(name, values, options)
    assert not here.is_example
    rates = [float(theirs(step)) / base for step in range(len(factors))]
    assert factors == pytest.approx(rates, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("CosineLRScheduler", {"t_initial": 40, "k_decay": 2.0}),
        ("CosineLRScheduler", {"t_initial": 8, "cycle_mul": 2.0, "cycle_decay": 0.5, "cycle_limit": 3}),
        ("CosineLRScheduler", {"t_initial": 16, "cycle_mul": 0.5, "cycle_limit": 2, "k_decay": 1.5}),
        ("PolyLRScheduler", {"t_initial": 40, "power": 2.0, "k_decay": 0.5}),
        ("WSDLRScheduler", {"t_initial": 50, "decay_t": 20}),
    ],
)
def test_the_answer_equals_timms_scheduler(name, options):
    here, factors = ours(name, (UNREAD,), options)
    assert not here.is_example
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with timm_scheduler() as timm:
        theirs = getattr(timm, name)(optimizer, **options, **({"decay_fn": "linear"} if "WSD" in name else {}))
        rates = [theirs._get_lr(step)[0] for step in range(24)]  # behind that, theirs takes a logarithm of less than 0
    assert factors[:24] == pytest.approx(rates, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "values", "options", "notation"),
    [
        (
            "WarmupMultiStepLR",
            (UNREAD, [60, 80]),
            {"warmup_iters": 20},
            "warmup(20, start=0.001) * multistep([60, 80])",
        ),
        ("WarmupCosineLR", (UNREAD, 100), {"warmup_iters": 20}, "warmup(20, start=0.001) * cosine()"),
        ("CosWithWarmup", (20,), {"alpha_f": 0.2}, "warmup(20, start=0.1) >> cosine(final=0.2)"),
        ("CosLinearEnvelope", (20,), {}, "warmup(20, start=0.1) >> 0.1 + 0.9 * linear() * cosine()"),
        ("CosineScheduler", (0.5, 0.05, 60, 20), {}, 'warmup(20, inclusive="both") >> cosine(final=0.1)'),
        ("HyperbolicLR", (UNREAD, 250, 60, 0.1), {"init_lr": 1.0}, "hyperbolic(250, infimum=0.1)"),
        ("ExpHyperbolicLR", (UNREAD, 250, 60, 0.1), {"init_lr": 1.0}, "hyperbolic(250, infimum=0.1, exponential=True)"),
        ("WarmupParamScheduler", (UNREAD, 0.01, 0.2), {}, 'warmup("20%", start=0.01, into=cosine())'),
        ("BoltOnWarmupScheduler", (UNREAD,), {"warmup_end": 20}, "warmup(20, into=cosine())"),
        (
            "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
            (UNREAD, 20, 60),
            {"min_lr_rate": 0.1},
            'warmup(20, inclusive="right") >> shift(cosine(final=0.1), -1)',
        ),
        ("get_inverse_sqrt_schedule", (UNREAD, 20, 7), {}, "warmup(20) >> InverseSqrt(7)"),
        ("get_polynomial_decay_schedule_with_warmup", (UNREAD, 20, 60, 0, 2), {}, "warmup(20) >> polynomial(2)"),
    ],
)
def test_the_answer_for_a_project_is_the_line_of_its_table(name, values, options, notation):
    here = equivalent(name, values, options)
    ours, theirs = (parse(text).build(here.steps or 100) for text in (here.notation, notation))
    assert [ours(step) for step in range(150)] == pytest.approx([theirs(step) for step in range(150)], rel=1e-12)
