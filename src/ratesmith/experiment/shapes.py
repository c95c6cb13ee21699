"""The shape of a schedule, as far as the choice of rates needs it: its mean, its end, and what begins like it."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterable
from typing import Final, NamedTuple

from ratesmith.experiment.sharing import Rates
from ratesmith.experiment.trial import Run, Trial

BLOCKS: Final = 64
"""Into so many parts a run is cut to see for how long two schedules are the same."""
LAST: Final = 0.1
"""The share of a run that counts as its end."""


class StrategyShape(NamedTuple):
    """A schedule's factors, in short; of a controller nothing is known before it has trained."""

    mean: float | None
    """The mean factor over the run."""
    tail: float | None
    """The mean factor over the last tenth."""
    blocks: tuple[str, ...] = ()
    """A digest of each part of the run; none if it shares nothing."""

    def shares(self, other: StrategyShape) -> float:
        """Return for what share of a run two strategies at one rate are the same training."""
        alike = 0
        for mine, theirs in zip(self.blocks, other.blocks, strict=False):
            if mine != theirs:
                break
            alike += 1
        return alike / max(1, len(self.blocks))


def shape_of(strategy: str, rates: Rates) -> StrategyShape:
    """Return the shape of a strategy in a whole run."""
    factors = rates.of(Trial(strategy, 1.0, 0, rates.whole))
    if not factors:
        return StrategyShape(None, None)
    width = max(1, len(factors) // BLOCKS)
    cuts = range(0, len(factors), width)
    blocks = tuple(
        hashlib.sha1(factors[cut : cut + width].tobytes(), usedforsecurity=False).hexdigest()[:12] for cut in cuts
    )
    last = factors[-max(1, round(LAST * len(factors))) :]
    return StrategyShape(statistics.fmean(factors), statistics.fmean(last), blocks)


def mean_factor(run: Run) -> float | None:
    """Return the mean factor that a run has used, from its recorded rates; None if it recorded none."""
    return _mean([(step, rate / run.trial.base_lr) for step, rate in run.rates], run.trial.steps)


def _mean(factors: Iterable[tuple[int, float]], steps: int) -> float | None:
    """Return the mean of factors that each hold from their step until the next.

    >>> _mean([(0, 1.0), (75, 0.2)], 100)
    0.8
    """
    points = [(step, factor) for step, factor in factors if step < steps]
    if not points:
        return None
    ends = [step for step, _ in points[1:]] + [steps]
    total = sum(factor * (end - step) for (step, factor), end in zip(points, ends, strict=True))
    return total / (steps - points[0][0])
