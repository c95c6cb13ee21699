"""Strategies and values as plain data: written, read back, and refused with the place."""

import json

import pytest
from hypothesis import given
from strategies import custom_rule, schedules

from ratesmith import Constant, Custom, Greedy, Milestones, Plateau, Ramp, Sequence, SpikeGuard, from_data, to_data
from ratesmith.strategy import Strategy, parse


@given(schedules)
def test_a_schedule_as_text_and_as_data_reads_back_to_an_equal_value(schedule):
    functions = {"custom_rule": custom_rule}
    assert Strategy(str(schedule)).build(functions=functions) == schedule
    data = json.loads(json.dumps(to_data(schedule)))
    assert from_data(data).build(functions=functions) == schedule


def test_controllers_multiplied_read_back_equal():
    ramp = Ramp(1.0, 0.0, 9)
    for both in (
        Plateau() * (0.5 * ramp),
        0.5 * ramp * Plateau() * ramp * ramp,
        Plateau() * 0.5 * ramp,
        (ramp + 0.1) * (Plateau() * SpikeGuard()),
        (ramp >> ramp) * Greedy() * 2.0 * Plateau(metric="f 1 é"),
    ):
        assert parse(str(both)).build() == both
        assert from_data(to_data(both)).build() == both


def test_every_depth_that_a_schedule_may_have_survives_as_data():
    deep, listed = Ramp(1.0, 0.0, 9), Ramp(1.0, 0.0, 9)
    for _ in range(63):
        deep = deep.shift(1)
    for _ in range(31):
        listed = Sequence((listed,)).take(5)
    for schedule in (deep, listed):
        assert from_data(to_data(schedule)).build() == parse(str(schedule)).build() == schedule


def test_a_lambda_has_no_name_to_be_written_by():
    with pytest.raises(ValueError, match="Data: a function must have a name to be written, got a lambda in"):
        to_data(Custom(lambda step: 1.0))


def test_a_schedule_with_ten_thousand_parts_reads_back_from_data():
    long = Sequence(tuple(Constant(float(step % 7), 2) for step in range(10_000)))
    assert from_data(to_data(long)).build() == long
    stairs = Milestones(tuple(range(10_000)))
    assert from_data(to_data(stairs)).build() == stairs


def _nested(depth):
    data = []
    for _ in range(depth):
        data = [data]
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_nested(100_000), "Data: it must be a table with the key 'ratesmith', got [[[[[["),
        ({"ratesmith": _nested(900)}, "Data: ratesmith must be 1, the version of the format, got [[[[[["),
        ({"ratesmith": 1, "name": _nested(900)}, "Data: data.name must be a published name, got [[[[[["),
        ({"ratesmith": 1, "name": "rex", "final": _nested(900)}, "Data: at most 64 parts may lie inside each other"),
        (
            {"ratesmith": 1, "name": "rex", "final": 10**5000},
            "Data: data.final must be a finite number, a text, a list",
        ),
        ([], "Data: it must be a table with the key 'ratesmith', got []; see to_data"),
        ({"name": "cosine"}, "Data: it must be a table with the key 'ratesmith', got {'name': 'cosine'}"),
        ({"ratesmith": 2, "name": "cosine"}, "Data: ratesmith must be 1, the version of the format, got 2; read it"),
        ({"ratesmith": True, "name": "cosine"}, "Data: ratesmith must be 1, the version of the format, got True"),
        (
            {"ratesmith": 1, "name": "cosin"},
            "Data: data.name must be a published name, got 'cosin'; did you mean 'cosine'",
        ),
        ({"ratesmith": 1}, "Data: data.name must be a published name, got None; write a name"),
        (
            {"ratesmith": 1, "name": "cosine", "finale": 1},
            "Data: data has an unknown key 'finale'; did you mean 'final'?",
        ),
        ({"ratesmith": 1, "name": ">>", "parts": []}, "Data: data.parts must be a list of at least two, got []"),
        (
            {"ratesmith": 1, "name": ">>", "parts": [{"name": "rex"}, {"name": "rex", "q": 1}]},
            "Data: data.parts[1] has an unknown key 'q'; its keys are: final",
        ),
        ({"ratesmith": 1, "name": "rex", "final": None}, "Data: data.final must be a finite number, a text, a list or"),
        ({"ratesmith": 1, "name": "rex", "final": float("nan")}, "Data: data.final must be a finite number, a text,"),
        ({"ratesmith": 1, "name": "step"}, "Notation: step: missing a required argument: 'every'"),
    ],
)
def test_data_that_is_not_ours_is_refused_with_the_place(data, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is compared below
        from_data(data)
    assert str(caught.value).startswith(message)


def test_data_nested_without_end_is_refused():
    data = {"ratesmith": 1, "name": "hold", "schedule": {"name": "rex"}}
    for _ in range(500):
        data["schedule"] = {"name": "hold", "schedule": data["schedule"]}
    with pytest.raises(
        ValueError, match=r"Data: at most 64 parts may lie inside each other, got more at data\.schedule"
    ):
        from_data(data)


@pytest.mark.parametrize("name", ["at", "milestones"])
def test_an_option_is_read_by_its_stored_name_and_by_its_name_in_python(name):
    data = {"ratesmith": 1, "name": "Milestones", name: [30, 80]}
    assert from_data(data) == parse(f"Milestones({name}=[30, 80])") == parse("Milestones(at=[30, 80])")
    assert from_data(data).build() == Milestones((30, 80))
    assert to_data(Milestones((30, 80))) == {"ratesmith": 1, "name": "Milestones", "at": [30, 80]}
