"""Pictures of schedules and results: in files, in notebooks, and none without matplotlib."""

import copy
import pickle
import sys
import xml.etree.ElementTree

import numpy as np
import pytest
from finder_fake import Valley
from hypothesis import given, settings
from matplotlib.figure import Figure
from numpy_task import LogisticTask
from ranked_rows import BETTER, ranked, row_of
from strategies import schedules

import ratesmith
from ratesmith import Constant, Exponential, Milestones, Ramp
from ratesmith._display import DisplayedResult
from ratesmith.experiment import compare
from ratesmith.finder import find
from ratesmith.forecast import fit
from ratesmith.logs import Curve
from ratesmith.plots import draw_curves
from ratesmith.strategy.labels import labels


def texts(svg):
    return " ".join(xml.etree.ElementTree.fromstring(svg).itertext())


@pytest.mark.parametrize(
    "schedule", [Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.0, 30), Constant(2.0), Milestones((5, 9), 0.5), Exponential(0.9)]
)
def test_a_schedule_draws_itself_over_its_length_with_its_notation(schedule):
    [axes] = schedule.plot().axes
    [line] = axes.lines
    assert line.get_label() == str(schedule)
    steps, values = line.get_data()
    assert [float(schedule(int(step))) for step in steps] == list(values)
    assert steps[-1] == (schedule.steps or 1000)
    assert axes.get_ylim()[0] <= 0


def test_both_sides_of_a_jump_are_drawn():
    steps, values = Milestones((600,), 0.1).plot().axes[0].lines[0].get_data()
    drawn = dict(zip(steps, values, strict=True))
    assert (drawn[599], drawn[600]) == (1.0, 0.1)


def test_in_a_notebook_a_schedule_is_a_picture_and_a_result_its_answer_picture_and_table():
    xml.etree.ElementTree.fromstring(Ramp(1.0, 0.0, 30)._repr_svg_())
    result = find(Valley(), seeds=[0])
    shown = xml.etree.ElementTree.fromstring(f"<div>{result._repr_html_()}</div>")
    assert shown.find("p/b").text == result.explain().splitlines()[0]
    assert shown.find("div")[0].tag.endswith("svg")
    assert not hasattr(result, "_repr_svg_")  # else a notebook keeps the picture twice


def test_a_picture_shows_itself_in_a_notebook_without_its_magic_words():
    assert "<svg" in Ramp(1.0, 0.0, 30).plot()._repr_svg_()


@pytest.mark.parametrize(
    "text", ['step("30%")', "sgdr(100, growth=2)", 'warmup(5) >> step("30%")', "noam(64, 9) * 0.5"]
)
def test_a_recipe_without_an_end_is_drawn_to_its_horizon(text):
    schedule = ratesmith.parse(text).build(400)
    assert schedule.steps is None
    assert schedule.plot().axes[0].lines[0].get_xdata()[-1] == 400
    assert schedule == ratesmith.parse(str(schedule)).build()


def test_a_recipe_called_by_itself_is_drawn_to_its_horizon_too():
    assert ratesmith.recipes.step(400, every="30%").plot().axes[0].lines[0].get_xdata()[-1] == 400


def test_pictures_are_drawn_into_axes_that_are_given_one_over_the_other():
    axes = Figure().subplots()
    assert Ramp(1.0, 0.0, 30).plot(ax=axes) is axes.figure
    Ramp(1.0, 0.0, 60).plot(ax=axes)
    first, second = axes.lines
    assert (first.get_color(), first.get_linestyle()) != (second.get_color(), second.get_linestyle())
    assert axes.get_xlim() == (0, 60)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    strategies = ["cosine()", "plateau(factor=0.3, patience=0)"]
    return compare(
        LogisticTask(), strategies, folder=tmp_path_factory.mktemp("study"), steps=60, rates=[0.1, 1.0], seeds=3
    )


