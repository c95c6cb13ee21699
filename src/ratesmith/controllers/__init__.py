"""Controllers: rates that listen to a metric while training goes on."""

from ratesmith.controllers.base import Adaptive, Chained, Controller, restore
from ratesmith.controllers.greedy import Greedy, GreedyState
from ratesmith.controllers.plateau import Plateau, PlateauState
from ratesmith.controllers.spike_guard import SpikeGuard, SpikeGuardState

# The one list of controllers: notation reads it, and messages and the command's help name them in this order.
__all__ = [  # noqa: RUF022
    "Controller",
    "Adaptive",
    "Plateau",
    "PlateauState",
    "Greedy",
    "GreedyState",
    "SpikeGuard",
    "SpikeGuardState",
    "Chained",
    "restore",
]
