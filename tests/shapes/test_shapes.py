"""The shapes against tables, against laws, and against what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratesmith import Custom, Exponential, InverseSqrt, InverseTime, Milestones, Ramp, Staircase, Tanh
from ratesmith.shapes import SHAPES


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Ramp(0.0, 1.0, 4), [0, 0.25, 0.5, 0.75, 1, 1]),
        (Ramp(1.0, 0.2, 4), [1, 0.8, 0.6, 0.4, 0.2, 0.2]),
        (Ramp(1.0, 0.0, 4, "cosine"), [1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4, 0, 0]),
        (Ramp(3.0, 0.5, 1), [3, 0.5, 0.5]),
        (Ramp(3.0, 0.5, 0), [0.5, 0.5]),
        (Ramp(1.0, 0.0, 4, "sqrt"), [1, 0.75**0.5, 0.5**0.5, 0.5, 0, 0]),
        (Ramp(1.0, 0.0, 4, "1-sqrt"), [1, 0.5, 1 - 0.5**0.5, 1 - 0.75**0.5, 0, 0]),
        (Ramp(0.0, 1.0, 4, "1-sqrt"), [0, 1 - 0.75**0.5, 1 - 0.5**0.5, 0.5, 1, 1]),
        (Ramp(1.0, 0.0, 4, "1-square"), [1, 15 / 16, 3 / 4, 7 / 16, 0, 0]),
        (Ramp(1.0, 0.0, 4, "rex"), [1, 6 / 7, 2 / 3, 2 / 5, 0, 0]),
        (Ramp(1.0, 0.0, 4, 2), [1, 9 / 16, 1 / 4, 1 / 16, 0, 0]),
        (Ramp(0.0, 1.0, 4, 2), [0, 1 / 16, 1 / 4, 9 / 16, 1, 1]),
        (Ramp(1.0, 0.01, 2, "exponential"), [1, 0.1, 0.01, 0.01]),
        (Ramp(1.0, 0.0, 4, lambda q: q**3), [1, 27 / 64, 1 / 8, 1 / 64, 0, 0]),
        (InverseSqrt(2), [1, 1.5**-0.5, 2**-0.5, 2.5**-0.5]),
        (InverseTime(0.5, every=2), [1, 0.8, 2 / 3, 1 / 1.75]),
        (Staircase(2, 0.5), [1, 1, 0.5, 0.5, 0.25, 0.25]),
        (Staircase(1, 0.5), [1, 0.5, 0.25]),
        (Milestones((0, 2, 3), 0.5), [0.5, 0.5, 0.25, 0.125, 0.125]),
        (Milestones(()), [1, 1]),
        (Exponential(0.5), [1, 0.5, 0.25]),
        (Exponential(0.25, every=2), [1, 0.5, 0.25]),
        (Custom(lambda epoch: 1 / (1 + epoch), every=2), [1, 1, 0.5, 0.5, 1 / 3]),
    ],
)
def test_values_at_the_boundaries(schedule, expected):
    assert [schedule(step) for step in range(len(expected))] == pytest.approx(expected, rel=1e-15, abs=1e-16)


@pytest.mark.parametrize("shape", [*SHAPES, "exponential", 0.5, 2, 3.0, lambda q: q**4])
@given(st.integers(1, 300), st.floats(0.01, 10.0), st.floats(0.01, 10.0))
def test_a_decay_is_a_reversed_warm_up_and_meets_both_ends_exactly(shape, steps, low, high):
    up, down = Ramp(low, high, steps, shape), Ramp(high, low, steps, shape)
    assert (up(0), up(steps)) == (low, high)
    assert [down(t) for t in range(steps + 1)] == pytest.approx([up(steps - t) for t in range(steps + 1)], rel=1e-9)


def test_a_hyperbolic_tangent_keeps_its_digits_where_it_is_next_to_one():
    decay = Tanh(-30.0, 30.0, 10)
    assert 1 - decay(0) == pytest.approx(0, abs=1e-16)
    assert decay(10) == pytest.approx(math.exp(-60), rel=1e-12)  # (1 - tanh(x)) / 2 = 1 / (1 + exp(2 x))


def test_growth_stays_finite_and_decay_falls_to_zero():
    assert 1e149 < Exponential(1.5)(2**53) <= 1e150
    assert 1e149 < Staircase(1, 2.0)(2**53) <= 1e150
    assert Exponential(0.9)(2**53) == 0.0
    assert np.isfinite(Milestones(tuple(range(5000)), 2.0)(np.array([2**53]))).all()


def test_many_milestones_are_searched_not_scanned():
    schedule = Milestones(tuple(range(0, 10**6, 10)), 0.999)
    assert schedule(55) == pytest.approx(0.999**6)
    assert schedule(np.array([55, 10**7])) == pytest.approx([0.999**6, 0.999**100_000])


def test_a_custom_rule_gets_whole_counts_of_at_least_zero():
    seen = []
    rule = Custom(lambda count: seen.append(count) or 1.0, every=10)
    rule(-5), rule(np.array([0, 25])), rule(np.int64(99))
    assert seen == [0, 0, 2, 9]
    assert {type(count) for count in seen} == {int}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Ramp(0.0, 1.0, 2.5), "Ramp: steps must be a whole number of at least 0, got 2.5"),
        (lambda: Ramp(0.0, 1.0, True), "Ramp: steps must be a whole number of at least 0, got True"),
        (lambda: Ramp(0.0, math.inf, 5), "Ramp: end must be a finite number, got inf"),
        (lambda: Ramp(1j, 1.0, 5), "Ramp: start must be a finite number, got 1j"),
        (
            lambda: Ramp(0.0, 1.0, 5, "cubic"),
            "Ramp: shape must be one of 'linear', 'cosine', 'sqrt', '1-sqrt', '1-square', 'rex', 'log', 'exponential'",
        ),
        (
            lambda: Ramp(1.0, 0.0, 5, "exponential"),
            "Ramp: end must be above 0 for an exponential ramp, got 0.0; give a small one such as 1e-3",
        ),
        (lambda: Ramp(1.0, 0.0, 5, -2), "Ramp: shape must be above 0 if it is a power, got -2; give 2 for quadratic"),
        (lambda: Ramp(1.0, 0.0, 5, None), "Ramp: shape must be a finite number, got None"),
        (lambda: InverseSqrt(0), "InverseSqrt: timescale must be a whole number of at least 1, got 0"),
        (lambda: InverseTime(0.0), "InverseTime: rate must be above 0, got 0.0"),
        (lambda: InverseTime(1.0, 0), "InverseTime: every must be a whole number of at least 1, got 0"),
        (lambda: Staircase(0), "Staircase: every must be a whole number of at least 1, got 0"),
        (lambda: Staircase(5, 0.0), "Staircase: gamma must be above 0, got 0.0"),
        (lambda: Staircase(5, 0.5, 0), "Staircase: stairs must be a whole number of at least 1, got 0"),
        (lambda: Staircase(5, 0.5, 6), "Staircase: stairs must be at most every, got 6 in 5 steps; give longer ones"),
        (lambda: Custom(float, 5, 6), "Custom: stairs must be at most every, got 6 in 5 steps; give longer ones"),
        (lambda: Staircase(5, -0.1), "Staircase: gamma must be above 0, got -0.1"),
        (lambda: Staircase(5, math.nan), "Staircase: gamma must be a finite number, got nan"),
        (lambda: Milestones((5, 3)), "Milestones: milestones must rise, got 5 before 3"),
        (lambda: Milestones((3, 3)), "Milestones: milestones must rise, got 3 before 3"),
        (lambda: Milestones((2.5,)), "Milestones: a milestone must be a whole number of at least 0, got 2.5"),
        (lambda: Milestones((-1,)), "Milestones: a milestone must be a whole number of at least 0, got -1"),
        (lambda: Milestones(5), "Milestones: milestones must be a list of steps, got 5"),
        (lambda: Milestones("55"), "Milestones: milestones must be a list of steps, got '55'"),
        (lambda: Exponential(0.0), "Exponential: gamma must be above 0, got 0.0"),
        (lambda: Exponential(0.5, 0), "Exponential: every must be a whole number of at least 1, got 0"),
        (lambda: Custom(0.5), "Custom: function must be callable, got 0.5"),
        (lambda: Custom(lambda t: math.nan)(3), "Custom: <lambda>(3): its value must be a finite number, got nan"),
        (lambda: Custom(lambda t: "high")(3), "Custom: <lambda>(3): its value must be a finite number, got 'high'"),
        (
            lambda: Custom(lambda t: 1 / (t - 3))(3),
            "Custom: <lambda>(3): it must give a number, got ZeroDivisionError: division by zero; mend the function",
        ),
        (lambda: Custom(lambda t: None)(np.arange(3)), "Custom: <lambda>(0): its value must be a finite number"),
    ],
)
def test_a_mistake_is_refused_with_one_message(build, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        build()
    assert str(caught.value).startswith(message)
    assert "; " in str(caught.value)


def exponential(share):
    return share


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        (lambda q: math.nan, r"Ramp: <lambda>\(0.0\): its value must be a finite number, got nan"),
        (lambda q: 1j, r"Ramp: <lambda>\(0.0\): its value must be a finite number, got 1j"),
        (lambda q: "1", r"Ramp: <lambda>\(0.0\): its value must be a finite number, got the text '1'"),
        (lambda q: 1 / q, r"Ramp: <lambda>\(0.0\): it must give a number, got ZeroDivisionError"),
        (lambda q: 0.5 * q, r"Ramp: <lambda>\(1.0\) must be 1.0, got 0.5; give a curve from 0 to 1"),
        (lambda q: 0.999999 * q, r"Ramp: <lambda>\(1.0\) must be 1.0, got 0.999999; give a curve from 0 to 1"),
        (exponential, "Ramp: a curve of your own must have another name than ours, got 'exponential'; rename it"),
        (math.sqrt, "Ramp: a curve of your own must have another name than ours, got 'sqrt'; rename it"),
    ],
)
def test_a_curve_of_your_own_is_checked_when_given(curve, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        Ramp(1.0, 0.0, 10, curve)


def test_a_curve_of_your_own_gives_arrays_what_it_gives_steps():
    ramp = Ramp(1.0, 0.0, 10, lambda share: math.sin(share * math.pi / 2))
    assert ramp(np.arange(12)).tolist() == [ramp(step) for step in range(12)]
    late = Ramp(1.0, 0.0, 10, lambda share: math.nan if share == 0.5 else share)
    with pytest.raises(ValueError, match=r"Ramp: <lambda>\(0.5\): its value must be a finite number, got nan"):
        late(5)


def test_very_many_milestones_are_taken_and_a_million_refused():
    stairs = Milestones(tuple(range(0, 600_000, 3)), 0.9999)
    assert stairs(599_999) == pytest.approx(0.9999**200_000)
    with pytest.raises(
        ValueError, match="Milestones: there must be at most 250000 milestones, got 1000000; use Stairca"
    ):
        Milestones(range(1_000_000))
