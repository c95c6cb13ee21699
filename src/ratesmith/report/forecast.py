"""Put a forecast on one page: what each candidate promises, how sure that is, and what the law is known to miss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratesmith.forecast import Candidates, Curve, Forecaster, Prediction
from ratesmith.forecast.results import SURE, chance
from ratesmith.report.forecast_charts import annealing, by_decay, fan, forest, rate_strip
from ratesmith.report.forecast_checks import Unseen, agreement, calibration, looks_of_runs, misses
from ratesmith.report.page import write_page
from ratesmith.report.style import looks
from ratesmith.strategy.labels import labels


def write(
    candidates: Candidates,
    path: str | Path,
    *,
    checks: Sequence[tuple[Curve, Prediction]] = (),
    title: str,
    command: str,
) -> Path:
    """Write the page of a forecast, and return its path.

    `checks`: further runs that were measured, each with the forecast under its own rates.
    """
    forecaster: Forecaster = candidates.forecaster
    names = [row.name for row in candidates.rows]
    styles, shown = looks(names, candidates.baseline), labels(names)
    unseen, of_runs = _unseen(forecaster, checks), looks_of_runs(forecaster, checks)
    losses = fan(forecaster, candidates, styles, shown)
    drawn = {
        "fan": losses,
        "rates": rate_strip(forecaster, candidates, styles, losses.plot.x_range),
        "decay": by_decay(forecaster, candidates),
        "annealing": annealing(forecaster),
        "forest": forest(candidates, styles, shown),
        "misses": misses(forecaster, checks, of_runs),
        "agreement": agreement(unseen, of_runs),
        "calibration": calibration(unseen, of_runs),
    }
    return write_page(
        "forecast.html.jinja",
        path,
        {name: picture for name, picture in drawn.items() if picture is not None},
        title=title,
        command=command,
        candidates=candidates,
        headline=headline(candidates),
        checks=[_checked(*pair) for pair in checks],
        looks=styles,
        labels=shown,
        fitted=forecaster.explain().splitlines(),
        tried=candidates.summary_of_checks(checks),
        sentences=forecaster.lines_new_in(candidates),
        chance=chance,
    )


def headline(candidates: Candidates) -> str:
    """Return the answer in 20 words or fewer: what to run next, and how sure that is."""
    best, shown = candidates.best, labels(row.name for row in candidates.rows)
    name, baseline = shown[best.name], shown[candidates.baseline]
    if len(candidates.rows) == 1 and best.name == candidates.baseline:
        return f"{name} would end at a loss of {best.final:.4f}."
    other = max((row for row in candidates.rows if row.name != candidates.baseline), key=lambda row: row.better)
    if best.name == candidates.baseline and other.better <= 0.5:
        return f"Stay with {name}: nothing promises more."
    if best.name == candidates.baseline or best.better < 0.5:
        return f"Undecided between {name} and {shown[other.name]}: run both."
    gain = f"forecast {-best.difference:.4f} lower loss than {baseline}"
    if candidates.sure:
        return f"Run {name} next: {gain}, with {chance(best.better)}."
    if best.laws_disagree:
        return f"Perhaps {name}: {gain}, but the laws disagree."
    return f"Perhaps {name}: {gain}, {'a rough guess' if best.better >= SURE else f'with {chance(best.better)} only'}."


def _unseen(forecaster: Forecaster, checks: Sequence[tuple[Curve, Prediction]]) -> Unseen:
    """Return the checks, and the forecaster's own runs as they are forecast from each other."""
    holdouts = [
        (f"{run.name}, from the others", run, rest.under(run.name, run.rates, run.steps.tolist()))
        for rest, run in forecaster.left_out
    ]
    return [*((run.name, run, prediction) for run, prediction in checks), *holdouts]


def _checked(run: Curve, prediction: Prediction) -> dict[str, Any]:
    low, high, measured = float(prediction.low()[-1]), float(prediction.high()[-1]), float(run.losses[-1])
    return {
        "name": run.name,
        "steps": int(run.steps[-1]),
        "forecast": prediction.final,
        "low": low,
        "high": high,
        "measured": measured,
        "held": prediction.holds(measured),
    }
