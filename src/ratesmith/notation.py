"""Strategies and values as text: names with their options, `>>`, `*` and `+`, read safely.

Lower-case names are recipes and controllers, which may wait for a horizon; names with a capital are the values
themselves, as `str(value)` writes them. The reader walks the parsed text and never evaluates it.
"""

from __future__ import annotations

import ast
import functools
import inspect
import io
import math
import re
import tokenize
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NoReturn

from ratesmith import controllers, recipes, schedule, shapes
from ratesmith._checks import DEEPEST, LARGEST
from ratesmith._text import hint, literal
from ratesmith.controllers import Controller
from ratesmith.horizon import Horizon

Functions = Mapping[str, Callable[..., Any]]

RECIPES: Final[Functions] = MappingProxyType(
    {
        name: getattr(recipes, name)
        for name in [
            "constant",
            "step",
            "multistep",
            "piecewise_constant",
            "piecewise_linear",
            "exponential",
            "natural_exponential",
            "inverse_time",
            "inverse_sqrt",
            "noam",
            "cosine",
            "linear",
            "polynomial",
            "rex",
            "tanh",
            "warmup",
            "ramp",
            "wsd",
            "trapezoidal",
            "knee",
            "one_cycle",
            "cyclic",
            "sgdr",
            "cosine_restarts",
            "custom",
            "cooldown",
            "hold",
            "repeat",
            "shift",
            "stretch",
            "take",
            "clip",
            "closed",
        ]
    }
)
CONTROLLERS: Final[Functions] = MappingProxyType(
    {"plateau": controllers.Plateau, "greedy": controllers.Greedy, "spike_guard": controllers.SpikeGuard}
)
VALUES: Final[Functions] = MappingProxyType(
    {
        name: getattr(module, name)
        for module, names in (
            (schedule, "Constant Sequence Product Sum Repeat Shift Stretch Take Clip Hold"),
            (shapes, "Ramp InverseSqrt InverseTime Tanh Staircase Milestones Exponential Custom"),
            (controllers, "Plateau Greedy SpikeGuard"),
        )
        for name in names.split()
    }
)
NAMES: Final[Functions] = MappingProxyType({**RECIPES, **CONTROLLERS, **VALUES})
SYMBOLS: Final = MappingProxyType({ast.RShift: ">>", ast.Mult: "*", ast.Add: "+"})
TIGHTNESS: Final = MappingProxyType({ast.RShift: 0, ast.Add: 1, ast.Mult: 2})
LONGEST: Final = 4096
LONGEST_DATA: Final = 2**20


class NotationError(ValueError):
    """A text that is not notation: one line that says why, then the text with a caret under the place."""


@dataclass(frozen=True)
class Strategy:
    """A recipe or controller with its options, waiting for a horizon; `text` is its notation.

    >>> strategy = parse('warmup("5%")>>cosine(final = 1e-1)')
    >>> print(strategy)
    warmup("5%") >> cosine(final=0.1)
    >>> schedule = strategy.build(Horizon(200))
    >>> print(schedule)
    Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.1, 190, shape="cosine")
    >>> parse(str(schedule)).build() == schedule
    True
    """

    text: str

    def __post_init__(self) -> None:
        """Check the text, and keep it in its one canonical form."""
        _refuse_long(self.text, LONGEST_DATA)
        tree = _tree(self.text)
        _check(tree, self.text, 1)
        object.__setattr__(self, "text", _format(tree))

    def __str__(self) -> str:
        """Return the notation."""
        return self.text

    def build(
        self, horizon: Horizon | int | None = None, functions: Functions = MappingProxyType({})
    ) -> Controller[Any]:
        """Return the schedule or controller for one horizon; `functions` are those that `custom("name")` may name.

        A text of values alone, as `str(schedule)` gives, needs no horizon. Raises NotationError where an option cannot
        hold.
        """
        known = None if horizon is None else Horizon.of(horizon)
        built: Controller[Any] = _Builder(self.text, functions).build(_tree(self.text), known)
        return built


