"""What every controller is: frozen options, and a state of plain numbers that goes in and comes out."""

from __future__ import annotations

import abc
import dataclasses
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ratesmith import _text
from ratesmith._checks import LARGEST, Option, OptionTypeError, OptionValueError, finite
from ratesmith._display import Displayed
from ratesmith._field_checks import check_fields, derive
from ratesmith.schedule import Constant, Product, Schedule, Sequence, Sum

State = TypeVar("State")


class Controller(Protocol[State]):
    """A rate that may listen: a schedule is the controller whose state is empty.

    `init` gives the first state; `observe` takes a state and a measurement and gives the next state; `value` gives
    the factor for a step; `why` says what a measurement changed. Nothing is kept in the controller, so saving a run is
    saving the state.
    """

    def init(self) -> State:
        """Return the state before any measurement."""

    def observe(self, state: State, step: int, metrics: Mapping[str, float]) -> State:
        """Return the state after a measurement made when `step` updates were done."""

    def value(self, state: State, step: int) -> float:
        """Return the factor of the base rate for the update number `step`, counted from 0."""

    def why(self, before: State, after: State) -> str:
        """Return what it did between two states, and why; nothing if it did nothing."""


class Adaptive(Displayed, abc.ABC, Generic[State]):
    """Base of the controllers that listen: it lets them be multiplied with schedules and with each other.

    A subclass is a frozen dataclass of its options. Its state is a NamedTuple of numbers, None and tuples of numbers,
    so that `json.dumps(state)` saves it and `restore` reads it back.
    """

    lengths: ClassVar[tuple[str, ...]] = ()
    """The options that are lengths: notation reads them against the horizon."""

    def __post_init__(self) -> None:
        """Check the options that declare what they must be."""
        check_fields(self)

    @abc.abstractmethod
    def init(self) -> State:
        """Return the state before any measurement."""

    @abc.abstractmethod
    def observe(self, state: State, step: int, metrics: Mapping[str, float]) -> State:
        """Return the state after a measurement made when `step` updates were done."""

    @abc.abstractmethod
    def value(self, state: State, step: int) -> float:
        """Return the factor of the base rate for the update number `step`, counted from 0."""

    def why(self, before: State, after: State) -> str:
        """Return what it did between two states, and why; nothing if it did nothing."""
        return ""

    def __str__(self) -> str:
        """Return the notation that reads back to this controller."""
        return _text.call(self) if dataclasses.is_dataclass(self) else repr(self)

    def __mul__(self, other: Any) -> Chained:
        """Multiply with a schedule, another controller or a number."""
        if isinstance(other, numbers.Real):
            other = Constant(float(other))
        parts: tuple[Any, ...] = (self, other)
        return Chained(parts) if isinstance(other, (Schedule, Adaptive)) else NotImplemented

    def __rmul__(self, other: Any) -> Chained:
        """Multiply with a schedule or a number on the left."""
        if isinstance(other, numbers.Real):
            other = Constant(float(other))
        parts: tuple[Any, ...] = (other, self)
        return Chained(parts) if isinstance(other, (Schedule, Adaptive)) else NotImplemented


@dataclass(frozen=True)
class Chained(Adaptive[tuple[Any, ...]]):
    """Controllers multiplied: each keeps a state of its own and takes in every measurement, so none erases another.

    Formula: the product of the parts' values. The state is one state per part. Those inside are opened, and schedules
    side by side become one product.

    >>> from ratesmith import Plateau, Ramp
    >>> both = Ramp(1.0, 0.0, 10) * Plateau(patience=0, factor=0.5)
    >>> state = both.init()
    >>> for loss in (1.0, 1.0):
    ...     state = both.observe(state, 5, {"loss": loss})
    >>> both.value(state, 5), both.why(both.init(), state)
    (0.25, 'plateau: loss had not improved for 1 measurement, best 1; rate cut to 0.5')
    """

    parts: tuple[Controller[Any], ...]

    def __post_init__(self) -> None:
        """Open those inside, and multiply schedules that stand side by side."""
        flat: list[Any] = []
        for part in self.parts:
            if not hasattr(part, "observe"):
                must = f" must each be a schedule or a controller, got {part!r}; give these"
                raise OptionTypeError("Chained: ", Option("parts"), must)
            for inner in part.parts if isinstance(part, Chained) else (part,):
                if flat and isinstance(inner, Schedule) and isinstance(flat[-1], Schedule):
                    flat[-1] = Product((flat[-1], inner))
                else:
                    flat.append(inner)
        if len(flat) < 2:
            must = f" must be at least two, got {len(flat)}; use the one itself"
            raise OptionValueError("Chained: ", Option("parts"), must)
        derive(self, parts=tuple(flat))

    def __str__(self) -> str:
        """Return the parts with * between them."""
        loose = (Sequence, Sum, Product)
        return " * ".join(f"({part})" if isinstance(part, loose) else str(part) for part in self.parts)

    def init(self) -> tuple[Any, ...]:
        """Return one first state per part."""
        return tuple(part.init() for part in self.parts)

    def observe(self, state: tuple[Any, ...], step: int, metrics: Mapping[str, float]) -> tuple[Any, ...]:
        """Let every part take in the measurement."""
        return tuple(part.observe(each, step, metrics) for part, each in zip(self.parts, state, strict=True))

    def value(self, state: tuple[Any, ...], step: int) -> float:
        """Return the product of the parts' values."""
        value = 1.0
        for part, each in zip(self.parts, state, strict=True):
            value = min(max(value * part.value(each, step), -LARGEST), LARGEST)
        return value

    def breakpoints(self, since: int, until: int) -> list[int]:
        """Return the steps after `since` and up to `until` at which the formula of one of its schedules changes."""
        schedules = [part for part in self.parts if isinstance(part, Schedule)]
        return sorted({step for part in schedules for step in part.breakpoints(since, until)})

    def why(self, before: tuple[Any, ...], after: tuple[Any, ...]) -> str:
        """Return what every part did."""
        reasons = (part.why(old, new) for part, old, new in zip(self.parts, before, after, strict=True))
        return "; ".join(reason for reason in reasons if reason)


