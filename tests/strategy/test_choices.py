"""The variants of a strategy: what is a choice is declared, and each choice is made."""

from typing import Annotated

import pytest

from ratesmith._checks import A_LIST
from ratesmith.strategy import parse, registry


def variants(text):
    return [str(variant) for variant in parse(text).variants()]


def test_every_way_to_choose_is_a_variant():
    assert variants("cosine()") == ["cosine()"]
    assert variants("warmup([1, 2]) >> cosine(final=[0, 0.1])") == [
        "warmup(1) >> cosine(final=0)",
        "warmup(1) >> cosine(final=0.1)",
        "warmup(2) >> cosine(final=0)",
        "warmup(2) >> cosine(final=0.1)",
    ]
    assert variants("wsd(decay=[])") == []


def test_a_choice_inside_what_is_chosen_is_made_too():
    assert set(variants("hold([cosine(final=[0, 0.1]), rex()], 5)")) == {
        "hold(cosine(final=0), 5)",
        "hold(cosine(final=0.1), 5)",
        "hold(rex(), 5)",
    }


def test_options_that_are_equal_are_chosen_each_for_itself():
    assert variants("cosine(final=[0, 1]) * cosine(final=[0, 1])") == [
        "cosine(final=0) * cosine(final=0)",
        "cosine(final=0) * cosine(final=1)",
        "cosine(final=1) * cosine(final=0)",
        "cosine(final=1) * cosine(final=1)",
    ]


@pytest.fixture
def recipe(monkeypatch):
    """Publish one recipe more, and forget it."""

    def publish(function):
        monkeypatch.setattr(registry, "PUBLISHED", {**registry.PUBLISHED, "rex": function})
        registry.lists.cache_clear()

    yield publish
    registry.lists.cache_clear()


def test_whether_an_option_takes_a_list_is_declared_and_not_read_off_its_type(recipe):
    def of_a_list(horizon, final: Annotated[object, A_LIST]):
        """Declared as a list, whatever its type is called."""

    def of_no_list(horizon, final: "list[int] | tuple[int, ...] | float"):
        """A value that may be written as a list in Python; in a text, a list is a choice."""

    recipe(of_a_list)
    assert variants("rex(final=[0, 0.1])") == ["rex(final=[0, 0.1])"]
    recipe(of_no_list)
    assert variants("rex(final=[0, 0.1])") == ["rex(final=0)", "rex(final=0.1)"]
