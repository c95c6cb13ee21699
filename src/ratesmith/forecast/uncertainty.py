"""Uncertainty: forecast losses with their deviations, from the fit's own doubt and from how laws were wrong elsewhere.

The doubt of the parameters alone is far too small, since a wrong law can be fitted closely. So three things add up:
that doubt; an error of the law itself, which grows with its misfit and with the distance from the runs and was measured
on public curves; and an inflation factor, from how each run is forecast by a fit to the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import stdtr

from ratesmith.forecast.fitting import NUDGE, FitResult, Fits, downsample, first_step, limits
from ratesmith.forecast.segments import Segments
from ratesmith.logs.curve import Curve, Floats, Ints

ANNEALED_WEIGHT: Final = 0.25
"""How much of the parameters' doubt counts; the priors and the few effective points make it too large."""
UNANNEALED_WEIGHT: Final = 0.5
"""The same if no annealing was seen: with less the 80 % band held only half of the ends forecast at half a run."""
EXACT_MISFIT: Final = 0.0002
"""The misfit, as a share of the loss, up to which the parameters' doubt counts as it is; beyond, in proportion.

Few public curves are fitted more closely. The misfit is that of `fitting.misfit_of`, and may be noise in part.
"""
FLOOR: Final = 0.0004
"""By how much of the loss even a law that fits exactly is off at a schedule that it has not seen."""
PER_MISFIT: Final = 1.8
"""How many times its misfit the law is off at a schedule that it has not seen."""
PER_DOUBLING: Final = 0.0025
"""What each doubling of the horizon beyond the runs adds, as a share of the loss: the laws saturate too early."""
PER_PEAK_DOUBLING: Final = 0.01
"""What each factor of 2 outside the peak rates seen adds, as a share of the loss."""
FACTORS: Final[Mapping[int, float]] = MappingProxyType({50: 0.74, 80: 1.53, 95: 2.78})
"""Half the width of each band, in standard deviations, as measured on families of public curves.

They are the quantiles of the t distribution that come nearest to those of |error| / sd over the forecasts of final
losses there, each kind of forecast counted alike. benchmarks/forecast prints both, and measures the coverage on the
curves of laboratories left out.
"""
LEVELS: Final = tuple(FACTORS)
DEGREES_OF_FREEDOM: Final = 4
"""Of the t distribution whose quantiles are these factors: its tails are as heavy as those of the errors."""
DRAWS: Final = 48
"""Samples of the law's own parameters."""
MOST_HOLDOUTS: Final = 4
"""Runs that are left out in turn: each costs a fit."""
USUAL_RATIO: Final = 1.5
"""How many standard deviations a holdout is off on public curves, as a root mean square: tails are heavy."""

Bands = Mapping[int, tuple[Floats, Floats]]


@dataclass(frozen=True, eq=False)
class LossForecasts:
    """Forecasts of several schedules at once, at their wanted steps one after the other."""

    losses: Floats
    """(wanted,)"""
    slopes: Floats
    """The losses' derivatives in the parameters: (wanted, parameters)."""
    sd: Floats
    """The standard deviations of the losses: (wanted,)."""


@dataclass(frozen=True)
class Holdout:
    """One run, forecast by a fit to the others: the one error of a forecast that the runs themselves can show."""

    name: str
    error: float
    """The root mean square over the run of the forecast's error, as a share of the loss."""
    ratio: float
    """The same in standard deviations of that forecast."""


# What is forecast, and how sure that is ------------------------------------------------------------------------------


def forecast_losses(fits: Fits, runs: Sequence[tuple[Floats, Ints]], inflation: float = 1.0) -> LossForecasts:
    """Return the losses of several schedules, as pairs of absolute rates and wanted steps, and their deviations.

    Over one doubling of the horizon beyond the longest run the losses go over to the fit for long horizons.
    """
    segments = fits.main.segments(runs)
    losses, slopes = sensitivities(fits.main, segments)
    steps = np.concatenate([wanted for _, wanted in runs])
    doublings = np.maximum(0.0, np.log2(steps / fits.longest))
    if doublings.any():  # the second fit is made only if it is needed
        losses = losses + (fits.long_horizon.losses(segments)[0] - losses) * np.minimum(1.0, doublings)
    outside = np.concatenate([np.full(len(wanted), peak_doublings(fits.curves, rates)) for rates, wanted in runs])
    law_error = law_error_sd(fits.main.misfit, doublings, outside)
    sd: Floats = inflation * loss_sd(parameter_sd(fits, slopes), losses, law_error)
    return LossForecasts(losses, slopes, sd)


