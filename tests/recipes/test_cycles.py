"""Schedules that go up and down again: their values, and cycles of no whole number of steps."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shares import shares

from ratesmith import Horizon, recipes


@pytest.mark.parametrize(
    "recipe",
    [
        lambda h: recipes.cosine_restarts(h, 3),
        lambda h: recipes.cyclic(h, "15.5%"),
    ],
)
def test_whatever_fills_the_rest_of_training_ends_with_it(recipe):
    rest, whole = recipe(Horizon(100).after(30)), recipe(Horizon(100))
    assert rest.steps == 70
    assert whole.steps == 100


@given(shares(), st.sampled_from([1.0, 2.0]))
def test_restarts_of_a_share_are_the_curve_of_cycles_that_need_not_be_whole(given_share, growth):
    steps, share, period = given_share
    restarts = recipes.sgdr(steps, share, growth=growth)
    waves = recipes.cyclic(steps, share, low=0.0)
    start, length = Fraction(0), period
    for step in range(steps):
        if step >= start + length:
            start, length = start + length, length * int(growth)
        assert restarts(step) == pytest.approx(0.5 + 0.5 * math.cos(math.pi * (step - start) / length), abs=1e-9)
        assert waves(step) == pytest.approx(float(1 - abs(step / period % 2 - 1)), abs=1e-9)


def test_restarts_of_a_whole_share_are_what_they_were():
    assert str(recipes.sgdr(1000, "25%", warmup="1.23%")) == (
        'Repeat(Ramp(0.0, 1.0, 12) >> Ramp(1.0, 0.0, 238, shape="cosine"))'
    )
    assert str(recipes.sgdr(1000, "25%", warmup="1.25%")) == (  # to the nearest step, halves up
        'Repeat(Ramp(0.0, 1.0, 13) >> Ramp(1.0, 0.0, 237, shape="cosine"))'
    )
    assert str(recipes.sgdr(1001, "25%", warmup="1.23%")) == (
        'Stretch(Take(Repeat(Ramp(0.0, 1.0, 49) >> Ramp(1.0, 0.0, 952, shape="cosine")), 4004), 1001)'
    )


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (recipes.cyclic(9, 2, low=0.5), [0.5, 0.75, 1, 0.75, 0.5, 0.75, 1]),
        (recipes.cyclic(9, 1, 2, low=0.0, mode="triangular2"), [0, 1, 0.5, 0, 0.5, 0.25, 0, 0.25]),
        (recipes.cyclic(9, 1, low=0.0, mode="exp_range", gamma=0.5), [0, 0.5, 0, 0.125, 0, 0.5**5]),
        (recipes.cosine_restarts(4, 2, final=0.5), [1, 0.75, 1, 0.75, 0.5, 0.5]),
        (recipes.sgdr(9, 2, height=0.5, final=0.1), [1, 0.55, 0.5, 0.3, 0.25, 0.175]),
        (recipes.sgdr(9, 4, final=0.2, warmup=2), [0.2, 0.6, 1, 0.6, 0.2, 0.6, 1]),
        (recipes.sgdr(Horizon(10).after(10), "15%"), [1]),
    ],
)
def test_values_of_the_recipes_with_phases(schedule, expected):
    assert [schedule(step) for step in range(len(expected))] == pytest.approx(expected, rel=1e-14, abs=1e-16)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: recipes.sgdr(100, 0), "sgdr: first must be at least 1 step, got 0; give a longer one"),
        (
            lambda: recipes.cyclic(9, 2, mode="square"),
            "cyclic: mode must be 'triangular', 'triangular2' or 'exp_range'",
        ),
        (lambda: recipes.cyclic(9, 0), "cyclic: up must be at least 1 step, got 0; give a longer one"),
        (lambda: recipes.sgdr(9, 2, warmup=3), "sgdr: warmup must be at most the first cycle of 2 steps, got 3; make"),
        (lambda: recipes.cosine_restarts(9, 0), "cosine_restarts: cycles must be a whole number of at least 1, got 0"),
    ],
)
def test_recipes_that_cannot_hold_are_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        build()


@pytest.mark.parametrize("steps", [1001, 10**6 + 3])
def test_shares_of_many_decimals_are_laid_out_too(steps):
    third = steps * 0.33333333333333
    for restarts in (
        recipes.sgdr(steps, "33.333333333333%"),
        recipes.cyclic(steps, "33.333333333333%", "12.3456789012%"),
    ):
        assert restarts.steps == steps
    assert recipes.step(steps, "33.333333333333%", gamma=0.5)(steps - 1) == 0.25
    waves = recipes.cyclic(steps, "33.333333333333%", "12.3456789012%", low=0.0)
    assert waves(int(third)) == pytest.approx(1.0, abs=2 / third)


def test_cycles_that_grow_shorter_end_when_the_next_would_last_no_step():
    """Of 10, 5, 2.5, 1.25, 0.625 and 0.31 steps the last is none at all: there are five cycles, 10 + 5 + 2 + 1 + 1."""
    restarts = recipes.sgdr(100, 10, growth=0.5, final=0.1)
    tops = [step for step in range(100) if restarts(step) == 1.0]
    assert tops == [0, 10, 15, 17, 18]
    assert restarts.steps == 19
    assert restarts(19) == restarts(99) == 0.1


@pytest.mark.parametrize("growth", [0.9999, 1.0001])
def test_a_growth_next_to_one_is_laid_out_for_the_training(growth):
    ours, even = (recipes.sgdr(1000, 10, growth=each, final=0.1) for each in (growth, 1.0))
    starts = [step for step in range(1, 1000) if ours(step) > ours(step - 1)]
    assert starts == list(itertools.accumulate(round(10 * growth**cycle) for cycle in range(99)))
    assert [ours(step) for step in range(1000)] == [even(step) for step in range(1000)]
    with pytest.raises(
        ValueError, match=r"sgdr: at most 10000 cycles .* with growth .*; give one such as .*, or cycles"
    ):
        recipes.sgdr(10**6, 10, growth=growth)


@pytest.mark.parametrize(("growth", "steps"), [(1.0, 30), (2.0, 70), (0.5, 17)])
def test_a_number_of_cycles_is_the_most_that_there_are(growth, steps):
    restarts = recipes.sgdr(100, 10, growth=growth, cycles=3)
    assert restarts.steps == steps
    assert restarts(steps) == restarts(99) == 0.0


def test_restarts_of_a_share_grow_shorter_too_and_stay_at_their_end():
    restarts = recipes.sgdr(1001, "25%", growth=0.5)
    assert restarts(0) == 1.0
    assert restarts(251) > 0.99
    assert restarts(1001) == pytest.approx(0.0, abs=1e-12)


def test_each_cycle_has_the_k_decay():
    restarts = recipes.sgdr(100, 10, k_decay=2.0)
    for step in range(40):
        wanted = (1 + math.cos(math.pi * (step % 10) ** 2 / 100)) / 2
        assert restarts(step) == pytest.approx(wanted, abs=1e-14)
