"""Results: what a forecast gives, losses with their bands and candidates beside a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ratesmith._display import DisplayedResult
from ratesmith.forecast.diagnostics import GRADES, Diagnostic
from ratesmith.forecast.uncertainty import LEVELS, Bands, bands, loss_bands
from ratesmith.logs.curve import Curve, Floats, Ints

SURE: Final = 0.9
"""The probability from which a candidate is said to be better than the baseline without a doubt."""


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(DisplayedResult):
    """The losses that a schedule would give, with bands of 50, 80 and 95 %."""

    name: str
    """The schedule: its notation if it has one."""
    base_lr: float
    steps: Ints
    """After how many updates."""
    rates: Floats
    """The absolute rate of the update that led to each step."""
    losses: Floats
    sd: Floats
    grade: str
    diagnostics: tuple[Diagnostic, ...]
    """What there is to say against it, and against the fit."""

    @property
    def final(self) -> float:
        """The loss at the last step."""
        return float(self.losses[-1])

    @property
    def bands(self) -> Bands:
        """The low and the high end of each band, by its level in percent."""
        return loss_bands(self.losses, self.sd)

    def low(self, level: int = 80) -> Floats:
        """Return the low end of a band."""
        return self.bands[level][0]

    def high(self, level: int = 80) -> Floats:
        """Return the high end of a band."""
        return self.bands[level][1]

    def holds(self, loss: float) -> bool:
        """Whether a last loss that was measured lies in the 80 % band."""
        return bool(self.low()[-1] <= loss <= self.high()[-1])

    def __str__(self) -> str:
        """Return the last loss and its band in one line."""
        low, high = self.low()[-1], self.high()[-1]
        return (
            f"{self.name}: {self.final:.4f} ({low:.4f} to {high:.4f} in 80 %) after {int(self.steps[-1]):,} steps, "
            f"grade {self.grade}"
        )

    def __repr__(self) -> str:
        """Return the last loss and its band, without the curve."""
        return f"<Prediction: {self}>"

    def _display_texts(self) -> list[str]:
        return self.explain().splitlines()

    def explain(self) -> str:
        """Say in plain sentences what is forecast, and what to be careful about."""
        return "\n".join([f"{self}: {GRADES[self.grade]}.", *map(str, self.diagnostics)])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        return {
            "name": self.name,
            "base_lr": self.base_lr,
            "final": self.final,
            "grade": self.grade,
            "diagnostics": [diagnostic.to_dict() for diagnostic in self.diagnostics],
            "steps": self.steps.tolist(),
            "rates": self.rates.tolist(),
            "losses": self.losses.tolist(),
            "bands": {str(level): [end.tolist() for end in pair] for level, pair in self.bands.items()},
        }


@dataclass(frozen=True, eq=False, repr=False)
class Row:
    """One candidate beside the baseline; a negative difference is a lower loss."""

    name: str
    prediction: Prediction
    difference: float
    """Its final loss less that of the baseline."""
    sd: float
    """Of the difference."""
    better: float
    """The probability that its final loss is below that of the baseline."""
    fewer: float | None
    """The share of its steps that it could spare and still end where the baseline does; below 0: it needs more; None:
    not from a quarter to four times the steps."""
    laws: Mapping[str, float]
    """The difference as each law sees it."""
    score: float
    """What rows are ranked by: the mean of the difference over all laws, and half of its deviation for the doubt."""

    @property
    def final(self) -> float:
        """The loss at the last step."""
        return self.prediction.final

    @property
    def laws_disagree(self) -> bool:
        """Whether the laws disagree about it by more than what it gains."""
        views = self.laws.values()
        return self.score < 0 and max(views) - min(views) > -self.difference

    @property
    def bands(self) -> dict[int, tuple[float, float]]:
        """The low and the high end of each band of the difference, by its level in percent."""
        # Unlike a loss, a difference may be below 0.
        ends = bands(np.array([self.difference]), np.array([self.sd]))
        return {level: (float(low[0]), float(high[0])) for level, (low, high) in ends.items()}

    @property
    def equivalent(self) -> str:
        """The difference as compute, such as "as 6 % fewer steps"."""
        if self.fewer is None:
            return "cannot say in steps"
        share = round(100 * abs(self.fewer))
        if not share:
            return "as the same steps"
        return f"as {share} % fewer steps" if self.fewer > 0 else f"needs {share} % more steps"

    def __repr__(self) -> str:
        """Return the candidate in one line."""
        low, high = self.bands[80]
        return (
            f"<Row {self.name}: {self.final:.4f}, {self.difference:+.4f} ({low:+.4f} to {high:+.4f}), "
            f"better with probability {self.better:.2f}, {self.equivalent}>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        return {
            "name": self.name,
            "final": self.final,
            "difference": self.difference,
            "difference_bands": {str(level): list(self.bands[level]) for level in LEVELS},
            "better": self.better,
            "fewer_steps": self.fewer,
            "laws": dict(self.laws),
            "score": self.score,
            "prediction": self.prediction.to_dict(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class Candidates(DisplayedResult):
    """Candidates beside a baseline, the most promising first: by what all laws say together, see `Row.score`."""

    rows: tuple[Row, ...]
    baseline: str
    grade: str
    diagnostics: tuple[Diagnostic, ...]
    forecaster: Any = field(repr=False, compare=False)
    """The Forecaster that made them, for whoever shows them with what it was fitted to; nothing here asks it."""

    @property
    def best(self) -> Row:
        """The row that comes first: the baseline if nothing promises more."""
        return self.rows[0]

    @property
    def sure(self) -> bool:
        """Whether the first is better than the baseline with 90 % or more, the laws agree, and the grade is A or B."""
        return self.best.better >= SURE and not self.best.laws_disagree and self.grade in ("A", "B")

    def row(self, name: str) -> Row:
        """Return one candidate by its name, or raise KeyError."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"Candidates: there is no {name!r}; there are {', '.join(row.name for row in self.rows)}")

    def table(self) -> str:
        """Return the rows as text."""
        wide = max(9, *(len(row.name) for row in self.rows))
        lines = [f"{'candidate':{wide}}  final    difference  80 % band           better     equivalent"]
        for row in self.rows:
            low, high = row.bands[80]
            band = f"{low:+.4f} to {high:+.4f}"
            if row.name == self.baseline:
                lines.append(f"{row.name:{wide}}  {row.final:.4f}   baseline")
            else:
                lines.append(
                    f"{row.name:{wide}}  {row.final:.4f}   {row.difference:+.4f}     {band:18}  "
                    f"{chance(row.better):9}  {row.equivalent}"
                )
        return "\n".join(lines)

    def _display_texts(self) -> list[str]:
        return self.explain().splitlines()

    def _display_table(self) -> list[list[str]]:
        table = [["candidate", "last loss", "against the baseline", "80 % band", "better", "worth"]]
        for row in self.rows:
            low, high = row.bands[80]
            cells = ["baseline", "", "", ""]
            if row.name != self.baseline:
                cells = [f"{row.difference:+.4f}", f"{low:+.4f} to {high:+.4f}", chance(row.better), row.equivalent]
            table.append([row.name, f"{row.final:.4f}", *cells])
        return table

    def explain(self) -> str:
        """Say in plain sentences which candidate to run, how sure that is, and what to be careful about."""
        return "\n".join([*self._answer(), f"Grade {self.grade}: {GRADES[self.grade]}.", *map(str, self.diagnostics)])

    def _answer(self) -> list[str]:
        best = self.best
        if len(self.rows) == 1 and best.name == self.baseline:
            return [f"{best.prediction}.", "It stands alone: name a second schedule to compare it with."]
        guess = ["A rough guess only."] if self.grade == "C" else []
        other = max((row for row in self.rows if row.name != self.baseline), key=lambda row: row.better)
        if best.name == self.baseline and other.better <= 0.5:
            text = f"Nothing promises more than {best.name}; {other.name} is better with {chance(other.better)}."
            return [text, *guess]
        if best.name == self.baseline or best.better < 0.5:
            text = f"three laws together put {best.name} first, the law of the table alone {other.name}"
            return [f"Undecided: {text} ({chance(other.better)} better than {self.baseline}).", *guess]
        low, high = best.bands[80]
        worth = "" if best.fewer is None else f", {best.equivalent}"
        first = (
            f"{best.name} comes first: {best.difference:+.4f} against {self.baseline} ({low:+.4f} to {high:+.4f} in "
            f"80 %){worth}; better with {chance(best.better)}."
        )
        return [first] if self.sure else [first, *guess, "That is not sure: where it matters, run both."]

    def summary_of_checks(self, checks: Sequence[tuple[Curve, Prediction]]) -> str:
        """Say what further runs that were measured, each with its forecast, mean for the gain; "" without any."""
        measured = [(float(run.losses[-1]), prediction) for run, prediction in checks]
        return summary_of_checks(measured, -self.best.difference) if measured else ""

    def __repr__(self) -> str:
        """Return the answer in one line."""
        return f"<Candidates: {len(self.rows)}, best {self.best.name}, grade {self.grade}>"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        return {
            "baseline": self.baseline,
            "best": self.best.name,
            "sure": self.sure,
            "grade": self.grade,
            "diagnostics": [diagnostic.to_dict() for diagnostic in self.diagnostics],
            "rows": [row.to_dict() for row in self.rows],
        }


def summary_of_checks(checks: Sequence[tuple[float, Prediction]], gain: float) -> str:
    """Say what forecasts of runs that were measured, by their last loss, mean for a gain that is forecast.

    `gain` is how far the first candidate is below its baseline; 0 if it is the baseline.
    """
    inside = sum(prediction.holds(loss) for loss, prediction in checks)
    error = sum(abs(prediction.final - loss) for loss, prediction in checks) / len(checks)
    text = f"Tried on {len(checks)} further runs: {inside} inside the 80 % band, off by {error:.4f} on average"
    if gain > 0 and error > gain:
        text += f", more than the gain of {gain:.4f}: do not choose by this forecast"
    return f"{text}. Forecast again from all of these runs." if inside < len(checks) else f"{text}."


def chance(probability: float) -> str:
    """Return a probability as text, and none as certain.

    >>> chance(0.781), chance(0.9999), chance(0.0)
    ('78 %', 'over 99 %', 'under 1 %')
    """
    if probability > 0.99:
        return "over 99 %"
    return "under 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"
