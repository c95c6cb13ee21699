"""Trials: each run forecast from the others, the one error of a forecast that the runs themselves can show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ratesmith.forecast import doubt
from ratesmith.logs.curve import Curve

if TYPE_CHECKING:  # it asks for these
    from ratesmith.forecast.fit import Law

MOST: Final = 4
"""Runs that are left out in turn: each costs a fit."""
USUAL: Final = 1.5
"""How many standard deviations a trial is off on public curves, as a root mean square: tails are heavy."""


@dataclass(frozen=True)
class Trial:
    """One run, forecast from the others."""

    name: str
    error: float
    """The root mean square over the run of the forecast's error, as a share of the loss."""
    ratio: float
    """The same in standard deviations of that forecast."""


def left_out(law: Law) -> Iterator[tuple[Law, Curve]]:
    """Return runs, at most 4, each with the law fitted to all others, where that law can say anything."""
    every = -(-len(law.curves) // MOST)
    for curve in law.curves[::every] if len(law.curves) > 1 else ():
        rest = law.without(curve.name)
        if rest.rough != "D" and len(rest.measured(curve)[0]):
            yield rest, curve


def trial_of(rest: Law, curve: Curve) -> Trial:
    """Return how far a run is from its forecast by a law that was fitted to others."""
    steps, losses = rest.measured(curve)
    seen = doubt.alone(rest, [(curve.rates, steps)])
    off = losses - seen.losses
    relative, deviations = (float(np.sqrt(np.mean((off / unit) ** 2))) for unit in (seen.losses, seen.sd))
    return Trial(curve.name, relative, deviations)


def stretch(tried: Sequence[Trial]) -> float:
    """Return by how much the bands must be wider for what the trials were off, at least 1.

    Formula: `sqrt((1 + sum of (ratio / 1.5)^2) / (1 + trials))`: what is usual counts as one trial more.

    >>> stretch([]), stretch([Trial("a", 0.001, 0.5)]), round(stretch([Trial("a", 0.02, 6.0)]), 2)
    (1.0, 1.0, 2.92)
    """
    seen = 1 + sum((one.ratio / USUAL) ** 2 for one in tried)
    return float(max(1.0, np.sqrt(seen / (1 + len(tried)))))
