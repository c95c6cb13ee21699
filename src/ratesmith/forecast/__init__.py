"""Forecast: loss curves under schedules not yet run, and which schedule to run."""

from ratesmith._extras import needs

with needs("ratesmith.forecast", extra="forecast"):
    from ratesmith.forecast.diagnostics import CannotSay, Diagnostic
    from ratesmith.forecast.forecaster import Forecaster, fit
    from ratesmith.forecast.results import Candidates, Prediction, Row
    from ratesmith.forecast.study_curves import read_study
    from ratesmith.forecast.transfer import Transfer, refined, transfer_rate
    from ratesmith.logs import Curve, read

__all__ = [
    "Candidates",
    "CannotSay",
    "Curve",
    "Diagnostic",
    "Forecaster",
    "Prediction",
    "Row",
    "Transfer",
    "fit",
    "read",
    "read_study",
    "refined",
    "transfer_rate",
]
