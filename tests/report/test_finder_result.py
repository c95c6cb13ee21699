"""The page of a finder's result: the rate first, as lines to paste too, and its curves from where they fall."""

import math
import re

import pytest
from in_browser import opened

from ratesmith.finder import Curve, FinderResult
from ratesmith.report import write_html
from ratesmith.report.style import ANSWER, COLOURS


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_of_a_found_rate_shows_it_and_its_curves(found_page, browser, width):
    found, path = found_page
    page = opened(browser, path, pictures=2, width=width)
    assert page.inner_text(".answer") == f"Start with lr={found.suggestion:.2g}."
    assert page.locator("pre").first.inner_text() == f"lr={found.suggestion:.2g}"
    assert page.inner_text(".verdict") == found.explain().splitlines()[0]
    assert page.inner_text("h1") == "<b>mine</b>.py:task: which initial rate?"
    assert page.locator("table").first.locator("tbody tr").count() == len(found.curves)
    assert "lower is better" in page.locator("figure h3").first.inner_text()
    page.close()


def test_the_pictures_draw_the_curves_and_mark_the_suggestion_in_a_colour_of_its_own(found_page, browser):
    found, path = found_page
    page = opened(browser, path, pictures=2, width=1280)
    drawn = page.evaluate(
        """() => Bokeh.documents.flatMap(d => d.roots()).map(plot => ({
            spans: plot.center.filter(each => each.type === 'Span').map(each => [each.location, each.line_color]),
            start: plot.x_range.start,
            end: plot.x_range.end,
            lines: plot.renderers.filter(each => each.glyph.type === 'Line').map(each => [
                each.data_source.get('name')[0], Array.from(each.data_source.get('x')),
                Array.from(each.data_source.get('y'))])}))"""
    )
    curves = {curve.name: curve for curve in found.curves}
    assert sum(len(picture["lines"]) for picture in drawn) == len(curves)
    for picture in drawn:
        assert picture["spans"] == [[found.suggestion, ANSWER]]
        for name, rates, losses in picture["lines"]:
            measured = list(zip(curves[name].rates, curves[name].smooth, strict=True))
            assert list(zip(rates, losses, strict=True)) == measured[-len(rates) :]
            assert picture["start"] < min(rates) < max(rates) < picture["end"]
    assert ANSWER not in COLOURS
    page.close()


def swept(losses, **options):
    """Return a sweep's result of given losses, two a decade."""
    rates = tuple(10 ** (place / 2 - 6) for place in range(len(losses)))
    curve = Curve("sweep", "order 0", rates, tuple(losses), tuple(losses), 0.03)
    return FinderResult("sweep", 0.03, (0.03, 0.03), (), (curve,), 13, 0.1, 0.1, **options)


def test_the_flat_part_of_a_sweep_is_left_out_and_the_page_says_so(tmp_path):
    flat = swept([2.3] * 9 + [2.2, 1.8, 1.2, 3.0])
    text = write_html(flat, tmp_path / "found.html").read_text(encoding="utf-8")
    assert "The flat part below 0.01, from 1e-6 on, is left out." in text
    falling = swept([2.3 - place / 10 for place in range(13)])
    assert "is left out" not in write_html(falling, tmp_path / "found.html").read_text(encoding="utf-8")


def test_without_a_suggestion_nothing_is_there_to_paste(tmp_path):
    curve = Curve("sweep", "order 0", (0.1, 1.0), (1.0, 1.0), (1.0, 1.0), None)
    nothing = FinderResult("sweep", None, None, ("no_descent",), (curve,), 2, 0.1, 0.1)
    text = write_html(nothing, tmp_path / "found.html").read_text(encoding="utf-8")
    assert '<p class="answer">No rate is suggested.</p>' in text
    assert "<pre>" not in text


