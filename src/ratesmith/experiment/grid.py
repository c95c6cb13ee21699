"""The fixed, ordered list of trials, and where the grid of rates is extended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ratesmith.experiment.trial import Trial

LOWEST: Final = 1e-30
MOST_EXTENSIONS: Final = 3
"""How many rates a grid may gain at each of its two ends."""


def default_rates(base_lr: float) -> tuple[float, ...]:
    """Give five rates around the optimizer's own, two for each decade.

    >>> default_rates(0.1)
    (0.01, 0.0316, 0.1, 0.316, 1.0)
    """
    return tuple(rounded(base_lr * 10 ** (half / 2)) for half in (-2, -1, 0, 1, 2))


def rounded(rate: float) -> float:
    """Give a rate to three digits, so that what is printed is what was used."""
    return float(f"{rate:.3g}")


def trials(strategies: Iterable[str], rates: Iterable[float], seeds: Iterable[int]) -> list[Trial]:
    """Give every strategy each rate and each seed, in one fixed order."""
    strategies, seeds = tuple(strategies), tuple(seeds)
    return [Trial(strategy, rate, seed) for rate in rates for strategy in strategies for seed in seeds]


def extension(rates: Sequence[float], bests: Iterable[float | None], given: Sequence[float]) -> list[float]:
    """Give the rates to add where some strategy's best rate lies on the grid's edge: none, one or two.

    A best of None (every rate diverged) asks for lower rates. The step of the grid is kept. `given` is the grid as it
    began; an end that has gained three rates stays.

    >>> extension([0.01, 0.1, 1.0], bests=[0.1, 1.0], given=[0.01, 0.1, 1.0])
    [10.0]
    """
    rates, bests = sorted(rates), set(bests)
    if len(rates) < 2:
        return []
    wanted = []
    if (rates[0] in bests or None in bests) and sum(rate < min(given) for rate in rates) < MOST_EXTENSIONS:
        wanted.append(rates[0] * (rates[0] / rates[1]))
    if rates[-1] in bests and sum(rate > max(given) for rate in rates) < MOST_EXTENSIONS:
        wanted.append(rates[-1] * (rates[-1] / rates[-2]))
    # A rate too close to its neighbour to differ in three digits, or past the ends of the numbers, is no new one.
    return [new for rate in wanted if LOWEST < (new := rounded(rate)) < 1 / LOWEST and new not in rates]
