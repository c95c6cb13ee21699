"""Keras's schedules, by their names there, and where they are odd, to its single precision."""

import math
import os

import pytest
from golden import LENGTHS, WARMED, agree

from ratesmith import parse, recipes

os.environ.setdefault("KERAS_BACKEND", "numpy")
keras = pytest.importorskip("keras")
schedules = keras.optimizers.schedules
SINGLE = {"rel": 3e-6, "near_zero": 3e-7}


@pytest.mark.parametrize("steps", LENGTHS)
def test_each_schedule_has_the_same_values(steps):
    half = -(-steps // 2)
    for notation, other in (
        ("cosine(final=0.1)", schedules.CosineDecay(1.0, steps, alpha=0.1)),
        ("polynomial(0.5, final=0.1)", schedules.PolynomialDecay(1.0, steps, 0.1, power=0.5)),
        (f"exponential(0.3, every={half})", schedules.ExponentialDecay(1.0, half, 0.3)),
        (f"step({half}, gamma=0.3)", schedules.ExponentialDecay(1.0, half, 0.3, staircase=True)),
        (f"inverse_time(0.3, every={half})", schedules.InverseTimeDecay(1.0, half, 0.3)),
        (f"hold(inverse_time(0.3, every={half}), {half})", schedules.InverseTimeDecay(1.0, half, 0.3, staircase=True)),
    ):
        agree(parse(notation).build(steps), other, steps, **SINGLE)


@pytest.mark.parametrize(("steps", "warm"), WARMED)
def test_a_warm_up_comes_before_the_decay_steps(steps, warm):
    if warm:
        other = schedules.CosineDecay(0.1, steps - warm, alpha=0.1, warmup_target=1.0, warmup_steps=warm)
        agree(parse(f"warmup({warm}, start=0.1) >> cosine(final=0.1)").build(steps), other, steps, **SINGLE)


@pytest.mark.parametrize("first", [2, 3, 7, 100])
@pytest.mark.parametrize(("length", "height"), [(1.0, 1.0), (1.0, 0.5), (2.0, 0.7)])
def test_restarts_have_the_same_values_with_a_floor_and_falling_heights(first, length, height):
    """Keras multiplies the height above the floor: 0.1 + 0.9 x, x the restarts without a floor."""
    other = schedules.CosineDecayRestarts(1.0, first, t_mul=length, m_mul=height, alpha=0.1)
    ours = parse(f"0.1 + 0.9 * sgdr({first}, growth={length}, height={height})").build(1000)
    starts = _starts(first, length, 500)
    for step in range(500):
        if (
            step not in starts
        ):  # at a restart their fraction may round to the cycle before; it is a difference, so less exact
            assert ours(step) == pytest.approx(float(other(step)), rel=3e-5, abs=3e-6), step
    assert all(ours(step) == pytest.approx(0.1 + 0.9 * height**cycle) for cycle, step in enumerate(sorted(starts)))


def _starts(first, length, until):
    starts, cycle = [0], 0
    while starts[-1] < until:
        starts.append(starts[-1] + round(first * length**cycle))
        cycle += 1
    return set(starts[:-1])


def test_their_polynomial_cycles_end_lower_and_lower():
    other = schedules.PolynomialDecay(1.0, 10, 0.1, power=1.0, cycle=True)
    ours = parse("polynomial(final=0.1, cycle=10)").build(40)
    for step in range(1, 45):
        whole = 10 * math.ceil(step / 10)
        assert recipes.linear(whole, final=0.1)(step) == pytest.approx(float(other(step)), rel=3e-6)
        assert ours(step) == pytest.approx(float(other(step)), rel=3e-6)


def test_their_piecewise_constant_changes_one_step_later():
    other = schedules.PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])
    agree(parse("piecewise_constant([11, 21], [1, 0.5, 0.1])").build(30), other, 30, **SINGLE)
