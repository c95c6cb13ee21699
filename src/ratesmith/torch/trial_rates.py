"""The scheduler that a trainer's callback puts in the place of the user's, with the trial's rate as its base."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch.optim import Optimizer

from ratesmith._checks import Option, OptionValueError
from ratesmith._script import ActiveTrial
from ratesmith.torch.schedule_lr import ScheduleLR


def scheduler_of(trial: ActiveTrial, optimizers: Iterable[Optimizer], **options: Any) -> ScheduleLR:
    """Return `ScheduleLR.from_trial`, whose base is the trial's rate though the optimizer was made with another.

    If a group has the trial's rate already, all stay as they are. If none has, all are multiplied by one number, so
    that the first one that is not 0 has it: groups keep the ratio of their rates.
    """
    # Not by from_trial, which refuses an optimizer that was made with another rate.
    scheduler = ScheduleLR._following(trial, list(optimizers), **options)
    trial.attach(scheduler)
    rates: list[Any] = list(scheduler.base_lrs)
    first = next((rate for rate in rates if rate), None)
    if first is None:
        raise OptionValueError(
            "TrialCallback: ",
            Option("optimizer"),
            f" must have a rate above 0, got {rates}; make it with lr=trial.lr",
        )
    if trial.lr not in rates:
        scheduler.base_lrs = [None if rate is None else trial.lr * (rate / first) for rate in rates]
    return scheduler
