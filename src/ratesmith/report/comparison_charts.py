"""The pictures of a comparison, drawn by Bokeh: no colour is the page's own, so light and dark both work."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bokeh.models import ColumnDataSource, HoverTool
from bokeh.models.annotations import BoxAnnotation

from ratesmith.experiment import Comparison, Run
from ratesmith.report.style import COLOURS, GREY, Looks, blank


def charts(comparison: Comparison, styles: Looks) -> dict[str, Any]:
    """Return the pictures by name, in the order of the page."""
    judged = [row for row in comparison.rows if row.base_lr is not None]
    best = {row.strategy: [run for run in comparison.runs_of(row.chosen, row.base_lr) if run.curve] for row in judged}
    best = {name: runs for name, runs in best.items() if runs}
    drawn = {}
    if any(row.difference is not None and row.difference.low is not None for row in judged):
        drawn["forest"] = _forest(comparison, styles)
    if any(run.metrics for run in comparison.runs):
        drawn["basin"] = _basin(comparison, styles)
    if best:
        shares = {
            name: [(step, rate / runs[0].trial.base_lr) for step, rate in runs[0].rates] for name, runs in best.items()
        }
        drawn["rates"] = _lines(comparison, styles, shares, {}, ("step", "share of the initial rate"), stairs=True)
        # A task measures a loss; a script may report other metrics alone.
        metric = "loss" if any("loss" in run.metrics for runs in best.values() for run in runs) else comparison.metric
        for split, label, value in (
            ("validation", f"validation {metric}", lambda point: point.metrics.get(metric)),
            ("training", "training loss", lambda point: point.train_loss),
        ):
            curves = {name: _curve(runs, value) for name, runs in best.items()}
            if not any(curves.values()):
                continue  # a script may keep its training losses to itself
            means = {name: [(step, mean) for step, mean, _, _ in points] for name, points in curves.items()}
            drawn[split] = _lines(comparison, styles, means, curves, ("step", label), log=True)
    if shared := _shared(comparison):
        drawn["shared"] = shared
    return drawn


Band = list[tuple[int, float, float, float]]
"""Step, mean, least and greatest over the seeds."""


def _curve(runs: Sequence[Run], value: Callable[[Any], float | None]) -> Band:
    """Return mean, least and greatest over the seeds at every step where each seed has a value."""
    points = []
    for same_step in zip(*(run.curve for run in runs), strict=False):
        values = [value(point) for point in same_step]
        finite = [value for value in values if value is not None and math.isfinite(value)]
        if len(finite) == len(values):
            points.append((same_step[0].step, statistics.fmean(finite), min(finite), max(finite)))
    return points


def _source(name: str, points: Iterable[tuple[float, float]]) -> ColumnDataSource:
    xs, ys = zip(*points, strict=True)
    return ColumnDataSource({"x": xs, "y": ys, "name": [name] * len(xs)})


def _lines(
    comparison: Comparison,
    styles: Looks,
    curves: dict[str, list[tuple[int, float]]],
    bands: dict[str, Band],
    labels: tuple[str, str],
    log: bool = False,
    stairs: bool = False,
) -> Any:
    # A loss that is not positive has no place on a log axis.
    log = log and all(y > 0 for points in curves.values() for _, y in points)
    plot = blank(labels, y_axis_type="log" if log else "linear", x_range=(0, comparison.layout.steps))
    drawn = []
    for name, points in reversed([(name, points) for name, points in curves.items() if points]):
        colour, dash = styles[name]
        if bands.get(name):
            steps, _, low, high = zip(*bands[name], strict=True)
            plot.varea(steps, low, high, color=colour, alpha=0.15)
        source = _source(name, points)
        draw = plot.step if stairs else plot.line
        options = {"mode": "after"} if stairs else {}
        draw("x", "y", source=source, color=colour, line_dash=dash, line_width=2, **options)
        drawn.append(plot.scatter("x", "y", source=source, color=colour, size=0 if stairs else 4, hit_dilation=4))
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("", "@name"), ("step", "@x"), (labels[1], "@y{0.0000}")]))
    return plot


def _forest(comparison: Comparison, styles: Looks) -> Any:
    """Draw each strategy's paired difference to the baseline, with its interval and the margin of a tie."""
    rows = [row for row in comparison.rows if row.difference is not None and row.difference.low is not None]
    relative = all(row.difference is not None and row.difference.relative for row in rows)
    scale = (lambda value: 100 * math.expm1(min(value, 50.0))) if relative else float
    unit = f"{comparison.metric}, % above the baseline's" if relative else f"{comparison.metric} above the baseline's"
    shown = _short([row.strategy for row in rows])
    names = list(reversed(shown.values()))
    plot = blank((unit, ""), y_range=names, x_axis_type="linear")
    plot.height = 110 + 30 * len(rows)
    margin = comparison.question.margin
    plot.add_layout(BoxAnnotation(left=scale(-margin), right=scale(margin), fill_color=GREY, fill_alpha=0.2))
    for row in rows:
        difference = row.difference
        assert difference is not None
        assert difference.low is not None
        assert difference.high is not None
        colour = styles[row.strategy][0]
        name = shown[row.strategy]
        plot.segment([scale(difference.low)], [name], [scale(difference.high)], [name], color=colour, line_width=3)
        plot.scatter([scale(difference.mean)], [name], color=colour, size=10)
    return plot


