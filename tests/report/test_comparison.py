"""The page of a comparison: its answer, its ranking, what its pictures draw, and what to mind."""

import html
import math
from dataclasses import replace

import pytest
from comparing import LAYOUT, judged
from in_browser import opened
from numpy_task import ExplodingTask, LogisticTask
from ranked_rows import BETTER, WIDE, ranked, row_of

from ratesmith.experiment import Run, RunStatus, Trial, compare
from ratesmith.report import write_html
from ratesmith.report.comparison_charts import View, charts
from ratesmith.report.style import ANSWER, looks
from ratesmith.strategy.labels import labels


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_shows_answer_ranking_and_pictures_without_a_network(report, browser, width, scheme):
    found, path = report
    page = opened(browser, path, pictures=6, width=width, color_scheme=scheme)
    assert page.inner_text(".answer") == found.headline()
    assert page.inner_text(".verdict") == " ".join(found.verdict().split())
    ranked = page.locator("table").first.locator("tbody td:nth-child(2) > code").all_inner_texts()
    shown = labels([row.strategy for row in found.rows] + [row.chosen for row in found.rows])
    assert ranked == [shown[row.strategy] for row in found.rows]
    assert page.locator("pre").first.inner_text() == found.paste()
    assert page.inner_text("h1") == "<b>digits</b>.py:task: which learning-rate strategy?"
    page.close()


def test_a_name_that_is_shortened_stands_in_full_where_it_was_chosen_and_on_hovering(report, browser):
    found, path = report
    page = opened(browser, path, pictures=6, width=390)
    short = page.locator("table").first.locator("code", has_text="multistep")
    assert short.inner_text() == "multistep(…)"
    assert short.get_attribute("title") == 'multistep(milestones=["50%", "75%"])'
    in_full = page.locator("h2:has-text('How each was chosen') + div td:first-child > code").all_inner_texts()
    assert in_full == [row.strategy for row in found.rows]
    page.close()


def test_the_table_of_runs_is_sorted_by_its_headings(report, browser):
    found, path = report
    page = opened(browser, path, pictures=6, width=1280)
    page.locator("details summary").last.click()
    rates = sorted(run.trial.base_lr for run in found.runs)
    heading = page.locator("table.sortable th button").nth(1)
    for wanted in (rates, rates[::-1]):
        heading.press("Enter")
        shown = page.locator("table.sortable tbody td:nth-child(2)").all_inner_texts()
        assert [float(text) for text in shown] == wanted
    page.close()


DRAWN = """() => Bokeh.documents.flatMap(d => d.roots()).flatMap(plot => plot.renderers
    .filter(drawn => drawn.data_source.data.y && drawn.data_source.data.name).map(drawn => [
    plot.left[0].axis_label, drawn.glyph.type, Array.from(drawn.data_source.get('x')),
    Array.from(drawn.data_source.get('y')), drawn.data_source.get('name')[0]]))"""


def test_what_the_pictures_draw_is_what_was_measured(report, browser):
    found, path = report
    page = opened(browser, path, pictures=6, width=1280)
    drawn = page.evaluate(DRAWN)
    lines = {
        (label, name): (xs, ys)
        for label, kind, xs, ys, name in drawn
        if kind in ("Line", "Step") and label in ("validation loss", "share of the initial rate")
    }
    length = found.layout.steps_per_epoch
    assert length == 30
    for row in found.rows:
        runs = found.runs_of(row.strategy, row.base_lr) or found.runs_of(row.chosen, row.base_lr)
        means = [sum(run.curve[i].metrics["loss"] for run in runs) / len(runs) for i in range(len(runs[0].curve))]
        epochs, losses = lines["validation loss", row.strategy]
        assert epochs == pytest.approx([point.step / length for point in runs[0].curve])
        assert losses == pytest.approx(means)
        epochs, shares = lines["share of the initial rate", row.strategy]
        assert epochs == pytest.approx([step / length for step, _ in runs[0].rates])
        assert shares == pytest.approx([rate / row.base_lr for _, rate in runs[0].rates])
    assert any(kind == "Scatter" and name == "constant()" for _, kind, _, _, name in drawn)
    page.close()


