"""A rung of a race: trainings of one length at several rates, and the parabola through the best of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from ratesmith.finder.result import Curve
from ratesmith.finder.rules import mean
from ratesmith.finder.trainer import Ended, Trainer

PLACES: Final = 4
"""Rates are trained at so many places a decade: 0.01, 0.0178, 0.0316, 0.0562, 0.1."""
APART: Final = 2
"""Places from one rate of a rung to the next: half a decade."""
LITTLE: Final = 0.1
"""A training has learned little that lowers its loss by less than this part of it."""
STEEP: Final = 0.3
"""A rate is far better than its neighbour that has learned more than by this part of its own fall."""
LONG: Final = 0.4
"""Trainings of at least this part of the training to come like the rates that it likes."""
LOWER: Final = 0.75
"""Shorter ones like higher rates: the best rate is multiplied by this."""
BESIDE_DEAD: Final = 0.45
"""The same where the next higher rate learns nothing."""
DEAD: Final = 0.1
"""A training learns nothing whose loss falls by less than this part of the best one's fall."""
CLEAR: Final = 3.0
"""Where the sweep saw no fall, training losses must have fallen by so many of their standard errors."""
NEARLY_AS_GOOD: Final = 1.05
"""Rates whose loss is at most this factor above the best are named beside it."""


def rate_at(place: int) -> float:
    """Return the rate at a place: 10 ** (place / 4), with six digits.

    >>> [rate_at(place) for place in (-4, -3, 0)]
    [0.1, 0.177828, 1.0]
    """
    return float(f"{10 ** (place / PLACES):.6g}")


def nearest_place(rate: float) -> int:
    """Return the place nearest to a rate, by factors."""
    return round(PLACES * math.log10(rate))


