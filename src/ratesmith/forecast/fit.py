"""From runs to a law that forecasts: fit, and what the fitted law can be asked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from ratesmith._checks import finite
from ratesmith.forecast import doubt, guards
from ratesmith.forecast.laws import LAWS, LossLaw
from ratesmith.forecast.predicted import Candidates, Prediction
from ratesmith.forecast.solve import Fitted, fit_one, problem_of, thin
from ratesmith.forecast.trial import Trial, left_out, stretch, trial_of
from ratesmith.logs.curve import Curve, Floats, Ints, frozen, numbers_of
from ratesmith.logs.rates import checked, is_array, length_of, rates_of, stretched

SHOWN: Final = 200
"""Losses that a forecast gives where nobody says at which steps."""
FAR_ALPHA: Final = math.log(0.4)
"""Where log alpha is looked for when the horizon is far beyond the runs: there the power law levels off too early."""
Priors = Mapping[str, tuple[float, float]]
NO_PRIORS: Final[Priors] = MappingProxyType({})


def fit(
    curves: Curve | Iterable[Curve], *, law: str = "default", epochs: float | None = None, priors: Priors = NO_PRIORS
) -> Law:
    """Fit a law to one or more runs of one model, which differ in nothing but the rate and the length.

    `law`: "default" (the two-clock law), "tissue" or "multi-power". `epochs`: how often the longest run sees its data,
    where that is known. `priors`: what is expected of the law's shape parameters, (mean, sd) by name, where more is
    known than from other models: see the law's `shapes`. The same runs give the same law, always. Raises ValueError for
    no runs, unknown laws, and one name given twice.

    >>> rates = np.concatenate([np.full(800, 1e-3), np.linspace(1e-3, 0, 200)])
    >>> steps = np.arange(20, 1001, 20)
    >>> law = fit(Curve("a", rates, steps, 3 + 5 * steps**-0.5 + 200 * rates[steps - 1]))
    >>> law.grade
    'B'
    """
    if not isinstance(curves, Iterable | Curve):
        raise TypeError(f"Forecast: curves must be runs, got {type(curves).__name__}; give a Curve, or a list of them")
    runs = (curves,) if isinstance(curves, Curve) else tuple(curves)
    if not runs:
        raise ValueError("Forecast: at least one run is needed, got none; give a Curve")
    for run in runs:
        if not isinstance(run, Curve):
            raise TypeError(f"Forecast: a run must be a Curve, got {type(run).__name__}; make one, or read a log file")
    if law not in LAWS:
        raise ValueError(f"Forecast: law must be one of {', '.join(map(repr, LAWS))}, got {law!r}; choose one of them")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"Forecast: each run needs a name of its own, got {twice!r} twice; rename one")
    if epochs is not None and finite("Forecast", "epochs", epochs, least=0.0) <= 0:
        raise ValueError(f"Forecast: epochs must be above 0, got {epochs!r}; say how often the data is seen")
    names = [shape.name for shape in LAWS[law].shapes]
    for name, (mean, sd) in priors.items():
        finite("Forecast", f"the prior's mean of {name!r}", mean)
        if name not in names or finite("Forecast", f"the prior's sd of {name!r}", sd) <= 0:
            raise ValueError(
                f"Forecast: priors are (mean, sd above 0) of {', '.join(map(repr, names))}, got {name!r} with sd "
                f"{sd!r}; name one of them"
            )
    return Law(runs, law, epochs, priors)


def first_step(curve: Curve) -> int:
    """Return the step from which a run is fitted: the end of warm-up, thrice a short one, at least 4 % of the run."""
    return max(curve.warmup_steps, min(3 * curve.warmup_steps, 1000), int(0.04 * curve.steps[-1]))


@dataclass(frozen=True, eq=False, repr=False)
class Law:
    """A law fitted to runs: ask it what other schedules would give. `fit` makes it."""

    curves: tuple[Curve, ...]
    name: str
    epochs: float | None = None
    priors: Priors = field(default_factory=lambda: NO_PRIORS)
    fitted: Fitted = field(init=False)
    """The law's parameters and how sure they are."""

    def __post_init__(self) -> None:
        """Fit."""
        object.__setattr__(self, "fitted", self._fit(LAWS[self.name]))

    def _fit(self, law: LossLaw, far: bool = False) -> Fitted:
        given = self.priors if law is LAWS[self.name] else {}
        believed = [given.get(shape.name, (shape.mean, shape.sd)) for shape in law.shapes]
        means, sds = (np.array(values, dtype=np.float64) for values in zip(*believed, strict=True))
        if far:
            means[0] = min(means[0], FAR_ALPHA)
        return fit_one(problem_of(law, self.curves, self._since, means, sds))

    @cached_property
    def _since(self) -> tuple[int, ...]:
        return tuple(first_step(curve) for curve in self.curves)

    @cached_property
    def far(self) -> Fitted:
        """The same law with a lower alpha expected, for horizons beyond the runs."""
        return self._fit(LAWS[self.name], far=True)

    @cached_property
    def ensemble(self) -> Mapping[str, Fitted]:
        """All three laws fitted to the same runs, by name; the first is this one."""
        mine = self.fitted.law.name
        others = {law.name: law for law in LAWS.values() if law.name != mine}
        return {mine: self.fitted, **{name: self._fit(law) for name, law in others.items()}}

    @cached_property
    def misfit(self) -> float:
        """By how much of the loss it misses the runs that it was fitted to."""
        return guards.size_of(self.fitted.residuals)

    @cached_property
    def left_out(self) -> tuple[tuple[Law, Curve], ...]:
        """Runs, at most 4, each with the law fitted to all others, where that law can say anything."""
        return tuple(left_out(self))

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """How far each run is from its forecast by a law fitted to the others; empty for one run."""
        return tuple(trial_of(rest, curve) for rest, curve in self.left_out)

    @cached_property
    def stretch(self) -> float:
        """By how much the trials make the bands wider, at least 1."""
        return stretch(self.trials)

    @cached_property
    def rough(self) -> str:
        """The grade before the trials are looked at."""
        return guards.worst(guards.grade_of(self.curves, self._since, self.fitted.residuals), self._said)

    @cached_property
    def _said(self) -> list[guards.Said]:
        return guards.of_runs(self.curves, self._since, self.fitted.residuals, self.epochs)

    @cached_property
    def grade(self) -> str:
        """How far to trust its forecasts: A two or more different schedules, B one annealed run, C rough, D not."""
        return guards.tried(self.rough, self.trials) if self.rough != "D" else "D"

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What there is to say against it, in plain sentences."""
        said = [one.sentence for one in self._said]
        if self.rough != "D":
            said += [*guards.of_trials(self.trials), *guards.of_shapes(self.curves, self.unsure)]
        return tuple(said)

    @property
    def unsure(self) -> Mapping[str, float]:
        """The standard deviation of each shape parameter, as far as it counts."""
        names = [shape.name for shape in self.fitted.law.shapes]
        sds = doubt.counted(self) * np.sqrt(np.maximum(np.diag(self.fitted.covariance)[2:], 0))
        return dict(zip(names, sds.tolist(), strict=True))

    @property
    def warmup_steps(self) -> int:
        """The warm-up that all runs had, in steps; 0 without one."""
        return min(curve.warmup_steps for curve in self.curves)

    @property
    def longest(self) -> int:
        """The last step at which any run was measured."""
        return max(int(curve.steps[-1]) for curve in self.curves)

    def __repr__(self) -> str:
        """Return the law in one line."""
        return f"<Law {self.fitted.law.name}: {len(self.curves)} runs, grade {self.grade}>"

    def predict(
        self, schedule: Any, base_lr: float | None = None, steps: int | None = None, at: Sequence[int] | None = None
    ) -> Prediction:
        """Forecast the losses of one run under a schedule, at `at`, or at up to 200 steps from where
        the law was fitted to the last.

        `schedule`: notation, a strategy, a schedule, or an array of factors. `base_lr`: the rate that factors multiply;
        None is the largest rate seen. `steps`: how long; None is as long as the longest run seen. Raises CannotSay with
        grade D, and ValueError for what cannot be laid out.
        """
        base, length = self._base(base_lr), self._length(steps)
        return self.under(str(schedule) if not is_array(schedule) else "array", rates_of(schedule, base, length), at)

    def under(self, name: str, rates: Floats, at: Sequence[int] | None = None) -> Prediction:
        """Forecast the losses under absolute rates, one for each update: see predict."""
        grade, about = self.told_under([rates])
        begun = min(self._since)
        wanted = _wanted(at, len(rates), begun)
        if wanted[0] < begun:
            about.append(f"The law was fitted from step {begun:,} on: before it this means nothing.")
        seen = doubt.look(self, [(rates, wanted)])
        return Prediction(
            name,
            float(rates.max()),
            frozen(wanted),
            frozen(rates[wanted - 1]),
            frozen(seen.losses),
            frozen(seen.sd),
            grade,
            (*self.warnings, *about),
        )

    def compare(
        self,
        candidates: Mapping[str, Any] | Iterable[Any],
        base_lr: float | None = None,
        steps: int | None = None,
        baseline: str | None = None,
    ) -> Candidates:
        """Forecast several schedules and set each beside the baseline, which is the first where none is named.

        `candidates`: schedules by name, or notation, strategies and schedules, whose text is their name. See predict.
        """
        from ratesmith.forecast.compare import compare

        base, length = self._base(base_lr), self._length(steps)
        named = candidates if isinstance(candidates, Mapping) else {str(each): each for each in _several(candidates)}
        return compare(self, {str(k): rates_of(v, base, length) for k, v in named.items()}, baseline)

    def design(self, steps: int | None = None, base_lr: float | None = None, baseline: str = "linear") -> Candidates:
        """Search a family of usual schedules for the one that promises most, under all three laws.

        Plateaus with decays of 10 to 100 %, of three shapes, to three floors, cosines and linear decay, after the
        warm-up that the runs had: never a free optimum, which would exploit the law's errors. `baseline` is one of
        "linear" and "cosine". Each name is notation that can be run as it is.
        """
        from ratesmith.forecast.design import design

        return design(self, self._length(steps), self._base(base_lr), baseline)

    def extend(
        self, steps: int, schedule: Any = None, base_lr: float | None = None, at: Sequence[int] | None = None
    ) -> Prediction:
        """Forecast a longer run: under a schedule, or under that of the first run, stretched behind its warm-up."""
        length = length_of(steps, "Law.extend")
        if schedule is not None:
            return self.predict(schedule, base_lr, length, at)
        rates = stretched(self.curves[0], length)
        if base_lr is not None:
            rates = rates * (self._base(base_lr) / self.curves[0].peak)
        return self.under(f"{self.curves[0].name} stretched", checked(rates, "Law.extend"), at)

    def what_if_cooldown(
        self,
        now: int | None = None,
        lengths: Sequence[int | str] = ("5%", "10%", "20%", "40%"),
        *,
        shape: str | float = "linear",
        final: float = 0.0,
        run: str | None = None,
    ) -> Candidates:
        """Forecast what annealing from step `now` on would give, for several lengths of the decay.

        `now`: a step of the run `run`, or its last measurement; where no run is named, the least annealed one.
        `lengths`: steps, or shares of `now`. Each row stands beside as many further steps at the rate of `now`.
        """
        from ratesmith.forecast.compare import cooldowns

        return cooldowns(self, now, lengths, shape, final, run)

    def without(self, name: str) -> Law:
        """Return the law fitted to all runs but one."""
        return Law(tuple(one for one in self.curves if one.name != name), self.name, self.epochs, self.priors)

    def measured(self, curve: Curve) -> tuple[Ints, Floats]:
        """Return the steps and losses of one of the runs that the law is fitted to, thinned if there are very many."""
        return thin(curve, first_step(curve))

    def explain(self) -> str:
        """Say in plain sentences what was fitted, how well, and what to be careful about."""
        runs = ", ".join(f"{curve.name} ({int(curve.steps[-1]):,} steps)" for curve in self.curves)
        name, missed = self.fitted.law.name, f"{100 * self.misfit:.2f} % of the loss"
        them = "them" if len(self.curves) > 1 else "it"
        trials = ", ".join(
            f"{one.name} is missed by {100 * one.error:.1f} % ({one.ratio:.1f} deviations)" for one in self.trials
        )
        return "\n".join(
            [
                f"A law of how the loss follows the rate ({name}) was fitted to {runs}; it misses {them} by {missed}.",
                *([f"Forecast from the other runs alone, {trials}."] if trials else []),
                f"Grade {self.grade}: {guards.GRADES[self.grade]}.",
                *self.warnings,
            ]
        )

    def new_in(self, found: Candidates) -> list[str]:
        """Return the sentences of candidates that are not the law's own."""
        own = self.explain().splitlines()
        return [line for line in found.explain().splitlines() if line not in own]

    def to_dict(self) -> dict[str, Any]:
        """Return the law as plain data for JSON."""
        return {
            "law": self.fitted.law.name,
            "parameters": self.fitted.parameters,
            "reference_rate": self.fitted.reference,
            "runs": [
                {
                    "name": curve.name,
                    "steps": int(curve.steps[-1]),
                    "final": float(curve.losses[-1]),
                    "kind": curve.kind,
                }
                for curve in self.curves
            ],
            "misfit": self.misfit,
            "trials": [{"run": one.name, "error": one.error, "deviations": one.ratio} for one in self.trials],
            "grade": self.grade,
            "warnings": list(self.warnings),
        }

    def told_under(self, several: Sequence[Floats]) -> tuple[str, list[str]]:
        """Return the grade of forecasts under these rates, and what there is to say of them; or raise CannotSay."""
        said = [one for rates in several for one in guards.of_forecast(self.curves, self._since, rates)]
        grade = guards.worst(self.grade, said)
        if grade == "D":
            about = [one.sentence for one in said if one.best == "D"] or self.warnings
            why = " ".join(dict.fromkeys(about)) or "The loss of no run falls."
            raise guards.CannotSay(f"Forecast: cannot say. {why}")
        return grade, [one.sentence for one in said]

    def _base(self, base_lr: float | None) -> float:
        return max(curve.peak for curve in self.curves) if base_lr is None else base_lr

    def _length(self, steps: int | None) -> int:
        return max(curve.length for curve in self.curves) if steps is None else length_of(steps)


def _several(candidates: Iterable[Any]) -> list[Any]:
    if isinstance(candidates, str) or not isinstance(candidates, Iterable):
        got = "one text" if isinstance(candidates, str) else type(candidates).__name__
        raise TypeError(f"Forecast: candidates must be several, got {got}; give a list of notation, or a dict")
    return list(candidates)


def _wanted(at: Sequence[int] | None, length: int, begun: int) -> Ints:
    if at is None:
        first = min(max(1, length // SHOWN, begun), length)
        return np.unique(np.linspace(first, length, SHOWN).astype(np.int64))
    given = numbers_of("Forecast", "at", at)
    good = len(given) and (given == np.floor(given)).all() and given[0] >= 1 and given[-1] <= length
    if not (good and (np.diff(given) > 0).all()):
        raise ValueError(f"Forecast: at must be increasing whole steps from 1 to {length}; give such steps")
    return given.astype(np.int64)
