"""The small picture of a schedule that a notebook shows."""

import xml.etree.ElementTree

import pytest
from hypothesis import given, settings
from strategies import schedules

from ratesmith import Constant, Exponential, Ramp


@pytest.mark.parametrize(
    ("schedule", "ends"),
    [(Constant(0.5), ["0.5", "0"]), (Constant(-0.5), ["-0.5", "-0.5"]), (Constant(0.0), ["0", "0"])],
)
def test_a_picture_reaches_from_the_lowest_value_or_zero_to_the_highest(schedule, ends):
    drawn = xml.etree.ElementTree.fromstring(schedule._repr_html_())
    assert [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")][:2] == ends


def test_in_a_notebook_a_schedule_is_a_picture_with_its_notation():
    page = (3e-4 * (Ramp(0.0, 1.0, 10) >> Exponential(0.9)))._repr_html_()
    drawn = xml.etree.ElementTree.fromstring(page)
    assert drawn.find("figcaption/code").text == "0.0003 * (Ramp(0.0, 1.0, 10) >> Exponential(0.9))"
    assert [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")] == ["0.0003", "0", "0", "1000 steps"]
    assert len(page) < 6000


@settings(max_examples=60)
@given(schedules)
def test_every_schedule_can_be_drawn(schedule):
    page = schedule._repr_html_()
    drawn = xml.etree.ElementTree.fromstring(page)
    assert drawn.find(".//{http://www.w3.org/2000/svg}polyline").get("points").count(",") > 1
    assert "nan" not in page
