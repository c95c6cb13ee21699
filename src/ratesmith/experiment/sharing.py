"""Sharing: for how long trials are the same training, which is known before anything is trained.

Two trials of one task, optimizer and seed are one training as long as their rates are equal, step by step. A schedule
is a pure function of the step, so its rates are worked out beforehand; a controller is followed while the training goes
on.

Trials that begin alike go on a *branch* together. If the rates of some become others, these *fork*: a new branch, with
the saved state, goes its own way from there. A *checkpoint* is a branch that was saved on the way.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import numpy as np

from ratesmith._checks import OptionValueError
from ratesmith.controllers import Controller
from ratesmith.experiment.trial import Trial
from ratesmith.horizon import Horizon
from ratesmith.schedule import Schedule
from ratesmith.strategy import as_schedule
from ratesmith.strategy.contender import notation_of, optimizer_of

LEAST_SHARED: Final = 8
"""A beginning shorter than this is cheaper to train twice than to save and load."""


@dataclass(frozen=True)
class Branch:
    """Trials that go on from one point of one training, with what is recorded of each up to there.

    `records` has one entry a trial, as `open_run.RunRecord.to_data` writes it; empty at the beginning. `state` is the
    training's saved state: a file's path, or its content if no folder is shared.
    """

    trials: tuple[Trial, ...]
    step: int = 0
    records: tuple[dict[str, Any], ...] = ()
    state: str | bytes | None = None
    digest: str = ""
    """SHA-256 of the state's bytes: a torn file is noticed."""
    shared_with: str = ""
    """The strategy that made the updates up to here."""
    next_loss: float | None = None
    """The next update's loss in the training that it left: of the same weights and batch, so it must come again."""

    def only(self, trials: frozenset[Trial] | set[Trial]) -> Branch:
        """Return the branch with these of its trials alone."""
        kept = [place for place, trial in enumerate(self.trials) if trial in trials]
        return replace(
            self,
            trials=tuple(self.trials[place] for place in kept),
            records=tuple(self.records[place] for place in kept) if self.records else (),
        )

    def restarted(self) -> Branch:
        """Return the same trials from the very beginning."""
        return Branch(self.trials)


class Fork(NamedTuple):
    """A worker's word that these of its trials go on elsewhere."""

    branch: Branch


class Checkpoint(NamedTuple):
    """A worker's word that it has saved its branch on the way: should its process die, it goes on from here."""

    branch: Branch


class FinalState(NamedTuple):
    """A worker's word that it has saved the state at the end of a trial: its path, or its content."""

    trial: Trial
    state: str | bytes


@dataclass
class Rates:
    """The rates of every trial of a task, each strategy's factors worked out once."""

    whole: int
    """Updates of a whole run: strategies are built for that length, and a shorter run is that one, stretched."""
    steps_per_epoch: int | None
    functions: Mapping[str, Callable[[int], float]]
    _factors: dict[tuple[str, int], array[float]] = field(default_factory=dict)
    """By notation and steps: one factor a step; empty for a controller."""

    def controller(self, trial: Trial) -> Controller[Any]:
        """Return the trial's schedule or controller, built for a whole run."""
        return as_schedule(notation_of(trial.strategy), Horizon(self.whole, self.steps_per_epoch), self.functions)

    def at(self, trial: Trial, step: int) -> int:
        """Return the step of the whole run that a step of this trial stands for.

        >>> Rates(100, 10, {}).at(Trial("cosine()", 0.1, 0, 25), 5)
        20
        """
        return step if trial.steps == self.whole else step * self.whole // trial.steps

    def values(self, schedule: Schedule, trial: Trial) -> Iterable[float]:
        """Return the factors of a trial's updates."""
        return (schedule.value((), self.at(trial, step)) for step in range(trial.steps))

    def of(self, trial: Trial) -> array[float] | None:
        """Return a schedule's rate at every step; None for a controller, whose rates the metrics decide.

        Raise ValueError if a factor is negative or not finite.
        """
        key = notation_of(trial.strategy), trial.steps
        if key not in self._factors:  # kept by strategy, not by trial: rates and seeds differ in thousands of trials
            controller = self.controller(trial)
            factors = array("d")
            if isinstance(controller, Schedule):
                values = self.values(controller, trial)
                factors.extend(checked_factor(trial, value, step) for step, value in enumerate(values))
            self._factors[key] = factors
        factors = self._factors[key]
        # One multiplication in double precision, as OpenRun.rate makes it: equal rates are then equal bits.
        return array("d", (trial.base_lr * np.frombuffer(factors)).tobytes()) if factors else None

    def first(self, trial: Trial) -> array[float]:
        """Return the rates of a trial until something is measured: all of a schedule's, a controller's first few."""
        table = self.of(trial)
        if table is not None:
            return table
        controller = self.controller(trial)
        state = controller.init()
        # As if nothing were measured within these steps: if something is, trials that hear otherwise fork there.
        values = (controller.value(state, self.at(trial, step)) for step in range(min(trial.steps, LEAST_SHARED)))
        return array("d", (trial.base_lr * value for value in values))


