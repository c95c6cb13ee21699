"""Train the trials of a branch together: each as if alone, what they share made once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from ratesmith._text import one_line
from ratesmith.experiment.open_run import Diverged, OpenRun, measure
from ratesmith.experiment.sharing import Branch, Checkpoint, FinalState, Fork, Rates
from ratesmith.experiment.trial import Run, RunLayout, RunStatus
from ratesmith.task import Training, loss_of

Part = Run | FinalState | Fork | Checkpoint
"""What a worker sends on the way."""
Keep = Callable[[Training, str], tuple[str | bytes, str]]
"""Saves a training's state under a name; returns where it is, or what it is, and its digest."""


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
        # `expected`: the loss that the next update had in the training that this branch left; None if it left none.
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
                loss = loss_of(self.training.step(lr))
            finally:
                # Sent after the update, since its loss, of the weights and the batch before it, is what each fork's
                # own first loss must be; and in any case, since these trials are no longer this branch's.
                for branch in forks:
                    yield Fork(replace(branch, next_loss=loss))
            if self.expected is not None and repr(loss) != repr(self.expected):  # repr: NaN is not equal to itself
                # The saved state does not go on as the training did: each begins anew, and by itself.
                yield from (Fork(Branch((run.trial,))) for run in self.runs)
                return
            self.expected = None  # one update tells: from equal weights and random state the rest follows
            if endings := self._note(lr, loss):
                yield from self._end(endings)
            self.step += 1
            if self.step == due:
                yield from self._measure()
                due = self._due()  # after the measurement, since runs may have ended with it
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
                    if self.finals:  # before the run itself is sent: a run that is done has its state
                        yield FinalState(run.trial, self.keep(self.training, repr(tuple(run.trial)))[0])
        if endings:
            yield from self._end(endings)

    def _end(self, endings: list[Ending]) -> Iterator[Run]:
        """Yield the runs that end here.

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
            elif rate != lr:  # bits, not nearness: whoever is shared with must be the same training
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
                # All up to here is another's; the time from here on is its own.
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
