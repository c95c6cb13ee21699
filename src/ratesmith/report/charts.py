"""The pictures of a comparison, drawn by Bokeh: no colour is the page's own, so light and dark both work."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure

from ratesmith.experiment import BASELINE, Comparison, Run

COLOURS = ("#E69F00", "#0091D5", "#009E73", "#D55E00", "#CC79A7", "#7A6FF0", "#A08040", "#44AA99")
DASHES = ("solid", "dashed", "dotted")
GREY = "#888888"


def looks(comparison: Comparison) -> dict[str, tuple[str, str]]:
    """Give each strategy its colour and dash: the constant baseline grey and dashed, the others by rank."""
    others = [row.strategy for row in comparison.rows if row.strategy != BASELINE]
    given = {name: (COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % 3]) for i, name in enumerate(others)}
    return {BASELINE: (GREY, "dashed"), **given}


def charts(comparison: Comparison) -> dict[str, Any]:
    """Give the pictures by name, in the order of the page."""
    best = {row.strategy: comparison.runs_of(row.strategy, row.base_lr) for row in comparison.rows if row.base_lr}
    if not best:
        return {"basin": _basin(comparison)} if any(run.metrics for run in comparison.runs) else {}
    return {
        "rates": _lines(
            comparison,
            {
                name: [(step, rate / runs[0].trial.base_lr) for step, rate in runs[0].rates]
                for name, runs in best.items()
            },
            ("step", "share of the initial rate"),
            stairs=True,
        ),
        "validation": _lines(
            comparison,
            {name: _mean_curve(runs, lambda point: point.metrics["loss"]) for name, runs in best.items()},
            ("step", "validation loss"),
            log=True,
        ),
        "training": _lines(
            comparison,
            {name: _mean_curve(runs, lambda point: point.train_loss) for name, runs in best.items()},
            ("step", "training loss"),
            log=True,
        ),
        "basin": _basin(comparison),
    }


def _mean_curve(runs: Sequence[Run], value: Callable[[Any], float | None]) -> list[tuple[int, float]]:
    """Give (step, mean over the seeds), where every seed has a value."""
    points = []
    for same_step in zip(*(run.curve for run in runs), strict=False):
        values = [value(point) for point in same_step]
        known = [v for v in values if v is not None]
        if len(known) == len(values):
            points.append((same_step[0].step, statistics.fmean(known)))
    return points


def blank(labels: tuple[str, str], **options: Any) -> Any:
    """Give an empty picture with these labels of its axes."""
    plot = figure(
        height=320,
        sizing_mode="stretch_width",
        toolbar_location=None,
        tools="",
        x_axis_label=labels[0],
        y_axis_label=labels[1],
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        **options,
    )
    for axis in plot.axis:
        axis.axis_line_color = axis.major_tick_line_color = GREY
        axis.minor_tick_line_color = None
        axis.major_label_text_color = axis.axis_label_text_color = GREY
        axis.axis_label_text_font_style = "normal"
    plot.grid.grid_line_color = GREY
    plot.grid.grid_line_alpha = 0.25
    plot.min_border_right = 16
    return plot


def _source(name: str, points: Iterable[tuple[float, float]]) -> ColumnDataSource:
    xs, ys = zip(*points, strict=True)
    return ColumnDataSource({"x": xs, "y": ys, "name": [name] * len(xs)})


def _lines(
    comparison: Comparison,
    curves: dict[str, list[tuple[int, float]]],
    labels: tuple[str, str],
    log: bool = False,
    stairs: bool = False,
) -> Any:
    # A loss that is not positive has no place on a log axis.
    log = log and all(y > 0 for points in curves.values() for _, y in points)
    plot = blank(labels, y_axis_type="log" if log else "linear", x_range=(0, comparison.plan.steps))
    drawn = []
    for name, points in reversed([(name, points) for name, points in curves.items() if points]):
        colour, dash = looks(comparison)[name]
        source = _source(name, points)
        draw = plot.step if stairs else plot.line
        options = {"mode": "after"} if stairs else {}
        draw("x", "y", source=source, color=colour, line_dash=dash, line_width=2, **options)
        drawn.append(plot.scatter("x", "y", source=source, color=colour, size=0 if stairs else 4, hit_dilation=4))
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("", "@name"), ("step", "@x"), (labels[1], "@y{0.0000}")]))
    return plot


def _basin(comparison: Comparison) -> Any:
    """Draw the metric against the initial rate: a dot a seed, a line through the means, crosses where diverged."""
    values = [run.metrics[comparison.metric] for run in comparison.runs if not run.diverged]
    log = bool(values) and min(values) > 0
    labels = ("initial rate", f"validation {comparison.metric} at the end")
    plot = blank(labels, x_axis_type="log", y_axis_type="log" if log else "linear")
    top = max(values, default=1.0)
    drawn = []
    for row in reversed(comparison.rows):
        colour, dash = looks(comparison)[row.strategy]
        means, dots, crosses = [], [], []
        for rate in comparison.rates:
            runs = comparison.runs_of(row.strategy, rate)
            sound = [run.metrics[comparison.metric] for run in runs if not run.diverged]
            dots += [(rate, value) for value in sound]
            if len(sound) == len(runs):
                means.append((rate, statistics.fmean(sound)))
            else:
                crosses.append((rate, top * 1.3 if log else top))
        for points, marker, size in ((dots, "circle", 3), (means, "circle", 7), (crosses, "x", 10)):
            if points:
                source = _source(row.strategy, points)
                mark = plot.scatter("x", "y", source=source, marker=marker, size=size, color=colour, alpha=0.9)
                drawn += [mark] if points is not dots else []
        if means:
            plot.line("x", "y", source=_source(row.strategy, means), color=colour, line_dash=dash, line_width=2)
    tooltips = [("", "@name"), ("initial rate", "@x{0.0000}"), (comparison.metric, "@y{0.0000}")]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tooltips))
    if values and math.isfinite(top):
        plot.xaxis.ticker = list(comparison.rates)
        plot.xaxis.major_label_overrides = {rate: f"{rate:g}" for rate in comparison.rates}
    return plot
