"""Schedules under the names people know, each built from shapes for one horizon.

Every recipe takes the horizon first: how long training lasts, as a `Horizon` or as a number of steps. Other lengths
are steps (`500`), shares of all training (`"5%"`), epochs (`"2ep"`), tokens (`"3Mtok"`) or samples (`"50ksp"`), and
count from where the recipe starts; a milestone as a text is a point of the whole training.
"""

from ratesmith.recipes.cycles import cosine_restarts, cyclic, sgdr
from ratesmith.recipes.decays import (
    constant,
    cosine,
    custom,
    exponential,
    hyperbolic,
    inverse_time,
    linear,
    multistep,
    natural_exponential,
    piecewise_constant,
    piecewise_linear,
    polynomial,
    rex,
    step,
    tanh,
)
from ratesmith.recipes.phases import cooldown, inverse_sqrt, knee, noam, one_cycle, ramp, trapezoidal, warmup, wsd

# The one list of recipes: notation reads it, and messages and the command's help name them in this order.
__all__ = [  # noqa: RUF022
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
    "hyperbolic",
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
]
