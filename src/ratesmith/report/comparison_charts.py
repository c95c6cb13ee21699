"""The pictures of a comparison, drawn by Bokeh: no colour is the page's own, so light and dark both work."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.models.annotations import BoxAnnotation, Span

from ratesmith.experiment import Comparison, Row, Run
from ratesmith.experiment.answer import conclusion_to_baseline, relative
from ratesmith.experiment.wording import interval
from ratesmith.report.page import Picture, legend
from ratesmith.report.shared_chart import shared
from ratesmith.report.style import ANSWER, GREY, Looks, along, blank, log_axis, named_rows
from ratesmith.report.ticks import percents_around

SPREAD: Final = 3
"""From this ratio of the greatest to the least on, values above 0 stand on a logarithmic axis."""
MARKED: Final = 12
"""Points of a line that bear its marker."""
SHOWN_ABOVE: Final = 3
"""A rate may ruin a run: losses above so many times what the chosen rates gave lie outside of the picture by rate."""
MOST_RATES: Final = 6
"""Rates up to which each has a tick of its own; a search tries others for each strategy."""
Band = list[tuple[float, float, float, float]]
"""Step or epoch, mean, least and greatest over the seeds."""


@dataclass(frozen=True)
class View:
    """A comparison, and how its strategies look and are called."""

    comparison: Comparison
    styles: Looks
    labels: Mapping[str, str]

    @property
    def better(self) -> str:
        """Which way is better, in a title."""
        return "lower is better" if self.comparison.question.mode == "min" else "higher is better"

    @property
    def unit(self) -> tuple[str, int]:
        """What the axis of training counts, and how many steps that is."""
        epoch = self.comparison.layout.steps_per_epoch
        return ("epoch", epoch) if epoch is not None and epoch > 1 else ("step", 1)

    @property
    def banded(self) -> set[str]:
        """The strategies whose spread is drawn: more bands than these are not told apart."""
        names = [row.strategy for row in self.comparison.rows]
        others = [name for name in names if name != self.comparison.question.baseline]
        return {self.comparison.question.baseline, *others[:2]}


def charts(view: View) -> dict[str, Picture]:
    """Return the pictures by name, in the order of the page."""
    comparison = view.comparison
    judged = [row for row in comparison.rows if row.base_lr is not None]
    best = {row.strategy: [run for run in comparison.runs_of(row.chosen, row.base_lr) if run.curve] for row in judged}
    best = {name: runs for name, runs in best.items() if runs}
    drawn = {}
    if any(row.difference is not None and row.difference.low is not None for row in judged):
        drawn["forest"] = _forest(view)
    if any(run.metrics for run in comparison.runs if run.trial.steps == comparison.layout.steps):
        drawn["basin"] = _basin(view)
    if best:
        drawn |= _courses(view, best)
    if (picture := shared(comparison, view.labels, view.unit)) is not None:
        drawn["shared"] = picture
    return drawn


def _courses(view: View, best: Mapping[str, Sequence[Run]]) -> dict[str, Picture]:
    """Draw what happens in the course of training: rates, validation and training losses."""
    _, length = view.unit
    shares = {
        name: [(step / length, rate / runs[0].trial.base_lr) for step, rate in runs[0].rates]
        for name, runs in best.items()
    }
    title = "The rate as training goes on, as a share of the initial one"
    caption = "As each strategy used it with the first seed."
    drawn = {}
    if any(shares.values()):
        drawn["rates"] = _lines(view, shares, {}, "share of the initial rate", (title, caption), stairs=True)
    # A task measures a loss; a script may report other metrics alone.
    metric = "loss" if any("loss" in run.metrics for runs in best.values() for run in runs) else view.comparison.metric
    better = "lower is better" if metric == "loss" else view.better
    for split, label, title, value in (
        ("validation", f"validation {metric}", better, lambda point: point.metrics.get(metric)),
        ("training", "training loss", "lower is better", lambda point: point.train_loss),
    ):
        curves = {name: _curve(runs, value, length) for name, runs in best.items()}
        if not any(curves.values()):
            continue  # a script may keep its training losses to itself
        means = {name: [(step, mean) for step, mean, _, _ in points] for name, points in curves.items()}
        bands = {name: points for name, points in curves.items() if name in view.banded}
        caption = "Mean over the fresh seeds; bands, for the first strategies and the baseline, from least to greatest."
        if split == "training":
            caption = f"Mean since the measurement before. {caption}"
        words = (f"{_begun(label)} as training goes on: {title}", caption)
        drawn[split] = _lines(view, means, bands, label, words, log=True)
    return drawn


def _curve(runs: Sequence[Run], value: Callable[[Any], float | None], length: int) -> Band:
    """Return mean, least and greatest over the seeds wherever each seed has a value."""
    points = []
    for same_step in zip(*(run.curve for run in runs), strict=False):
        values = [value(point) for point in same_step]
        finite = [value for value in values if value is not None and math.isfinite(value)]
        if len(finite) == len(values):
            points.append((same_step[0].step / length, statistics.fmean(finite), min(finite), max(finite)))
    return points


def _source(name: str, points: Iterable[tuple[float, float]]) -> ColumnDataSource:
    xs, ys = zip(*points, strict=True)
    return ColumnDataSource({"x": xs, "y": ys, "name": [name] * len(xs)})


def _wide(values: Sequence[float]) -> bool:
    """Whether values want a logarithmic axis; a loss that is not positive has no place on one."""
    return bool(values) and min(values) > 0 and max(values) > SPREAD * min(values)


def _lines(
    view: View,
    curves: Mapping[str, Sequence[tuple[float, float]]],
    bands: Mapping[str, Band],
    label: str,
    words: tuple[str, str],
    log: bool = False,
    stairs: bool = False,
) -> Picture:
    unit, length = view.unit
    values = [y for points in curves.values() for _, y in points]
    values += [y for points in bands.values() for _, _, *ends in points for y in ends]
    log = log and _wide(values)
    last = view.comparison.layout.steps / length
    plot = blank((unit, label), y_axis_type="log" if log else "linear", x_range=(0, last))
    if log:
        log_axis(plot, "y", values)
    drawn = []
    for name, points in reversed([(name, points) for name, points in curves.items() if points]):
        look = view.styles[name]
        if bands.get(name):
            steps, _, low, high = zip(*bands[name], strict=True)
            plot.varea(steps, low, high, color=look.colour, alpha=0.15)
        source = _source(name, points)
        draw = plot.step if stairs else plot.line
        options = {"mode": "after"} if stairs else {}
        draw("x", "y", source=source, color=look.colour, line_dash=look.dash, line_width=2, **options)
        few = _source(name, points[:: -(-len(points) // MARKED)])
        plot.scatter("x", "y", source=few, marker=look.marker, color=look.colour, size=7)
        drawn.append(plot.scatter("x", "y", source=source, size=9, alpha=0))
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("", "@name"), (unit, "@x"), (label, "@y{0.0000}")]))
    shown = [row.strategy for row in view.comparison.rows if curves.get(row.strategy)]
    return Picture(words[0], plot, words[1], legend(view.styles, view.labels, shown))


def _forest(view: View) -> Picture:
    """Draw each strategy's difference to the baseline, with its interval and the margin of a tie."""
    comparison, baseline = view.comparison, view.comparison.question.baseline
    rows = [
        row
        for row in comparison.rows
        if row.strategy == baseline or (row.difference is not None and row.difference.low is not None)
    ]
    against = f"against {view.labels[baseline]}"
    plot = blank((f"{comparison.metric} {against}", ""))
    named_rows(plot, [_named(view, row) for row in rows])
    margin = comparison.question.margin
    plot.add_layout(BoxAnnotation(left=-margin, right=margin, fill_color=GREY, fill_alpha=0.12))
    plot.add_layout(Span(location=0, dimension="height", line_color=GREY, line_dash="dashed"))
    ends = [-margin, margin]
    for place, row in enumerate(rows):
        look, difference = view.styles[row.strategy], row.difference
        if difference is not None and difference.low is not None and difference.high is not None:
            plot.segment([difference.low], [-place], [difference.high], [-place], color=look.colour, line_width=3)
            ends += [difference.low, difference.high]
        mean = 0.0 if difference is None else difference.mean
        plot.scatter([mean], [-place], color=look.colour, marker=look.marker, size=11)
    # Differences of logarithms are drawn as such, and said in percent: a loss ten times as high leaves the others room.
    along(plot, min(ends), max(ends), percents_around if relative(comparison) else None)
    left = "left" if comparison.question.mode == "min" else "right"
    title = f"{_begun(comparison.metric)} on the validation set {against}: {left} is better"
    caption = (
        "A bar inside the grey band is a tie. Any other is better or worse beside the dashed line, and not told apart "
        "across it."
    )
    return Picture(title, plot, caption)


