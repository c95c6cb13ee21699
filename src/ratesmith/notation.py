"""Strategies as text: recipes and controllers by name with their options, read safely.

The reader knows the names published here, numbers, strings, lists, calls, `>>` and `*`, and nothing else: it walks the
parsed text and never evaluates it.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NoReturn

from ratesmith import recipes
from ratesmith._checks import FARTHEST
from ratesmith.controllers import Controller, Plateau
from ratesmith.horizon import Horizon

RECIPES: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        recipe.__name__: recipe
        for recipe in (
            recipes.constant,
            recipes.step,
            recipes.multistep,
            recipes.exponential,
            recipes.cosine,
            recipes.linear,
            recipes.polynomial,
            recipes.rex,
            recipes.inverse_time,
            recipes.inverse_sqrt,
            recipes.wsd,
            recipes.sgdr,
            recipes.one_cycle,
            recipes.warmup,
            recipes.custom,
        )
    }
)
CONTROLLERS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType({"plateau": Plateau})
LONGEST: Final = 4096
DEEPEST: Final = 64


class NotationError(ValueError):
    """A text that is not notation; its message names the place."""


@dataclass(frozen=True)
class Strategy:
    """A recipe or controller with its options, waiting for a horizon; `text` is its notation.

    >>> strategy = parse('warmup("5%")>>cosine(final = 1e-1)')
    >>> print(strategy)
    warmup("5%") >> cosine(final=0.1)
    >>> schedule = strategy.build(Horizon(200))
    >>> schedule(0), schedule(10), schedule(200)
    (0.0, 1.0, 0.1)
    """

    text: str

    def __post_init__(self) -> None:
        """Check the text, and keep it in its one canonical form."""
        tree = _tree(self.text)
        _check(tree, self.text, 1)
        object.__setattr__(self, "text", _format(tree))

    def __str__(self) -> str:
        """Give the notation."""
        return self.text

    def build(
        self, horizon: Horizon | int, functions: Mapping[str, Callable[[int], float]] = MappingProxyType({})
    ) -> Controller[Any]:
        """Give the schedule or controller for one horizon; `functions` are those that `custom("name")` may name."""
        tree = _tree(self.text)
        try:
            controller: Controller[Any] = _build(tree, Horizon.of(horizon), functions)
            return controller
        except (TypeError, ValueError) as error:
            raise NotationError(f"{self.text}: {error}") from error


def parse(text: str) -> Strategy:
    """Read notation, such as `step(every="30%", gamma=0.1)`; `parse(str(strategy)) == strategy`.

    Raises NotationError, which is a ValueError, with one line that names the mistake and its place.
    """
    return Strategy(text)


def _tree(text: str) -> ast.expr:
    if not isinstance(text, str):
        raise TypeError(f"Notation: a strategy must be text, got {text!r}; write 'cosine()'")
    if len(text) > LONGEST:
        raise NotationError(f"Notation: a strategy must be at most {LONGEST} characters, got {len(text)}; shorten it")
    try:
        return ast.parse(_one_line(text), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        place = getattr(error, "offset", None) or 1
        _fail(text, place - 1, f"this is not notation ({getattr(error, 'msg', error)}); write name(option=value)")


def _one_line(text: str) -> str:
    return " ".join(text.split("\n")).strip()


def _fail(text: str, place: int, message: str) -> NoReturn:
    text = _one_line(text)
    place = len(text.encode(errors="replace")[:place].decode(errors="ignore"))  # the parser counts bytes
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    raise NotationError(f"Notation: {message} (character {place + 1} of {shown})")


def _check(node: ast.expr, text: str, depth: int) -> None:
    """Refuse everything that is not a published name with options it has."""
    if depth > DEEPEST:
        _fail(text, node.col_offset, f"at most {DEEPEST} parts may be nested; simplify it")
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.RShift, ast.Mult)):
        numbers = [isinstance(node.op, ast.Mult) and _number(side) for side in (node.left, node.right)]
        for side, is_number in zip((node.left, node.right), numbers, strict=True):
            if not is_number or all(numbers):
                _check(side, text, depth + 1)
        return
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        _fail(text, node.col_offset, 'a strategy is a name with options, such as cosine() or step(every="30%")')
    name = node.func.id
    known = {**RECIPES, **CONTROLLERS}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        _fail(text, node.col_offset, f"there is no strategy {name!r}; {hint}")
    for value in (*node.args, *(keyword.value for keyword in node.keywords)):
        if not _plain(value):
            _fail(text, value.col_offset, "an option is a number, a text in quotes or a list of these")
    given = [keyword.arg for keyword in node.keywords]
    if len(given) > len(set(given)):
        _fail(text, node.col_offset, f"{name}: each option is given once; drop one")
    horizon = [None] if name in RECIPES else []
    try:
        inspect.signature(known[name]).bind(
            *horizon, *node.args, **{str(keyword.arg): None for keyword in node.keywords}
        )
    except TypeError as error:
        _fail(text, node.col_offset, f"{name}: {error}; it is {name}{_options(known[name], skip=len(horizon))}")


def signatures() -> tuple[str, ...]:
    """Give every published name with its options, as notation writes them.

    >>> signatures()[1]
    'step(every, gamma=0.1)'
    """
    with_horizon = (f"{name}{_options(recipe, skip=1)}" for name, recipe in RECIPES.items())
    return (*with_horizon, *(f"{name}{_options(controller, skip=0)}" for name, controller in CONTROLLERS.items()))


def _options(function: Callable[..., Any], skip: int) -> str:
    """Give a signature as notation shows it: without the horizon and without types."""
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    shown = (p.name if p.default is p.empty else f"{p.name}={_literal(p.default)}" for p in parameters)
    return f"({', '.join(shown)})"


def _number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    value = node.value if isinstance(node, ast.Constant) else None
    if type(value) is int:
        return abs(value) <= FARTHEST
    return type(value) is float and math.isfinite(value)  # a bool is no number here


def _plain(node: ast.expr) -> bool:
    if isinstance(node, ast.List):
        return all(_number(item) or _word(item) for item in node.elts)
    return _number(node) or _word(node) or (isinstance(node, ast.Constant) and type(node.value) is bool)


def _word(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isprintable()


def _build(node: ast.expr, horizon: Horizon, functions: Mapping[str, Callable[[int], float]]) -> Any:
    if isinstance(node, ast.BinOp):
        left = _build(node.left, horizon, functions)
        if isinstance(node.op, ast.Mult):
            return left * _build(node.right, horizon, functions)
        if not hasattr(left, "steps"):
            raise TypeError("only a schedule can stand before >>; multiply with a controller instead")
        used = left.steps
        if used is not None and used >= horizon.left:
            raise ValueError(
                f"what stands before >> takes {used} of {horizon.left} steps, and nothing is left for what follows; "
                "make it shorter"
            )
        return left >> _build(node.right, horizon if used is None else horizon.after(used), functions)
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    name = node.func.id  # type: ignore[attr-defined]  # checked by parse
    args = [ast.literal_eval(value) for value in node.args]
    options = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
    if name in CONTROLLERS:
        return CONTROLLERS[name](*args, **options)
    if name == "custom":
        bound = inspect.signature(recipes.custom).bind(horizon, *args, **options)
        bound.arguments["function"] = _function(bound.arguments["function"], functions)
        return recipes.custom(*bound.args, **bound.kwargs)
    return RECIPES[name](horizon, *args, **options)


def _function(name: Any, functions: Mapping[str, Callable[[int], float]]) -> Callable[[int], float]:
    if callable(functions.get(name)):
        return functions[name]
    near = difflib.get_close_matches(str(name), [known for known in functions if callable(functions[known])], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "write it in the task's file (for show: --functions FILE.py)"
    raise ValueError(f"custom: there is no function {name!r}; {hint}")


def _format(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp):
        tight = isinstance(node.op, ast.Mult)
        sides = []
        for side in (node.left, node.right):
            inner = _format(side)
            looser = isinstance(side, ast.BinOp) and (tight and isinstance(side.op, ast.RShift))
            nested = side is node.right and isinstance(side, ast.BinOp)
            sides.append(f"({inner})" if looser or (nested and type(side.op) is type(node.op)) else inner)  # type: ignore[attr-defined]
        return f"{sides[0]} {'*' if tight else '>>'} {sides[1]}"
    if isinstance(node, ast.Call):
        parts = [_format(value) for value in node.args]
        parts += [f"{keyword.arg}={_format(keyword.value)}" for keyword in node.keywords]
        return f"{node.func.id}({', '.join(parts)})"  # type: ignore[attr-defined]  # checked by parse
    return _literal(ast.literal_eval(node))


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
