"""Curves as a picture in the terminal: dots by plotille, and letters that tell the lines apart without colours."""

from __future__ import annotations

import itertools
import math
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from rich.console import Console

COLOURS: Final = ("blue", "cyan", "magenta", "green", "red", "yellow")
"""The lines' colours, in order; a line may have one of its own."""
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
WIDEST: Final = 110
"""Columns of a picture with its numbers, if the terminal has room for them."""
NARROWEST: Final = 20
"""Columns of the curves, however narrow the terminal is."""
MOST_ROWS: Final = 13
LETTERS_APART: Final = 18
"""Columns between two letters of a line; fewer in a narrow picture, so that each line has some."""
COLUMNS_A_TICK: Final = 8
BLANK: Final = "\u2800"
"""A cell without dots: as wide as those with dots in every font, as a space may not be."""
NOWHERE: Final = 10_000
"""Dots beyond which a line is cut: it has left the picture."""

Cells = set[tuple[int, int]]
"""Columns and rows, the rows counted from below."""


class Line(NamedTuple):
    """A curve by its label."""

    label: str
    points: Sequence[tuple[float, float]]
    letter: str = ""
    """Stands in the line now and then, and before its label; "" if there is only one line."""
    colour: str | None = None
    has_dots: bool = False
    """Whether each point is shown, as an o: what lies between them was not measured."""


class Mark(NamedTuple):
    """A place of the horizontal axis: a column in the picture, and below the axis the interval around it."""

    at: float
    low: float
    high: float
    text: str


class Tick(NamedTuple):
    """A number at the horizontal axis."""

    at: float
    text: str


Ticks = Callable[[float, float, int], list[Tick]]
"""Returns the ticks between two limits, if there is room for so many at most."""


def room_of(console: Console) -> int:
    """Return the columns of a picture with its numbers."""
    return min(console.width, WIDEST)


def with_colours(console: Console) -> bool:
    """Whether the terminal shows colours, and nobody has forbidden them."""
    return console.is_terminal and console.color_system is not None and not console.no_color


def letters_for(count: int) -> Sequence[str]:
    """Return a letter for each of so many lines; one line alone needs none, and the 27th has the first letter again."""
    return [""] if count == 1 else list(itertools.islice(itertools.cycle(LETTERS), count))


def headings(lines: Sequence[Line], room: int, colours: bool) -> list[str]:
    """Return each line's letter and label, in its colour; a long label is wrapped below itself."""
    return [_heading(line, place, room, colours) for place, line in enumerate(lines)]


def _heading(line: Line, place: int, room: int, colours: bool) -> str:
    start = f"{line.letter}  " if line.letter else ""
    text = textwrap.fill(line.label, room, initial_indent=start, subsequent_indent=" " * len(start))
    if not (colours and line.letter):
        return text
    import plotille

    return str(plotille.color(line.letter, fg=_colour(line, place))) + text[len(line.letter) :]


def _colour(line: Line, place: int) -> str:
    return line.colour or COLOURS[place % len(COLOURS)]


