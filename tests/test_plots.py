"""Pictures of schedules and results: in files, in notebooks, and none without matplotlib."""

import sys
import xml.etree.ElementTree

import pytest
from finder_fake import Valley
from hypothesis import given, settings
from strategies import schedules

import ratesmith
from ratesmith import Constant, Exponential, Milestones, Ramp
from ratesmith.finder import find
from ratesmith.plots import draw_curves


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


def test_in_a_notebook_a_schedule_and_a_result_are_pictures():
    assert "<svg" in Ramp(1.0, 0.0, 30)._repr_svg_()
    xml.etree.ElementTree.fromstring(Ramp(1.0, 0.0, 30)._repr_svg_())
    assert "<svg" in find(Valley(), seeds=[0])._repr_svg_()


def test_a_result_is_drawn_with_its_suggestion_and_its_interval():
    result = find(Valley())
    [axes] = result.plot().axes
    assert [line.get_label() for line in axes.lines] == [
        "order 0",
        "order 1",
        "order 2",
        f"suggestion {result.suggestion:.2g}",
    ]
    assert axes.get_xscale() == "log"


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
