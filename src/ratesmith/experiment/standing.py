"""Where the strategies stand by the runs on fresh seeds so far: their order, and the differences between them."""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ratesmith.experiment.intervals import Sample, conclude, level
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.statistics import FEWEST_FOR_INTERVAL, Difference, Scale, adjusted_means, scale_of
from ratesmith.experiment.trial import Run, Trial

Finals = Mapping[str, Mapping[int, float]]
"""The final metric of each strategy, by seed."""
NO_DOUBTS: Final[Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True)
class Standing:
    """Where the strategies stand: values by strategy and seed, and what follows from them."""

    finals: Finals
    """Of the strategies with a rate; a seed whose run failed is left out."""
    asked: Mapping[str, int]
    """How many of the question's seeds each strategy has been asked for."""
    question: Question
    """Its seeds are the most that a strategy may be asked for."""
    doubts: Mapping[str, float] = field(default_factory=dict)
    """By how much a strategy's best rate may be better than the chosen one: in logarithms, or the metric's unit."""
    overlap: float = 0.0
    """n_test / n_train if the seeds are folds of a cross-validation: see `Sample.interval`."""
    copied: bool = False
    """Whether the seeds change nothing, so that one of them stands for all."""

    @classmethod
    def of(
        cls,
        runs: Mapping[Trial, Run],
        chosen: Mapping[str, Choice],
        question: Question,
        steps: int,
        *,
        asked: Mapping[str, int] | None = None,
        doubts: Mapping[str, float] = NO_DOUBTS,
        overlap: float | None = None,
    ) -> Standing:
        """Return where the strategies stand by runs of so many steps; by default all have been asked for all seeds."""
        verdicts = verdict_runs(runs, chosen, question, steps)
        asked = dict.fromkeys(chosen, len(question.seeds)) if asked is None else asked
        finals = {name: finals_of(its_runs, question.metric) for name, its_runs in verdicts.items()}
        copied = seeds_change_nothing(verdicts.values())
        if copied:
            # Copies of one run are one run: what they show is exact for it, and says nothing of another.
            finals = {name: dict(list(values.items())[:1]) for name, values in finals.items()}
            asked = dict.fromkeys(asked, 1)
        return cls(finals, asked, question, doubts, question.overlap if overlap is None else overlap, copied)

    @functools.cached_property
    def scale(self) -> Scale:
        """How the metric is averaged and compared, the same for all strategies."""
        values = [value for its_values in self.finals.values() for value in its_values.values()]
        return scale_of(self.question.metric, values, self.question.mode)

    @functools.cached_property
    def placed(self) -> dict[str, dict[int, float]]:
        """The values on that scale; strategies without any are left out."""
        read = self.scale.read
        return {name: {seed: read(value) for seed, value in its.items()} for name, its in self.finals.items() if its}

    @functools.cached_property
    def means(self) -> dict[str, float]:
        """Each strategy's mean on that scale, as if all had the same seeds: the number that is ranked and printed."""
        if self.question.paired:
            return adjusted_means(self.placed)
        return {name: statistics.fmean(values.values()) for name, values in self.placed.items()}

    @functools.cached_property
    def order(self) -> list[str]:
        """The strategies, the best first; one without all the seeds it was asked for stands below those with all."""

        def place(name: str) -> tuple[bool, float]:
            return len(self.placed[name]) < self.asked[name], self.question.cost(self.means[name])

        return sorted((name for name in self.question.families if name in self.placed), key=place)

    @functools.cached_property
    def least_variance(self) -> float:
        """The median variance of a difference, over all pairs of strategies: no interval is built on a lower one.

        Pairs that are the same training throughout have none, and do not count.
        """
        samples = (self.sample(*pair) for pair in itertools.combinations(self.placed, 2))
        variances = [
            sample.variance
            for sample in samples
            if sample is not None and sample.pairs >= FEWEST_FOR_INTERVAL and not (sample.constant and not sample.mean)
        ]
        return statistics.median(variances) if variances else 0.0

    def sample(self, name: str, other: str) -> Sample | None:
        """Return what the runs say of the difference of two strategies; None if they have no seed in common."""
        values, others = self.placed.get(name, {}), self.placed.get(other, {})
        if not self.question.paired:
            return Sample.unpaired(list(values.values()), list(others.values())) if values and others else None
        seeds = [seed for seed in values if seed in others]
        return Sample.paired([values[seed] for seed in seeds], [others[seed] for seed in seeds]) if seeds else None

    @functools.cached_property
    def level(self) -> float:
        """The level of every interval: it allows for all strategies and for a look after every seed."""
        looks = max(1, len(self.question.seeds) - FEWEST_FOR_INTERVAL + 1)
        return level(looks, len(self.question.families) - 1, paired=self.question.paired)

    def difference(
        self, name: str, other: str, *, its_level: float | None = None, doubted: bool = True
    ) -> Difference | None:
        """Return how a strategy differs from another, and what may be said of it; None without a seed in common."""
        sample = self.sample(name, other)
        if sample is None:
            return None
        interval = sample.interval(its_level or self.level, self.least_variance, self.overlap)
        if interval is None:
            return Difference(sample.mean, None, None, conclude(None, None, "", 0.0), self.scale.logs, sample.pairs)
        low, high = interval
        if doubted and low < high:  # the same training, at the same rate, is no better at another
            low, high = self._widened(low, high, name, other)
        reach = self.scale.highest - self.scale.lowest
        if math.isfinite(reach) and not self.scale.logs:
            low, high = max(low, -reach), min(high, reach)
        conclusion = conclude(low, high, self.question.mode, self.question.margin)
        return Difference(sample.mean, low, high, conclusion, self.scale.logs, sample.pairs)

    def at_best(self, name: str, other: str) -> str:
        """Return what could be said of two strategies if their mean difference were exact, and only doubts left."""
        sample = self.sample(name, other)
        mean = 0.0 if sample is None else sample.mean
        return conclude(*self._widened(mean, mean, name, other), self.question.mode, self.question.margin)

    def _widened(self, low: float, high: float, name: str, other: str) -> tuple[float, float]:
        """Return an interval that allows for what either strategy may gain by another rate."""
        gain, others_gain = self.doubts.get(name, 0.0), self.doubts.get(other, 0.0)
        if self.question.mode == "min":
            return low - gain, high + others_gain
        return low - others_gain, high + gain


