"""Segments: every step is in one of them, and none is lost."""

import numpy as np
import pytest
from forecast_runs import rates

from ratesmith.forecast.segments import segments_of


def test_segments_hold_every_step_and_the_sum_of_the_rates():
    rate = rates("cyclic", 5000)
    segments = segments_of([(rate, np.array([17, 4000]))], rate.max())
    assert segments.lengths.sum() == 4000
    assert (segments.lengths * segments.rates).sum() == pytest.approx(rate[:4000].sum() / rate.max())
    assert np.cumsum(segments.lengths[0])[segments.column].tolist() == [17, 4000]


@pytest.mark.parametrize("exponent", [0.3, 0.65, 0.9, 1.0, 1.5])
def test_powers_of_a_rate_that_slides_are_right_to_the_second_order(exponent):
    rate = np.linspace(1.0, 0.6, 1001)
    segments = segments_of([(rate, np.array([1001]))], 1.0, per_fall=1)
    assert segments.lengths.shape == (1, 1)
    exact = np.mean(rate**exponent)
    error = abs(float(segments.powers(np.array([exponent]))[0, 0, 0]) - exact)
    of_the_mean = abs(rate.mean() ** exponent - exact)
    assert error < 1e-4
    assert error < of_the_mean / 10 or exponent == 1.0


def test_a_wanted_step_ends_a_segment_and_short_schedules_are_filled_with_segments_of_no_length():
    runs = [(rates("cosine", 800), np.array([123, 800])), (np.full(50, 1e-3), np.array([7, 50]))]
    segments = segments_of(runs, 1e-3)
    ends = np.cumsum(segments.lengths, axis=1)
    assert ends[segments.row, segments.column].tolist() == [123, 800, 7, 50]
    assert np.count_nonzero(segments.lengths[1]) == 2
    assert (segments.rates > 0).all()
