"""What the callbacks of trainers share: a trial that is one, the names of measurements, and a rate without PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith._script import ActiveTrial


def checked_trial(trial: Any) -> ActiveTrial:
    """Return the trial that a callback was given; raise an error for anything else, and for one that is taken."""
    if not isinstance(trial, ActiveTrial):
        raise OptionTypeError(
            "TrialCallback: ",
            Option("trial"),
            f" must be what ratesmith.get_trial returns, got {type(trial).__name__}; give TrialCallback(trial)",
        )
    refuse_taken(trial)
    return trial


def refuse_taken(trial: ActiveTrial) -> None:
    """Raise an error if the trial has a scheduler: it is trained elsewhere, or was trained before."""
    if trial._schedulers:
        raise OptionValueError(
            "TrialCallback: ",
            Option("trial"),
            " must have one scheduler and one training, got a second; leave out ScheduleLR.from_trial, and call "
            "get_trial for each training",
        )


def measurements(logs: Mapping[str, Any], prefixes: Iterable[str]) -> dict[str, Any]:
    """Return the entries whose name begins with one of the prefixes, without it.

    >>> measurements({"loss": 2.0, "val_loss": 1.0, "val_acc": 0.5}, ["val_"])
    {'loss': 1.0, 'acc': 0.5}
    """
    return {
        name.removeprefix(prefix): value
        for name, value in logs.items()
        for prefix in prefixes
        if name.startswith(prefix) and name != prefix
    }


class TrialRate:
    """The rate of a trial at a step, for frameworks that have no ScheduleLR; it hears what is reported.

    >>> from ratesmith import get_trial
    >>> rate = TrialRate(get_trial(lr=0.1, schedule="linear()", steps=4))
    >>> rate.step_to(1)
    >>> rate.get_last_lr()
    [0.07500000000000001]
    """

    def __init__(self, trial: ActiveTrial) -> None:
        """Begin at step 0, and let the trial hand over its measurements."""
        self._base, self._controller = trial.lr, trial.controller
        self._state, self._step = self._controller.init(), 0
        trial.attach(self)

    @property
    def last_epoch(self) -> int:
        """Updates made so far."""
        return self._step

    def observe(self, metrics: Mapping[str, float]) -> None:
        """Hear a measurement."""
        self._state = self._controller.observe(self._state, self._step, metrics)

    def step_to(self, step: int) -> None:
        """Set the number of updates made."""
        self._step = step

    def get_last_lr(self) -> list[Any]:
        """Return the rate of the next update, in a list."""
        return [self._base * float(self._controller.value(self._state, self._step))]
