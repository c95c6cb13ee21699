"""The plan of a comparison: what it will train and what that costs, told before anything is run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from ratesmith._checks import Option, OptionValueError
from ratesmith.experiment.sharing import Arrangement

UNITS: Final = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Stage(NamedTuple):
    """One part of a comparison."""

    name: str
    runs: int
    steps: int
    """Updates of each run."""
    planned: int
    """Updates of all its runs, each trained alone."""
    to_run: int
    """Updates to be made at the most: beginnings that runs share are made once."""


class Budget(NamedTuple):
    """How much may be spent: updates, or seconds of all workers together."""

    steps: int | None
    seconds: float | None

    def __str__(self) -> str:
        """Return it as it was asked for."""
        return f"{self.steps:,} steps" if self.steps is not None else f"{self.seconds:g} s"

    def allowed(self, seconds: float, workers: int) -> float:
        """Return the updates it allows, if one takes so many seconds."""
        if self.steps is not None:
            return self.steps
        return (self.seconds or 0.0) * max(1, workers) / max(seconds, 1e-9)


def read_budget(given: int | str | None) -> Budget | None:
    """Read a budget: `50000` updates, or a time as `90s`, `30m`, `2h`.

    >>> read_budget("1.5h")
    Budget(steps=None, seconds=5400.0)
    """
    if given is None:
        return None
    text = str(given).strip()
    time = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)", text)
    if time and float(time[1]) > 0:
        return Budget(None, float(time[1]) * UNITS[time[2]])
    if text.isdecimal() and int(text) > 0:
        return Budget(int(text), None)
    raise OptionValueError(
        "compare: ",
        Option("budget"),
        f" must be a number of steps or a time, got {given!r}; write 50000, '30m' or '2h'",
    )


@dataclass(frozen=True)
class Size:
    """What may be made smaller to fit a budget."""

    rates: int
    choice_seeds: int
    seeds: int

    def smaller(self) -> Size | None:
        """Return the next smaller size: one choice seed, then three rates, then three seeds for the verdict."""
        if self.choice_seeds > 1:
            return Size(self.rates, 1, self.seeds)
        if self.rates > 3:
            return Size(3, self.choice_seeds, self.seeds)
        if self.seeds > 3:
            return Size(self.rates, self.choice_seeds, 3)
        return None


@dataclass(frozen=True)
class Plan:
    """All stages, and what they will cost."""

    stages: tuple[Stage, ...]
    seconds: float
    """One update takes about so long."""
    workers: int
    budget: Budget | None
    gpus: float = 0
    """GPUs of each worker."""
    made_smaller: str = ""
    """What was made smaller to fit the budget."""

    @property
    def to_run(self) -> int:
        """Updates to be made at the most, extensions of the grid not counted."""
        return sum(stage.to_run for stage in self.stages)

    @property
    def time(self) -> float:
        """Seconds that takes, about."""
        return self.to_run * self.seconds / max(1, self.workers)

    @property
    def gpu_hours(self) -> float:
        """Hours of GPUs that takes, about."""
        return self.to_run * self.seconds * self.gpus / 3600


def stage_of(name: str, arrangement: Arrangement, steps: int) -> Stage:
    """Return a stage of trials as they have been arranged."""
    runs = sum(len(branch.trials) for branch in arrangement.branches)
    return Stage(name, runs, steps, arrangement.planned, arrangement.run)
