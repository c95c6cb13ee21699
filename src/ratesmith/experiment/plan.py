"""The plan of a comparison: what it will train and what that costs, told before anything is run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from ratesmith._checks import Option, OptionValueError

FEW_SEEDS: Final = 5
LEAST_SEEDS: Final = 3
LEAST_RUNS_EACH: Final = 2
UNITS: Final = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Stage(NamedTuple):
    """One part of a comparison."""

    name: str
    runs: int
    """Runs at the most: how many it takes, what comes of them decides."""
    steps: int
    """Updates of each run."""

    @property
    def to_run(self) -> int:
        """Updates to be made at the most."""
        return self.runs * self.steps


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

    runs_each: int
    """Runs of the choice for each strategy."""
    seeds: int
    """Fresh seeds of the verdict, at the most."""

    def smaller(self) -> Size | None:
        """Return the next smaller size: fewer seeds down to five, then two runs for each choice, then three seeds."""
        if self.seeds > (FEW_SEEDS if self.runs_each > LEAST_RUNS_EACH else LEAST_SEEDS):
            return Size(self.runs_each, self.seeds - 1)
        return Size(LEAST_RUNS_EACH, self.seeds) if self.runs_each > LEAST_RUNS_EACH else None


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
    warnings: tuple[str, ...] = ()
    """What is to be minded of the strategies before anything is trained, with its codes."""

    @property
    def runs(self) -> int:
        """Runs at the most."""
        return sum(stage.runs for stage in self.stages)

    @property
    def to_run(self) -> int:
        """Updates to be made at the most."""
        return sum(stage.to_run for stage in self.stages)

    @property
    def time(self) -> float:
        """Seconds that takes, about."""
        return self.to_run * self.seconds / max(1, self.workers)

    @property
    def gpu_hours(self) -> float:
        """Hours of GPUs that takes, about."""
        return self.to_run * self.seconds * self.gpus / 3600
