"""The statistics of a verdict: differences, paired by seed or not, their intervals, and what may be said of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ratesmith._extras import require

require("ratesmith.experiment", "scipy", extra="compare")

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 9999
FEWEST_FOR_INTERVAL: Final = 3
"""Values from which an interval is given: that of two is 13 standard errors wide to each side, and says nothing."""
NEARLY_AS_GOOD: Final = 0.05
"""Rates whose loss is within this share of the best are called nearly as good."""


class Estimate(NamedTuple):
    """A mean over seeds with its 95 % interval; `low` and `high` are None for fewer than three seeds."""

    mean: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """Return it as `mean [low, high]`."""
        if self.low is None or self.high is None:
            return f"{self.mean:.4g}"
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}]"


class Difference(NamedTuple):
    """How a strategy differs from another: paired by seed, or, if the seed does not decide the training, unpaired.

    Of the logarithms if `relative` (a loss, all of it above 0), so that -0.05 is 5 % lower; of the metric itself
    otherwise. Intervals are None for fewer than three pairs.
    """

    mean: float
    low: float | None
    high: float | None
    """The 95 % interval by Student's t."""
    boot_low: float | None
    boot_high: float | None
    """The same by the bootstrap: the middle 95 % of the means of 9,999 resamples."""
    p: float
    """Two-sided, by the paired t test, or by Welch's; after Holm's correction if several were asked at once."""
    conclusion: str
    """"better", "worse", "tie" (the interval lies within the margin) or "not told apart"."""
    relative: bool
    pairs: int

    def __str__(self) -> str:
        """Return it as `-3.1 % [-4.0 %, -2.2 %]`, or in the metric's own unit."""
        if self.low is None or self.high is None:
            return self.shown(self.mean)
        return f"{self.shown(self.mean)} [{self.shown(self.low)}, {self.shown(self.high)}]"

    def shown(self, value: float) -> str:
        """Return a difference as it is printed."""
        return f"{100 * math.expm1(min(value, 700.0)):+.3g} %" if self.relative else f"{value:+.3g}"


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean with its 95 % interval by Student's t.

    >>> print(estimate([1.0, 2.0, 3.0]))
    2 [-0.4841, 4.484]
    """
    mean = statistics.fmean(values)
    if len(values) < FEWEST_FOR_INTERVAL:
        return Estimate(mean, None, None)
    # sem: the standard error, with n - 1 in the variance.
    half = _half(float(_scipy_stats().sem(values)), len(values))
    return Estimate(mean, mean - half, mean + half)


def _scipy_stats() -> Any:
    """Return scipy's statistics, which take a second to import: no worker process needs them."""
    from scipy import stats

    return stats


def _half(error: float, count: int) -> float:
    """Return half of the 95 % interval of a mean of so many values, by Student's t."""
    return float(_scipy_stats().t.ppf(0.5 + CONFIDENCE / 2, count - 1)) * error


def logarithmic(values: Sequence[float], mode: str) -> bool:
    """Whether differences are to be taken of the logarithms: those of a loss that is above 0 throughout."""
    return mode == "min" and all(value > 0 for value in values)


def paired(values: Sequence[float], others: Sequence[float], mode: str, margin: float) -> Difference:
    """Compare two strategies over the same seeds, in the same order.

    >>> paired([0.5, 0.52, 0.51], [1.0, 1.03, 1.01], "min", 0.01).conclusion
    'better'
    """
    # A loss falls by shares: logarithms make the difference of two strategies alike for easy and hard seeds.
    relative = logarithmic([*values, *others], mode)
    pairs = zip(values, others, strict=True)
    differences = [math.log(a) - math.log(b) if relative else a - b for a, b in pairs]
    mean = statistics.fmean(differences)
    if len(differences) < FEWEST_FOR_INTERVAL:
        return Difference(mean, None, None, None, None, 1.0, "not told apart", relative, len(differences))
    low, high, p = _student(differences, mean)
    boot_low, boot_high = _bootstrap(differences)
    difference = Difference(mean, low, high, boot_low, boot_high, p, "", relative, len(differences))
    return difference._replace(conclusion=conclude(difference, mode, margin))


def unpaired(values: Sequence[float], others: Sequence[float], mode: str, margin: float) -> Difference:
    """Compare two strategies whose runs have nothing in common, by Welch's t test.

    The standard error is `sqrt(var(values) / n + var(others) / m)`, its degrees of freedom by Welch and Satterthwaite.
    Source: Welch, "The generalization of Student's problem when several different population variances are involved",
    1947.

    >>> unpaired([0.5, 0.52, 0.51], [1.0, 1.03, 1.01], "min", 0.01).conclusion
    'better'
    """
    relative = logarithmic([*values, *others], mode)
    first, second = ([math.log(value) if relative else value for value in group] for group in (values, others))
    mean, fewest = statistics.fmean(first) - statistics.fmean(second), min(len(first), len(second))
    if fewest < FEWEST_FOR_INTERVAL:
        return Difference(mean, None, None, None, None, 1.0, "not told apart", relative, fewest)
    low, high, p = _welch(first, second, mean)
    difference = Difference(mean, low, high, *_bootstrap_means(first, second), p, "", relative, fewest)
    return difference._replace(conclusion=conclude(difference, mode, margin))


def conclude(difference: Difference, mode: str, margin: float) -> str:
    """Return what may be concluded: the interval decides, and the corrected p value must agree."""
    low, high = difference.low, difference.high
    if low is None or high is None:
        return "not told apart"
    # A tie first: a difference within the margin is none, also if the interval does not hold 0.
    if -margin <= low and high <= margin:
        return "tie"
    if low <= 0.0 <= high or difference.p > 1 - CONFIDENCE:
        return "not told apart"
    return "better" if (high < 0.0) == (mode == "min") else "worse"


