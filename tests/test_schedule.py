"""The algebra's laws, for random schedules, and its errors."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import assume, given
from strategies import finite_parts, lengths, schedules, steps, values

from ratesmith import Constant, Exponential, Product, Ramp, Sequence


@given(schedules, steps)
def test_every_schedule_is_finite_at_every_step(schedule, step):
    assert math.isfinite(schedule(step))
    assert type(schedule(step)) is float


@given(schedules)
def test_an_array_of_steps_gives_what_the_steps_give_one_by_one(schedule):
    steps = np.array([[-3, 0, 1], [7, 40, 2**53]])
    array = schedule(steps)
    assert array.shape == steps.shape
    assert array.dtype == np.float64
    np.testing.assert_allclose(array, np.vectorize(lambda step: schedule(int(step)))(steps), rtol=1e-15, atol=0)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64", "float32", "float64"])
def test_narrow_steps_neither_wrap_around_nor_lose_digits(dtype):
    schedule = Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.0, 90, "cosine")
    steps = np.arange(100).astype(dtype)
    np.testing.assert_array_equal(schedule(steps), schedule(np.arange(100)))


@given(schedules)
def test_a_numpy_scalar_and_an_array_without_dimensions_are_steps_too(schedule):
    assert schedule(np.int64(7)) == schedule(7)
    assert float(schedule(np.array(7))) == pytest.approx(schedule(7), rel=1e-15)


@given(schedules)
def test_a_schedule_is_flat_before_step_zero(schedule):
    assert schedule(-1) == schedule(-(10**6)) == schedule(0)


@given(schedules)
def test_a_schedule_that_ends_is_flat_past_its_end(schedule):
    if schedule.steps is not None:
        assert schedule(schedule.steps) == pytest.approx(schedule(schedule.steps + 12345), rel=1e-12)


@given(finite_parts, finite_parts, schedules, steps)
def test_joining_is_associative(a, b, c, step):
    assert (a >> b) >> c == a >> (b >> c)
    assert ((a >> b) >> c)(step) == (a >> (b >> c))(step)


@given(finite_parts, schedules, lengths)
def test_the_second_part_counts_from_zero_where_the_first_ends(a, b, step):
    if a.steps and b.steps != 0:
        assert (a >> b)(a.steps + step) == b(step)


@given(schedules, schedules, values, steps)
def test_factors_multiply(a, b, k, step):
    assume(max(a(step), b(step)) < 1e100)  # beyond, growth is held at LARGEST
    assert (a * b)(step) == pytest.approx(a(step) * b(step), rel=1e-12)
    assert (k * a)(step) == (a * k)(step) == pytest.approx(k * a(step), rel=1e-12)


@given(schedules, steps)
def test_a_part_of_zero_steps_vanishes(schedule, step):
    assume(schedule.steps != 0)
    joined = Ramp(3.0, 5.0, 0) >> schedule
    assert joined == (schedule if isinstance(schedule, Sequence) else Sequence((schedule,)))
    assert joined(step) == schedule(step)


def test_the_lengths_of_parts_add_up_and_the_longest_factor_counts():
    assert (Ramp(0, 1, 4) >> Constant(1.0, 6)).steps == 10
    assert (Ramp(0, 1, 4) * Constant(1.0, 6)).steps == 6
    assert (Ramp(0, 1, 4) * Exponential(0.5)).steps is None


def test_schedules_are_values_that_compare_hash_and_pickle():
    a, b = (0.1 * (Ramp(0.0, 1.0, 5) >> Exponential(0.9)) for _ in range(2))
    assert a == b
    assert len({a, b}) == 1
    assert pickle.loads(pickle.dumps(a)) == a


def test_a_schedule_is_a_controller_without_state():
    schedule = Ramp(0.0, 1.0, 4)
    assert schedule.observe(schedule.init(), 3, {"loss": 1.0}) == ()
    assert schedule.value((), 2) == 0.5


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Constant(1.0) >> Constant(1.0), "Sequence: only the last part may be endless, got Constant"),
        (lambda: Sequence(()), "Sequence: parts must be one or more, got none; give some"),
        (lambda: Product(()), "Product: factors must be one or more, got none; give some"),
        (lambda: Constant(math.nan), "Constant: factor must be a finite number, got nan; give such a number"),
        (
            lambda: Constant("1"),
            "Constant: factor must be a finite number, got the text '1'; write it without quotes (in YAML as",
        ),
        (lambda: Constant(1.0, 2.5), "Constant: steps must be a whole number of at least 0, got 2.5"),
        (lambda: Constant(1.0, -1), "Constant: steps must be a whole number of at least 0, got -1"),
        (lambda: math.inf * Constant(1.0), "Product: scale must be a finite number, got inf"),
        (lambda: 1e100 * (1e100 * Constant(1.0)), "Product: scale must be a number of at most 1e+150, got "),
        (lambda: Ramp(0.0, 1.0, 10**400), "Ramp: steps must be at most 2**53, got more"),
        (lambda: Sequence((1.0,)), "Sequence: parts must each be a schedule, got 1.0"),
        (lambda: Product((1.0,)), "Product: factors must each be a schedule, got 1.0"),
        (lambda: Constant(1.0)("7"), "Schedule: a step must be a whole number or an array of them, got '7'"),
        (lambda: Constant(1.0)(True), "Schedule: a step must be a whole number or an array of them, got True"),
        (lambda: Constant(1.0)(np.array(["7"])), "Schedule: a step must be a whole number or an array of them"),
    ],
)
def test_a_mistake_says_what_must_hold_what_was_got_and_what_to_do(build, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        build()
    assert str(caught.value).startswith(message)
    assert "; " in str(caught.value)


def test_only_schedules_and_numbers_join_the_algebra():
    with pytest.raises(TypeError, match="unsupported operand"):
        Constant(1.0, 2) >> 3
    with pytest.raises(TypeError):
        Constant(1.0) * "3"
