"""A schedule to a power, and at another pace: their formulas, their laws, and what is refused."""

import math
import pickle

import numpy as np
import pytest

from ratesmith import Constant, Exponential, InverseSqrt, Ramp, Staircase, from_data, parse, to_data
from ratesmith.schedule import KDecay, Power
from ratesmith.testing import check_schedule

COSINE = Ramp(1.0, 0.0, 100, "cosine")


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 3.7])
def test_a_power_is_that_of_each_value(power):
    assert [Power(COSINE, power)(step) for step in range(130)] == pytest.approx(
        [COSINE(step) ** power for step in range(130)], rel=1e-14
    )


def test_the_root_of_a_cosine_is_a_quarter_of_one():
    """Formula: sqrt((1 + cos x) / 2) = cos(x / 2)."""
    quarter = [math.cos(math.pi / 2 * step / 100) for step in range(101)]
    assert [Power(COSINE, 0.5)(step) for step in range(101)] == pytest.approx(quarter, abs=1e-12)


def test_what_is_below_zero_counts_as_zero_and_what_is_large_stays_finite():
    assert Power(Ramp(1.0, -1.0, 10), 0.5)(9) == 0.0
    assert Power(Exponential(10.0), 3.0)(10**9) == pytest.approx(1e150)
    assert np.isfinite(Power(Exponential(10.0), 3.0)(np.array([10**9]))).all()


@pytest.mark.parametrize("k", [0.5, 1.0, 1.5, 3.0])
def test_a_k_decay_is_at_a_share_of_its_length_where_that_to_the_k_is(k):
    """Formula: (1 + cos(pi t^k / T^k)) / 2. Source: timm, CosineLRScheduler."""
    for step in range(101):
        wanted = (1 + math.cos(math.pi * step**k / 100**k)) / 2
        assert KDecay(COSINE, k)(step) == pytest.approx(wanted, abs=1e-14)
    assert KDecay(COSINE, k)(500) == KDecay(COSINE, k)(100) == 0.0


def test_they_change_where_what_is_inside_does():
    stairs = Staircase(25).take(100)
    assert KDecay(stairs, 2.0).breakpoints(0, 200) == [50, 71, 87, 100]
    assert [KDecay(stairs, 2.0)(step) for step in (49, 50, 70, 71)] == pytest.approx([1, 0.1, 0.1, 0.01])
    assert Power(stairs, 2.0).breakpoints(10, 60) == [25, 50]
    assert (Power(stairs, 2.0).steps, Power(InverseSqrt(5), 2.0).steps, KDecay(stairs, 2.0).steps) == (100, None, 100)


@pytest.mark.parametrize("made", [Power(COSINE, 2.0), KDecay(COSINE, 1.5), Power(InverseSqrt(9), 1.4)])
def test_they_keep_the_laws_and_are_written_copied_and_saved(made):
    check_schedule(made)
    assert parse(str(made)).build() == made
    assert from_data(to_data(made)).build() == made
    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Power(COSINE, 0), "Power: power must be above 0, got 0; give 2 for a square"),
        (lambda: Power(3, 2), "Power: schedule must be a schedule, got 3; give a value such as Ramp"),
        (lambda: KDecay(COSINE, -1), "KDecay: k must be above 0, got -1; give 2 to decay late"),
        (lambda: KDecay(Constant(), 2), "KDecay: schedule must have an end, got Constant(); give it a length, as with"),
    ],
)
def test_a_mistake_is_refused_with_one_message(build, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        build()
    assert str(caught.value).startswith(message)
