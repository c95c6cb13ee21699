"""Repeat, shift, stretch, take, clip, hold and closed: tables, laws, and what they refuse."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import finite_parts, lengths, schedules, steps

from ratesmith import Constant, Exponential, Ramp, Staircase
from ratesmith.schedule import Shift

UP = Ramp(0.0, 1.0, 4)


@pytest.mark.parametrize(
    ("schedule", "expected", "length"),
    [
        (UP.repeat(2), [0, 0.25, 0.5, 0.75, 0, 0.25, 0.5, 0.75, 1, 1], 8),
        (UP.repeat(), [0, 0.25, 0.5, 0.75] * 4, None),
        (UP.repeat(3, height=0.5), [0, 0.25, 0.5, 0.75, 0, 0.125, 0.25, 0.375, 0, 0.0625, 0.125, 0.1875, 0.25], 12),
        (Ramp(1.0, 0.0, 2).repeat(2, growth=2), [1, 0.5, 1, 0.75, 0.5, 0.25, 0, 0], 6),
        (Ramp(1.0, 0.0, 2).repeat(2, growth=1.5), [1, 0.5, 1, 2 / 3, 1 / 3, 0, 0], 5),
        (UP.shift(2), [0, 0, 0, 0.25, 0.5, 0.75, 1, 1], 6),
        (UP.shift(-2), [0.5, 0.75, 1, 1], 2),
        (UP.shift(-9), [1, 1], 0),
        (UP.stretch(2), [0, 0.5, 1, 1], 2),
        (UP.stretch(8), [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1], 8),
        (Staircase(2, 0.5).take(4).stretch(2), [1, 0.5, 0.25, 0.25], 2),
        (UP.take(2), [0, 0.25, 0.5, 0.5], 2),
        (UP.take(9), [0, 0.25, 0.5, 0.75, 1, 1], 9),
        (UP.clip(0.3, 0.7), [0.3, 0.3, 0.5, 0.7, 0.7], 4),
        (UP.clip(low=0.3), [0.3, 0.3, 0.5, 0.75, 1], 4),
        (UP.hold(2), [0, 0, 0.5, 0.5, 1, 1], 4),
        (UP.hold(3), [0, 0, 0, 0.75, 0.75, 0.75, 1, 1], 6),
        (UP.take(2) >> Constant(2.0), [0, 0.25, 2, 2], None),
    ],
)
def test_values_and_length(schedule, expected, length):
    assert [schedule(step) for step in range(len(expected))] == pytest.approx(expected, rel=1e-15)
    assert schedule(np.arange(len(expected))) == pytest.approx(expected, rel=1e-15)
    assert schedule.steps == length


@given(finite_parts.filter(lambda a: a.steps), st.integers(1, 6), steps)
def test_repeating_n_times_is_joining_n_copies(part, times, step):
    joined = part
    for _ in range(times - 1):
        joined = joined >> part
    assert part.repeat(times)(step) == pytest.approx(joined(step), rel=1e-15)
    assert part.repeat(times).steps == joined.steps


@given(schedules, lengths, lengths, steps)
def test_shifts_add_up(schedule, a, b, step):
    assert schedule.shift(-a).shift(-b)(step) == schedule.shift(-a - b)(step)
    assert schedule.shift(a).shift(b)(step) == schedule.shift(a + b)(step)


@given(schedules, lengths)
def test_what_is_taken_and_what_is_left_make_the_whole(schedule, k):
    if k and schedule.steps != 0:
        whole = schedule.take(k) >> schedule.shift(-k)
        if schedule.steps is None or schedule.steps > k:
            assert [whole(step) for step in range(80)] == [schedule(step) for step in range(80)]


@given(finite_parts.filter(lambda a: a.steps), st.integers(1, 50))
def test_stretching_by_a_whole_number_keeps_every_value(part, times):
    long = part.stretch(part.steps * times)
    assert [long(step * times) for step in range(part.steps + 1)] == [part(step) for step in range(part.steps + 1)]
    assert part.stretch(part.steps)(3) == part(3)


@pytest.mark.parametrize("growth", [1.3, 1.5, 2.7])
def test_a_cycle_that_grows_lasts_the_nearest_whole_number_of_steps(growth):
    saw, start = Ramp(1.0, 0.0, 7).repeat(5, growth=growth), 0
    for cycle in range(5):
        assert saw(start) == 1.0
        start += round(7 * growth**cycle)
    assert saw.steps == start


def test_restarts_fall_on_whole_steps_where_logarithms_miss_them():
    for first, factor in ((3, 3), (1, 3), (1, 10), (7, 2)):
        saw = Ramp(1.0, 0.0, first, "cosine").repeat(growth=factor)
        start = 0
        for cycle in range(12):
            assert saw(start) == 1.0, (first, factor, cycle)
            assert cycle < 2 or saw(start - 1) < 0.8
            start += first * factor**cycle


def test_endless_cycles_reach_the_farthest_step():
    for schedule in (UP.repeat(), UP.repeat(growth=2), UP.repeat(growth=1.5, height=1.2), UP.repeat(height=1.2)):
        assert math.isfinite(schedule(2**53))
        assert np.isfinite(schedule(np.array([2**53]))).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Exponential(0.5).repeat(3),
            "Repeat: schedule must have an end after at least 1 step, got Exponential",
        ),
        (lambda: Ramp(0, 1, 0).repeat(3), "Repeat: schedule must have an end after at least 1 step, got Ramp"),
        (lambda: UP.repeat(0), "Repeat: times must be a whole number of at least 1, got 0"),
        (lambda: UP.repeat(2.5), "Repeat: times must be a whole number of at least 1, got 2.5"),
        (lambda: UP.repeat(2, height=-1), "Repeat: height must be a finite number of at least 0, got -1"),
        (lambda: UP.repeat(2, growth=0), "Repeat: growth must be above 0, got 0; give 0.5 for cycles half as long"),
        (lambda: UP.repeat(growth=1.0001), "Repeat: at most 10000 cycles of unequal length can be laid out"),
        (lambda: UP.shift(1.5), "Shift: by must be a whole number of at least -9007199254740992, got 1.5"),
        (lambda: Exponential(0.5).stretch(5), "Stretch: schedule must have an end, got Exponential"),
        (lambda: UP.stretch(0), "Stretch: steps must be a whole number of at least 1, got 0"),
        (lambda: UP.take(-1), "Take: steps must be a whole number of at least 0, got -1"),
        (
            lambda: UP.shift(1).shift("5%"),
            "Shift: by must be a whole number of at least -9007199254740992, got '5%'",
        ),
        (lambda: Shift(3, 1), "Shift: schedule must be a schedule, got 3; give a value such as Ramp(1.0, 0.0, 100)"),
        (lambda: UP.clip(2.0, 1.0), "Clip: low must be at most high, got 2.0 above 1.0"),
        (lambda: UP.clip(math.nan), "Clip: low must be a finite number, got nan"),
        (lambda: UP.hold(0), "Hold: every must be a whole number of at least 1, got 0"),
    ],
)
def test_a_mistake_is_refused_with_one_message(build, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        build()
    assert str(caught.value).startswith(message)
    assert "; " in str(caught.value) or message.startswith("unsupported")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Exponential(0.5).closed(),
            r"closed: schedule must end after at least 2 steps, got Exponential\(",
        ),
        (lambda: Ramp(1, 0, 1).closed(), r"closed: schedule must end after at least 2 steps, got Ramp\("),
    ],
)
def test_what_has_no_end_to_close_is_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        build()


def test_a_closed_schedule_reaches_its_end_at_its_last_update():
    assert [UP.closed()(step) for step in range(5)] == pytest.approx([0, 1 / 3, 2 / 3, 1, 1], rel=1e-15)


def test_what_is_held_by_a_fraction_changes_at_the_nearest_step_to_each_multiple():
    rising = Ramp(0.0, 8.0, 8)
    assert rising.hold(Fraction(5, 2)) == rising.hold(5, stairs=2)
    assert rising.hold(Fraction(4)) == rising.hold(4)
    assert rising.hold(Fraction(5, 2), stairs=2) == rising.hold(5, stairs=4)
