"""A trial (strategy, initial rate, seed, steps), and the run that it becomes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

FINAL: Final = ("done", "diverged")
"""The statuses that training decides; a trial that ended otherwise is tried again by the next call."""
STATUSES: Final = (*FINAL, "failed", "timeout", "killed", "cancelled")


class Trial(NamedTuple):
    """One training to be made."""

    strategy: str
    """The strategy in notation, with every option settled."""
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
    """What `Training.evaluate` gave on the validation set."""


@dataclass(frozen=True)
class Run:
    """What happened in a trial.

    `status` is "done" or "diverged"; or "failed" (the task or the rule raised), "timeout", "killed" (its process died,
    three times) or "cancelled" (Ctrl-C). `metrics` are those of the validation set after the last step; only a run that
    is done has them. `rates` are (step, rate) pairs as they were used, at most a few hundred. `acts` are (step,
    sentence) pairs: what an adaptive strategy did, and why.
    """

    trial: Trial
    status: str
    steps: int
    """Updates of this run, those included that it shares."""
    seconds: float
    """Time from its beginning, or from where it parted from another, to its end."""
    metrics: dict[str, float] = field(default_factory=dict)
    curve: tuple[Point, ...] = ()
    rates: tuple[tuple[int, float], ...] = ()
    message: str = ""
    acts: tuple[tuple[int, str], ...] = ()
    shared: int = 0
    """How many of its first updates were another run's too, and were made once for both."""
    grew_from: str = ""
    """The strategy of the run that made them."""

    @property
    def diverged(self) -> bool:
        """Whether the loss exploded or was not finite."""
        return self.status == "diverged"

    @property
    def done(self) -> bool:
        """Whether it came to its end with a loss that training can have."""
        return self.status == "done"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            **self.trial._asdict(),
            "status": self.status,
            "made": self.steps,
            "seconds": self.seconds,
            "metrics": self.metrics,
            "curve": [list(point) for point in self.curve],
            "rates": [list(pair) for pair in self.rates],
            "message": self.message,
            "acts": [list(act) for act in self.acts],
            "shared": self.shared,
            "grew_from": self.grew_from,
        }


@dataclass(frozen=True)
class Plan:
    """What every run of a comparison has in common."""

    steps: int
    """Optimizer updates of a whole run."""
    evaluate_every: int
    """Updates between two measurements on the validation set."""
    steps_per_epoch: int = 1

    def every(self, steps: int) -> int:
        """Return the updates between two measurements of a run of this length: a shorter run is measured as often.

        >>> Plan(steps=1000, evaluate_every=100).every(250)
        25
        """
        return max(1, round(self.evaluate_every * steps / self.steps))


@dataclass(frozen=True)
class Bundle:
    """Trials that go on from one point of one training, with what is known of each up to there.

    `records` has one entry a trial, as `train.Record.to_data` gives it; empty at the beginning. `state` is the
    training's saved state: a file's path, or its content where no folder is shared.
    """

    trials: tuple[Trial, ...]
    step: int = 0
    records: tuple[dict[str, Any], ...] = ()
    state: str | bytes | None = None
    digest: str = ""
    """SHA-256 of the state's bytes: a torn file is noticed."""
    grew_from: str = ""
    next_loss: float | None = None
    """The next update's loss, as the training that it parted from had it: the loss of the same weights and batch."""

    def only(self, trials: frozenset[Trial] | set[Trial]) -> Bundle:
        """Return the bundle with these of its trials alone."""
        kept = [place for place, trial in enumerate(self.trials) if trial in trials]
        return replace(
            self,
            trials=tuple(self.trials[place] for place in kept),
            records=tuple(self.records[place] for place in kept) if self.records else (),
        )

    def again(self) -> Bundle:
        """Return the same trials from the very beginning."""
        return Bundle(self.trials)


class Parted(NamedTuple):
    """A job's word that these of its trials go on elsewhere."""

    bundle: Bundle


class Kept(NamedTuple):
    """A job's word that it has saved the state at the end of a trial: its path, or its content."""

    trial: Trial
    state: str | bytes


class Reached(NamedTuple):
    """A job's word that it has saved itself on the way: should its process die, it goes on from here."""

    bundle: Bundle
