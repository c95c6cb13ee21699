"""What a schedule does, told: peak, end, mean, shares, turns, sentences and a picture."""

import xml.etree.ElementTree

import pytest
from hypothesis import given, settings
from strategies import schedules

from ratesmith import Constant, Exponential, Milestones, Ramp, Staircase, parse

WARM = Ramp(0.0, 1.0, 10) >> Constant(1.0, 20) >> Ramp(1.0, 0.1, 70, "cosine")


def test_the_facts_of_a_warm_up_a_plain_and_a_decay():
    found = WARM.facts()
    assert (found.steps, found.endless, found.first, found.final) == (100, False, 0.0, 0.1)
    assert (found.peak, found.peak_step, found.peak_end) == (1.0, 10, 30)
    assert (found.warmup, found.decay) == (0.1, 0.7)
    assert found.last == WARM(99)
    assert found.mean == pytest.approx(sum(WARM(step) for step in range(100)) / 100, rel=1e-14)
    assert found.turns == ((10, 1.0), (30, 1.0))


@pytest.mark.parametrize(
    ("schedule", "sentences"),
    [
        (
            WARM,
            "It lasts 100 steps, begins at 0 and ends at 0.1 (its last update uses 0.1005).\n"
            "It rises for 10 steps (10 %) to its peak 1 at step 10.\n"
            "It stays at its peak until step 30.\n"
            "It falls for 70 steps (70 %).\n"
            "Its mean is 0.6345.\n"
            "It changes shape at steps 10, 30.",
        ),
        (
            Constant(0.5),
            "It never ends. Over its first 1000 steps it begins at 0.5 and ends at 0.5 (its last update uses 0.5).\n"
            "It stays at 0.5.\n"
            "Its mean is 0.5.",
        ),
        (
            Ramp(0.0, 1.0, 4),
            "It lasts 4 steps, begins at 0 and ends at 1 (its last update uses 0.75).\n"
            "It rises for 3 steps (75 %) to its peak 0.75 at step 3.\n"
            "Its mean is 0.375.",
        ),
        (
            Milestones((500, 900), 0.5),
            "It never ends. Over its first 1125 steps it begins at 1 and ends at 0.25 (its last update uses 0.25).\n"
            "Its peak 1 is its first step.\n"
            "It stays at its peak until step 499.\n"
            "It falls for 626 steps (55.6 %).\n"
            "Its mean is 0.6722.\n"
            "It changes shape at steps 500, 900.",
        ),
    ],
)
def test_the_facts_as_sentences(schedule, sentences):
    assert schedule.explain() == sentences


def test_many_turns_are_counted_not_listed():
    assert Staircase(10).explain(1000).splitlines()[-1] == (
        "It changes shape at steps 10, 20, 30, 40, 50, 60, 70, 80 and 91 more."
    )


def test_a_very_long_schedule_is_sampled_and_its_turns_are_exact():
    long = Ramp(0.0, 1.0, 123_457) >> Ramp(1.0, 0.0, 10**9 - 123_457)
    found = long.facts()
    assert (found.peak, found.peak_step, found.peak_end) == (1.0, 123_457, 123_457)
    assert found.mean == pytest.approx(0.5, rel=1e-4)


def test_the_length_to_look_at_is_whole():
    with pytest.raises(ValueError, match="facts: steps must be a whole number of at least 1, got 0"):
        WARM.explain(0)


@settings(max_examples=60, deadline=None)
@given(schedules)
def test_every_schedule_can_be_told_and_drawn(schedule):
    found = schedule.facts()
    values = [schedule(step) for step in range(min(found.steps, 300))]
    assert found.peak >= max(values)
    assert all(0 < step < found.steps and value == schedule(step) for step, value in found.turns)
    assert list(found.turns) == sorted(found.turns)
    assert schedule.explain().startswith(("It lasts ", "It never ends. "))
    page = schedule._repr_html_()
    drawn = xml.etree.ElementTree.fromstring(page)
    assert drawn.find(".//{http://www.w3.org/2000/svg}polyline").get("points").count(",") > 1
    assert "nan" not in page


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("warmup(10) >> cosine()", [10]),
        ("step(30)", [30, 60, 90]),
        ('multistep(["50%", "75%"])', [50, 75]),
        ("sgdr(10, length=2)", [10, 30, 70]),
        ("cyclic(20)", [20, 40, 60, 80]),
        ("shift(warmup(10), 5) >> cosine()", [5, 15]),
        ("stretch(warmup(10) >> constant(10), 40)", [20]),
        ("hold(warmup(10) >> cosine(), 20)", [20]),
        ("clip(warmup(10) >> cosine(), low=0.1) * 0.5", [10]),
        ("take(step(30), 70) + constant()", [30, 60]),
        ("exponential(0.9)", []),
    ],
)
def test_where_a_schedule_changes_its_shape(text, turns):
    assert [step for step, _ in parse(text).build(100).facts(100).turns] == turns


def test_in_a_notebook_a_schedule_is_a_picture_with_its_notation():
    page = (3e-4 * (Ramp(0.0, 1.0, 10) >> Exponential(0.9)))._repr_html_()
    drawn = xml.etree.ElementTree.fromstring(page)
    assert drawn.find("figcaption/code").text == "0.0003 * (Ramp(0.0, 1.0, 10) >> Exponential(0.9))"
    assert [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")] == ["0.0003", "0", "0", "1000 steps"]
    assert len(page) < 6000
