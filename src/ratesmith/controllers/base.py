"""What every controller is: frozen options, and a state of plain numbers that goes in and comes out."""

from __future__ import annotations

import abc
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from ratesmith._checks import LARGEST
from ratesmith.schedule import Constant, Schedule

State = TypeVar("State")


class Controller(Protocol[State]):
    """A rate that may listen: a schedule is the controller whose state is empty.

    `init` gives the first state; `observe` takes a state and a measurement and gives the next state; `value` gives
    the factor for a step. Nothing is kept in the controller, so saving a run is saving the state.
    """

    def init(self) -> State:
        """Give the state before any measurement."""

    def observe(self, state: State, step: int, metrics: Mapping[str, float]) -> State:
        """Give the state after a measurement made when `step` updates were done."""

    def value(self, state: State, step: int) -> float:
        """Give the factor of the base rate for the update number `step`, counted from 0."""


class Adaptive(abc.ABC, Generic[State]):
    """Base of the controllers that listen: it lets them be multiplied with schedules and with each other."""

    @abc.abstractmethod
    def init(self) -> State:
        """Give the state before any measurement."""

    @abc.abstractmethod
    def observe(self, state: State, step: int, metrics: Mapping[str, float]) -> State:
        """Give the state after a measurement made when `step` updates were done."""

    @abc.abstractmethod
    def value(self, state: State, step: int) -> float:
        """Give the factor of the base rate for the update number `step`, counted from 0."""

    def __mul__(self, other: Any) -> Together:
        """Multiply with a schedule, another controller or a number."""
        if isinstance(other, numbers.Real):
            return Together((self, Constant(float(other))))
        return Together((self, other)) if isinstance(other, (Schedule, Adaptive)) else NotImplemented

    def __rmul__(self, other: Any) -> Together:
        """Multiply with a schedule or a number on the left."""
        if isinstance(other, numbers.Real):
            return Together((Constant(float(other)), self))
        return Together((other, self)) if isinstance(other, (Schedule, Adaptive)) else NotImplemented


@dataclass(frozen=True)
class Together(Adaptive[tuple[Any, ...]]):
    """Controllers multiplied: each keeps its own state and hears every measurement, so none erases another.

    Formula: the product of the parts' values. The state is one state per part.

    >>> from ratesmith import Plateau, Ramp
    >>> both = Ramp(1.0, 0.0, 10) * Plateau(patience=0, factor=0.5)
    >>> state = both.init()
    >>> for loss in (1.0, 1.0):
    ...     state = both.observe(state, 5, {"loss": loss})
    >>> both.value(state, 5)
    0.25
    """

    parts: tuple[Controller[Any], ...]

    def init(self) -> tuple[Any, ...]:
        """Give one first state per part."""
        return tuple(part.init() for part in self.parts)

    def observe(self, state: tuple[Any, ...], step: int, metrics: Mapping[str, float]) -> tuple[Any, ...]:
        """Let every part hear the measurement."""
        return tuple(part.observe(own, step, metrics) for part, own in zip(self.parts, state, strict=True))

    def value(self, state: tuple[Any, ...], step: int) -> float:
        """Give the product of the parts' values."""
        value = 1.0
        for part, own in zip(self.parts, state, strict=True):
            value = min(max(value * part.value(own, step), -LARGEST), LARGEST)
        return value