def checked_factor(trial: Trial, factor: float, step: int) -> float:
    """Return a factor that a rate can be made of; raise ValueError for another."""
    if not 0.0 <= factor < math.inf:
        raise OptionValueError(
            f"{trial.strategy}: a factor must be finite and at least 0, got {factor!r} at step {step}; "
            "give a rule that stays positive"
        )
    return float(factor)


class Arrangement(NamedTuple):
    """Which trials start together, and what that saves at the least."""

    branches: tuple[Branch, ...]
    planned: int
    """Updates of all trials, each trained alone."""
    run: int
    """Updates to be made, counting a controller as if it shared nothing."""


def arrange(trials: Iterable[Trial], rates: Rates) -> Arrangement:
    """Put the trials of each seed and optimizer that begin with the same rates on one branch."""
    together: dict[tuple[int, str, bytes], list[Trial]] = {}
    for trial in trials:
        first = rates.first(trial)[:LEAST_SHARED]
        # One that is over sooner would look like no other: it shares only with those of its own length.
        together.setdefault((trial.seed, optimizer_of(trial.strategy), first.tobytes()), []).append(trial)
    branches = tuple(Branch(tuple(alike)) for alike in together.values())
    planned = sum(trial.steps for branch in branches for trial in branch.trials)
    counted: dict[tuple[tuple[str, float, int], ...], int] = {}
    run = 0
    for branch in branches:
        # Seeds differ in nothing that decides the rates, so each tree of rates is counted for one seed alone.
        key = tuple((trial.strategy, trial.base_lr, trial.steps) for trial in branch.trials)
        if key not in counted:
            counted[key] = _steps_of(branch, rates)
        run += counted[key]
    return Arrangement(branches, planned, run)


def _steps_of(branch: Branch, rates: Rates) -> int:
    tables = [(trial, rates.of(trial)) for trial in branch.trials]
    adaptive = sum(trial.steps for trial, table in tables if table is None)
    return adaptive + steps_of_tree([np.frombuffer(table) for _, table in tables if table is not None])


def steps_of_tree(tables: Sequence[Any]) -> int:
    """Return how many different updates there are, each shared beginning counted once.

    `tables`: an array of rates for each trial, of shape (steps,).

    >>> steps_of_tree([np.array([1, 1, 1, 1.0]), np.array([1, 1, 0.5, 0.5])])
    6
    """
    steps = 0
    waiting = [(list(tables), 0)]
    while waiting:
        # Invariant: all tables of a group are equal before step `at`, and those steps have been counted.
        group, at = waiting.pop()
        while group:
            # The leader's rates up to the first fork, or its end, are one stretch that all of the group share.
            leader = group[0]
            ends = [_first_difference(leader, other, at) for other in group[1:]]
            until = min([len(leader), *ends])
            steps += until - at
            at = until
            group = [table for table in group if len(table) > at]
            stay = [table for table in group if table[at] == group[0][at]]
            rest = [table for table in group if table[at] != group[0][at]]
            if rest:
                waiting.append((rest, at))
            group = stay  # those that left wait: they may still share with each other
    return steps


def _first_difference(first: Any, second: Any, at: int) -> int:
    """Return the first step from `at` on at which two differ, or the shorter one ends."""
    until = min(len(first), len(second))
    different = np.flatnonzero(first[at:until] != second[at:until])
    return at + int(different[0]) if len(different) else until
