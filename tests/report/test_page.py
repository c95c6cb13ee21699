"""The report in a real browser: it works from disk without a network, at desktop and phone width, light and dark."""

import html
import re

import pytest
from in_browser import opened
from numpy_task import DivergingTask, LogisticTask

from ratesmith.experiment import compare
from ratesmith.finder import race
from ratesmith.report import write_html


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    strategies = ["cosine()", "plateau(factor=0.3, patience=0)", 'multistep(milestones=["50%", "75%"])']
    found = compare(DivergingTask(), strategies, folder=folder, steps=90, seeds=3, rates=[0.01, 0.1, 1.0])
    path = write_html(found, folder / "report.html", title="<b>digits</b>.py:task", command="ratesmith compare 'x'")
    return found, path


@pytest.fixture(scope="module")
def found_page(tmp_path_factory):
    found = race(LogisticTask(), steps=300)
    return found, write_html(found, tmp_path_factory.mktemp("found") / "found.html", title="<b>mine</b>.py:task")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_of_a_found_rate_shows_it_and_its_curves(found_page, browser, width):
    found, path = found_page
    page = opened(browser, path, pictures=2, width=width)
    assert page.inner_text(".verdict") == found.explain().splitlines()[0]
    assert page.inner_text("h1") == "<b>mine</b>.py:task: which initial rate?"
    assert page.locator("table").first.locator("tbody tr").count() == len(found.curves)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_shows_verdict_ranking_and_pictures_without_a_network(report, browser, width, scheme):
    found, path = report
    page = opened(browser, path, pictures=6, width=width, color_scheme=scheme)
    assert page.inner_text(".verdict") == " ".join(found.verdict().split())
    ranked = page.locator("table").first.locator("tbody tr code:first-of-type").all_inner_texts()
    assert page.inner_text("pre") == found.paste()
    assert ranked == [row.strategy for row in found.rows]
    assert page.inner_text("h1") == "<b>digits</b>.py:task: which learning-rate strategy?"
    for picture in page.locator("figure .bk-Figure").all():
        box = picture.bounding_box()
        assert 250 < box["width"] <= width
        assert box["height"] > 150
    page.close()


def test_the_table_of_runs_is_sorted_by_a_click_on_its_heading(report, browser):
    found, path = report
    page = opened(browser, path, pictures=6, width=1280)
    page.locator("details summary").last.click()
    rates = sorted(run.trial.base_lr for run in found.runs)
    heading = page.locator("table.sortable th").nth(1)
    for wanted in (rates, rates[::-1]):
        heading.click()
        shown = page.locator("table.sortable tbody td:nth-child(2)").all_inner_texts()
        assert [float(text) for text in shown] == wanted
    page.close()


def test_what_the_pictures_draw_is_what_was_measured(report, browser):
    found, path = report
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelectorAll('figure .bk-Figure').length === 6")
    drawn = page.evaluate(
        """() => Bokeh.documents.flatMap(d => d.roots()).flatMap(plot => plot.renderers
            .filter(drawn => drawn.data_source.data.y && drawn.data_source.data.name).map(drawn => [
            plot.left[0].axis_label, drawn.glyph.type,
            Array.from(drawn.data_source.get('y')), drawn.data_source.get('name')[0]]))"""
    )
    lines = {
        (label, name): ys
        for label, kind, ys, name in drawn
        if kind in ("Line", "Step") and label in ("validation loss", "share of the initial rate")
    }
    for row in found.rows:
        runs = found.runs_of(row.strategy, row.base_lr)
        means = [sum(run.curve[i].metrics["loss"] for run in runs) / len(runs) for i in range(len(runs[0].curve))]
        assert lines["validation loss", row.strategy] == pytest.approx(means)
        shares = [rate / row.base_lr for _, rate in runs[0].rates]
        assert lines["share of the initial rate", row.strategy] == pytest.approx(shares)
    assert any(kind == "Scatter" and name == "constant()" for _, kind, _, name in drawn)
    page.close()


def test_diverged_runs_are_named_on_the_page(report):
    found, path = report
    text = path.read_text(encoding="utf-8")
    assert any(run.diverged for run in found.runs)
    assert "diverged: training loss nan at step" in text


def test_what_to_mind_is_on_the_page_with_its_code(report):
    found, path = report
    text = path.read_text(encoding="utf-8")
    assert all(html.escape(line, quote=False) in text for line in found.note_lines())
    codes = [code for row in found.rows for code in found.codes_of(row)]
    assert all(text.count(f"<small>{code}</small>") == codes.count(code) for code in codes)


def test_the_page_is_one_file_that_names_no_other(report):
    text = report[1].read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"(?!data:)", text)


def test_a_comparison_without_a_winner_still_gives_a_page(tmp_path):
    from numpy_task import ExplodingTask

    found = compare(ExplodingTask(), ["cosine()"], folder=tmp_path, steps=30, seeds=2, rates=[0.1, 1.0])
    text = write_html(found, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Every run diverged: give lower rates" in text
    assert text.count("<figure>") <= 1  # what was shared at most


def test_a_single_seed_has_no_interval_and_a_loss_below_zero_no_log_axis(tmp_path):
    class Shifted(LogisticTask):
        def start(self, seed):
            training = super().start(seed)
            measure = training.evaluate
            training.evaluate = lambda split="validation": {"loss": measure(split)["loss"] - 5}
            return training

    found = compare(Shifted(), ["cosine()"], folder=tmp_path, steps=30, seeds=1, rates=[0.1])
    text = write_html(found, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "So few seeds cannot tell strategies apart" in text
