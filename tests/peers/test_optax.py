"""optax's schedules, by their names there, and where they are odd; in double precision."""

import math

import pytest
from golden import LENGTHS, WARMED, agree

from ratesmith import Milestones, Ramp, parse

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")


@pytest.fixture(autouse=True)
def double_precision():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def at_once(other, steps):
    """Return all values of one of their schedules, computed in one compiled call, by step."""
    return jax.jit(jax.vmap(other))(jax.numpy.arange(steps + 6)).tolist().__getitem__


@pytest.mark.parametrize("steps", [*LENGTHS, 200])
def test_each_schedule_has_the_same_values(steps):
    half = -(-steps // 2)
    for notation, other in (
        ("linear(final=0.1)", optax.linear_schedule(1.0, 0.1, steps)),
        ("polynomial(2.5, final=0.1)", optax.polynomial_schedule(1.0, 0.1, 2.5, steps)),
        ("cosine(final=0.1)", optax.cosine_decay_schedule(1.0, steps, alpha=0.1)),
        (f"exponential(0.3, every={half})", optax.exponential_decay(1.0, half, 0.3)),
        (f"step({half}, gamma=0.3)", optax.exponential_decay(1.0, half, 0.3, staircase=True)),
        (f"clip(exponential(0.3, every={half}), low=0.2)", optax.exponential_decay(1.0, half, 0.3, end_value=0.2)),
    ):
        agree(parse(notation).build(steps), other if "polynomial" in notation else at_once(other, steps), steps)


def test_their_polynomial_of_a_broken_power_can_be_nan_at_its_end_inside_jit():
    """Compiled, 1 - count / steps becomes 1 - count * (1 / steps), which falls below zero; here it counts down."""
    at_end = {}
    for steps in (7, 49, 98, 100, 103, 196, 200, 206, 300, 399):
        at_end[steps] = float(jax.jit(optax.polynomial_schedule(1.0, 0.1, 2.5, steps))(steps))
        ours = jax.jit(parse("polynomial(2.5, final=0.1)").build(steps))
        assert float(ours(steps)) == pytest.approx(0.1, rel=1e-15)
        assert float(ours(steps + 9)) == pytest.approx(0.1, rel=1e-15)
    if not any(map(math.isnan, at_end.values())):
        pytest.skip("this optax is right at the end of every polynomial")


@pytest.mark.parametrize(("steps", "warm"), [(steps, warm) for steps, warm in WARMED if steps <= 7 or warm == 333])
def test_a_warm_up_is_part_of_the_decay_steps(steps, warm):
    """With warmup_steps=0 optax's linear part is constant at its start, and the join steps over it: as here."""
    other = at_once(optax.warmup_cosine_decay_schedule(0.1, 1.0, warm, steps, end_value=0.1), steps)
    before = f"warmup({warm}, start=0.1) >> " if warm else ""
    agree(parse(before + "cosine(final=0.1)").build(steps), other, steps)


def test_scales_at_boundaries_multiply_from_that_step_on():
    other = optax.piecewise_constant_schedule(1.0, {10: 0.5, 20: 0.5})
    agree(Milestones((10, 20), 0.5), at_once(other, 40), 40)


@pytest.mark.parametrize("steps", [7, 99, 101])
@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_one_cycle_has_the_same_values(shape, steps):
    """Theirs takes int(pct * steps), ours rounds a share; given in steps they are the same."""
    peak = int(0.3 * steps)
    if shape == "cosine":
        other = optax.cosine_onecycle_schedule(steps, 1.0, pct_start=0.3, div_factor=25, final_div_factor=1e4)
        notation = f"one_cycle(peak={peak}, start={1 / 25!r}, final={1 / 25 / 1e4!r})"
    else:
        other = optax.linear_onecycle_schedule(
            steps, 1.0, pct_start=0.3, pct_final=(2 * peak + 0.5) / steps, final_div_factor=1e4
        )
        notation = f'one_cycle(peak={peak}, start={1 / 25!r}, final={1 / 25 / 1e4!r}, shape="linear", phases=3)'
    agree(parse(notation).build(steps), at_once(other, steps), steps, rel=1e-11)


def test_sgdr_is_cycles_with_a_warm_up_each():
    cycles = [
        {"init_value": 0.1, "peak_value": 1.0 * 0.5**i, "warmup_steps": 5, "decay_steps": 20, "end_value": 0.1}
        for i in range(4)
    ]
    ours = parse("sgdr(20, height=0.5, final=0.1, warmup=5)").build(80)
    agree(ours, at_once(optax.sgdr_schedule(cycles), 73), 73, rel=1e-11)


@pytest.mark.parametrize("steps", LENGTHS)
@pytest.mark.parametrize("exponent", [2.0, 0.5])
def test_a_cosine_to_a_power_has_the_same_values(exponent, steps):
    other = optax.cosine_decay_schedule(1.0, steps, alpha=0.1, exponent=exponent)
    agree(parse(f"cosine(final=0.1, power={exponent})").build(steps), at_once(other, steps), steps, near_zero=1e-8)


@pytest.mark.parametrize("steps", [7, 99, 101])
@pytest.mark.parametrize(("peak", "back"), [(0.3, 0.85), (0.5, 0.6)])
def test_one_cycle_in_three_phases_has_the_same_values(peak, back, steps):
    other = optax.linear_onecycle_schedule(steps, 1.0, pct_start=peak, pct_final=back)
    points = f"peak={int(peak * steps)}, back={int(back * steps)}"
    ours = parse(f'one_cycle({points}, start={1 / 25!r}, final={1 / 25 / 1e4!r}, shape="linear")').build(steps)
    agree(ours, at_once(other, steps), steps, rel=1e-11)


@pytest.mark.parametrize("steps", LENGTHS)
def test_in_single_precision_ours_is_no_further_from_the_truth(steps):
    schedule = Ramp(1.0, 0.0, steps, "cosine")
    other = optax.cosine_decay_schedule(1.0, steps)
    jax.config.update("jax_enable_x64", False)
    at = jax.numpy.arange(steps + 1)
    truth = [schedule(step) for step in range(steps + 1)]
    ours, theirs = (abs(jax.jit(call)(at) - jax.numpy.asarray(truth)).max() for call in (schedule, jax.vmap(other)))
    assert ours <= max(theirs, 2e-7)