def sensitivities(fit: FitResult, segments: Segments) -> tuple[Floats, Floats]:
    """Return the losses, (wanted,), and their derivatives in the parameters by differences, (wanted, parameters)."""
    rows = np.vstack([fit.x, fit.x + NUDGE * np.eye(len(fit.x))])
    losses = fit.losses(segments, rows)
    return losses[0], (losses[1:] - losses[0]).T / NUDGE


def parameter_weight(fits: Fits) -> float:
    """Return how much of the doubt of these fits' parameters counts."""
    return weight_of(fits.annealed, fits.main.misfit)


def parameter_sd(fits: Fits, slopes: Floats) -> Floats:
    """Return the parameters' doubt of what changes with them by rows of `slopes`, as far as it counts: (rows,).

    By first-order propagation: the variance of a row s is `s C s` with C the covariance of the parameters.
    """
    # Rounding may leave a difference of a schedule to itself a little below 0.
    variance = np.einsum("ij,jk,ik->i", slopes, fits.main.covariance, slopes)
    sd: Floats = parameter_weight(fits) * np.sqrt(np.maximum(variance, 0))
    return sd


def peak_doublings(curves: Sequence[Curve], rates: Floats) -> float:
    """Return how many factors of 2 the peak of these rates lies outside the peaks of the runs."""
    peaks, peak = [curve.peak for curve in curves], float(rates.max())
    return max(0.0, math.log2(peak / max(peaks)), math.log2(min(peaks) / peak))


def ranking_scores(fits: Fits, inflation: float, segments: Segments, base: Sequence[int] | Ints) -> Floats:
    """Return what forecasts are ranked by: each one's difference to that at its place in `base`, lower is better.

    It is the mean over all three laws plus half of the standard deviation over them. They count alike: the samples of
    the law's own parameters together as much as each of the others. One law's optimum exploits that law's errors.
    """
    differences, weights = [], []
    for name, fit in fits.by_law.items():
        rows = parameter_samples(fits, inflation) if name == fits.main.law.name else fit.x[None, :]
        losses = fit.losses(segments, rows)
        differences.append(losses - losses[:, base])
        weights += [1 / len(rows)] * len(rows)
    # (samples of all laws, wanted), and the share of each sample: (samples, 1)
    views, share = np.vstack(differences), np.array(weights)[:, None] / len(differences)
    mean = (share * views).sum(axis=0)
    scores: Floats = mean + 0.5 * np.sqrt((share * (views - mean) ** 2).sum(axis=0))
    return scores


