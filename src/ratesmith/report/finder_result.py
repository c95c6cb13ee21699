"""Put a finder's result on one page: the rate, its curves, and what to be careful about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bokeh.models import ColumnDataSource, HoverTool
from bokeh.models.annotations import BoxAnnotation, Span

from ratesmith.finder import Curve, FinderResult
from ratesmith.finder.result import EARLY_UPDATES
from ratesmith.report.page import Picture, legend, write_page
from ratesmith.report.style import ANSWER, GREY, Looks, blank, log_axis, looks
from ratesmith.report.ticks import written

FELL: Final = 0.1
"""The share of a sweep's fall at which its flat beginning is over."""
MARKED: Final = 12
"""Points of a line that bear its marker."""
BEFORE: Final = 3
"""How far below the end of the flat part, or the interval, the picture of a sweep begins: a factor."""


def write(result: FinderResult, path: str | Path, *, title: str, command: str) -> Path:
    """Write the page of a finder's result, and return its path."""
    sweeps, trainings = ([curve for curve in result.curves if curve.kind == kind] for kind in ("sweep", "training"))
    drawn = {}
    if trainings:
        better = "lower" if result.mode == "min" else "higher"
        title_words = f"{result.measure.capitalize()} after trainings of {trainings[0].name}, by initial rate"
        words = (f"{title_words}: {better} is better", " ".join(_of_trainings(result, trainings[0])))
        drawn["trainings"] = _chart(result, trainings, result.measure, words)
    if sweeps:
        words = ("Training loss while the rate rises: good rates lie where it falls", _of_sweeps(result, sweeps))
        drawn["sweep"] = _chart(result, sweeps, "training loss", words)
    suggestion = result.suggestion
    how_it_ended = {rate: _how_it_ended(result, rate) for curve in trainings for rate in curve.rates}
    return write_page(
        "finder_result.html.jinja",
        path,
        drawn,
        title=title,
        command=command,
        result=result,
        headline="No rate is suggested." if suggestion is None else f"Start with lr={suggestion:.2g}.",
        paste=_to_paste(result),
        sentences=result.explain().splitlines(),
        early_updates=EARLY_UPDATES,
        how_it_ended=how_it_ended,
        some_to_say=any(how_it_ended.values()),
        infinity=math.inf,
    )


def _to_paste(result: FinderResult) -> str:
    """Return the rate as an option, or those of the groups if they differ."""
    if result.rates_differ:
        return "\n".join(f"lr={rate:.2g}  # {name}" for name, rate in result.rates.items())
    return "" if result.suggestion is None else f"lr={result.suggestion:.2g}"


def _of_trainings(result: FinderResult, curve: Curve) -> Iterator[str]:
    """Yield the sentences below the picture of trainings."""
    if result.suggestion is not None:
        yield _marked(result)
        if curve.suggestion is not None and result.suggestion < 0.99 * curve.suggestion:
            yield "It is lower than the best rate of these short trainings, since longer ones like lower rates."
        if result.dead:
            yield "Trainings died at the dotted lines."


def _of_sweeps(result: FinderResult, sweeps: Sequence[Curve]) -> str:
    """Return the sentences below the picture of sweeps."""
    lines = "each line is another order of the data" if len(sweeps) > 1 else "one order of the data"
    led = "" if result.method == "sweep" else " It showed where to train."
    marked = "" if result.suggestion is None else f" {_marked(result)}"
    return f"Smoothed; {lines}.{led}{marked}"


def _marked(result: FinderResult) -> str:
    """Return what the green line and the band are."""
    band = "" if result.interval is None else "; in 8 of 10 searches like this one the best rate lies in the band"
    return f"The green line is the suggestion{band}."


def _how_it_ended(result: FinderResult, rate: float) -> str:
    """Return what is to be said of the trainings at a rate."""
    if result.suggestion is not None and rate in result.dead:
        return "died"
    return "among the best" if len(result.nearly) > 1 and rate in result.nearly else ""


