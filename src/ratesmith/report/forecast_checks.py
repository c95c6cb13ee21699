"""The pictures of how far to trust a forecast, drawn by Bokeh: what the law misses, and whether its bands hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from bokeh.models.annotations import Span

from ratesmith.forecast import Curve, Forecaster, Prediction
from ratesmith.forecast.uncertainty import level_of
from ratesmith.report.page import Picture, legend
from ratesmith.report.style import GREY, Look, Looks, blank, looks, steps_along

LEVELS_COUNTED: Final = np.arange(0, 101, 2)
"""Levels of bands, in percent, whose contents are counted."""
Unseen = Sequence[tuple[str, Curve, Prediction]]
"""Runs that were forecast from others: what to call them, what was measured, and the forecast."""


def looks_of_runs(forecaster: Forecaster, checks: Sequence[tuple[Curve, Prediction]]) -> Looks:
    """Return the look of each run, by its name: the same in all of these pictures."""
    return looks([*(run.name for run in forecaster.curves), *(run.name for run, _ in checks)])


def misses(forecaster: Forecaster, checks: Sequence[tuple[Curve, Prediction]], styles: Looks) -> Picture:
    """Draw forecast less measured, in percent of the loss, along the runs."""
    plot = blank(("step", "forecast less measured, %"))
    plot.add_layout(Span(location=0, dimension="width", line_color=GREY, line_dash="dashed"))
    fitted = [(run, forecaster.under(run.name, run.rates, run.steps.tolist())) for run in forecaster.curves]
    labels = {run.name: f"{run.name}, not seen" for run, _ in checks} | {run.name: run.name for run, _ in fitted}
    for run, prediction in [*fitted, *checks]:
        later = run.steps > run.length / 10
        errors = 100 * (prediction.losses - run.losses)[later] / run.losses[later]
        look = styles[run.name]
        plot.scatter(run.steps[later], errors, marker=look.marker, size=6, color=look.colour, alpha=0.8)
    steps_along(plot)
    caption = "By step, of the runs that it was fitted to and of those that it was tried on."
    return Picture("What the law misses: on the dashed line nothing", plot, caption, legend(styles, labels))


def agreement(unseen: Unseen, styles: Looks) -> Picture | None:
    """Draw forecast against measured losses of runs that the law had not seen; None without any."""
    if not unseen:
        return None
    plot = blank(("measured loss", "forecast loss"))
    ends = []
    for _, run, prediction in unseen:
        later, look = run.steps > run.length / 10, styles[run.name]
        plot.scatter(
            *(run.losses[later], prediction.losses[later]), marker=look.marker, color=look.colour, size=6, alpha=0.8
        )
        ends += [*run.losses[later], *prediction.losses[later]]
    plot.line([min(ends), max(ends)], [min(ends), max(ends)], color=GREY, line_dash="dashed")
    caption = (
        "On runs that the law had not seen, at every measurement after the first tenth. Of the runs that it was fitted "
        "to, each is forecast from the others."
    )
    title = "Forecast against measured: on the dashed line they agree"
    return Picture(title, plot, caption, _legend(unseen, styles))


def calibration(unseen: Unseen, styles: Looks) -> Picture | None:
    """Draw the share of measured losses inside bands of every level, for runs not seen; None without any."""
    if not unseen:
        return None
    plot = blank(("level of the band, %", "measured losses inside, %"), x_range=(-2, 102), y_range=(-2, 102))
    plot.line([0, 100], [0, 100], color=GREY, line_dash="dashed")
    for _, run, prediction in unseen:
        later, look = run.steps > run.length / 10, styles[run.name]
        levels = np.sort(level_of(run.losses - prediction.losses, prediction.sd)[later])
        inside = np.searchsorted(levels, LEVELS_COUNTED / 100, side="right") / len(levels)
        plot.line(LEVELS_COUNTED, 100 * inside, color=look.colour, line_dash=look.dash, line_width=2)
        plot.scatter(LEVELS_COUNTED[::5], 100 * inside[::5], color=look.colour, marker=look.marker, size=7)
    title = "How many losses lie inside the bands: on the dashed line the bands are right"
    caption = "Above it they are too wide, below it too narrow. Losses of one run miss together, so a line may jump."
    return Picture(title, plot, caption, _legend(unseen, styles))


def _legend(unseen: Unseen, styles: Looks) -> tuple[tuple[Look, str, str], ...]:
    return tuple((styles[run.name], name, name) for name, run, _ in unseen)
