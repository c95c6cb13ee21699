"""What a fitted law sees under several schedules at once, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ratesmith.forecast import band, guards
from ratesmith.forecast.blocks import Blocks
from ratesmith.forecast.solve import Fitted, limits
from ratesmith.logs.curve import Floats, Ints

if TYPE_CHECKING:  # it asks for these
    from ratesmith.forecast.fit import Law

DRAWS: Final = 48
"""Samples of the law's own parameters."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Forecasts of several schedules at once: losses, their derivatives in the parameters, and their deviations."""

    losses: Floats
    slopes: Floats
    sd: Floats


def look(law: Law, runs: Sequence[tuple[Floats, Ints]]) -> Seen:
    """Return what is seen of several schedules, as absolute rates, at their wanted steps, one after the other."""
    seen = alone(law, runs)
    return replace(seen, sd=law.stretch * seen.sd)


def alone(law: Law, runs: Sequence[tuple[Floats, Ints]]) -> Seen:
    """Return the same as `look` before the trials make the bands wider."""
    blocks = law.fitted.blocks(runs)
    losses, slopes = sensitive(law.fitted, blocks)
    steps = np.concatenate([wanted for _, wanted in runs])
    doublings = np.maximum(0.0, np.log2(steps / law.longest))
    if doublings.any():
        losses = losses + (law.far.losses(blocks)[0] - losses) * np.minimum(1.0, doublings)
    outside = np.concatenate([np.full(len(wanted), away(law, rates)) for rates, wanted in runs])
    beyond = band.outside(law.misfit, doublings, outside)
    return Seen(losses, slopes, band.spread(own(law, slopes), losses, beyond))


def sensitive(fitted: Fitted, blocks: Blocks) -> tuple[Floats, Floats]:
    """Return the losses and their derivatives in the parameters, by differences, in one batch: (wanted, parameters)."""
    nudge = 1e-4
    rows = np.vstack([fitted.x, fitted.x + nudge * np.eye(len(fitted.x))])
    losses = fitted.losses(blocks, rows)
    return losses[0], (losses[1:] - losses[0]).T / nudge


def counted(law: Law) -> float:
    """Return how much of the fit's own doubt counts."""
    return band.weight(any(guards.curve_annealed(curve) for curve in law.curves), law.misfit)


def own(law: Law, slopes: Floats) -> Floats:
    """Return the fit's own doubt of what changes with the parameters by rows of `slopes`, as far as it counts."""
    variance = np.einsum("ij,jk,ik->i", slopes, law.fitted.covariance, slopes)
    found: Floats = counted(law) * np.sqrt(np.maximum(variance, 0))
    return found


def away(law: Law, rates: Floats) -> float:
    """Return how many factors of 2 the peak of these rates lies outside the peaks seen."""
    peaks, peak = [curve.peak for curve in law.curves], float(rates.max())
    return max(0.0, math.log2(peak / max(peaks)), math.log2(min(peaks) / peak))


def scores(law: Law, blocks: Blocks, base: Sequence[int] | Ints) -> Floats:
    """Return what forecasts are ranked by: each one's difference to that at its place in `base`, lower is better.

    It is the mean over all three laws plus half of the standard deviation over them. They count alike: the samples of
    the law's own parameters together as much as each of the others. One law's optimum exploits that law's errors.
    """
    differences, weights = [], []
    for name, fitted in law.ensemble.items():
        rows = samples(law) if name == law.fitted.law.name else fitted.x[None, :]
        losses = fitted.losses(blocks, rows)
        differences.append(losses - losses[:, base])
        weights += [1 / len(rows)] * len(rows)
    seen, share = np.vstack(differences), np.array(weights)[:, None] / len(differences)
    mean = (share * seen).sum(axis=0)
    found: Floats = mean + 0.5 * np.sqrt((share * (seen - mean) ** 2).sum(axis=0))
    return found


def samples(law: Law) -> Floats:
    """Return samples of the parameters, the same ones always, as wide as the fit's doubt counts for, within bounds."""
    fitted = law.fitted
    values, vectors = np.linalg.eigh(fitted.covariance)
    normal = np.random.default_rng(0).standard_normal((DRAWS // 2, len(fitted.x)))
    width = counted(law) * law.stretch
    moves = width * np.vstack([normal, -normal]) * np.sqrt(np.maximum(values, 0)) @ vectors.T
    found: Floats = np.clip(fitted.x + moves, *limits(fitted.law))
    return found
