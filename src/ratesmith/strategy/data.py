"""Nodes as plain data, for JSON and TOML, and back: the same names and options as in notation.

    {"ratesmith": 1, "name": ">>", "parts": [{"name": "warmup", "length": "5%"}, {"name": "cosine", "final": 0.1}]}

`ratesmith` is the version of the format. A table is a name with its options, or an operator with its parts.
"""

from __future__ import annotations

import math
import reprlib
from typing import Any, Final

from ratesmith._checks import DEEPEST, FARTHEST
from ratesmith._text import hint
from ratesmith.controllers import Controller
from ratesmith.strategy.errors import NotationError
from ratesmith.strategy.nodes import WRITTEN_AS_CALLS, Call, GivenOption, Join, ListOf, Node, Value, walk
from ratesmith.strategy.parser import LONGEST
from ratesmith.strategy.printer import TIGHTNESS, text_of
from ratesmith.strategy.registry import PUBLISHED, parameters, stored_name
from ratesmith.strategy.strategy import Strategy

VERSION: Final = 1
"""The version of the format that is written, and the only one that is read."""

OPERATORS: Final = (*TIGHTNESS, *WRITTEN_AS_CALLS)
"""What joins parts."""

SHORT_REPR: Final = reprlib.Repr()
SHORT_REPR.maxdict, SHORT_REPR.maxlist, SHORT_REPR.maxstring, SHORT_REPR.maxother, SHORT_REPR.maxlong = 6, 6, 80, 80, 40


def to_data(value: Strategy | Controller[Any]) -> dict[str, Any]:
    """Return a strategy, schedule or controller as dicts, lists, texts and numbers, ready for json.dumps.

    >>> from ratesmith import Ramp
    >>> to_data(0.5 * Ramp(1.0, 0.0, 100))
    {'ratesmith': 1, 'name': '*', 'parts': [0.5, {'name': 'Ramp', 'start': 1.0, 'end': 0.0, 'steps': 100}]}
    """
    try:
        strategy = value if isinstance(value, Strategy) else Strategy(str(value))
    except NotationError as error:
        raise ValueError(
            f"Data: only Ratesmith's own classes can be written, got {_short(value)}; save what makes yours instead"
        ) from error
    if Value("<lambda>") in walk(strategy.root):
        raise ValueError(
            f"Data: a function must have a name to be written, got a lambda in {_short(strategy.text)}; write a def"
        )
    return {"ratesmith": VERSION, **_data_of(strategy.root)}


def from_data(data: Any) -> Strategy:
    """Read what `to_data` gives; `from_data(to_data(schedule)).build() == schedule`.

    Raise ValueError for another version, an unknown name or key, and what is no plain data, with the place.

    >>> print(from_data({"ratesmith": 1, "name": "cosine", "final": 0.1}))
    cosine(final=0.1)
    """
    if not isinstance(data, dict) or "ratesmith" not in data:
        raise ValueError(f"Data: it must be a table with the key 'ratesmith', got {_short(data)}; see to_data")
    if type(data["ratesmith"]) is not int or data["ratesmith"] != VERSION:
        raise ValueError(
            f"Data: ratesmith must be {VERSION}, the version of the format, got {_short(data['ratesmith'])}; "
            "read it with the version of Ratesmith that wrote it, or a newer one"
        )
    text = text_of(_node({key: value for key, value in data.items() if key != "ratesmith"}, "data", 1))
    if len(text) > LONGEST:
        raise ValueError(f"Data: as notation it must be at most {LONGEST} characters, got {len(text)}; shorten it")
    return Strategy(text)  # one gate for all: what a text may not hold, data may not


def _data_of(node: Node) -> Any:
    if isinstance(node, Join):
        return {"name": node.operator, "parts": [_data_of(part) for part in node.parts]}
    if isinstance(node, Call):
        return {"name": node.name, **{option.name: _data_of(option.value) for option in node.options}}
    return [_data_of(item) for item in node.items] if isinstance(node, ListOf) else node.value


def _node(value: Any, place: str, depth: int) -> Node:
    if depth > 3 * DEEPEST:  # lists lie between the parts
        raise ValueError(
            f"Data: at most {DEEPEST} parts may lie inside each other, got more at {place[:80]}; simplify it"
        )
    if isinstance(value, dict):
        return _table_node(value, place, depth)
    if isinstance(value, list):
        return ListOf(tuple(_node(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(value)))
    plain = isinstance(value, (bool, str)) or (isinstance(value, int) and abs(value) <= FARTHEST)
    if plain or (isinstance(value, float) and math.isfinite(value)):
        return Value(value)
    raise ValueError(
        f"Data: {place} must be a finite number, a text, a list or a table with a name, got {_short(value)}; mend it"
    )


def _table_node(table: dict[Any, Any], place: str, depth: int) -> Node:
    name = table.get("name")
    if not isinstance(name, str) or not (name in OPERATORS or name in PUBLISHED):
        otherwise = "write a name that notation knows, or one of >>, +, -, *, /, max and min"
        raise ValueError(
            f"Data: {place}.name must be a published name, got {_short(name)}; {hint(name, PUBLISHED, otherwise)}"
        )
    keys = ["parts"] if name in OPERATORS else [option.name for option in parameters(name)]
    for key in table:
        if key != "name" and stored_name(name, key) not in keys:
            otherwise = f"its keys are: {', '.join(keys) or 'none'}"
            raise ValueError(f"Data: {place} has an unknown key {_short(key)}; {hint(key, keys, otherwise)}")
    if name in PUBLISHED:
        given = ((key, value) for key, value in table.items() if key != "name")
        options = (
            GivenOption(stored_name(name, key), _node(value, f"{place}.{key}", depth + 1)) for key, value in given
        )
        return Call(name, tuple(options))
    parts = table.get("parts")
    if not isinstance(parts, list) or len(parts) < 2:
        raise ValueError(f"Data: {place}.parts must be a list of at least two, got {_short(parts)}; mend it")
    nodes = (_node(part, f"{place}.parts[{index}]", depth + 1) for index, part in enumerate(parts))
    return Join(name, tuple(nodes))


def _short(value: Any) -> str:
    try:
        shown = SHORT_REPR.repr(value)
    except ValueError:  # a number of very many digits
        shown = f"such a long {type(value).__name__}"
    return shown if len(shown) <= 200 else f"{shown[:200]}..."
