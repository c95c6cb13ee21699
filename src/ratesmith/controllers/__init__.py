"""Controllers: rates that listen to a metric while training goes on."""

from ratesmith.controllers.base import Adaptive, Controller, Together, restore
from ratesmith.controllers.greedy import Greedy, GreedyState
from ratesmith.controllers.plateau import Plateau, PlateauState
from ratesmith.controllers.spike_guard import SpikeGuard, SpikeGuardState

__all__ = [
    "Adaptive",
    "Controller",
    "Greedy",
    "GreedyState",
    "Plateau",
    "PlateauState",
    "SpikeGuard",
    "SpikeGuardState",
    "Together",
    "restore",
]
