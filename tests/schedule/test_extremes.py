"""The larger and the smaller of several schedules: the laws, for random ones, and what is refused."""

import math
import pickle

import pytest
from hypothesis import given
from strategies import schedules, steps, values

from ratesmith import Constant, Exponential, InverseSqrt, Max, Min, Ramp, from_data, parse, to_data
from ratesmith.testing import check_schedule

FALL, RISE = Ramp(1.0, 0.0, 10), Ramp(0.0, 1.0, 20)


@given(schedules, schedules, values, steps)
def test_each_value_is_the_extreme_of_the_values(a, b, k, step):
    assert Max((a, b))(step) == max(a(step), b(step))
    assert Min((a, b))(step) == min(a(step), b(step))
    assert Max((a, k))(step) == max(a(step), k)
    assert Min((k, a))(step) == min(a(step), k)


@given(schedules, schedules, schedules)
def test_they_are_associative_and_their_numbers_become_one(a, b, c):
    assert Max((Max((a, b, 0.5)), c, 0.2)) == Max((a, b, c), least=0.5)
    assert Min((a, 0.5, Min((b, c, 0.2)))) == Min((a, b, c), most=0.2)
    assert Max((Min((a, b)), c)).parts[0] == Min((a, b))


def test_olmos_larger_of_a_cosine_and_an_inverse_square_root():
    """Formula: max((1 + cos(pi t / T)) / 2, sqrt(W / max(W, t))). Source: allenai/OLMo, olmo/optim.py, MaxScheduler."""
    ours = parse("max(cosine(), constant(20) >> InverseSqrt(20))").build(100)
    for step in range(150):
        cosine = (1 + math.cos(math.pi * min(step, 100) / 100)) / 2
        assert ours(step) == pytest.approx(max(cosine, math.sqrt(20 / max(20, step))), rel=1e-12)


def test_they_last_as_long_as_their_longest_part_and_change_where_a_part_does():
    assert Max((FALL, RISE)).steps == Min((FALL, RISE)).steps == 20
    assert Max((FALL, 0.1)).steps == 10
    assert Max((FALL, Exponential(0.9))).steps is None
    assert Max((FALL, RISE)).breakpoints(0, 50) == Min((FALL, RISE)).breakpoints(0, 50) == [10, 20]


@pytest.mark.parametrize("made", [Max((FALL, RISE)), Min((FALL, RISE, 0.3)), Max((InverseSqrt(5), 0.1)), Max((RISE,))])
def test_they_keep_the_laws_and_are_written_copied_and_saved(made):
    check_schedule(made)
    assert parse(str(made)).build() == made
    assert from_data(to_data(made)).build() == made
    assert pickle.loads(pickle.dumps(made)) == made


def test_they_say_themselves_as_notation_has_them():
    assert str(Max((FALL, RISE, 0.1))) == "max(Ramp(1.0, 0.0, 10), Ramp(0.0, 1.0, 20), 0.1)"
    assert str(Min((FALL,))) == "Min([Ramp(1.0, 0.0, 10)])"
    assert str(2 * Max((FALL, 0.1)) + -1) == "-1.0 + 2.0 * max(Ramp(1.0, 0.0, 10), 0.1)"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Max(()), "Max: parts must be one or more, got none; give some"),
        (lambda: Min((0.1, 0.2)), "Min: parts must be one or more, got none; give some"),
        (lambda: Max((FALL, "1")), "Max: parts must each be a schedule, got '1'; give values such as Ramp"),
        (lambda: Max((FALL, math.nan)), "Max: parts must be a finite number, got nan; give such a number"),
        (lambda: Max(5), "Max: parts must be a list of schedules, got 5; give [a, b]"),
        (lambda: Min((FALL,), most="x"), "Min: most must be a finite number, got 'x'; give a plain number"),
    ],
)
def test_a_mistake_is_refused_with_one_message(build, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        build()
    assert str(caught.value).startswith(message)


def test_a_part_of_numbers_alone_is_as_long_as_it_says():
    assert Max((Constant(0.5, 3), 0.2)).steps == 3