def test_a_metric_that_is_better_large_is_said_to_be(tmp_path):
    curve = Curve("training", "10 steps", (0.1, 1.0), (0.5, 0.9), (0.5, 0.9), 1.0)
    found = FinderResult("grid", 1.0, None, (), (curve,), 20, 0.1, 0.1, metric="accuracy", mode="max")
    text = write_html(found, tmp_path / "found.html").read_text(encoding="utf-8")
    assert "<h3>Validation accuracy after trainings of 10 steps, by initial rate: higher is better</h3>" in text
    assert "<figcaption>The green line is the suggestion.</figcaption>" in text, "a grid has no interval"


def raced(**options):
    """Return the result of a race whose highest rate died."""
    rates, losses = (0.1, 0.3, 1.0, 3.0), (0.5, 0.49, 0.8, math.inf)
    curve = Curve("training", "96 steps", rates, losses, losses, 0.2, 2.3, (2.2, 2.0, 1.9, math.inf))
    swept = Curve("sweep", "order 0", (0.01, 0.1, 1.0), (2.3, 2.0, 1.5), (2.3, 2.0, 1.5), 0.1)
    given = {"nearly": (0.1, 0.3), "dead": (3.0,), **options}
    return FinderResult("race", 0.15, (0.05, 0.4), (), (swept, curve), 400, 0.1, 0.1, **given)


def captions(result, folder):
    text = write_html(result, folder / "found.html").read_text(encoding="utf-8")
    return text, re.findall("<figcaption>(.*?)</figcaption>", text)


def test_below_each_picture_stands_what_its_line_and_band_are(tmp_path):
    _, (trainings, sweep) = captions(raced(), tmp_path)
    marked = "The green line is the suggestion; in 8 of 10 searches like this one the best rate lies in the band."
    lower = "It is lower than the best rate of these short trainings, since longer ones like lower rates."
    assert trainings == f"{marked} {lower} Trainings died at the dotted lines."
    assert sweep == f"Smoothed; one order of the data. It showed where to train. {marked}"
    _, (trainings, _) = captions(raced(dead=()), tmp_path)
    assert "died" not in trainings


def test_several_orders_of_a_sweep_are_said_to_be_several(tmp_path):
    curves = tuple(Curve("sweep", f"order {seed}", (0.1, 1.0), (2.0, 1.0), (2.0, 1.0), 0.5) for seed in range(2))
    _, [caption] = captions(FinderResult("sweep", 0.5, (0.05, 2.0), (), curves, 4, 0.1, 0.1), tmp_path)
    assert caption.startswith("Smoothed; each line is another order of the data. The green line is the suggestion; ")


def test_the_trainings_stand_in_a_table_with_how_they_ended(tmp_path):
    text, _ = captions(raced(), tmp_path)
    table = text.partition("How trainings of 96 steps began and ended</h2>")[2].partition("</table>")[0]
    rows = [re.findall("<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall("<tr>(.*?)</tr>", table)]
    assert rows == [
        ["rate", "first loss", "over the next 10 updates", "validation loss at the end", ""],
        ["0.1", "2.3", "2.2", "0.5", "among the best"],
        ["0.3", "2.3", "2", "0.49", "among the best"],
        ["1", "2.3", "1.9", "0.8", ""],
        ["3", "2.3", "not finite", "not finite", "died"],
    ]


def test_without_validation_data_the_page_says_that_training_losses_judged(tmp_path):
    text, _ = captions(raced(judged_by="training"), tmp_path)
    assert "<h3>Training loss after trainings of 96 steps, by initial rate: lower is better</h3>" in text
    assert ">training loss at the end</th>" in text
    assert "validation loss" not in text


def test_groups_with_rates_of_their_own_have_a_line_each_to_paste(tmp_path):
    text, _ = captions(raced(group_lrs={"body": 0.1, "<head>": 0.01}), tmp_path)
    assert "<pre>lr=0.15  # body\nlr=0.015  # &lt;head&gt;</pre>" in text
    text, _ = captions(raced(group_lrs={"body": 0.1, "head": 0.1}), tmp_path)
    assert "<pre>lr=0.15</pre>" in text
