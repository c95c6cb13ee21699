"""Text to nodes: names with their options, and what joins them, read safely.

The text is parsed by Python's own parser, walked and never evaluated; whatever is not a published name with options it
has is refused with its place. No other part of the package reads code.
"""

from __future__ import annotations

import ast
import inspect
import io
import math
import re
import tokenize
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeGuard

from ratesmith._checks import DEEPEST, LARGEST
from ratesmith._text import hint
from ratesmith.strategy.errors import NotationError, refuse
from ratesmith.strategy.nodes import Call, GivenOption, Join, ListOf, Node, Value
from ratesmith.strategy.other_names import OTHER_NAMES, UNREAD, answer_to
from ratesmith.strategy.registry import (
    CONTROLLERS,
    EXTREMES,
    PUBLISHED,
    RECIPES,
    options_text,
    parameters,
    stored_name,
)

OPERATORS: Final = MappingProxyType({ast.RShift: ">>", ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"})
LONGEST: Final = 2**20
"""Characters that a text may have at all: schedules with thousands of milestones are saved."""


def read(text: str) -> Node:
    """Return the tree of a text; raise NotationError for what is not notation, TypeError for what is no text."""
    refuse_long(text, LONGEST)
    line = " ".join(text.splitlines()).strip()
    return _Reader(line).strategy(_parsed(line), 1)


def refuse_long(text: str, longest: int) -> None:
    """Refuse a text that is longer, and what is no text."""
    if not isinstance(text, str):
        raise TypeError(f"Notation: a strategy must be text, got {text!r}; write 'cosine()'")
    if len(text) > longest:
        raise NotationError(f"Notation: a strategy must be at most {longest} characters, got {len(text)}; shorten it")


def _parsed(line: str) -> ast.expr:
    place = _comment(line)
    if place is not None:
        refuse(line, place, "notation has no comments; drop it")
    try:
        return ast.parse(line, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        place = len(line[: (getattr(error, "offset", None) or 1) - 1])
        unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", "", line)
        do = 'write a share in quotes, as "5%"' if re.search(r"\d\s*%", unquoted) else "write name(option=value)"
        if length := re.search(r"\d[\d.]*(?:ep|[kMG]?tok|[kMG]?sp)\b", unquoted):
            do = f'write a length in quotes, as "{length[0]}"'
        refuse(line, place, f"this is not notation ({getattr(error, 'msg', error)}); {do}")


def _comment(line: str) -> int | None:
    """Return the place of a comment, which would swallow what stands in the lines after it."""
    if "#" not in line:
        return None
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(line).readline))
    except (tokenize.TokenError, SyntaxError):
        return None  # the parser says what is wrong
    return next((len(line[: token.start[1]]) for token in tokens if token.type == tokenize.COMMENT), None)


@dataclass(frozen=True)
class _Reader:
    """Makes nodes of what was parsed; each mistake points at its own place in the line."""

    line: str

    def strategy(self, node: ast.expr, depth: int) -> Node:
        """Return the node of a part that stands for a schedule or controller."""
        if depth > DEEPEST:
            self._refuse(node, f"at most {DEEPEST} parts may be nested; simplify it")
        if _is_join(node):
            return self._join(node, depth)
        if _is_negative(node):
            return Join("*", (Value(-1), self.strategy(node.operand, depth + 1)))
        if isinstance(node, (ast.BinOp, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Tuple)) and not _is_number(node):
            self._refuse(node, "only >>, +, -, *, /, max and min join schedules; write warmup(5) >> cosine()")
        self._refuse_other_name(node)
        if isinstance(node, ast.Name) and node.id in PUBLISHED:
            needs = any(option.default is option.empty for option in parameters(node.id))
            meant = f"{node.id}{options_text(node.id) if needs else '()'}"
            self._refuse(node, f"a strategy is a name with its options in brackets; did you mean {meant}?")
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            self._refuse(node, 'a strategy is a name with options, such as cosine() or step(every="30%")')
        return self._call(node, node.func.id, depth)

    def _refuse_other_name(self, node: ast.expr) -> None:
        """Refuse a name of another library, however it is written, with what it is here."""
        called = node.func if isinstance(node, ast.Call) else node
        name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
        if name not in OTHER_NAMES:
            return
        values = [_foreign_value(value) for value in node.args] if isinstance(node, ast.Call) else []
        keywords = node.keywords if isinstance(node, ast.Call) else []
        options = {str(keyword.arg): _foreign_value(keyword.value) for keyword in keywords}
        self._refuse(node, answer_to(name, values, options))

    def _join(self, node: ast.BinOp, depth: int) -> Join:
        parts = _operands(node)
        if isinstance(node.op, ast.Div):
            self._refuse_divisors(parts[1:])
        return Join(
            OPERATORS[type(node.op)], self._parts(parts, depth, may_be_numbers=OPERATORS[type(node.op)] != ">>")
        )

    def _refuse_divisors(self, divisors: list[ast.expr]) -> None:
        for divisor in divisors:
            if not _is_number(divisor) or not ast.literal_eval(divisor):
                self._refuse(divisor, "a schedule can only be divided by a number other than 0; give one")
            if abs(ast.literal_eval(divisor)) < 1 / LARGEST:
                self._refuse(divisor, f"a divisor must be at least {1 / LARGEST:g} from 0; give a larger one")

    def _parts(self, parts: list[ast.expr], depth: int, *, may_be_numbers: bool) -> tuple[Node, ...]:
        numbers = [may_be_numbers and _is_number(part) for part in parts]
        # A number may stand beside a schedule; numbers alone are refused as what they are, no schedule.
        read = (
            _plain_node(part) if is_number and not all(numbers) else self.strategy(part, depth + 1)
            for part, is_number in zip(parts, numbers, strict=True)
        )
        return tuple(read)

    def _extreme(self, node: ast.Call, name: str, depth: int) -> Join:
        """Return the larger, or the smaller, of what stands in the brackets of `max` or `min`."""
        if node.keywords:
            self._refuse(node.keywords[0], f"{name} has no options by name; it is {name}(a, b, ...)")
        if len(node.args) < 2:
            self._refuse(node, f"{name}: two or more must be given, got {len(node.args)}; it is {name}(a, b, ...)")
        return Join(name, self._parts(node.args, depth, may_be_numbers=True))

    def _call(self, node: ast.Call, name: str, depth: int) -> Call | Join:
        if name in EXTREMES:
            return self._extreme(node, name, depth)
        if name not in PUBLISHED:
            otherwise = f"known: {', '.join((*RECIPES, *CONTROLLERS, *EXTREMES))}"
            self._refuse(node, f"there is no strategy {name!r}; {hint(name, (*PUBLISHED, *EXTREMES), otherwise)}")
        by_place = [self._option(value, depth + 1) for value in node.args]
        by_name = [self._option(keyword.value, depth + 1) for keyword in node.keywords]
        self._check_options(node, name)
        options = [
            GivenOption(p.name, value, by_place=True) for p, value in zip(parameters(name), by_place, strict=False)
        ]
        names = [stored_name(name, str(keyword.arg)) for keyword in node.keywords]
        options += map(GivenOption, names, by_name)
        return Call(name, tuple(options))

    def _check_options(self, node: ast.Call, name: str) -> None:
        """Refuse options that the name does not have, that are given twice, and that are missing."""
        options = [option.name for option in parameters(name)]
        for keyword in node.keywords:
            if stored_name(name, str(keyword.arg)) not in options:
                otherwise = f"it is {name}{options_text(name)}"
                message = f"{name} has no option {keyword.arg!r}; {hint(keyword.arg, options, otherwise)}"
                self._refuse(keyword, message)
        given = [stored_name(name, str(keyword.arg)) for keyword in node.keywords]
        if len(given) > len(set(given)):
            self._refuse(node, f"{name}: each option is given once; drop one")
        try:
            inspect.Signature(parameters(name)).bind(*node.args, **dict.fromkeys(given))
        except TypeError as error:
            self._refuse(node, f"{name}: {error}; it is {name}{options_text(name)}")

    def _option(self, node: ast.expr, depth: int) -> Node:
        if isinstance(node, ast.Call) or _is_join(node) or _is_negative(node):
            return self.strategy(node, depth)
        if isinstance(node, ast.List) and all(
            isinstance(item, (ast.Call, ast.BinOp)) or _is_negative(item) for item in node.elts
        ):
            return ListOf(tuple(self.strategy(item, depth) for item in node.elts))
        if not _is_plain(node):
            self._refuse(node, "an option is a number, a text in quotes, a schedule or a list of these")
        return _plain_node(node)

    def _refuse(self, node: ast.expr | ast.keyword, message: str) -> NoReturn:
        before = self.line.encode(errors="replace")[: node.col_offset]  # the parser counts bytes
        refuse(self.line, len(before.decode(errors="ignore")), message)


def _foreign_value(node: ast.expr) -> Any:
    """Return a plain value in a call of another library's, which may be a mapping too; anything else is not read."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return UNREAD


def _is_join(node: ast.expr) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and type(node.op) in OPERATORS


def _is_negative(node: ast.expr) -> TypeGuard[ast.UnaryOp]:
    """Whether a part that stands for a schedule has a minus before it; a negative number is a number."""
    if not isinstance(node, ast.UnaryOp) or not isinstance(node.op, ast.USub):
        return False
    return isinstance(node.operand, ast.Call) or _is_join(node.operand) or _is_negative(node.operand)


def _operands(node: ast.BinOp) -> list[ast.expr]:
    """Return what a chain such as `a >> b >> c` joins, from left to right."""
    parts: list[ast.expr] = []
    left: ast.expr = node
    while isinstance(left, ast.BinOp) and type(left.op) is type(node.op):
        parts.append(left.right)
        left = left.left
    return [left, *reversed(parts)]


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    value = node.value if isinstance(node, ast.Constant) else None
    if type(value) is int:
        return abs(value) <= LARGEST  # what is too long for a length says so itself
    return type(value) is float and math.isfinite(value)  # a bool is no number here


def _is_word(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isprintable()


def _is_plain(node: ast.expr) -> bool:
    if isinstance(node, ast.List):  # one list more around it is a choice of lists, which compare takes
        items = [inner for item in node.elts for inner in (item.elts if isinstance(item, ast.List) else [item])]
        return all(_is_number(item) or _is_word(item) for item in items)
    return _is_number(node) or _is_word(node) or (isinstance(node, ast.Constant) and type(node.value) is bool)


def _plain_node(node: ast.expr) -> Value | ListOf:
    if isinstance(node, ast.List):
        return ListOf(tuple(map(_plain_node, node.elts)))
    value: Any = ast.literal_eval(node)
    return Value(value)
