"""Put what a finder found on one page: the rate, its curves, and what to be careful about."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from bokeh.models.annotations import BoxAnnotation, Span

from ratesmith.finder import Curve, Found
from ratesmith.report.charts import COLOURS, blank, legend_below
from ratesmith.report.page import write_page

CAPTIONS = {
    "sweep": "Training loss while the rate rises, smoothed; each colour is another order of the data. The line is the "
    "suggestion, the band its interval.",
    "trainings": "At the end of whole trainings at these rates, on the validation set, each length in a colour. The "
    "line is the suggestion, the band the rates that are nearly as good.",
}


def write(found: Found, path: str | Path, *, title: str, command: str) -> Path:
    """Write the page of a finder's result, and return its path."""
    sweeps, trainings = ([curve for curve in found.curves if curve.kind == kind] for kind in ("sweep", "training"))
    drawn = {}
    if sweeps:
        drawn["sweep"] = _chart(found, sweeps, "training loss", dots=False)
    if trainings:
        drawn["trainings"] = _chart(found, trainings, f"validation {found.metric}", dots=True)
    return write_page(
        "found.html.jinja",
        path,
        drawn,
        title=title,
        command=command,
        found=found,
        sentences=found.explain().splitlines(),
        captions=CAPTIONS,
    )


def _chart(found: Found, curves: list[Curve], label: str, dots: bool) -> Any:
    known = [loss for curve in curves for loss in curve.smooth if math.isfinite(loss)]
    scale = "log" if min(known) > 0 and max(known) > 3 * min(known) else "linear"
    plot = blank(("rate", label), x_axis_type="log", y_axis_type=scale)
    for place, curve in enumerate(curves):
        points = [(r, v) for r, v in zip(curve.rates, curve.smooth, strict=True) if math.isfinite(v)]
        rates, values = zip(*points, strict=True) if points else ((), ())
        colour = COLOURS[place % len(COLOURS)]
        plot.line(rates, values, color=colour, line_width=2, legend_label=curve.name)
        if dots:
            plot.scatter(rates, values, color=colour, size=7)
    if found.suggestion is not None and found.interval is not None:
        plot.add_layout(Span(location=found.suggestion, dimension="height", line_color=COLOURS[2], line_width=2))
        low, high = found.interval
        plot.add_layout(BoxAnnotation(left=low, right=high, fill_color=COLOURS[2], fill_alpha=0.15))
    legend_below(plot, 3)
    return plot
