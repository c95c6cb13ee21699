"""The page of a finder's result: the rate first, as lines to paste too, and its curves from where they fall."""

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
    found = FinderResult("grid", 1.0, (1.0, 1.0), (), (curve,), 20, 0.1, 0.1, metric="accuracy", mode="max")
    text = write_html(found, tmp_path / "found.html").read_text(encoding="utf-8")
    assert "<h3>Validation accuracy after whole trainings, by initial rate: higher is better</h3>" in text
