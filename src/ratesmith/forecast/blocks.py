"""Blocks: a schedule of any length as at most some hundred stretches of one rate, split where a loss is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ratesmith.forecast.curve import Floats, Ints

MOST: Final = 160
"""Blocks for the changes of one schedule; the error that they make is below 1e-4 nats."""
SHADE: Final = 0.7
"""The blocks are equal in how far the rate to this power moves: near a rate of zero that is what the laws see."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Several schedules side by side, a row each: the steps and the mean rate of each of their blocks.

    `lengths` and `rates` have the shape (schedules, blocks); short rows are filled with blocks of no length. `rates`
    are shares of one reference rate. `falls` is by how much the rate fell before each block, and 0 up to the end of the
    warm-up, whose rise is no annealing. `row` and `column` say after which block each wanted loss is measured.
    """

    lengths: Floats
    rates: Floats
    falls: Floats
    row: Ints
    column: Ints


def compress(runs: Sequence[tuple[Floats, Ints]], reference: float, most: int = MOST) -> Blocks:
    """Give the blocks of several schedules: pairs of a rate for each update, and the steps at which a loss is wanted.

    Each schedule is cut at the wanted steps and wherever its rate ** 0.7 has moved by a further 1/`most` of all its
    movement. O(steps), once.
    """
    cut = [_cut(rates, steps, most) for rates, steps in runs]
    width = max(len(ends) for ends in cut)
    shape = (len(runs), width)
    lengths, means, falls = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for place, (ends, (rates, _)) in enumerate(zip(cut, runs, strict=True)):
        count = len(ends)
        starts = np.concatenate([[0], ends[:-1]])
        lengths[place, :count] = ends - starts
        mean = np.add.reduceat(rates[: ends[-1]], starts) / (ends - starts) / reference
        means[place, :count] = mean
        top = int(np.argmax(mean))
        falls[place, top + 1 : count] = -np.diff(mean)[top:]
        means[place, count:] = mean[-1]
    row = np.concatenate([np.full(len(steps), place) for place, (_, steps) in enumerate(runs)])
    column = np.concatenate([np.searchsorted(ends, steps) for ends, (_, steps) in zip(cut, runs, strict=True)])
    return Blocks(lengths, means, falls, row.astype(np.int64), column.astype(np.int64))


def _cut(rates: Floats, steps: Ints, most: int) -> Ints:
    """Give the step after which each block ends."""
    last = int(steps[-1])
    shade = rates[:last] ** SHADE
    moved = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(shade)))])
    if moved[-1] <= 0:
        return np.asarray(steps, dtype=np.int64)
    level = np.floor(moved * (most / moved[-1] * (1 - 1e-12)))
    changes = np.flatnonzero(np.diff(level)) + 1
    return np.union1d(changes, steps).astype(np.int64)