def test_a_comparison_is_drawn_with_its_rates_and_with_what_each_gave(comparison):
    left, right = comparison.plot().axes
    assert len(left.lines) == len(comparison.rows)
    names = labels(row.strategy for row in comparison.rows)
    assert [label.get_text() for label in right.get_yticklabels()] == list(names.values())
    seeds, means = right.lines[::2], right.lines[1::2]
    drawn = [line.get_xdata()[0] for line in means]
    assert drawn == sorted(drawn)  # what is drawn is what ranks
    for line, row in zip(seeds, comparison.rows, strict=True):
        assert list(line.get_xdata()) == [run.metrics["loss"] for run in comparison.runs_of(row.chosen, row.base_lr)]
    assert drawn == [row.estimates["loss"].mean for row in comparison.rows]
    assert "lower is better" in right.get_xlabel()
    assert right.get_title(loc="left") == "What each gave on 3 fresh seeds"


def test_strategies_with_fewer_seeds_are_drawn_as_such():
    rows = row_of("cosine()", 0.5, BETTER, pairs=10), row_of("constant()", 1.0, pairs=3)
    [_, right] = ranked(*rows).plot().axes
    assert right.get_title(loc="left") == "What each gave on 3 to 10 fresh seeds"


def test_a_comparison_fits_into_axes_that_are_given(comparison):
    axes = Figure().subplots()
    comparison.plot(ax=axes)
    assert len(axes.get_yticklabels()) == len(comparison.rows)


def test_a_comparison_in_a_notebook_is_its_verdict_its_picture_and_its_ranking(comparison):
    shown = xml.etree.ElementTree.fromstring(f"<div>{comparison._repr_html_()}</div>")
    assert shown.find("p/b").text == comparison.headline()
    assert [row[1].text for row in shown.find("table/tbody")] == [row.strategy for row in comparison.rows]
    assert len(repr(comparison)) < 120


def test_what_a_notebook_shows_is_text_and_no_markup():
    class Named(DisplayedResult):
        def __str__(self):
            return "<script>alert(1)</script>"

        def _display_table(self):
            return [["<b>"], ["<i>"]]

        def plot(self, ax=None):
            raise ModuleNotFoundError

    shown = Named()._repr_html_()
    assert not any(mark in shown for mark in ("<script", "<b><", "<i>"))
    assert "&lt;script&gt;" in shown


def forecaster():
    rates = 1e-3 * (1 - np.arange(600) / 600)
    steps = np.arange(20, 601, 20)
    runs = [
        Curve("linear", rates=rates, steps=steps, losses=2.0 + 3.0 * steps**-0.4),
        Curve("constant", rates=np.full(600, 1e-3), steps=steps, losses=2.1 + 3.0 * steps**-0.4),
    ]
    return runs, fit(runs)


def test_runs_and_forecasts_are_drawn_with_what_they_hold():
    runs, law = forecaster()
    [line] = runs[0].plot().axes[0].lines
    assert list(line.get_ydata()) == list(runs[0].losses)
    candidates = law.compare(["cosine()", "linear()"], 1e-3, 600)
    [axes] = candidates.plot().axes
    assert [line.get_label() for line in axes.lines] == ["linear", "constant", *(row.name for row in candidates.rows)]
    assert list(axes.lines[2].get_ydata()) == list(candidates.best.prediction.losses)
    [line] = candidates.best.prediction.plot().axes[0].lines
    assert line.get_ydata()[-1] == candidates.best.final
    table = xml.etree.ElementTree.fromstring(f"<div>{candidates._repr_html_()}</div>").find("table/tbody")
    assert [row[0].text for row in table] == [row.name for row in candidates.rows]


def test_a_result_is_drawn_with_its_suggestion_and_its_interval():
    result = find(Valley(), method="sweep")
    [axes] = result.plot().axes
    assert [line.get_label() for line in axes.lines] == [
        "data in order 0",
        "data in order 1",
        "data in order 2",
        f"suggestion {result.suggestion:.2g}",
    ]
    assert (axes.get_xscale(), axes.get_ylabel()) == ("log", "training loss")


