"""Pictures for files and notebooks, drawn by matplotlib: what `.plot()` of a schedule and of a result returns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ratesmith._display import PLOTS
from ratesmith._extras import needs
from ratesmith.describe import extent, sample
from ratesmith.finder.result import FinderResult
from ratesmith.schedule import Schedule

with needs("plot", extra="plot"):
    from matplotlib.figure import Figure


LONGEST_LABEL = 100
"""Characters of a label; a longer one is cut."""


def draw_curves(curves: Mapping[str, Sequence[tuple[int, float]]], steps_per_epoch: int = 1) -> Figure:
    """Return a picture of (step, factor) pairs by label; the axis counts epochs if an epoch has several steps."""
    figure, axes = _axes()
    for label, points in curves.items():
        epochs = [step / steps_per_epoch for step, _ in points]
        # A dollar sign would begin a formula.
        axes.plot(epochs, [value for _, value in points], label=label.replace("$", r"\$"), lw=1.6)
    axes.set(xlabel="epoch" if steps_per_epoch > 1 else "step", ylabel="factor of the initial rate")
    axes.set_xlim(0, max(step for points in curves.values() for step, _ in points) / steps_per_epoch)
    axes.set_ylim(min(0.0, *axes.get_ylim()), None)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False, prop={"family": "monospace", "size": 8})
    return figure


def draw_schedule(schedule: Schedule) -> Figure:
    """Return a picture of a schedule, over its own length or as far as its first breakpoints."""
    steps = extent(schedule.steps, schedule.breakpoints)
    name = str(schedule)
    points = sample(schedule, steps, schedule.breakpoints(0, steps))
    return draw_curves({name if len(name) <= LONGEST_LABEL else f"{name[:LONGEST_LABEL]}...": points})


def draw_finder_result(result: FinderResult) -> Figure:
    """Return a picture of the loss by rate, the suggestion as a line and its interval as a band."""
    figure, axes = _axes()
    for curve in result.decisive:
        points = [(rate, loss) for rate, loss in zip(curve.rates, curve.smooth, strict=True) if math.isfinite(loss)]
        marker = "" if len(points) > 20 else "o"
        axes.plot([rate for rate, _ in points], [loss for _, loss in points], label=curve.name, lw=1.6, marker=marker)
    axes.set(xscale="log", xlabel="rate", ylabel=result.metric)
    if result.suggestion is not None and result.interval is not None:
        axes.axvspan(*result.interval, alpha=0.15, color="tab:green", lw=0)
        axes.axvline(result.suggestion, color="tab:green", label=f"suggestion {result.suggestion:.2g}")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _axes() -> tuple[Figure, Any]:
    """Return an empty picture of the size and style that all have."""
    figure = Figure(figsize=(7.2, 3.6), dpi=150, layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


PLOTS[Schedule] = draw_schedule
PLOTS[FinderResult] = draw_finder_result
