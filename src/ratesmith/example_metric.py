"""An example of what controllers listen to, so that they can be drawn before anything is measured."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ratesmith.controllers import Adaptive, Chained, Controller, SpikeGuard
from ratesmith.describe import Breakpoints
from ratesmith.horizon import Horizon

MEASURED: Final = 50
"""Times that the example is measured, if it is not known what an epoch is."""
STOPS: Final = 0.6
"""The share of training after which the example improves no more."""
SPIKES: Final = 0.8
"""The share of training after which the example jumps once, if a spike guard listens."""
SPIKE: Final = 20.0
"""How many times higher it is then."""


@dataclass(frozen=True)
class Measurements:
    """Measurements after so many updates, of each metric by its name and by the mode in which it is judged."""

    steps: tuple[int, ...]
    values: dict[tuple[str, str], tuple[float, ...]]
    text: str
    """What they are, in one sentence."""


@dataclass(frozen=True)
class ControllerCurve:
    """A controller's states over training: what it was after each measurement."""

    controller: Controller[Any]
    steps: tuple[int, ...]
    states: tuple[Any, ...]
    """One more than the steps: the first is that before any measurement."""

    def at(self, step: int) -> float:
        """Return the factor of an update."""
        return float(self.controller.value(self.states[bisect_right(self.steps, step)], step))

    @property
    def changes(self) -> list[int]:
        """The steps at which a measurement changed the factor."""
        pairs = zip(self.steps, self.states, self.states[1:], strict=False)
        value = self.controller.value
        return [step for step, before, after in pairs if value(before, step) != value(after, step)]

    def breakpoints(self, since: int, until: int) -> list[int]:
        """Return the steps after one step and up to another at which the factor changes its shape."""
        inner: Breakpoints = getattr(self.controller, "breakpoints", lambda since, until: [])
        own = {step for step in self.changes if since < step <= until}
        return sorted(own.union(inner(since, until)))


def follow(controller: Controller[Any], measurements: Measurements | None) -> ControllerCurve:
    """Return what a controller does over these measurements; without any, what it does by itself."""
    states = [controller.init()]
    if measurements is None:
        return ControllerCurve(controller, (), tuple(states))
    values_of = {part.metric: measurements.values[part.metric, mode_of(part)] for part in listeners(controller)}
    for place, step in enumerate(measurements.steps):
        metrics = {metric: values[place] for metric, values in values_of.items()}
        states.append(controller.observe(states[-1], step, metrics))
    return ControllerCurve(controller, measurements.steps, tuple(states))


def listeners(controller: Any) -> list[Any]:
    """Return the parts of a controller that listen to a metric."""
    parts = controller.parts if isinstance(controller, Chained) else (controller,)
    return [part for part in parts if isinstance(part, Adaptive)]


def mode_of(controller: Any) -> str:
    """Return whether a controller wants its metric small ("min") or large."""
    return getattr(controller, "mode", "min")


def example(controllers: Iterable[Controller[Any]], steps: int, horizon: Horizon | None) -> Measurements | None:
    """Return an example of what the controllers listen to, the same each time; None if none of them listens."""
    parts = [part for controller in controllers for part in listeners(controller)]
    if not parts:
        return None
    epoch = horizon.steps_per_epoch if horizon else None
    count = steps // epoch if epoch else min(MEASURED, steps)
    at = tuple((place + 1) * epoch if epoch else round((place + 1) * steps / count) for place in range(count))
    spikes = any(isinstance(part, SpikeGuard) for part in parts)
    losses = [_loss(step / steps) for step in at]
    if spikes and losses:
        losses[math.ceil(SPIKES * count) - 1] *= SPIKE
    # From 0.5 to 2.5 as a loss; as an accuracy from 0.25 to 0.85.
    values = {
        (part.metric, mode_of(part)): tuple(loss if mode_of(part) == "min" else 1 - 0.3 * loss for loss in losses)
        for part in parts
    }
    jump = f" and jumps once at {100 * SPIKES:.0f} %" if spikes else ""
    often = "once an epoch" if epoch else f"{count} times"
    text = f"Drawn on an example metric that stops improving at {100 * STOPS:.0f} %{jump}, measured {often}"
    return Measurements(at, values, text)


def _loss(share: float) -> float:
    """Return the example's loss: an exponential from 2.5 that reaches 0.5, still falling, where it stops."""
    passed = min(1.0, share / STOPS)
    return 0.5 + 2.0 * (math.exp(-3 * passed) - math.exp(-3)) / (1 - math.exp(-3))
