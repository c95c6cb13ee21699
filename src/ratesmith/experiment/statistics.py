"""The statistics of a verdict: means with their intervals, on the scale of the metric, and what a difference is."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ratesmith._extras import require
from ratesmith._metric_names import bounds, small_is_better

require("ratesmith.experiment", "scipy", extra="compare")

ERROR: Final = 0.05
"""How often equal strategies may be called different: in how many comparisons, over all their looks and strategies."""
FEWEST_FOR_INTERVAL: Final = 3
"""Values from which an interval is given: that of two is 13 standard errors wide to each side, and says nothing."""


class Estimate(NamedTuple):
    """A mean over seeds with its 95 % interval; `low` and `high` are None for fewer than three seeds.

    Of a loss above 0 the geometric mean; of a share, such as an accuracy, an interval within its range.
    """

    mean: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """Return it as `mean [low, high]`."""
        if self.low is None or self.high is None:
            return f"{self.mean:.4g}"
        return f"{self.mean:.4g} [{self.low:.4g}, {self.high:.4g}]"


class Difference(NamedTuple):
    """How a strategy differs from another: paired by seed, or, if the seed does not decide the training, unpaired.

    Of the logarithms if `relative` (a loss, all of it above 0), so that -0.05 is 5 % lower; of the metric itself
    otherwise.
    """

    mean: float
    low: float | None
    high: float | None
    """The interval that decides; None for fewer than three pairs.

    All intervals of a comparison, at all its looks, hold the true differences in 95 % of comparisons.
    """
    conclusion: str
    """"better", "worse", "tie" (the interval lies within the margin) or "not told apart", as the interval has it."""
    relative: bool
    pairs: int

    def __str__(self) -> str:
        """Return it as `-3.1 % [-4.0 %, -2.2 %]`, or in the metric's own unit."""
        if self.low is None or self.high is None:
            return self.shown(self.mean)
        return f"{self.shown(self.mean)} [{self.shown(self.low)}, {self.shown(self.high)}]"

    def shown(self, value: float) -> str:
        """Return a difference as it is printed."""
        return f"{100 * math.expm1(min(value, 700.0)):+.3g} %" if self.relative else f"{value:+.3g}"


class Scale(NamedTuple):
    """How a metric's values are averaged: in logarithms or as they are, and between which bounds they lie."""

    logs: bool = False
    lowest: float = -math.inf
    highest: float = math.inf

    def read(self, value: float) -> float:
        """Return a value on this scale."""
        return math.log(value) if self.logs else value

    def written(self, value: float) -> float:
        """Return a value of this scale as the metric has it, within its bounds."""
        metric = math.exp(min(value, 700.0)) if self.logs else value
        return min(max(metric, self.lowest), self.highest)


PLAIN: Final = Scale()
"""The scale of a metric of which nothing is known."""


def scale_of(metric: str, values: Iterable[float], mode: str | None = None) -> Scale:
    """Return the scale of a metric with these values; without `mode` its name says which way is better.

    >>> scale_of("loss", [0.5, 2.0]).logs, scale_of("val_accuracy", [0.5, 0.9])[1:]
    (True, (0.0, 1.0))
    """
    values = list(values)
    if mode is None:
        mode = "min" if small_is_better(metric) else "max"
    return Scale(logarithmic(values, mode), *bounds(metric, max(values, default=0.0)))


def logarithmic(values: Sequence[float], mode: str) -> bool:
    """Whether differences are to be taken of the logarithms: those of a loss that is above 0 throughout."""
    return mode == "min" and all(value > 0 for value in values)


def estimate(values: Sequence[float], scale: Scale = PLAIN, centre: float | None = None) -> Estimate:
    """Return the mean with its 95 % interval by Student's t, on the metric's scale.

    `centre` is the mean on that scale if it is not that of the values alone: adjusted to the seeds of others.

    >>> print(estimate([1.0, 2.0, 3.0]), "and", estimate([1.0, 2.0, 4.0], Scale(logs=True)))
    2 [-0.4841, 4.484] and 2 [0.3575, 11.19]
    """
    placed = [scale.read(value) for value in values]
    mean = statistics.fmean(placed) if centre is None else centre
    if len(placed) < FEWEST_FOR_INTERVAL:
        return Estimate(scale.written(mean), None, None)
    half = quantile(ERROR, len(placed) - 1) * float(np.std(placed, ddof=1)) / math.sqrt(len(placed))
    return Estimate(scale.written(mean), scale.written(mean - half), scale.written(mean + half))


def adjusted_means(values: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """Return each strategy's mean as if all had been trained with all seeds.

    By least squares, value = strategy + seed: a strategy that has few seeds is not ranked by how hard those are. The
    plain means, where all have the same seeds or where no seeds join the strategies.

    >>> {name: round(mean, 9) for name, mean in adjusted_means({"a": {0: 1.0, 1: 2.0}, "b": {0: 0.9}}).items()}
    {'a': 1.5, 'b': 1.4}
    """
    means = {name: statistics.fmean(its_values.values()) for name, its_values in values.items()}
    seeds = sorted({seed for its_values in values.values() for seed in its_values})
    if all(len(its_values) == len(seeds) for its_values in values.values()):
        return means
    names = list(values)
    cells = [(names.index(name), seeds.index(seed)) for name in names for seed in values[name]]
    design = np.zeros((len(cells), len(names) + len(seeds)))
    for row, (place, seed) in enumerate(cells):
        design[row, place] = design[row, len(names) + seed] = 1.0
    wanted = [value for name in names for value in values[name].values()]
    effects, _, rank, _ = np.linalg.lstsq(design, np.array(wanted), rcond=None)
    if rank < len(names) + len(seeds) - 1:
        return means
    of_seeds = float(effects[len(names) :].mean())
    return {name: float(effect) + of_seeds for name, effect in zip(names, effects, strict=False)}


@functools.lru_cache(maxsize=4096)
def quantile(its_level: float, degrees: float) -> float:
    """Return Student's t beyond which lies half of a level, on either side."""
    return float(scipy_stats().t.isf(its_level / 2, degrees))


def scipy_stats() -> Any:
    """Return scipy's statistics, which take a second to import: no worker process needs them."""
    from scipy import stats

    return stats