def _begun(text: str) -> str:
    """Return a text as a sentence begins; a name's other letters stay as they are."""
    return f"{text[:1].upper()}{text[1:]}"


def _named(view: View, row: Row) -> tuple[str, str]:
    if row.difference is None:
        return view.labels[row.strategy], "the baseline"
    return view.labels[row.strategy], f"{interval(row.difference)}, {conclusion_to_baseline(view.comparison, row)}"


def _basin(view: View) -> Picture:
    """Draw the metric by rate: a dot a seed, a line through the means, a ring where chosen, a cross where bad."""
    comparison, metric = view.comparison, view.comparison.metric
    whole = [run for run in comparison.runs if run.trial.steps == comparison.layout.steps]
    values = [run.metrics[metric] for run in whole if run.metrics and math.isfinite(run.metrics[metric])]
    is_min = comparison.question.mode == "min"
    shown = _worth_a_look(view, values) if is_min else values
    log = is_min and _wide(shown)
    label = f"validation {metric} at the end"
    plot = blank(("initial rate", label), x_axis_type="log", y_axis_type="log" if log else "linear")
    worst = (max if is_min else min)(shown, default=1.0)
    cross_at = worst * 1.2 if log else worst
    drawn = []
    for row in reversed(comparison.rows):
        look, (means, dots, crosses) = view.styles[row.strategy], _by_rate(comparison, row, whole, cross_at)
        for points, marker, size in ((dots, "circle", 3), (means, look.marker, 8), (crosses, "x", 10)):
            if points:
                source = _source(row.strategy, points)
                mark = plot.scatter("x", "y", source=source, marker=marker, size=size, color=look.colour, alpha=0.9)
                drawn += [mark] if points is not dots else []
        if means:
            source = _source(row.strategy, means)
            plot.line("x", "y", source=source, color=look.colour, line_dash=look.dash, line_width=2)
        if heights := [y for x, y in means or dots if x == row.base_lr]:
            colour, width = (ANSWER, 3) if row is comparison.best else (look.colour, 2)
            at = ([row.base_lr], [statistics.fmean(heights)])
            plot.scatter(*at, size=18, fill_color=None, line_color=colour, line_width=width)
    tooltips = [("", "@name"), ("initial rate", "@x{0.0000}"), (metric, "@y{0.0000}")]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tooltips))
    rates = sorted({run.trial.base_lr for run in whole})
    log_axis(plot, "x", [rates[0] / 1.2, rates[-1] * 1.2], rates if len(rates) <= MOST_RATES else ())
    if log:
        log_axis(plot, "y", [*shown, cross_at])
    elif len(shown) < len(values):
        room = 0.05 * (worst - min(shown))
        plot.y_range = Range1d(start=min(shown) - room, end=worst + room)
    title = f"Validation {metric} at the end, by initial rate: {view.better}"
    caption = (
        "A dot is one seed at one rate; lines join what the choice saw. A ring is the rate that was chosen, the green "
        "one the answer's. A cross is a rate at which a run did not end well."
    )
    if len(shown) < len(values):
        caption = f"{caption} A line that leaves the picture leads to a much higher {metric}."
    return Picture(title, plot, caption, legend(view.styles, view.labels, [row.strategy for row in comparison.rows]))


