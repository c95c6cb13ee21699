"""Logs: what a training's own log says of one run, in whatever file its logger wrote it."""

from ratesmith.logs.curve import Curve
from ratesmith.logs.reader import read

__all__ = ["Curve", "read"]
