"""The published names: every recipe, controller and value that a strategy may name, and the options of each.

A name is listed once, in the `__all__` of the module that defines it: `recipes`, `controllers`, `schedule`, `shapes`;
the methods of a schedule, which notation writes as calls, in `methods.SCHEDULE_METHODS`.
Lower-case names are recipes and controllers, which may wait for a horizon; names with a capital are the values
themselves, as `str(value)` writes them.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ratesmith import controllers, recipes, schedule, shapes
from ratesmith._checks import A_LIST
from ratesmith._text import literal
from ratesmith.controllers import Adaptive, Chained
from ratesmith.schedule import Schedule
from ratesmith.strategy.methods import SCHEDULE_METHODS

Functions = Mapping[str, Callable[..., Any]]
"""Things that can be called, by name."""


def _is_value(named: Any) -> bool:
    """Whether a public name is a class whose text is a call of it; controllers multiplied are written with `*`."""
    if not isinstance(named, type) or not issubclass(named, (Schedule, Adaptive)):
        return False
    return dataclasses.is_dataclass(named) and named is not Chained


def _in_small_letters(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


RECIPES: Final[Functions] = MappingProxyType(
    {**{name: getattr(recipes, name) for name in recipes.__all__}, **SCHEDULE_METHODS}
)
"""What waits for a horizon: the recipes, and the methods of a schedule, which notation writes as calls."""
VALUES: Final[Functions] = MappingProxyType(
    {
        name: getattr(module, name)
        for module in (schedule, shapes, controllers)
        for name in module.__all__
        if _is_value(getattr(module, name))
    }
)
CONTROLLERS: Final[Functions] = MappingProxyType(
    {_in_small_letters(name): named for name, named in VALUES.items() if issubclass(named, Adaptive)}  # type: ignore[arg-type]  # classes
)
PUBLISHED: Final[Functions] = MappingProxyType({**RECIPES, **CONTROLLERS, **VALUES})
STORED_NAMES: Final = MappingProxyType({("Milestones", "milestones"): "at"})
"""Options that notation and data write by the name that they had when texts were first stored. Both names are read."""
EXTREMES: Final = MappingProxyType(
    {
        "max": "The largest of several schedules and numbers, at each step.",
        "min": "The smallest of several schedules and numbers, at each step.",
    }
)
"""The operators that a text writes as calls, and what each is."""
PYTHON_NAMES: Final = MappingProxyType({(name, stored): option for (name, option), stored in STORED_NAMES.items()})


def signatures() -> tuple[str, ...]:
    """Return every recipe and controller with its options, as notation writes them.

    >>> signatures()[1]
    'step(every, gamma=0.1)'
    """
    return tuple(signature for signature, _ in sentences())


def sentences() -> tuple[tuple[str, str], ...]:
    """Return every recipe and controller with its options, and the sentence that its docstring begins with.

    >>> sentences()[1]
    ('step(every, gamma=0.1)', 'Step decay: times `gamma` once every `every`.')
    """
    named = ((name + options_text(name), sentence(name)) for name in (*RECIPES, *CONTROLLERS))
    return (*named, *((f"{name}(a, b, ...)", what) for name, what in EXTREMES.items()))


def sentence(name: str) -> str:
    """Return what a published name is, in the sentence that its docstring begins with."""
    return (inspect.getdoc(PUBLISHED[name]) or "").partition("\n")[0]


def options_text(name: str) -> str:
    """Return the options of a published name as notation shows them: without the horizon and without types."""
    shown = (p.name if p.default is p.empty else f"{p.name}={literal(p.default)}" for p in parameters(name))
    return f"({', '.join(shown)})"


@functools.cache
def parameters(name: str) -> tuple[inspect.Parameter, ...]:
    """Return the options of a published name; the horizon of a recipe is no option."""
    given = tuple(inspect.signature(PUBLISHED[name]).parameters.values())
    shown = given[1:] if name in RECIPES else given
    return tuple(option.replace(name=stored_name(name, option.name)) for option in shown)


def stored_name(name: str, option: str) -> str:
    """Return an option's name in notation and data."""
    return STORED_NAMES.get((name, option), option)


def python_name(name: str, option: str) -> str:
    """Return an option's name in Python.

    >>> stored_name("Milestones", "milestones"), python_name("Milestones", "at"), python_name("cooldown", "at")
    ('at', 'milestones', 'at')
    """
    return PYTHON_NAMES.get((name, option), option)


@functools.cache
def lists(name: str) -> frozenset[str]:
    """Return the options of a published name that are lists by themselves, as milestones are.

    They are declared where they are defined: `Annotated[Iterable[float], A_LIST]`.

    >>> sorted(lists("piecewise_linear")), sorted(lists("wsd"))
    (['factors', 'milestones'], [])
    """
    hints = typing.get_type_hints(PUBLISHED[name], include_extras=True)
    given = (option for option, hint in hints.items() if A_LIST in getattr(hint, "__metadata__", ()))
    return frozenset(stored_name(name, option) for option in given)


def listens(name: str) -> bool:
    """Whether a published name is that of a controller, which listens to measurements.

    >>> listens("plateau"), listens("Plateau"), listens("cosine")
    (True, True, False)
    """
    named = PUBLISHED[name]
    return isinstance(named, type) and issubclass(named, Adaptive)
