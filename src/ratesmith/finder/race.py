"""The race: short trainings with the schedule itself at several rates, and a parabola through the best of them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ratesmith._checks import Option, OptionTypeError, OptionValueError, finite, whole
from ratesmith._random_states import preserve_rng_state
from ratesmith.finder.interval import interval_of
from ratesmith.finder.result import Curve, FinderResult
from ratesmith.finder.rung import Rung, nearest_place
from ratesmith.finder.sweep import PLANNED, Progress, read_seeds, sweep
from ratesmith.finder.trainer import Trainer
from ratesmith.finder.training import NoLossesError, Searched
from ratesmith.strategy import Functions, ScheduleLike

SHORT: Final = 96
"""Updates of each training, if nobody says how long the training to come is."""
LEAST: Final = 32
"""Updates that each training has at least, however small the budget."""
FIRST: Final = -2
"""The first training is half a decade below the sweep's rate, the second at it."""
TRAININGS: Final = 3
"""Trainings, and one more where the best may lie further on."""
UNGUIDED: Final = 6
"""Trainings at most, if no sweep says where to begin."""
SHARE: Final = 2
"""Each training lasts for 1/2 of the training to come, and MORE updates."""
MORE: Final = 80
"""With it a race takes one and a half trainings and what a sweep of three orders takes."""


def race(
    task: Searched,
    *,
    steps: int | None = None,
    budget: int | None = None,
    schedule: ScheduleLike = "cosine()",
    around: float | None = None,
    seeds: Iterable[int] = (0,),
    metric: str = "loss",
    mode: str | None = None,
    functions: Functions | None = None,
    on_progress: Progress = lambda done, planned: None,
) -> FinderResult:
    """Suggest the initial rate that trains best in short whole trainings with `schedule`.

    A sweep says where to look. A training of 96 updates follows half a decade below, a second one there, and a third in
    the direction that is better; a fourth if none has learned much, or the third far more than the others. Around a
    rate of yours, `around`, there are up to six, until the best lies between two others. With `steps`, the length of
    the training to come, each lasts for half of that and 80 updates. The whole of `schedule`, a value or notation, is
    squeezed into it. It is judged by `metric` on the validation set after its last step (of another than the loss,
    `mode` says whether it is better small, "min", or large, "max"), mean over `seeds`; without a validation set by its
    last training losses. The answer is the lowest point of a parabola in the logarithm of the rate, through the best
    and its neighbours. Without `steps` it is 0.75 of that, since longer trainings like lower rates; and 0.45 where the
    next higher rate learns nothing. `budget` is the number of updates that all may take: it decides how long each
    training is. Random states are put back.

    Raises ValueError or TypeError for options that cannot hold, FinderError for a metric that is not measured.
    """
    began = time.perf_counter()
    seeds = read_seeds("race", seeds)
    steps = None if steps is None else whole("race", "steps", steps, least=1)
    plan = planned("race", steps, budget, len(seeds), swept=around is None)
    if around is not None:
        around = finite("race", "around", around, least=1e-30)
    check_mode("race", metric, mode)
    trainer = Trainer("race", task, seeds, steps, schedule, metric, mode or "min", functions or {}, on_progress)
    with preserve_rng_state():
        trainer.begin()
        first = None
        if around is None:
            try:
                first = sweep(task, seeds=seeds[:1], budget=budget, on_progress=_within(plan, on_progress))
            except NoLossesError:
                if steps is None:
                    raise
                around = trainer.base_lr  # where the script's author thinks that it lies
                plan = planned("race", steps, budget, len(seeds), swept=False)
        rung = _climbed(trainer, plan, first, around, budget)
    if first is not None and rung is None:
        return first.flagged({"budget_spent": True})
    assert rung is not None, "without a sweep the budget is whole"
    return _result(trainer, rung, first.curves if first else (), began)


def _climbed(
    trainer: Trainer, plan: Plan, first: FinderResult | None, around: float | None, budget: int | None
) -> Rung | None:
    """Train around a rate, or around what a sweep suggests; None if that has left too little of the budget."""
    trainer.updates, trainer.planned = first.updates if first else 0, plan.updates
    if first is not None:
        trainer.at_rest, trainer.in_doubt = first.curves[0].first, first.suggestion is None
    left = math.inf if budget is None else budget - trainer.updates
    seeds, length = len(trainer.seeds), plan.length
    if left < plan.trainings * seeds * length:  # a noisy sweep takes twice as many
        length = int(left) // (plan.trainings * seeds)
    if first is not None and length < min(LEAST, plan.length):
        return None
    rung = Rung(trainer, trainer.whole_epochs(length, up=budget is None))
    centre = around or (first and first.suggestion) or trainer.base_lr
    rung.climb(nearest_place(centre) + FIRST, plan.trainings, more=(plan.trainings + 1) * seeds * rung.steps <= left)
    return rung