def _short(names: Sequence[str]) -> dict[str, str]:
    """Return a short name for each, no two the same."""
    shortened: dict[str, str] = {}
    for name in dict.fromkeys(names):
        short = name if len(name) <= 34 else f"{name[:33]}…"
        shortened[name] = short if short not in shortened.values() else f"{short} ({len(shortened) + 1})"
    return shortened


def _shared(comparison: Comparison) -> Any:
    """Draw, for the rate and seed at which most is shared, what each run shares in grey and what is its own."""
    groups: dict[tuple[float, int], list[Run]] = {}
    for run in comparison.runs:
        groups.setdefault((run.trial.base_lr, run.trial.seed), []).append(run)
    most = max(groups, key=lambda key: sum(run.shared for run in groups[key]), default=None)
    if most is None or not any(run.shared for run in groups[most]):
        return None
    runs = sorted(groups[most], key=lambda run: run.shared)[:40]
    shown = _short([run.trial.strategy for run in runs])
    names = [f"{shown[run.trial.strategy]}{_length(run, comparison)}" for run in runs]
    plot = blank(("step", ""), y_range=list(reversed(names)), x_range=(0, comparison.layout.steps))
    plot.height = 110 + 22 * len(runs)
    data = {
        "name": names,
        "shared": [run.shared for run in runs],
        "end": [run.updates for run in runs],
        "with": [run.shared_with or "its own" for run in runs],
    }
    source = ColumnDataSource(data)
    grey = plot.hbar("name", left=0, right="shared", height=0.5, color=GREY, alpha=0.4, source=source)
    alone = plot.hbar("name", left="shared", right="end", height=0.5, color=COLOURS[1], source=source)
    tips = [("", "@name"), ("shared updates", "@shared"), ("with", "@with")]
    plot.add_tools(HoverTool(renderers=[grey, alone], tooltips=tips))
    return plot


def _length(run: Run, comparison: Comparison) -> str:
    return "" if run.trial.steps == comparison.layout.steps else f", {run.trial.steps} steps"


def _basin(comparison: Comparison, styles: Looks) -> Any:
    """Draw the metric against the initial rate: a dot a seed, a line through the means, crosses where diverged."""
    metric, seeds = comparison.metric, (*comparison.question.choice_seeds, *comparison.question.seeds)
    whole = [run for run in comparison.runs if run.trial.steps == comparison.layout.steps]
    values = [run.metrics[metric] for run in whole if run.metrics and math.isfinite(run.metrics[metric])]
    log = bool(values) and min(values) > 0
    plot = blank(
        ("initial rate", f"validation {metric} at the end"), x_axis_type="log", y_axis_type="log" if log else "linear"
    )
    top = max(values, default=1.0)
    drawn = []
    for row in reversed(comparison.rows):
        colour, dash = styles[row.strategy]
        means, dots, crosses = [], [], []
        for rate in sorted({run.trial.base_lr for run in whole if run.trial.strategy == row.chosen}):
            chosen_by = comparison.runs_of(row.chosen, rate, comparison.question.choice_seeds)
            sound = [run.metrics[metric] for run in comparison.runs_of(row.chosen, rate, seeds) if run.metrics]
            dots += [(rate, value) for value in sound]
            if chosen_by and all(run.metrics for run in chosen_by):
                means.append((rate, statistics.fmean(run.metrics[metric] for run in chosen_by)))
            if any(not run.metrics for run in chosen_by):
                crosses.append((rate, top * 1.3 if log else top))
        for points, marker, size in ((dots, "circle", 3), (means, "circle", 7), (crosses, "x", 10)):
            if points:
                source = _source(row.strategy, points)
                mark = plot.scatter("x", "y", source=source, marker=marker, size=size, color=colour, alpha=0.9)
                drawn += [mark] if points is not dots else []
        if means:
            plot.line("x", "y", source=_source(row.strategy, means), color=colour, line_dash=dash, line_width=2)
    tooltips = [("", "@name"), ("initial rate", "@x{0.0000}"), (metric, "@y{0.0000}")]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tooltips))
    rates = sorted({run.trial.base_lr for run in whole})
    if len(rates) <= 12:
        plot.xaxis.ticker = rates
        plot.xaxis.major_label_overrides = {rate: f"{rate:g}" for rate in rates}
    return plot
