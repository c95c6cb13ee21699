"""The choice: which rates of each variant are tried, as pure functions over one frozen `Search`, and what is chosen."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ratesmith.experiment.grid import first_rates, next_rates, wanted_rates
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.trial import Run, Trial

RatesByVariant = Mapping[str, Sequence[float]]
Promise = Mapping[tuple[str, float], float]
"""What a (variant, rate) cost in the runs before: less is better."""
NO_PROMISE: Final[Promise] = {}


@dataclass(frozen=True)
class Search:
    """Where the search for each variant's rate is. All rates rise, and those of `trying` and `measured` lie in `grid`.

    Each step of the search returns the next `Search`, and the rates to be trained before the step after it.
    """

    given: tuple[float, ...]
    """The grid as it began, the same for all."""
    grid: Mapping[str, tuple[float, ...]]
    """Each variant's own grid, with what it has gained beyond its ends."""
    trying: Mapping[str, tuple[float, ...]]
    """The rates that are still in the choice."""
    measured: Mapping[str, tuple[float, ...]]
    """The rates that were tried at the present length, with one seed at least: no rate is asked for twice."""

    @classmethod
    def of(cls, variants: Iterable[str], rates: Sequence[float]) -> Search:
        """Return a search that tries every rate of the grid."""
        grid = dict.fromkeys(variants, tuple(rates))
        return cls(tuple(rates), grid, grid, grid)

    @property
    def pairs(self) -> list[tuple[str, float]]:
        """Every variant with every rate that is still in the choice."""
        return [(variant, rate) for variant, rates in self.trying.items() for rate in rates]

    def at_the_middle(self) -> Search:
        """Return the search that begins with the middle rates alone."""
        middle = {variant: tuple(first_rates(rates)) for variant, rates in self.trying.items()}
        return replace(self, trying=middle, measured=middle)

    def with_only(self, stay: RatesByVariant, *, at_once: bool) -> Search:
        """Return the search without the rates that have left.

        `at_once`: at this same length, where what has left was measured all the same; otherwise a longer one follows.
        """
        trying = {variant: tuple(rates) for variant, rates in stay.items()}
        return replace(self, trying=trying, measured=self.measured if at_once else trying)

    def walked(self, bests: Mapping[str, float]) -> tuple[Search, dict[str, list[float]]]:
        """Add the neighbours of each best rate, until it lies between two worse ones or at the grid's end."""
        added = {
            variant: new
            for variant, rates in self.trying.items()
            if (new := next_rates(self.grid[variant], rates, bests.get(variant)))
        }
        return replace(self, trying=_merged(self.trying, added), measured=_merged(self.measured, added)), added

    def extended(
        self, bests: Mapping[str, float], affordable: Callable[[int], bool]
    ) -> tuple[Search, dict[str, list[float]]]:
        """Add the rates that the best ones still ask for; a rate that a rung cut comes back so.

        `affordable` tells whether a budget has room for so many rates more.
        """
        added: dict[str, list[float]] = {}
        for variant in self.trying:
            new = wanted_rates(self.grid[variant], self.measured[variant], bests.get(variant), self.given)
            if new and affordable(sum(map(len, added.values())) + len(new)):
                added[variant] = new
        grown = replace(
            self,
            grid=_merged(self.grid, added),
            trying=_merged(self.trying, added),
            measured=_merged(self.measured, added),
        )
        return grown, added


def _merged(rates: RatesByVariant, added: RatesByVariant) -> dict[str, tuple[float, ...]]:
    return {variant: tuple(sorted({*values, *added.get(variant, ())})) for variant, values in rates.items()}


def trials_of(rates: RatesByVariant, steps: int, seeds: Sequence[int], promise: Promise = NO_PROMISE) -> list[Trial]:
    """Return a stage's trials, the least promise last: who stops early has the best by then."""
    pairs = [
        (variant, rate)
        for rate in sorted({rate for values in rates.values() for rate in values})
        for variant, values in rates.items()
        if rate in values
    ]
    pairs.sort(key=lambda pair: promise.get(pair, math.inf))  # a stable sort: rising rates where nothing is promised
    return [Trial(*pair, seed, steps) for pair in pairs for seed in seeds]


def choice_means(
    runs: Mapping[Trial, Run], pairs: Iterable[tuple[str, float]], question: Question, steps: int
) -> dict[tuple[str, float], float]:
    """Return the mean metric over the choice seeds of every (variant, rate) all of whose runs are done and finite."""
    means = {}
    for variant, base_lr in pairs:
        seeds = [runs.get(Trial(variant, base_lr, seed, steps)) for seed in question.choice_seeds]
        values = [run.metrics.get(question.metric, math.nan) for run in seeds if run is not None and run.done]
        if len(values) == len(seeds) and all(math.isfinite(value) for value in values):
            means[variant, base_lr] = statistics.fmean(values)
    return means


def promise_of(
    runs: Mapping[Trial, Run], pairs: Iterable[tuple[str, float]], question: Question, steps: int
) -> dict[tuple[str, float], float]:
    """Return what every pair cost after complete runs of so many steps; pairs that went wrong are left out."""
    return {pair: question.cost(mean) for pair, mean in choice_means(runs, pairs, question, steps).items()}


def best_rates(promise: Promise) -> dict[str, float]:
    """Return the best of each variant's rates; the first of equals, and nothing if all went wrong."""
    bests: dict[str, float] = {}
    for variant, rate in promise:
        if variant not in bests or promise[variant, rate] < promise[variant, bests[variant]]:
            bests[variant] = rate
    return bests


def choose_rates(means: Mapping[tuple[str, float], float], question: Question) -> dict[str, Choice]:
    """Return each strategy its best variant and rate; of equals the first variant, and the lower rate."""
    chosen = {}
    for family, variants in question.families.items():
        pairs = [pair for pair in means if pair[0] in variants]
        if pairs:
            order = sorted(pairs, key=lambda pair: (question.cost(means[pair]), variants.index(pair[0]), pair[1]))
            chosen[family] = Choice(*order[0])
    return chosen
