"""The pictures of a forecast, drawn by Bokeh: no colour is the page's own, so light and dark both work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.models.annotations import Span

from ratesmith.forecast import Candidates, Forecaster
from ratesmith.forecast.design import front
from ratesmith.forecast.results import chance
from ratesmith.report.page import Picture, legend
from ratesmith.report.style import ANSWER, COLOURS, GREY, Looks, along, blank, named_rows, steps_along
from ratesmith.report.ticks import written

SHARES: Final = (5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90)
"""Shares of training, in percent, that a decay is tried for."""
LENGTHS: Final = ("2%", "5%", "10%", "20%", "30%", "40%")
"""Lengths of annealing, as shares of the steps already made."""
EDGE: Final = 86
"""Room for the numbers to the left, alike in pictures that stand above each other."""
RATES_DRAWN: Final = 400
"""Points that a line of rates is drawn with."""
MARKED: Final = 8
"""Points of a line that bear its marker."""


def fan(forecaster: Forecaster, candidates: Candidates, looks: Looks, labels: Mapping[str, str]) -> Picture:
    """Draw the runs so far as dots, and the candidates' losses as lines with bands, without the first steep part."""
    last = max([forecaster.longest, *(int(row.prediction.steps[-1]) for row in candidates.rows)])
    lows = [float(row.prediction.low()[-1]) for row in candidates.rows]
    since, finals = 0.3 * forecaster.longest, [float(run.losses.min()) for run in forecaster.curves]
    tops = [float(run.losses[run.steps >= since].max(initial=0)) for run in forecaster.curves]
    bottom, top = min(lows + finals), max(tops)
    room = 0.05 * (top - bottom)
    plot = blank(("step", "loss"), x_range=(0, 1.01 * last), y_range=(bottom - room, top + room))
    others = [row.name for row in candidates.rows if row.name != candidates.baseline]
    banded = {candidates.baseline, *others[:2]}  # more bands are not told apart
    plot.height, plot.min_border_left = 380, EDGE
    for run in forecaster.curves:
        source = ColumnDataSource({"x": run.steps, "y": run.losses, "name": [run.name] * len(run.steps)})
        plot.scatter("x", "y", source=source, size=3, color=GREY, alpha=0.8)
    drawn = []
    for row in reversed(candidates.rows):
        colour, dash, marker = looks[row.name]
        prediction = row.prediction
        if row.name in banded:
            plot.varea(prediction.steps, prediction.low(), prediction.high(), fill_color=colour, fill_alpha=0.12)
        names = [row.name] * len(prediction.steps)
        source = ColumnDataSource({"x": prediction.steps, "y": prediction.losses, "name": names})
        drawn.append(plot.line("x", "y", source=source, color=colour, line_dash=dash, line_width=2))
        few = np.unique(np.linspace(0, len(prediction.steps) - 1, MARKED).astype(int))
        plot.scatter(prediction.steps[few], prediction.losses[few], color=colour, marker=marker, size=7)
    tooltips = [("", "@name"), ("step", "@x{0,0}"), ("loss", "@y{0.0000}")]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tooltips, line_policy="nearest"))
    steps_along(plot)
    caption = (
        "Grey dots: the runs that the law was fitted to. Bands of 80 %: of the first two candidates and the baseline."
    )
    title = "The losses to come: each candidate’s, as forecast; lower is better"
    return Picture(title, plot, caption, legend(looks, labels, [row.name for row in candidates.rows]))


def rate_strip(forecaster: Forecaster, candidates: Candidates, looks: Looks, steps: Any) -> Picture:
    """Draw the rates beneath the fan, on the same steps."""
    plot = blank(("step", "rate"), x_range=steps)
    plot.height, plot.min_border_left = 180, EDGE
    seen = [run.rates for run in forecaster.curves]
    for run in forecaster.curves:
        places = np.unique(np.linspace(0, run.length - 1, RATES_DRAWN).astype(int))
        plot.line(places + 1, run.rates[places], color=GREY, line_width=4, alpha=0.35)
    for row in reversed(candidates.rows):
        colour, dash, _ = looks[row.name]
        plot.line(row.prediction.steps, row.prediction.rates, color=colour, line_dash=dash, line_width=2)
    steps_along(plot)
    highest = max(float(rates.max()) for rates in [*(row.prediction.rates for row in candidates.rows), *seen])
    plot.yaxis.ticker = [0, highest / 2, highest]
    plot.yaxis.major_label_overrides = {tick: written(tick) for tick in (0, highest / 2, highest)}
    return Picture("Their rates, step by step", plot, "Broad and grey: the rates of the runs so far.")


def forest(candidates: Candidates, looks: Looks, labels: Mapping[str, str]) -> Picture | None:
    """Draw each difference to the baseline with its bands, the most promising on top."""
    others = [row for row in candidates.rows if row.name != candidates.baseline]
    if not others:
        return None
    plot = blank((f"last loss against {labels[candidates.baseline]}", ""))
    named_rows(plot, [(labels[row.name], f"{row.difference:+.4f}, better with {chance(row.better)}") for row in others])
    plot.add_layout(Span(location=0, dimension="height", line_color=GREY, line_dash="dashed"))
    ends = [0.0]
    for place, row in enumerate(others):
        look = looks[row.name]
        for level, width in ((95, 1), (80, 3), (50, 7)):
            low, high = row.bands[level]
            plot.segment([low], [-place], [high], [-place], color=look.colour, line_width=width, alpha=0.8)
            ends += [low, high]
        plot.scatter([row.difference], [-place], size=9, color=look.colour, marker=look.marker, line_color="white")
    along(plot, min(ends), max(ends), None)
    caption = "Thick: the band of 50 %; middle: of 80 %; thin: of 95 %."
    return Picture("The last loss against the baseline’s: left of the line is better", plot, caption)


def by_decay(forecaster: Forecaster, candidates: Candidates) -> Picture:
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
    plot.add_layout(Span(location=best, dimension="height", line_color=ANSWER, line_width=3))
    caption = (
        "Of a plateau and then a linear decay to zero; the band of 80 % is that of the difference to linear decay all "
        "the way. The green line marks the best."
    )
    return Picture("The last loss by the share of training that decays: lower is better", plot, caption)


def annealing(forecaster: Forecaster) -> Picture | None:
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
    steps_along(plot)
    caption = (
        "From the end of the least annealed run on, by a linear decay to zero, against keeping the rate for as many "
        "steps; with the band of 80 %."
    )
    return Picture("What annealing now would gain: higher is better", plot, caption)
