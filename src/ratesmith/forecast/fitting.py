"""Fitting: from runs to the parameters of a law, by a lattice and then a trust region, and how sure the answer is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from scipy.optimize import least_squares

from ratesmith.forecast.laws import LAWS, Law
from ratesmith.forecast.segments import Segments, segments_of
from ratesmith.logs.curve import Curve, Floats, Ints

EFFECTIVE_POINTS: Final = 25.0
"""For how many independent measurements a whole curve counts: what is left over is the law's misfit, not noise."""
HUBER: Final = 3e-3
"""Residuals of the log loss beyond this count linearly."""
SIGMA: Final = 2e-3
"""The residual of the log loss that is expected of a law that is nearly right."""
MOST_LOSSES: Final = 200
"""Losses of one curve that are looked at; more are averaged in equal shares."""
STARTS: Final = 2
"""The points of the lattice from which the trust region starts."""
NUDGE: Final = 1e-4
"""The step of the derivatives by differences; the parameters are all of order one."""
LONG_LOG_ALPHA: Final = math.log(0.4)
"""Where log alpha is looked for when the horizon is far beyond the runs: there the power law levels off too early."""
GivenPriors = Mapping[str, tuple[float, float]]
"""What a caller expects of shape parameters instead of the law's own priors: (mean, sd) by name."""
NO_PRIORS: Final[GivenPriors] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class FitProblem:
    """What is fitted: the runs as segments, the measured losses, and the weight of each.

    `losses` are shares of `scale`, the lowest of them, so that L0 lies between 0 and 1 whatever the unit of the loss;
    `weights` are 1 / sd of the log loss. Both have the shape (wanted,). `reference` is the rate that segments count in,
    `s_ref` the clock at the end of the longest run, at which progress is 1. `means` and `sds` are the priors'
    (priors,).
    """

    law: Law
    segments: Segments
    losses: Floats
    weights: Floats
    reference: float
    s_ref: float
    scale: float
    means: Floats
    sds: Floats


