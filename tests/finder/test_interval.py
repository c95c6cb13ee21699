"""The interval of an answer: as wide as was measured for the way it was found, and not beyond a rate that died."""

import pytest

from ratesmith.finder.interval import FACTORS, interval_of


def test_the_interval_is_as_wide_as_the_way_to_find_errs():
    for way, (below, above) in FACTORS.items():
        assert interval_of(0.1, way) == pytest.approx((0.1 / below, 0.1 * above))
    widths = {way: below * above for way, (below, above) in FACTORS.items()}
    assert widths["race"] < widths["short"] < widths["sweep"]


def test_it_ends_at_a_rate_that_died_and_one_below_the_answer_does_not_count():
    assert interval_of(0.1, "sweep", dead=[0.05, 0.2, 0.3])[1] == 0.2


def test_a_grid_has_none():
    assert interval_of(0.1, "grid") is None
