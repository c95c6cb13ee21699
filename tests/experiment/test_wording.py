"""How figures are printed: intervals that keep their sign, and never a loss that falls by all of itself."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratesmith.experiment import Difference, Estimate
from ratesmith.experiment.wording import amount, figure, interval, listed, mirrored, range_of, share


def logs(low, high):
    return Difference((low + high) / 2, low, high, "", True, 5)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (-0.03, 0.02, "-3 to +2 %"),
        (-0.15, 0.017, "-14 to +2 %"),
        (-0.005, 0.14, "-0.5 to +15 %"),
        (-0.0051, -0.00031, "-0.51 to -0.03 %"),
        (0.0, 0.0, "0 %"),
        (-0.02, 0.0, "-2 to 0 %"),
        (1.0, 3.0, "+170 to +1,900 %"),
        (5.0, 100.0, "+1e4 to +3e45 %"),
        (0.0, 1e9, "0 to +1e306 %"),
        (-12.0, -4.7, "-99.9 to -99 %"),
        (-math.inf, 0.0, "-99.9 to 0 %"),
        (-1e-15, 1e-15, "0 %"),
    ],
)
def test_an_interval_of_logarithms_is_printed_in_percent(low, high, text):
    assert interval(logs(low, high)) == text


@pytest.mark.parametrize(("low", "high", "text"), [(-0.012, 0.0081, "-0.012 to +0.008"), (1.2, 1234.0, "+1 to +1,200")])
def test_other_differences_are_printed_in_the_metrics_own_numbers(low, high, text):
    assert interval(Difference(0.0, low, high, "", False, 5)) == text


def test_without_an_interval_the_mean_stands_alone():
    assert interval(Difference(-0.7, None, None, "", True, 2)) == "-50 %"
    assert range_of(Estimate(1.0, None, None)) == ""
    assert figure(Estimate(1.0, None, None)) == "1"


def test_an_amount_has_no_sign_and_begins_with_the_smaller_end():
    assert amount(logs(-2.3, -0.97)) == "62 to 90 %"
    assert amount(logs(0.04, 0.09)) == "4.1 to 9.4 %"
    assert amount(Difference(-0.01, -0.014, -0.008, "", False, 5)) == "0.008 to 0.014"


@given(st.floats(-800, 800), st.floats(-800, 800), st.booleans())
def test_a_printed_end_keeps_its_side_of_0(first, second, relative):
    low, high = sorted((first, second))
    text = interval(Difference(0.0, low, high, "", relative, 5)).removesuffix(" %")
    ends = [float(part.replace(",", "")) for part in text.split(" to ")]
    for end, printed in zip((low, high), (ends[0], ends[-1]), strict=True):
        assert printed == 0 or (printed < 0) == (end < 0)
        assert printed != 0 or abs(end) < 1e-8
    assert ends == sorted(ends)
    assert not relative or ends[0] > -100


@given(st.floats(-5, 5), st.floats(0, 5))
def test_a_difference_seen_from_the_other_side_is_mirrored_twice_itself(mean, half):
    difference = Difference(mean, mean - half, mean + half, "better", True, 5)
    assert mirrored(mirrored(difference)) == difference
    assert mirrored(difference).low == -difference.high
    assert mirrored(difference).conclusion == "worse"
    assert mirrored(difference._replace(low=None, high=None, conclusion="tie"))[1:4] == (None, None, "tie")


def test_shares_and_lists_read_as_in_a_sentence():
    assert [share(step, 200) for step in (0, 92, 200, math.inf)] == ["0 %", "46 %", "100 %", "never"]
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
