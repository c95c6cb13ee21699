"""What is tried: the variants that listed options give, the grid of rates, and where it is extended."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from ratesmith._checks import OptionValueError
from ratesmith.strategy import parse

LOWEST_RATE: Final = 1e-30
MOST_EXTENSIONS: Final = 3
"""How many rates a grid may gain at each of its two ends."""
MOST_VARIANTS: Final = 256


def variants(text: str) -> tuple[str, ...]:
    """Return the strategies that a text with listed options stands for, in the order of its lists; itself without any.

    An option that is a list by itself, as milestones are, is listed as a list of lists.

    >>> variants('warmup(10) >> wsd(decay=["10%", "20%"])')
    ('warmup(10) >> wsd(decay="10%")', 'warmup(10) >> wsd(decay="20%")')
    >>> variants('multistep(milestones=["50%", "75%"])')
    ('multistep(milestones=["50%", "75%"])',)
    """
    listed = [str(variant) for variant in itertools.islice(parse(text).variants(), MOST_VARIANTS + 1)]
    if len(listed) > MOST_VARIANTS:
        raise OptionValueError(
            f"compare: a strategy may have at most {MOST_VARIANTS} variants, got more from {text}; list fewer options"
        )
    if not listed:
        raise OptionValueError(
            f"compare: an option must be listed with at least one value, got an empty list in {text}"
        )
    return tuple(dict.fromkeys(listed))


def default_rates(centre: float, count: int = 5) -> tuple[float, ...]:
    """Return an odd number of rates around one, two for each decade.

    >>> default_rates(0.1)
    (0.01, 0.0316, 0.1, 0.316, 1.0)
    """
    return tuple(rounded(centre * 10 ** (half / 2)) for half in range(-(count // 2), count // 2 + 1))


def rounded(rate: float) -> float:
    """Return a rate to three digits, so that what is printed is what was used."""
    return float(f"{rate:.3g}")


MOST_FIRST: Final = 3
"""With how many rates, from the middle of the grid, a strategy's search on a rung begins."""


def first_rates(grid: Sequence[float]) -> list[float]:
    """Return the rates that a rung begins with: the middle three.

    >>> first_rates([0.001, 0.01, 0.1, 1.0, 10.0])
    [0.01, 0.1, 1.0]
    """
    skipped = max(0, len(grid) - MOST_FIRST) // 2
    return list(grid[skipped : skipped + MOST_FIRST])


def next_rates(grid: Sequence[float], tried: Sequence[float], best: float | None) -> list[float]:
    """Return what a rung tries next: the best rate's neighbours in the grid; a lower one if all diverged.

    >>> next_rates([0.001, 0.01, 0.1, 1.0, 10.0], tried=[0.01, 0.1, 1.0], best=1.0)
    [10.0]
    """
    if best is None:
        return [rate for rate in grid if rate < min(tried)][-1:]
    place = grid.index(best)
    return [rate for rate in grid[max(0, place - 1) : place + 2] if rate not in tried]


def wanted_rates(
    grid: Sequence[float], tried: Sequence[float], best: float | None, given: Sequence[float]
) -> list[float]:
    """Return the rates that a best one still asks for: its neighbours in the grid that a rung cut, or beyond it.

    >>> wanted_rates([0.01, 0.1, 1.0], tried=[0.1, 1.0], best=0.1, given=[0.01, 0.1, 1.0])
    [0.01]
    """
    grid = sorted(grid)
    beside = next_rates(grid, tried, best) if best is not None else []
    return beside or extension(grid, best, given)


def extension(rates: Sequence[float], best: float | None, given: Sequence[float]) -> list[float]:
    """Return the rates to add if a strategy's best rate lies on the edge of the rates it was tried at: none or one.

    A best of None (every rate diverged) asks for a lower rate. The step of the grid is kept. `given` is the grid as it
    began; an end that has gained three rates stays.

    >>> extension([0.01, 0.1, 1.0], best=1.0, given=[0.01, 0.1, 1.0])
    [10.0]
    """
    rates = sorted(rates)
    if len(rates) < 2:
        return []
    wanted = []
    if best in (rates[0], None) and sum(rate < min(given) for rate in rates) < MOST_EXTENSIONS:
        wanted.append(rates[0] * (rates[0] / rates[1]))
    if best == rates[-1] and sum(rate > max(given) for rate in rates) < MOST_EXTENSIONS:
        wanted.append(rates[-1] * (rates[-1] / rates[-2]))
    # A rate too close to its neighbour to differ in three digits, or past the ends of the numbers, is no new one.
    return [new for rate in wanted if LOWEST_RATE < (new := rounded(rate)) < 1 / LOWEST_RATE and new not in rates]
