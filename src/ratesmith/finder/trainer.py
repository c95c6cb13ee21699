"""The trainings of a race: with the schedule squeezed into them, and how each is judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith.finder.result import EARLY_UPDATES, FinderError
from ratesmith.finder.rules import mean
from ratesmith.finder.sweep import Progress
from ratesmith.finder.training import Course, NotMeasuredError, ScriptTask, Searched, trainable
from ratesmith.horizon import Horizon
from ratesmith.lengths import ends_in_warmup, length_notes
from ratesmith.schedule import Schedule
from ratesmith.strategy import Functions, ScheduleLike, Strategy, as_schedule

SHORTEST: Final = 64
LONGEST: Final = 10**9
"""Lengths in steps at which a schedule is tried before the first training, if that to come has none."""
LAST: Final = 8
"""Without a measurement, trainings are judged by the training loss of their last 1/8 updates, at least so many."""


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
            raise self._needs_steps() from None
        if self.steps is None and self._waits and ends_in_warmup(self.schedule, Horizon(SHORTEST, self.epoch)):
            raise self._needs_steps()

    @property
    def _waits(self) -> bool:
        """Whether the schedule is notation, whose lengths are read by the length of the training to come."""
        return isinstance(self.schedule, (str, Strategy))

    def _needs_steps(self) -> OptionValueError:
        return OptionValueError(
            f"{self.who}: ",
            Option("steps"),
            f" must be given for the schedule {self.schedule}, whose own lengths fill a short training, got none; "
            "give the length of the training to come",
        )

    def notes(self, steps: int) -> tuple[str, ...]:
        """Return what is to be said of the schedule's lengths; `steps` are those of the trainings made."""
        length = self.steps or (steps if self._waits else None)
        horizon = None if length is None else Horizon(length, self.epoch)
        names = {"steps_per_epoch": "the task's steps_per_epoch"}
        return tuple(note.spelled(names) for note in length_notes(self.schedule, horizon, self.functions))

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


def _error(losses: Sequence[float]) -> float:
    """Return the standard error of the mean of losses."""
    centre, scale = mean(losses), max(map(abs, losses))
    if not 0 < scale < math.inf or not math.isfinite(centre):
        return 0.0 if scale == 0 else math.inf
    return scale * math.sqrt(mean([(loss / scale - centre / scale) ** 2 for loss in losses]) / len(losses))
