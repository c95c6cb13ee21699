"""Trunks: for how long trials are the same training, which is known before anything is trained.

Two trials of one task and seed are one training as long as their rates are equal, step by step. A schedule is a pure
function of the step, so its rates are worked out beforehand; a controller is followed while the training goes on.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from ratesmith.controllers import Controller
from ratesmith.experiment.trial import Bundle, Trial
from ratesmith.horizon import Horizon
from ratesmith.schedule import Schedule
from ratesmith.strategy import as_schedule

LEAST_SHARED: Final = 8
"""A beginning shorter than this is cheaper to train twice than to save and load."""


@dataclass
class Rates:
    """The rates of every trial of a task, each strategy's factors worked out once."""

    whole: int
    """Updates of a whole run: strategies are built for that length, and a shorter run is that one, stretched."""
    steps_per_epoch: int
    functions: Mapping[str, Callable[[int], float]]
    _factors: dict[tuple[str, int], array[float]] = field(default_factory=dict)

    def controller(self, trial: Trial) -> Controller[Any]:
        """Return the trial's schedule or controller, built for a whole run."""
        return as_schedule(trial.strategy, Horizon(self.whole, self.steps_per_epoch), self.functions)

    def at(self, trial: Trial, step: int) -> int:
        """Return the step of the whole run that a step of this trial stands for.

        >>> Rates(100, 10, {}).at(Trial("cosine()", 0.1, 0, 25), 5)
        20
        """
        return step if trial.steps == self.whole else step * self.whole // trial.steps

    def of(self, trial: Trial) -> array[float] | None:
        """Return a schedule's rate at every step; None for a controller, whose rates the metrics decide.

        Raises ValueError where a factor is negative or not finite.
        """
        key = trial.strategy, trial.steps
        if key not in self._factors:
            controller = self.controller(trial)
            factors = array("d")
            if isinstance(controller, Schedule):
                steps = (self.at(trial, step) for step in range(trial.steps))
                factors.extend(sound(trial, controller.value((), step), step) for step in steps)
            self._factors[key] = factors
        factors = self._factors[key]
        return array("d", (trial.base_lr * np.frombuffer(factors)).tobytes()) if factors else None

    def unheard(self, trial: Trial) -> array[float]:
        """Return the rates of a trial as they are until something is measured: a schedule's are these throughout."""
        known = self.of(trial)
        if known is not None:
            return known
        controller = self.controller(trial)
        state = controller.init()
        values = (controller.value(state, self.at(trial, step)) for step in range(min(trial.steps, LEAST_SHARED)))
        return array("d", (trial.base_lr * value for value in values))


def sound(trial: Trial, factor: float, step: int) -> float:
    """Return a factor that a rate can be made of; raise ValueError for another."""
    if not 0.0 <= factor < math.inf:
        raise ValueError(
            f"{trial.strategy}: a factor must be finite and at least 0, got {factor!r} at step {step}; "
            "give a rule that stays positive"
        )
    return float(factor)


class Arrangement(NamedTuple):
    """Which trials start together, and what that saves at the least."""

    bundles: tuple[Bundle, ...]
    planned: int
    """Updates of all trials, each trained alone."""
    run: int
    """Updates to be made, counting a controller as if it shared nothing."""


def arrange(trials: Iterable[Trial], rates: Rates) -> Arrangement:
    """Bundle the trials of each seed that begin with the same rates."""
    together: dict[tuple[int, bytes], list[Trial]] = {}
    for trial in trials:
        first = rates.unheard(trial)[:LEAST_SHARED]
        # One that is over sooner would look like no other: it shares only with those of its own length.
        together.setdefault((trial.seed, first.tobytes()), []).append(trial)
    bundles = tuple(Bundle(tuple(members)) for members in together.values())
    planned = sum(trial.steps for bundle in bundles for trial in bundle.trials)
    known: dict[tuple[tuple[str, float, int], ...], int] = {}
    run = 0
    for bundle in bundles:  # seeds share their tree
        key = tuple((trial.strategy, trial.base_lr, trial.steps) for trial in bundle.trials)
        if key not in known:
            known[key] = _steps_of(bundle, rates)
        run += known[key]
    return Arrangement(bundles, planned, run)


def _steps_of(bundle: Bundle, rates: Rates) -> int:
    tables = [(trial, rates.of(trial)) for trial in bundle.trials]
    listening = sum(trial.steps for trial, table in tables if table is None)
    return listening + steps_of_tree([np.frombuffer(table) for _, table in tables if table is not None])


def steps_of_tree(tables: Sequence[Any]) -> int:
    """Return how many different updates there are, each shared beginning counted once.

    >>> steps_of_tree([np.array([1, 1, 1, 1.0]), np.array([1, 1, 0.5, 0.5])])
    6
    """
    steps = 0
    waiting = [(list(tables), 0)]
    while waiting:
        group, at = waiting.pop()
        while group:
            leader = group[0]
            ends = [_parts(leader, other, at) for other in group[1:]]
            until = min([len(leader), *ends])
            steps += until - at
            at = until
            group = [table for table in group if len(table) > at]
            stay = [table for table in group if table[at] == group[0][at]]
            rest = [table for table in group if table[at] != group[0][at]]
            if rest:
                waiting.append((rest, at))
            group = stay
    return steps


def _parts(one: Any, other: Any, at: int) -> int:
    """Return the first step from `at` on at which two differ, or the shorter one ends."""
    until = min(len(one), len(other))
    different = np.flatnonzero(one[at:until] != other[at:until])
    return at + int(different[0]) if len(different) else until
