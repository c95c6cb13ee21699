"""What a finder found as a picture, drawn by matplotlib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from ratesmith.finder.found import Found


def draw(found: Found) -> Figure:
    """Draw the curves over the rate, the suggestion as a line and its interval as a band."""
    figure = Figure(figsize=(7.2, 3.6), dpi=150, layout="constrained")
    axes = figure.subplots()
    for curve in found.deciding:
        points = [(rate, loss) for rate, loss in zip(curve.rates, curve.smooth, strict=True) if math.isfinite(loss)]
        marker = "" if len(points) > 20 else "o"
        axes.plot([rate for rate, _ in points], [loss for _, loss in points], label=curve.name, lw=1.6, marker=marker)
    axes.set(xscale="log", xlabel="rate", ylabel=found.metric)
    if found.suggestion is not None and found.interval is not None:
        axes.axvspan(*found.interval, alpha=0.15, color="tab:green", lw=0)
        axes.axvline(found.suggestion, color="tab:green", label=f"suggestion {found.suggestion:.2g}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return figure
