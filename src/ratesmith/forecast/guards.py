"""What is wrong with a forecast, in plain sentences, and how far it is to be trusted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ratesmith.logs.curve import Curve, Floats

if TYPE_CHECKING:  # it only reads them
    from ratesmith.forecast.trial import Trial

GRADES: Final = {
    "A": "two or more different schedules were seen, with annealing, and the law fits them",
    "B": "one annealed run was seen, or the law fits several less well than it fits public curves",
    "C": "no annealing was seen, the law misses the runs, or the forecast is far from them: take it as a rough one",
    "D": "cannot say",
}
"""How far to trust a forecast."""
ENOUGH: Final = 15
"""Measurements after warm-up that one run must have."""
LONGER: Final = 1.5
"""Horizons beyond so many times the longest run are far from it."""
LARGEST_MISFIT: Final = 0.01
"""Residuals of the log loss beyond this say that the law is not the right one."""
CLOSEST: Final = 0.001
"""Residuals beyond this are larger than of any public curve: what the bands were measured on says nothing of them."""
FAR_OFF: Final = 3.0
"""Standard deviations by which one public run in forty, forecast from the others, is off; beyond, the grade falls."""
UNSURE: Final = {"log tau": 0.5, "q": 0.15}
"""Standard deviations of the noise's shape from which a run that shows it better is asked for."""
ADAPTIVE: Final = ("adam", "lamb", "lion", "adafactor", "sophia", "ademamix")
"""Parts of the names of optimizers like AdamW."""


class CannotSay(ValueError):  # noqa: N818 - it is an answer
    """A forecast that would be a guess; the message says why, in one line."""


class Said(NamedTuple):
    """A sentence on what is wrong, and the best grade that it leaves."""

    sentence: str
    best: str = "A"


def of_runs(
    curves: Sequence[Curve], since: Sequence[int], residuals: Sequence[Floats], epochs: float | None
) -> list[Said]:
    """Return what there is to say of the runs and of how well the law fits them."""
    said = [*_thin_runs(curves, since)]
    if not any(curve_annealed(curve) for curve in curves):
        said.append(
            Said(
                "No run was annealed, so what lower rates gain is taken from other models' curves: show it one run "
                "that ends at a low rate."
            )
        )
    names = sorted({c.optimizer for c in curves if c.optimizer and not any(a in c.optimizer.lower() for a in ADAPTIVE)})
    if names:
        said.append(Said(f"The laws were found with AdamW; of {' and '.join(names)} nothing is known.", "C"))
    said += [Said(note, "B") for note in dict.fromkeys(note for curve in curves for note in curve.notes)]
    return said + _unlike(curves) + _fresh(curves, epochs) + misfit(residuals, curves)


def _thin_runs(curves: Sequence[Curve], since: Sequence[int]) -> list[Said]:
    counts = [int(np.count_nonzero(c.steps >= first)) for c, first in zip(curves, since, strict=True)]
    few = [(curve.name, count) for curve, count in zip(curves, counts, strict=True) if count < ENOUGH]
    return [
        Said(f"Run {name!r} has {count} losses after its warm-up, fewer than {ENOUGH}: log more often.")
        for name, count in few
    ]


def _unlike(curves: Sequence[Curve]) -> list[Said]:
    """Return what says that the runs are not of one training."""
    said = []
    if len({curve.kind for curve in curves}) > 1:
        said.append(Said("Training and validation losses are mixed: their levels differ, so give one kind.", "C"))
    short, long = (choose(curves, key=lambda curve: curve.steps[-1]) for choose in (min, max))
    if long.steps[-1] > 50 * short.steps[-1]:
        said.append(
            Said(
                f"Run {long.name!r} has {long.steps[-1] / short.steps[-1]:.0f} times the steps of run {short.name!r}: "
                "see that both count optimizer updates.",
                "C",
            )
        )
    low, high = (choose(curves, key=lambda curve: curve.peak) for choose in (min, max))
    if high.peak > LONGER * low.peak:
        said.append(
            Said(
                f"The peak rate of run {high.name!r} is {high.peak / low.peak:.2g} times that of run {low.name!r}: "
                "such runs are different trainings, forecast each from its own.",
                "C",
            )
        )
    return said