def draw(
    lines: Sequence[Line],
    *,
    names: tuple[str, str],
    x_limits: tuple[float, float],
    y_limits: tuple[float, float],
    room: int,
    colours: bool,
    ticks: Ticks | None = None,
    mark: Mark | None = None,
    crosses: Sequence[float] = (),
) -> str:
    """Return the picture without the labels: `names` are those of its axes, `room` the columns it may take.

    An x stands at the upper edge above each place of `crosses`.
    """
    bottom, each, rows = _round_rows(*y_limits)
    numbers = [f"{(bottom + row) * each:.4g}" for row in range(rows)]
    gutter = max(map(len, numbers))
    columns = max(NARROWEST, room - gutter - len(f" |-> {names[0]}"))
    low, high = x_limits

    def column_of(x: float) -> int:
        return max(0, min(columns - 1, int((x - low) / (high - low) * columns)))

    def dots(points: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
        inside = ((x, y) for x, y in points if low <= x <= high)
        across = (2 * columns - 1) / (high - low)
        return [(round((x - low) * across), _dot_row(y / each - bottom)) for x, y in inside]

    drawn = [dots(line.points) for line in lines]
    at = None if mark is None else column_of(mark.at)
    rows_of_cells = _cells(lines, drawn, (columns, rows), colours, at, list(map(column_of, crosses)))
    text = [f"{names[1]:>{gutter}}"]
    text += [f"{number:>{gutter}} |{cells}" for number, cells in zip(reversed(numbers), rows_of_cells, strict=True)]
    shown = (ticks or round_ticks)(low, high, max(2, columns // COLUMNS_A_TICK))
    text += _axis([(column_of(tick.at), tick.text) for tick in shown], columns, gutter, names[0])
    if mark is not None:
        text += _marked(mark, column_of, gutter + 2, room)
    return _encodable("\n".join(line.rstrip(f" {BLANK}") for line in text))


def _dot_row(rows_up: float) -> int:
    """Return the dot of a height in rows, four dots each; what lies far outside is cut, for a line may be endless."""
    return round(max(-NOWHERE, min(NOWHERE, 4 * rows_up)))


def _cells(
    lines: Sequence[Line],
    drawn: Sequence[list[tuple[int, int]]],
    size: tuple[int, int],
    colours: bool,
    mark: int | None,
    crosses: Sequence[int],
) -> list[str]:
    """Return the rows of the picture from above, with a letter in each line now and then, and dots if it has some."""
    canvas = _canvas(size, colours)
    taken = [_taken(points, size) for points in drawn]
    for place, (line, points) in enumerate(zip(lines, drawn, strict=True)):
        _connect(canvas, points, _colour(line, place) if colours else None)
    for place, line in enumerate(lines):
        if line.letter:
            others = set[tuple[int, int]]().union(*(cells for n, cells in enumerate(taken) if n != place))
            apart = max(6, min(LETTERS_APART, size[0] // 3))
            wanted = range(apart * (2 * place + 1) // (2 * len(lines)), size[0], apart)
            for column, row in _letter_cells(taken[place], others, wanted):
                canvas.text(2 * column, 4 * row, line.letter, color=_colour(line, place) if colours else None)
    if mark is not None:
        full = set[tuple[int, int]]().union(*taken)
        for row in range(size[1]):
            if (mark, row) not in full:
                canvas.text(2 * mark, 4 * row, "|")
    for column in crosses:
        canvas.text(2 * column, 4 * (size[1] - 1), "x")
    for place, (line, points) in enumerate(zip(lines, drawn, strict=True)):
        for x, y in points if line.has_dots else ():
            if 0 <= y <= 4 * size[1]:  # the highest may be rounded up beyond the first row
                canvas.text(x, min(y // 4, size[1] - 1) * 4, "o", color=_colour(line, place) if colours else None)
    rows: list[str] = canvas.plot("\n").split("\n")
    return rows


def _canvas(size: tuple[int, int], colours: bool) -> Any:
    """Return an empty canvas that counts in dots: two a column, four a row."""
    import plotille

    columns, rows = size
    return plotille.Canvas(columns, rows, 0, 0, 2 * columns, 4 * rows, mode="names", no_color=not colours)


def _connect(canvas: Any, points: Sequence[tuple[int, int]], colour: str | None) -> None:
    for point in points[:1]:
        canvas.point(*point, color=colour)
    for here, there in itertools.pairwise(points):
        canvas.line(*here, *there, color=colour)


def _taken(points: Sequence[tuple[int, int]], size: tuple[int, int]) -> Cells:
    """Return the cells that a line goes through."""
    canvas = _canvas(size, colours=False)
    _connect(canvas, points, None)
    rows = reversed(canvas.plot("\n").split("\n"))
    return {(column, row) for row, cells in enumerate(rows) for column, cell in enumerate(cells) if cell != BLANK}


def _letter_cells(own: Cells, others: Cells, wanted: range) -> Iterator[tuple[int, int]]:
    """Yield cells for a line's letters, near the columns wanted, where the line runs alone if it does."""
    by_column: dict[int, list[tuple[int, int]]] = {}
    for cell in sorted(own):
        by_column.setdefault(cell[0], []).append(cell)
    for column in wanted:
        near = sorted((n for n in by_column if abs(n - column) < wanted.step // 3), key=lambda n: abs(n - column))
        cells = [by_column[n][len(by_column[n]) // 2] for n in near]
        yield from [cell for cell in cells if cell not in others][:1] or cells[:1]


def _axis(ticks: Sequence[tuple[int, str]], columns: int, gutter: int, name: str) -> list[str]:
    """Return the horizontal axis, and the numbers below it, each under its tick as far as they do not meet."""
    axis, below = ["-"] * columns, ""
    begin, end = gutter + 2, gutter + 2 + columns
    for column, text in ticks:
        axis[column] = "|"
        start = max(0, min(begin + column - len(text) // 2, end - len(text)))
        if not below or start > len(below):
            below = below.ljust(start) + text
    return [f"{'':{gutter}} +{''.join(axis)}-> {name}", below]


def _marked(mark: Mark, column_of: Callable[[float], int], begin: int, room: int) -> list[str]:
    """Return the line below the axis with the interval and what is in it; its text goes below if it has no room."""
    left, at, right = (begin + column_of(x) for x in (mark.low, mark.at, mark.high))
    line = list(" " * left + "-" * (right - left + 1))
    line[left], line[right] = "[", "]"
    line[at] = "*"
    text = "".join(line)
    if len(text) + 1 + len(mark.text) <= room:
        return [f"{text} {mark.text}"]
    return [text, mark.text.rjust(min(room, max(right + 1, len(mark.text))))]


def _encodable(text: str) -> str:
    """Return the text with full stops for dots if standard output cannot show these."""
    try:
        BLANK.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return "".join(" " if c == BLANK else "." if "\u2800" < c <= "\u28ff" else c for c in text)
    return text


def limits_of(lines: Sequence[Line], *, from_zero: bool) -> tuple[float, float]:
    """Return the lowest and highest value of the lines; `from_zero`: the zero belongs to them."""
    values = [value for line in lines for _, value in line.points]
    return (min(0.0, *values), max(1e-12, *values)) if from_zero else (min(values), max(values))


def _round_rows(low: float, high: float) -> tuple[int, float, int]:
    """Return the first row, what each row stands for, and how many there are: row n stands for the round n * each."""
    spread = high - low
    if not spread > 1e-9 * abs(high):  # a flat line
        spread = abs(high) or 1.0
    ten = 10.0 ** math.floor(math.log10(spread))
    each = next(ten * share for share in (0.1, 0.2, 0.25, 0.5, 1.0) if spread / (ten * share) <= MOST_ROWS)
    first = math.floor(low / each + 1e-9)
    return first, each, math.floor(high / each + 1e-9) + 1 - first


def round_ticks(low: float, high: float, most: int) -> list[Tick]:
    """Return round numbers between the limits, at most so many and one more.

    >>> [tick.text for tick in round_ticks(0, 1_500_000, 4)]
    ['0', '500000', '1M', '1.5M']
    """
    ten = 10.0 ** math.floor(math.log10((high - low) / most))
    each = next(ten * times for times in (1, 2, 2.5, 5, 10) if (high - low) / (ten * times) <= most)
    places = range(math.ceil(low / each - 1e-9), math.floor(high / each + 1e-9) + 1)
    return [Tick(place * each, _number(place * each)) for place in places]


def _number(value: float) -> str:
    return f"{value / 1e6:.6g}M" if abs(value) >= 1e6 else f"{value:.6g}"


def rate_ticks(low: float, high: float, most: int) -> list[Tick]:
    """Return round rates between two limits, all in decades: 1e-4, 1e-3, 0.01; between them 2 and 5 if there is room.

    >>> [tick.text for tick in rate_ticks(-4, 0, 8)], [tick.text for tick in rate_ticks(-2.4, -1, 8)]
    (['1e-4', '1e-3', '0.01', '0.1', '1'], ['5e-3', '0.01', '0.02', '0.05', '0.1'])
    """
    for digits in ((1, 2, 5), (1, 3), (1,)):
        decades = range(math.floor(low) - 1, math.ceil(high) + 1)
        places = [(math.log10(digit) + decade, digit, decade) for decade in decades for digit in digits]
        ticks = [Tick(at, _rate(digit, decade)) for at, digit, decade in places if low - 1e-9 <= at <= high + 1e-9]
        if len(ticks) <= most:
            break
    return ticks[:: -(-len(ticks) // most)] if ticks else ticks


def _rate(digit: int, decade: int) -> str:
    return f"{digit}e{decade}" if decade < -2 or decade > 3 else f"{digit * 10.0**decade:g}"
