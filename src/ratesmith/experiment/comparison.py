"""The comparison: each strategy at its own best rate, ranked on the validation set."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from scipy import stats

from ratesmith.experiment.trial import Plan, Run, Trial

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean over seeds with its 95 % interval; `low` and `high` are None for a single seed."""

    mean: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """Give it as `mean [low, high]`."""
        if self.low is None or self.high is None:
            return f"{self.mean:.4g}"
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}]"


@dataclass(frozen=True)
class Row:
    """One strategy in the ranking."""

    strategy: str
    base_lr: float | None
    """Its own best initial rate; None where every rate had a diverged run."""
    estimates: dict[str, Estimate]
    """Each validation metric after the last step, over the seeds, at that rate."""
    tied: bool
    """Whether the paired 95 % interval of its difference to the winner holds zero."""
    diverged: int
    """Runs of this strategy that diverged, over all rates and seeds."""
    runs: int
    steps: int
    """Updates made for this strategy, over all rates and seeds."""
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; `rows` are ranked, the best first."""

    rows: tuple[Row, ...]
    metric: str
    mode: str
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    plan: Plan
    runs: tuple[Run, ...] = field(repr=False)
    test: dict[str, Estimate] | None = None
    """The winner's metrics on the test set, over the seeds; None where the task has no test data."""
    tested: int = 0
    """How many (strategy, rate) pairs the test set of this study has judged."""

    @property
    def best(self) -> Row | None:
        """The winner; None where every strategy diverged."""
        return self.rows[0] if self.rows and self.rows[0].base_lr is not None else None

    def runs_of(self, strategy: str, base_lr: float | None) -> list[Run]:
        """Give a strategy's runs at one rate, by seed."""
        found = [run for run in self.runs if (run.trial.strategy, run.trial.base_lr) == (strategy, base_lr)]
        return sorted(found, key=lambda run: run.trial.seed)

    def verdict(self) -> str:
        """Give the outcome as one or two sentences."""
        best = self.best
        if best is None:
            if all(run.diverged for run in self.runs):
                return "Every run diverged: give lower rates, or look for NaN in the data and the model."
            return f"No strategy has a rate at which every seed ended with a finite {self.metric}: give other rates."
        figure = f"{self.metric} {best.estimates[self.metric]}"
        said = f"Best on the validation set: {best.strategy} at {best.base_lr:g}, {figure}."
        if len(self.rates) > 1 and best.base_lr in (self.rates[0], self.rates[-1]):
            said += " That rate lies on the edge of the grid: a better one may lie beyond it, give other rates."
        ties = [row.strategy for row in self.rows[1:] if row.tied]
        if len(self.seeds) == 1:
            return f"{said} One seed cannot tell strategies apart: use --seeds 3 or more."
        if len(self.rows) == 1:
            return said
        if ties:
            return f"{said} Not told apart from it by {len(self.seeds)} seeds: {', '.join(ties)}."
        return f"{said} Every other strategy is worse beyond the spread of {len(self.seeds)} seeds."

    def to_dict(self) -> dict[str, Any]:
        """Give plain data: all but the curves of the runs."""
        return {
            "metric": self.metric,
            "mode": self.mode,
            "rates": list(self.rates),
            "seeds": list(self.seeds),
            **asdict(self.plan),
            "verdict": self.verdict(),
            "rows": [{**asdict(row), "estimates": _plain(row.estimates)} for row in self.rows],
            "test": self.test and _plain(self.test),
            "tested": self.tested,
        }


def _plain(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float | None]]:
    """Give estimates as data for JSON, which knows no NaN."""
    return {
        name: {key: value if value is None or math.isfinite(value) else None for key, value in each._asdict().items()}
        for name, each in estimates.items()
    }


def estimate(values: Sequence[float]) -> Estimate:
    """Give the mean with its 95 % interval by Student's t.

    >>> print(estimate([1.0, 2.0, 3.0]))
    2 [-0.4841, 4.484]
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean, None, None)
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * stats.sem(values)
    return Estimate(mean, float(mean - half), float(mean + half))


def best_rates(
    runs: Mapping[Trial, Run], strategies: Iterable[str], seeds: Sequence[int], metric: str, mode: str
) -> dict[str, tuple[float, float]]:
    """Give each strategy's best rate and its mean metric; a strategy without a sound rate is left out.

    A rate is sound when all its seeds are done, none diverged, and the metric is finite in all. Of equal means the
    lower rate is taken.
    """
    values: dict[str, dict[float, list[float]]] = {}
    for trial, run in runs.items():
        if trial.seed in seeds and not run.diverged and math.isfinite(run.metrics[metric]):
            values.setdefault(trial.strategy, {}).setdefault(trial.base_lr, []).append(run.metrics[metric])
    found = {}
    for strategy in strategies:
        means = {
            base_lr: statistics.fmean(measured)
            for base_lr, measured in sorted(values.get(strategy, {}).items())
            if len(measured) == len(seeds)
        }
        if means:
            base_lr = min(means, key=lambda rate: _cost(means[rate], mode))
            found[strategy] = (base_lr, means[base_lr])
    return found


def leader(bests: Mapping[str, tuple[float, float]], mode: str) -> str | None:
    """Give the best strategy; of equals, the first in the order of `bests`."""
    return min(bests, key=lambda strategy: _cost(bests[strategy][1], mode), default=None)


def rank(
    runs: Mapping[Trial, Run], strategies: Sequence[str], seeds: Sequence[int], metric: str, mode: str
) -> tuple[Row, ...]:
    """Give a row for each strategy, the best first; those without a sound rate last."""
    bests = best_rates(runs, strategies, seeds, metric, mode)
    order = sorted(strategies, key=lambda name: _cost(bests[name][1], mode) if name in bests else math.inf)
    best_runs = {name: [runs[Trial(name, rate, seed)] for seed in seeds] for name, (rate, _) in bests.items()}
    rows = []
    for strategy in order:
        own = [run for run in runs.values() if run.trial.strategy == strategy]
        done = best_runs.get(strategy, [])
        names = done[0].metrics if done else {}
        rows.append(
            Row(
                strategy=strategy,
                base_lr=bests[strategy][0] if done else None,
                estimates={name: estimate([run.metrics[name] for run in done]) for name in names},
                tied=bool(done) and strategy != order[0] and _tied(done, best_runs[order[0]], metric),
                diverged=sum(run.diverged for run in own),
                runs=len(own),
                steps=sum(run.steps for run in own),
                seconds=math.fsum(run.seconds for run in own),
            )
        )
    return tuple(rows)


def _cost(value: float, mode: str) -> float:
    return value if mode == "min" else -value


def _tied(runs: Sequence[Run], winner: Sequence[Run], metric: str) -> bool:
    """Tell whether zero lies in the 95 % interval of the differences, paired by seed."""
    differences = [run.metrics[metric] - other.metrics[metric] for run, other in zip(runs, winner, strict=True)]
    _, low, high = estimate(differences)
    return low is None or high is None or low <= 0.0 <= high
