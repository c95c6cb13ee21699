"""The surrogate: a Gaussian process that foretells what a strategy loses at a rate that was not tried.

All strategies of a training lie near one curve if their rates are made comparable: over the logarithm of the mean rate
of the run, nearly. So a few runs of some strategies tell where the best rates of the others lie. Each strategy has a
curve of its own besides, which departs from the shared one by some hundredths.

    cost(strategy, x) = level + curvature (u - u0)^2 + lag(strategy) + shared(u) + own(strategy, u) + offset(strategy)
    what a run with a seed shows = cost(strategy, x) + effect(seed) + noise
    u = x + 0.7 log10(mean factor of the strategy)

with x the logarithm (base 10) of the initial rate; level, shared, own, offset and effect are Gaussian and of mean 0.
Costs are logarithms of losses, above the least. Curvature and noise are the likeliest of a few. Source: Rasmussen and
Williams, "Gaussian Processes for Machine Learning", 2006, chapters 2 and 5.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

LEVEL: Final = 1.0
"""Deviation of the common level: wide, so that the first run settles it."""
SHARED: Final = 0.4
SHARED_LENGTH: Final = 0.6
"""The shared curve bends within so many decades of the rate."""
OWN: Final = 0.045
OWN_LENGTH: Final = 0.3
OFFSET: Final = 0.06
PRIOR_VARIANCE: Final = LEVEL**2 + SHARED**2 + OWN**2 + OFFSET**2
"""Of a cost of which nothing was shown."""
EFFECT: Final = 0.02
"""Deviation of what a seed does to all runs alike."""
CURVATURES: Final = (0.12, 0.3, 0.7)
NOISES: Final = (0.005, 0.012, 0.03, 0.08)
"""Deviations of one run: what the seed, the order of the batches and the last updates do by luck."""
CUT_NOISE: Final = 0.15
"""The same for a cost that was cut: how bad a bad run is must not bend the curve around the best."""
LIKELY: Final = ({0.12: -1.0, 0.3: 0.0, 0.7: -1.0}, {0.005: -2.0, 0.012: 0.0, 0.03: -2.0, 0.08: -4.0})


class Place(NamedTuple):
    """A strategy's variant at a rate, as the surrogate sees it."""

    u: float
    """The logarithm of the rate, moved so that strategies are comparable."""
    variant: int
    optimizer: int
    lag: float
    """What is expected of the strategy beforehand, against others at their best rates."""
    seed: int | None = None
    """The seed that a run shows it with; None for the cost itself, which no seed decides."""


@dataclass(frozen=True)
class Surrogate:
    """What is foretold from some runs."""

    places: tuple[Place, ...]
    centres: tuple[float, ...]
    """Of each optimizer, where the best u is expected."""
    curvature: float
    noise: float
    factor: Any
    """The Cholesky factor of the covariance of the observations, (n, n)."""
    weights: Any
    """Its inverse times what the observations exceed their prior means by, (n,)."""

    @classmethod
    def fitted(
        cls, places: Sequence[Place], costs: Sequence[float], centres: Sequence[float], cut: Sequence[bool] = ()
    ) -> Surrogate:
        """Return the surrogate of these observations, with the likeliest curvature and noise.

        `cut` tells which costs are only known to be at least what is given: they count little.
        """
        places, centres = tuple(places), tuple(centres)
        y, covariance = np.asarray(costs, dtype=float), _covariance(places, places)
        if cut:
            covariance += np.diag(np.where(cut, CUT_NOISE**2, 0.0))
        best: tuple[float, Surrogate] | None = None
        for curvature, noise in itertools.product(CURVATURES, NOISES):
            factor = np.linalg.cholesky(covariance + noise**2 * np.eye(len(places)))
            excess = np.linalg.solve(factor, y - _prior(places, centres, curvature))
            likelihood = -0.5 * float(excess @ excess) - float(np.log(np.diag(factor)).sum())
            likelihood += LIKELY[0][curvature] + LIKELY[1][noise]
            if best is None or likelihood > best[0]:
                weights = np.linalg.solve(factor.T, excess)
                best = likelihood, cls(places, centres, curvature, noise, factor, weights)
        assert best is not None
        return best[1]

    def predicted(self, places: Sequence[Place]) -> Any:
        """Return the mean of the cost at each of these places, (m,)."""
        return _prior(places, self.centres, self.curvature) + _covariance(self.places, places).T @ self.weights

    def swayed(self, places: Sequence[Place], seeds: Sequence[int]) -> Any:
        """Return by how much one more run at each place, with this seed, would move the mean there, (m,).

        That is a deviation: Cov(cost, what is shown) / sqrt(Var(what is shown)), given all that was shown before.
        """
        hidden = self._reduced(places)
        shown = self._reduced([place._replace(seed=seed) for place, seed in zip(places, seeds, strict=True)])
        covariance = PRIOR_VARIANCE - (hidden * shown).sum(axis=0)
        variance = PRIOR_VARIANCE + EFFECT**2 + self.noise**2 - (shown**2).sum(axis=0)
        return np.maximum(covariance, 0.0) / np.sqrt(variance)

    def deviations(self, places: Sequence[Place]) -> Any:
        """Return the deviation of the cost at each of these places, (m,)."""
        return np.sqrt(np.maximum(PRIOR_VARIANCE - (self._reduced(places) ** 2).sum(axis=0), 0.0))

    def joint(self, places: Sequence[Place]) -> tuple[Any, Any]:
        """Return the means of the costs at these places, (m,), and their covariance, (m, m)."""
        reduced = self._reduced(places)
        return self.predicted(places), _covariance(places, places) - reduced.T @ reduced

    def _reduced(self, places: Sequence[Place]) -> Any:
        return np.linalg.solve(self.factor, _covariance(self.places, places))  # (n, m)


def expected_improvement(best: Any, mean: Any, deviation: Any) -> Any:
    """Return by how much values are expected to undercut the best, counted as 0 where they do not.

    EI = (best - mean) Phi(z) + deviation phi(z), with z = (best - mean) / deviation.
    Source: Mockus, "On Bayesian methods for seeking the extremum", 1974.

    >>> round(float(expected_improvement(0.0, np.array([0.0]), np.array([1.0]))[0]), 4)
    0.3989
    """
    deviation = np.maximum(deviation, 1e-9)
    z = (best - mean) / deviation
    # The error function of the standard library, one number at a time: no worker and no driver needs SciPy for it.
    below = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z])
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return (best - mean) * below + deviation * density


def _prior(places: Sequence[Place], centres: Sequence[float], curvature: float) -> Any:
    return np.array([curvature * (place.u - centres[place.optimizer]) ** 2 + place.lag for place in places])


def _covariance(first: Sequence[Place], second: Sequence[Place]) -> Any:
    """Return the prior covariance of the costs at places, (n, m)."""
    u, v = (np.array([place.u for place in places]) for places in (first, second))
    variants = np.equal.outer([place.variant for place in first], [place.variant for place in second])
    optimizers = np.equal.outer([place.optimizer for place in first], [place.optimizer for place in second])
    squares = np.subtract.outer(u, v) ** 2
    shared = SHARED**2 * np.exp(-0.5 * squares / SHARED_LENGTH**2)
    own = OWN**2 * np.exp(-0.5 * squares / OWN_LENGTH**2) + OFFSET**2
    # NaN, which equals nothing, stands for no seed.
    seeds = np.equal.outer(
        *([math.nan if place.seed is None else place.seed for place in places] for places in (first, second))
    )
    return LEVEL**2 + optimizers * shared + variants * own + EFFECT**2 * seeds
