"""Curves as a picture in the terminal, drawn by plotille."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from rich.console import Console

COLOURS: Final = ("blue", "cyan", "magenta", "green", "red", "yellow")
"""The lines' colours, in order; a line may have one of its own."""
ROOM: Final = 18
"""Columns beside a picture, for the numbers at its axis."""
SMALL: Final = 50
"""Columns of a picture for which a terminal has no room."""


class Line(NamedTuple):
    """A curve by its label; `marker` draws single points with this letter, for where there are no colours."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: str | None = None
    marker: str | None = None


Tick = Callable[[float, int, float, bool], str]
"""Writes the number at a tick: value, columns, distance to the next tick, and whether it stands left-aligned."""


def width(console: Console, widest: int) -> int:
    """Return the columns of a picture: `widest` if the terminal has room for it, else a round smaller number."""
    return widest if console.width >= widest + ROOM else max(20, min(SMALL, (console.width - ROOM) // 10 * 10))


def tick(value: float, chars: int, delta: float, left: bool = False) -> str:
    """Write a number at a tick; the arguments are named as plotille calls them."""
    text = f"{value:.4g}"
    return text.ljust(chars) if left else text.rjust(chars)


def draw(
    lines: Iterable[Line],
    *,
    labels: tuple[str, str],
    x_limits: tuple[float, float],
    columns: int,
    colours: bool,
    from_zero: bool = True,
    ticks: Tick = tick,
) -> str:
    """Return the picture with its legend; `from_zero` says whether its vertical axis has to hold the zero."""
    import plotille

    drawn = [line for line in lines if line.points]
    values = [value for line in drawn for _, value in line.points]
    figure = plotille.Figure()
    low, high = (min(0.0, *values), max(1e-12, *values)) if from_zero else (min(values), max(values))
    bottom, top, figure.height = _round_limits(low, high)
    figure.set_x_limits(*x_limits)
    figure.set_y_limits(bottom, top)
    figure.width, figure.color_mode, figure.with_colors, figure.origin = columns, "names", colours, False
    figure.x_label, figure.y_label = labels
    for kind in (int, float):
        figure.register_label_formatter(kind, ticks)
    for place, line in enumerate(drawn):
        xs, ys = zip(*line.points, strict=True)
        colour = line.colour or COLOURS[place % len(COLOURS)]
        looks = {"marker": line.marker} if line.marker else {"lc": colour}
        figure.plot(xs, ys, label=line.label, **looks)
    return str(figure.show(legend=True))


def _round_limits(low: float, high: float) -> tuple[float, float, int]:
    """Return limits around these and a number of rows, so that every row of the picture stands for a round number."""
    ten = 10.0 ** math.floor(math.log10(high - low))
    each = next(ten * share for share in (0.1, 0.2, 0.25, 0.5, 1.0) if (high - low) / (ten * share) <= 13)
    below, above = math.floor(low / each), math.floor(high / each + 1e-9) + 1
    return below * each, above * each, above - below
