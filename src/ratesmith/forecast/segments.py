"""Segments: a schedule of any length as at most some hundred pieces of nearly one rate, cut where a loss is wanted.

The laws are sums over steps. Over a piece of one rate such a sum has a closed form, so that a forecast of a million
steps costs as much as one of a thousand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ratesmith.logs.curve import Floats, Ints

SEGMENTS_OF_A_FALL: Final = 96
"""Segments for a change of the rate from its largest to zero."""
MOST_SEGMENTS: Final = 448
"""Segments for all the changes of one schedule, cycles and noise included."""
AT_PEAK: Final = 0.9999
"""The warm-up is over when the rate is first this share of its largest."""
LARGEST_BEND: Final = 1 / 3
"""The bend of a straight line to zero, beyond which the second order says nothing."""
MOST_EXACT_TURNS: Final = 64
"""Turns of the rate, between rising, staying and falling, up to which each of them is cut at."""


@dataclass(frozen=True, eq=False)
class Segments:
    """Several schedules side by side, a row each: how long their segments are, and how the rate goes through each.

    All arrays but the last two have the shape (schedules, segments). Rows are as long as the longest: shorter ones end
    in segments of length 0, over which every sum stays what it is. Rates are shares of one reference rate. `bend` is
    the variance of the rate in the segment over the square of its mean. `jumps` is by how much the rate fell at the
    segment's first step, and `slides` by how much in its course; both are 0 up to the end of the warm-up, whose rise is
    no annealing. `row` and `column`, of the shape (wanted,), say after which segment each wanted loss is measured.
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
        """Return the mean of rate ** exponent in each segment, to the second order: (exponents, schedules, segments).

        Formula: `E[r^k] = m^k * (1 + k (k - 1) / 2 * bend)` with m the mean rate, by Taylor's series around m.
        """
        k = exponents[:, None, None]
        # A rate of 0 has no logarithm; 1e-12 of the reference is 0 to every law, since all exponents are above 0.
        powers: Floats = np.exp(k * np.log(np.maximum(self.rates, 1e-12)))
        return powers * (1 + 0.5 * k * (k - 1) * self.bend)


def segments_of(runs: Sequence[tuple[Floats, Ints]], reference: float, per_fall: int = SEGMENTS_OF_A_FALL) -> Segments:
    """Return the segments of several schedules: pairs of a rate for each update, and the steps at which to have a loss.

    Each schedule is cut at the wanted steps and wherever the root of its rate has moved by a further 1/`per_fall` of
    its largest, or, if it moves very much, so that some 448 segments are made. O(steps), once.
    """
    cuts = [_cuts(rates, steps, per_fall) for rates, steps in runs]
    shape = (len(runs), max(len(ends) for ends in cuts))
    lengths, mean, first, last, bend, jumps, slides = (np.zeros(shape) for _ in range(7))
    for row, (ends, (rates, _)) in enumerate(zip(cuts, runs, strict=True)):
        # u: (steps,), the rate of every update up to the last wanted step, as a share of the reference
        count, u = len(ends), rates[: ends[-1]] / reference
        starts = np.concatenate([[0], ends[:-1]])
        lengths[row, :count] = ends - starts
        mean[row, :count] = np.add.reduceat(u, starts) / (ends - starts)
        # The filling of a short row has a rate as well, for logarithms are taken of all; its length of 0 silences it.
        mean[row, count:], first[row, :count], last[row, :count] = mean[row, count - 1], u[starts], u[ends - 1]
        squares = np.add.reduceat(u * u, starts) / (ends - starts)
        variance = squares / np.maximum(mean[row, :count], 1e-12) ** 2 - 1
        # One step has no variance: what rounding leaves of it is taken away.
        bend[row, :count] = np.clip(variance, 0, LARGEST_BEND) * (ends - starts > 1)
        peak = _end_of_warmup(u)
        before = np.concatenate([[u[0]], u[ends[:-1] - 1]])
        # A jump belongs to the segment that begins after it; the first one at the peak has only the rise before it.
        jumps[row, :count] = (before - u[starts]) * (starts > peak)
        slides[row, :count] = (u[starts] - u[ends - 1]) * (starts >= peak)
    row_of_wanted = np.concatenate([np.full(len(steps), place) for place, (_, steps) in enumerate(runs)])
    # Every wanted step is an end, so that the search finds it exactly.
    column = np.concatenate([np.searchsorted(ends, steps) for ends, (_, steps) in zip(cuts, runs, strict=True)])
    places = row_of_wanted.astype(np.int64), column.astype(np.int64)
    return Segments(lengths, mean, first, last, bend, jumps, slides, *places)


def _cuts(rates: Floats, steps: Ints, per_fall: int) -> Ints:
    """Return the step after which each segment ends, in rising order; the last is the last wanted step."""
    end = int(steps[-1])
    root = np.sqrt(rates[:end])  # near a rate of zero that is what the laws see: they have powers from 0.5 to 1
    change, largest = np.empty(end), float(root.max())
    # All in one array of the run's length: for ten million steps each further one is 80 MB.
    change[0] = 0.0
    np.subtract(root[1:], root[:-1], out=change[1:])
    rising, falling = change > 0, change < 0
    moved = np.cumsum(np.abs(change, out=change), out=change)
    if moved[-1] <= 0:  # a constant rate
        return np.asarray(steps, dtype=np.int64)
    count = min(moved[-1] / largest * per_fall, MOST_SEGMENTS)
    changes = np.searchsorted(moved, np.arange(1, math.ceil(count)) * (moved[-1] / count))
    turns = np.flatnonzero((rising[2:] != rising[1:-1]) | (falling[2:] != falling[1:-1])) + 2
    peak = _end_of_warmup(rates[:end])
    # A noisy rate turns at every step; there the cuts by how far it moved must do.
    ends = np.union1d(changes, turns if len(turns) <= MOST_EXACT_TURNS else [])
    return np.union1d(np.union1d(ends, steps), [peak] if peak else []).astype(np.int64)


def _end_of_warmup(rates: Floats) -> int:
    """Return the step at which the warm-up is over; most are short, so that little has to be looked at."""
    least, place = AT_PEAK * rates.max(), 0
    for end in (len(rates) // 32, len(rates)):
        above = rates[place:end] >= least
        first = int(np.argmax(above)) if len(above) else 0
        if len(above) and above[first]:
            return place + first
        place = end
    return 0
