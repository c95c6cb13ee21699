"""Train the trials of a branch together: each as if alone, what they share made once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from ratesmith._text import one_line
from ratesmith.controllers import restore
from ratesmith.experiment.sharing import Branch, Checkpoint, FinalState, Fork, Rates, checked_factor
from ratesmith.experiment.trial import Point, Run, RunLayout, RunStatus, Trial
from ratesmith.task import Training

EXPLODED: Final = 1000.0
"""A loss this many times the first one's distance from zero (at least 1) above it is no longer training."""
SHOWN_RATES: Final = 256

Part = Run | FinalState | Fork | Checkpoint
"""What a worker sends on the way."""
Keep = Callable[[Training, str], tuple[str | bytes, str]]
"""Saves a training's state under a name; returns where it is, or what it is, and its digest."""


class Diverged(Exception):  # noqa: N818  # it is an outcome that is counted, not an error
    """The loss is not finite, or exploded, at update number `step`."""

    def __init__(self, step: int, what: str, loss: float) -> None:
        """Say where and how."""
        super().__init__(f"{what} loss {loss:.3g} at step {step}")
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
        self.table = rates.of(trial)
        self.controller = rates.controller(trial)
        self.record = RunRecord(state=self.controller.init())
        if recorded is not None:
            self.record = RunRecord.from_data(recorded)
            self.record.state = restore(self.controller, self.record.state)
        self.limit = math.inf if self.record.first_loss is None else _limit(self.record.first_loss)

    def rate(self, step: int) -> float:
        """Return the absolute rate of an update."""
        if self.table is not None:
            return self.table[step]
        factor = self.controller.value(self.record.state, self.rates.at(self.trial, step))
        return self.trial.base_lr * checked_factor(self.trial, factor, step)

    def note(self, step: int, lr: float, loss: float) -> None:
        """Note an update's loss, or raise Diverged."""
        record = self.record
        if step % self.show_every == 0:
            record.rates.append((step, lr))
        if not -math.inf < loss < self.limit:  # so written, NaN diverges too
            raise Diverged(step, "training", loss)
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
        if record.curve and not -math.inf < metrics["loss"] < _limit(record.curve[0].metrics["loss"]):
            raise Diverged(step - 1, "validation", metrics["loss"])
        mean = math.fsum(record.losses) / len(record.losses) if record.losses else None
        record.curve.append(Point(step, mean, metrics))
        record.losses.clear()
        if step:
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


class Ending(NamedTuple):
    """A run that ends."""

    run: OpenRun
    status: RunStatus
    updates: int
    message: str