def test_the_first_picture_draws_the_differences_that_decide(report, browser):
    found, path = report
    page = opened(browser, path, pictures=6, width=1280)
    bars, texts = page.evaluate(
        """() => Bokeh.documents.flatMap(d => d.roots()).filter(plot => plot.below[0].axis_label.includes('against'))
            .map(plot => [plot.renderers.filter(each => each.glyph.type === 'Segment').map(each => [
                each.data_source.get('x0')[0], each.data_source.get('x1')[0]]),
                plot.center.filter(each => each.type === 'Label').map(each => each.text)])[0]"""
    )
    differences = [row.difference for row in found.rows if row.difference is not None]
    assert bars == [[pytest.approx(each.low), pytest.approx(each.high)] for each in differences]
    assert len(texts) == len(found.rows)
    for row, text in zip(found.rows, texts, strict=True):
        words = "the baseline" if row.difference is None else row.difference.conclusion
        assert text.endswith(words)
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_ranking_shows_quality_speed_and_overfitting_without_a_cut(browser, tmp_path, width):
    rows = (
        row_of("cosine()", 0.5, BETTER, reached=5.0, gap=0.25, turned=8.0),
        row_of('multistep(milestones=["50%", "75%"])', 0.6, WIDE, WIDE, missing=2, pairs=8, reached=math.inf, gap=-0.1),
        row_of("constant()", 1.0, reached=7.0, gap=0.1),
    )
    page = opened(browser, write_html(ranked(*rows), tmp_path / "report.html"), pictures=2, width=width)
    table = page.locator("table.ranking")
    cells = [
        [" ".join(cell.split()) for cell in each.locator("td").all_inner_texts()]
        for each in table.locator("tr").all()[1:]
    ]
    assert cells[0][3:] == ["-63 to -18 % better", "–", "50 %", "+0.25 turn at 80 %", "0 of 1"]
    assert cells[1][1] == "multistep(…) lr=0.1, 8 of 10 seeds RS317"
    assert cells[1][3:6] == ["-3 to +2 % not told apart", "not told apart", "never"]
    assert cells[2][3:6] == ["the baseline", "worse", "100 %"]
    assert page.evaluate(
        "document.querySelector('.scroll').scrollWidth <= document.querySelector('.scroll').clientWidth"
    )
    page.close()


def test_the_chosen_rates_are_ringed_and_the_answer_is_green(report, browser):
    found, path = report
    page = opened(browser, path, pictures=6, width=1280)
    rings = page.evaluate(
        """() => Bokeh.documents.flatMap(d => d.roots()).filter(plot => plot.below[0].axis_label === 'initial rate')
            .flatMap(plot => plot.renderers.filter(each => each.glyph.size?.value === 18).map(each => [
                each.data_source.get('x')[0], each.glyph.line_color.value]))"""
    )
    assert sorted(rate for rate, _ in rings) == sorted(row.base_lr for row in found.rows if row.base_lr)
    assert [rate for rate, colour in rings if colour == ANSWER] == [found.best.base_lr]
    page.close()


def test_ticks_of_logarithmic_axes_surround_what_is_drawn(report, browser):
    page = opened(browser, report[1], pictures=6, width=1280)
    axes = page.evaluate(
        """() => Bokeh.documents.flatMap(d => d.roots()).flatMap(plot =>
            [['x', plot.below[0], plot.x_scale], ['y', plot.left[0], plot.y_scale]]
            .filter(([way, axis, scale]) => scale.type === 'LogScale').map(([way, axis]) => [
                axis.ticker.ticks, plot.renderers.flatMap(
                    each => each.data_source.data[way] ? Array.from(each.data_source.get(way)) : [])
                    .filter(value => way === 'x' || value <= plot.y_range.end)]))"""  # a ruinous rate is out of sight
    )
    assert len(axes) >= 3
    for ticks, values in axes:
        assert len(ticks) >= 3
        assert min(ticks) <= min(values) < max(values) <= max(ticks)
    page.close()


def test_a_ruinous_rate_leaves_the_picture_by_rate_its_height():
    rows = row_of("cosine()", 0.1, BETTER), row_of("constant()", 0.12, None, (0.02, 0.2))
    comparison = ranked(*rows)
    losses = {("cosine()", 0.1): 0.1, ("cosine()", 0.2): 0.13, ("cosine()", 1.0): 9.0, ("constant()", 0.1): 0.12}
    runs = [
        Run(Trial(*pair, seed, LAYOUT.steps), RunStatus.DONE, 10, 0.0, metrics={"loss": loss})
        for pair, loss in losses.items()
        for seed in ((0, 1) if pair[1] == 0.1 else (0,))
    ]
    for kept, leaves in ((runs, True), ([run for run in runs if run.metrics["loss"] < 1], False)):
        names = ["cosine()", "constant()"]
        view = View(replace(comparison, runs=tuple(kept)), looks(names, "constant()"), labels(names))
        picture = charts(view)["basin"]
        assert ("leaves the picture leads to a much higher loss" in picture.caption) == leaves
        if leaves:
            assert 0.13 < picture.plot.y_range.end < 0.5


