"""Nodes: frozen, and the same tree however its brackets were written."""

import dataclasses

import pytest

from ratesmith.strategy import Call, GivenOption, Join, ListOf, Value
from ratesmith.strategy.nodes import calls, walk

REX, TANH = Call("rex"), Call("tanh")


def test_brackets_around_the_first_part_of_a_chain_make_no_other_tree():
    assert Join(">>", (Join(">>", (REX, TANH)), REX)) == Join(">>", (REX, TANH, REX))
    assert Join(">>", (REX, Join(">>", (TANH, REX)))) != Join(">>", (REX, TANH, REX))
    assert Join("*", (Join("+", (REX, TANH)), REX)).parts == (Join("+", (REX, TANH)), REX)


def test_a_walk_meets_everything_once_in_the_order_of_the_text():
    hold = Call("hold", (GivenOption("schedule", ListOf((REX, TANH))), GivenOption("every", Value(5))))
    tree = Join("*", (Value(0.5), hold))
    assert list(walk(tree)) == [tree, Value(0.5), hold, ListOf((REX, TANH)), REX, TANH, Value(5)]
    assert list(calls(tree)) == [hold, REX, TANH]


def test_a_node_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        REX.name = "tanh"
