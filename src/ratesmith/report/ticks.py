"""Ticks that surround the data: on logarithmic axes, and of differences that are shown in percent."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

ENDS: Final = (1, 1.5, 2, 3, 4, 5, 6, 8)
"""First digits at which an axis may end."""
STEPS: Final = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1,))
"""First digits of ticks, from the densest."""
MOST: Final = 9
"""Ticks of a logarithmic axis, its ends included."""
MOST_PERCENTS: Final = 7
PERCENTS: Final = (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 30, 50, 70, 80, 90, 95, 98, 99)
LARGE_PERCENTS: Final = (100, 200, 400, 900)
"""Above them a tick is a power of ten, as "x 100"."""
LARGEST_POWER: Final = 22


def ticks_around(low: float, high: float) -> list[float]:
    """Return ticks for a logarithmic axis, at most nine: the first at or below `low`, the last at or above `high`.

    >>> ticks_around(0.08, 0.5), ticks_around(0.012, 2.3)
    ([0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5], [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0])
    """
    first, last = _end(low, math.floor), _end(high, math.ceil)
    if first == last:
        first, last = _end(low / 1.3, math.floor), _end(high * 1.3, math.ceil)
    between: list[float] = []
    room = max(1.2, (last / first) ** (1 / (2 * MOST)))
    for digits in STEPS:
        between = [tick for tick in _multiples(digits, first, last) if first * room < tick < last / room]
        if len(between) <= MOST - 2:
            return [first, *between, last]
    every = math.ceil(len(between) / (MOST - 2))
    return [first, *between[every // 2 :: every], last]


def percents_around(low: float, high: float) -> dict[float, str]:
    """Return ticks for differences of logarithms, 0 among them, with what each is in percent.

    >>> list(percents_around(-0.4, 0.02).values())
    ['-50 %', '-30 %', '-20 %', '-10 %', '0 %']
    """
    shares = [0.0, *(-share for share in PERCENTS), *PERCENTS, *LARGE_PERCENTS]
    places = sorted(
        [*(math.log1p(share / 100) for share in shares), *(k * math.log(10) for k in range(2, LARGEST_POWER))]
    )
    first = max((place for place in places if place <= min(low, 0.0)), default=places[0])
    last = min((place for place in places if place >= max(high, 0.0)), default=places[-1])
    distance = (last - first) / MOST_PERCENTS
    kept: list[float] = []
    for place in [0.0, first, last, *sorted(places, key=abs)]:
        if first <= place <= last and all(abs(place - other) >= distance > 0 for other in kept):
            kept.append(place)
    return {place: _percent(place) for place in sorted(kept)}


def _percent(place: float) -> str:
    share = round(100 * math.expm1(place), 6)
    if share > LARGE_PERCENTS[-1]:
        return (
            f"x {math.exp(place):.0f}"
            if share < 1e6
            else f"x {math.exp(place):.0e}".replace("e+0", "e").replace("e+", "e")
        )
    return f"{share:+g} %" if share else "0 %"


def written(tick: float) -> str:
    """Return a tick's label.

    >>> written(0.08), written(1e-6), written(30000.0)
    ('0.08', '1e-6', '3e4')
    """
    if tick == 0 or 1e-3 <= abs(tick) < 1e4:
        return f"{tick:.3g}" if abs(tick) < 1000 else f"{tick:.0f}"
    digits, _, power = f"{tick:.2e}".partition("e")
    return f"{float(digits):g}e{int(power)}"


def _end(value: float, rounded: object) -> float:
    """Return the first end at or below a value if `rounded` is floor, else at or above it."""
    power = math.floor(math.log10(value))
    ends = [float(f"{digit}e{power + more}") for more in (-1, 0, 1) for digit in ENDS]
    slack = 1e-9
    if rounded is math.floor:
        return max(end for end in ends if end <= value * (1 + slack))
    return min(end for end in ends if end >= value * (1 - slack))


def _multiples(digits: Iterable[float], first: float, last: float) -> list[float]:
    powers = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    return sorted(tick for power in powers for digit in digits if first <= (tick := float(f"{digit}e{power}")) <= last)
