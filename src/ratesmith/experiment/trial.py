"""A trial (strategy, initial rate, seed, steps), and the run that it becomes."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple


class RunStatus(enum.StrEnum):
    """How a run ended."""

    DONE = "done"
    """It came to its end with a loss that training can have."""
    DIVERGED = "diverged"
    """Its loss exploded or was not finite: an outcome, which is counted and never tried again."""
    FAILED = "failed"
    """The task or the strategy raised; the message says what and where."""
    TIMEOUT = "timeout"
    """It took longer than a trial may, and its process was stopped."""
    KILLED = "killed"
    """Its process died as often as it was tried."""
    CANCELLED = "cancelled"
    """Ctrl-C, or a signal that ends the command, came while it was trained."""


FINAL: Final = (RunStatus.DONE, RunStatus.DIVERGED)
"""What training itself decides; a trial that ended otherwise is tried again by the next call."""


class Trial(NamedTuple):
    """What is asked of one run."""

    strategy: str
    """The strategy in notation, with every option settled, as `cosine()`; of another optimizer as `muon: cosine()`."""
    base_lr: float
    """The initial rate: what the strategy's factors multiply."""
    seed: int
    steps: int
    """Updates of the whole run, to which the strategy is stretched."""


class Point(NamedTuple):
    """One measurement in the course of a run."""

    step: int
    """Updates made so far."""
    train_loss: float | None
    """Mean training loss since the measurement before; None at step 0."""
    metrics: dict[str, float]
    """What `Training.evaluate` returned for the validation set."""


@dataclass(frozen=True)
class Run:
    """What happened in a trial.

    `metrics` are those of the validation set after the last step; only a run that is done has them. `rates` are
    (step, rate) pairs as they were used, at most a few hundred. `events` are (step, sentence) pairs: what an adaptive
    strategy did, and why. The last four fields are kept and read back, and filled by nobody yet.
    """

    trial: Trial
    status: RunStatus
    updates: int
    """Updates that were made, those included that it shares."""
    seconds: float
    """Time from its beginning, or from where it left another, to its end."""
    metrics: dict[str, float] = field(default_factory=dict)
    curve: tuple[Point, ...] = ()
    rates: tuple[tuple[int, float], ...] = ()
    message: str = ""
    events: tuple[tuple[int, str], ...] = ()
    shared: int = 0
    """How many of its first updates were another run's too, and were made once for both."""
    shared_with: str = ""
    """The strategy of the run that made them."""
    task_version: str | None = None
    value_digests: dict[str, str] | None = None
    log_path: str | None = None
    traits: dict[str, float] | None = None

    @property
    def diverged(self) -> bool:
        """Whether the loss exploded or was not finite."""
        return self.status == RunStatus.DIVERGED

    @property
    def done(self) -> bool:
        """Whether it came to its end with a loss that training can have."""
        return self.status == RunStatus.DONE

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            **self.trial._asdict(),
            "status": self.status.value,
            "updates": self.updates,
            "seconds": self.seconds,
            "metrics": self.metrics,
            "curve": [list(point) for point in self.curve],
            "rates": [list(pair) for pair in self.rates],
            "message": self.message,
            "events": [list(event) for event in self.events],
            "shared": self.shared,
            "shared_with": self.shared_with,
            "task_version": self.task_version,
            "value_digests": self.value_digests,
            "log_path": self.log_path,
            "traits": self.traits,
        }


@dataclass(frozen=True)
class RunLayout:
    """What every run of a comparison has in common."""

    steps: int
    """Optimizer updates of a whole run."""
    evaluate_every: int
    """Updates between two measurements on the validation set."""
    steps_per_epoch: int | None = 1
    """Updates of one pass over the data; None if a script does not say."""
    folds: int = 0
    """Into how many parts the data is cut; the run of a seed is measured on the part `seed % folds`. 0: not at all."""

    def every(self, steps: int) -> int:
        """Return the updates between two measurements of a run of this length: a shorter run is measured as often.

        >>> RunLayout(steps=1000, evaluate_every=100).every(250)
        25
        """
        return max(1, round(self.evaluate_every * steps / self.steps))