def parameter_samples(fits: Fits, inflation: float) -> Floats:
    """Return samples of the parameters, always the same, as wide as their doubt counts for, within bounds: (draws, x).

    They come in pairs, to both sides of the fit alike, so that their mean is the fit itself but for what the bounds
    cut.
    """
    fit = fits.main
    values, vectors = np.linalg.eigh(fit.covariance)
    normal = np.random.default_rng(0).standard_normal((DRAWS // 2, len(fit.x)))
    width = parameter_weight(fits) * inflation
    # Rounding may leave the covariance eigenvalues a little below 0.
    moves = width * np.vstack([normal, -normal]) * np.sqrt(np.maximum(values, 0)) @ vectors.T
    samples: Floats = np.clip(fit.x + moves, *limits(fit.law))
    return samples


# The standard deviation of a forecast, and its parts -----------------------------------------------------------------


def weight_of(annealed: bool, misfit: float) -> float:
    """Return how much of the parameters' doubt counts: in proportion to the misfit if that is above 0.0002.

    If no annealing was seen that doubt is nearly the priors', and counts twice at the most.

    >>> weight_of(True, 0.0001), round(weight_of(True, 0.002), 6), weight_of(False, 0.002)
    (0.25, 2.5, 2.0)
    """
    times = max(1.0, misfit / EXACT_MISFIT)
    return ANNEALED_WEIGHT * times if annealed else min(2.0, UNANNEALED_WEIGHT * times)


def law_error_sd(misfit: float, doublings: Floats | float, peak_doublings: Floats | float) -> Floats:
    """Return by how much a law itself is off, as a share of the loss, however sure its parameters are.

    `misfit` is by how much of the loss the law misses the runs that it was fitted to; `doublings` how far the horizon
    is beyond the runs, and `peak_doublings` how far the peak rate is outside those seen, both in factors of 2. Formula:
    `sqrt(0.0004^2 + (1.8 misfit)^2 + (0.0025 doublings)^2 + (0.01 peak_doublings)^2)`.

    >>> law_error_sd(0.001, 0.0, 0.0).round(5).tolist()
    0.00184
    """
    further = PER_DOUBLING * np.asarray(doublings), PER_PEAK_DOUBLING * np.asarray(peak_doublings)
    parts = (np.asarray(part) for part in (PER_MISFIT * misfit, *further))
    sd: Floats = np.sqrt(FLOOR**2 + sum(part**2 for part in parts))
    return sd


def loss_sd(of_parameters: Floats, losses: Floats, law_error: Floats | float) -> Floats:
    """Return the standard deviation of forecast losses: `sqrt(of_parameters^2 + (law_error * losses)^2)`.

    `of_parameters` is the doubt of the parameters as far as it counts, `law_error` that of `law_error_sd`.
    """
    sd: Floats = np.sqrt(of_parameters**2 + (law_error * losses) ** 2)
    return sd


def difference_sd(of_parameters: float, loss: float, law_error: float, unlike: float) -> float:
    """Return the standard deviation of the difference between two forecasts of final losses.

    `of_parameters` is the parameters' doubt of the difference, `unlike` from 0 to 1 that of `unlikeness`. What is wrong
    with both alike cancels: nothing is left for a schedule beside itself.
    """
    return float(np.hypot(of_parameters, np.sqrt(2) * unlike * law_error * loss))


def misfit_factor(misfit: float) -> float:
    """Return how many times wider differences are if the law misses its runs by more than it misses public curves.

    In proportion to the misfit beyond 0.1 %, twice at the most: on the one training of that kind, bands without it held
    19, 57 and 84 % of the differences instead of 50, 80 and 95 %.

    >>> misfit_factor(0.0005), misfit_factor(0.0015), misfit_factor(0.004)
    (1.0, 1.5, 2.0)
    """
    return min(2.0, max(1.0, misfit / 0.001))


def unlikeness(first: Floats, second: Floats) -> float:
    """Return how unlike two schedules are, from 0 for the same to 1: 6 times the root mean square, at most 1.

    Both hold the rate, as a share of the largest seen, at the same shares of their steps.
    """
    return float(min(1.0, 6 * np.sqrt(np.mean((first - second) ** 2))))


# Bands ---------------------------------------------------------------------------------------------------------------


def loss_bands(losses: Floats, sd: Floats) -> dict[int, tuple[Floats, Floats]]:
    """Return the bands of losses, which end at 0."""
    return {level: (np.maximum(low, 0.0), high) for level, (low, high) in bands(losses, sd).items()}


def bands(centre: Floats, sd: Floats) -> dict[int, tuple[Floats, Floats]]:
    """Return the low and the high end of each band, by its level in percent."""
    return {level: (centre - factor * sd, centre + factor * sd) for level, factor in FACTORS.items()}


def level_of(errors: Floats, sd: Floats) -> Floats:
    """Return the level, as a share, of the band that just holds each error: evenly spread if bands are right.

    >>> np.round(level_of(np.array([0.0, -1.53, 2.78]), np.ones(3)), 2).tolist()
    [0.0, 0.8, 0.95]
    """
    levels: Floats = 2 * stdtr(DEGREES_OF_FREEDOM, np.abs(errors) / sd) - 1
    return levels


def chance_below(difference: float, sd: float) -> float:
    """Return the probability that the true difference is below 0."""
    if sd <= 0:
        return 0.5 if difference == 0 else float(difference < 0)
    return float(stdtr(DEGREES_OF_FREEDOM, -difference / sd))


# Holdouts ------------------------------------------------------------------------------------------------------------


def holdout_of(others: Fits, curve: Curve) -> Holdout:
    """Return how far a run is from its forecast by a fit to the others."""
    steps, losses = downsample(curve, first_step(curve))
    # Without inflation: that of the others' own holdouts would hide what is measured here.
    forecast = forecast_losses(others, [(curve.rates, steps)])
    errors = losses - forecast.losses
    error, ratio = (float(np.sqrt(np.mean((errors / unit) ** 2))) for unit in (forecast.losses, forecast.sd))
    return Holdout(curve.name, error, ratio)


def inflation_of(holdouts: Sequence[Holdout]) -> float:
    """Return the inflation factor: by how much the bands must be wider for what the holdouts were off, at least 1.

    Formula: `sqrt((1 + sum of (ratio / 1.5)^2) / (1 + holdouts))`: what is usual counts as one holdout more.

    >>> inflation_of([]), inflation_of([Holdout("a", 0.001, 0.5)]), round(inflation_of([Holdout("a", 0.02, 6.0)]), 2)
    (1.0, 1.0, 2.92)
    """
    squares = 1 + sum((holdout.ratio / USUAL_RATIO) ** 2 for holdout in holdouts)
    return float(max(1.0, np.sqrt(squares / (1 + len(holdouts)))))
