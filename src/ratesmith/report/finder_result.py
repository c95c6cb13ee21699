"""Put a finder's result on one page: the rate, its curves, and what to be careful about."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from bokeh.models.annotations import BoxAnnotation, Span

from ratesmith.finder import Curve, FinderResult
from ratesmith.finder.result import EARLY_UPDATES
from ratesmith.report.page import write_page
from ratesmith.report.style import COLOURS, blank, legend_below

CAPTIONS = {
    "sweep": "Training loss while the rate rises, smoothed; each colour is another order of the data. The line is the "
    "suggestion, the band its interval.",
    "trainings": "At the end of whole trainings at these rates, on the validation set, each length in a colour. The "
    "line is the suggestion, the band the rates that are nearly as good.",
}


def write(result: FinderResult, path: str | Path, *, title: str, command: str) -> Path:
    """Write the page of a finder's result, and return its path."""
    sweeps, trainings = ([curve for curve in result.curves if curve.kind == kind] for kind in ("sweep", "training"))
    drawn = {}
    if sweeps:
        drawn["sweep"] = _chart(result, sweeps, "training loss", dots=False)
    if trainings:
        drawn["trainings"] = _chart(result, trainings, f"validation {result.metric}", dots=True)
    return write_page(
        "finder_result.html.jinja",
        path,
        drawn,
        title=title,
        command=command,
        result=result,
        sentences=result.explain().splitlines(),
        captions=CAPTIONS,
        early_updates=EARLY_UPDATES,
    )


def _chart(result: FinderResult, curves: list[Curve], label: str, dots: bool) -> Any:
    losses = [loss for curve in curves for loss in curve.smooth if math.isfinite(loss)]
    scale = "log" if min(losses) > 0 and max(losses) > 3 * min(losses) else "linear"
    plot = blank(("rate", label), x_axis_type="log", y_axis_type=scale)
    for place, curve in enumerate(curves):
        points = [(r, v) for r, v in zip(curve.rates, curve.smooth, strict=True) if math.isfinite(v)]
        rates, values = zip(*points, strict=True) if points else ((), ())
        colour = COLOURS[place % len(COLOURS)]
        plot.line(rates, values, color=colour, line_width=2, legend_label=curve.name)
        if dots:
            plot.scatter(rates, values, color=colour, size=7)
    if result.suggestion is not None and result.interval is not None:
        plot.add_layout(Span(location=result.suggestion, dimension="height", line_color=COLOURS[2], line_width=2))
        low, high = result.interval
        plot.add_layout(BoxAnnotation(left=low, right=high, fill_color=COLOURS[2], fill_alpha=0.15))
    legend_below(plot, 3)
    return plot