@dataclass(frozen=True, eq=False)
class FitResult:
    """A law with its parameters: `x` is (L0 / scale, log(A / scale), log alpha, log(B / A), the law's other priors)."""

    law: Law
    x: Floats
    covariance: Floats
    """Of x, as if the law were right: (parameters, parameters)."""
    reference: float
    """The rate of which rates are shares: the largest of any run."""
    s_ref: float
    scale: float
    cost: float
    residuals: tuple[Floats, ...]
    """Of the log loss, of each run."""

    def losses(self, segments: Segments, xs: Floats | None = None) -> Floats:
        """Return the losses at the wanted steps for rows of parameters, its own if none are given: (rows, wanted)."""
        rows = self.x[None, :] if xs is None else xs
        return losses_of(self.law, segments, rows, self.s_ref) * self.scale

    def segments(self, runs: Sequence[tuple[Floats, Ints]]) -> Segments:
        """Return the segments of runs of absolute rates, in this fit's reference rate."""
        return segments_of(runs, self.reference)

    @cached_property
    def misfit(self) -> float:
        """By how much of the loss the law misses the runs that it was fitted to: see `misfit_of`."""
        return misfit_of(self.residuals)

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by name, in the units of the loss and of steps."""
        names = [prior.name for prior in self.law.priors]
        l0, a = self.x[0] * self.scale, np.exp(self.x[1]) * self.scale
        values = {"L0": float(l0), "A": float(a), "B": float(a * np.exp(self.x[3]))}
        for name, value in zip(names, self.x[2:], strict=True):
            if name != "log B/A":
                values[name.removeprefix("log ")] = float(np.exp(value) if name.startswith("log ") else value)
        return values


@dataclass(frozen=True, eq=False)
class Fits:
    """What is fitted to one set of runs: a law, and, when they are first asked for, the others beside it."""

    curves: tuple[Curve, ...]
    law: Law
    priors: GivenPriors = field(default_factory=lambda: NO_PRIORS)
    main: FitResult = field(init=False)
    """The law's own fit."""

    def __post_init__(self) -> None:
        """Fit the law."""
        object.__setattr__(self, "main", self._fit(self.law))

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The step from which each run is fitted."""
        return tuple(first_step(curve) for curve in self.curves)

    @cached_property
    def long_horizon(self) -> FitResult:
        """The same law with a lower alpha expected, for horizons beyond the runs."""
        return self._fit(self.law, long_horizon=True)

    @cached_property
    def by_law(self) -> Mapping[str, FitResult]:
        """All three laws fitted to the same runs, by name; the first is the main one."""
        mine = self.law.name
        others = {law.name: law for law in LAWS.values() if law.name != mine}
        return {mine: self.main, **{name: self._fit(law) for name, law in others.items()}}

    @property
    def longest(self) -> int:
        """The last step at which any run was measured."""
        return max(int(curve.steps[-1]) for curve in self.curves)

    @cached_property
    def annealed(self) -> bool:
        """Whether any run shows what annealing gains."""
        return any(shows_annealing(curve) for curve in self.curves)

    def _fit(self, law: Law, long_horizon: bool = False) -> FitResult:
        given = self.priors if law is self.law else {}  # the caller's priors are those of the main law's parameters
        pairs = [given.get(prior.name, (prior.mean, prior.sd)) for prior in law.priors]
        means, sds = (np.array(values, dtype=np.float64) for values in zip(*pairs, strict=True))
        if long_horizon:
            means[0] = min(means[0], LONG_LOG_ALPHA)
        return fit_law(problem_of(law, self.curves, self.starts, means, sds))


def first_step(curve: Curve) -> int:
    """Return the step from which a run is fitted: the end of warm-up, thrice a short one, at least 4 % of the run."""
    return max(curve.warmup_steps, min(3 * curve.warmup_steps, 1000), int(0.04 * curve.steps[-1]))


def shows_annealing(curve: Curve) -> bool:
    """Whether the run was seen at less than half of its peak rate, after it."""
    measured = curve.rates[curve.steps - 1][curve.steps > curve.warmup_steps]
    return bool(len(measured) >= 3 and measured.min() < 0.5 * curve.peak)


def misfit_of(residuals: Sequence[Floats]) -> float:
    """Return by how much the law is off, as a share of the loss, beside the noise of the single measurements.

    The root mean square over tenths of each run, of the median residual there: noise and single wild losses cancel.
    """
    parts = [part for left in residuals for part in np.array_split(left, max(1, min(10, len(left) // 3)))]
    return float(np.sqrt(np.mean([np.median(part) ** 2 for part in parts])))


def losses_of(law: Law, segments: Segments, xs: Floats, s_ref: float) -> Floats:
    """Return the losses, as shares of the scale, for rows of parameters: (rows, wanted)."""
    progress, noise = law.columns(segments, xs[:, 2:], s_ref)
    a = np.exp(xs[:, 1, None])
    losses: Floats = xs[:, 0, None] + a * progress + a * np.exp(xs[:, 3, None]) * noise
    return losses


def downsample(curve: Curve, since: int) -> tuple[Ints, Floats]:
    """Return the steps after `since` and their losses, averaged in equal shares if there are very many."""
    kept = curve.steps >= since
    if np.count_nonzero(kept) < 4:  # hardly measured after its warm-up: all of it, and the grade says the rest
        kept = np.ones(len(curve.steps), dtype=bool)
    steps, losses = curve.steps[kept], curve.losses[kept]
    if len(steps) <= MOST_LOSSES:
        return steps, losses
    edges = np.linspace(0, len(steps), MOST_LOSSES + 1).astype(np.int64)
    counts = np.diff(edges)
    mean = np.add.reduceat(losses, edges[:-1]) / counts
    return steps[(edges[:-1] + edges[1:] - 1) // 2], mean


def problem_of(law: Law, curves: Sequence[Curve], starts: Sequence[int], means: Floats, sds: Floats) -> FitProblem:
    """Return what is fitted: the losses of each run from its step in `starts` on."""
    points = [downsample(curve, first) for curve, first in zip(curves, starts, strict=True)]
    reference = max(curve.peak for curve in curves)
    segments = segments_of([(curve.rates, steps) for curve, (steps, _) in zip(curves, points, strict=True)], reference)
    s_ref = max(float(curve.rates.sum()) for curve in curves) / reference
    losses = np.concatenate([values for _, values in points])
    # The law's errors go on for long stretches of a run: 200 losses of one curve tell no more than some 25 would.
    weights = np.concatenate(
        [np.full(len(v), np.sqrt(min(EFFECTIVE_POINTS, len(v)) / len(v))) / SIGMA for _, v in points]
    )
    scale = float(losses.min())
    return FitProblem(law, segments, losses / scale, weights, reference, s_ref, scale, means, sds)


def fit_law(problem: FitProblem) -> FitResult:
    """Fit one law: deterministic, and the best of a few starts."""
    results = [_refine(problem, start) for start in _lattice(problem)]
    best = min(results, key=lambda result: float(result.cost))
    model = losses_of(problem.law, problem.segments, best.x[None, :], problem.s_ref)[0]
    # Gauss and Newton's curvature, the priors' rows included, which keep it from being singular but for rounding.
    curvature = best.jac.T @ best.jac
    covariance = np.linalg.pinv(curvature, hermitian=True)
    left = np.log(problem.losses / np.maximum(model, 1e-9))
    residuals = tuple(left[problem.segments.row == row] for row in range(len(problem.segments.rates)))
    return FitResult(
        problem.law, best.x, covariance, problem.reference, problem.s_ref, problem.scale, float(best.cost), residuals
    )


def _lattice(problem: FitProblem) -> list[Floats]:
    """Return the best points of the lattice, L0 and A by non-negative least squares at each, all at once.

    The columns do not depend on B / A. So they are computed once for the other shape parameters, and each B / A only
    adds them up in another proportion.
    """
    priors = problem.law.priors
    inner = np.array(list(itertools.product(*(prior.lattice for prior in (priors[0], *priors[2:])))))
    rows = np.insert(inner, 1, 0.0, axis=1)  # (points, priors), with log B/A filled in below
    progress, noise = problem.law.columns(problem.segments, rows, problem.s_ref)
    weight = problem.weights / problem.losses  # relative residuals: nearly those of the log
    target = problem.weights
    starts: list[tuple[float, Floats]] = []
    ones = weight[None, :]
    for ratio in priors[1].lattice:
        column = (progress + np.exp(ratio) * noise) * weight
        level, slope = _two_columns(ones, column, target)
        cost = ((level * ones + slope * column - target) ** 2).sum(axis=1) * 0.5
        rows[:, 1] = ratio
        cost += 0.5 * (((rows - problem.means) / problem.sds) ** 2).sum(axis=1)
        best = int(np.argmin(cost))
        start = np.concatenate([[level[best, 0], np.log(max(slope[best, 0], 1e-5))], rows[best]])
        starts.append((float(cost[best]), start))
    starts.sort(key=lambda pair: pair[0])
    return [start for _, start in starts[:STARTS]]


def _two_columns(ones: Floats, column: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Return the non-negative least squares of two columns in closed form, for many rows at once: two of (rows, 1).

    `ones` is (1, wanted), `column` (rows, wanted), `target` (wanted,). Of two unknowns at most one is held at 0 at a
    time, so that the two cases below are all that there are.
    """
    aa, ab, bb = (ones**2).sum(1), (ones * column).sum(1), (column**2).sum(1)
    at, bt = (ones * target).sum(1), (column * target).sum(1)
    determinant = np.maximum(aa * bb - ab**2, 1e-12 * aa * bb)
    level, slope = (at * bb - bt * ab) / determinant, (bt * aa - at * ab) / determinant
    level, slope = np.where(slope < 0, at / aa, level), np.maximum(slope, 0)
    slope, level = np.where(level < 0, np.maximum(bt / bb, 0), slope), np.maximum(level, 0)
    return level[:, None], slope[:, None]


