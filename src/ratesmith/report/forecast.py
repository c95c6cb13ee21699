"""Put a forecast on one page: what each candidate promises, how sure that is, and what the law is known to miss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratesmith.forecast import Candidates, Curve, Forecaster, Prediction
from ratesmith.forecast.results import chance
from ratesmith.report.forecast_charts import (
    Unseen,
    agreement,
    annealing,
    by_decay,
    calibration,
    fan,
    forest,
    misses,
    rate_strip,
)
from ratesmith.report.page import write_page
from ratesmith.report.style import looks

CAPTIONS = {
    "fan": "Dots: the runs that the law was fitted to. Lines: the candidates, with bands of 80 %.",
    "rates": "Their rates, step by step.",
    "forest": "Last loss against the baseline’s: left of the line is better. Thick: the band of 50 %, thin: of 95 %. "
    "The numbers are those of the table.",
    "decay": "The last loss of a plateau and then a linear decay to zero, by the share of training that decays; the "
    "band of 80 % is that of the difference to linear decay all the way. The upright line marks the best.",
    "annealing": "What a linear decay to zero from the end of the least annealed run on would gain over keeping the "
    "rate for as many steps, with the band of 80 %.",
    "misses": "What the law misses, by step: dots are runs that it was fitted to, crosses those that it was tried on.",
    "agreement": "Forecast against measured, on runs that the law had not seen, at every measurement after the first "
    "tenth: on the dashed line they agree. Of the runs that it was fitted to, each is forecast from the others.",
    "calibration": "How many of these losses lie inside bands of each level: on the dashed line the bands are right, "
    "above it too wide, below it too narrow. Losses of one run miss together, so a line may jump.",
}


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
    styles = looks([row.name for row in candidates.rows], candidates.baseline)
    unseen = _unseen(forecaster, checks)
    fan_plot = fan(forecaster, candidates, styles)
    drawn = {
        "fan": fan_plot,
        "rates": rate_strip(forecaster, candidates, styles, fan_plot.x_range),
        "forest": forest(candidates, styles),
        "decay": by_decay(forecaster, candidates),
        "annealing": annealing(forecaster),
        "misses": misses(forecaster, checks),
        "agreement": agreement(unseen),
        "calibration": calibration(unseen),
    }
    pictures = {name: drawn[name] for name in CAPTIONS if drawn.get(name) is not None}
    return write_page(
        "forecast.html.jinja",
        path,
        pictures,
        title=title,
        command=command,
        candidates=candidates,
        checks=[_checked(*pair) for pair in checks],
        looks=styles,
        fitted=forecaster.explain().splitlines(),
        tried=candidates.summary_of_checks(checks),
        sentences=forecaster.lines_new_in(candidates),
        captions=CAPTIONS,
        chance=chance,
    )


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