def parse(text: str) -> Strategy:
    """Read notation of at most 4 KiB, such as `step(every="30%", gamma=0.1)`; `parse(str(strategy)) == strategy`.

    Raises NotationError, which is a ValueError, with a line that names the mistake, and a caret under its place.
    """
    _refuse_long(text, LONGEST)
    return Strategy(text)


def signatures() -> tuple[str, ...]:
    """Return every recipe and controller with its options, as notation writes them.

    >>> signatures()[1]
    'step(every, gamma=0.1)'
    """
    return tuple(f"{name}{_options(name)}" for name in (*RECIPES, *CONTROLLERS))


@functools.cache
def parameters(name: str) -> tuple[inspect.Parameter, ...]:
    """Return the options of a published name; the horizon of a recipe is no option."""
    known = tuple(inspect.signature(NAMES[name]).parameters.values())
    return known[1:] if name in RECIPES else known


def takes_list(name: str, option: int | str) -> bool:
    """Whether an option of a published name, by place or by name, is a list by itself, as milestones are.

    >>> takes_list("multistep", "milestones"), takes_list("wsd", "decay"), takes_list("step", 0)
    (True, False, False)
    """
    known = parameters(name)
    found = known[option : option + 1] if isinstance(option, int) else [p for p in known if p.name == option]
    return any(kind in str(one.annotation) for one in found for kind in ("Iterable", "Sequence[", "tuple["))


def operands(node: ast.BinOp) -> list[ast.expr]:
    """Return what a chain such as `a >> b >> c` joins, from left to right."""
    found: list[ast.expr] = []
    left: ast.expr = node
    while isinstance(left, ast.BinOp) and type(left.op) is type(node.op):
        found.append(left.right)
        left = left.left
    return [left, *reversed(found)]


def _refuse_long(text: str, longest: int) -> None:
    if not isinstance(text, str):
        raise TypeError(f"Notation: a strategy must be text, got {text!r}; write 'cosine()'")
    if len(text) > longest:
        raise NotationError(f"Notation: a strategy must be at most {longest} characters, got {len(text)}; shorten it")


def _tree(text: str) -> ast.expr:
    line = _one_line(text)
    place = _comment(line)
    if place is not None:
        _fail(text, place, "notation has no comments; drop it")
    try:
        return ast.parse(line, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        offset = (getattr(error, "offset", None) or 1) - 1  # in characters, while nodes count bytes
        place = len(line[:offset].encode(errors="replace"))
        do = 'write a share in quotes, as "5%"' if re.search(r"\d\s*%", _unquoted(text)) else "write name(option=value)"
        _fail(text, place, f"this is not notation ({getattr(error, 'msg', error)}); {do}")


def _unquoted(text: str) -> str:
    return re.sub(r"'[^']*'|\"[^\"]*\"", "", text)


def _comment(line: str) -> int | None:
    """Return the place of a comment, which would swallow what stands in the lines after it."""
    if "#" not in line:
        return None
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(line).readline))
    except (tokenize.TokenError, SyntaxError):
        return None  # the parser says what is wrong
    starts = (token.start[1] for token in tokens if token.type == tokenize.COMMENT)
    place = next(starts, None)
    return None if place is None else len(line[:place].encode(errors="replace"))


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()).strip()


def _fail(text: str, place: int, message: str, cause: Exception | None = None) -> NoReturn:
    """Raise with the message, and under it the text around the place and a caret."""
    text = _one_line(text)
    place = len(text.encode(errors="replace")[:place].decode(errors="ignore"))  # the parser counts bytes
    begin, end = max(0, place - 60), place + 60
    before = ("..." if begin else "") + text[begin:place]
    after = text[place:end] + ("..." if end < len(text) else "")
    wide = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in before)
    raise NotationError(f"Notation: {message}\n  {before}{after}\n  {' ' * wide}^") from cause


