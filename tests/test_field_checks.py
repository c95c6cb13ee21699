"""Fields that declare what they must be: each is checked, and fields of others are left alone."""

import dataclasses
import pickle
import typing
from dataclasses import dataclass
from typing import Annotated

import pytest

from ratesmith import Horizon, Ramp, Schedule
from ratesmith._checks import whole
from ratesmith._field_checks import Check, check_fields, derive, field_names
from ratesmith.strategy.registry import VALUES

CHECKED = {int, float, int | None, float | None, str, bool, Schedule}


@dataclass(frozen=True)
class Stairs:
    steps: Annotated[int, Check(whole, least=1)]
    every: Annotated[int | None, Check(whole, least=1, or_none=True)] = None
    name: str = "mine"

    def __post_init__(self):
        check_fields(self)
        derive(self, name=self.name.upper())


@pytest.mark.parametrize("kind", [*VALUES.values(), Horizon], ids=lambda kind: kind.__name__)
def test_every_number_and_word_of_ours_declares_what_it_must_be(kind):
    types = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        metadata = getattr(types[field.name], "__metadata__", ())
        if field.init and typing.get_type_hints(kind)[field.name] in CHECKED:
            assert any(isinstance(each, Check) for each in metadata), field.name


def test_a_field_is_what_its_check_returns_and_a_mistake_names_class_and_field():
    assert Stairs(True + 1) == Stairs(2, None, "mine")
    assert Stairs(2, 3).every == 3
    for options, message in (
        ((0,), "Stairs: steps must be"),
        ((2, 0), "Stairs: every must be"),
        ((None,), "Stairs: st"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            Stairs(*options)


def test_what_is_checked_and_derived_is_a_value_that_hashes_and_pickles():
    stairs = Stairs(2)
    assert stairs.name == "MINE"
    assert field_names(Stairs) == ("steps", "every", "name")
    assert hash(stairs) == hash(dataclasses.replace(stairs))
    assert pickle.loads(pickle.dumps(stairs)) == stairs
    with pytest.raises(dataclasses.FrozenInstanceError):
        stairs.steps = 3


@dataclass(frozen=True)
class Users(Schedule):
    inner: "OnlyForATypeChecker"  # noqa: F821
    steps: int = 10

    def at(self, t, xp):
        return self.inner.at(t, xp)


def test_a_class_of_the_users_may_have_types_that_cannot_be_looked_up():
    assert Users(Ramp(0.0, 1.0, 10))(5) == 0.5
    deep = Ramp(0.0, 1.0, 4)
    for _ in range(63):
        deep = Users(deep)
    with pytest.raises(ValueError, match="Users: at most 64 schedules may lie inside each other, got more"):
        Users(deep)
