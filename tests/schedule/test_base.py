"""What every schedule is: finite, flat outside, a value, and the same for a step and for an array of them."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from strategies import schedules, steps, stepwise

from ratesmith import Constant, Exponential, Milestones, Plateau, Ramp, Sequence, Staircase, Tanh

UP = Ramp(0.0, 1.0, 4)


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
        (lambda: Ramp(0.0, 1.0, 10**400), "Ramp: steps must be at most 2**53, got more"),
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


@pytest.mark.parametrize("number", [0, 0.0, 1e-320])
def test_a_schedule_is_not_divided_by_a_number_next_to_zero(number):
    with pytest.raises(ValueError, match=r"Ramp: divisor must be at least 1e-150 from 0, got .*; give a larger one"):
        UP / number


@pytest.mark.parametrize("take", [lambda: UP - "x", lambda: "x" - UP, lambda: UP - Plateau(), lambda: UP - None])
def test_what_cannot_be_subtracted_is_refused_as_a_difference(take):
    with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for -: '\w+' and '\w+'"):
        take()


@given(schedules)
@example(Ramp(1.0, 0.5, 0).shift(1))
@example(Tanh(-1.0, 1.0, 0))
@example(Milestones((0, 3)))
def test_no_breakpoint_lies_at_step_zero_or_before(schedule):
    assert schedule.breakpoints(-10, 200) == [step for step in schedule.breakpoints(0, 200) if step > 0]


def test_ten_thousand_nested_parts_are_refused_and_as_many_in_a_row_are_not():
    deep = UP
    for _ in range(63):
        deep = deep.shift(1)
    with pytest.raises(
        ValueError, match="Shift: at most 64 schedules may lie inside each other, got more; join them wi"
    ):
        deep.shift(1)
    assert deep(64) == 0.25
    many = Sequence(tuple(Ramp(0.0, 1.0, 4) for _ in range(10_000)))
    assert many(39_998) == 0.5


@given(schedules, st.integers(-20, 90))
@example(Milestones((3, 9, 20), 0.5), 0)
@example(Constant(1.0, 5) >> Constant(2.0, 5) >> Constant(0.5), 0)
@example(Tanh(-3.0, 2.0, 9), 0)
@example((UP >> 1 - UP).repeat(growth=2), 0)
def test_the_breakpoints_after_a_step_and_up_to_another_are_those_of_a_longer_look_between_them(schedule, step):
    longer = schedule.breakpoints(-1, 120)
    for edge in (step, *longer[:20]):
        assert schedule.breakpoints(edge, 120) == [point for point in longer if point > edge]
        assert schedule.breakpoints(-1, edge) == [point for point in longer if point <= edge]


@given(schedules)
def test_no_breakpoint_lies_past_the_end(schedule):
    end = schedule.steps
    assert end is None or all(point <= end for point in schedule.breakpoints(0, end + 100))


@given(stepwise)
@example(Staircase(7, 0.5).take(40).stretch(57))
@example(Staircase(7, 0.5).take(40).repeat(growth=1.3))
@example(Constant(1.0, 5).shift(7) * Milestones((3, 12)).shift(2))
def test_a_schedule_of_stairs_changes_at_its_breakpoints_only(schedule):
    # What is squeezed keeps no breakpoint between two steps; stretched again, it would show them.
    assume(sum(str(schedule).count(longer) for longer in ("Stretch(", "growth=")) < 2)
    values = [schedule(step) for step in range(200)]
    jumps = {step for step in range(1, 200) if abs(values[step] - values[step - 1]) > 1e-9 * abs(values[step])}
    assert jumps <= set(schedule.breakpoints(0, 199))