def _check(node: ast.expr, text: str, depth: int) -> None:
    """Refuse everything that is not a published name with options it has."""
    if depth > DEEPEST:
        _fail(text, node.col_offset, f"at most {DEEPEST} parts may be nested; simplify it")
    if isinstance(node, ast.BinOp) and type(node.op) in SYMBOLS:
        parts = operands(node)
        numbers = [not isinstance(node.op, ast.RShift) and _number(part) for part in parts]
        for part, is_number in zip(parts, numbers, strict=True):
            if not is_number or all(numbers):
                _check(part, text, depth + 1)
        return
    if isinstance(node, (ast.BinOp, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Tuple)) and not _number(node):
        _fail(text, node.col_offset, "only >>, * and + join schedules; write a difference as a + -1 * b")
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        _fail(text, node.col_offset, 'a strategy is a name with options, such as cosine() or step(every="30%")')
    name = node.func.id
    if name not in NAMES:
        known_names = f"known: {', '.join((*RECIPES, *CONTROLLERS))}"
        _fail(text, node.col_offset, f"there is no strategy {name!r}; {hint(name, NAMES, known_names)}")
    for value in (*node.args, *(keyword.value for keyword in node.keywords)):
        _check_option(value, text, depth + 1)
    known = [option.name for option in parameters(name)]
    for keyword in node.keywords:
        if keyword.arg not in known:
            otherwise = f"it is {name}{_options(name)}"
            said = f"{name} has no option {keyword.arg!r}; {hint(keyword.arg, known, otherwise)}"
            _fail(text, keyword.col_offset, said)
    given = [str(keyword.arg) for keyword in node.keywords]
    if len(given) > len(set(given)):
        _fail(text, node.col_offset, f"{name}: each option is given once; drop one")
    try:
        inspect.Signature(parameters(name)).bind(*node.args, **dict.fromkeys(given))
    except TypeError as error:
        _fail(text, node.col_offset, f"{name}: {error}; it is {name}{_options(name)}")


def _check_option(value: ast.expr, text: str, depth: int) -> None:
    if isinstance(value, ast.Call) or (isinstance(value, ast.BinOp) and type(value.op) in SYMBOLS):
        _check(value, text, depth)
    elif isinstance(value, ast.List) and all(isinstance(item, (ast.Call, ast.BinOp)) for item in value.elts):
        for item in value.elts:
            _check(item, text, depth)
    elif not _plain(value):
        _fail(text, value.col_offset, "an option is a number, a text in quotes, a schedule or a list of these")


def _options(name: str) -> str:
    """Return a signature as notation shows it: without the horizon and without types."""
    shown = (p.name if p.default is p.empty else f"{p.name}={literal(p.default)}" for p in parameters(name))
    return f"({', '.join(shown)})"


def _number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    value = node.value if isinstance(node, ast.Constant) else None
    if type(value) is int:
        return abs(value) <= LARGEST  # what is too long for a length says so itself
    return type(value) is float and math.isfinite(value)  # a bool is no number here


def _plain(node: ast.expr) -> bool:
    if isinstance(node, ast.List):  # one list more around it is a choice of lists, which compare takes
        items = [inner for item in node.elts for inner in (item.elts if isinstance(item, ast.List) else [item])]
        return all(_number(item) or _word(item) for item in items)
    return _number(node) or _word(node) or (isinstance(node, ast.Constant) and type(node.value) is bool)