class Plan(NamedTuple):
    """What a race will take, before it begins."""

    trainings: int
    """Trainings for each seed; there may be one more where the best may lie further on."""
    length: int
    """Updates of each."""
    swept: bool
    """Whether a sweep is made first."""
    updates: int
    """Updates in all, if the sweep need not be widened and three trainings suffice."""

    def __str__(self) -> str:
        """Return what it will take, in one line."""
        made = f"{self.trainings} trainings of {self.length:,}"
        return f"about {self.updates:,} updates: {f'a sweep, and {made}' if self.swept else f'at most {made}'}"


def planned(
    who: str, steps: int | None = None, budget: int | None = None, seeds: int = 1, *, swept: bool = True
) -> Plan:
    """Return the lengths of a race's trainings, for a training to come of `steps`, within a `budget` of updates.

    >>> planned("race")
    Plan(trainings=3, length=96, swept=True, updates=400)
    >>> planned("race", steps=4000)
    Plan(trainings=3, length=2080, swept=True, updates=6352)
    >>> planned("race", budget=1000)
    Plan(trainings=3, length=296, swept=True, updates=1000)
    """
    most, first = (TRAININGS, PLANNED) if swept else (UNGUIDED, 0)
    trainings = most * seeds
    length = SHORT if steps is None else steps // SHARE + MORE
    if budget is not None:
        shortest = min(LEAST, steps or LEAST)
        length = (whole(who, "budget", budget, least=first + shortest * trainings) - first) // trainings
    length = min(length, steps or length)
    return Plan(most, length, swept, first + trainings * length)


def _within(plan: Plan, on_progress: Progress) -> Progress:
    """Return what hears of the sweep before a race: of all the updates that there will be."""
    return lambda done, _: on_progress(done, max(done, plan.updates))


def _result(trainer: Trainer, rung: Rung, swept: tuple[Curve, ...], began: float) -> FinderResult:
    """Return the answer of the trainings."""
    suggestion = rung.answer() if rung.learned else None
    way = trainer.who
    if way == "race":
        way = "unmeasured" if not trainer.measures else "race" if rung.is_long else "short"
    # Rates that end alike say little of an edge; but where little was learned all do, and the best may lie far beyond.
    alike = way != "grid" and len(rung.nearly()) > 1 and not (rung.learned_little and not swept)
    flags = {
        "no_descent": not rung.learned,
        "edge": rung.learned and rung.on_edge and not alike,
        "little_learned": rung.learned and rung.learned_little and way == "short",
        "diverged": any(score > rung.untrained or score == math.inf for score in rung.scores.values()),
    }
    # An edge that no sweep led to may be anywhere.
    is_known = bool(swept) or not flags["edge"]
    return FinderResult(
        method=trainer.who,
        suggestion=suggestion,
        interval=interval_of(suggestion, way, rung.dead()) if suggestion is not None and is_known else None,
        flags=tuple(name for name, holds in flags.items() if holds),
        curves=(*swept, rung.curve()),
        updates=trainer.updates,
        seconds=time.perf_counter() - began,
        base_lr=trainer.base_lr,
        metric=trainer.metric,
        pretrained=trainer.pretrained,
        mode=trainer.mode,
        judged_by="validation" if trainer.measures else "training",
        nearly=tuple(rung.nearly()) if rung.learned else (),
        dead=tuple(rung.dead()),
        group_lrs=trainer.group_lrs,
        notes=trainer.notes(rung.steps),
    )


def grid(
    task: Searched,
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
    check_mode("grid", metric, mode)
    trainer = Trainer("grid", task, seeds, steps, schedule, metric, mode or "min", functions or {}, on_progress)
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
        trainer.begin()
        trainer.planned = len(given) * len(seeds) * steps
        rung = Rung(trainer, steps)
        for rate in given:
            rung.run(rate)
    return _result(trainer, rung, (), began)


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
