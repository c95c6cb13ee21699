"""Lightning's finder beside our rule for the steepest place, on curves whose steepest place is known.

Lightning takes the slope of the loss over the rate itself (since 2.5.3), and not over its logarithm. So each slope is
divided by its rate, though rates are spaced by a factor: what happens at the lowest rates counts most, down to noise.
If these tests fail with a newer Lightning, its definition has changed: then docs/find.md is to be measured again.
"""

import math
import random

import pytest

from ratesmith.finder import RULES

pytest.importorskip("lightning", minversion="2.5.3")
lr_finder = pytest.importorskip("lightning.pytorch.tuner.lr_finder")

LOW, HIGH, COUNT = 1e-8, 1.0, 100
RATES = [LOW * (HIGH / LOW) ** (place / (COUNT - 1)) for place in range(COUNT)]
STEP = math.log10(HIGH / LOW) / (COUNT - 1)
"""From one rate to the next, in decades."""
FIRST = RATES[10]
"""The first rate that Lightning looks at: it leaves out ten."""
CENTRES = [-5, -4, -3, -2, -1]


def falling(centre, width, noise=0.0, seed=0):
    """Return losses that fall by a sigmoid in the rate's decimal logarithm, steepest at `centre`."""
    chance = random.Random(seed)
    return [
        2.3 - 1.3 / (1 + math.exp((centre - math.log10(rate)) / width)) + noise * chance.gauss(0, 1) for rate in RATES
    ]


def ours(losses):
    return math.log10(RULES["steepest"](RATES, losses))


def theirs(losses):
    finder = lr_finder._LRFinder("exponential", LOW, HIGH, COUNT)
    finder.results = {"lr": RATES, "loss": losses}
    return math.log10(finder.suggestion())


@pytest.mark.parametrize("centre", CENTRES)
def test_ours_lies_above_the_steepest_place_by_what_smoothing_shifts_and_at_most_a_third_of_a_decade(centre):
    assert 0 < ours(falling(centre, 0.15)) - centre < 1 / 3


@pytest.mark.parametrize("centre", CENTRES)
def test_theirs_lies_below_a_steep_fall_where_the_slope_over_the_rate_is_greatest(centre):
    """With s the sigmoid and w its width, s * (1 - s) / rate is greatest where s = (1 - w * ln 10) / 2."""
    width = 0.15
    share = (1 - width * math.log(10)) / 2
    greatest = centre + width * math.log(share / (1 - share))
    assert greatest < centre - 0.1
    assert theirs(falling(centre, width)) == pytest.approx(greatest, abs=STEP)


@pytest.mark.parametrize("centre", CENTRES)
def test_theirs_is_the_lowest_rate_that_it_looks_at_wherever_a_gentle_fall_has_its_steepest_place(centre):
    """With a width of 1 / ln 10 or more the slope over the rate only shrinks, from the lowest rate on."""
    losses = falling(centre, 0.5)
    assert theirs(losses) == pytest.approx(math.log10(FIRST))
    assert 0 < ours(losses) - centre < 0.5


@pytest.mark.parametrize("centre", CENTRES[1:])
def test_theirs_is_among_the_lowest_rates_if_there_is_any_noise_for_that_is_divided_by_the_rate(centre):
    """The noise is a thousandth, where the loss falls by 1.3."""
    for seed in range(5):
        losses = falling(centre, 0.15, noise=0.001, seed=seed)
        assert theirs(losses) < math.log10(FIRST) + 1
        assert 0 < ours(losses) - centre < 1 / 3
