"""A trial (strategy, initial rate, seed), and the run that it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Trial(NamedTuple):
    """One training to be made."""

    strategy: str
    """The strategy in notation."""
    base_lr: float
    """The initial rate: what the strategy's factors multiply."""
    seed: int


class Point(NamedTuple):
    """One measurement in the course of a run."""

    step: int
    """Updates made so far."""
    train_loss: float | None
    """Mean training loss since the measurement before; None at step 0."""
    metrics: dict[str, float]
    """What `Training.evaluate` gave on the validation set."""


@dataclass(frozen=True)
class Run:
    """What happened in a trial.

    `status` is "done" or "diverged". `metrics` are those of the validation set after the last step; a diverged run
    has none. `rates` are (step, rate) pairs as they were used, at most a few hundred. `acts` are (step, sentence)
    pairs: what an adaptive strategy did, and why.
    """

    trial: Trial
    status: str
    steps: int
    seconds: float
    metrics: dict[str, float]
    curve: tuple[Point, ...]
    rates: tuple[tuple[int, float], ...]
    message: str = ""
    acts: tuple[tuple[int, str], ...] = ()

    @property
    def diverged(self) -> bool:
        """Whether the loss exploded or was not finite."""
        return self.status == "diverged"

    def to_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return {
            **self.trial._asdict(),
            "status": self.status,
            "steps": self.steps,
            "seconds": self.seconds,
            "metrics": self.metrics,
            "curve": [list(point) for point in self.curve],
            "rates": [list(pair) for pair in self.rates],
            "message": self.message,
            "acts": [list(act) for act in self.acts],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Run:
        """Read what `to_dict` gave."""
        return cls(
            trial=Trial(data["strategy"], data["base_lr"], data["seed"]),
            status=data["status"],
            steps=data["steps"],
            seconds=data["seconds"],
            metrics=data["metrics"],
            curve=tuple(Point(*point) for point in data["curve"]),
            rates=tuple((step, rate) for step, rate in data["rates"]),
            message=data["message"],
            acts=tuple((step, why) for step, why in data.get("acts", ())),  # earlier stored runs have none
        )


@dataclass(frozen=True)
class Plan:
    """What every run of a comparison has in common."""

    steps: int
    """Optimizer updates of a run."""
    evaluate_every: int
    """Updates between two measurements on the validation set."""
