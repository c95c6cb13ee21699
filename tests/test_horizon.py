"""Lengths become steps in one place, and nothing is guessed."""

import numpy as np
import pytest

from ratesmith import Horizon


@pytest.mark.parametrize(
    ("length", "steps"),
    [
        *[(0, 0), (7, 7), (np.int64(7), 7)],
        *[("5%", 50), ("12.5%", 125), (" 5 % ", 50), ("0%", 0), ("100%", 1000)],
        *[("2ep", 60), ("0.5ep", 15), ("1.5 ep", 45)],
    ],
)
def test_a_length_becomes_steps(length, steps):
    assert Horizon(1000, steps_per_epoch=30).resolve(length) == steps


def test_a_share_is_rounded_to_the_nearest_step():
    assert [Horizon(n).resolve("5%") for n in (9, 10, 29, 30)] == [0, 1, 1, 2]


def test_a_later_part_sees_what_is_left_and_shares_of_the_whole():
    later = Horizon(1000, steps_per_epoch=10).after(50).after(150)
    assert (later.left, later.resolve("10%"), later.resolve("1ep")) == (800, 100, 10)
    assert Horizon(10).after(50).left == 0


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (0.05, "Horizon: a length must be whole steps, '5%', '2ep' or '3Mtok', got 0.05; write '5%' for a share"),
        (True, "Horizon: a length must be a whole number of at least 0, got True"),
        (-1, "Horizon: a length must be a whole number of at least 0, got -1"),
        ("fast", "Horizon: a length must be whole steps, '5%', '2ep' or '3Mtok', got 'fast'"),
        ("-5%", "Horizon: a length must be whole steps, '5%', '2ep' or '3Mtok', got '-5%'"),
        ("1e-3", "Horizon: a length must be whole steps, '5%', '2ep' or '3Mtok', got '1e-3'"),
        ("120%", "Horizon: a share must be at most 100%, got '120%'"),
        ("2ep", "Horizon: '2ep' needs steps_per_epoch, which is not known; give it (--steps-per-epoch), or a"),
        (None, "Horizon: a length must be a whole number of at least 0, got None"),
    ],
)
def test_a_length_that_could_mean_two_things_or_none_is_refused(length, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        Horizon(1000).resolve(length)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("steps", [0, -5, 2.5, True, "10"])
def test_a_horizon_is_at_least_one_step(steps):
    with pytest.raises((ValueError, TypeError), match="Horizon: steps must be a whole number of at least 1"):
        Horizon(steps)