def restore(controller: Controller[State], data: Any) -> State:
    """Return the state that was saved as JSON: `restore(controller, json.loads(json.dumps(state))) == state`.

    Raise ValueError if the data is no state of this controller.

    >>> import json
    >>> from ratesmith import Plateau
    >>> plateau = Plateau(patience=2)
    >>> state = plateau.observe(plateau.init(), 0, {"loss": 1.0})
    >>> restore(plateau, json.loads(json.dumps(state))) == state
    True
    """
    state: State = _shaped(controller.init(), data, controller)
    return state


def _shaped(like: Any, data: Any, controller: Any) -> Any:
    whole = isinstance(data, (list, tuple)) and (not hasattr(like, "_fields") or len(data) == len(like))
    if not isinstance(like, tuple) and (data is None or _is_number(data)):
        return data
    if not isinstance(like, tuple) or not whole:
        raise ValueError(
            f"restore: the state must be one of {controller}, got {data!r}; load the state of this controller"
        )
    if hasattr(like, "_fields"):
        return type(like)(*(_shaped(each, value, controller) for each, value in zip(like, data, strict=True)))
    if any(isinstance(each, tuple) for each in like):  # the states of controllers multiplied
        if len(data) != len(like):
            raise ValueError(f"restore: the state must have {len(like)} parts, got {len(data)}; load the right one")
        return tuple(_shaped(each, value, controller) for each, value in zip(like, data, strict=True))
    if not all(map(_is_number, data)):
        raise ValueError(f"restore: the state must hold numbers, got {data!r}; load the state of this controller")
    return tuple(data)


def _is_number(data: Any) -> bool:
    return isinstance(data, (int, float)) and not isinstance(data, bool) and data == data  # not NaN


def check_metric(thing: str, option: str, metric: Any) -> str:
    """Return a metric's name; refuse one that is no text that can be written."""
    if not isinstance(metric, str) or not metric.isprintable():
        raise OptionTypeError(f"{thing}: ", Option(option), f' must be a name, got {metric!r}; write {option}="loss"')
    return metric


def check_factor(thing: str, option: str, factor: Any) -> float:
    """Return a factor that cuts, from 0 to below 1."""
    number = finite(thing, option, factor, least=0.0, most=1.0)
    if number == 1.0:
        raise OptionValueError(f"{thing}: ", Option(option), " must be below 1, got 1.0; give a factor such as 0.1")
    return number


def check_word(thing: str, option: str, word: Any, words: tuple[str, ...]) -> str:
    """Return a word, or refuse it if it is none of those there are."""
    if not isinstance(word, str) or word not in words:
        must = f" must be {' or '.join(map(repr, words))}, got {word!r}; choose one"
        raise OptionValueError(f"{thing}: ", Option(option), must)
    return word


def not_finite(metric: str, before: int, after: int) -> list[str]:
    """Return a sentence if a measurement was not finite: the count of those has grown."""
    return [f"{metric} was not finite, which counts as no improvement ({after} so far)"] if after > before else []


def read_metric(thing: str, metric: str, metrics: Mapping[str, float]) -> float:
    """Return the measurement that a controller listens to, or raise an error that names those there are."""
    if metric not in metrics:
        measured = ", ".join(map(repr, metrics)) or "none"
        must = f" must be one that is measured, got {metric!r}; measured: {measured}"
        raise OptionValueError(f"{thing}: ", Option("metric"), must)
    return float(metrics[metric])


def improves(measured: float, best: float | None, threshold: float, threshold_mode: str, mode: str) -> bool:
    """Whether a measurement is better than the best so far by more than the threshold, whatever its sign.

    For mode "min": `measured < best - threshold` ("abs"), or `measured < best - threshold * |best|` ("rel"), computed
    as `best * (1 - threshold)` for a positive best. "torch" is torch's relative threshold, `best * (1 - threshold)` for
    any sign, which calls a negative loss that gets worse an improvement.
    """
    sign = 1.0 if mode == "min" else -1.0
    if best is None:
        return sign * measured < math.inf
    if threshold_mode == "abs":
        return sign * measured < sign * best - threshold
    falls = sign if threshold_mode == "torch" or best >= 0 else -sign
    return sign * measured < sign * best * (1.0 - falls * threshold)


def average(recent: tuple[float, ...], measured: float, most: int) -> tuple[tuple[float, ...], float]:
    """Return the last `most` measurements with this one, and their mean."""
    recent = (*recent, measured)[-most:]
    return recent, math.fsum(value / len(recent) for value in recent)


def plural(count: int, thing: str) -> str:
    """Return a count and its noun."""
    return f"{count} {thing}" + ("" if count == 1 else "s")
