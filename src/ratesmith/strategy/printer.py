"""Nodes to text, in the one canonical form: it is the key of stored runs, so it never changes."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from ratesmith._text import literal
from ratesmith.strategy.nodes import WRITTEN_AS_CALLS, Call, Join, ListOf, Node

TIGHTNESS: Final = MappingProxyType({">>": 0, "+": 1, "-": 1, "*": 2, "/": 2})
"""The operators, and which of two binds its parts more tightly, as in Python."""


def text_of(node: Node) -> str:
    """Return the text of a tree; brackets stand only where they change what is joined first.

    >>> from ratesmith.strategy.nodes import GivenOption, Value
    >>> joined = Join(">>", (Call("warmup", (GivenOption("length", Value("5%"), by_place=True),)), Call("cosine")))
    >>> text_of(Join("*", (Value(0.5), joined)))
    '0.5 * (warmup("5%") >> cosine())'
    >>> text_of(Join("-", (Join("+", (Call("rex"), Call("tanh"))), Join("max", (Call("cosine"), Value(0.1))))))
    'rex() + tanh() - max(cosine(), 0.1)'
    """
    return "".join(text for _, text in _pieces(node))


def place_of(part: Node, root: Node) -> int:
    """Return where in the text of `root` the text of a part of it begins, brackets around it left out."""
    place = 0
    for node, text in _pieces(root):
        if node is part:
            return place
        place += len(text)
    raise ValueError(f"Notation: {part} must lie in {root}, got another tree; give its own part")


def _pieces(node: Node) -> Iterator[tuple[Node | None, str]]:
    """Return the text in pieces, a node's first one marked with the node."""
    yield node, ""
    if isinstance(node, Join):
        yield from _joined(node)
    elif isinstance(node, Call):
        yield None, f"{node.name}("
        for place, option in enumerate(node.options):
            yield None, (", " if place else "") + ("" if option.by_place else f"{option.name}=")
            yield from _pieces(option.value)
        yield None, ")"
    elif isinstance(node, ListOf):
        yield None, "["
        for place, item in enumerate(node.items):
            yield None, ", " if place else ""
            yield from _pieces(item)
        yield None, "]"
    else:
        yield None, literal(node.value)


def _joined(node: Join) -> Iterator[tuple[Node | None, str]]:
    if node.operator in WRITTEN_AS_CALLS:
        yield None, f"{node.operator}("
        for place, part in enumerate(node.parts):
            yield None, ", " if place else ""
            yield from _pieces(part)
        yield None, ")"
        return
    for place, part in enumerate(node.parts):
        brackets = isinstance(part, Join) and part.operator not in WRITTEN_AS_CALLS and _is_looser(part, node, place)
        yield None, (f" {node.operator} " if place else "") + ("(" if brackets else "")
        yield from _pieces(part)
        yield None, ")" if brackets else ""


def _is_looser(part: Join, node: Join, place: int) -> bool:
    """Whether a part would be joined otherwise without brackets: `a - b` may begin a sum, but not end one."""
    return TIGHTNESS[part.operator] < TIGHTNESS[node.operator] + (place > 0)
