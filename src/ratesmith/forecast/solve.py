"""From runs to the parameters of a law: a lattice, then a trust region, then how sure the answer is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.optimize import least_squares

from ratesmith.forecast.blocks import Blocks, compress
from ratesmith.forecast.laws import LossLaw
from ratesmith.logs.curve import Curve, Floats, Ints

POINTS: Final = 25.0
"""For how many independent measurements a whole curve counts: what is left over is the law's misfit, not noise."""
HUBER: Final = 3e-3
"""Residuals of the log loss beyond this count linearly."""
SIGMA: Final = 2e-3
"""The residual of the log loss that is expected of a law that is nearly right."""
DENSEST: Final = 200
"""Losses of one curve that are looked at; more are averaged in equal shares."""
STARTS: Final = 2
"""The points of the lattice from which the trust region starts."""
NUDGE: Final = 1e-4
"""The step of the derivatives by differences; the parameters are all of order one."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What is fitted: the runs as blocks, the measured losses, and the weight of each."""

    law: LossLaw
    blocks: Blocks
    losses: Floats
    weights: Floats
    reference: float
    s_ref: float
    scale: float
    means: Floats
    sds: Floats


@dataclass(frozen=True, eq=False)
class Fitted:
    """A law with its parameters: `x` is (L0 / scale, log(A / scale), log alpha, log(B / A), the rest of the shapes)."""

    law: LossLaw
    x: Floats
    covariance: Floats
    reference: float
    s_ref: float
    scale: float
    cost: float
    residuals: tuple[Floats, ...]
    """Of the log loss, of each run."""

    def losses(self, blocks: Blocks, xs: Floats | None = None) -> Floats:
        """Return the losses at the wanted steps for rows of parameters: (rows, wanted)."""
        rows = self.x[None, :] if xs is None else xs
        return losses_of(self.law, blocks, rows, self.s_ref) * self.scale

    def blocks(self, runs: Sequence[tuple[Floats, Ints]]) -> Blocks:
        """Return the blocks of runs of absolute rates, in this law's reference rate."""
        return compress(runs, self.reference)

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by name."""
        names = [shape.name for shape in self.law.shapes]
        l0, a = self.x[0] * self.scale, np.exp(self.x[1]) * self.scale
        found = {"L0": float(l0), "A": float(a), "B": float(a * np.exp(self.x[3]))}
        for name, value in zip(names, self.x[2:], strict=True):
            if name != "log B/A":
                found[name.removeprefix("log ")] = float(np.exp(value) if name.startswith("log ") else value)
        return found


def losses_of(law: LossLaw, blocks: Blocks, xs: Floats, s_ref: float) -> Floats:
    """Return the losses, as shares of the scale, for rows of parameters."""
    progress, noise = law.columns(blocks, xs[:, 2:], s_ref)
    a = np.exp(xs[:, 1, None])
    found: Floats = xs[:, 0, None] + a * progress + a * np.exp(xs[:, 3, None]) * noise
    return found


def thin(curve: Curve, since: int) -> tuple[Ints, Floats]:
    """Return the steps after `since` and their losses, averaged in equal shares where there are very many."""
    kept = curve.steps >= since
    if np.count_nonzero(kept) < 4:
        kept = np.ones(len(curve.steps), dtype=bool)
    steps, losses = curve.steps[kept], curve.losses[kept]
    if len(steps) <= DENSEST:
        return steps, losses
    edges = np.linspace(0, len(steps), DENSEST + 1).astype(np.int64)
    counts = np.diff(edges)
    mean = np.add.reduceat(losses, edges[:-1]) / counts
    return steps[(edges[:-1] + edges[1:] - 1) // 2], mean


def problem_of(law: LossLaw, curves: Sequence[Curve], since: Sequence[int], means: Floats, sds: Floats) -> Problem:
    """Return what is fitted: the losses of each run from the step in `since` on."""
    thinned = [thin(curve, first) for curve, first in zip(curves, since, strict=True)]
    reference = max(curve.peak for curve in curves)
    blocks = compress([(curve.rates, steps) for curve, (steps, _) in zip(curves, thinned, strict=True)], reference)
    s_ref = max(float(curve.rates.sum()) for curve in curves) / reference
    losses = np.concatenate([values for _, values in thinned])
    weights = np.concatenate([np.full(len(v), np.sqrt(min(POINTS, len(v)) / len(v))) / SIGMA for _, v in thinned])
    scale = float(losses.min())
    return Problem(law, blocks, losses / scale, weights, reference, s_ref, scale, means, sds)


def fit_one(problem: Problem) -> Fitted:
    """Fit one law: deterministic, and the best of a few starts."""
    found = [_refine(problem, start) for start in _lattice(problem)]
    best = min(found, key=lambda result: float(result.cost))
    model = losses_of(problem.law, problem.blocks, best.x[None, :], problem.s_ref)[0]
    curvature = best.jac.T @ best.jac
    covariance = np.linalg.pinv(curvature, hermitian=True)
    left = np.log(problem.losses / np.maximum(model, 1e-9))
    residuals = tuple(left[problem.blocks.row == row] for row in range(len(problem.blocks.rates)))
    return Fitted(
        problem.law, best.x, covariance, problem.reference, problem.s_ref, problem.scale, float(best.cost), residuals
    )


def _lattice(problem: Problem) -> list[Floats]:
    """Return the best points of the lattice, L0 and A by non-negative least squares at each, all at once."""
    shapes = problem.law.shapes
    inner = np.array(list(itertools.product(*(shape.tried for shape in (shapes[0], *shapes[2:])))))
    full = np.insert(inner, 1, 0.0, axis=1)
    progress, noise = problem.law.columns(problem.blocks, full, problem.s_ref)
    weight = problem.weights / problem.losses  # relative residuals: nearly those of the log
    target = problem.weights
    found: list[tuple[float, Floats]] = []
    ones = weight[None, :]
    for ratio in shapes[1].tried:
        column = (progress + np.exp(ratio) * noise) * weight
        level, slope = _two(ones, column, target)
        misfit = ((level * ones + slope * column - target) ** 2).sum(axis=1) * 0.5
        full[:, 1] = ratio
        misfit += 0.5 * (((full - problem.means) / problem.sds) ** 2).sum(axis=1)
        best = int(np.argmin(misfit))
        start = np.concatenate([[level[best, 0], np.log(max(slope[best, 0], 1e-5))], full[best]])
        found.append((float(misfit[best]), start))
    found.sort(key=lambda pair: pair[0])
    return [start for _, start in found[:STARTS]]


def _two(ones: Floats, column: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Return the non-negative least squares of two columns in closed form, for many rows at once."""
    aa, ab, bb = (ones**2).sum(1), (ones * column).sum(1), (column**2).sum(1)
    at, bt = (ones * target).sum(1), (column * target).sum(1)
    determinant = np.maximum(aa * bb - ab**2, 1e-12 * aa * bb)
    level, slope = (at * bb - bt * ab) / determinant, (bt * aa - at * ab) / determinant
    level, slope = np.where(slope < 0, at / aa, level), np.maximum(slope, 0)
    slope, level = np.where(level < 0, np.maximum(bt / bb, 0), slope), np.maximum(level, 0)
    return level[:, None], slope[:, None]


