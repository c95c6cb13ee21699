"""From the curve of a sweep to a rate: the rules, ours and those of other finders, each by its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

SMOOTHING: Final = 0.9
"""How much of the average so far stays in it at each update."""
FIRST_UPDATES: Final = 15
"""Updates at the lowest rates, whose mean loss is what the loss begins at."""
HIGHEST_LOSS: Final = 3.0
"""Losses count as at most so many times their first value, so that one that explodes does not hide the others."""


def smoothed(losses: Sequence[float], beta: float = SMOOTHING) -> list[float]:
    """Return the running average of the losses, as if it had begun long before (the bias of its start is divided out).

    Formula: `m = beta * m + (1 - beta) * loss`, m / (1 - beta ** n) after n losses. Source: Kingma and Ba, "Adam",
    2015.

    >>> smoothed([4.0, 4.0, 1.0], beta=0.5)
    [4.0, 4.0, 2.2857142857142856]
    """
    average, smooth = 0.0, []
    for count, loss in enumerate(losses, 1):
        average = beta * average + (1 - beta) * loss
        smooth.append(average / (1 - beta**count))
    return smooth


def bounded(losses: Sequence[float]) -> list[float]:
    """Return the losses, each at most a few times its first value further up."""
    first = beginning(losses)
    most = first + (HIGHEST_LOSS - 1) * abs(first)
    return [min(loss, most) if math.isfinite(loss) else most for loss in losses]


def beginning(losses: Sequence[float]) -> float:
    """Return the loss at rates too low to change it."""
    return mean(losses[:FIRST_UPDATES])


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean."""
    return math.fsum(values) / len(values)


def middle(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Return the rate in the middle, by factors, between that of half-descent and a quarter of that of the minimum.

    The two err to different sides: half-descent is low where the loss falls long, the minimum is high where it is flat.
    """
    return math.sqrt(half_descent(rates, losses) * minimum(rates, losses, share=4))


def half_descent(rates: Sequence[float], losses: Sequence[float], share: float = 0.5) -> float:
    """Return the rate at which the smoothed loss has covered half of its fall, looking back from its minimum."""
    curve = smoothed(bounded(losses))
    lowest = min(curve)
    place = curve.index(lowest)
    first = beginning(losses)
    while place and curve[place - 1] <= first - share * (first - lowest):
        place -= 1
    return made_by(rates, place)


def minimum(rates: Sequence[float], losses: Sequence[float], share: float = 10) -> float:
    """Return a tenth of the rate at which the smoothed loss is lowest. Source: fastai's `minimum`."""
    curve = smoothed(bounded(losses))
    return made_by(rates, curve.index(min(curve))) / share


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Return the rate before its minimum at which the smoothed loss falls fastest.

    Source: Smith, "Cyclical learning rates", 2017; torch-lr-finder.
    """
    curve = smoothed(bounded(losses))
    until = max(2, curve.index(min(curve)) + 1)
    falls = [curve[place] - curve[place - 1] for place in range(1, until)]
    return made_by(rates, 1 + falls.index(min(falls)))


def valley(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Return the rate half-way through the middle third of the longest fall of the smoothed loss, as fastai counts it.

    The fall's length is that of the longest decreasing subsequence, gaps allowed; its end is where the first such one
    ends, and its beginning is taken to lie that length before, as if there were no gaps. Source: fastai's `valley`.
    """
    curve = smoothed(bounded(losses))
    lengths: list[int] = []
    for place, loss in enumerate(curve):
        lengths.append(1 + max((lengths[other] for other in range(place) if curve[other] > loss), default=0))
    length = max(lengths)
    return rates[lengths.index(length) - length + length // 3 + length // 6]


def slide(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Return the rate where a window of 15 steps, moved down from the right, has nearly the same slope at both ends.

    The slopes may differ by 0.005; the first such place counts. Source: fastai's `slide`.
    """
    curve = smoothed(bounded(losses))
    last = len(curve) - 1
    slopes = [
        (curve[min(place + 1, last)] - curve[max(place - 1, 0)]) / (min(place + 1, last) - max(place - 1, 0))
        for place in range(len(curve))
    ]
    left = max(0, len(curve) - 16)
    while left > 0 and abs(slopes[min(left + 15, last)] - slopes[left]) > 0.005:
        left -= 1
    return rates[left]


def made_by(rates: Sequence[float], place: int) -> float:
    """Return the rate that made a loss: the one of the update before it."""
    return rates[max(0, place - 1)]


Rule = Callable[[Sequence[float], Sequence[float]], float]
RULES: Final[dict[str, Rule]] = {
    "middle": middle,
    "half_descent": half_descent,
    "steepest": steepest,
    "minimum/10": minimum,
    "minimum/3": lambda rates, losses: minimum(rates, losses, share=3),
    "valley": valley,
    "slide": slide,
}
"""The rules by name; the first is the default."""
