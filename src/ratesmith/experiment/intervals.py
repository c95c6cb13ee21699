"""Intervals of differences, at a level that allows for every look and every strategy; and the word each stands for."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from ratesmith.experiment.statistics import FEWEST_FOR_INTERVAL, quantile, scipy_stats

OTHERS: Final = (1, 2, 4, 7, 19)
LOOKS: Final = (1, 3, 8, 28)
LEVELS: Final = (
    (0.0500, 0.0210, 0.0109, 0.00570),
    (0.0430, 0.0197, 0.0100, 0.00480),
    (0.0360, 0.0155, 0.0074, 0.00270),
    (0.0290, 0.0120, 0.0052, 0.00150),
    (0.0220, 0.0085, 0.0022, 0.00030),
)
"""The level of an interval for so many other strategies (rows) and looks (columns): see `level`."""
RARE: Final = 0.01
"""How rarely a variance is as small by chance as one that is not raised to what others have."""
ROUNDING: Final = 1e-13
"""Numbers that differ by this share of their size are the same."""
UNPAIRED: Final = 0.45
"""What a level is multiplied by if runs are not paired, where two strategies' own noise decides a difference's."""


def level(looks: int, others: int, *, paired: bool = True) -> float:
    """Return the two-sided level of each interval, if each of `others` strategies is compared so many times.

    The same at every look. Found by simulation, so that over all looks and strategies equal strategies are called
    different, from the baseline or from the leader, in at most 5 % of comparisons: with normal noise, with Student's of
    3 degrees of freedom, with one strategy 3 or 10 times noisier than the rest, half of them 3 times noisier, and every
    strategy with a noise of its own. Between the simulated ones straight in logarithms. One look at one other strategy
    is the plain t test.

    >>> level(1, 1), level(8, 4), round(level(8, 5), 4)
    (0.05, 0.0074, 0.0064)
    """
    places = [math.log(count) for count in OTHERS], [math.log(count) for count in LOOKS]
    rows = [_between(math.log(looks), places[1], [math.log(value) for value in row]) for row in LEVELS]
    between = math.exp(_between(math.log(max(others, 1)), places[0], rows))
    return round(between * (1.0 if paired else UNPAIRED), 12)


def _between(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return y at x, straight between the nearest two, and beyond the last as between the last two."""
    after = next((place for place in range(1, len(xs)) if x <= xs[place]), len(xs) - 1)
    slope = (ys[after] - ys[after - 1]) / (xs[after] - xs[after - 1])
    return ys[after] + slope * (x - xs[after])


class Sample(NamedTuple):
    """What the runs of two strategies say of their difference."""

    mean: float
    variance: float
    """Of the difference of two runs."""
    size: float
    """How many such differences the mean stands for."""
    degrees: float
    pairs: int
    constant: bool
    """Whether the difference is the same for every seed."""

    @classmethod
    def paired(cls, values: Sequence[float], others: Sequence[float]) -> Sample:
        """Return what runs say that are paired by seed, in the same order."""
        differences = np.subtract(values, others).tolist()
        pairs, mean = len(differences), float(np.mean(differences))
        variance = float(np.var(differences, ddof=1)) if pairs > 1 else math.nan
        # Subtracting leaves the last bits of the values themselves.
        size = float(np.max(np.abs([values, others])))
        mean = 0.0 if abs(mean) <= ROUNDING * size and _alike(differences, size) else mean
        return cls(mean, variance, pairs, pairs - 1, pairs, _alike(differences, size))

    @classmethod
    def unpaired(cls, values: Sequence[float], others: Sequence[float]) -> Sample:
        """Return what runs say that have nothing in common: the standard error and the degrees of freedom by Welch.

        Source: Welch, "The generalization of Student's problem when several different population variances are
        involved", 1947.
        """
        mean, fewest = statistics.fmean(values) - statistics.fmean(others), min(len(values), len(others))
        if fewest < FEWEST_FOR_INTERVAL:
            return cls(mean, math.nan, fewest, math.nan, fewest, False)
        squares = [float(np.var(group, ddof=1)) / len(group) for group in (values, others)]
        size = 2 / (1 / len(values) + 1 / len(others))
        shares = [square**2 / (len(group) - 1) for square, group in zip(squares, (values, others), strict=True)]
        if sum(shares) == 0.0 or all(_alike(group) for group in (values, others)):
            return cls(mean, 0.0, size, fewest - 1, fewest, True)
        return cls(mean, sum(squares) * size, size, sum(squares) ** 2 / sum(shares), fewest, False)

    def interval(self, its_level: float, floor: float = 0.0, overlap: float = 0.0) -> tuple[float, float] | None:
        """Return the interval of the mean by Student's t; None for fewer than three pairs.

        `floor`: what other differences vary by. A variance below it is raised: a small one by chance is what makes most
        wrong claims. Raised to the floor, or to the highest variance of which such a sample is not too rare; so two
        strategies that are nearly the same training keep their short interval.
        `overlap`: what the data that all pairs share adds to the mean's variance, as a share of the variance of a
        pair; n_test / n_train for the folds of a cross-validation (Nadeau and Bengio, "Inference for the
        generalization error", 2003).
        """
        if self.pairs < FEWEST_FOR_INTERVAL:
            return None
        if self.constant and self.mean == 0.0:  # the same training: plateau before its first cut, and the constant rate
            return 0.0, 0.0
        variance = max(self.variance, min(floor, self.variance / smallest_share(self.degrees)))
        error = math.sqrt(variance * (1 / self.size + overlap))
        if self.constant:  # rounded figures: as if one more pair had shown no difference
            error = max(error, abs(self.mean) / self.pairs)
        half = quantile(its_level, self.degrees) * error
        return self.mean - half, self.mean + half


@functools.lru_cache(maxsize=4096)
def smallest_share(degrees: float) -> float:
    """Return the share of its true size that a variance falls below in 1 % of samples.

    >>> round(smallest_share(2), 3), round(smallest_share(9), 3)
    (0.01, 0.232)
    """
    return float(scipy_stats().chi2.ppf(RARE, degrees)) / degrees


def _alike(values: Sequence[float], size: float | None = None) -> bool:
    """Whether numbers are the same but for rounding; `size` is that of the numbers that they were computed from."""
    size = float(np.max(np.abs(values))) if size is None else size
    return float(np.ptp(values)) <= ROUNDING * size


def conclude(low: float | None, high: float | None, mode: str, margin: float) -> str:
    """Return the word that an interval stands for.

    >>> conclude(-0.2, -0.1, "min", 0.01), conclude(-0.2, 0.1, "min", 0.01), conclude(0.001, 0.01, "min", 0.01)
    ('better', 'not told apart', 'tie')
    """
    if low is None or high is None:
        return "not told apart"
    # A tie first: a difference within the margin is none, also if the interval does not hold 0.
    if -margin <= low and high <= margin:
        return "tie"
    if low <= 0.0 <= high:
        return "not told apart"
    return "better" if (high < 0.0) == (mode == "min") else "worse"