class BranchTrainer:
    """The training of a branch: it gives runs as they end, forks where rates part, and checkpoints on the way.

    The trial that stands first leads. A trial whose rate is no longer equal to the leader's leaves, on a fork with all
    that leave with the same rate, and the state is saved there. Iterating `train` is training.

    Invariants: before each update all open runs have had the same rate at every step, so weights, batches and losses
    are those that each would have had alone. Whatever ends or forks is sent before the next update is made.
    """

    def __init__(
        self, branch: Branch, training: Training, rates: Rates, layout: RunLayout, keep: Keep, finals: bool = False
    ) -> None:
        """Take up the branch's trials; `training` is at its step. `finals` keeps the states at the end too."""
        records = branch.records or (None,) * len(branch.trials)
        self.runs: list[OpenRun] = []
        self.refused: list[Run] = []
        for trial, record in zip(branch.trials, records, strict=True):
            try:
                self.runs.append(OpenRun(trial, rates, layout, record))
            except ValueError as error:  # a rule of the user's own that went wrong
                self.refused.append(Run(trial, RunStatus.FAILED, branch.step, 0.0, message=one_line(error)))
        self.training, self.keep, self.finals, self.step = training, keep, finals, branch.step
        self.shared_with, self.expected = branch.shared_with, branch.next_loss
        self.began = time.perf_counter()

    def train(self, checkpoint_seconds: float) -> Iterator[Part]:
        """Train to the end of every trial that stays on the branch."""
        yield from self.refused
        saved = time.perf_counter()
        if self.step == 0:
            yield from self._measure()
        due = self._due()
        while self.runs:
            forks: list[Branch] = []
            # A schedule alone on its branch can leave nobody; a controller may fail, so it is asked each time.
            if len(self.runs) > 1 or self.runs[0].table is None:
                for part in self._fork():
                    if isinstance(part, Run):
                        yield part
                    else:
                        forks.append(part)
                if not self.runs:
                    return
            lr, loss = self.runs[0].rate(self.step), None
            try:
                loss = self.training.step(lr)
            finally:
                # Sent after the update, since its loss, of the weights and the batch before it, is what each fork's
                # own first loss must be; and in any case, since these trials are no longer this branch's.
                for branch in forks:
                    yield Fork(replace(branch, next_loss=loss))
            if self.expected is not None and repr(loss) != repr(self.expected):  # repr: NaN is not equal to itself
                # The saved state does not go on as the training did: each begins anew, and by itself.
                yield from (Fork(Branch((run.trial,))) for run in self.runs)
                return
            self.expected = None
            if endings := self._note(lr, loss):
                yield from self._end(endings)
            self.step += 1
            if self.step == due:
                yield from self._measure()
                due = self._due()
            if time.perf_counter() - saved > checkpoint_seconds and self.runs:
                state = self.keep(self.training, f"{self._name()} checkpoint {self.step}")
                yield Checkpoint(self._branch(self.runs, *state, self.shared_with))
                saved = time.perf_counter()

    def fail(self, message: str) -> Iterator[Run]:
        """End what is left, because the task raised."""
        yield from self._end([Ending(run, RunStatus.FAILED, self.step, message) for run in self.runs])

    def _due(self) -> int:
        """Return the number of updates after which some run is measured next."""
        return min((run.next_measured(self.step) for run in self.runs), default=0)

    def _note(self, lr: float, loss: float) -> list[Ending]:
        """Note an update for every run; return those that it ends."""
        endings: list[Ending] = []
        for run in self.runs:
            try:
                run.note(self.step, lr, loss)
            except Diverged as outcome:
                endings.append(Ending(run, RunStatus.DIVERGED, outcome.step + 1, str(outcome)))
        return endings

    def _measure(self) -> Iterator[Run | FinalState]:
        """Measure for those whose turn it is, and end those that diverged or whose last update this was."""
        if not any(run.measures(self.step) for run in self.runs):
            return  # those whose turn it was have ended or left
        metrics = measure(self.training)
        endings: list[Ending] = []
        for run in self.runs:
            if not run.measures(self.step):
                continue
            try:
                run.observe(self.step, metrics)
            except Diverged as outcome:
                endings.append(Ending(run, RunStatus.DIVERGED, outcome.step + 1, str(outcome)))
            except (ValueError, TypeError) as error:  # a controller's own
                endings.append(Ending(run, RunStatus.FAILED, self.step, one_line(error)))
            else:
                if run.trial.steps == self.step:
                    endings.append(Ending(run, RunStatus.DONE, self.step, ""))
                    if self.finals:
                        yield FinalState(run.trial, self.keep(self.training, repr(tuple(run.trial)))[0])
        if endings:
            yield from self._end(endings)

    def _end(self, endings: list[Ending]) -> Iterator[Run]:
        """Give the runs that end here.

        Each update counts once: as the own of one run, the owner, and as shared for all others. The owner goes on if
        any does; else it is the first that ends.
        """
        self._clock()
        over = [ending.run for ending in endings]
        owner = next((run for run in self.runs if run not in over), over[0])
        for run, status, updates, message in endings:
            self.runs.remove(run)
            if run is not owner:
                run.record.shared = updates
            yield run.ended(status, updates, message, self.shared_with if run is owner else owner.trial.strategy)

    def _clock(self) -> None:
        """Add the time since the last call to every run, for it was the time of each."""
        now = time.perf_counter()
        for run in self.runs:
            run.record.seconds += now - self.began
        self.began = now

    def _fork(self) -> Iterator[Branch | Run]:
        """Let those go whose next rate is another than the leader's; each rate is a branch of its own."""
        lr: float | None = None
        leaving: dict[float, list[OpenRun]] = {}
        for run in tuple(self.runs):
            try:
                rate = run.rate(self.step)
            except (ValueError, TypeError) as error:
                yield from self._end([Ending(run, RunStatus.FAILED, self.step, one_line(error))])
                continue
            if lr is None:
                lr = rate
            elif rate != lr:
                leaving.setdefault(rate, []).append(run)
        if not leaving:
            return
        self._clock()
        leader = self.runs[0].trial.strategy
        # All forks begin with one file; at step 0 there is nothing to save.
        state, digest = self.keep(self.training, self._name()) if self.step else (None, "")
        for runs in leaving.values():
            for run in runs:
                self.runs.remove(run)
                run.record.shared, run.record.seconds = self.step, 0.0
            branch = self._branch(runs, state, digest, leader)
            yield branch if self.step else branch.restarted()

    def _name(self) -> str:
        """Name a state by the training it is of."""
        return repr((*self.runs[0].trial, self.step))

    def _branch(self, runs: list[OpenRun], state: str | bytes | None, digest: str, shared_with: str) -> Branch:
        self._clock()
        records = tuple(run.record.to_data() for run in runs)
        return Branch(tuple(run.trial for run in runs), self.step, records, state, digest, shared_with)


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
