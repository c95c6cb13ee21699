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