def limits(law: LossLaw) -> tuple[Floats, Floats]:
    """Return the least and the largest value of each parameter."""
    low = np.array([0.0, -14.0, *(shape.low for shape in law.shapes)])
    return low, np.array([1.0, 8.0, *(shape.high for shape in law.shapes)])


def _refine(problem: Problem, start: Floats) -> Any:
    """Go to the bottom of the valley by SciPy's trust-region reflective method."""
    low, high = limits(problem.law)
    x0 = np.clip(start, low + 1e-6, high - 1e-6)
    both = _Residuals(problem)
    return least_squares(
        both.values, x0, both.jacobian, bounds=(low, high), x_scale=both.typical(), ftol=1e-7, xtol=1e-6, max_nfev=60
    )


class _Residuals:
    """The residuals of one problem, Huber's loss made part of them, and then those of the priors."""

    def __init__(self, problem: Problem) -> None:
        self._of = problem
        self._logs = np.log(problem.losses)
        self._prior = np.diag(1 / problem.sds)

    def typical(self) -> Floats:
        """Return the size of a usual change of each parameter."""
        return np.concatenate([[0.1, 0.5], np.minimum(self._of.sds, 1.5)])

    def values(self, x: Floats) -> Floats:
        """Return the residuals; half the sum of their squares is the cost."""
        model = losses_of(self._of.law, self._of.blocks, x[None, :], self._of.s_ref)[0]
        return np.concatenate([self._robust(model)[0], (x[2:] - self._of.means) / self._of.sds])

    def jacobian(self, x: Floats) -> Floats:
        """Return the derivatives: by differences in the shapes, in closed form in the rest, all in one batch."""
        problem = self._of
        rows = np.tile(x, (len(x) - 2, 1))
        places = np.arange(2, len(x))
        rows[places[2:] - 3, places[2:]] += NUDGE
        rows[-1, 2] += NUDGE
        progress, noise = problem.law.columns(problem.blocks, rows[:, 2:], problem.s_ref)
        a, b = np.exp(x[1]), np.exp(x[1] + x[3])
        model = x[0] + a * progress + b * noise
        base = model[0]
        slopes = np.empty((len(base), len(x)))
        slopes[:, 0] = 1.0
        slopes[:, 1] = base - x[0]
        slopes[:, 2] = (model[-1] - base) / NUDGE
        slopes[:, 3] = b * noise[0]
        slopes[:, 4:] = (model[1:-1] - base).T / NUDGE
        factor = self._robust(base)[1]
        data = slopes * (factor / base)[:, None]
        return np.vstack([data, np.hstack([np.zeros((len(problem.sds), 2)), self._prior])])

    def _robust(self, model: Floats) -> tuple[Floats, Floats]:
        """Return weighted residuals whose half square is Huber's loss, and their derivatives in the model's log."""
        raw = np.log(np.maximum(model, 1e-9)) - self._logs
        size = np.abs(raw)
        far = size > HUBER
        root = np.sqrt(np.maximum(HUBER * (2 * size - HUBER), HUBER**2 * 0.01))
        value = np.where(far, np.sign(raw) * root, raw)
        slope = np.where(far, HUBER / root, 1.0)
        return value * self._of.weights, slope * self._of.weights
