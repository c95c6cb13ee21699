"""The shapes: ramps of every curve, staircase, milestones, exponential and inverse decays, a function of your own."""

from ratesmith.shapes.curves import SHAPES as SHAPES
from ratesmith.shapes.custom import Custom
from ratesmith.shapes.decays import Exponential, Hyperbolic, InverseSqrt, InverseTime, PolynomialCycles, Tanh
from ratesmith.shapes.ramp import Ramp
from ratesmith.shapes.stairs import Milestones, Staircase

__all__ = [
    "Custom",
    "Exponential",
    "Hyperbolic",
    "InverseSqrt",
    "InverseTime",
    "Milestones",
    "PolynomialCycles",
    "Ramp",
    "Staircase",
    "Tanh",
]
