"""Diagnostics: what is wrong with a forecast, in plain sentences with their codes, and how far it is to be trusted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ratesmith.codes import CODES, coded
from ratesmith.forecast.fitting import misfit_of, shows_annealing
from ratesmith.forecast.uncertainty import Holdout
from ratesmith.logs.curve import Curve, Floats

GRADES: Final = {
    "A": "two or more different schedules were seen, with annealing, and the law fits them",
    "B": "one annealed run was seen, or the law fits several less well than it fits public curves",
    "C": "no annealing was seen, the law misses the runs, or the forecast is far from them: take it as a rough one",
    "D": "cannot say",
}
"""How far to trust a forecast; the letters are in order, so that the worst of several is their max."""
ENOUGH_LOSSES: Final = 15
"""Measurements after warm-up that one run must have."""
NEAR_LENGTHS: Final = 1.5
"""Horizons beyond so many times the longest run are far from it, and so are peak rates of runs from each other."""
LARGEST_MISFIT: Final = 0.01
"""Residuals of the log loss beyond this say that the law is not the right one."""
LARGEST_PUBLIC_MISFIT: Final = 0.001
"""Residuals beyond this are larger than of any public curve: what the bands were measured on says nothing of them."""
HOPELESS_MISFIT: Final = 0.03
"""Residuals beyond this leave no forecast at all."""
FAR_OFF: Final = 3.0
"""Standard deviations by which one public run in forty, forecast from the others, is off; beyond, the grade falls."""
UNSURE: Final = {"log tau": 0.5, "q": 0.15}
"""Standard deviations of the noise's shape from which a run that shows it better is asked for."""
ADAPTIVE: Final = ("adam", "lamb", "lion", "adafactor", "sophia", "ademamix")
"""Parts of the names of optimizers like AdamW."""


@dataclass(frozen=True)
class Diagnostic:
    """One thing that speaks against a forecast: its code, the sentence, and the best grade that it leaves.

    >>> print(Diagnostic("RS402", "No run was annealed."))
    No run was annealed. [RS402]
    """

    code: str
    """As `ratesmith.codes` lists them."""
    text: str
    best: str = "A"

    def __str__(self) -> str:
        """Return the sentence with its code."""
        return coded(self.code, self.text)

    def to_dict(self) -> dict[str, str]:
        """Return it as plain data for JSON."""
        return {"code": self.code, "name": CODES[self.code].name, "text": self.text}


class CannotSay(ValueError):  # noqa: N818 - it is an answer
    """A forecast that would be a guess; the message says why, in one line."""


# Of the runs and the fit ---------------------------------------------------------------------------------------------


def of_runs(
    curves: Sequence[Curve], starts: Sequence[int], residuals: Sequence[Floats], epochs: float | None
) -> list[Diagnostic]:
    """Return what there is to say of the runs and of how well the law fits them."""
    diagnostics = [
        Diagnostic(
            "RS401",
            f"Run {curve.name!r} has {count} losses after its warm-up, fewer than {ENOUGH_LOSSES}: log more often.",
        )
        for curve, count in zip(curves, _counts(curves, starts), strict=True)
        if count < ENOUGH_LOSSES
    ]
    if not any(shows_annealing(curve) for curve in curves):
        text = (
            "No run was annealed, so what lower rates gain is taken from other models' curves: show it one run "
            "that ends at a low rate."
        )
        diagnostics.append(Diagnostic("RS402", text))
    names = sorted({c.optimizer for c in curves if c.optimizer and not any(a in c.optimizer.lower() for a in ADAPTIVE)})
    if names:
        text = f"The laws were found with AdamW; of {' and '.join(names)} nothing is known."
        diagnostics.append(Diagnostic("RS403", text, "C"))
    notes = dict.fromkeys(note for curve in curves for note in curve.notes)
    diagnostics += [Diagnostic("RS404", note, "B") for note in notes]
    return diagnostics + _of_unlike_runs(curves) + _of_losses(curves, epochs) + of_misfit(residuals, curves)


