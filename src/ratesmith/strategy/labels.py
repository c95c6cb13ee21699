"""Short names for strategies: what a table or a picture has room for; the whole text stands elsewhere, once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from ratesmith.strategy.contender import Contender, contender_of
from ratesmith.strategy.errors import NotationError
from ratesmith.strategy.nodes import WRITTEN_AS_CALLS, Call, GivenOption, Join, Node
from ratesmith.strategy.parser import read
from ratesmith.strategy.printer import text_of

LONGEST_WHOLE: Final = 24
"""Characters up to which a text is its own label."""
LONGEST: Final = 40
"""Characters of a label."""
Place = tuple[int, str]
"""An option: the place of its call among those that stand outside of other calls, and its name."""


def labels(texts: Iterable[str]) -> dict[str, str]:
    """Return a short label for each text, no two the same: names without options, or with those that differ.

    A text of up to 24 characters is its own label. What is no notation is cut; labels that would still be the same are
    numbered.

    >>> list(labels(["cosine()", 'warmup("5%") >> wsd(decay="20%", shape="rex")']).values())
    ['cosine()', 'warmup(…) >> wsd(…)']
    >>> list(labels(f'wsd(final=0.1, decay="{share}%", shape="rex")' for share in (10, 20)).values())
    ['wsd(decay="10%", …)', 'wsd(decay="20%", …)']
    """
    whole, long = list(dict.fromkeys(texts)), dict[str, dict[str, Node | None]]()
    shown: dict[str, str] = {}
    for text in whole:
        if len(text) <= LONGEST_WHOLE:
            shown[text] = text
        else:
            node = _node(text)
            long.setdefault(_cut(text) if node is None else _label(text, node, frozenset()), {})[text] = node
    for nodes in long.values():
        shown |= _told_apart(nodes)
    return _numbered({text: shown[text] for text in whole})


def _node(text: str) -> Node | None:
    try:
        return read(contender_of(text).notation)
    except NotationError:
        return None


def _told_apart(nodes: dict[str, Node | None]) -> dict[str, str]:
    """Return labels for texts that have the same names: with the options that differ, if there is room."""
    trees = {text: node for text, node in nodes.items() if node is not None}
    values = [{place: text_of(option.value) for place, option in _options(node)} for node in trees.values()]
    places = dict.fromkeys(place for options in values for place in options)
    differing = frozenset(place for place in places if len({options.get(place) for options in values}) > 1)
    named = {text: _label(text, node, differing) for text, node in trees.items()}
    named |= {text: _label(text, trees[text], frozenset()) for text, label in named.items() if len(label) > LONGEST}
    return {text: _cut(named.get(text, text)) for text in nodes}


def _numbered(shown: dict[str, str]) -> dict[str, str]:
    """Return the labels, with a number behind each one that is another's too."""
    counts, taken = Counter(shown.values()), set(shown)
    unique: dict[str, str] = {}
    for text, label in shown.items():
        if label != text and (label in taken or counts[label] > 1):
            names = (f"{label} #{number}" for number in itertools.count(1))
            label = next(name for name in names if name not in taken)
        taken.add(label)
        unique[text] = label
    return unique


def _calls(node: Node) -> Iterator[Call]:
    """Yield the calls that stand outside of other calls."""
    if isinstance(node, Call):
        yield node
    elif isinstance(node, Join):
        for part in node.parts:
            yield from _calls(part)


def _options(node: Node) -> Iterator[tuple[Place, GivenOption]]:
    for place, call in enumerate(_calls(node)):
        for option in call.options:
            yield (place, option.name), option


def _label(text: str, node: Node, kept: frozenset[Place]) -> str:
    """Return a tree's text with the options that are kept, behind the optimizer's name if the whole text has one."""
    return str(Contender(contender_of(text).optimizer, _named(node, kept)))


def _named(node: Node, kept: frozenset[Place]) -> str:
    """Return a tree's text, of the options those alone that are kept."""
    numbers = itertools.count()

    def written(part: Node) -> str:
        if isinstance(part, Join):
            as_call = part.operator in WRITTEN_AS_CALLS
            parts = [
                f"({written(each)})" if not as_call and isinstance(each, Join) else written(each) for each in part.parts
            ]
            if len(parts) > 3:
                parts = [parts[0], "…", parts[-1]]
            return f"{part.operator}({', '.join(parts)})" if as_call else f" {part.operator} ".join(parts)
        if not isinstance(part, Call):
            return text_of(part)
        place = next(numbers)
        options = [option for option in part.options if (place, option.name) in kept]
        texts = [("" if each.by_place else f"{each.name}=") + text_of(each.value) for each in options]
        return f"{part.name}({', '.join([*texts, '…'] if len(texts) < len(part.options) else texts)})"

    return written(node)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
