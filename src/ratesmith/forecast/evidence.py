"""Evidence: what runs and the laws fitted to them say of themselves, and so how far to trust a forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ratesmith.forecast import diagnostics
from ratesmith.forecast.diagnostics import Diagnostic
from ratesmith.forecast.fitting import FitResult, Fits, downsample, first_step
from ratesmith.forecast.uncertainty import MOST_HOLDOUTS, Holdout, holdout_of, inflation_of, parameter_weight
from ratesmith.logs.curve import Curve, Floats, Ints


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """Runs with the laws fitted to them: their misfit, their holdouts, their grade.

    Everything that costs a fit is made when it is first asked for, and kept.
    """

    fits: Fits
    epochs: float | None = None

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The runs that it was fitted to."""
        return self.fits.curves

    @property
    def fit_result(self) -> FitResult:
        """The law's parameters and how sure they are."""
        return self.fits.main

    @property
    def misfit(self) -> float:
        """By how much of the loss the law misses the runs that it was fitted to."""
        return self.fits.main.misfit

    @cached_property
    def left_out(self) -> tuple[tuple[Self, Curve], ...]:
        """Runs, at most 4, each with the same fitted to all others, if that can say anything of it."""
        # Every second, third ... run if there are more: each holdout is a fit of its own.
        every = -(-len(self.curves) // MOST_HOLDOUTS)
        runs = self.curves[::every] if len(self.curves) > 1 else ()
        pairs = [(self.without(run.name), run) for run in runs]
        return tuple((rest, run) for rest, run in pairs if rest.provisional_grade != "D" and len(rest.measured(run)[0]))

    @cached_property
    def holdouts(self) -> tuple[Holdout, ...]:
        """How far each run is from its forecast by a fit to the others; empty for one run."""
        return tuple(holdout_of(rest.fits, run) for rest, run in self.left_out)

    @cached_property
    def inflation(self) -> float:
        """By how much the holdouts make the bands wider, at least 1."""
        return inflation_of(self.holdouts)

    @cached_property
    def provisional_grade(self) -> str:
        """The grade before the holdouts are looked at, which need those of other fits."""
        grade = diagnostics.grade_of(self.curves, self.fits.starts, self.fits.main.residuals)
        return diagnostics.worst_grade(grade, self._of_runs)

    @cached_property
    def grade(self) -> str:
        """How far to trust its forecasts: A two or more different schedules, B one annealed run, C a guess, D not."""
        grade = self.provisional_grade
        return diagnostics.grade_after_holdouts(grade, self.holdouts) if grade != "D" else "D"

    @cached_property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What there is to say against it, in plain sentences with their codes."""
        if self.provisional_grade == "D":
            return tuple(self._of_runs)
        of_holdouts = diagnostics.of_holdouts(self.holdouts)
        return (*self._of_runs, *of_holdouts, *diagnostics.of_parameters(self.curves, self.parameter_sds))

    @cached_property
    def _of_runs(self) -> list[Diagnostic]:
        return diagnostics.of_runs(self.curves, self.fits.starts, self.fits.main.residuals, self.epochs)

    @property
    def parameter_sds(self) -> Mapping[str, float]:
        """The standard deviation of each shape parameter, as far as it counts."""
        names = [prior.name for prior in self.fits.law.priors]
        # The first two of x are L0 and log A, which every run shows.
        sds = parameter_weight(self.fits) * np.sqrt(np.maximum(np.diag(self.fits.main.covariance)[2:], 0))
        return dict(zip(names, sds.tolist(), strict=True))

    @property
    def warmup_steps(self) -> int:
        """The warm-up that all runs had, in steps; 0 without one."""
        return min(curve.warmup_steps for curve in self.curves)

    @property
    def longest(self) -> int:
        """The last step at which any run was measured."""
        return self.fits.longest

    def without(self, name: str) -> Self:
        """Return the same fitted to all runs but one."""
        runs = tuple(curve for curve in self.curves if curve.name != name)
        return type(self)(Fits(runs, self.fits.law, self.fits.priors), self.epochs)

    def measured(self, curve: Curve) -> tuple[Ints, Floats]:
        """Return the steps and losses of one of the runs that are fitted, averaged if there are very many."""
        return downsample(curve, first_step(curve))

    def assess(self, several: Sequence[Floats]) -> tuple[str, list[Diagnostic]]:
        """Return the grade of forecasts under these rates, and what there is to say of them; or raise CannotSay."""
        of_forecasts = [
            diagnostic
            for rates in several
            for diagnostic in diagnostics.of_forecast(self.curves, self.fits.starts, rates)
        ]
        grade = diagnostics.worst_grade(self.grade, of_forecasts)
        if grade == "D":
            raise diagnostics.cannot_say(of_forecasts, self.diagnostics)
        return grade, of_forecasts
