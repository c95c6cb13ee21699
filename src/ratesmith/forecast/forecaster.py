"""Forecaster: laws fitted to runs, and what they can be asked; `fit` makes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ratesmith._checks import Option, OptionTypeError, OptionValueError, finite, options_of
from ratesmith.forecast import diagnostics
from ratesmith.forecast.compare import Pair, cooldown_pairs, pairs_of, rows_of
from ratesmith.forecast.design import habits, most_promising
from ratesmith.forecast.evidence import Evidence
from ratesmith.forecast.fitting import NO_PRIORS, Fits, GivenPriors
from ratesmith.forecast.laws import LAWS
from ratesmith.forecast.results import Candidates, Prediction, Row
from ratesmith.forecast.uncertainty import forecast_losses
from ratesmith.logs.curve import Curve, Floats, Ints, frozen, numbers_of
from ratesmith.logs.rates_per_update import checked, is_array, length_of, rates_of, stretched

LOSSES_GIVEN: Final = 200
"""Losses that a forecast gives if nobody says at which steps."""


def fit(
    curves: Curve | Iterable[Curve],
    *,
    law: str = "default",
    epochs: float | None = None,
    priors: GivenPriors = NO_PRIORS,
) -> Forecaster:
    """Fit a law to one or more runs of one model, which differ in nothing but the rate and the length.

    `law`: "default" (the two-clock law), "tissue" or "multi-power". `epochs`: how often the longest run sees its data,
    if that is known. `priors`: what is expected of the law's shape parameters, (mean, sd) by name, if more is known
    than from other models: see the law's `priors`. The same runs give the same forecaster, always. Raises ValueError
    for no runs, unknown laws, and a name given twice.

    >>> rates = np.concatenate([np.full(800, 1e-3), np.linspace(1e-3, 0, 200)])
    >>> steps = np.arange(20, 1001, 20)
    >>> forecaster = fit(Curve("a", rates, steps, 3 + 5 * steps**-0.5 + 200 * rates[steps - 1]))
    >>> forecaster.grade
    'B'
    """
    runs = _checked_runs(curves)
    if law not in LAWS:
        must = f" must be one of {', '.join(map(repr, LAWS))}, got {law!r}; choose one of them"
        raise OptionValueError("Forecast: ", Option("law"), must)
    if epochs is not None and finite("Forecast", "epochs", epochs, least=0.0) <= 0:
        must = f" must be above 0, got {epochs!r}; say how often the data is seen"
        raise OptionValueError("Forecast: ", Option("epochs"), must)
    names = [prior.name for prior in LAWS[law].priors]
    for name, (mean, sd) in priors.items():
        finite("Forecast", f"the prior's mean of {name!r}", mean)
        if name not in names or finite("Forecast", f"the prior's sd of {name!r}", sd) <= 0:
            got = f"got {name!r} with sd {sd!r}"
            must = f" are (mean, sd above 0) of {', '.join(map(repr, names))}, {got}; name one of them"
            raise OptionValueError("Forecast: ", Option("priors"), must)
    return Forecaster(Fits(runs, LAWS[law], priors), epochs)


def _checked_runs(curves: Curve | Iterable[Curve]) -> tuple[Curve, ...]:
    if not isinstance(curves, Iterable | Curve):
        must = f" must be runs, got {type(curves).__name__}; give a Curve, or a list of them"
        raise OptionTypeError("Forecast: ", Option("curves"), must)
    runs = (curves,) if isinstance(curves, Curve) else tuple(curves)
    if not runs:
        raise OptionValueError("Forecast: at least one run is needed, got none; give a Curve")
    for run in runs:
        if not isinstance(run, Curve):
            must = f"a run must be a Curve, got {type(run).__name__}; make one, or read a log file"
            raise OptionTypeError(f"Forecast: {must}")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise OptionValueError(f"Forecast: each run needs a name of its own, got {twice!r} twice; rename one")
    return runs


@dataclass(frozen=True, eq=False, repr=False)
class Forecaster(Evidence):
    """Laws fitted to runs: ask it what other schedules would give. `fit` makes it."""

    def __repr__(self) -> str:
        """Return the forecaster in one line."""
        return f"<Forecaster {self.fits.law.name}: {len(self.curves)} runs, grade {self.grade}>"

    def predict(
        self, schedule: Any, base_lr: float | None = None, steps: int | None = None, at: Sequence[int] | None = None
    ) -> Prediction:
        """Forecast the losses of one run under a schedule.

        `schedule`: notation, a strategy, a schedule, or an array of factors. `base_lr`: the rate that factors multiply;
        None is the largest rate seen. `steps`: how long; None is as long as the longest run seen. `at`: the steps at
        which to have a loss; None is up to 200, from where the law was fitted to the last. Raises CannotSay with grade
        D, and ValueError for what cannot be laid out.
        """
        base, length = self._base(base_lr), self._length(steps)
        return self.under(str(schedule) if not is_array(schedule) else "array", rates_of(schedule, base, length), at)

    def under(self, name: str, rates: Floats, at: Sequence[int] | None = None) -> Prediction:
        """Forecast the losses under absolute rates, one for each update: see predict."""
        grade, about = self.assess([rates])
        first = min(self.fits.starts)
        wanted = _wanted(at, len(rates), first)
        if wanted[0] < first:
            about.append(diagnostics.before_fit(first))
        forecast = forecast_losses(self.fits, [(rates, wanted)], self.inflation)
        return Prediction(
            name,
            float(rates.max()),
            frozen(wanted),
            frozen(rates[wanted - 1]),
            frozen(forecast.losses),
            frozen(forecast.sd),
            grade,
            (*self.diagnostics, *about),
        )

    def compare(
        self,
        candidates: Mapping[str, Any] | Iterable[Any],
        base_lr: float | None = None,
        steps: int | None = None,
        baseline: str | None = None,
    ) -> Candidates:
        """Forecast several schedules and set each beside the baseline, which is the first if none is named.

        `candidates`: schedules by name, or notation, strategies and schedules, whose text is their name. See predict.
        """
        base, length = self._base(base_lr), self._length(steps)
        named = candidates if isinstance(candidates, Mapping) else {str(each): each for each in _several(candidates)}
        rates = {str(name): rates_of(schedule, base, length) for name, schedule in named.items()}
        return self._ranked(*pairs_of(rates, baseline))

    def design(self, steps: int | None = None, base_lr: float | None = None, baseline: str = "linear") -> Candidates:
        """Search a family of usual schedules for the one that promises most, under all three laws.

        Plateaus with decays of 10 to 100 %, of three shapes, to three floors, cosines and linear decay, after the
        warm-up that the runs had: never a free optimum, which would exploit the law's errors. `baseline` is one of
        "linear" and "cosine". Each name is notation that can be run as it is.
        """
        length, base_rate = self._length(steps), self._base(base_lr)
        # Refuse before 107 schedules are laid out: all of them have this peak and this length.
        self.assess([np.full(length, base_rate)])
        fits = self.fits, self.inflation
        texts, base = most_promising(*fits, self.warmup_steps, length, base_rate, baseline)
        rates = {text: rates_of(text, base_rate, length) for text in texts}
        return self._ranked([Pair(text, rates[text], rates[base]) for text in texts], base)

    def habits(self, steps: int | None = None) -> list[str]:
        """Return what people run without asking, as notation, behind the warm-up that the runs had."""
        return habits(self.warmup_steps, self._length(steps))

    def extend(
        self, steps: int, schedule: Any = None, base_lr: float | None = None, at: Sequence[int] | None = None
    ) -> Prediction:
        """Forecast a longer run: under a schedule, or under that of the first run, stretched behind its warm-up."""
        with options_of("Forecaster.extend"):
            length = length_of(steps)
        if schedule is not None:
            return self.predict(schedule, base_lr, length, at)
        rates = stretched(self.curves[0], length)  # at the run's own peak
        if base_lr is not None:
            rates = rates * (self._base(base_lr) / self.curves[0].peak)
        with options_of("Forecaster.extend"):
            rates = checked(rates)
        return self.under(f"{self.curves[0].name} stretched", rates, at)

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

        `now`: a step of the run `run`, or its last measurement; if no run is named, of the least annealed one.
        `lengths`: steps, or shares of `now`. Each row stands beside as many further steps at the rate of `now`.
        """
        pairs = cooldown_pairs(self._run(run), now, lengths, shape, final)
        return self._ranked(pairs, "keeping the rate for as many steps")

    def rows(self, pairs: Sequence[Pair]) -> list[Row]:
        """Return a row for each pair of absolute rates, in their order: see compare."""
        predictions = [self.under(pair.name, pair.rates) for pair in pairs]
        return rows_of(self.fits, self.inflation, pairs, predictions)

    def explain(self) -> str:
        """Say in plain sentences what was fitted, how well, and what to be careful about."""
        runs = ", ".join(f"{curve.name} ({int(curve.steps[-1]):,} steps)" for curve in self.curves)
        name, missed = self.fits.law.name, f"{100 * self.misfit:.2f} % of the loss"
        them = "them" if len(self.curves) > 1 else "it"
        holdouts = ", ".join(
            f"{holdout.name} is missed by {100 * holdout.error:.1f} % ({holdout.ratio:.1f} deviations)"
            for holdout in self.holdouts
        )
        return "\n".join(
            [
                f"A law of how the loss follows the rate ({name}) was fitted to {runs}; it misses {them} by {missed}.",
                *([f"Forecast from the other runs alone, {holdouts}."] if holdouts else []),
                f"Grade {self.grade}: {diagnostics.GRADES[self.grade]}.",
                *map(str, self.diagnostics),
            ]
        )

    def lines_new_in(self, candidates: Candidates) -> list[str]:
        """Return the lines of the candidates' explanation that are not the forecaster's own."""
        mine = self.explain().splitlines()
        return [line for line in candidates.explain().splitlines() if line not in mine]

    def to_dict(self) -> dict[str, Any]:
        """Return the forecaster as plain data for JSON."""
        return {
            "law": self.fits.law.name,
            "parameters": self.fits.main.parameters,
            "reference_rate": self.fits.main.reference,
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
            "holdouts": [{"run": run.name, "error": run.error, "deviations": run.ratio} for run in self.holdouts],
            "grade": self.grade,
            "diagnostics": [diagnostic.to_dict() for diagnostic in self.diagnostics],
        }

    def _ranked(self, pairs: Sequence[Pair], baseline: str) -> Candidates:
        """Return every pair as a row, the most promising first, with what there is to say against them."""
        grade, _ = self.assess([pair.rates for pair in pairs])
        # Of equal scores the baseline comes first: nothing promises more than it.
        rows = sorted(self.rows(pairs), key=lambda row: (row.score, row.name != baseline))
        # Every row repeats what speaks against the fit: each is told once, in the order of the rows.
        first, rates = rows[0], {pair.name: pair.rates for pair in pairs}
        about = dict.fromkeys(diagnostic for row in rows for diagnostic in row.prediction.diagnostics)
        disagree = [diagnostics.of_laws(first.name, first.laws)] if first.laws_disagree else []
        steps, high = int(first.prediction.steps[-1]), float(first.prediction.high()[-1])
        ends = diagnostics.of_ends(self.curves, first.name, steps, first.final, high)
        cold = diagnostics.of_warmup(self.warmup_steps, {row.name: rates[row.name] for row in rows})
        return Candidates(tuple(rows), baseline, grade, (*about, *disagree, *ends, *cold), self)

    def _run(self, name: str | None) -> Curve:
        if name is None:
            return min(self.curves, key=lambda curve: curve.annealed)
        for curve in self.curves:
            if curve.name == name:
                return curve
        must = f" must be one of {', '.join(repr(curve.name) for curve in self.curves)}, got {name!r}; name one"
        raise OptionValueError("Forecaster.what_if_cooldown: ", Option("run"), must)

    def _base(self, base_lr: float | None) -> float:
        return max(curve.peak for curve in self.curves) if base_lr is None else base_lr

    def _length(self, steps: int | None) -> int:
        return max(curve.length for curve in self.curves) if steps is None else length_of(steps)


def _several(candidates: Iterable[Any]) -> list[Any]:
    if isinstance(candidates, str) or not isinstance(candidates, Iterable):
        got = "one text" if isinstance(candidates, str) else type(candidates).__name__
        must = f" must be several, got {got}; give a list of notation, or a dict"
        raise OptionTypeError("Forecast: ", Option("candidates"), must)
    return list(candidates)


def _wanted(at: Sequence[int] | None, length: int, first: int) -> Ints:
    """Return the steps at which to have a loss, by default from the first that was fitted to the last."""
    if at is None:
        begin = min(max(1, length // LOSSES_GIVEN, first), length)
        # A short run has fewer steps than losses asked for: equal ones are given once.
        return np.unique(np.linspace(begin, length, LOSSES_GIVEN).astype(np.int64))
    given = numbers_of("Forecast", "at", at)
    good = len(given) and (given == np.floor(given)).all() and given[0] >= 1 and given[-1] <= length
    if not (good and (np.diff(given) > 0).all()):
        must = f" must be increasing whole steps from 1 to {length}; give such steps"
        raise OptionValueError("Forecast: ", Option("at"), must)
    return given.astype(np.int64)
