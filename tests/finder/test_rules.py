"""The rules: what each reads off curves whose answer is known."""

import numpy as np
import pytest
from finder_fake import Valley

from ratesmith.finder import RULES, sweep
from ratesmith.finder.rules import smoothed


@pytest.fixture(scope="module")
def curve():
    """Rates and losses of a sweep whose losses fall and rise."""
    found = sweep(Valley(), seeds=[0]).curves[0]
    return found.rates, found.losses


def test_the_rate_in_the_middle_lies_between_half_descent_and_a_quarter_of_the_minimums(curve):
    half, tenth = RULES["half_descent"](*curve), RULES["minimum/10"](*curve)
    assert RULES["minimum/3"](*curve) == pytest.approx(10 * tenth / 3)
    assert RULES["middle"](*curve) == pytest.approx((half * 10 * tenth / 4) ** 0.5)


@pytest.mark.parametrize(("length", "place"), [(30, 14), (48, 23), (60, 29)])
def test_the_valley_of_a_loss_that_only_falls_is_half_way_through_its_middle_third(length, place):
    assert RULES["valley"](range(length), [1.0 - 0.01 * step for step in range(length)]) == place


def test_the_slide_stops_where_both_ends_of_the_window_are_nearly_as_steep(curve):
    rates, losses = curve
    slopes = np.gradient(smoothed(losses))
    steep = abs(slopes[15:] - slopes[:-15])
    assert RULES["slide"](rates, losses) == rates[np.flatnonzero(steep <= 0.005)[-1]]
    assert steep[-1] > 0.005  # else it would stop where it begins


def test_a_fall_is_counted_from_the_mean_of_the_first_fifteen_losses():
    losses = [5.0, *[1.0] * 14, *[0.5] * 60, *[9.0] * 5]
    clean = [19 / 15] * 15 + losses[15:]
    rates = range(len(losses))
    assert abs(RULES["half_descent"](rates, losses) - RULES["half_descent"](rates, clean)) <= 4
