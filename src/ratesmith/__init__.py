"""Ratesmith chooses, shapes and adapts the learning rate, and proves the choice on a validation set.

The names here are the values, schedules, recipes and controllers, and `find`, all on the standard library alone. What
else acts is imported by its own name: `ratesmith.torch`, `ratesmith.experiment`, `ratesmith.report`.
"""

from ratesmith import _display, controllers, recipes
from ratesmith._script import ActiveTrial, TrialStopped, get_trial
from ratesmith.controllers import Controller, Greedy, Plateau, SpikeGuard
from ratesmith.describe import explain, summarize
from ratesmith.finder import find
from ratesmith.horizon import Horizon
from ratesmith.schedule import Constant, Product, Schedule, Sequence, Sum
from ratesmith.shapes import Custom, Exponential, InverseSqrt, InverseTime, Milestones, Ramp, Staircase, Tanh
from ratesmith.strategy import NotationError, Strategy, from_data, parse, to_data

__version__ = "0.1.0"


def _load_plots() -> None:
    from ratesmith import plots  # noqa: F401  # it registers what draws each class


_display.load_plots = _load_plots

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
    "Milestones",
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
