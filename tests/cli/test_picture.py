"""Pictures in the terminal: lines told apart without colours, round numbers at the axes, and no line too wide."""

import io
import math
import re
import sys

import pytest
from rich.console import Console

from ratesmith.cli.picture import (
    Line,
    Mark,
    draw,
    headings,
    letters_for,
    limits_of,
    rate_ticks,
    round_ticks,
    with_colours,
)

FALLING = Line("falling", [(step, 1 - step / 100) for step in range(101)], "a")
RISING = Line("rising", [(step, step / 100) for step in range(101)], "b")


def drawn(lines, room=80, colours=False, **options):
    limits = {"x_limits": (0, 100), "y_limits": limits_of(lines, from_zero=True), "names": ("step", "factor")}
    return draw(lines, room=room, colours=colours, **{**limits, **options})


@pytest.mark.parametrize("room", [40, 80, 110])
def test_a_picture_takes_the_room_that_there_is(room):
    rows = drawn([FALLING, RISING], room).splitlines()
    assert max(map(len, rows)) == room


def test_every_line_bears_its_letter_several_times_where_it_runs_alone():
    rows = drawn([FALLING, RISING]).splitlines()[1:-2]
    places = {letter: [(n, row.index(letter)) for n, row in enumerate(rows) if letter in row] for letter in "ab"}
    assert all(len(cells) > 2 for cells in places.values())
    falls = sorted(places["a"], key=lambda cell: cell[1])
    rises = sorted(places["b"], key=lambda cell: cell[1])
    assert falls == sorted(falls)
    assert rises == sorted(rises, reverse=True)


def test_a_letter_stands_where_its_line_runs_alone():
    waves = [
        Line("", [(step, 1 + math.sin(step / 5 + turn)) for step in range(101)], letter)
        for turn, letter in ((0, "a"), (1, "b"), (2, "c"))
    ]
    both = drawn(waves, y_limits=(0, 2)).splitlines()[1:-2]
    alone = {wave.letter: drawn([wave._replace(letter="")], y_limits=(0, 2)).splitlines()[1:-2] for wave in waves}
    cells = [(row, column) for row, line in enumerate(both) for column, cell in enumerate(line) if cell in "abc"]
    assert len(cells) >= 9
    for row, column in cells:
        through = {name for name, rows in alone.items() if rows[row][column : column + 1] not in ("", "\u2800")}
        assert through == {both[row][column]}


def test_two_equal_lines_show_both_letters():
    picture = drawn([FALLING, FALLING._replace(letter="b")])
    assert len(re.findall("a", picture)) > 2
    assert picture.count("b") > 2


def test_one_line_alone_has_no_letter_and_the_27th_begins_again():
    assert letters_for(1) == [""]
    assert letters_for(27)[-1] == "a"
    assert headings([FALLING._replace(letter="")], 80, colours=False) == ["falling"]


def test_a_long_label_is_wrapped_below_itself():
    line = Line(" >> ".join(["warmup(5)"] * 9), [(0, 1)], "a")
    rows = headings([line], 40, colours=False)[0].splitlines()
    assert max(map(len, rows)) <= 40
    assert {row[:3] for row in rows[1:]} == {"   "}


def test_each_row_stands_for_a_round_number():
    rows = drawn([Line("", [(0, 0.0), (100, 1.37)])]).splitlines()[1:-2]
    assert [row.split("|")[0].strip() for row in rows] == ["1.2", "1", "0.8", "0.6", "0.4", "0.2", "0"]


@pytest.mark.parametrize("values", [(1.0, 1.0), (0.0, 0.0), (5.0, 5.0 + 1e-15), (1e-300, 2e-300)])
def test_a_flat_line_is_drawn(values):
    lines = [Line("", [(0, values[0]), (100, values[1])])]
    picture = drawn(lines, y_limits=limits_of(lines, from_zero=False))
    assert sum("\u2800" < cell <= "\u28ff" for cell in picture) > 50


def test_an_axis_that_need_not_begin_at_zero_has_no_rows_below_its_values():
    lines = [Line("", [(0, 3.1), (100, 2.9)])]
    numbers = [row.split("|")[0] for row in drawn(lines, y_limits=limits_of(lines, from_zero=False)).splitlines()[1:-2]]
    assert float(numbers[-1]) == 2.9


def test_what_rises_without_bound_leaves_the_picture():
    lines = [Line("", [(0, 0.0), (50, 0.5), (51, 1e300), (100, 1e300)])]
    assert drawn(lines, y_limits=(0.0, 1.0)).count("\n") < 20


def test_a_mark_is_a_column_and_an_interval_below_the_axis():
    picture = drawn([FALLING], mark=Mark(60, 40, 80, "here"))
    rows = picture.splitlines()
    marked = rows[-1]
    column = marked.index("*")
    assert re.fullmatch(r" +\[-+\*-+\] here", marked)
    assert sum(row[column : column + 1] == "|" for row in rows[1:-3]) >= 8
    assert rows[-2][column - 1 : column + 1] == "60"


def test_the_text_of_a_mark_at_the_right_goes_below_if_it_has_no_room():
    rows = drawn([FALLING], mark=Mark(97, 94, 100, "0.1 (0.05 to 0.2)")).splitlines()
    assert rows[-1].strip() == "0.1 (0.05 to 0.2)"
    assert rows[-2].endswith("]")
    assert max(map(len, rows)) <= 80


@pytest.mark.parametrize(("low", "high"), [(-6, 2), (-4.3, 0.2), (-2, -1), (-2.1, -1.9), (-3, 1)])
def test_ticks_of_rates_are_round_and_rise(low, high):
    ticks = rate_ticks(low, high, 7)
    assert len(ticks) <= 7
    assert [float(tick.text) for tick in ticks] == pytest.approx([10**tick.at for tick in ticks])
    assert all(re.fullmatch(r"[1235](e-?\d+|0*)|0\.0?[1235]", tick.text) for tick in ticks)
    assert all(math.log10(float(tick.text)) >= low - 1e-6 for tick in ticks)


@pytest.mark.parametrize("high", [1, 3, 7.5, 100, 12345, 9e9])
def test_ticks_of_steps_are_round(high):
    ticks = round_ticks(0, high, 6)
    assert 3 <= len(ticks) <= 7
    assert ticks[0].text == "0"


def test_colours_are_left_out_where_they_are_not_wanted(monkeypatch):
    terminal = {"file": io.StringIO(), "force_terminal": True}
    assert with_colours(Console(color_system="standard", **terminal))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not with_colours(Console(color_system="standard", **terminal))
    assert not with_colours(Console(file=io.StringIO()))


def test_in_colour_letters_and_headings_bear_the_colour_of_their_line(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[36mb\x1b[0m" in drawn([FALLING, RISING], colours=True)
    assert headings([FALLING, RISING], 80, colours=True)[1] == "\x1b[36mb\x1b[0m  rising"


def test_a_terminal_without_dots_shows_full_stops(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    picture = drawn([FALLING, RISING])
    assert picture.isascii()
    assert "." in picture
