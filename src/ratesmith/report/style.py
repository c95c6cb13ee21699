"""What all pictures of pages have in common: looks that are told apart without colours too, axes, and names in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from bokeh.models import NoOverlap, NumeralTickFormatter, Range1d
from bokeh.models.annotations import Label
from bokeh.plotting import figure
from markupsafe import Markup

from ratesmith.report.ticks import ticks_around, written

COLOURS: Final = ("#E69F00", "#0091D5", "#CC79A7", "#D55E00", "#7A6FF0", "#A08040", "#44AAAA", "#6B9E1F")
DASHES: Final[Mapping[str, tuple[int, ...]]] = {
    "solid": (),
    "dashed": (7, 4),
    "dotted": (2, 3),
    "dotdash": (2, 3, 7, 3),
}
MARKERS: Final = ("square", "triangle", "diamond", "inverted_triangle", "star", "hex")
GREY: Final = "#777777"
"""For texts and axes: as dark on white as it is light on black."""
ANSWER: Final = "#009E73"
"""The colour of what is suggested; no line of data has it."""
TEXT_SIZE: Final = "12px"
ROW_HEIGHT: Final = 44
LONGEST_ROW: Final = 50
"""Characters of a row's text up to which it stands in one line, 390 pixels being the narrowest page."""
SHAPES: Final = {
    "circle": Markup('<circle cx="18" cy="7" r="4"/>'),
    "square": Markup('<path d="M14 3h8v8h-8z"/>'),
    "triangle": Markup('<path d="M18 2l5 9H13z"/>'),
    "diamond": Markup('<path d="M18 1l4 6-4 6-4-6z"/>'),
    "inverted_triangle": Markup('<path d="M18 12l5-9H13z"/>'),
    "star": Markup('<path d="M18 1l2 4 4 .4-3 3 1 4.3-4-2.2-4 2.2 1-4.3-3-3 4-.4z"/>'),
    "hex": Markup('<path d="M15.5 2.5h5l2.5 4.5-2.5 4.5h-5L13 7z"/>'),
}
"""The markers as they stand in the keys of tables and legends."""


class Look(NamedTuple):
    """How one strategy or run is drawn, wherever it is."""

    colour: str
    dash: str
    marker: str

    @property
    def key(self) -> Markup:
        """The look as a small picture for tables and legends."""
        dashes = " ".join(map(str, DASHES[self.dash]))
        return Markup(
            '<svg class="key" viewBox="0 0 36 14" aria-hidden="true" stroke="{0}" fill="{0}">'
            '<path d="M0 7h36" stroke-width="2.5" stroke-dasharray="{1}"/>{2}</svg>'
        ).format(self.colour, dashes, SHAPES[self.marker])


Looks = Mapping[str, Look]
"""How each strategy or run is drawn."""


def looks(names: Iterable[str], baseline: str | None = None) -> Looks:
    """Return each name its look: the baseline grey, dashed and round, the others by their place."""
    others = [name for name in dict.fromkeys(names) if name != baseline]
    dashes = list(DASHES)
    # The lengths of the three lists have no common multiple below 24: so many looks differ.
    given = {
        name: Look(COLOURS[i % len(COLOURS)], dashes[i % 3 if i < 3 else i % 4], MARKERS[i % len(MARKERS)])
        for i, name in enumerate(others)
    }
    return given if baseline is None else {baseline: Look(GREY, "dashed", "circle"), **given}


def blank(labels: tuple[str, str], **options: Any) -> Any:
    """Return an empty picture with these labels of its axes."""
    plot = figure(
        height=340,
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
        axis.major_label_text_font_size = axis.axis_label_text_font_size = TEXT_SIZE
        axis.axis_label_text_font_style = "normal"
    plot.xaxis.major_label_policy = NoOverlap(min_distance=8)
    plot.grid.grid_line_color = GREY
    plot.grid.grid_line_alpha = 0.25
    plot.min_border_right = 22  # half of the last tick's label lies beyond the axis
    return plot


def log_axis(plot: Any, way: str, values: Iterable[float], ticks: Sequence[float] = ()) -> None:
    """Set the ticks of a logarithmic axis, "x" or "y", around the values or to those given, and its range to them."""
    values = [*values, *ticks]
    placed = ticks_around(min(values), max(values))
    axis, name = (plot.xaxis, "x_range") if way == "x" else (plot.yaxis, "y_range")
    room = (placed[-1] / placed[0]) ** 0.02  # for half of a marker
    setattr(plot, name, Range1d(start=placed[0] / room, end=placed[-1] * room))
    placed = list(ticks) or placed
    axis.ticker = placed
    axis.major_label_overrides = {tick: written(tick) for tick in placed}


def named_rows(plot: Any, names: Sequence[tuple[str, str]]) -> None:
    """Write a name, and what there is to say of it, over each row: row i stands at y = -i, the first on top.

    There a long name leaves the picture its width, on a telephone too.
    """
    texts = [f"{name}: {words}" if words else name for name, words in names]
    height = ROW_HEIGHT
    if any(len(text) > LONGEST_ROW for text in texts):
        texts, height = [f"{name}\n{words}" if words else name for name, words in names], ROW_HEIGHT + 16
    plot.height = 70 + height * len(names)
    plot.y_range = Range1d(start=-len(names) + 0.6, end=0.8)
    plot.yaxis.visible = plot.ygrid.visible = False
    plot.min_border_left = 12
    for row, text in enumerate(texts):
        plot.add_layout(Label(x=2, x_units="screen", y=-row + 0.2, text=text, text_font_size="13px", text_color=GREY))


def along(plot: Any, low: float, high: float, labelled: Callable[[float, float], dict[float, str]] | None) -> None:
    """Set the range of the axis to the right, with some room, and the ticks that `labelled` names between the ends."""
    room = 0.06 * (high - low) or 0.01  # if nothing differs
    plot.x_range = Range1d(start=low - room, end=high + room)
    plot.xaxis.ticker.desired_num_ticks = 5
    if labelled is not None:
        ticks = labelled(low, high)
        plot.xaxis.ticker = list(ticks)
        plot.xaxis.major_label_overrides = ticks


def steps_along(plot: Any) -> None:
    """Write the steps of the axis to the right as people do, such as 50k."""
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[0]a")
    plot.xaxis.ticker.desired_num_ticks = 5
