"""The variants of a strategy: an option that lists values, if one is meant, is a choice between them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ratesmith.strategy.nodes import Call, GivenOption, Join, ListOf, Node, replaced
from ratesmith.strategy.registry import lists


def variants(root: Node) -> Iterator[Node]:
    """Return a tree for each way to choose among the listed options; the tree itself if there are none.

    An option that is a list by itself, as milestones are, is a choice if it is a list of lists.

    >>> from ratesmith.strategy.parser import read
    >>> from ratesmith.strategy.printer import text_of
    >>> [text_of(tree) for tree in variants(read("multistep([5, 9], gamma=[0.1, 0.5])"))]
    ['multistep([5, 9], gamma=0.1)', 'multistep([5, 9], gamma=0.5)']
    """
    # The outer lists come first and so vary slowest, and the last part of a chain comes before those to its left:
    # the order in which studies have been begun.
    listed = [option for _, option in sorted(_choices(root, 0), key=lambda choice: choice[0])]
    for chosen in itertools.product(*(option.value.items for option in listed if isinstance(option.value, ListOf))):
        by: dict[int, Node] = {}
        for option, value in reversed([*zip(listed, chosen, strict=True)]):  # what is chosen may hold choices itself
            by[id(option.value)] = replaced(value, by)
        yield replaced(root, by)


def _choices(node: Node, level: int) -> Iterator[tuple[int, GivenOption]]:
    """Return the options that are choices, each with how deep it lies."""
    if isinstance(node, Join):
        for place, part in enumerate(node.parts):  # read as ((a >> b) >> c): the first part lies deepest
            yield from _choices(part, level + len(node.parts) - max(place, 1))
    elif isinstance(node, ListOf):
        for item in node.items:
            yield from _choices(item, level + 1)
    elif isinstance(node, Call):
        for option in node.options:
            if _is_choice(node, option):
                yield level, option
            yield from _choices(option.value, level + (1 if option.by_place else 2))


def _is_choice(call: Call, option: GivenOption) -> bool:
    if not isinstance(option.value, ListOf):
        return False
    items = option.value.items
    return option.name not in lists(call.name) or (bool(items) and all(isinstance(item, ListOf) for item in items))
