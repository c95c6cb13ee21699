"""What all pictures of pages have in common: colours that suit light and dark, empty axes, a legend below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bokeh.plotting import figure

COLOURS = ("#E69F00", "#0091D5", "#009E73", "#D55E00", "#CC79A7", "#7A6FF0", "#A08040", "#44AA99")
DASHES = ("solid", "dashed", "dotted")
GREY = "#888888"


Looks = Mapping[str, tuple[str, str]]
"""The colour and dash of each strategy."""


def looks(names: Iterable[str], baseline: str) -> Looks:
    """Return each name its colour and dash: the baseline grey and dashed, the others by their place."""
    others = [name for name in names if name != baseline]
    given = {name: (COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % 3]) for i, name in enumerate(others)}
    return {baseline: (GREY, "dashed"), **given}


def legend_below(plot: Any, columns: int) -> None:
    """Put the legend under the picture, without a box of its own."""
    legend = plot.legend[0]
    plot.add_layout(legend, "below")
    legend.orientation, legend.ncols = "horizontal", columns
    legend.background_fill_alpha, legend.border_line_color, legend.label_text_color = 0.0, None, GREY


def blank(labels: tuple[str, str], **options: Any) -> Any:
    """Return an empty picture with these labels of its axes."""
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
