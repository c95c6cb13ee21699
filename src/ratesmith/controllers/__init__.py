"""Controllers: rates that listen to a metric while training goes on."""

from ratesmith.controllers.base import Adaptive, Controller, Together
from ratesmith.controllers.plateau import Plateau, PlateauState

__all__ = ["Adaptive", "Controller", "Plateau", "PlateauState", "Together"]
