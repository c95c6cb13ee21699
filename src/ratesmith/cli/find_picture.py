"""The picture of a search in the terminal: the part of its curves that decides, and what is suggested."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from math import isfinite
from typing import Final

from rich.console import Console

from ratesmith.cli.picture import Line, Mark, draw, headings, letters_for, rate_ticks, room_of, with_colours
from ratesmith.finder import Curve, FinderResult

SEEN: Final = 0.05
"""A change of the loss, as a share of its whole fall, from which on a curve is drawn."""
ABOVE_SHOWN: Final = 0.5
"""How much of a rise above the first loss is drawn, as a share of the fall."""


def picture_of(result: FinderResult, console: Console) -> str:
    """Return the loss by decades of the rate, with what is suggested marked, and the curves' names.

    Of trainings every rate is shown, as an o, or as an x if they died; of a sweep the part that decides.
    """
    trained = result.method != "sweep"
    lines = [Line(curve.name, _points(curve, result.dead), has_dots=trained) for curve in result.decisive]
    lines = [line._replace(letter=letter) for line, letter in zip(lines, letters_for(len(lines)), strict=True)]
    mark = _mark(result)
    lowest, highest = _trained_range(result, mark) if trained else _range_shown(lines, mark)
    lines = [line._replace(points=[(x, v) for x, v in line.points if lowest <= x <= highest]) for line in lines]
    room, colours = room_of(console), with_colours(console)
    picture = draw(
        lines,
        names=("rate", f"{result.measure} after {result.decisive[0].name}" if trained else result.measure),
        x_limits=(lowest, highest),
        y_limits=_losses_shown(lines, mark.at),
        room=room,
        colours=colours,
        ticks=rate_ticks,
        mark=mark,
        crosses=[math.log10(rate) for rate in result.dead],
    )
    return "\n".join([picture, *(headings(lines, room, colours) if len(lines) > 1 else [])])


def _mark(result: FinderResult) -> Mark:
    """Return the suggestion and its interval, in decades."""
    assert result.suggestion is not None, "a result without one is not drawn"
    low, high = result.interval or (result.suggestion, result.suggestion)
    text = f"{result.suggestion:.2g}" + (f" ({low:.2g} to {high:.2g})" if low < high else "")
    return Mark(math.log10(result.suggestion), math.log10(low), math.log10(high), text)


def _points(curve: Curve, dead: Collection[float]) -> list[tuple[float, float]]:
    """Return the losses by decades of the rate, without those that are not finite and those of trainings that died."""
    pairs = zip(curve.rates, curve.smooth, strict=True)
    return [(math.log10(rate), loss) for rate, loss in pairs if isfinite(loss) and rate not in dead]


def _trained_range(result: FinderResult, mark: Mark) -> tuple[float, float]:
    """Return the decades from the lowest rate trained to the highest, those that died too, and the interval."""
    places = [math.log10(rate) for curve in result.decisive for rate in curve.rates]
    low, high = min(*places, mark.low), max(*places, mark.high)
    return (low, high) if low < high else (low, low + 0.5)


def _range_shown(lines: Sequence[Line], mark: Mark) -> tuple[float, float]:
    """Return the decades to draw: without the low rates at which nothing happens yet, but for the last half decade."""
    points = [point for line in lines for point in line.points]
    lowest, highest = min(x for x, _ in points), max(x for x, _ in points)
    values = [v for _, v in points]
    begins = [_departs(line.points, SEEN * _spread(values)) for line in lines if line.points]
    low = max(lowest, min(min(begins), mark.low) - 0.5)
    return low, max(highest, mark.high, low + 0.5)


def _departs(points: Sequence[tuple[float, float]], far: float) -> float:
    """Return where a curve first is so far from its beginning."""
    return next((x for x, value in points if abs(value - points[0][1]) > far), points[-1][0])


def _spread(values: Sequence[float]) -> float:
    """Return the way from the first value to the lowest, or to the highest if none is lower."""
    fall = values[0] - min(values)
    return fall if fall > 0 else max(values) - values[0]


def _losses_shown(lines: Sequence[Line], at: float) -> tuple[float, float]:
    """Return the values to draw; of a loss that rises far above its beginning only as much as it falls before."""
    values = [v for line in lines for _, v in line.points]
    low, high = min(values), max(values)
    suggested = min((point for line in lines for point in line.points), key=lambda point: abs(point[0] - at))[1]
    if low <= suggested < values[0]:
        high = min(high, values[0] + ABOVE_SHOWN * (values[0] - low))
    return low, high