def _mean_of(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are there; infinite if one is; None if there are none."""
    numbers = [value for value in values if value is not None]
    return None if not numbers else math.inf if math.inf in numbers else mean(numbers)


class Rung:
    """Trainings of one length: rates with their scores, smaller for better."""

    def __init__(self, trainer: Trainer, steps: int) -> None:
        """Begin without any."""
        self.trainer, self.steps = trainer, steps
        self.ended: dict[float, Ended] = {}

    def run(self, rate: float) -> None:
        """Train at a rate, once for each seed."""
        trainings = [self.trainer.train(rate, self.steps, seed) for seed in self.trainer.seeds]
        columns = zip(*trainings, strict=True)
        means = {name: _mean_of(column) for name, column in zip(Ended._fields, columns, strict=True)}
        self.ended[rate] = Ended(**means)  # type: ignore[arg-type]  # the score is never None
        self.ended = dict(sorted(self.ended.items()))

    def climb(self, place: int, most: int, *, more: bool = True) -> None:
        """Train at the rate of a place and half a decade above, then on where it is better: `most` trainings.

        If there may be `more`, there is one if none has learned much, or if the last one has learned far more. It ends
        as soon as the best lies between two others. Of two that are equally good, the lower one leads on.
        """
        self.run(rate_at(place))
        self.run(rate_at(place + APART))
        while self.lowest_best in (0, len(self.ended) - 1) and len(self.ended) < most + (more and self._unsettled):
            rates = list(self.ended)
            down = self.lowest_best == 0
            self.run(rate_at(nearest_place(rates[0]) - APART if down else nearest_place(rates[-1]) + APART))

    @property
    def is_long(self) -> bool:
        """Whether the trainings are long enough beside that to come, if its length is known, to like the same rates."""
        return self.trainer.steps is not None and self.steps >= LONG * self.trainer.steps

    @property
    def learned_little(self) -> bool:
        """Whether no training has lowered the loss of the first weights by a tenth."""
        return self.untrained - min(self.scores.values()) < LITTLE * abs(self.untrained) < math.inf

    @property
    def _unsettled(self) -> bool:
        """Whether the best rate is far better than its neighbour, or no rate is good: it may lie further on."""
        scores = list(self.scores.values())
        best = self.lowest_best
        gain = scores[best - 1 if best else 1] - scores[best]
        return self.learned_little or gain > STEEP * (self.untrained - scores[best])

    @property
    def lowest_best(self) -> int:
        """The place of the best rate: of several equal ones, the lowest."""
        scores = list(self.scores.values())
        return scores.index(min(scores))

    @property
    def scores(self) -> dict[float, float]:
        """The metric at the end of each rate's trainings, larger for worse."""
        return {rate: ended.score for rate, ended in self.ended.items()}

    @property
    def untrained(self) -> float:
        """What the first weights score; infinite if nobody knows."""
        if self.trainer.at_rest is not None and not self.trainer.measures:
            return self.trainer.at_rest  # one batch alone may be far from the others
        firsts = [ended.first for ended in self.ended.values() if ended.first is not None]
        return max(firsts) if firsts and not self.trainer.measures else self.trainer.untrained

    @property
    def learned(self) -> bool:
        """Whether any rate ended better than the untrained model; if the sweep saw no fall, by more than chance."""
        best, at_rest = min(self.ended.values(), key=lambda ended: ended.score), self.trainer.at_rest
        unknown = not self.trainer.measures or math.isinf(self.untrained)
        if self.trainer.in_doubt and unknown and None not in (best.last, best.error, at_rest):
            return best.last < at_rest - CLEAR * best.error  # type: ignore[operator]
        return best.score < self.untrained

    @property
    def best(self) -> int:
        """The place of the best rate: of several equal ones beside each other, the middle one."""
        scores = list(self.scores.values())
        first = last = scores.index(min(scores))
        while last + 1 < len(scores) and scores[last + 1] == scores[first]:
            last += 1
        return (first + last) // 2

    @property
    def on_edge(self) -> bool:
        """Whether the best rate is the lowest or highest one, and better than its neighbour."""
        return self.best in (0, len(self.scores) - 1)

    def vertex(self) -> float:
        """Return the rate at the lowest point of the parabola through the best score and those on either side.

        Where the next higher rate diverged, it is at most the best one trained.
        """
        rates, scores = list(self.scores), list(self.scores.values())
        if self.on_edge:
            return rates[self.best]
        around = slice(self.best - 1, self.best + 2)
        x0, x1, x2 = map(math.log, rates[around])
        y0, y1, y2 = self._heights(scores)[around]
        left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
        if left == right:
            return rates[self.best]
        bend = (right - left) / (x2 - x0)
        highest = x1 if math.isinf(scores[self.best + 1]) else x2
        return math.exp(min(max((x0 + x1) / 2 - left / (2 * bend), x0), highest))

    def answer(self) -> float:
        """Return the rate to suggest for the training to come: lower than the vertex, if that is much longer.

        Where the next higher rate learns nothing, it is lower still: long trainings die of rates that short ones bear.
        """
        if self.is_long:
            return self.vertex()
        rates = list(self.scores)
        above = rates[self.best + 1 : self.best + 2]
        return self.vertex() * (BESIDE_DEAD if set(above) & set(self.dead()) else LOWER)

    def dead(self) -> list[float]:
        """Return the rates above the best at which trainings learned nothing: less than a tenth of what it has.

        Those below learn slowly, and are no more than too low, unless their loss was not finite.
        """
        best, least = min(self.scores.values()), math.inf
        if math.isfinite(self.untrained) and best < self.untrained:
            least = self.untrained - DEAD * (self.untrained - best)
        best_rate = list(self.scores)[self.best]
        return [
            rate for rate, score in self.scores.items() if score == math.inf or (score >= least and rate > best_rate)
        ]

    def _heights(self, scores: list[float]) -> list[float]:
        """Return the scores, none above that of the first weights, and as logarithms where all are above 0."""
        finite_ones = [score for score in (*scores, self.untrained) if math.isfinite(score)]
        most = max(self.untrained if math.isfinite(self.untrained) else max(finite_ones), min(scores))
        scores = [min(score, most) for score in scores]
        return [math.log(score) for score in scores] if min(scores) > 0 else scores

    def nearly(self) -> list[float]:
        """Return the rates beside the best, it included, that trained nearly as well; none that died."""
        scores, rates = list(self.scores.values()), list(self.scores)
        allowed = scores[self.best] + (NEARLY_AS_GOOD - 1) * abs(scores[self.best])
        low = high = self.best
        while low and scores[low - 1] <= allowed:
            low -= 1
        dead = set(self.dead())
        while high + 1 < len(scores) and scores[high + 1] <= allowed and rates[high + 1] not in dead:
            high += 1
        return rates[low : high + 1]

    def curve(self) -> Curve:
        """Return the scores by rate, with the metric's own sign."""
        sign = 1 if self.trainer.mode == "min" else -1
        values = tuple(sign * score for score in self.scores.values())
        suggestion = None if math.isinf(min(self.scores.values())) else self.vertex()
        firsts = [ended.first for ended in self.ended.values() if ended.first is not None]
        first = mean(firsts) if firsts else None
        earlies = [ended.early for ended in self.ended.values()]
        early = () if None in earlies else tuple(loss for loss in earlies if loss is not None)
        return Curve("training", f"{self.steps} steps", tuple(self.ended), values, values, suggestion, first, early)
