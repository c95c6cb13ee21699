"""What a strategy is made of: frozen nodes, a tree that says the same whatever it is read from or written to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

WRITTEN_AS_CALLS: Final = ("max", "min")
"""The operators that a text writes as calls, `max(a, b)`; the others stand between their parts."""


@dataclass(frozen=True)
class Value:
    """A number, a text in quotes, or True or False."""

    value: bool | int | float | str


@dataclass(frozen=True)
class ListOf:
    """Several nodes in brackets: an option that is a list, or a choice of which `compare` tries each."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class GivenOption:
    """One option of a call; `by_place` if it was given without its name, which its text keeps."""

    name: str
    value: Node
    by_place: bool = False


@dataclass(frozen=True)
class Call:
    """A published name with its options, in the order in which they were given."""

    name: str
    options: tuple[GivenOption, ...] = ()


@dataclass(frozen=True)
class Join:
    """Parts joined by one operator, `>>`, `+`, `-`, `*`, `/`, `max` or `min`, from left to right: `a - b - c`.

    A first part with the same operator is opened, since brackets around it change nothing. Those around a later one
    are kept: the text says how it was written.
    """

    operator: str
    parts: tuple[Node, ...]

    def __post_init__(self) -> None:
        """Open the first part."""
        first = self.parts[0]
        if isinstance(first, Join) and first.operator == self.operator:
            object.__setattr__(self, "parts", (*first.parts, *self.parts[1:]))


Node: TypeAlias = Value | ListOf | Call | Join


def walk(node: Node) -> Iterator[Node]:
    """Return a node and all that lie inside it, in the order of their text.

    >>> tree = Join("*", (Value(0.5), Call("cosine", (GivenOption("final", Value(0.1)),))))
    >>> [type(each).__name__ for each in walk(tree)]
    ['Join', 'Value', 'Call', 'Value']
    """
    yield node
    for inner in children(node):
        yield from walk(inner)


def calls(node: Node) -> Iterator[Call]:
    """Return the calls among a node and all that lie inside it."""
    return (inner for inner in walk(node) if isinstance(inner, Call))


def replaced(node: Node, by: Mapping[int, Node]) -> Node:
    """Return a tree in which some nodes, known by their identity, are others: two that are equal are still two.

    >>> half = Value(0.5)
    >>> replaced(Join("*", (half, Call("cosine"))), {id(half): Value(2)}).parts[0]
    Value(value=2)
    """
    if id(node) in by:
        return by[id(node)]
    if isinstance(node, Join):
        return Join(node.operator, tuple(replaced(part, by) for part in node.parts))
    if isinstance(node, ListOf):
        return ListOf(tuple(replaced(item, by) for item in node.items))
    if isinstance(node, Call):
        options = (replace(option, value=replaced(option.value, by)) for option in node.options)
        return Call(node.name, tuple(options))
    return node


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes that lie directly inside one."""
    if isinstance(node, Call):
        return tuple(option.value for option in node.options)
    if isinstance(node, ListOf):
        return node.items
    return node.parts if isinstance(node, Join) else ()
