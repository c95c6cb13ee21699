"""Schedules joined, multiplied and added: the laws, for random ones, and what is refused."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import finite_parts, lengths, schedules, steps, values

from ratesmith import Constant, Exponential, Product, Ramp, Schedule, Sequence, Sum, parse

UP = Ramp(0.0, 1.0, 4)


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


@pytest.mark.parametrize(
    ("last", "value"),
    [
        (Ramp(1.0, 0.25, 3).shift(-3), 0.25),
        (Ramp(1.0, 0.25, 3).shift(-5), 0.25),
        (0.5 * Ramp(1.0, 0.25, 3).shift(-3), 0.125),
        (Ramp(1.0, 0.25, 3).shift(-3).shift(-1), 0.25),
        (Ramp(1.0, 0.25, 3).shift(-3).take(0), 2.0),
        (Ramp(1.0, 0.25, 0), 2.0),
    ],
)
def test_what_is_shifted_ahead_to_its_end_leaves_its_last_value(last, value):
    up = Ramp(0.0, 2.0, 4)
    joined = up >> last
    assert [joined(step) for step in (3, 4, 5, 99)] == [1.5, value, value, value]
    assert joined.steps == 4
    np.testing.assert_array_equal(joined(np.arange(9)), [joined(step) for step in range(9)])
    assert joined >> Constant(0.5) == up >> (last >> Constant(0.5)) == up >> Constant(0.5)
    assert parse(str(joined)).build() == joined


@given(schedules, schedules)
def test_a_text_has_brackets_only_where_they_are_needed(a, b):
    for schedule in (Sequence((a,)) * b, Sequence((a,)) + b, (a + b) * a, 0.5 * (a >> b if a.steps else a)):
        assert str(parse(str(schedule))) == str(schedule)


def test_the_lengths_of_parts_add_up_and_the_longest_factor_counts():
    assert (Ramp(0, 1, 4) >> Constant(1.0, 6)).steps == 10
    assert (Ramp(0, 1, 4) * Constant(1.0, 6)).steps == 6
    assert (Ramp(0, 1, 4) * Exponential(0.5)).steps is None


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
        (lambda: Sequence((1.0,)), "Sequence: parts must each be a schedule, got 1.0"),
        (lambda: Product((1.0,)), "Product: factors must each be a schedule, got 1.0"),
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


@pytest.mark.parametrize(
    ("schedule", "expected", "length"),
    [
        (1 - UP, [1, 0.75, 0.5, 0.25, 0, 0], 4),
        (UP / 2 - 0.5, [-0.5, -0.375, -0.25, -0.125, 0, 0], 4),
        (-UP - UP, [0, -0.5, -1, -1.5, -2, -2], 4),
        (0.5 + UP, [0.5, 0.75, 1, 1.25, 1.5, 1.5], 4),
        (UP + UP + 0.5, [0.5, 1, 1.5, 2, 2.5, 2.5], 4),
        (UP + Constant(1.0, 9), [1, 1.25, 1.5, 1.75, 2, 2], 9),
        (UP + Exponential(1.0), [1, 1.25, 1.5, 1.75, 2, 2], None),
    ],
)
def test_values_and_length(schedule, expected, length):
    assert [schedule(step) for step in range(len(expected))] == pytest.approx(expected, rel=1e-15)
    assert schedule(np.arange(len(expected))) == pytest.approx(expected, rel=1e-15)
    assert schedule.steps == length


@given(schedules, schedules, st.floats(-5, 5), steps)
def test_a_sum_is_the_sum_of_its_values(a, b, k, step):
    assert (a + b)(step) == pytest.approx(min(a(step) + b(step), 1e150), rel=1e-15)
    assert (k + a)(step) == (a + k)(step) == pytest.approx(min(k + a(step), 1e150), rel=1e-15)
    assert ((a + b) + k)(step) == pytest.approx((a + (b + k))(step), rel=1e-12, abs=1e-12)


def test_lengths_that_add_up_to_too_much_are_refused():
    with pytest.raises(ValueError, match=r"Sequence: the parts must last at most 2\*\*53 steps in all, got more"):
        Ramp(0, 1, 2**53) >> Ramp(0, 1, 2**53)
    assert UP(np.array([2**64 - 1], dtype=np.uint64)).tolist() == [1.0]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: UP + "1", "unsupported operand type(s) for +"),
        (lambda: Sum(()), "Sum: parts must be one or more, got none; give some"),
        (lambda: Sum((UP,), math.inf), "Sum: offset must be a finite number, got inf"),
    ],
)
def test_a_mistake_is_refused_with_one_message(build, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        build()
    assert str(caught.value).startswith(message)
    assert "; " in str(caught.value) or message.startswith("unsupported")


@dataclasses.dataclass(frozen=True)
class Listening(Schedule):
    """A part that notes the steps at which it is asked."""

    steps: int
    asked: list = dataclasses.field(default_factory=list, compare=False)

    def at(self, t, xp):
        self.asked.extend(np.ravel(t).tolist())
        return xp.clip(t, 0, self.steps) / self.steps


@pytest.mark.parametrize(
    "at",
    [
        np.arange(-3, 40),
        np.arange(40)[::-1],
        np.array([[30, 2], [5, 5], [4, 29]]),
        np.array([7, 3, 7, 21], dtype=np.int8),
        np.array(12),
        np.array([], dtype=int),
        np.array([2.5, 4.0, 9.75]),
        np.arange(5),
        np.arange(25, 30),
    ],
    ids=str,
)
def test_each_part_is_asked_for_its_own_steps_of_a_numpy_array_alone(at):
    parts = [Listening(5), Listening(15), Listening(10)]
    sequence = Sequence(tuple(parts))
    values = sequence(at)
    assert (values.shape, values.dtype) == (at.shape, np.float64)
    steps = at.reshape(-1).tolist()
    bounds = [(-math.inf, 5, 0), (5, 20, 5), (20, math.inf, 20)]
    expected = [[float(step - start) for step in steps if low <= step < high] for low, high, start in bounds]
    assert [part.asked for part in parts] == expected
    assert values.reshape(-1).tolist() == [sequence(step) for step in steps]


@given(schedules, st.lists(steps, max_size=30))
def test_an_array_in_any_order_gives_the_values_one_by_one(schedule, at):
    joined = Ramp(0.0, 1.0, 9, "cosine") >> schedule
    assert joined(np.array(at, dtype=np.int64)).tolist() == pytest.approx([joined(step) for step in at], rel=1e-12)