def _fresh(curves: Sequence[Curve], epochs: float | None) -> list[Said]:
    said = []
    if epochs is not None and epochs > 4:
        seen = f"The data was seen {epochs:g} times; the laws are about fresh data, and do not know overfitting."
        said.append(Said(seen, "C"))
    for curve in curves:
        parts = np.array_split(curve.losses, max(1, min(10, len(curve.losses) // 5)))
        medians = [float(np.median(part)) for part in parts]
        if medians[-1] < 0.1 * medians[0]:
            said.append(
                Said(
                    f"The loss of run {curve.name!r} fell to {100 * medians[-1] / medians[0]:.1f} % of where it began, "
                    "below what fresh data gives: after many epochs the laws have no support.",
                    "C",
                )
            )
        elif medians[-1] > 1.025 * min(medians):
            said.append(
                Said(
                    f"The loss of run {curve.name!r} ends above its lowest: overfitted or unstable, no law fits it.",
                    "C",
                )
            )
    return said


def misfit(residuals: Sequence[Floats], curves: Sequence[Curve]) -> list[Said]:
    """Return what the residuals of the log loss say."""
    size = size_of(residuals)
    missed = f"The law misses the runs that it was fitted to by {100 * size:.2f} % of the loss"
    if not size <= LARGEST_MISFIT:
        return [Said(f"{missed}: do not rely on it.", "C")]
    said = []
    if size > CLOSEST:
        said.append(
            Said(
                f"{missed}, more than any public curves ({100 * CLOSEST:.1f} %): bands so wide have been tried on one "
                "small training alone.",
                "B",
            )
        )
    for left, curve in zip(residuals, curves, strict=True):
        if len(left) < ENOUGH:
            continue
        thirds = [float(part.mean()) for part in np.array_split(left, 3)]
        noise = float(np.std(np.diff(left))) / np.sqrt(len(left) / 3)
        drift = abs(thirds[2] - thirds[1])
        if drift > max(0.003, 4 * noise):
            said.append(
                Said(
                    f"The law drifts away from run {curve.name!r} by {100 * drift:.1f} % of the loss: forecasts will "
                    "drift further."
                )
            )
    return said


def worst(grade: str, said: Iterable[Said]) -> str:
    """Return the grade that is left after all that was said."""
    return max([grade, *(one.best for one in said)])


def size_of(residuals: Sequence[Floats]) -> float:
    """Return by how much the law is off, as a share of the loss, beside the noise of the single measurements.

    The root mean square over tenths of each run, of the median residual there: noise and single wild losses cancel.
    """
    parts = [part for left in residuals for part in np.array_split(left, max(1, min(10, len(left) // 3)))]
    return float(np.sqrt(np.mean([np.median(part) ** 2 for part in parts])))


def grade_of(curves: Sequence[Curve], since: Sequence[int], residuals: Sequence[Floats]) -> str:
    """Return how far the forecasts of a law fitted to these runs are to be trusted: A to D."""
    counts = [int(np.count_nonzero(c.steps >= first)) for c, first in zip(curves, since, strict=True)]
    falls = any(np.median(c.losses[-3:]) < np.median(c.losses[:3]) for c in curves)
    if max(counts) < ENOUGH or not size_of(residuals) <= 0.03 or not falls:  # not a number is not small
        return "D"
    if not any(curve_annealed(curve) for curve in curves):
        return "C"
    return "A" if differ(curves) else "B"


def tried(grade: str, trials: Sequence[Trial]) -> str:
    """Return the grade once each run was forecast from the others: lower if one was far off, C if twice as far."""
    worst = max((one.ratio for one in trials), default=0.0)
    if worst > 2 * FAR_OFF:
        return max(grade, "C")
    return max(grade, "B") if worst > FAR_OFF else grade


def of_trials(trials: Sequence[Trial]) -> list[str]:
    """Return what there is to say of each run's forecast from the others."""
    return [
        f"Run {one.name!r}, forecast from the others, was missed by {100 * one.error:.1f} % of the loss, "
        f"{one.ratio:.1f} standard deviations of that forecast: all bands are wider for it."
        for one in trials
        if one.ratio > FAR_OFF
    ]


def of_shapes(curves: Sequence[Curve], unsure: Mapping[str, float]) -> list[str]:
    """Return what run to add where the runs do not show how the noise follows the rate."""
    if not any(unsure.get(name, 0.0) > most for name, most in UNSURE.items()) or not any(map(curve_annealed, curves)):
        return []
    about = "How fast the loss follows the rate"
    if unsure.get("log tau", 0.0) > math.log(10):
        about += " is not known"
    elif unsure.get("log tau", 0.0) > UNSURE["log tau"]:
        about += f" is known to a factor of {np.exp(unsure['log tau']):.1f} only"
    else:
        about = f"How the noise grows with the rate is known to a power of +-{unsure['q']:.2f} only"
    if any(map(drops, curves)):
        return [f"{about}: log more often after the drop of the rate, or repeat that run."]
    return [
        f"{about}: add a run whose rate drops at once, such as 'multistep(milestones=[\"50%\"], gamma=0.3)', with the "
        "same warm-up and peak rate."
    ]


def drops(curve: Curve) -> bool:
    """Whether the rate of the run falls by a quarter of its peak or more within a hundredth of its steps."""
    rates = curve.rates[: int(curve.steps[-1])]
    gap = max(1, len(rates) // 100)
    return bool(np.any(rates[:-gap] - rates[gap:] > 0.25 * curve.peak))


def differ(curves: Sequence[Curve]) -> bool:
    """Whether two of the runs had rates that differ by more than 10 % of the larger peak at some time."""
    shares = np.linspace(0.05, 1.0, 40)
    seen = [curve.rates[(shares * (curve.steps[-1] - 1)).astype(int)] for curve in curves]
    return any(
        bool(np.max(np.abs(one / one.max() - other / other.max())) > 0.1)
        for place, one in enumerate(seen)
        for other in seen[:place]
    )


def curve_annealed(curve: Curve) -> bool:
    """Whether the run was seen at less than half of its peak rate, after it."""
    measured = curve.rates[curve.steps - 1][curve.steps > curve.warmup_steps]
    return bool(len(measured) >= 3 and measured.min() < 0.5 * curve.peak)


def of_forecast(curves: Sequence[Curve], since: Sequence[int], rates: Floats) -> list[Said]:
    """Return what there is to say of a forecast under these rates: how far it lies from the runs."""
    seen = [int(curve.steps[-1]) for curve in curves]
    lowest, highest = min(curve.peak for curve in curves), max(curve.peak for curve in curves)
    said, peak, steps = [], float(rates.max()), len(rates)
    if peak > 1.05 * highest:
        told = f"Its peak rate {peak:.3g} is above the largest seen, {highest:.3g}: whether it trains is not known."
        said.append(Said(told, _beyond(peak / highest, 1.5, 4)))
    elif peak < 0.55 * lowest:
        told = (
            f"Its peak rate {peak:.3g} is {lowest / peak:.3g} times below the lowest seen, {lowest:.3g}: such "
            "forecasts have been wrong by 1 to 10 % of the loss."
        )
        said.append(Said(told, _beyond(lowest / peak, 2.5, 16)))
    if steps > LONGER * max(seen):
        told = (
            f"Its {steps:,} steps are {steps / max(seen):.3g} times the longest run seen: the laws level off too "
            "early, and the further the less they know."
        )
        said.append(Said(told, _beyond(steps / max(seen), 5, 100)))
    elif steps < min(seen) / 4:
        told = f"Its {steps:,} steps are few beside the shortest run seen, {min(seen):,}: little is known of so early."
        said.append(Said(told, "C" if steps > min(since) else "D"))
    return said


def _beyond(times: float, rough: float, none: float) -> str:
    """Return the best grade so many times away from the runs."""
    return "D" if times > none else "C" if times > rough else "A"
