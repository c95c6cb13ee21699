"""The published names: all of them, from the one list each module keeps, with their options."""

import collections.abc
import inspect
import typing

import pytest

from ratesmith import controllers, recipes, schedule, shapes
from ratesmith.controllers import Adaptive
from ratesmith.schedule import Schedule
from ratesmith.strategy import parse, signatures
from ratesmith.strategy.methods import SCHEDULE_METHODS
from ratesmith.strategy.registry import CONTROLLERS, PUBLISHED, RECIPES, VALUES, listens, lists, parameters, python_name

COLLECTIONS = {list, tuple, set, collections.abc.Iterable, collections.abc.Sequence, collections.abc.Collection}


def test_every_recipe_is_a_name_of_notation():
    functions = {name for name, value in vars(recipes).items() if inspect.isfunction(value)}
    assert functions - {"recipe"} == set(recipes.__all__)
    assert set(RECIPES) == {*recipes.__all__, *SCHEDULE_METHODS}


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
    assert {name for name in PUBLISHED if listens(name)} == {*CONTROLLERS, "Plateau", "Greedy", "SpikeGuard"}


def test_signatures_show_recipes_before_controllers_and_parse_with_what_they_need():
    assert [text.partition("(")[0] for text in signatures()] == [*RECIPES, *CONTROLLERS, "max", "min"]
    assert parse("plateau()").root.name in CONTROLLERS


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_option_is_declared_as_a_list_if_it_is_typed_as_one(name):
    hints = typing.get_type_hints(PUBLISHED[name])
    typed = {
        option.name
        for option in parameters(name)
        if typing.get_origin(hints[python_name(name, option.name)]) in COLLECTIONS
    }
    assert lists(name) == typed