def capped(run: Run, metric: str) -> float | None:
    """Return a run's final metric, or None; a diverged run counts as if nothing had been learned."""
    metrics = run.curve[0].metrics if run.diverged and run.curve else run.metrics
    value = metrics.get(metric)
    return None if value is None or not math.isfinite(value) else value


def finals_of(runs: Iterable[Run], metric: str) -> dict[int, float]:
    """Return the final values of a metric by seed, of the runs that have one."""
    values = {run.trial.seed: capped(run, metric) for run in runs}
    return {seed: value for seed, value in values.items() if value is not None}


def verdict_runs(
    runs: Mapping[Trial, Run], chosen: Mapping[str, Choice], question: Question, steps: int
) -> dict[str, list[Run]]:
    """Return the runs of each strategy that the verdict is given by, in the order of their seeds."""
    return {
        name: [runs[trial] for seed in question.seeds if (trial := Trial(*choice, seed, steps)) in runs]
        for name, choice in chosen.items()
    }


def seeds_change_nothing(verdicts: Iterable[Sequence[Run]]) -> bool:
    """Whether runs of different seeds are the same training throughout, to the last bit."""
    several = [runs for runs in verdicts if len([run for run in runs if run.done]) > 1]
    return bool(several) and all(len({repr(run.curve) for run in runs if run.done}) == 1 for runs in several)
