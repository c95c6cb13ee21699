"""Blocks: a schedule of any length as at most some hundred stretches of one rate, split where a loss is wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ratesmith.logs.curve import Floats, Ints

MOST: Final = 96
"""Blocks for a change of the rate from its largest to zero."""
ALL: Final = 448
"""Blocks for all the changes of one schedule, cycles and noise included."""
TOP: Final = 0.9999
"""The warm-up is over where the rate is first this share of its largest."""
STEEPEST: Final = 1 / 3
"""The bend of a straight line to zero, beyond which the second order says nothing."""
TURNS: Final = 64
"""Turns of the rate, between rising, staying and falling, up to which there is a cut at each of them."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Several schedules side by side, a row each: how long their blocks are, and how the rate goes through each.

    All arrays but the last two have the shape (schedules, blocks); short rows are filled with blocks of no length.
    Rates are shares of one reference rate. `bend` is the variance of the rate in the block over the square of its
    mean. `jumps` is by how much the rate fell at the block's first step, and `slides` by how much in its course; both
    are 0 up to the end of the warm-up, whose rise is no annealing. `row` and `column` say after which block each wanted
    loss is measured.
    """

    lengths: Floats
    rates: Floats
    first: Floats
    last: Floats
    bend: Floats
    jumps: Floats
    slides: Floats
    row: Ints
    column: Ints

    def powers(self, exponents: Floats) -> Floats:
        """Return the mean of rate ** exponent in each block, to the second order: (exponents, schedules, blocks)."""
        wide = exponents[:, None, None]
        found: Floats = np.exp(wide * np.log(np.maximum(self.rates, 1e-12)))
        return found * (1 + 0.5 * wide * (wide - 1) * self.bend)


def compress(runs: Sequence[tuple[Floats, Ints]], reference: float, most: int = MOST) -> Blocks:
    """Return the blocks of several schedules: pairs of a rate for each update, and the steps at which a loss is wanted.

    Each schedule is cut at the wanted steps and wherever the root of its rate has moved by a further 1/`most` of its
    largest, or, if it moves very much, so that some 448 blocks are made. O(steps), once.
    """
    cut = [_cut(rates, steps, most) for rates, steps in runs]
    shape = (len(runs), max(len(ends) for ends in cut))
    lengths, mean, first, last, bend, jumps, slides = (np.zeros(shape) for _ in range(7))
    for row, (ends, (rates, _)) in enumerate(zip(cut, runs, strict=True)):
        count, u = len(ends), rates[: ends[-1]] / reference
        starts = np.concatenate([[0], ends[:-1]])
        lengths[row, :count] = ends - starts
        mean[row, :count] = np.add.reduceat(u, starts) / (ends - starts)
        mean[row, count:], first[row, :count], last[row, :count] = mean[row, count - 1], u[starts], u[ends - 1]
        squares = np.add.reduceat(u * u, starts) / (ends - starts)
        variance = squares / np.maximum(mean[row, :count], 1e-12) ** 2 - 1
        bend[row, :count] = np.clip(variance, 0, STEEPEST) * (ends - starts > 1)
        top = _top(u)
        before = np.concatenate([[u[0]], u[ends[:-1] - 1]])
        jumps[row, :count] = (before - u[starts]) * (starts > top)
        slides[row, :count] = (u[starts] - u[ends - 1]) * (starts >= top)
    wanted = np.concatenate([np.full(len(steps), place) for place, (_, steps) in enumerate(runs)])
    column = np.concatenate([np.searchsorted(ends, steps) for ends, (_, steps) in zip(cut, runs, strict=True)])
    places = wanted.astype(np.int64), column.astype(np.int64)
    return Blocks(lengths, mean, first, last, bend, jumps, slides, *places)


def _cut(rates: Floats, steps: Ints, most: int) -> Ints:
    """Return the step after which each block ends."""
    end = int(steps[-1])
    shade = np.sqrt(rates[:end])  # near a rate of zero that is what the laws see
    change, largest = np.empty(end), float(shade.max())
    change[0] = 0.0
    np.subtract(shade[1:], shade[:-1], out=change[1:])
    rising, falling = change > 0, change < 0
    moved = np.cumsum(np.abs(change, out=change), out=change)
    if moved[-1] <= 0:
        return np.asarray(steps, dtype=np.int64)
    count = min(moved[-1] / largest * most, ALL)
    changes = np.searchsorted(moved, np.arange(1, math.ceil(count)) * (moved[-1] / count))
    turns = np.flatnonzero((rising[2:] != rising[1:-1]) | (falling[2:] != falling[1:-1])) + 2
    top = _top(rates[:end])
    ends = np.union1d(changes, turns if len(turns) <= TURNS else [])
    return np.union1d(np.union1d(ends, steps), [top] if top else []).astype(np.int64)


def _top(rates: Floats) -> int:
    """Return the step at which the warm-up is over; most are short, so that little has to be looked at."""
    least, place = TOP * rates.max(), 0
    for end in (len(rates) // 32, len(rates)):
        above = rates[place:end] >= least
        found = int(np.argmax(above)) if len(above) else 0
        if len(above) and above[found]:
            return place + found
        place = end
    return 0