Points = list[tuple[float, float]]
"""Rates with their losses."""


def _chart(result: FinderResult, curves: Sequence[Curve], label: str, words: tuple[str, str]) -> Picture:
    """Draw the loss by rate; of a sweep from where it begins to fall on."""
    title, caption = words
    shown = {curve.name: points for curve in curves if (points := _drawn(result, curve))}
    rates = [rate for points in shown.values() for rate, _ in points]
    low = _start(result, curves) if curves[0].kind == "sweep" else 0.0
    if rates and low > min(rates) * BEFORE:
        caption += f" The flat part below {written(low)}, from {written(min(rates))} on, is left out."
        shown = {name: [point for point in points if point[0] >= low] for name, points in shown.items()}
    losses = [loss for points in shown.values() for _, loss in points]
    log = result.mode == "min" and bool(losses) and min(losses) > 0 and max(losses) > 3 * min(losses)
    plot = blank(("rate", label), x_axis_type="log", y_axis_type="log" if log else "linear")
    styles = looks(curve.name for curve in curves)
    _draw_curves(plot, shown, styles, label)
    ends = [rate for points in shown.values() for rate, _ in points]
    if result.suggestion is not None:
        if curves[0].kind == "training":
            for rate in result.dead:
                plot.add_layout(Span(location=rate, dimension="height", line_color=GREY, line_dash="dotted"))
            ends += result.dead
        ends += [result.suggestion, *(result.interval or ())]
        plot.add_layout(Span(location=result.suggestion, dimension="height", line_color=ANSWER, line_width=3))
    if result.interval is not None:
        left, right = result.interval
        plot.add_layout(BoxAnnotation(left=left, right=right, fill_color=ANSWER, fill_alpha=0.15))
    if ends:
        log_axis(plot, "x", ends)
    if log:
        log_axis(plot, "y", losses)
    return Picture(title, plot, caption, legend(styles, names=shown))


def _draw_curves(plot: Any, shown: Mapping[str, Points], styles: Looks, label: str) -> None:
    marks = []
    for name, points in shown.items():
        if points:
            xs, ys = zip(*points, strict=True)
            source, look = ColumnDataSource({"x": xs, "y": ys, "name": [name] * len(xs)}), styles[name]
            plot.line("x", "y", source=source, color=look.colour, line_dash=look.dash, line_width=2)
            few = ColumnDataSource({key: values[:: -(-len(xs) // MARKED)] for key, values in source.data.items()})
            plot.scatter("x", "y", source=few, color=look.colour, marker=look.marker, size=8)
            marks.append(plot.scatter("x", "y", source=source, size=9, alpha=0))
    plot.add_tools(
        HoverTool(renderers=marks, tooltips=[("", "@name"), ("rate", "@x{0.000000}"), (label, "@y{0.0000}")])
    )


def _drawn(result: FinderResult, curve: Curve) -> Points:
    """Return the losses to draw: of trainings that died a line is drawn, and no loss."""
    died = result.dead if curve.kind == "training" and result.suggestion is not None else ()
    return [(rate, loss) for rate, loss in _finite(curve) if rate not in died]


def _finite(curve: Curve) -> Points:
    return [(rate, loss) for rate, loss in zip(curve.rates, curve.smooth, strict=True) if math.isfinite(loss)]


def _start(result: FinderResult, curves: Sequence[Curve]) -> float:
    """Return the rate from which on sweeps are worth seeing: a little before the first of them has begun to fall."""
    starts = [] if result.interval is None else [result.interval[0]]
    for curve in curves:
        points = _finite(curve)
        least = min(range(len(points)), key=lambda place: points[place][1], default=0)
        if least:
            # Of the flat part the highest: it may begin with a batch of a low loss.
            top = max(loss for _, loss in points[:least])
            fallen = top - FELL * (top - points[least][1])
            starts.append(max(rate for rate, loss in points[:least] if loss >= fallen))
    return min(starts, default=0.0) / BEFORE
