"""The runs of a comparison that Ratesmith made, as curves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ratesmith._checks import Option
from ratesmith.logs.curve import FEWEST_LOSSES, Curve
from ratesmith.strategy.contender import optimizer_of
from ratesmith.study_database import StudyError, opened_study, read_points, read_runs


class MeasuredRun(NamedTuple):
    """A finished run of the whole length, with what a curve needs of it."""

    strategy: str
    base_lr: float
    seed: int
    rates: tuple[tuple[int, float], ...]
    """(step, rate) pairs, from which the rates between are interpolated."""
    losses: dict[int, float]
    """Validation losses by step, that of step 0 left out: nothing had been trained."""


def read_study(folder: str | os.PathLike[str], *, base_lr: float | None = None) -> list[Curve]:
    """Return one curve for each strategy of a comparison, its validation loss the mean over the seeds.

    A strategy whose rates differ from seed to seed, as a plateau's do, gives one for each seed.

    `folder`: the comparison's, with its study.sqlite. `base_lr`: the one rate at which all are read; default: each
    strategy's own, where it has most seeds, and of these where it ended lowest on average. Of several optimizers the
    one of the strategy that ended lowest is read alone: each has a law of its own. Diverged runs are left out. Raise
    StudyError, a ValueError, for a folder without such runs.
    """
    folder = Path(folder)
    runs = _finished_runs(folder)
    at_rate = [run for run in runs if base_lr in (None, run.base_lr)]
    if not at_rate:
        rates = ", ".join(f"{rate:g}" for rate in sorted({run.base_lr for run in runs})) or "none"
        raise StudyError(
            f"read_study {folder.name!r}: there must be finished runs at ",
            Option("base_lr"),
            f", got {base_lr} and runs at {rates}; name one",
        )
    ends: dict[tuple[str, float], list[float]] = {}
    for run in at_rate:
        ends.setdefault((run.strategy, run.base_lr), []).append(run.losses[max(run.losses)])
    chosen_rates = _chosen_rates(ends)
    lowest, _ = min(chosen_rates.items(), key=lambda pair: float(np.mean(ends[pair])))
    chosen = [
        run
        for run in at_rate
        if run.base_lr == chosen_rates[run.strategy] and optimizer_of(run.strategy) == optimizer_of(lowest)
    ]
    alike: dict[tuple[str, tuple[tuple[int, float], ...]], list[MeasuredRun]] = {}
    for run in chosen:
        alike.setdefault((run.strategy, run.rates), []).append(run)
    names = [strategy for strategy, _ in alike]
    return [
        _curve(strategy if names.count(strategy) == 1 else f"{strategy}, seed {seeds[0].seed}", seeds)
        for (strategy, _), seeds in alike.items()
    ]


def _chosen_rates(ends: dict[tuple[str, float], list[float]]) -> dict[str, float]:
    """Return each strategy's rate with the most seeds, which are the verdict's; of several where it ended lowest."""
    rates: dict[str, float] = {}
    for strategy, base_lr in sorted(ends, key=lambda pair: (-len(ends[pair]), float(np.mean(ends[pair])))):
        rates.setdefault(strategy, base_lr)
    return rates


def _finished_runs(folder: Path) -> list[MeasuredRun]:
    """Read the finished runs of the whole length, by strategy, rate and seed."""
    with opened_study(folder) as connection:
        runs = list(read_runs(connection))
        losses: dict[int, dict[int, float]] = {}
        for point in read_points(connection, split="validation", metric="loss"):
            if point.step > 0:
                losses.setdefault(point.run, {})[point.step] = point.value
    whole = max((run.steps for run in runs), default=0)
    finished = [run for run in runs if run.status == "done" and run.steps == whole and run.rates]
    finished.sort(key=lambda run: (run.strategy, run.base_lr, run.seed))
    return [
        MeasuredRun(run.strategy, run.base_lr, run.seed, tuple(run.rates), losses.get(run.id, {})) for run in finished
    ]


def _curve(strategy: str, seeds: list[MeasuredRun]) -> Curve:
    """Return the mean over the seeds, at the steps at which all were measured."""
    steps = sorted(set.intersection(*(set(run.losses) for run in seeds)))
    losses = [float(np.mean([run.losses[step] for run in seeds])) for step in steps]
    at, rates = np.array(seeds[0].rates, dtype=np.float64).T
    if len(steps) < FEWEST_LOSSES:
        raise StudyError(
            f"read_study: {strategy} must have been measured {FEWEST_LOSSES} times at least, got {len(steps)}; compare "
            "again with a smaller ",
            Option("evaluate_every="),
        )
    return Curve(strategy, np.interp(np.arange(steps[-1]), at, rates), np.array(steps), np.array(losses))
