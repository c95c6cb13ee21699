"""The places at which rates are trained."""

import itertools

import pytest

from ratesmith.finder.rung import nearest_place, rate_at


def test_a_rate_is_at_its_place_and_those_between_at_the_nearer_one():
    for place in range(-24, 9):
        assert nearest_place(rate_at(place)) == place
        assert nearest_place(rate_at(place) * 10**0.12) == place
        assert nearest_place(rate_at(place) * 10**0.13) == place + 1


def test_four_places_make_a_decade_and_have_six_digits():
    rates = [rate_at(place) for place in range(-8, 1)]
    assert [later / earlier for earlier, later in itertools.pairwise(rates)] == pytest.approx([10**0.25] * 8, rel=1e-5)
    assert (rates[0], rates[1], rates[4]) == (0.01, 0.0177828, 0.1)