def _counts(curves: Sequence[Curve], starts: Sequence[int]) -> list[int]:
    """Return how many losses of each run are fitted."""
    return [int(np.count_nonzero(curve.steps >= first)) for curve, first in zip(curves, starts, strict=True)]


def _of_unlike_runs(curves: Sequence[Curve]) -> list[Diagnostic]:
    """Return what says that the runs are not of one training."""
    diagnostics = []
    if len({curve.kind for curve in curves}) > 1:
        text = "Training and validation losses are mixed: their levels differ, so give one kind."
        diagnostics.append(Diagnostic("RS405", text, "C"))
    short, long = (choose(curves, key=lambda curve: curve.steps[-1]) for choose in (min, max))
    if long.steps[-1] > 50 * short.steps[-1]:
        text = (
            f"Run {long.name!r} has {long.steps[-1] / short.steps[-1]:.0f} times the steps of run {short.name!r}: "
            "see that both count optimizer updates."
        )
        diagnostics.append(Diagnostic("RS406", text, "C"))
    low, high = (choose(curves, key=lambda curve: curve.peak) for choose in (min, max))
    if high.peak > NEAR_LENGTHS * low.peak:
        text = (
            f"The peak rate of run {high.name!r} is {high.peak / low.peak:.2g} times that of run {low.name!r}: "
            "such runs are different trainings, forecast each from its own."
        )
        diagnostics.append(Diagnostic("RS407", text, "C"))
    return diagnostics


