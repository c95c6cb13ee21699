"""Forecast: loss curves under schedules not yet run, and which schedule to run."""

from ratesmith.forecast.curve import Curve

__all__ = ["Curve"]
