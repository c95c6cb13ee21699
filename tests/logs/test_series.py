"""Series: one column of a log by step, in bounded memory."""

import contextlib

import numpy as np
import pytest

from ratesmith.logs.series import MOST_ENTRIES, Series


def filled(steps, values, mean=True, pieces=1):
    series = Series("loss", mean)
    for part in np.array_split(np.stack([steps, values]).astype(float), pieces, axis=1):
        series.add(*part)
    return series


def test_few_rows_are_given_as_they_are_however_they_come():
    steps, values = np.arange(1, 101), np.linspace(3, 2, 100)
    for pieces in (1, 3, 100):
        points = filled(steps, values, pieces=pieces).points(200)
        np.testing.assert_array_equal(points[0], steps)
        np.testing.assert_allclose(points[1], values)


def test_more_rows_than_are_held_keep_their_sum_and_their_order():
    count = 3 * MOST_ENTRIES
    series = filled(np.arange(count), np.linspace(5, 2, count), pieces=7)
    assert series.sums.shape[1] <= MOST_ENTRIES
    assert series.sums[2].sum() == series.rows == count
    assert series.sums[1].sum() == pytest.approx(3.5 * count)
    assert (np.diff(series.sums[0] / series.sums[2]) > 0).all()
    assert np.log2(series.bucket) % 1 == 0


def test_means_over_equal_parts_end_at_the_last_step():
    steps, losses = filled(np.arange(1, 1001), np.arange(1, 1001)).points(10)
    np.testing.assert_allclose(steps, np.arange(10) * 100 + 50.5)
    np.testing.assert_allclose(losses, steps)


def test_a_restart_replaces_what_came_after_it():
    series = Series("loss", False)
    series.add(np.array([1.0, 2, 3, 4]), np.array([5.0, 4, 9, 9]))
    series.add(np.array([3.0, 4, 5]), np.array([3.0, 2, 1]))
    np.testing.assert_array_equal(series.points(100), [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]])
    assert series.backs == 1


def test_numbers_that_are_not_finite_at_the_end_are_a_divergence_unless_the_log_always_has_such_gaps():
    diverged = filled(np.arange(1, 11), [3.0] * 8 + [np.inf] * 2)
    with pytest.raises(ValueError, match="'loss' must be finite, got nan or infinity from step 9 on; cut the log"):
        diverged.refuse_divergence()
    filled(np.arange(1, 11), [3.0, *[np.inf] * 4, 3.0, *[np.inf] * 4]).refuse_divergence()


@pytest.mark.parametrize(("at_the_end", "diverged"), [(4, False), (5, True)])
def test_a_gap_at_the_end_may_be_twice_as_long_as_those_before(at_the_end, diverged):
    values = [3.0, np.inf, np.inf, 2.9, 2.8, *[np.inf] * at_the_end]
    for pieces in (1, 4):
        series = filled(np.arange(len(values)), values, pieces=pieces)
        with pytest.raises(ValueError, match="from step 5 on") if diverged else contextlib.nullcontext():
            series.refuse_divergence()
