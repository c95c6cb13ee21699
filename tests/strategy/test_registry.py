"""The published names: all of them, from the one list each module keeps, with their options."""

import collections.abc
import inspect
import typing

import pytest

from ratesmith import Horizon, Ramp, controllers, recipes, schedule, shapes
from ratesmith.controllers import Adaptive
from ratesmith.schedule import Schedule
from ratesmith.strategy import parse, signatures
from ratesmith.strategy.methods import METHODS
from ratesmith.strategy.registry import CONTROLLERS, NAMES, RECIPES, VALUES, listens, lists, parameters, python_name

COLLECTIONS = {list, tuple, set, collections.abc.Iterable, collections.abc.Sequence, collections.abc.Collection}


def test_every_recipe_is_a_name_of_notation():
    functions = {name for name, value in vars(recipes).items() if inspect.isfunction(value)}
    assert functions - {"recipe"} == set(recipes.__all__)
    assert set(RECIPES) == {*recipes.__all__, *METHODS}


def test_every_method_of_a_schedule_in_notation_is_one_in_python():
    schedule = Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.0, 90)
    horizon = Horizon(200, steps_per_epoch=20)
    for text, expected in {
        'hold({}, "25%")': schedule.hold(50),
        'hold({}, "33.3%")': schedule.hold(333, 5),
        "hold({})": schedule.hold(20),
        "repeat({}, 3, height=0.5)": schedule.repeat(3, height=0.5),
        "shift({}, -3)": schedule.shift(-3),
        'shift({}, "5%")': schedule.shift(10),
        'stretch({}, "1ep")': schedule.stretch(20),
        'take({}, length="5%")': schedule.take(10),
        "clip({}, low=0.1)": schedule.clip(0.1),
        "closed({})": schedule.closed(),
    }.items():
        assert parse(text.format(schedule)).build(horizon) == expected, text
    assert set(METHODS) == {"hold", "repeat", "shift", "stretch", "take", "clip", "closed"}


def test_every_value_of_ours_is_a_name_of_notation_but_what_operators_write():
    classes = {
        name: value
        for module in (schedule, shapes, controllers)
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, (Schedule, Adaptive)) and not inspect.isabstract(value)
    }
    assert set(VALUES) == set(classes) - {"Chained"}


def test_controllers_have_their_names_in_small_letters_too():
    assert dict(CONTROLLERS) == {
        "plateau": controllers.Plateau,
        "greedy": controllers.Greedy,
        "spike_guard": controllers.SpikeGuard,
    }
    assert {name for name in NAMES if listens(name)} == {*CONTROLLERS, "Plateau", "Greedy", "SpikeGuard"}


def test_signatures_show_recipes_before_controllers_and_parse_with_what_they_need():
    assert [text.partition("(")[0] for text in signatures()] == [*RECIPES, *CONTROLLERS]
    assert parse("plateau()").root.name in CONTROLLERS


@pytest.mark.parametrize("name", NAMES)
def test_an_option_is_declared_as_a_list_if_it_is_typed_as_one(name):
    hints = typing.get_type_hints(NAMES[name])
    typed = {
        option.name
        for option in parameters(name)
        if typing.get_origin(hints[python_name(name, option.name)]) in COLLECTIONS
    }
    assert lists(name) == typed
