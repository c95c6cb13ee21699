"""How wide a forecast's band must be: from the fit's own doubt, and from how the laws were wrong on public curves."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import stdtr

from ratesmith.forecast.curve import Floats

LAPLACE: Final = 0.4
"""How much of the fit's own doubt counts; the priors and the few effective points make it too large."""
UNSEEN: Final = 0.6
"""The same where no annealing was seen: with 0.4 the 80 % band held only half of the ends forecast at half a run."""
FLOOR: Final = 0.0012
"""By how much of the loss even a well fitted law is off at a schedule that it has not seen."""
DOUBLING: Final = 0.0035
"""What each doubling of the horizon beyond the runs adds, as a share of the loss: the laws saturate too early."""
AWAY: Final = 0.01
"""What each factor of 2 outside the peak rates seen adds, as a share of the loss."""
FACTORS: Final[Mapping[int, float]] = MappingProxyType({50: 0.65, 80: 1.38, 95: 2.35})
"""Half the width of each band, in standard deviations: split conformal over families of public curves.

The quantiles of |error| / sd over the forecasts of final losses there, each kind of forecast counted alike, are 0.62,
1.27 and 2.23; of differences between schedules they are 0.8, 1.5 and 2.2. These are a little wider than the former, for
curves further away than those are from each other. benchmarks/forecast measures the coverage on families left out.
"""
LEVELS: Final = tuple(FACTORS)
TAILS: Final = 7
"""Degrees of freedom of the t distribution whose quantiles are nearly these factors: 0.71, 1.41, 2.36."""

Bands = Mapping[int, tuple[Floats, Floats]]


def spread(doubt: Floats, losses: Floats, doublings: Floats | float, away: Floats | float) -> Floats:
    """Give the standard deviation of forecast losses; `doubt` is the fit's own, as far as it counts.

    Formula: `sqrt(doubt^2 + (0.0012 loss)^2 + (0.0035 loss doublings)^2 + (0.01 loss away)^2)`.

    >>> spread(np.array([0.004]), np.array([3.0]), 0.0, 0.0).round(5).tolist()
    [0.00538]
    """
    outside = FLOOR**2 + (DOUBLING * np.asarray(doublings)) ** 2 + (AWAY * np.asarray(away)) ** 2
    found: Floats = np.sqrt(doubt**2 + losses**2 * outside)
    return found


def spread_of_difference(doubt: float, loss: float, apart: float, laws: float, doublings: float, away: float) -> float:
    """Give the standard deviation of the difference between two forecasts of final losses.

    `doubt` is the fit's own of the difference, `apart` from 0 to 1 says how unlike the schedules are (see `unlike`),
    `laws` is the standard deviation of the difference over the three laws, of which half counts. What is wrong with
    both alike cancels: nothing is left for a schedule beside itself.
    """
    misfit = loss * apart * np.sqrt(2) * np.sqrt(FLOOR**2 + (DOUBLING * doublings / 2) ** 2 + (AWAY * away / 2) ** 2)
    return float(np.sqrt(doubt**2 + misfit**2 + (0.5 * laws) ** 2))


def unlike(one: Floats, other: Floats) -> float:
    """Give how unlike two schedules are, from 0 for the same to 1: 6 times the root mean square, at most 1.

    Both hold the rate, as a share of the largest seen, at the same shares of their steps.
    """
    return float(min(1.0, 6 * np.sqrt(np.mean((one - other) ** 2))))


def bands(centre: Floats, sd: Floats) -> dict[int, tuple[Floats, Floats]]:
    """Give the low and the high end of each band, by its level in percent."""
    return {level: (centre - factor * sd, centre + factor * sd) for level, factor in FACTORS.items()}


def chance_below(difference: float, sd: float) -> float:
    """Give the probability that the true difference is below 0."""
    if sd <= 0:
        return 0.5 if difference == 0 else float(difference < 0)
    return float(stdtr(TAILS, -difference / sd))
