"""Schedules under the names people know, each built from shapes for one horizon.

Every recipe takes the horizon first: how long training lasts, as a `Horizon` or as a number of steps. Other lengths
are steps (`500`), shares of all training (`"5%"`), epochs (`"2ep"`), tokens (`"3Mtok"`) or samples (`"50ksp"`), and
count from where the recipe starts; a milestone as a text is a point of the whole training.
"""

from ratesmith.recipes.changes import clip, closed, hold, repeat, shift, stretch, take
from ratesmith.recipes.cycles import cosine_restarts, cyclic, sgdr
from ratesmith.recipes.decays import (
    constant,
    cosine,
    custom,
    exponential,
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

__all__ = [
    "clip",
    "closed",
    "constant",
    "cooldown",
    "cosine",
    "cosine_restarts",
    "custom",
    "cyclic",
    "exponential",
    "hold",
    "inverse_sqrt",
    "inverse_time",
    "knee",
    "linear",
    "multistep",
    "natural_exponential",
    "noam",
    "one_cycle",
    "piecewise_constant",
    "piecewise_linear",
    "polynomial",
    "ramp",
    "repeat",
    "rex",
    "sgdr",
    "shift",
    "step",
    "stretch",
    "take",
    "tanh",
    "trapezoidal",
    "warmup",
    "wsd",
]