def _student(differences: Sequence[float], mean: float) -> tuple[float, float, float]:
    """Return the interval of the mean and the two-sided p value, by the paired t test."""
    stats = _scipy_stats()
    error = float(stats.sem(differences))
    if error == 0.0:  # the same training: plateau before its first cut, and the constant rate
        return mean, mean, 1.0 if mean == 0.0 else 0.0
    half = _half(error, len(differences))
    # Student's lower tail with n - 1 degrees of freedom; the smaller tail, twice, is the p value.
    lower = float(stats.t.cdf(-mean / error, len(differences) - 1))
    return mean - half, mean + half, 2 * min(lower, 1 - lower)


def _welch(first: Sequence[float], second: Sequence[float], mean: float) -> tuple[float, float, float]:
    """Return the interval of a difference of means and the two-sided p value, by Welch's t test."""
    squares = [statistics.variance(group) / len(group) for group in (first, second)]
    error = math.sqrt(sum(squares))
    if error == 0.0:
        return mean, mean, 1.0 if mean == 0.0 else 0.0
    shares = (square**2 / (len(group) - 1) for square, group in zip(squares, (first, second), strict=True))
    degrees = sum(squares) ** 2 / sum(shares)
    t = _scipy_stats().t
    half = float(t.ppf(0.5 + CONFIDENCE / 2, degrees)) * error
    lower = float(t.cdf(-mean / error, degrees))
    return mean - half, mean + half, 2 * min(lower, 1 - lower)


def _bootstrap(differences: Sequence[float]) -> tuple[float, float]:
    rng = np.random.default_rng(0)  # the same figures each time
    options = {"n_resamples": RESAMPLES, "confidence_level": CONFIDENCE, "method": "percentile"}
    low, high = _scipy_stats().bootstrap((differences,), np.mean, rng=rng, **options).confidence_interval
    return float(low), float(high)


def _bootstrap_means(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return the middle 95 % of the differences of means, each group drawn by itself."""
    rng = np.random.default_rng(0)
    means = [rng.choice(np.asarray(group), (RESAMPLES, len(group))).mean(axis=1) for group in (first, second)]
    low, high = np.quantile(means[0] - means[1], (0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2))
    return float(low), float(high)


def holm(values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number: the smallest times n, the next times n - 1, never falling, at most 1.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    corrections, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):  # from the smallest; a larger one is never corrected to less
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        corrections[place] = highest
    return corrections


def corrected(differences: Mapping[str, Difference], mode: str, margin: float) -> dict[str, Difference]:
    """Return differences with Holm's p values, and the conclusions that those leave."""
    values = holm([difference.p for difference in differences.values()])
    pairs = zip(differences.items(), values, strict=True)
    changed = {name: difference._replace(p=p) for (name, difference), p in pairs}
    return {
        name: difference._replace(conclusion=conclude(difference, mode, margin)) for name, difference in changed.items()
    }


def expected_best(values: Sequence[float], tries: int, mode: str) -> float:
    """Return the mean best of `tries` of these values drawn at random, each at most once.

    E = sum over i of x_(i) C(n - i, tries - 1) / C(n, tries), with x_(1) the best of n.
    Source: Dodge et al., "Show your work", 2019.

    >>> expected_best([1.0, 2.0, 3.0], 1, "min"), expected_best([1.0, 2.0, 3.0], 3, "min")
    (2.0, 1.0)
    """
    # The best of the draw is the i-th of all if it is drawn and the others come from the n - i that are worse.
    ranked = sorted(values, reverse=mode == "max")
    ways = math.comb(len(ranked), tries)
    chosen = (math.comb(len(ranked) - place, tries - 1) for place in range(1, len(ranked) + 1))
    return math.fsum(value * way / ways for value, way in zip(ranked, chosen, strict=True))


def nearly_as_good(means: Mapping[float, float], mode: str) -> tuple[float, float] | None:
    """Return the range of rates around the best within 5 % of it: between two rates straight on logarithmic axes.

    For a metric that is better large, or a loss that is not above 0, within 5 % of the spread of the means. None if
    only one rate has a mean.

    >>> low, high = nearly_as_good({0.01: 2.0, 0.1: 1.0, 1.0: 1.05}, "min")
    >>> round(low, 3), high
    (0.085, 1.0)
    """
    if len(means) < 2:
        return None
    rates = sorted(means)
    relative = logarithmic(list(means.values()), mode)
    costs = [math.log(means[rate]) if relative else means[rate] * (1 if mode == "min" else -1) for rate in rates]
    limit = min(costs) + (math.log1p(NEARLY_AS_GOOD) if relative else NEARLY_AS_GOOD * (max(costs) - min(costs)))
    # Costs are linear in the logarithm of the rate between two that were tried: the axes that the page draws.
    best = costs.index(min(costs))
    return _crossing(rates, costs, limit, best, -1), _crossing(rates, costs, limit, best, 1)


def _crossing(rates: Sequence[float], costs: Sequence[float], limit: float, place: int, way: int) -> float:
    """Walk from the best rate, one way (-1 or 1), until the cost passes the limit; straight between two rates."""
    while 0 <= place + way < len(rates):
        here, there = costs[place], costs[place + way]
        # Equal but for rounding is not past the limit; and of two equal costs no straight line crosses it.
        if there > limit * (1 + 1e-12) and there > here:
            share = (limit - here) / (there - here)
            return float(rates[place] * (rates[place + way] / rates[place]) ** share)
        place += way
    return rates[place]