def _worth_a_look(view: View, values: Sequence[float]) -> Sequence[float]:
    """Return the losses at which rates can be told apart: without those of a rate that ruined a run."""
    judged = [row for row in view.comparison.rows if row.base_lr is not None]
    chosen = [run.metrics for row in judged for run in view.comparison.runs_of(row.chosen, row.base_lr) if run.metrics]
    top = max((SHOWN_ABOVE * metrics[view.comparison.metric] for metrics in chosen), default=0.0)
    shown = [value for value in values if value <= top]
    return shown if shown and min(shown) > 0 else values


Points = list[tuple[float, float]]


def _by_rate(comparison: Comparison, row: Row, whole: Sequence[Run], cross_at: float) -> tuple[Points, Points, Points]:
    """Return a strategy's points by rate: the means over the seeds of the choice, all seeds, and what went wrong."""
    metric, choice = comparison.metric, comparison.question.choice_seeds
    means, dots, crosses = Points(), Points(), Points()
    for rate in sorted({run.trial.base_lr for run in whole if run.trial.strategy == row.chosen}):
        chosen_by = comparison.runs_of(row.chosen, rate, choice)
        seeds = comparison.runs_of(row.chosen, rate, (*choice, *comparison.question.seeds))
        dots += [(rate, run.metrics[metric]) for run in seeds if run.metrics]
        if chosen_by and all(run.metrics for run in chosen_by):
            means.append((rate, statistics.fmean(run.metrics[metric] for run in chosen_by)))
        if any(not run.metrics for run in chosen_by):
            crosses.append((rate, cross_at))
    return means, dots, crosses
