"""A run that has not ended: its rates, its measurements, its controller, and when it is no longer training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from ratesmith.controllers import restore
from ratesmith.experiment.sharing import Rates, checked_factor
from ratesmith.experiment.trial import Point, Run, RunLayout, RunStatus, Trial
from ratesmith.task import Training

EXPLODED: Final = 1000.0
"""A loss this many times the first one's distance from zero (at least 1) above it is no longer training."""
SHOWN_RATES: Final = 256


class Diverged(Exception):  # noqa: N818  # it is an outcome that is counted, not an error
    """The loss is not finite, or exploded, at update number `step`."""

    def __init__(self, step: int, what: str, loss: float) -> None:
        """Say where and how."""
        super().__init__(f"{what} {loss:.3g} at step {step}")
        self.step = step


@dataclass
class RunRecord:
    """What a run leaves behind, growing while it is made."""

    curve: list[Point] = field(default_factory=list)
    rates: list[tuple[int, float]] = field(default_factory=list)
    events: list[tuple[int, str]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    """Training losses since the last measurement."""
    first_loss: float | None = None
    state: Any = ()
    """The controller's, after what it has observed."""
    seconds: float = 0.0
    shared: int = 0

    def to_data(self) -> dict[str, Any]:
        """Return plain data, all of it copied."""
        return {
            "curve": [list(point) for point in self.curve],
            "rates": [list(pair) for pair in self.rates],
            "events": [list(event) for event in self.events],
            "losses": list(self.losses),
            "first_loss": self.first_loss,
            "state": self.state,
            "seconds": self.seconds,
            "shared": self.shared,
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> RunRecord:
        """Read what `to_data` wrote."""
        return cls(
            curve=[Point(*point) for point in data["curve"]],
            rates=[(step, rate) for step, rate in data["rates"]],
            events=[(step, why) for step, why in data["events"]],
            losses=list(data["losses"]),
            first_loss=data["first_loss"],
            state=data["state"],
            seconds=data["seconds"],
            shared=data["shared"],
        )


class OpenRun:
    """A run that has not ended: its rates, its own measurements, its controller's state."""

    def __init__(self, trial: Trial, rates: Rates, layout: RunLayout, recorded: dict[str, Any] | None) -> None:
        """Go on from what is recorded of the trial, or begin."""
        self.trial, self.every, self.rates = trial, layout.every(trial.steps), rates
        self.show_every = max(1, trial.steps // SHOWN_RATES)
        self.table = rates.of(trial)  # one rate a step, shape (steps,); None for a controller
        self.controller = rates.controller(trial)
        self.record = RunRecord(state=self.controller.init())
        if recorded is not None:
            self.record = RunRecord.from_data(recorded)
            # JSON has no named tuples: the state comes back as lists.
            self.record.state = restore(self.controller, self.record.state)
        self.limit = math.inf if self.record.first_loss is None else _limit(self.record.first_loss)

    def rate(self, step: int) -> float:
        """Return the absolute rate of an update."""
        if self.table is not None:
            return self.table[step]
        # The same product as a table's, so that a controller that has not acted yet shares with the constant rate.
        factor = self.controller.value(self.record.state, self.rates.at(self.trial, step))
        return self.trial.base_lr * checked_factor(self.trial, factor, step)

    def note(self, step: int, lr: float, loss: float) -> None:
        """Note an update's loss, or raise Diverged."""
        record = self.record
        if step % self.show_every == 0:
            record.rates.append((step, lr))  # before the loss is judged: the rate at which it diverged is of interest
        if not -math.inf < loss < self.limit:  # so written, NaN diverges too
            raise Diverged(step, "training loss", loss)
        if record.first_loss is None:
            record.first_loss = loss
            self.limit = _limit(loss)
        record.losses.append(loss)

    def measures(self, step: int) -> bool:
        """Whether it is measured after so many updates."""
        return step % self.every == 0 or step == self.trial.steps

    def next_measured(self, step: int) -> int:
        """Return after how many updates it is measured next."""
        return min(self.trial.steps, step - step % self.every + self.every)

    def observe(self, step: int, metrics: dict[str, float]) -> None:
        """Take in a measurement made after `step` updates, or raise Diverged."""
        record = self.record
        # The first weights' loss is taken as it is: there is nothing yet that it could have exploded from. A script may
        # report other metrics than a loss, and its first measurement may come late.
        loss = metrics.get("loss", 0.0)
        first = record.curve[0].metrics.get("loss", 0.0) if record.curve else math.inf
        if step and not -math.inf < loss < _limit(first):
            raise Diverged(step - 1, "validation loss", loss)
        # Exactly rounded, so the mean is the same however often the run was interrupted.
        mean = math.fsum(record.losses) / len(record.losses) if record.losses else None
        record.curve.append(Point(step, mean, metrics))
        record.losses.clear()
        if step:  # at step 0 nothing was trained that a controller could hear of
            # A shorter run is the whole one, stretched: its controller counts in steps of the whole one.
            whole = self.rates.at(self.trial, step)
            before, record.state = record.state, self.controller.observe(record.state, whole, metrics)
            if why := self.controller.why(before, record.state):
                record.events.append((step, why))

    def ended(self, status: RunStatus, updates: int, message: str = "", shared_with: str = "") -> Run:
        """Return the finished run."""
        record = self.record
        return Run(
            trial=self.trial,
            status=status,
            updates=updates,
            seconds=record.seconds,
            metrics=record.curve[-1].metrics if status == RunStatus.DONE else {},
            curve=tuple(record.curve),
            rates=tuple(record.rates),
            events=tuple(record.events),
            message=message,
            shared=record.shared,
            shared_with=shared_with if record.shared else "",
        )


def measure(training: Training, split: str = "validation") -> dict[str, float]:
    """Return the metrics of a split as plain numbers; raise TypeError if they are none, or lack the loss."""
    measured = dict(training.evaluate(split))
    try:
        plain = {str(name): float(value) for name, value in measured.items()}
    except (TypeError, ValueError):
        raise TypeError(f"Task: metrics must be numbers, got {measured!r}; give plain floats by name") from None
    if "loss" not in plain:
        raise TypeError(f"Task: metrics must include 'loss', got {sorted(plain)}; report the loss by that name")
    return plain


def _limit(first: float) -> float:
    """Return the loss at which a run has exploded, from its first."""
    return first + EXPLODED * max(1.0, abs(first)) if math.isfinite(first) else math.inf
