"""A rung of a race: trainings of one length at several rates, and the parabola through the best of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith.finder.result import EARLY_UPDATES, Curve, FinderError
from ratesmith.finder.rules import mean
from ratesmith.finder.sweep import Progress
from ratesmith.finder.training import Course, NotMeasuredError, ScriptTask, Searched, trainable
from ratesmith.horizon import Horizon
from ratesmith.schedule import Schedule
from ratesmith.strategy import Functions, ScheduleLike, as_schedule

PLACES: Final = 4
"""Rates are trained at so many places a decade: 0.01, 0.0178, 0.0316, 0.0562, 0.1."""
APART: Final = 2
"""Places from one rate of a rung to the next: half a decade."""
SHORTEST: Final = 64
LONGEST: Final = 10**9
"""Lengths in steps at which a schedule is tried before the first training, if that to come has none."""
LAST: Final = 8
"""Without a measurement, trainings are judged by the training loss of their last 1/8 updates, at least so many."""
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


class Ended(NamedTuple):
    """A training: its metric at the end, larger for worse; its first loss; the mean of those that came next.

    `last` is the mean of its last losses, `error` the standard error of that. All but the first are None if a script
    keeps its training losses to itself, and `early` if they are too few.
    """

    score: float
    first: float | None = None
    early: float | None = None
    last: float | None = None
    error: float | None = None


@dataclass
class Trainer:
    """What is trained in a race, for how long, and how it is judged."""

    who: str
    task: Searched
    seeds: list[int]
    steps: int | None
    """The length of the training to come; None is not known."""
    schedule: ScheduleLike
    metric: str
    mode: str
    functions: Functions
    on_progress: Progress
    updates: int = 0
    planned: int = 0
    base_lr: float = 0.0
    group_lrs: Mapping[str, float] = field(default_factory=dict)
    epoch: int | None = None
    untrained: float = math.inf
    at_rest: float | None = None
    """The training loss of the first weights, over the first batches of the sweep; None without one."""
    in_doubt: bool = False
    """Whether the sweep saw the loss fall at no rate."""
    pretrained: bool = False
    measures: bool = True
    """Whether trainings are judged by a measurement; else it is by their training losses."""
    settled: bool = False
    """Whether a training has shown which."""

    def begin(self) -> None:
        """Look at a training that has not begun: how long an epoch is, and whether the metric is measured."""
        must_measure = self.steps is not None or self.metric != "loss"
        known = [trainable(self.task).facts(seed, must_measure=must_measure) for seed in self.seeds]
        self.base_lr, self.epoch, self.measures = known[0].base_lr, known[0].steps_per_epoch, known[0].measures
        if known[0].metrics:  # a script's first weights are not measured
            self.untrained = mean([self._judged(facts.metrics) for facts in known])
        try:
            self._built(self.steps or SHORTEST)  # says what is wrong with it before anything is trained
        except ValueError:
            if self.steps is not None or not self._can_be_built(LONGEST):
                raise
            raise OptionValueError(
                f"{self.who}: ",
                Option("steps"),
                f" must be given for the schedule {self.schedule}, whose own lengths fill a short training, got none; "
                "give the length of the training to come",
            ) from None

    def _can_be_built(self, steps: int) -> bool:
        """Whether the schedule holds over so many steps."""
        try:
            self._built(steps)
        except ValueError:
            return False
        return True

    def whole_epochs(self, steps: int, *, up: bool) -> int:
        """Return so many updates; of a script, which may report at the end of its epochs alone, whole ones of them."""
        if not isinstance(self.task, ScriptTask) or self.steps is None or not self.epoch:
            return steps
        epochs = -(-steps // self.epoch) if up else max(1, steps // self.epoch)
        return min(epochs * self.epoch, self.steps)

    def _built(self, steps: int) -> Schedule:
        """Return the schedule over so many steps: the whole, squeezed, if its own length is known."""
        length = self.steps or steps
        built = as_schedule(self.schedule, Horizon(length, self.epoch), self.functions, who=self.who)
        if not isinstance(built, Schedule):
            raise OptionTypeError(
                f"{self.who}: ",
                Option("schedule"),
                f" must be a schedule, which listens to no metric, or notation, got "
                f"{self.schedule}; give one, or compare both",
            )
        if built.steps != length and (self.steps is not None or built.steps is None):
            built = built.take(length)
        return built if built.steps == steps else built.stretch(steps)

    def _judged(self, measured: Mapping[str, float]) -> float:
        """Return the metric, larger for worse."""
        if self.metric not in measured:
            raise FinderError(
                f"{self.who}: metric must be one that the task measures, got {self.metric!r}; "
                f"measured: {', '.join(measured)}"
            )
        value = float(measured[self.metric])
        return math.inf if not math.isfinite(value) else value if self.mode == "min" else -value

    def train(self, rate: float, steps: int, seed: int) -> Ended:
        """Train with the whole schedule in so many steps, and measure; infinite where the loss is not finite."""
        schedule = self._built(steps)
        losses: list[float] = []
        is_finite = True

        def hear(more: Sequence[float], updates: int) -> bool:
            nonlocal is_finite
            self.updates += updates
            self.on_progress(self.updates, max(self.planned, self.updates))
            losses.extend(more)
            is_finite = is_finite and all(map(math.isfinite, more))
            return is_finite

        rates = [rate * float(schedule(step)) for step in range(steps)]
        course = Course(seed, rate, schedule, steps, rates)
        try:
            trained = trainable(self.task).train(course, hear, measure=self.measures)
        except NotMeasuredError:
            if self.steps is not None or self.settled or not losses or self.metric != "loss":
                raise
            # A script whose epochs are longer than a short training is judged by its training losses.
            self.measures = False
            return self.train(rate, steps, seed)
        self.settled = True
        self.pretrained, self.group_lrs = self.pretrained or trained.pretrained, trained.group_lrs
        last = losses[-max(LAST, steps // LAST) :]
        score = math.inf if not is_finite else self._judged(trained.metrics) if self.measures else mean(last)
        if not losses:
            return Ended(score)
        first, early = losses[0], losses[1 : EARLY_UPDATES + 1]
        if not is_finite:
            early, last = (early if all(map(math.isfinite, early)) else [math.inf]), [math.inf]
        return Ended(
            score,
            first,
            mean(early) if len(early) == EARLY_UPDATES or math.inf in early else None,
            mean(last),
            _error(last),
        )


def _mean_of(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are there; infinite if one is; None if there are none."""
    numbers = [value for value in values if value is not None]
    return None if not numbers else math.inf if math.inf in numbers else mean(numbers)


def _error(losses: Sequence[float]) -> float:
    """Return the standard error of the mean of losses."""
    centre, scale = mean(losses), max(map(abs, losses))
    if not 0 < scale < math.inf or not math.isfinite(centre):
        return 0.0 if scale == 0 else math.inf
    return scale * math.sqrt(mean([(loss / scale - centre / scale) ** 2 for loss in losses]) / len(losses))


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
    def share(self) -> float | None:
        """How long each training is, as a part of the training to come; None if that is not known."""
        return self.steps / self.trainer.steps if self.trainer.steps else None

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
        if math.isinf(min(scores)):
            raise FinderError(
                f"{self.trainer.who}: all trainings diverged, at {rates[0]:.2g} to {rates[-1]:.2g}; give lower rates"
            )
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
        if self.share is not None and self.share >= LONG:
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
