"""Looks are told apart without their colours, and the baseline always looks the same."""

from ratesmith.report.style import ANSWER, GREY, Look, along, blank, looks
from ratesmith.report.ticks import percents_around


def test_the_baseline_is_grey_dashed_and_round_and_nothing_else_is():
    styles = looks(["cosine()", "constant()", "linear()"], "constant()")
    assert styles["constant()"] == Look(GREY, "dashed", "circle")
    assert all(look.colour not in (GREY, ANSWER) and look.marker != "circle" for look in list(styles.values())[1:])


def test_those_that_are_drawn_together_differ_in_colour_and_in_dash_or_marker():
    styles = list(looks([str(place) for place in range(24)]).values())
    assert len(set(styles)) == 24
    assert len({(look.dash, look.marker) for look in styles[:6]}) == 6
    assert len({look.colour for look in styles[:8]}) == 8


def test_the_key_of_a_table_has_the_colour_the_dash_and_the_marker():
    look = looks(["cosine()", "linear()"])["linear()"]
    assert f'stroke="{look.colour}"' in look.key
    assert 'stroke-dasharray="7 4"' in look.key
    assert look.key != look._replace(marker="star").key


def test_an_axis_along_which_nothing_differs_has_a_length_all_the_same():
    plot = blank(("difference", ""))
    along(plot, 0.0, 0.0, percents_around)
    assert plot.x_range.start < 0 < plot.x_range.end
    assert plot.xaxis[0].ticker.ticks == [0]
