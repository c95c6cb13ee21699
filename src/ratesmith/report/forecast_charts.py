"""The pictures of a forecast, drawn by Bokeh: no colour is the page's own, so light and dark both work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.models.annotations import Span
from bokeh.models.formatters import NumeralTickFormatter

from ratesmith.forecast import Candidates, Curve, Forecaster, Prediction
from ratesmith.forecast.design import front
from ratesmith.forecast.uncertainty import level_of
from ratesmith.report.style import COLOURS, GREY, Looks, blank, legend_below

SHARES: Final = (5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90)
"""Shares of training, in percent, that a decay is tried for."""
LENGTHS: Final = ("2%", "5%", "10%", "20%", "30%", "40%")
"""Lengths of annealing, as shares of the steps already made."""
EDGE: Final = 86
"""Room for the numbers to the left, alike in pictures that stand above each other."""
LEVELS_COUNTED: Final = np.arange(0, 101, 2)
"""Levels of bands, in percent, whose contents are counted."""
Unseen = Sequence[tuple[str, Curve, Prediction]]
"""Runs that were forecast from others: what to call them, what was measured, and the forecast."""
RATES_DRAWN: Final = 400
"""Points that a line of rates is drawn with."""


def fan(forecaster: Forecaster, candidates: Candidates, looks: Looks) -> Any:
    """Draw the runs so far as dots, and the candidates' losses as lines with bands, without the first steep part."""
    last = max([forecaster.longest, *(int(row.prediction.steps[-1]) for row in candidates.rows)])
    lows = [float(row.prediction.low()[-1]) for row in candidates.rows]
    since, finals = 0.3 * forecaster.longest, [float(run.losses.min()) for run in forecaster.curves]
    tops = [float(run.losses[run.steps >= since].max(initial=0)) for run in forecaster.curves]
    bottom, top = min(lows + finals), max(tops)
    room = 0.05 * (top - bottom)
    plot = blank(("", "loss"), x_range=(0, last), y_range=(bottom - room, top + room))
    plot.height, plot.min_border_left = 380, EDGE
    for run in forecaster.curves:
        source = ColumnDataSource({"x": run.steps, "y": run.losses, "name": [run.name] * len(run.steps)})
        plot.scatter("x", "y", source=source, size=3, color=GREY, alpha=0.8)
    drawn = []
    for row in reversed(candidates.rows):
        colour, dash = looks[row.name]
        prediction = row.prediction
        plot.varea(prediction.steps, prediction.low(), prediction.high(), fill_color=colour, fill_alpha=0.12)
        names = [row.name] * len(prediction.steps)
        source = ColumnDataSource({"x": prediction.steps, "y": prediction.losses, "name": names})
        drawn.append(plot.line("x", "y", source=source, color=colour, line_dash=dash, line_width=2))
    tooltips = [("", "@name"), ("step", "@x{0,0}"), ("loss", "@y{0.0000}")]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tooltips, line_policy="nearest"))
    _steps_along(plot)
    plot.xaxis.visible = False
    return plot


def rate_strip(forecaster: Forecaster, candidates: Candidates, looks: Looks, along: Any) -> Any:
    """Draw the rates beneath the fan, on the same steps."""
    plot = blank(("step", "rate"), x_range=along)
    plot.height, plot.min_border_left = 150, EDGE
    for run in forecaster.curves:
        places = np.unique(np.linspace(0, run.length - 1, RATES_DRAWN).astype(int))
        plot.line(places + 1, run.rates[places], color=GREY, line_width=4, alpha=0.35)
    for row in reversed(candidates.rows):
        colour, dash = looks[row.name]
        plot.line(row.prediction.steps, row.prediction.rates, color=colour, line_dash=dash, line_width=2)
    _steps_along(plot)
    plot.yaxis.ticker.desired_num_ticks = 3
    return plot


def forest(candidates: Candidates, looks: Looks) -> Any:
    """Draw each difference to the baseline with its bands, the most promising on top."""
    others = [(place, row) for place, row in enumerate(candidates.rows, 1) if row.name != candidates.baseline]
    if not others:
        return None
    numbers = [str(place) for place, _ in others]
    plot = blank(("last loss against the baseline", ""), y_range=numbers[::-1])
    plot.height = 80 + 34 * len(others)
    plot.add_layout(Span(location=0, dimension="height", line_color=GREY, line_dash="dashed"))
    for number, (_, row) in zip(numbers, others, strict=True):
        colour = looks[row.name][0]
        for level, width in ((95, 1), (80, 3), (50, 7)):
            low, high = row.bands[level]
            plot.segment([low], [number], [high], [number], color=colour, line_width=width, alpha=0.8)
        plot.scatter([row.difference], [number], size=9, color=colour, line_color="white")
    plot.xaxis.ticker.desired_num_ticks = 5
    plot.ygrid.visible = False
    return plot


