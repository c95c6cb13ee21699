"""The rates that a script is told, and from which update on those of two of its trials differ."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from ratesmith.experiment.sharing import Rates
from ratesmith.experiment.trial import Trial
from ratesmith.schedule import Schedule
from ratesmith.strategy import as_strategy

NEVER: Final = math.inf


class ScriptRates(Rates):
    """The rates of a script's trials: of a shorter run those of the schedule that the script is handed."""

    def of(self, trial: Trial) -> array[float] | None:
        """Return a schedule's rate at every step; None for a controller, and for a rule that the script alone has."""
        return None if is_opaque(trial) else super().of(trial)

    def values(self, schedule: Schedule, trial: Trial) -> Iterable[float]:
        """Return the factors of a trial's updates."""
        return map(stretched(schedule, self.whole, trial.steps), range(trial.steps))


def stretched(schedule: Schedule, whole: int, steps: int) -> Schedule:
    """Return the schedule of a whole run, run through in another number of updates."""
    if steps == whole:
        return schedule
    return (schedule if schedule.steps == whole else schedule.take(whole)).stretch(steps)


def asked_of(trial: Trial, rates: Rates, folds: int = 0) -> dict[str, Any]:
    """Return what a script is asked to train: of a shorter run the whole schedule, stretched to its length.

    The seed decides on which of the folds it is measured, if there are any.
    """
    schedule = trial.strategy
    if trial.steps != rates.whole and not is_opaque(trial):
        controller = rates.controller(trial)
        # What ends by itself is stretched; what listens is built for the shorter length.
        if isinstance(controller, Schedule):
            schedule = str(stretched(controller, rates.whole, trial.steps))
    return {
        "lr": trial.base_lr,
        "schedule": schedule,
        "steps": trial.steps,
        "seed": trial.seed,
        **fold_of(trial.seed, folds),
    }


def fold_of(seed: int, folds: int) -> dict[str, int]:
    """Return what a script is told of its fold; nothing if there are none.

    >>> fold_of(1002, 5), fold_of(1002, 0)
    ({'fold': 2, 'folds': 5}, {})
    """
    return {"fold": seed % folds, "folds": folds} if folds else {}


def is_opaque(trial: Trial) -> bool:
    """Whether a trial's rates are known to the script alone: it has a rule of the script's own."""
    return bool(as_strategy(trial.strategy).functions())


def departures(trials: Sequence[Trial], rates: Rates) -> dict[Trial, float]:
    """Return the first update at which each trial's rate differs from the first trial's; infinite if none does."""
    first = rates.of(trials[0])
    return {trial: _first_difference(first, rates.of(trial)) for trial in trials[1:]}


def _first_difference(first: Any, other: Any) -> float:
    if first is None or other is None:
        return 0.0  # nothing is known: it shares nothing
    different = np.flatnonzero(np.frombuffer(first) != np.frombuffer(other))
    return float(different[0]) if len(different) else NEVER


def report_blocks(trials: Sequence[Trial], rates: Rates, every: int) -> dict[Trial, tuple[bytes, ...]]:
    """Return each trial's rates between two reports, as texts to be compared; nothing if they are not known."""
    blocks = {}
    for trial in trials:
        table = rates.of(trial)
        values = b"" if table is None else table.tobytes()
        width = 8 * every  # bytes: a double each update
        blocks[trial] = tuple(values[start : start + width] for start in range(0, len(values), width))
    return blocks


def unknown_rule(step: int) -> float:
    """Stand for a rule that the script alone has."""
    return 1.0
