"""One line of maths serves every array: NumPy, JAX inside jit, vmap and grad, torch eager and compiled."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from strategies import schedules

from ratesmith import (
    Constant,
    Custom,
    Exponential,
    InverseSqrt,
    InverseTime,
    Milestones,
    Ramp,
    Staircase,
    Tanh,
    recipes,
)
from ratesmith.shapes import SHAPES

RAMP = Ramp(1.0, 0.0, 4)
CASES = [
    Constant(0.5),
    Ramp(0.0, 1.0, 5) >> Ramp(1.0, 0.0, 20, "cosine"),
    Staircase(4, 0.5),
    Milestones((3, 9), 0.3),
    Exponential(0.9),
    Exponential(1.3),
    InverseSqrt(5),
    InverseTime(0.5, every=3),
    *(Ramp(1.0, 0.1, 9, shape) for shape in (*SHAPES, "exponential", 2)),
    Custom(lambda count: 1 / (1 + count), every=2),
    Ramp(1.0, 0.0, 5).take(5) >> Ramp(1.0, 0.0, 20, "1-sqrt"),
    Ramp(1.0, 0.0, 9, 0.5),
    RAMP.repeat(3, height=0.5, growth=2),
    RAMP.repeat(),
    RAMP.repeat(growth=2),
    RAMP.shift(3),
    RAMP.stretch(9),
    Exponential(0.9).take(5).clip(low=0.7),
    RAMP.hold(3),
    RAMP.hold(7, stairs=3),
    Staircase(9, 0.5, stairs=4),
    Custom(lambda count: 1 / (1 + count), every=9, stairs=2),
    recipes.sgdr(30, "17%", height=0.5),
    0.1 * RAMP * Exponential(0.9),
    0.1 + 0.9 * RAMP + Exponential(0.9),
    Tanh(-3.0, 2.0, 9),
]
STEPS = np.arange(-3, 40)


def one_by_one(schedule, steps=STEPS):
    return np.array([schedule(int(step)) for step in steps])


@given(schedules)
def test_a_torch_tensor_gives_what_the_steps_give_one_by_one(schedule):
    steps = torch.tensor([[-3, 0, 1], [7, 40, 2**40]])
    found = schedule(steps)
    assert found.dtype == torch.float64
    assert found.shape == steps.shape
    expected = one_by_one(schedule, steps.flatten().tolist()).reshape(2, 3)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("schedule", CASES, ids=str)
def test_inside_a_compiled_graph_a_torch_tensor_gives_the_same(schedule):
    torch._dynamo.reset()
    compiled = torch.compile(lambda step: schedule(step), fullgraph=True, backend="eager")
    np.testing.assert_allclose(compiled(torch.as_tensor(STEPS)).numpy(), one_by_one(schedule), rtol=1e-14, atol=0)
    assert compiled(torch.tensor(7)).shape == ()


@pytest.mark.parametrize("schedule", CASES, ids=str)
def test_inside_jax_an_array_gives_the_same_to_single_precision(schedule):
    jax = pytest.importorskip("jax")
    steps = jax.numpy.asarray(STEPS)
    for call in (schedule, jax.jit(lambda step: schedule(step)), jax.vmap(lambda step: schedule(step))):
        np.testing.assert_allclose(call(steps), one_by_one(schedule), rtol=3e-6, atol=1e-7)
    assert jax.jit(schedule)(7).shape == ()
    for step in (-1.0, 0.0, 0.5, 3.5, 5.0, 9.0, 39.0):
        assert np.isfinite(jax.grad(lambda step: 1.0 * schedule(step))(step)), step


def test_inside_jax_growth_beside_zero_stays_finite():
    jax = pytest.importorskip("jax")
    steps = jax.numpy.asarray([0, 10, 50, 1000, 10**9])
    for schedule in (
        Ramp(1.0, 0.0, 50) * Exponential(1.1),
        0.0 * Exponential(2.0),
        Ramp(1.0, 0.0, 50) * Milestones((10, 20), 1e30),
        Exponential(1.1),
        Constant(1e150) * Ramp(1.0, 0.0, 50),
        1e150 * Ramp(1.0, 0.0, 50) + Exponential(3.0),
        Ramp(0.0, 1.0, 5).repeat(height=3.0),
    ):
        assert np.isfinite(jax.jit(schedule)(steps)).all(), str(schedule)


def test_in_single_precision_growth_that_would_just_pass_the_largest_number_stays_finite():
    jax = pytest.importorskip("jax")
    for root in range(1, 60):
        schedule = Ramp(1.0, 0.0, 50) * Exponential(float(np.finfo(np.float32).max) ** (1 / root))
        assert np.isfinite(jax.jit(schedule)(jax.numpy.asarray([root, 10**9]))).all(), root


def test_in_single_precision_every_step_is_exact_up_to_2_to_the_24():
    jax = pytest.importorskip("jax")
    switch = Milestones((2**24 - 1,), 0.5)
    around = jax.numpy.asarray([2**24 - 2, 2**24 - 1, 2**24])
    np.testing.assert_array_equal(jax.jit(switch)(around), [1.0, 0.5, 0.5])
    start = Ramp(1.0, 1.0, 2**24 - 1) >> Constant(0.5)
    np.testing.assert_array_equal(jax.jit(start)(around), [1.0, 0.5, 0.5])


def test_in_single_precision_every_shape_is_exact_to_five_digits_up_to_ten_to_the_ninth():
    """Beyond 2**24 a step is the nearest that the type has, which moves it by a share of 6e-8 at most."""
    jax = pytest.importorskip("jax")
    long = 2 * 10**9
    steps = [0, 1, 2**24 - 1, 2**24, 2**24 + 1, 10**9 - 1, 10**9, 10**9 + 1, long]
    for schedule in (
        *(Ramp(0.1, 1.0, long, shape) for shape in (*SHAPES, "exponential", 2, 0.5)),
        Ramp(0.0, 1.0, 10**9) >> Ramp(1.0, 0.1, 10**9, "cosine"),
        Tanh(-3.0, 2.0, long),
        Staircase(3 * 10**7, 0.9),
        Exponential(0.9, 10**8),
        InverseSqrt(10**6),
        InverseTime(0.5, 10**7),
        Ramp(1.0, 0.1, 50_000).stretch(10**9),
        Ramp(1.0, 0.1, 1000).repeat(growth=2, height=0.99),
        Ramp(1.0, 0.1, 3 * 10**8).repeat().hold(3 * 10**7),
        Staircase(3 * 10**8, 0.9, stairs=7),
        0.1 + 0.5 * Ramp(1.0, 0.1, long).shift(-(2**24)),
    ):
        found = jax.jit(schedule)(jax.numpy.asarray(steps))
        np.testing.assert_allclose(found, one_by_one(schedule, steps), rtol=1e-5, err_msg=str(schedule))


def test_lengths_that_jax_cannot_take_are_refused_with_what_to_do():
    jax = pytest.importorskip("jax")
    for schedule in (
        Ramp(0.0, 1.0, 2**40),
        0.1 * Constant(1.0, 5) + Staircase(2**40),
        Ramp(0.0, 1.0, 5).shift(-(2**40)),
    ):
        with pytest.raises(ValueError, match=r"Schedule: lengths must fit into JAX's integers, got .*; make"):
            jax.jit(schedule)(jax.numpy.arange(3))
        assert schedule(np.arange(3, dtype=np.int32)).shape == (3,)
    assert jax.jit(Ramp(0.0, 1.0, 2**31 - 1))(jax.numpy.asarray(2**31 - 1)) == 1.0


@pytest.mark.parametrize(("every", "stairs"), [(1001, 4), (10**8 + 1, 999), (10**8 + 1, 10**7 + 7), (7, 7)])
def test_every_stair_begins_at_its_step_in_every_array_that_holds_their_product(every, stairs):
    jax = pytest.importorskip("jax")

    def around(farthest):
        counts = np.unique(np.linspace(0, stairs * (farthest - 2) // every, 50).astype(np.int64))
        begins = [(2 * int(count) * every + stairs) // (2 * stairs) for count in counts]
        return begins, [step for begin in begins for step in (begin - 1, begin)]

    def counted(steps):
        return [float((step * stairs + (stairs - 1) // 2) // every) if step > 0 else 0.0 for step in steps]

    schedule, held = Custom(lambda count: count / 1.0, every, stairs), Custom(lambda step: step).hold(every, stairs)
    begins, steps = around(2**31)
    assert [schedule(step) for step in steps] == counted(steps)
    np.testing.assert_array_equal(schedule(np.array(steps)), counted(steps))
    np.testing.assert_array_equal(schedule(torch.tensor(steps)), counted(steps))
    np.testing.assert_array_equal(held(torch.tensor(begins)), begins)
    if every * stairs < 2**24:
        begins, steps = around(2**24)
        np.testing.assert_array_equal(jax.jit(schedule)(jax.numpy.asarray(steps)), counted(steps))
        np.testing.assert_array_equal(jax.jit(held)(jax.numpy.asarray(begins)), begins)


def test_in_jax_a_rule_gets_whole_numbers():
    jax = pytest.importorskip("jax")
    table = jax.numpy.asarray([1.0, 0.5, 0.25])
    rule = Custom(lambda epoch: table[epoch], every=10)
    np.testing.assert_array_equal(jax.jit(rule)(jax.numpy.asarray([0, 9, 10, 25])), [1.0, 1.0, 0.5, 0.25])


@pytest.mark.parametrize(("cycle", "cycles"), [(2**20 - 1, 4), (127_916, 3), (503_785, 3)])
def test_in_single_precision_cycles_stretched_by_a_whole_ratio_begin_at_their_step(cycle, cycles):
    jax = pytest.importorskip("jax")
    begins = [cycle * i for i in range(1, cycles)]
    long = Milestones(tuple(step * cycles for step in begins), 0.5).take(cycle * cycles * cycles)
    short, restarts = long.stretch(cycle * cycles), recipes.cosine_restarts(cycle * cycles, cycles)
    for call in (lambda schedule: schedule, jax.jit):  # compiled, a product and a quotient may become one product
        np.testing.assert_array_equal(call(short)(jax.numpy.asarray(begins)), [0.5**i for i in range(1, cycles)])
        np.testing.assert_array_equal(call(restarts)(jax.numpy.asarray(begins)), [1.0] * (cycles - 1))


def test_a_step_beyond_what_a_float_holds_is_refused():
    for step in (2**53 + 1, -(2**53) - 1, 1e300, math.inf, math.nan):
        with pytest.raises(
            ValueError, match=r"Schedule: a step must be at most 2\*\*53, got .*; give a smaller number"
        ):
            RAMP(step)
    assert RAMP(2**53) == RAMP(-(2**53)) - 1.0 == 0.0


def test_a_product_of_steps_and_lengths_does_not_wrap_around():
    for schedule in (Ramp(1.0, 0.0, 2**40).stretch(2**41), Ramp(1.0, 0.0, 2**40).repeat(growth=1.5)):
        steps = np.array([0, 2**30, 2**40, 2**41])
        np.testing.assert_allclose(schedule(steps), one_by_one(schedule, steps), rtol=1e-14)


def test_a_schedule_is_an_optax_schedule_as_it_is():
    optax, jax = pytest.importorskip("optax"), pytest.importorskip("jax")
    schedule = 0.1 * Ramp(1.0, 0.0, 50, "cosine")
    theirs = optax.cosine_decay_schedule(0.1, 50)
    for step in range(0, 60, 7):
        assert float(jax.jit(schedule)(step)) == pytest.approx(float(theirs(step)), rel=1e-5, abs=1e-8)
    optimizer = optax.sgd(schedule)
    weights = jax.numpy.ones(3)
    state = optimizer.init(weights)

    @jax.jit
    def update(state):
        return optimizer.update(jax.numpy.ones(3), state)

    for step in range(5):
        change, state = update(state)
        np.testing.assert_allclose(change, -np.full(3, schedule(step)), rtol=1e-6)
