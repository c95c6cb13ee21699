"""How wide a forecast's band must be: from the fit's own doubt, and from how the laws were wrong on public curves."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import stdtr

from ratesmith.logs.curve import Floats

LAPLACE: Final = 0.25
"""How much of the fit's own doubt counts; the priors and the few effective points make it too large."""
UNSEEN: Final = 0.5
"""The same where no annealing was seen: with less the 80 % band held only half of the ends forecast at half a run."""
EXACT: Final = 0.0002
"""The misfit, as a share of the loss, up to which the fit's own doubt counts as it is; beyond, in proportion.

Few public curves are fitted more closely. The misfit is that of `guards.size_of`, and may be noise in part.
"""
FLOOR: Final = 0.0004
"""By how much of the loss even a law that fits exactly is off at a schedule that it has not seen."""
MISFIT: Final = 1.8
"""How many times its misfit the law is off at a schedule that it has not seen."""
DOUBLING: Final = 0.0025
"""What each doubling of the horizon beyond the runs adds, as a share of the loss: the laws saturate too early."""
AWAY: Final = 0.01
"""What each factor of 2 outside the peak rates seen adds, as a share of the loss."""
FACTORS: Final[Mapping[int, float]] = MappingProxyType({50: 0.74, 80: 1.53, 95: 2.78})
"""Half the width of each band, in standard deviations: split conformal over families of public curves.

They are the quantiles of the t distribution that come nearest to those of |error| / sd over the forecasts of final
losses there, each kind of forecast counted alike. benchmarks/forecast prints both, and measures the coverage on the
curves of laboratories left out.
"""
LEVELS: Final = tuple(FACTORS)
TAILS: Final = 4
"""Degrees of freedom of the t distribution whose quantiles are these factors."""

Bands = Mapping[int, tuple[Floats, Floats]]


def weight(annealed: bool, misfit: float) -> float:
    """Return how much of the fit's own doubt counts: in proportion to the misfit where that is above 0.0002.

    Where no annealing was seen that doubt is nearly the prior's own, and counts twice at the most.

    >>> weight(True, 0.0001), round(weight(True, 0.002), 6), weight(False, 0.002)
    (0.25, 2.5, 2.0)
    """
    rough = max(1.0, misfit / EXACT)
    return LAPLACE * rough if annealed else min(2.0, UNSEEN * rough)


def outside(misfit: float, doublings: Floats | float, away: Floats | float) -> Floats:
    """Return the part of the standard deviation that the fit's own doubt knows nothing of, as a share of the loss.

    `misfit` is by how much of the loss the law misses the runs that it was fitted to; `doublings` how far the horizon
    is beyond the runs, and `away` how far the peak rate is outside those seen, both in factors of 2. Formula:
    `sqrt(0.0004^2 + (1.8 misfit)^2 + (0.0025 doublings)^2 + (0.01 away)^2)`.

    >>> outside(0.001, 0.0, 0.0).round(5).tolist()
    0.00184
    """
    parts = (np.asarray(part) for part in (MISFIT * misfit, DOUBLING * np.asarray(doublings), AWAY * np.asarray(away)))
    found: Floats = np.sqrt(FLOOR**2 + sum(part**2 for part in parts))
    return found


def spread(doubt: Floats, losses: Floats, beyond: Floats | float) -> Floats:
    """Return the standard deviation of forecast losses: `sqrt(doubt^2 + (beyond * losses)^2)`.

    `doubt` is the fit's own, as far as it counts (see `weight`); `beyond` is that of `outside`.
    """
    found: Floats = np.sqrt(doubt**2 + (beyond * losses) ** 2)
    return found


def spread_of_difference(doubt: float, loss: float, beyond: float, apart: float) -> float:
    """Return the standard deviation of the difference between two forecasts of final losses.

    `doubt` is the fit's own of the difference, `apart` from 0 to 1 says how unlike the schedules are (see `unlike`).
    What is wrong with both alike cancels: nothing is left for a schedule beside itself.
    """
    return float(np.hypot(doubt, np.sqrt(2) * apart * beyond * loss))


def rough(misfit: float) -> float:
    """Return how many times wider differences are where the law misses its runs by more than it misses public curves.

    In proportion to the misfit beyond 0.1 %, twice at the most: on the one training of that kind, bands without it held
    19, 57 and 84 % of the differences instead of 50, 80 and 95 %.

    >>> rough(0.0005), rough(0.0015), rough(0.004)
    (1.0, 1.5, 2.0)
    """
    return min(2.0, max(1.0, misfit / 0.001))


def unlike(one: Floats, other: Floats) -> float:
    """Return how unlike two schedules are, from 0 for the same to 1: 6 times the root mean square, at most 1.

    Both hold the rate, as a share of the largest seen, at the same shares of their steps.
    """
    return float(min(1.0, 6 * np.sqrt(np.mean((one - other) ** 2))))


def bands_of_losses(losses: Floats, sd: Floats) -> dict[int, tuple[Floats, Floats]]:
    """Return the bands of losses, which end at 0."""
    return {level: (np.maximum(low, 0.0), high) for level, (low, high) in bands(losses, sd).items()}


def bands(centre: Floats, sd: Floats) -> dict[int, tuple[Floats, Floats]]:
    """Return the low and the high end of each band, by its level in percent."""
    return {level: (centre - factor * sd, centre + factor * sd) for level, factor in FACTORS.items()}


def level_of(errors: Floats, sd: Floats) -> Floats:
    """Return the level, as a share, of the band that just holds each error: evenly spread where bands are right.

    >>> np.round(level_of(np.array([0.0, -1.53, 2.78]), np.ones(3)), 2).tolist()
    [0.0, 0.8, 0.95]
    """
    found: Floats = 2 * stdtr(TAILS, np.abs(errors) / sd) - 1
    return found


def chance_below(difference: float, sd: float) -> float:
    """Return the probability that the true difference is below 0."""
    if sd <= 0:
        return 0.5 if difference == 0 else float(difference < 0)
    return float(stdtr(TAILS, -difference / sd))