def test_at_most_three_strategies_have_a_band(report, browser):
    page = opened(browser, report[1], pictures=6, width=1280)
    counts = page.evaluate(
        """() => Bokeh.documents.flatMap(d => d.roots()).map(plot =>
            plot.renderers.filter(each => each.glyph.type === 'VArea').length)"""
    )
    assert len(report[0].rows) == 5
    assert max(counts) == 3
    page.close()


def test_diverged_runs_are_named_on_the_page(report):
    found, path = report
    text = path.read_text(encoding="utf-8")
    assert any(run.diverged for run in found.runs)
    assert "diverged: training loss nan at step" in text


def test_what_to_mind_is_on_the_page_with_its_code(report):
    found, path = report
    text = path.read_text(encoding="utf-8")
    assert all(line in html.unescape(text) for line in found.note_lines())
    codes = [code for row in found.rows for code in found.codes_of(row)]
    assert all(text.count(f"<small>{code}</small>") == codes.count(code) for code in codes)


def test_a_comparison_without_a_winner_still_gives_a_page(tmp_path):
    found = compare(ExplodingTask(), ["cosine()"], folder=tmp_path, steps=30, seeds=2, rates=[0.1, 1.0])
    text = write_html(found, tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<p class="answer">No answer: every run diverged.</p>' in text
    assert "Every run diverged: give lower rates" in text
    assert text.count("<figure>") <= 1  # what was shared at most


def test_a_comparison_in_which_no_run_of_the_whole_length_ended_well_still_gives_a_page(tmp_path):
    found = judged({"constant()": [None] * 3, "cosine()": [None] * 3})
    short = Run(Trial("cosine()", 0.1, 0, 5), RunStatus.DONE, 5, 0.0, metrics={"loss": 1.0})
    path = write_html(replace(found, runs=(*found.runs, short)), tmp_path / "report.html")
    assert "No answer: no strategy has a rate at which every run ended well." in path.read_text(encoding="utf-8")


def test_a_single_seed_has_no_interval_and_a_loss_below_zero_no_log_axis(tmp_path):
    class Shifted(LogisticTask):
        def start(self, seed):
            training = super().start(seed)
            measure = training.evaluate
            training.evaluate = lambda split="validation": {"loss": measure(split)["loss"] - 5}
            return training

    found = compare(Shifted(), ["cosine()"], folder=tmp_path, steps=30, seeds=1, rates=[0.1])
    text = write_html(found, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "One seed tells nothing apart" in text
    assert text.count('"name":"LogAxis"') == 1  # that of the rates


def test_a_metric_that_is_better_large_is_said_to_be_and_many_metrics_have_a_table_of_their_own(tmp_path, browser):
    class Measured(LogisticTask):
        def start(self, seed):
            training = super().start(seed)
            measure = training.evaluate
            more = {f"a_metric_with_a_long_name_{number}": math.pi for number in range(5)}
            training.evaluate = lambda split="validation": measure(split) | more
            return training

    options = {"steps": 60, "seeds": 3, "rates": [0.01, 0.1], "metric": "accuracy", "mode": "max"}
    found = compare(Measured(), ["cosine()"], folder=tmp_path, **options)
    path = write_html(found, tmp_path / "report.html")
    page = opened(browser, path, pictures=5, width=1280)
    titles = page.locator("figure h3").all_inner_texts()
    assert titles[0] == "Accuracy on the validation set against constant(): right is better"
    assert "Validation accuracy at the end, by initial rate: higher is better" in titles
    headings = page.locator("table").first.locator("th").all_inner_texts()
    assert [text.split("\n")[0] for text in headings[2:4]] == ["accuracy", "loss"]
    assert [" ".join(text.split()) for text in headings[4:]] == [
        "accuracy against constant()",
        "baseline's end after",
        "validation – training loss",
        "diverged",
    ]
    page.locator("summary", has_text="All 7 metrics").click()
    assert page.locator("details table").first.locator("tbody tr").count() == 2 * 7
    page.close()