def test_a_race_is_drawn_with_its_trainings_what_died_and_what_the_band_is():
    result = find(Valley(), around=4.0)
    assert result.dead
    [axes] = result.plot().axes
    labels = axes.get_legend_handles_labels()[1]
    interval, suggestion = "where the best rate lies in 8 of 10 searches", f"suggestion {result.suggestion:.2g}"
    assert labels == ["trainings of 96 steps", "died", interval, suggestion]
    assert axes.get_ylabel() == "validation loss"
    trained, *verticals = axes.lines
    alive = [rate for rate in result.decisive[0].rates if rate not in result.dead]
    assert list(trained.get_xdata()) == alive
    assert [line.get_xdata()[0] for line in verticals] == [*result.dead, result.suggestion]
    axes.figure.canvas.draw()
    low, high = axes.get_xlim()
    assert low < min(*result.interval, *alive) < max(*result.interval, *result.dead) < high
    assert {"1", "2", "5", "10"} <= {text.get_text() for text in axes.get_xticklabels()}, "rates as one writes them"


def test_a_grid_is_drawn_with_its_suggestion_and_without_an_interval():
    result = find(Valley(), method="grid", steps=50, rates=[0.1, 0.5, 1.0])
    [axes] = result.plot().axes
    assert axes.get_legend_handles_labels()[1] == ["trainings of 50 steps", f"suggestion {result.suggestion:.2g}"]
    assert not axes.patches


def test_a_dollar_sign_begins_no_formula():
    figure = draw_curves({"custom($x$)": [(0, 1.0), (9, 0.0)]})
    figure.canvas.draw()
    assert figure.axes[0].lines[0].get_label() == r"custom(\$x\$)"


def test_without_matplotlib_a_picture_says_what_to_install_and_a_notebook_shows_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "ratesmith.plots", raising=False)
    monkeypatch.delattr(ratesmith, "plots", raising=False)
    monkeypatch.setattr("ratesmith._display.PLOTS", {})
    with pytest.raises(ModuleNotFoundError, match=r"^plot: it needs matplotlib; install Ratesmith with its ext"):
        Ramp(1.0, 0.0, 30).plot()
    assert Ramp(1.0, 0.0, 30)._repr_svg_() is None


@settings(max_examples=25, deadline=None)
@given(schedules)
def test_every_schedule_can_be_drawn(schedule):
    svg = schedule._repr_svg_()
    assert "nan" not in svg.lower()


def test_a_strategy_is_drawn_over_a_horizon_and_shown_over_a_thousand_steps():
    strategy = ratesmith.parse('warmup("10%") >> cosine()')
    steps, values = strategy.plot(horizon=50).axes[0].lines[0].get_data()
    assert (steps[-1], max(values)) == (50, 1.0)
    assert "<svg" in strategy._repr_svg_()


def test_a_strategy_that_cannot_be_drawn_is_shown_as_text():
    assert ratesmith.parse('custom("mine")')._repr_svg_() is None


def test_a_controller_is_drawn_on_an_example_that_is_named():
    for controller in (ratesmith.parse("plateau(patience=3)").build(500), ratesmith.Plateau(patience=3)):
        [axes] = controller.plot().axes
        assert min(axes.lines[0].get_ydata()) < 1
        assert "example metric" in axes.get_title(loc="left")


def test_a_curve_is_called_as_it_was_written():
    built = ratesmith.parse('warmup("10%") >> one_cycle(final=0.01)').build(220)
    assert built.plot().axes[0].lines[0].get_label() == str(ratesmith.parse('warmup("10%") >> one_cycle(final=0.01)'))
    axes = Figure().subplots()
    built.plot(ax=axes)
    assert len(axes.lines[0].get_label()) <= 40


def test_what_a_picture_needs_is_no_part_of_a_value():
    built, plain = ratesmith.parse("cosine()").build(50), Ramp(1.0, 0.0, 50, "cosine")
    assert pickle.dumps(built) == pickle.dumps(plain)
    assert (built, hash(built), ratesmith.to_data(built)) == (plain, hash(plain), ratesmith.to_data(plain))
    assert copy.deepcopy(built) == plain


def test_a_metric_whose_name_is_a_broken_formula_is_drawn(tmp_path):
    def train(trial):
        trial.report(**{r"$\frac{a$<b>": trial.lr}, step=4)

    options = {"metric": r"$\frac{a$<b>", "mode": "min", "steps": 4, "rates": [0.1, 0.5], "seeds": 1, "choice_seeds": 1}
    assert "<svg" in compare(train, ["linear()"], folder=tmp_path, **options)._repr_html_()
