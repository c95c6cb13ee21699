"""timm's schedulers, by their names there, and where they are odd."""

import math

import pytest
import torch
from golden import LENGTHS, WARMED, agree
from timm_alone import timm_scheduler

from ratesmith import Constant, Milestones, Ramp, parse, recipes
from ratesmith.torch import ScheduleLR, Target


@pytest.fixture(scope="module")
def scheduler():
    with timm_scheduler() as module:
        yield module


def theirs(kind, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    made = kind(optimizer, **options)
    return lambda step: made._get_lr(step)[0]


@pytest.mark.parametrize(("steps", "warm"), WARMED)
def test_each_scheduler_has_the_same_values(scheduler, steps, warm):
    before = f"warmup({warm}, start=0.01) >> " if warm else ""
    decay = steps - warm
    half = -(-decay // 2)
    warming = {"warmup_t": warm, "warmup_lr_init": 0.01}
    for notation, kind, options in (
        ("cosine(final=0.1)", scheduler.CosineLRScheduler, {"t_initial": decay, "lr_min": 0.1, "warmup_prefix": True}),
        ("polynomial(0.5)", scheduler.PolyLRScheduler, {"t_initial": decay, "power": 0.5, "warmup_prefix": True}),
        (
            f"step({half}, gamma=0.3)",
            scheduler.StepLRScheduler,
            {"decay_t": half, "decay_rate": 0.3, "warmup_prefix": True},
        ),
        (
            f"wsd(decay={half}, final=0.1)",
            scheduler.WSDLRScheduler,
            {"t_initial": decay, "decay_t": half, "lr_min": 0.1},
        ),
    ):
        if kind is scheduler.WSDLRScheduler:
            options["decay_fn"] = "linear"
        agree(parse(before + notation).build(steps), theirs(kind, **options, **warming), steps)


def test_final_of_a_target_is_lr_min_in_groups_of_unequal_rates(scheduler):
    mine, other = (
        torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (1.0, 0.1)])
        for _ in range(2)
    )
    ours = ScheduleLR(mine, Target("cosine()", final=1e-3), horizon=50)
    theirs = scheduler.CosineLRScheduler(other, 50, lr_min=1e-3, t_in_epochs=False)
    for step in range(1, 50):
        mine.step()
        ours.step()
        theirs.step_update(step)
        rates = [group["lr"] for group in other.param_groups]
        assert ours.get_last_lr() == pytest.approx(rates, abs=1e-12)


@pytest.mark.parametrize("steps", LENGTHS)
def test_tanh_has_the_same_values_until_the_end_where_theirs_jumps_to_the_floor(scheduler, steps):
    other = theirs(scheduler.TanhLRScheduler, t_initial=steps, lb=-6.0, ub=4.0, lr_min=0.1)
    ours = parse("tanh(-6, 4, final=0.1)").build(steps)
    agree(ours, lambda step: other(step) if step < steps else ours(steps), steps)
    assert (other(steps), ours(steps)) == (0.1, pytest.approx(0.1 + 0.9 * (1 - math.tanh(4)) / 2, rel=1e-12))


@pytest.mark.parametrize("shape", ["linear", "1-sqrt", "cosine"])
def test_wsd_has_the_same_decay_shapes(scheduler, shape):
    other = theirs(scheduler.WSDLRScheduler, t_initial=90, decay_t=30, decay_fn=shape, lr_min=0.1, warmup_t=10)
    agree(parse(f'wsd(warmup=10, decay=30, final=0.1, shape="{shape}")').build(100), other, 100)


def test_the_exponential_tail_and_the_falling_stable_part_are_written_with_the_algebra(scheduler):
    rest = 0.1 / 0.9
    tail = Ramp(1.0, 0.1, 30, "exponential") * (1 / 0.9) + -rest
    agree(Constant(1.0, 60) >> tail, theirs(scheduler.WSDLRScheduler, t_initial=90, decay_t=30, decay_fn="exp"), 90)
    other = theirs(
        scheduler.WSDLRScheduler, t_initial=90, decay_t=30, decay_fn="linear", stable_fn="rsqrt", warmup_t=10
    )
    ours = parse("inverse_sqrt(10) * wsd(decay=30)").build(100)
    agree(ours, other, 100)


@pytest.mark.parametrize("first", [2, 3, 7, 100])
@pytest.mark.parametrize(("length", "height"), [(1.0, 1.0), (1.0, 0.5), (2.0, 0.7)])
def test_restarts_have_the_same_values_with_a_floor_and_falling_peaks(scheduler, first, length, height):
    other = theirs(
        scheduler.CosineLRScheduler,
        t_initial=first,
        lr_min=0.05,
        cycle_mul=length,
        cycle_decay=height,
        cycle_limit=10**6,
    )
    ours = recipes.sgdr(1000, first, growth=length, height=height, final=0.05)
    agree(ours, other, 500, rel=1e-11, near_zero=1e-13)


@pytest.mark.parametrize("k_decay", [0.5, 2.0])
@pytest.mark.parametrize("steps", LENGTHS)
def test_a_k_decay_has_the_same_values(scheduler, steps, k_decay):
    for notation, kind, options in (
        (f"cosine(final=0.1, k_decay={k_decay})", scheduler.CosineLRScheduler, {}),
        (f"polynomial(2, final=0.1, k_decay={k_decay})", scheduler.PolyLRScheduler, {"power": 2.0}),
    ):
        other = theirs(kind, t_initial=steps, lr_min=0.1, k_decay=k_decay, **options)
        agree(parse(notation).build(steps), other, steps, near_zero=1e-12)


def test_their_restart_can_be_missed(scheduler):
    """Their cycle number is the floor of a logarithm, which falls just below a whole number in places."""
    other = theirs(scheduler.CosineLRScheduler, t_initial=3, cycle_mul=3.0, cycle_limit=100)
    assert other(363) == pytest.approx(0.0, abs=1e-12)
    assert recipes.sgdr(1000, 3, growth=3)(363) == 1.0


def test_their_milestones_come_one_step_early(scheduler):
    other = theirs(scheduler.MultiStepLRScheduler, decay_t=[30, 60], decay_rate=0.1)
    agree(Milestones((29, 59), 0.1), other, 100)


def test_their_warm_up_without_prefix_jumps_into_the_decay(scheduler):
    """By default cosine, tanh and poly start counting at step 0, behind the warm-up: it never reaches the base rate."""
    other = theirs(scheduler.CosineLRScheduler, t_initial=100, warmup_t=10, warmup_lr_init=0.01)
    ours = parse('take(ramp(0.01, 1, 10), 10) >> shift(ramp(1, 0, 100, shape="cosine"), -10)').build(100)
    agree(ours, lambda step: other(min(step, 99)), 93)
    assert max(map(other, range(100))) < 1
