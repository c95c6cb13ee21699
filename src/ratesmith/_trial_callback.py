"""What the callbacks of trainers share: a trial that is one, and the names of measurements."""

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