def limits(law: Law) -> tuple[Floats, Floats]:
    """Return the least and the largest value of each parameter of x."""
    low = np.array([0.0, -14.0, *(prior.low for prior in law.priors)])
    return low, np.array([1.0, 8.0, *(prior.high for prior in law.priors)])


def _refine(problem: FitProblem, start: Floats) -> Any:
    """Go to the bottom of the valley by SciPy's trust-region reflective method."""
    low, high = limits(problem.law)
    x0 = np.clip(start, low + 1e-6, high - 1e-6)  # the method starts strictly inside
    both = _Residuals(problem)
    return least_squares(
        both.values, x0, both.jacobian, bounds=(low, high), x_scale=both.typical(), ftol=1e-7, xtol=1e-6, max_nfev=60
    )


class _Residuals:
    """The residuals of one problem, Huber's loss made part of them, then those of the priors: (wanted + priors,)."""

    def __init__(self, problem: FitProblem) -> None:
        self._problem = problem
        self._logs = np.log(problem.losses)
        self._prior = np.diag(1 / problem.sds)

    def typical(self) -> Floats:
        """Return the size of a usual change of each parameter."""
        return np.concatenate([[0.1, 0.5], np.minimum(self._problem.sds, 1.5)])

    def values(self, x: Floats) -> Floats:
        """Return the residuals; half the sum of their squares is the cost."""
        model = losses_of(self._problem.law, self._problem.segments, x[None, :], self._problem.s_ref)[0]
        return np.concatenate([self._robust(model)[0], (x[2:] - self._problem.means) / self._problem.sds])

    def jacobian(self, x: Floats) -> Floats:
        """Return the derivatives, (wanted + priors, parameters): by differences in the shapes, else in closed form.

        L0, A and B / A enter the loss directly, so that their slopes follow from the columns. The others need columns
        at a nudged place: all of these go through the law in one batch, of x itself and one row for each of them.
        """
        problem = self._problem
        # Rows: x itself, then x with one of the priors after log B/A nudged (places 4, 5, ... of x), and last log alpha
        # (place 2). log B/A (place 3) needs none: len(x) - 2 priors, less one, plus x itself.
        rows = np.tile(x, (len(x) - 2, 1))
        places = np.arange(2, len(x))
        rows[places[2:] - 3, places[2:]] += NUDGE
        rows[-1, 2] += NUDGE
        progress, noise = problem.law.columns(problem.segments, rows[:, 2:], problem.s_ref)
        a, b = np.exp(x[1]), np.exp(x[1] + x[3])
        model = x[0] + a * progress + b * noise  # (rows, wanted)
        base = model[0]
        slopes = np.empty((len(base), len(x)))
        slopes[:, 0] = 1.0  # in L0
        slopes[:, 1] = base - x[0]  # in log A: A and B = A * (B / A) both grow with it
        slopes[:, 2] = (model[-1] - base) / NUDGE  # in log alpha
        slopes[:, 3] = b * noise[0]  # in log B/A
        slopes[:, 4:] = (model[1:-1] - base).T / NUDGE
        factor = self._robust(base)[1]
        data = slopes * (factor / base)[:, None]  # the residual is in the log of the model
        return np.vstack([data, np.hstack([np.zeros((len(problem.sds), 2)), self._prior])])

    def _robust(self, model: Floats) -> tuple[Floats, Floats]:
        """Return weighted residuals whose half square is Huber's loss, and their derivatives in the model's log."""
        raw = np.log(np.maximum(model, 1e-9)) - self._logs
        size = np.abs(raw)
        outlier = size > HUBER
        # Beyond HUBER the loss is HUBER * (size - HUBER / 2), half the square of this root. The floor only keeps the
        # root of residuals near 0 real, where `raw` is taken anyway.
        root = np.sqrt(np.maximum(HUBER * (2 * size - HUBER), HUBER**2 * 0.01))
        value = np.where(outlier, np.sign(raw) * root, raw)
        slope = np.where(outlier, HUBER / root, 1.0)
        return value * self._problem.weights, slope * self._problem.weights
