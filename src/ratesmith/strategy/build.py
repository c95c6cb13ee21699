"""Nodes to the value that they name, a schedule or a controller, for one horizon."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeGuard

from ratesmith import shapes
from ratesmith._checks import Option, OptionError, OptionValueError, options_of
from ratesmith._text import hint
from ratesmith.controllers import Adaptive, Controller
from ratesmith.horizon import AheadHorizon, Horizon, LengthNeededError, OpenHorizon, SpentHorizon
from ratesmith.recipes._recipe import clipped
from ratesmith.schedule import Max, Min, Schedule, Sequence
from ratesmith.strategy.errors import NotationError, refuse
from ratesmith.strategy.nodes import WRITTEN_AS_CALLS, Call, Join, ListOf, Node, Value, walk
from ratesmith.strategy.printer import place_of, text_of
from ratesmith.strategy.registry import PUBLISHED, RECIPES, Functions, python_name, stored_name

CURVES: Final = (*shapes.SHAPES, "exponential")
"""The shapes that a ramp knows by name; any other name is that of a function."""

OPERATIONS: Final[MappingProxyType[str, Callable[[Any, Any], Any]]] = MappingProxyType(
    {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": lambda value, number: value * (1.0 / number)}
)
"""What joins two values; a controller can be multiplied, but not divided."""
JOINED_AS: Final = MappingProxyType({"+": "added", "-": "subtracted", "max": "compared", "min": "compared"})
SHIFTS: Final = ("shift", "Shift")
"""The calls that let a schedule begin later, or ahead."""
LONGER: Final = (2, 100, 10**9)
"""How many times as long as the steps before it a training is, in which a part is tried that a short run leaves out."""


def build(root: Node, horizon: Horizon | None, functions: Functions) -> Controller[Any]:
    """Return the value of a whole tree; raise NotationError if an option cannot hold, with its place."""
    built: Controller[Any] = _Builder(root, functions).value(root, horizon)
    return built


@dataclass(frozen=True)
class _Builder:
    """Makes the value of each node; a mistake points at its own place in the text of the whole."""

    root: Node
    functions: Functions

    def value(self, node: Node, horizon: Horizon | None) -> Any:
        """Return the value of a node, whose lengths are read against a horizon if they need one."""
        try:
            if isinstance(node, Join):
                return self._joined(node, horizon)
            if isinstance(node, Call):
                return self._called(node, horizon)
        except NotationError:
            raise
        except OptionError as error:
            self._refuse(node, error.args, error)
        except (TypeError, ValueError) as error:
            self._refuse(node, str(error), error)
        return [self.value(item, horizon) for item in node.items] if isinstance(node, ListOf) else node.value

    def _joined(self, node: Join, horizon: Horizon | None) -> Any:
        if node.operator == ">>":
            parts = tuple(self._one_after_another(node.parts, horizon))
            with options_of(">>"):
                sequence = Sequence(parts)
            if horizon is None or len(parts) == len(node.parts):
                return sequence
            return _beginning(sequence.parts, horizon)
        values = [self.value(part, horizon) for part in node.parts]
        if node.operator not in "*/" and any(isinstance(value, Adaptive) for value in values):
            does = JOINED_AS[node.operator]
            raise TypeError(f"only schedules and numbers can be {does}; multiply with a controller instead")
        if node.operator in WRITTEN_AS_CALLS:
            return (Max if node.operator == "max" else Min)(tuple(values))
        return functools.reduce(OPERATIONS[node.operator], values)

    def _one_after_another(self, parts: tuple[Node, ...], whole: Horizon | None) -> Iterator[Schedule]:
        """Yield the parts; those behind a warm-up that training ends in are left out, if they hold in a longer one."""
        horizon, in_warmup = whole, False
        for place, part in enumerate(parts):
            if place and _is_over(horizon) and (error := self._at_end(part)):
                if in_warmup:
                    for later in parts[place:]:
                        self._in_a_longer(later, horizon)
                    return
                if isinstance(error.__cause__, LengthNeededError):
                    taken = f"what stands before >> takes {horizon.used} of {horizon.steps} steps"
                    self._refuse(part, f"{taken}, and nothing is left for this; make it shorter")
            built, ended = self._part(part, horizon), _is_over(horizon)
            if horizon and built.steps is not None:
                horizon = horizon.after(built.steps)
            in_warmup |= not ended and _is_over(horizon) and _is_warmup(built) and not _has_share(part)
            yield built

    def _in_a_longer(self, part: Node, horizon: Horizon) -> None:
        """Refuse a part that holds in no longer training, with what it lacks in the first."""
        refused: NotationError | None = None
        for times in LONGER:
            try:
                self._part(part, replace(horizon, steps=times * horizon.used))
            except NotationError as error:
                refused = refused or error
            else:
                return
        if refused:
            raise refused

    def _part(self, node: Node, horizon: Horizon | None) -> Schedule:
        built = self.value(node, horizon)
        if not isinstance(built, Schedule):
            raise TypeError(
                "only schedules can stand around >>; multiply them with the controller, as in (a >> b) * plateau()"
            )
        return built

    def _at_end(self, part: Node) -> NotationError | None:
        """Return why a part cannot be built where nothing is known of training, or None if it can."""
        try:
            self.value(part, SpentHorizon())
        except NotationError as error:
            return error
        return None

    def _called(self, node: Call, horizon: Horizon | None) -> Any:
        inner = self._inside(node, horizon)
        options = {
            python_name(node.name, each.name): self.value(each.value, inner if each.name == "schedule" else horizon)
            for each in node.options
        }
        if "function" in options:
            options["function"] = self._function(node.name, options["function"])
        shape = options.get("shape")
        if isinstance(shape, str) and shape not in CURVES and shape in self.functions:
            options["shape"] = self.functions[shape]
        # What cannot hold is said of the name and of the options that the text has, whatever they are built into.
        with options_of(node.name, **{name: stored_name(node.name, name) for name in options}):
            if node.name in RECIPES:
                return RECIPES[node.name](horizon or OpenHorizon(), **options)
            for length in getattr(PUBLISHED[node.name], "lengths", ()):
                if isinstance(options.get(length), str):
                    with options_of(node.name, length=length):
                        options[length] = (horizon or OpenHorizon()).resolve(options[length])
            return PUBLISHED[node.name](**options)

    def _inside(self, node: Call, horizon: Horizon | None) -> Horizon | None:
        """Return the horizon of the schedule inside a call: one that is shifted ahead goes on behind its own end."""
        by = next((each.value for each in node.options if each.name == "by"), None)
        if horizon is None or isinstance(horizon, OpenHorizon) or by is None or node.name not in SHIFTS:
            return horizon
        steps = self.value(by, horizon)
        if not isinstance(steps, int) or steps >= 0:
            return horizon
        fields = {each.name: getattr(horizon, each.name) for each in dataclasses.fields(horizon)}
        return AheadHorizon(**{**fields, "ahead": fields.get("ahead", 0) - steps})

    def _function(self, name: str, wanted: Any) -> Callable[..., Any]:
        if isinstance(wanted, str) and callable(self.functions.get(wanted)):
            return self.functions[wanted]
        names = [each for each in self.functions if callable(self.functions[each])]
        near = hint(wanted, names, "")
        remedy = (near,) if near else ("write it in the task's file, or give its file as ", Option("functions="))
        raise OptionValueError(f"{name}: there is no function {wanted!r}; ", *remedy)

    def _refuse(self, node: Node, message: str | tuple[str, ...], cause: Exception | None = None) -> NoReturn:
        refuse(text_of(self.root), place_of(node, self.root), message, cause)


def _beginning(parts: tuple[Schedule, ...], horizon: Horizon) -> Schedule:
    """Return what of the parts lies in training: the last of them, a warm-up, is on its own slope at the end of it."""
    for count in range(1, len(parts)):
        inside = Sequence(parts[:count])
        if inside.steps is not None and inside.steps >= horizon.left:
            parts = parts[:count]
            break
    return clipped(parts[0] if len(parts) == 1 else Sequence(parts), horizon)


def _is_warmup(part: Schedule) -> bool:
    """Whether a part ends higher than it begins."""
    return part.steps is not None and float(part(part.steps)) > float(part(0))


def _has_share(node: Node) -> bool:
    """Whether a length in it is a share of training: what takes all of every training is a mistake at any length."""
    return any(isinstance(each, Value) and isinstance(each.value, str) and "%" in each.value for each in walk(node))


def _is_over(horizon: Horizon | None) -> TypeGuard[Horizon]:
    """Whether nothing of training is left, if its length is known."""
    return horizon is not None and not isinstance(horizon, OpenHorizon) and horizon.used >= horizon.steps