def _word(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isprintable()


@dataclass(frozen=True)
class _Builder:
    """Makes the value that a checked text names; every mistake points at its own place in the text."""

    text: str
    functions: Functions

    def build(self, node: ast.expr, horizon: Horizon | None) -> Any:
        try:
            if isinstance(node, ast.BinOp):
                return self._joined(node, horizon)
            return self._called(node, horizon) if isinstance(node, ast.Call) else ast.literal_eval(node)
        except NotationError:
            raise
        except (TypeError, ValueError) as error:
            _fail(self.text, node.col_offset, str(error), error)

    def _joined(self, node: ast.BinOp, horizon: Horizon | None) -> Any:
        parts = operands(node)
        if isinstance(node.op, ast.RShift):
            return schedule.Sequence(tuple(self._one_after_another(parts, horizon)))
        joined, *others = (self.build(part, horizon) for part in parts)
        for other in others:
            if isinstance(node.op, ast.Mult):
                joined = joined * other
            elif any(hasattr(part, "observe") and not hasattr(part, "steps") for part in (joined, other)):
                raise TypeError("only schedules and numbers can be added; multiply with a controller instead")
            else:
                joined = joined + other
        return joined

    def _one_after_another(self, parts: list[ast.expr], horizon: Horizon | None) -> Iterator[Any]:
        for place, part in enumerate(parts):
            if place and horizon and not horizon.left and _waits(part):
                taken = f"what stands before >> takes {horizon.used} of {horizon.steps} steps"
                _fail(self.text, part.col_offset, f"{taken}, and nothing is left for this; make it shorter")
            built = self.build(part, horizon)
            if not hasattr(built, "steps"):
                raise TypeError(
                    "only schedules can stand around >>; multiply them with the controller, as in (a >> b) * plateau()"
                )
            if horizon and built.steps is not None:
                horizon = horizon.after(built.steps)
            yield built

    def _called(self, node: ast.Call, horizon: Horizon | None) -> Any:
        name = node.func.id  # type: ignore[attr-defined]  # checked by parse
        args = [self._option(value, horizon) for value in node.args]
        options = {str(keyword.arg): self._option(keyword.value, horizon) for keyword in node.keywords}
        bound = inspect.Signature(parameters(name)).bind(*args, **options)
        if "function" in bound.arguments:
            bound.arguments["function"] = self._function(name, bound.arguments["function"])
        shape = bound.arguments.get("shape")
        if isinstance(shape, str) and shape not in (*shapes.SHAPES, "exponential") and shape in self.functions:
            bound.arguments["shape"] = self.functions[shape]
        if name in RECIPES:
            return RECIPES[name](self._needed(horizon, name), *bound.args, **bound.kwargs)
        for option in getattr(NAMES[name], "lengths", ()):
            if isinstance(bound.arguments.get(option), str):
                bound.arguments[option] = self._needed(horizon, name).resolve(bound.arguments[option])
        return NAMES[name](*bound.args, **bound.kwargs)

    def _needed(self, horizon: Horizon | None, name: str) -> Horizon:
        if horizon is None:
            raise ValueError(
                f"{name}: it needs the length of training; give a horizon, as in .build(1000) or --steps 1000"
            )
        return horizon

    def _option(self, value: ast.expr, horizon: Horizon | None) -> Any:
        if isinstance(value, ast.List) and value.elts and not _plain(value):
            return [self.build(item, horizon) for item in value.elts]
        return self.build(value, horizon)

    def _function(self, name: str, wanted: Any) -> Callable[..., Any]:
        if isinstance(wanted, str) and callable(self.functions.get(wanted)):
            return self.functions[wanted]
        known = [known for known in self.functions if callable(self.functions[known])]
        otherwise = "write it in the task's file (for show: --functions FILE.py)"
        raise ValueError(f"{name}: there is no function {wanted!r}; {hint(wanted, known, otherwise)}")


def _waits(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id in RECIPES for part in ast.walk(node))


def _format(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp):
        return f" {SYMBOLS[type(node.op)]} ".join(  # checked by parse
            f"({_format(part)})" if _looser(part, node, first=not place) else _format(part)
            for place, part in enumerate(operands(node))
        )
    if isinstance(node, ast.Call):
        parts = [_format(value) for value in node.args]
        parts += [f"{keyword.arg}={_format(keyword.value)}" for keyword in node.keywords]
        return f"{node.func.id}({', '.join(parts)})"  # type: ignore[attr-defined]  # checked by parse
    if isinstance(node, ast.List):
        return f"[{', '.join(map(_format, node.elts))}]"
    return literal(ast.literal_eval(node))


def _looser(part: ast.expr, around: ast.BinOp, first: bool) -> bool:
    """Whether a part of a chain needs brackets."""
    if not isinstance(part, ast.BinOp):
        return False
    inner, outer = TIGHTNESS[type(part.op)], TIGHTNESS[type(around.op)]
    return inner < outer or (inner == outer and not first)
