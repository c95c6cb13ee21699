"""Arithmetic as text: whatever is put together, the text means the same."""

import math

from hypothesis import given
from hypothesis import strategies as st

from ratesmith.exporters.expressions import between, call, minus, number, over, plus, power, times

numbers = st.sampled_from([0.0, 1.0, 0.5, 2.0, 3.0, -1.5, 0.1]).map(lambda value: (number(value), value))


def _whole(a, b):
    return over(a, b, "//")


def _rest(a, b):
    return over(a, b, "%")


OPERATIONS = [
    (plus, lambda a, b: a + b),
    (minus, lambda a, b: a - b),
    (times, lambda a, b: a * b),
    (over, lambda a, b: a / b),
    (_whole, lambda a, b: a // b),
    (_rest, lambda a, b: a % b),
    (power, lambda a, b: a**b),
]


@st.composite
def grown(draw, inner):
    (a, x), (b, y) = draw(inner), draw(inner)
    written, computed = draw(st.sampled_from(OPERATIONS))
    try:
        value = computed(x, y)
    except (ZeroDivisionError, OverflowError):
        return a, x
    return (written(a, b), value) if isinstance(value, float) and abs(value) < 1e6 else (a, x)


@given(st.recursive(numbers, grown, max_leaves=8))
def test_a_text_means_what_was_put_together(pair):
    expression, value = pair
    # Brackets may fall away in a * (b / c), which rounds otherwise: a whole quotient behind it may then differ by one.
    meant = eval(expression.text, {"__builtins__": {}})
    assert math.isclose(meant, value, rel_tol=1e-9, abs_tol=1e-9) or "//" in expression.text or "%" in expression.text


@given(numbers, numbers, numbers)
def test_a_whole_quotient_keeps_its_brackets(a, b, c):
    if b[1] * c[1] != 0:
        text = times(a[0], over(b[0], c[0], "//")).text
        assert eval(text, {"__builtins__": {}}) == a[1] * (b[1] // c[1])


def test_what_changes_nothing_is_left_out():
    share = call("share")
    assert times(number(1.0), share) == plus(number(0.0), share) == minus(share, number(0)) == share
    assert over(share, number(1)) == power(share, number(1.0)) == share
    assert over(share, number(1), "//") != share
    assert times(number(0.5), over(number(1), plus(share, number(2)))).text == "0.5 / (share() + 2)"


@given(st.floats(-10, 10), st.floats(-10, 10), st.sampled_from([0.0, 0.25, 1.0]))
def test_a_way_between_two_numbers_begins_and_ends_there(start, end, share):
    meant = eval(between(start, end, number(share)).text, {"__builtins__": {}})
    assert math.isclose(meant, start + (end - start) * share, rel_tol=1e-12, abs_tol=1e-14)
