"""Ratesmith chooses, shapes and adapts the learning rate, and proves the choice on a validation set.

The names here are the values, schedules, recipes and controllers, and `find`, all on the standard library alone.
`compare` is loaded at its first use, since it needs more. What else acts is imported by its own name:
`ratesmith.torch`, `ratesmith.forecast`, `ratesmith.report`.
"""

from typing import TYPE_CHECKING, Any

from ratesmith import _display, controllers, recipes
from ratesmith._script import ActiveTrial, TrialStopped, get_trial
from ratesmith.controllers import Controller, Greedy, Plateau, SpikeGuard
from ratesmith.describe import explain, summarize
from ratesmith.finder import find
from ratesmith.horizon import Horizon
from ratesmith.schedule import Constant, Max, Min, Product, Schedule, Sequence, Sum
from ratesmith.shapes import Custom, Exponential, InverseSqrt, InverseTime, Milestones, Ramp, Staircase, Tanh
from ratesmith.strategy import NotationError, Strategy, from_data, parse, to_data

if TYPE_CHECKING:
    from ratesmith.experiment import compare as compare

__version__ = "0.1.0"


def _load_plots() -> None:
    from ratesmith import plots  # noqa: F401  # it registers what draws each class


_display.load_plots = _load_plots


def __getattr__(name: str) -> Any:
    if name != "compare":
        raise AttributeError(f"module 'ratesmith' has no attribute {name!r}")
    from ratesmith.experiment import compare

    return compare


def __dir__() -> list[str]:
    return sorted([*globals(), "compare"])


__all__ = [
    "ActiveTrial",
    "Constant",
    "Controller",
    "Custom",
    "Exponential",
    "Greedy",
    "Horizon",
    "InverseSqrt",
    "InverseTime",
    "Max",
    "Milestones",
    "Min",
    "NotationError",
    "Plateau",
    "Product",
    "Ramp",
    "Schedule",
    "Sequence",
    "SpikeGuard",
    "Staircase",
    "Strategy",
    "Sum",
    "Tanh",
    "TrialStopped",
    "controllers",
    "explain",
    "find",
    "from_data",
    "get_trial",
    "parse",
    "recipes",
    "summarize",
    "to_data",
]
