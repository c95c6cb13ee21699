"""What may be tried: the variants that listed options give, and the rates."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final

from ratesmith._checks import OptionValueError
from ratesmith.strategy import parse
from ratesmith.strategy.contender import Contender, contender_of

LOWEST_RATE: Final = 1e-30
FIFTHS: Final = 5
DECADES: Final = 2
MOST_BEYOND: Final = 5
"""How many fifths of a decade beyond the given rates may be tried."""
MOST_VARIANTS: Final = 256


def variants(text: str) -> tuple[str, ...]:
    """Return the strategies that a text with listed options stands for, in the order of its lists; itself without any.

    An option that is a list by itself, as milestones are, is listed as a list of lists.

    >>> variants('warmup(10) >> wsd(decay=["10%", "20%"])')
    ('warmup(10) >> wsd(decay="10%")', 'warmup(10) >> wsd(decay="20%")')
    >>> variants('multistep(milestones=["50%", "75%"])')
    ('multistep(milestones=["50%", "75%"])',)
    >>> variants("muon: step(every=[5, 9])")
    ('muon: step(every=5)', 'muon: step(every=9)')
    """
    optimizer, notation = contender_of(text)
    strategies = itertools.islice(parse(notation).variants(), MOST_VARIANTS + 1)
    listed = [str(Contender(optimizer, strategy.text)) for strategy in strategies]
    if len(listed) > MOST_VARIANTS:
        raise OptionValueError(
            f"compare: a strategy may have at most {MOST_VARIANTS} variants, got more from {text}; list fewer options"
        )
    if not listed:
        raise OptionValueError(
            f"compare: an option must be listed with at least one value, got an empty list in {text}"
        )
    return tuple(dict.fromkeys(listed))


def lattice(centre: float) -> tuple[float, ...]:
    """Return the rates that may be tried around one: a fifth of a decade apart, two decades to each side.

    >>> rates = lattice(0.1)
    >>> len(rates), rates[0], rates[9:12], rates[-1]
    (21, 0.001, (0.0631, 0.1, 0.158), 10.0)
    """
    ends = range(-FIFTHS * DECADES, FIFTHS * DECADES + 1)
    rates = {rounded(centre * 10 ** (fifth / FIFTHS)) for fifth in ends}
    return tuple(sorted(rate for rate in rates if LOWEST_RATE < rate < 1 / LOWEST_RATE))


def lattice_of(given: Sequence[float]) -> tuple[float, ...]:
    """Return the rates that may be tried where some were given: those, what lies between, and a little beyond.

    Between two that are further apart than a fifth of a decade, and for a decade beyond the ends. One rate alone is
    that rate.

    >>> lattice_of([0.1])
    (0.1,)
    >>> lattice_of([0.1, 0.3])[4:9]
    (0.0631, 0.1, 0.173, 0.3, 0.475)
    """
    rates = sorted(given)
    if len(rates) < 2:
        return tuple(rates)
    found = set(rates)
    for low, high in itertools.pairwise(rates):
        parts = max(1, round(FIFTHS * math.log10(high / low)))
        found.update(rounded(low * (high / low) ** (part / parts)) for part in range(1, parts))
    for beyond in range(1, MOST_BEYOND + 1):
        step = 10 ** (beyond / FIFTHS)
        found.update((rounded(rates[0] / step), rounded(rates[-1] * step)))
    return tuple(sorted(rate for rate in found if LOWEST_RATE < rate < 1 / LOWEST_RATE))


def middle_of(rates: Sequence[float]) -> float:
    """Return the middle of some rates, by their logarithms.

    >>> middle_of([0.01, 1.0])
    0.1
    """
    return rounded(math.exp(math.fsum(map(math.log, (min(rates), max(rates)))) / 2))


def rounded(rate: float) -> float:
    """Return a rate to three digits, so that what is printed is what was used."""
    return float(f"{rate:.3g}")
