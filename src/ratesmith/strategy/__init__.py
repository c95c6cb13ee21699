"""Strategies: trees of frozen nodes, read from text or data, printed, and built into schedules and controllers."""

from ratesmith.strategy.data import from_data, to_data
from ratesmith.strategy.errors import NotationError
from ratesmith.strategy.nodes import Call, GivenOption, Join, ListOf, Node, Value
from ratesmith.strategy.registry import Functions, signatures
from ratesmith.strategy.strategy import ScheduleLike, Strategy, as_schedule, as_strategy, is_schedule, parse

__all__ = [
    "Call",
    "Functions",
    "GivenOption",
    "Join",
    "ListOf",
    "Node",
    "NotationError",
    "ScheduleLike",
    "Strategy",
    "Value",
    "as_schedule",
    "as_strategy",
    "from_data",
    "is_schedule",
    "parse",
    "signatures",
    "to_data",
]
