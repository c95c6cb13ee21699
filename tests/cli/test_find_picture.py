"""The picture of a search: the part that decides, with the suggestion and its interval marked."""

import io
import itertools
import math
import re

import pytest
from rich.console import Console

from ratesmith.cli.find_picture import picture_of
from ratesmith.finder import Curve, FinderResult

RATES = tuple(10 ** (n / 10 - 6) for n in range(81))  # from 1e-6 to 100


def loss(rate):
    """Return a loss that is flat at 3.0 up to about 1e-4, falls to 2.5, and rises without end from 1 on."""
    fall = min(1.0, max(0.0, rate / 1e-2) ** 0.5)
    return 3.0 - 0.5 * fall + (50 * (rate - 1) if rate > 1 else 0.0)


def found(losses, method="sweep", suggestion=0.01, interval=(0.005, 0.03), rates=RATES, **options):
    kind, name = ("sweep", "order {}") if method == "sweep" else ("training", "96 steps")
    curves = tuple(Curve(kind, name.format(n), rates, each, each, suggestion) for n, each in enumerate(losses))
    given = {"judged_by": "training" if method == "sweep" else "validation", **options}
    return FinderResult(method, suggestion, interval, (), curves, 300, 1.0, 0.1, **given)


def rows_of(result, width=80):
    return picture_of(result, Console(width=width, file=io.StringIO())).splitlines()


SWEPT = found([tuple(map(loss, RATES))])


def test_the_rows_begin_near_the_lowest_loss_and_end_near_the_first():
    numbers = [float(row.split("|")[0]) for row in rows_of(SWEPT)[1:] if re.match(r" *[\d.]+ \|", row)]
    assert 2.4 < min(numbers) <= 2.5
    assert 3.0 <= max(numbers) < 3.5  # a loss of thousands at the highest rates would leave no room for the fall


def test_low_rates_at_which_nothing_happens_are_left_out():
    ticks = rows_of(SWEPT)[-2].split()
    assert ticks == ["1e-4", "1e-3", "0.01", "0.1", "1", "10", "100"]


def test_the_suggestion_is_a_column_and_its_interval_stands_below_the_axis():
    rows = rows_of(SWEPT)
    marked = rows[-1]
    assert re.fullmatch(r" +\[-*\*-*\] 0.01 \(0.005 to 0.03\)", marked)
    column = marked.index("*")
    assert sum(row[column : column + 1] == "|" for row in rows[1:-3]) >= 5
    assert "0.01" in rows[-2][column - 4 : column + 5]


def test_the_interval_is_shown_even_where_nothing_happens_yet():
    rows = rows_of(found([tuple(map(loss, RATES))], suggestion=1e-5, interval=(2e-6, 1e-4)))
    assert rows[-2].split()[0] == "1e-6"
    assert re.fullmatch(r" +\[-+\*-+\] 1e-05 \(2e-06 to 0.0001\)", rows[-1])


def test_of_a_metric_that_is_better_large_the_best_is_not_cut_off():
    rates = (1e-3, 1e-2, 1e-1, 1.0)
    accuracies = (0.30, 0.60, 0.95, 0.10)
    rows = rows_of(
        found([accuracies], "race", 0.1, (0.05, 0.2), rates, metric="accuracy"),
    )
    assert rows[0].strip() == "validation accuracy after 96 steps"
    assert float(rows[1].split("|")[0]) >= 0.9


def test_several_orders_are_told_apart_by_letters():
    rows = rows_of(found([tuple(map(loss, RATES)), tuple(loss(rate * 2) for rate in RATES)]))
    assert rows[-2:] == ["a  order 0", "b  order 1"]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_picture_fits_the_terminal(width):
    assert max(map(len, rows_of(SWEPT, width))) <= width


def test_a_grid_of_one_rate_is_drawn():
    rows = rows_of(found([(0.4,)], "grid", 0.1, None, (0.1,)))
    assert rows[-1].strip() == "* 0.1"


@pytest.mark.parametrize(
    ("result", "heading"),
    [
        (SWEPT, "training loss"),
        (found([(0.4, 0.3)], "race", rates=(0.01, 0.1)), "validation loss after 96 steps"),
        (found([(0.4, 0.3)], "race", rates=(0.01, 0.1), judged_by="training"), "training loss after 96 steps"),
        (found([(0.4, 0.3)], "race", rates=(0.01, 0.1), metric="val_loss"), "validation loss after 96 steps"),
    ],
)
def test_the_heading_says_what_the_rates_were_judged_by(result, heading):
    assert rows_of(result)[0] == heading


def cells(rows, letter):
    """Return the column and row of each cell that shows the letter, above the axis."""
    axis = next(n for n, row in enumerate(rows) if "-> rate" in row)
    return [(row.index("|") + 1, n, m) for n, row in enumerate(rows[1:axis]) for m, c in enumerate(row) if c == letter]


def test_every_rate_that_was_trained_is_a_dot_also_the_low_ones_and_the_interval_is_seen():
    rows = rows_of(found([(2.30, 2.30, 2.30, 1.0)], "race", 0.1, (0.0001, 0.2), (0.001, 0.01, 0.1, 1.0)))
    columns = sorted(m for _, _, m in cells(rows, "o"))
    assert len(columns) == 4
    between = [b - a for a, b in itertools.pairwise(columns)]
    assert max(between) - min(between) <= 1, "the rates are a decade apart"
    marked = next(row for row in rows if row.lstrip().startswith("["))
    assert marked.index("[") < columns[0], "the interval begins below the lowest rate"


def test_a_training_that_died_is_a_cross_and_does_not_stretch_the_picture():
    for end in (1e77, math.inf):
        rows = rows_of(found([(0.5, 0.4, end)], "race", 0.01, (0.005, 0.03), (0.001, 0.01, 0.1), dead=(0.1,)))
        assert float(rows[1].split("|")[0]) <= 0.5
        [(_, row, column)] = cells(rows, "x")
        assert row == 0
        assert column > max(m for _, _, m in cells(rows, "o"))
        assert len(cells(rows, "o")) == 2
