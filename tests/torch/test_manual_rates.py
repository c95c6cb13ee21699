"""Rates below 0, which reach the optimizer only when they are meant."""

import copy

import pytest
import torch
from stepping import go, parameters, rates, update

from ratesmith import Constant, Custom, Plateau, Polynomial, Ramp, Task, Trial  # noqa: F401