def by_decay(forecaster: Forecaster, candidates: Candidates) -> Any:
    """Draw the last loss against the share of training that a linear decay takes."""
    prediction = candidates.best.prediction
    steps = int(prediction.steps[-1])
    warmup = front(forecaster.warmup_steps, steps)
    shares = [share for share in SHARES if steps * share // 100 + forecaster.warmup_steps < steps]
    named = {f"{share}": f'{warmup}wsd(decay="{share}%")' for share in shares}
    candidates_by_share = forecaster.compare({"all": f"{warmup}linear()", **named}, prediction.base_lr, steps)
    whole = candidates_by_share.row("all").final
    rows = [(share, candidates_by_share.row(f"{share}")) for share in shares]
    points = [(share, row.difference, *row.bands[80]) for share, row in rows] + [(100, 0.0, 0.0, 0.0)]
    x, middle, low, high = (np.array(column) for column in zip(*points, strict=True))
    plot = blank(("share of training that decays, %", "last loss"), x_range=(0, 102))
    plot.varea(x, whole + low, whole + high, fill_color=COLOURS[1], fill_alpha=0.2)
    plot.line(x, whole + middle, color=COLOURS[1], line_width=2)
    plot.scatter(x, whole + middle, color=COLOURS[1], size=5)
    best = float(x[int(np.argmin(middle))])
    plot.add_layout(Span(location=best, dimension="height", line_color=COLOURS[2], line_width=2))
    return plot


def annealing(forecaster: Forecaster) -> Any:
    """Draw what annealing from the end of the least annealed run on would gain; None if all came down already."""
    run = min(forecaster.curves, key=lambda curve: curve.annealed)
    if run.annealed > 0.5:
        return None
    cooldowns = forecaster.what_if_cooldown(lengths=LENGTHS, run=run.name)
    gains = sorted(
        (int(row.prediction.steps[-1]) - int(run.steps[-1]), -row.difference, row.bands[80]) for row in cooldowns.rows
    )
    x, middle = [gain[0] for gain in gains], [gain[1] for gain in gains]
    plot = blank(("further steps, all of them annealing", "gain in loss"))
    plot.varea(
        x, [-gain[2][1] for gain in gains], [-gain[2][0] for gain in gains], fill_color=COLOURS[3], fill_alpha=0.2
    )
    plot.line(x, middle, color=COLOURS[3], line_width=2)
    plot.scatter(x, middle, color=COLOURS[3], size=5)
    plot.add_layout(Span(location=0, dimension="width", line_color=GREY, line_dash="dashed"))
    _steps_along(plot)
    return plot


def misses(forecaster: Forecaster, checks: Sequence[tuple[Curve, Prediction]]) -> Any:
    """Draw forecast less measured, in percent of the loss, along the runs."""
    plot = blank(("step", "forecast less measured, %"))
    plot.add_layout(Span(location=0, dimension="width", line_color=GREY, line_dash="dashed"))
    fitted = [(run, forecaster.under(run.name, run.rates, run.steps.tolist())) for run in forecaster.curves]
    for place, (run, prediction) in enumerate([*fitted, *checks]):
        later = run.steps > run.length / 10
        errors = 100 * (prediction.losses - run.losses)[later] / run.losses[later]
        is_fitted = place < len(fitted)
        colour = COLOURS[place % len(COLOURS)]
        plot.scatter(
            run.steps[later],
            errors,
            marker="circle" if is_fitted else "x",
            size=5 if is_fitted else 6,
            color=colour,
            alpha=0.8,
            legend_label=run.name if is_fitted else f"{run.name}, not seen",
        )
    legend_below(plot, 2)
    _steps_along(plot)
    return plot


def agreement(unseen: Unseen) -> Any:
    """Draw forecast against measured losses of runs that the law had not seen; None without any."""
    if not unseen:
        return None
    plot = blank(("measured", "forecast"))
    ends = []
    for place, (name, run, prediction) in enumerate(unseen):
        later = run.steps > run.length / 10
        colour = COLOURS[place % len(COLOURS)]
        plot.scatter(run.losses[later], prediction.losses[later], color=colour, size=5, alpha=0.8, legend_label=name)
        ends += [*run.losses[later], *prediction.losses[later]]
    plot.line([min(ends), max(ends)], [min(ends), max(ends)], color=GREY, line_dash="dashed")
    legend_below(plot, 1)
    return plot


def calibration(unseen: Unseen) -> Any:
    """Draw the share of measured losses inside bands of every level, for runs not seen; None without any."""
    if not unseen:
        return None
    plot = blank(("level of the band, %", "measured losses inside, %"), x_range=(0, 100), y_range=(-2, 102))
    plot.line([0, 100], [0, 100], color=GREY, line_dash="dashed")
    for place, (name, run, prediction) in enumerate(unseen):
        later = run.steps > run.length / 10
        levels = np.sort(level_of(run.losses - prediction.losses, prediction.sd)[later])
        inside = np.searchsorted(levels, LEVELS_COUNTED / 100, side="right") / len(levels)
        plot.line(LEVELS_COUNTED, 100 * inside, color=COLOURS[place % len(COLOURS)], line_width=2, legend_label=name)
    legend_below(plot, 1)
    return plot


def _steps_along(plot: Any) -> None:
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[0]a")
    plot.xaxis.ticker.desired_num_ticks = 5
