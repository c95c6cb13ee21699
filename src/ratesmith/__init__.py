"""Ratesmith chooses, shapes and adapts the learning rate, and proves the choice on a validation set.

The names here are the values: schedules, recipes and controllers, on the standard library alone. What acts is imported
by its own name: `ratesmith.torch`, `ratesmith.experiment`, `ratesmith.report`.
"""

from ratesmith import controllers, recipes
from ratesmith.controllers import Controller, Plateau
from ratesmith.horizon import Horizon
from ratesmith.schedule import Constant, Product, Schedule, Sequence
from ratesmith.shapes import Custom, Exponential, InverseSqrt, InverseTime, Milestones, Ramp, Staircase

__version__ = "0.1.0"

__all__ = [
    "Constant",
    "Controller",
    "Custom",
    "Exponential",
    "Horizon",
    "InverseSqrt",
    "InverseTime",
    "Milestones",
    "Plateau",
    "Product",
    "Ramp",
    "Schedule",
    "Sequence",
    "Staircase",
    "controllers",
    "recipes",
]