def _of_losses(curves: Sequence[Curve], epochs: float | None) -> list[Diagnostic]:
    """Return what says that the losses are not those of fresh data."""
    diagnostics = []
    if epochs is not None and epochs > 4:
        text = f"The data was seen {epochs:g} times; the laws are about fresh data, and do not know overfitting."
        diagnostics.append(Diagnostic("RS408", text, "C"))
    for curve in curves:
        # Medians of up to ten parts of at least five losses: noise and single wild losses do not look like a rise.
        parts = np.array_split(curve.losses, max(1, min(10, len(curve.losses) // 5)))
        medians = [float(np.median(part)) for part in parts]
        if medians[-1] < 0.1 * medians[0]:
            text = (
                f"The loss of run {curve.name!r} fell to {100 * medians[-1] / medians[0]:.1f} % of where it began, "
                "below what fresh data gives: after many epochs the laws have no support."
            )
            diagnostics.append(Diagnostic("RS409", text, "C"))
        elif medians[-1] > 1.025 * min(medians):
            text = f"The loss of run {curve.name!r} ends above its lowest: overfitted or unstable, no law fits it."
            diagnostics.append(Diagnostic("RS410", text, "C"))
    return diagnostics


def of_misfit(residuals: Sequence[Floats], curves: Sequence[Curve]) -> list[Diagnostic]:
    """Return what the residuals of the log loss say, those of each run."""
    misfit = misfit_of(residuals)
    missed = f"The law misses the runs that it was fitted to by {100 * misfit:.2f} % of the loss"
    if not misfit <= LARGEST_MISFIT:  # so that not a number is no small one
        return [Diagnostic("RS412", f"{missed}: do not rely on it.", "C")]
    diagnostics = []
    if misfit > LARGEST_PUBLIC_MISFIT:
        text = (
            f"{missed}, more than any public curves ({100 * LARGEST_PUBLIC_MISFIT:.1f} %): bands so wide have been "
            "tried on one small training alone."
        )
        diagnostics.append(Diagnostic("RS413", text, "B"))
    for left, curve in zip(residuals, curves, strict=True):
        if len(left) < ENOUGH_LOSSES:
            continue
        thirds = [float(part.mean()) for part in np.array_split(left, 3)]
        # Neighbours differ by their noise alone; of a third's mean it leaves 1 / root(n / 3).
        noise = float(np.std(np.diff(left))) / np.sqrt(len(left) / 3)
        drift = abs(thirds[2] - thirds[1])
        if drift > max(0.003, 4 * noise):
            text = (
                f"The law drifts away from run {curve.name!r} by {100 * drift:.1f} % of the loss: forecasts will "
                "drift further."
            )
            diagnostics.append(Diagnostic("RS414", text))
    return diagnostics


def of_holdouts(holdouts: Sequence[Holdout]) -> list[Diagnostic]:
    """Return what there is to say of each run's forecast from the others."""
    return [
        Diagnostic(
            "RS415",
            f"Run {holdout.name!r}, forecast from the others, was missed by {100 * holdout.error:.1f} % of the loss, "
            f"{holdout.ratio:.1f} standard deviations of that forecast: all bands are wider for it.",
        )
        for holdout in holdouts
        if holdout.ratio > FAR_OFF
    ]


def of_parameters(curves: Sequence[Curve], sds: Mapping[str, float]) -> list[Diagnostic]:
    """Return what run to add if the runs do not show how the noise follows the rate; `sds` are by parameter."""
    if not any(sds.get(name, 0.0) > most for name, most in UNSURE.items()) or not any(map(shows_annealing, curves)):
        return []
    about = "How fast the loss follows the rate"
    if sds.get("log tau", 0.0) > math.log(10):
        about += " is not known"
    elif sds.get("log tau", 0.0) > UNSURE["log tau"]:
        about += f" is known to a factor of {np.exp(sds['log tau']):.1f} only"
    else:
        about = f"How the noise grows with the rate is known to a power of +-{sds['q']:.2f} only"
    if any(map(drops, curves)):
        return [Diagnostic("RS416", f"{about}: log more often after the drop of the rate, or repeat that run.")]
    text = (
        f"{about}: add a run whose rate drops at once, such as 'multistep(milestones=[\"50%\"], gamma=0.3)', with the "
        "same warm-up and peak rate."
    )
    return [Diagnostic("RS416", text)]


def drops(curve: Curve) -> bool:
    """Whether the rate of the run falls by a quarter of its peak or more within a hundredth of its steps."""
    rates = curve.rates[: int(curve.steps[-1])]
    gap = max(1, len(rates) // 100)
    return bool(np.any(rates[:-gap] - rates[gap:] > 0.25 * curve.peak))


def differ(curves: Sequence[Curve]) -> bool:
    """Whether two of the runs had rates that differ by more than 10 % of the larger peak at some time."""
    # At equal shares of the runs, so that a schedule and the same at another length do not differ.
    shares = np.linspace(0.05, 1.0, 40)
    several = [curve.rates[(shares * (curve.steps[-1] - 1)).astype(int)] for curve in curves]
    return any(
        bool(np.max(np.abs(rates / rates.max() - other / other.max())) > 0.1)
        for place, rates in enumerate(several)
        for other in several[:place]
    )


# Of a forecast -------------------------------------------------------------------------------------------------------


def of_forecast(curves: Sequence[Curve], starts: Sequence[int], rates: Floats) -> list[Diagnostic]:
    """Return what there is to say of a forecast under these rates, one for each update: how far it is from the runs."""
    lengths = [int(curve.steps[-1]) for curve in curves]
    lowest, highest = min(curve.peak for curve in curves), max(curve.peak for curve in curves)
    diagnostics, peak, steps = [], float(rates.max()), len(rates)
    if peak > 1.05 * highest:
        text = f"Its peak rate {peak:.3g} is above the largest seen, {highest:.3g}: whether it trains is not known."
        diagnostics.append(Diagnostic("RS417", text, _best_beyond(peak / highest, 1.5, 4)))
    elif peak < 0.55 * lowest:
        text = (
            f"Its peak rate {peak:.3g} is {lowest / peak:.3g} times below the lowest seen, {lowest:.3g}: such "
            "forecasts have been wrong by 1 to 10 % of the loss."
        )
        diagnostics.append(Diagnostic("RS418", text, _best_beyond(lowest / peak, 2.5, 16)))
    if steps > NEAR_LENGTHS * max(lengths):
        text = (
            f"Its {steps:,} steps are {steps / max(lengths):.3g} times the longest run seen: the laws level off too "
            "early, and the further the less they know."
        )
        diagnostics.append(Diagnostic("RS419", text, _best_beyond(steps / max(lengths), 5, 100)))
    elif steps < min(lengths) / 4:
        text = (
            f"Its {steps:,} steps are few beside the shortest run seen, {min(lengths):,}: little is known of so early."
        )
        diagnostics.append(Diagnostic("RS420", text, "C" if steps > min(starts) else "D"))
    return diagnostics


def _best_beyond(times: float, provisional: float, none: float) -> str:
    """Return the best grade so many times away from the runs: C beyond `provisional` times, D beyond `none`."""
    return "D" if times > none else "C" if times > provisional else "A"


def before_fit(first: int) -> Diagnostic:
    """Return what there is to say of losses before the first step that was fitted."""
    return Diagnostic("RS421", f"The law was fitted from step {first:,} on: before it this means nothing.")


def of_laws(name: str, laws: Mapping[str, float]) -> Diagnostic:
    """Return what there is to say of a candidate about whose gain the laws disagree; `laws` are their differences."""
    low, high = min(laws.values()), max(laws.values())
    text = f"The laws disagree about {name} by more than the gain: from {low:+.4f} to {high:+.4f}."
    return Diagnostic("RS422", text)


def of_ends(curves: Sequence[Curve], name: str, steps: int, final: float, high: float) -> list[Diagnostic]:
    """Return whether a run of as many steps as the first candidate has ended as low already.

    `final` is the candidate's forecast, `high` the high end of its band.
    """
    ends = {curve.name: float(curve.losses[-1]) for curve in curves if int(curve.steps[-1]) == steps}
    best = min(ends, key=lambda name: ends[name], default=None)
    if best is None or ends[best] > high:
        return []
    text = f"Run {best!r} has ended at {ends[best]:.4f} already, where {name} is forecast {final:.4f}."
    return [Diagnostic("RS423", text)]


def of_warmup(warmup_steps: int, rates: Mapping[str, Floats]) -> list[Diagnostic]:
    """Return whether the runs warmed up and a candidate does not; `rates` are those of the candidates, by name."""
    cold = [name for name, values in rates.items() if values[0] > 0.9 * values.max()]
    if not warmup_steps or not cold:
        return []
    text = (
        f"The runs warmed up for {warmup_steps} steps, and {cold[0]} does not: try it behind warmup({warmup_steps}) >>."
    )
    return [Diagnostic("RS424", text)]


# Grades --------------------------------------------------------------------------------------------------------------


def grade_of(curves: Sequence[Curve], starts: Sequence[int], residuals: Sequence[Floats]) -> str:
    """Return how far a law fitted to these runs is to be trusted by what it was shown, before any holdout: A to D."""
    # Medians of three: a single wild loss at an end neither makes nor hides a fall.
    falls = any(np.median(c.losses[-3:]) < np.median(c.losses[:3]) for c in curves)
    hopeless = not misfit_of(residuals) <= HOPELESS_MISFIT  # so that not a number is no small one
    if max(_counts(curves, starts)) < ENOUGH_LOSSES or hopeless or not falls:
        return "D"
    if not any(shows_annealing(curve) for curve in curves):
        return "C"
    return "A" if differ(curves) else "B"


def worst_grade(grade: str, diagnostics: Iterable[Diagnostic]) -> str:
    """Return the grade that is left after all diagnostics."""
    return max([grade, *(diagnostic.best for diagnostic in diagnostics)])


def grade_after_holdouts(grade: str, holdouts: Sequence[Holdout]) -> str:
    """Return the grade once each run was forecast from the others: lower if one was far off, C if twice as far."""
    ratio = max((holdout.ratio for holdout in holdouts), default=0.0)
    if ratio > 2 * FAR_OFF:
        return max(grade, "C")
    return max(grade, "B") if ratio > FAR_OFF else grade


def cannot_say(diagnostics: Sequence[Diagnostic], otherwise: Sequence[Diagnostic]) -> CannotSay:
    """Return the error that says why there is no forecast: those with grade D, else what speaks against the fit."""
    reasons = [diagnostic for diagnostic in diagnostics if diagnostic.best == "D"] or otherwise
    why = " ".join(dict.fromkeys(map(str, reasons))) or str(Diagnostic("RS411", "The loss of no run falls."))
    return CannotSay(f"Forecast: cannot say. {why}")
