"""The page of a forecast in a real browser: its answer, its table, and what the pictures draw."""

import pytest
from forecast_logs import write_runs
from in_browser import open_all_details, opened

from ratesmith.forecast import fit, read
from ratesmith.report import write_html
from ratesmith.report.forecast import headline
from ratesmith.strategy.labels import labels


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_shows_the_answer_the_pictures_and_the_table(forecast_page, browser, width, scheme):
    found, path = forecast_page
    page = opened(browser, path, pictures=8, width=width, color_scheme=scheme)
    assert page.inner_text("h1") == "<b>mine</b>: which schedule next?"
    assert page.inner_text(".answer") == headline(found)
    assert page.inner_text(".verdict") == found.explain().splitlines()[0]
    ranked = page.locator("table").first.locator("tbody tr code")
    shown = labels(row.name for row in found.rows)
    assert ranked.all_inner_texts() == [shown[row.name] for row in found.rows]
    assert page.locator("table").nth(1).locator("tbody tr").count() == 1
    page.close()


def test_a_name_that_is_shortened_stands_in_full_once_and_on_hovering(forecast_page, browser):
    _, path = forecast_page
    page = opened(browser, path, pictures=8, width=390)
    whole = 'warmup(100) >> wsd(decay="20%")'
    short = page.locator("table code", has_text="wsd")
    assert short.inner_text() == "warmup(…) >> wsd(…)"
    assert short.get_attribute("title") == whole
    assert page.locator(f"p.note:has-text('In full') code >> text='{whole}'").is_visible()
    page.close()


def test_the_pictures_for_statisticians_are_folded_and_drawn_when_they_are_opened(forecast_page, browser):
    page = opened(browser, forecast_page[1], pictures=8, width=1280)
    assert page.locator("figure:visible").count() == 4
    open_all_details(page)
    assert page.locator("figure:visible").count() == 8
    assert all(picture.bounding_box()["width"] > 400 for picture in page.locator("details .bk-Figure").all())
    page.close()


def test_what_the_fan_draws_is_what_was_forecast(forecast_page, browser):
    found, path = forecast_page
    page = opened(browser, path, pictures=8, width=1280)
    drawn = page.evaluate(
        """() => Bokeh.documents.flatMap(d => d.roots()).filter(plot => plot.left[0].axis_label === 'loss')
            .flatMap(plot => plot.renderers.filter(drawn => drawn.glyph.type === 'Line').map(drawn => [
                drawn.data_source.get('name')[0], Array.from(drawn.data_source.get('y'))]))"""
    )
    assert {name: pytest.approx(row.prediction.losses.tolist()) for row in found.rows for name in [row.name]} == dict(
        drawn
    )
    page.close()


def test_at_most_three_candidates_have_a_band(tmp_path):
    constant, cosine, _ = (read(file) for file in write_runs(tmp_path))
    forecaster = fit([cosine, constant])
    found = forecaster.compare([f'warmup(100) >> wsd(decay="{share}%")' for share in (10, 20, 30, 40, 50)])
    text = write_html(found, tmp_path / "forecast.html").read_text(encoding="utf-8")
    whole_page_bands = text.count('"name":"VArea"') // 3  # a glyph, and how it looks without its selection and muted
    assert whole_page_bands == 3 + 2  # the fan, what decays, and what annealing would gain


def test_annealed_runs_leave_out_what_annealing_would_gain(tmp_path):
    _, cosine, linear = (read(file) for file in write_runs(tmp_path))
    forecaster = fit([linear, cosine])
    path = write_html(forecaster.compare(["warmup(100) >> linear()"]), tmp_path / "forecast.html")
    text = path.read_text(encoding="utf-8")
    assert "the least annealed run" not in text
    assert "It stands alone: name a second schedule to compare it with." in text


def test_the_headline_is_as_sure_as_the_candidates_are(tmp_path):
    constant, cosine, linear = (read(file) for file in write_runs(tmp_path))
    both, single = fit([cosine, constant, linear]), fit([constant])
    names = ["warmup(100) >> linear()", 'warmup(100) >> wsd(decay="20%")', "warmup(100) >> constant()"]
    seen = set()
    for forecaster in (both, single):
        for baseline in names:
            for others in ([], names):
                found = forecaster.compare([baseline, *(name for name in others if name != baseline)])
                text = headline(found)
                assert len(text.split()) <= 20
                first = text.split()[0]
                seen.add(first)
                assert (first == "Run") == (found.sure and found.best.name != baseline)
    assert {"Stay", "warmup(100)"} < seen
    assert seen & {"Run", "Perhaps"}


def test_a_run_looks_the_same_in_every_picture(forecast_page, browser):
    page = opened(browser, forecast_page[1], pictures=8, width=1280)
    legends = page.locator("details .legend li").all()
    looks = {}
    for entry in legends:
        run = entry.locator("code").text_content().split(",")[0]
        looks.setdefault(run, set()).add(entry.locator("svg").evaluate("each => each.outerHTML"))
    assert set(looks) == {"constant", "cosine", "linear"}
    assert all(len(keys) == 1 for keys in looks.values())
    page.close()
