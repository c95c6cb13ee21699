"""The page of a forecast in a real browser: it works from disk without a network, at both widths, light and dark."""

import pytest
from forecast_logs import write_runs
from in_browser import opened

from ratesmith.forecast import fit, read
from ratesmith.report import write_html


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecast")
    constant, cosine, linear = (read(file) for file in write_runs(folder))
    forecaster = fit([cosine, constant])
    found = forecaster.compare(
        ["warmup(100) >> linear()", 'warmup(100) >> wsd(decay="20%")', "warmup(100) >> cosine()"]
    )
    checks = [(linear, forecaster.under("linear", linear.rates, linear.steps.tolist()))]
    return found, write_html(found, folder / "forecast.html", checks=checks, title="<b>mine</b>")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_shows_the_answer_the_table_and_the_pictures(page_file, browser, width, scheme):
    found, path = page_file
    page = opened(browser, path, pictures=8, width=width, color_scheme=scheme)
    assert page.inner_text("h1") == "<b>mine</b>: which schedule next?"
    assert page.inner_text(".verdict") == found.explain().splitlines()[0]
    ranked = page.locator("table").first.locator("tbody tr code").all_inner_texts()
    assert ranked == [row.name for row in found.rows]
    assert page.locator("table").nth(1).locator("tbody tr").count() == 1
    for picture in page.locator("figure .bk-Figure").all():
        box = picture.bounding_box()
        assert 250 < box["width"] <= width
    page.close()


def test_what_the_fan_draws_is_what_was_forecast(page_file, browser):
    found, path = page_file
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelectorAll('figure .bk-Figure').length === 8")
    drawn = page.evaluate(
        """() => Bokeh.documents.flatMap(d => d.roots()).filter(plot => plot.left[0].axis_label === 'loss')
            .flatMap(plot => plot.renderers.filter(drawn => drawn.glyph.type === 'Line').map(drawn => [
                drawn.data_source.get('name')[0], Array.from(drawn.data_source.get('y'))]))"""
    )
    assert {name: pytest.approx(row.prediction.losses.tolist()) for row in found.rows for name in [row.name]} == dict(
        drawn
    )
    page.close()


def test_annealed_runs_leave_out_what_annealing_would_gain(tmp_path):
    _, cosine, linear = (read(file) for file in write_runs(tmp_path))
    forecaster = fit([linear, cosine])
    path = write_html(forecaster.compare(["warmup(100) >> linear()"]), tmp_path / "forecast.html")
    text = path.read_text(encoding="utf-8")
    assert "the least annealed run" not in text
    assert "It stands alone: name a second schedule to compare it with." in text
