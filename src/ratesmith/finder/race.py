"""The race: short whole trainings of the schedule itself at several rates, and a parabola through the best of them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ratesmith._checks import Option, OptionTypeError, OptionValueError, finite, whole
from ratesmith._random_states import preserve_rng_state
from ratesmith.finder.result import EARLY_UPDATES, Curve, FinderError, FinderResult
from ratesmith.finder.rules import mean
from ratesmith.finder.sweep import Progress, read_seeds, sweep
from ratesmith.finder.training import Course, NoLossesError, ScriptTask, trainable
from ratesmith.horizon import Horizon
from ratesmith.schedule import Schedule
from ratesmith.strategy import Functions, ScheduleLike, as_schedule
from ratesmith.task import FindTask

HALF_DECADE: Final = 10**0.5
SHORT_SHARE: Final = 8
LONGER_SHARE: Final = 4
"""The two rungs train for an eighth and a quarter of the whole length."""
LEAST_UPDATES: Final = 100
"""Updates that a short training has at least, beside one epoch; the longer ones have twice as many."""
MOST_RATES: Final = 13
"""Rates that a rung may have, however far its best one is from the first ones."""
NEARLY_AS_GOOD: Final = 1.05
"""Rates whose loss is at most this factor above the best belong to the interval."""
MOVED: Final = 2.0
"""A best rate that differs so much between the rungs is flagged."""


def race(
    task: FindTask | ScriptTask,
    *,
    steps: int,
    schedule: ScheduleLike = "cosine()",
    around: float | None = None,
    seeds: Iterable[int] = (0,),
    metric: str = "loss",
    mode: str | None = None,
    functions: Functions | None = None,
    on_progress: Progress = lambda done, planned: None,
) -> FinderResult:
    """Suggest the initial rate that trains best in short whole trainings with `schedule`.

    `schedule`, a value or notation, is squeezed as a whole to an eighth of `steps`, the length of the training to come,
    and then to a quarter: five rates, half a decade apart, around that of a sweep (or `around`), then three around the
    best. Where the best lies on the edge, rates are added. Each training is judged by `metric` on the validation set
    after its last step (of another than the loss, `mode` says whether it is better small, "min", or large, "max"), mean
    over `seeds`; a parabola in the logarithm of the rate through the best and its neighbours gives the answer. No
    training is shorter than 100 updates or one epoch. It costs about one and a half of the whole trainings, where these
    are longer than 800 updates. Random states are put back.

    Raises ValueError or TypeError for options that cannot hold, FinderError for a metric that is not measured and where
    every training diverges.
    """
    began = time.perf_counter()
    seeds = read_seeds("race", seeds)
    steps = whole("race", "steps", steps, least=1)
    trainer = _Trainer("race", task, steps, schedule, seeds, metric, mode, functions or {})
    with preserve_rng_state():
        trainer.begin(on_progress)
        try:
            first = sweep(task, seeds=_orders(seeds), on_progress=on_progress) if around is None else None
        except NoLossesError:
            first, around = None, trainer.base_lr  # where the script's author thinks that it lies
        centre = around if first is None else first.suggestion
        if first is not None and centre is None:
            return first
        trainer.updates = first.updates if first else 0
        short, longer = trainer.lengths()
        early = _rung(trainer, short, finite("race", "around", centre, least=1e-30), range(-2, 3))
        trained = early if longer == short else None
        late = _rung(trainer, longer, early.vertex(), range(-1, 2), trained) if early.learned else early
    moved = late.learned and max(late.vertex() / early.vertex(), early.vertex() / late.vertex()) > MOVED
    extra = ("moved",) if moved and longer > short else ()
    rungs = (early, late) if late is not early else (early,)
    return trainer.result(late, (*(first.curves if first else ()), *(rung.curve() for rung in rungs)), extra, began)


def grid(
    task: FindTask | ScriptTask,
    *,
    steps: int,
    rates: Sequence[float],
    schedule: ScheduleLike = "cosine()",
    seeds: Iterable[int] = (0,),
    metric: str = "loss",
    mode: str | None = None,
    functions: Functions | None = None,
    on_progress: Progress = lambda done, planned: None,
) -> FinderResult:
    """Suggest the initial rate that trains best at full length, out of `rates` and by the parabola through the best.

    The options are those of `race`. Raises ValueError or TypeError for options that cannot hold.
    """
    began = time.perf_counter()
    seeds = read_seeds("grid", seeds)
    steps = whole("grid", "steps", steps, least=1)
    trainer = _Trainer("grid", task, steps, schedule, seeds, metric, mode, functions or {})
    if not isinstance(rates, Iterable):
        raise OptionTypeError(
            "grid: ", Option("rates"), f" must be a list of numbers, got {rates!r}; write [0.01, 0.1, 1]"
        )
    given = sorted({finite("grid", "a rate", rate, least=1e-30) for rate in rates})
    if not given:
        raise OptionValueError(
            "grid: ", Option("rates"), " must have at least one, got none; give some, as [0.01, 0.1, 1]"
        )
    with preserve_rng_state():
        trainer.begin(on_progress)
        trainer.planned = len(given) * len(trainer.seeds) * trainer.steps
        rung = _Rung(trainer, trainer.steps)
        for rate in given:
            rung.run(rate)
    return trainer.result(rung, (rung.curve(),), (), began)


def check_mode(who: str, metric: str, mode: str | None) -> None:
    """Refuse a mode that there is not, and none for another metric than the loss."""
    if mode is None and metric != "loss":
        raise OptionValueError(
            f"{who}: ",
            Option("mode"),
            f" must be given for the metric {metric!r}, got none; give 'max' where more is better, else 'min'",
        )
    if mode not in (None, "min", "max"):
        raise OptionValueError(f"{who}: ", Option("mode"), f" must be 'min' or 'max', got {mode!r}; choose one")


def _orders(seeds: list[int]) -> list[int]:
    """Return three orders of the data for the sweep before a race."""
    return list(dict.fromkeys([*seeds, *(seed + 1000 * more for more in (1, 2) for seed in seeds)]))[:3]


@dataclass
class _Trainer:
    """What is trained in a race, and how it is judged."""

    who: str
    task: FindTask | ScriptTask
    steps: int
    schedule: ScheduleLike
    seeds: list[int]
    metric: str
    mode: str | None
    functions: Functions
    updates: int = 0
    planned: int = 0
    base_lr: float = 0.0
    epoch: int = 1
    untrained: float = math.inf
    pretrained: bool = False
    whole: Schedule = field(init=False)

    def begin(self, on_progress: Progress) -> None:
        """Look at a training that has not begun: how long an epoch is, and whether the metric is measured."""
        check_mode(self.who, self.metric, self.mode)
        self.mode = self.mode or "min"
        self.on_progress = on_progress
        facts = trainable(self.task).facts(self.seeds[0])
        self.base_lr, self.epoch = facts.base_lr, facts.steps_per_epoch or 1
        if facts.metrics:  # a script's first weights are not measured
            self.untrained = self.measured(facts.metrics)
        built = as_schedule(self.schedule, Horizon(self.steps, facts.steps_per_epoch), self.functions, who=self.who)
        if not isinstance(built, Schedule):
            raise OptionTypeError(
                f"{self.who}: ",
                Option("schedule"),
                f" must be a schedule, which listens to no metric, or notation, got "
                f"{self.schedule}; give one, or compare both",
            )
        self.whole = built if built.steps == self.steps else built.take(self.steps)

    def measured(self, measured: Mapping[str, float]) -> float:
        """Return the metric, larger for worse."""
        if self.metric not in measured:
            raise FinderError(
                f"{self.who}: metric must be one that the task measures, got {self.metric!r}; "
                f"measured: {', '.join(measured)}"
            )
        value = float(measured[self.metric])
        return math.inf if not math.isfinite(value) else value if self.mode == "min" else -value

    def result(self, rung: _Rung, curves: tuple[Curve, ...], extra: tuple[str, ...], began: float) -> FinderResult:
        """Return the answer of the last rung."""
        worse = any(score > self.untrained or math.isinf(score) for score in rung.scores.values())
        flags = {"no_descent": not rung.learned, "edge": rung.learned and rung.on_edge, "diverged": worse}
        return FinderResult(
            method=self.who,
            suggestion=rung.vertex() if rung.learned else None,
            interval=rung.nearly() if rung.learned else None,
            flags=(*(name for name, holds in flags.items() if holds), *extra),
            curves=curves,
            updates=self.updates,
            seconds=time.perf_counter() - began,
            base_lr=self.base_lr,
            metric=self.metric,
            pretrained=self.pretrained,
            mode=self.mode or "min",
        )

    def lengths(self) -> tuple[int, int]:
        """Return the lengths of the two rungs."""
        least = max(LEAST_UPDATES, self.epoch)
        short, longer = max(self.steps // SHORT_SHARE, least), max(self.steps // LONGER_SHARE, 2 * least)
        self.planned = self.updates + len(self.seeds) * (5 * min(short, self.steps) + 3 * min(longer, self.steps))
        return min(short, self.steps), min(longer, self.steps)

    def train(self, rate: float, steps: int, seed: int) -> _Ended:
        """Train with the whole schedule in so many steps, and measure; infinite where the loss is not finite."""
        schedule = self.whole if steps == self.steps else self.whole.stretch(steps)
        early: list[float] = []
        is_finite = True

        def hear(losses: Sequence[float], updates: int) -> bool:
            nonlocal is_finite
            self.updates += updates
            self.on_progress(self.updates, max(self.planned, self.updates))
            early.extend(losses[: EARLY_UPDATES + 1 - len(early)])
            is_finite = is_finite and all(map(math.isfinite, losses))
            return is_finite

        rates = [rate * float(schedule(step)) for step in range(steps)]
        trained = trainable(self.task).train(Course(seed, rate, schedule, steps, rates), hear, measure=True)
        self.pretrained |= trained.pretrained
        score = self.measured(trained.metrics) if is_finite else math.inf
        if not early:
            return _Ended(score)
        return _Ended(score, early[0], mean(early[1:] or early) if all(map(math.isfinite, early[1:])) else math.inf)


class _Ended(NamedTuple):
    """A training: its metric at the end, larger for worse; its first loss; the mean of those that came next.

    The last two are None if a script keeps its training losses to itself.
    """

    score: float
    first: float | None = None
    early: float | None = None


class _Rung:
    """Trainings of one length: rates with their scores, smaller for better."""

    def __init__(self, trainer: _Trainer, steps: int) -> None:
        self.trainer, self.steps = trainer, steps
        self.ended: dict[float, _Ended] = {}

    def run(self, rate: float) -> None:
        trainings = [self.trainer.train(rate, self.steps, seed) for seed in self.trainer.seeds]
        columns = ([value for value in column if value is not None] for column in zip(*trainings, strict=True))
        means = [mean(column) if math.inf not in column else math.inf for column in columns if column]
        self.ended[rate] = _Ended(*means)
        self.ended = dict(sorted(self.ended.items()))

    @property
    def scores(self) -> dict[float, float]:
        """The metric at the end of each rate's trainings, larger for worse."""
        return {rate: ended.score for rate, ended in self.ended.items()}

    @property
    def learned(self) -> bool:
        """Whether any rate ended better than the untrained model."""
        return min(self.scores.values()) < self.trainer.untrained

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

    def _heights(self, scores: list[float]) -> list[float]:
        """Return the scores, none above that of the first weights, and as logarithms where all are above 0."""
        finite_ones = [score for score in (*scores, self.trainer.untrained) if math.isfinite(score)]
        most = max(self.trainer.untrained if math.isfinite(self.trainer.untrained) else max(finite_ones), min(scores))
        scores = [min(score, most) for score in scores]
        return [math.log(score) for score in scores] if min(scores) > 0 else scores

    def nearly(self) -> tuple[float, float]:
        """Return the lowest and highest of the rates around the best that trained nearly as well."""
        scores, rates = list(self.scores.values()), list(self.scores)
        best = scores[self.best]
        low = high = self.best
        while low and scores[low - 1] - best <= (NEARLY_AS_GOOD - 1) * abs(best):
            low -= 1
        while high + 1 < len(scores) and scores[high + 1] - best <= (NEARLY_AS_GOOD - 1) * abs(best):
            high += 1
        return min(rates[low], self.vertex()), max(rates[high], self.vertex())

    def curve(self) -> Curve:
        sign = 1 if self.trainer.mode == "min" else -1
        values = tuple(sign * score for score in self.scores.values())
        suggestion = None if math.isinf(min(self.scores.values())) else self.vertex()
        firsts = [ended.first for ended in self.ended.values() if ended.first is not None]
        first = mean(firsts) if firsts else None
        early = tuple(ended.early for ended in self.ended.values() if ended.early is not None)
        return Curve("training", f"{self.steps} steps", tuple(self.ended), values, values, suggestion, first, early)


def _rung(trainer: _Trainer, steps: int, centre: float, places: range, trained: _Rung | None = None) -> _Rung:
    """Train at rates half a decade apart, beside those already `trained`, and at more where the best is on the edge."""
    rung = _Rung(trainer, steps)
    rung.ended.update(trained.ended if trained is not None else {})
    for place in places:
        rate = centre * HALF_DECADE**place
        # Up to rounding it may be one that was trained: two such points leave a parabola undefined.
        if not any(math.isclose(rate, known, rel_tol=1e-9) for known in rung.ended):
            rung.run(rate)
    while rung.learned and rung.on_edge and len(rung.ended) < MOST_RATES:
        rates = list(rung.ended)
        rung.run(rates[0] / HALF_DECADE if rung.best == 0 else rates[-1] * HALF_DECADE)
    return rung
