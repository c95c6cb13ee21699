"""Ticks surround the data and are few, whatever its range."""

import math

from hypothesis import given
from hypothesis import strategies as st

from ratesmith.report.ticks import MOST, percents_around, ticks_around, written

POSITIVE = st.floats(1e-12, 1e12)


@given(POSITIVE, POSITIVE)
def test_ticks_of_a_logarithmic_axis_surround_the_data_rise_and_are_few(first, second):
    low, high = sorted([first, second])
    ticks = ticks_around(low, high)
    assert ticks[0] <= low * (1 + 1e-9)
    assert ticks[-1] >= high * (1 - 1e-9)
    assert ticks == sorted(set(ticks))
    assert 2 <= len(ticks) <= MOST
    assert ticks[-1] / ticks[0] <= 1.7**2 * 1.3**2 * high / low  # no more room than there is between two ends


@given(POSITIVE)
def test_a_label_says_its_tick(tick):
    assert math.isclose(float(written(tick)), tick, rel_tol=6e-3)
    assert len(written(tick)) <= 8


@given(st.floats(-5, 40), st.floats(-5, 40))
def test_differences_have_a_tick_at_nothing_and_few_others(first, second):
    low, high = sorted([first, second])
    ticks = percents_around(low, high)
    assert ticks[0.0] == "0 %"
    assert len(ticks) <= 9
    assert list(ticks) == sorted(ticks)
    for place, label in ticks.items():
        if label.endswith("%"):
            assert math.isclose(float(label[:-2]), 100 * math.expm1(place), rel_tol=1e-6, abs_tol=1e-6)
        else:
            assert math.isclose(float(label.removeprefix("x ")), math.exp(place), rel_tol=1e-6)
