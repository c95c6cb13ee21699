"""The sweep: the rate rises by equal factors from update to update, and the loss tells where it is too high."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ratesmith._checks import Option, OptionTypeError, OptionValueError, finite, whole
from ratesmith._random_states import preserve_rng_state
from ratesmith.finder.interval import interval_of
from ratesmith.finder.result import Curve, FinderError, FinderResult
from ratesmith.finder.rules import FIRST_UPDATES, RULES, SMOOTHING, beginning, bounded, mean, smoothed
from ratesmith.finder.training import Course, Searched, Trained, trainable
from ratesmith.schedule import Constant
from ratesmith.shapes import Exponential

LOWEST_RATE: Final = 1e-6
HIGHEST_RATE: Final = 100.0
UPDATES_PER_DECADE: Final = 14
"""Updates while the rate grows by ten: 112 from the lowest to the highest."""
LARGEST_RISE: Final = 2.0
"""A sweep ends where the smoothed loss has risen by so many times its fall."""
CLEAR_FALL: Final = 4.0
"""Where the loss falls by fewer of its standard deviations than this, a second pass at rate 0 measures the batches."""
PLANNED: Final = round(UPDATES_PER_DECADE * math.log10(HIGHEST_RATE / LOWEST_RATE))
"""Updates of a sweep over the whole range, if it need not be widened."""
WIDER: Final = 1000.0
"""The range grows by this factor where the curve leaves it."""
WIDENINGS: Final = 3
LARGEST_SPREAD: Final = 10**0.5
"""Answers of the single orders that differ by more than this are flagged."""


Progress = Callable[[int, int], None]
"""Hears how many updates have been made, and about how many there will be."""


def sweep(
    task: Searched,
    *,
    seeds: Iterable[int] = (0, 1, 2),
    rule: str = "middle",
    low: float = LOWEST_RATE,
    high: float = HIGHEST_RATE,
    budget: int | None = None,
    on_progress: Progress = lambda done, planned: None,
) -> FinderResult:
    """Suggest an initial rate from short runs in which the rate rises from `low` to `high` by equal factors.

    One run for each seed: another order of the data, and other first weights. Each loss belongs to the rate of the
    update before it; the curve is smoothed, and `rule` (one of ratesmith.finder.RULES) reads a rate off it. The
    suggestion is the geometric mean over the seeds. A run stops where the smoothed loss has risen by twice its fall, or
    is not finite; where the curve leaves the range to either side, the range is widened. Where batches differ much,
    the loss of the first weights on each is taken off, at the cost of as many updates at rate 0. Neither is done where
    it would take more than `budget` updates in all. All rates are those of the first parameter group; the others keep
    their ratio to it. Random states are put back.

    Raises ValueError or TypeError for a range, a rule or seeds that cannot be, FinderError where the first loss is not
    finite.
    Source: Smith, "Cyclical learning rates for training neural networks", 2017.
    """
    if rule not in RULES:
        raise OptionValueError(
            "sweep: ", Option("rule"), f" must be one of {', '.join(RULES)}, got {rule!r}; choose one"
        )
    low, high = finite("sweep", "low", low), finite("sweep", "high", high)
    if not 0 < low < high:
        raise OptionValueError(
            "sweep: ", Option("low"), f" must be above 0 and below high, got {low:g} and {high:g}; mend the range"
        )
    seeds = read_seeds("sweep", seeds)
    began, cost = time.perf_counter(), _Cost(on_progress, len(seeds) * _count(low, high), budget)
    with preserve_rng_state():
        low, high, first = _widened(task, seeds[0], low, high, cost)
        runs = [first, *(_run(task, seed, low, high, cost) for seed in seeds[1:])]
    curves = [_read(run, rule, seed) for run, seed in zip(runs, seeds, strict=True)]
    answers = [curve.suggestion for curve in curves if curve.suggestion is not None]
    suggestion = _geometric_mean(answers) if answers else None
    return FinderResult(
        method="sweep",
        suggestion=suggestion,
        interval=None if suggestion is None else interval_of(suggestion, "sweep"),
        flags=tuple(_flags(runs, answers)),
        curves=tuple(curves),
        updates=cost.done,
        seconds=time.perf_counter() - began,
        base_lr=first.trained.base_lr,
        rule=rule,
        pretrained=any(run.trained.pretrained for run in runs),
        judged_by="training",
        group_lrs=first.trained.group_lrs,
    )


def read_seeds(who: str, seeds: Iterable[int]) -> list[int]:
    """Return the seeds as a list, or refuse what is none."""
    if not isinstance(seeds, Iterable):
        raise OptionTypeError(
            f"{who}: ", Option("seeds"), f" must be a list of whole numbers, got {seeds!r}; write [0, 1, 2]"
        )
    numbers = [whole(who, "a seed", seed, least=0) for seed in seeds]
    if not numbers:
        raise OptionValueError(
            f"{who}: ", Option("seeds"), " must have at least one, got none; give some, as [0, 1, 2]"
        )
    return numbers


def _geometric_mean(answers: list[float]) -> float:
    centre = math.exp(mean([math.log(answer) for answer in answers]))
    return min(max(centre, min(answers)), max(answers))  # rounding may leave the range by a digit


class _Cost:
    """Counts updates, and tells of them."""

    def __init__(self, on_progress: Progress, planned: int, budget: int | None) -> None:
        self._tell, self.done, self.planned = on_progress, 0, planned
        self._most = math.inf if budget is None else budget

    def allows(self, more: int) -> bool:
        """Whether so many further updates may be made."""
        return self.done + more <= self._most

    def one(self) -> None:
        self.done += 1
        self._tell(self.done, max(self.planned, self.done))


class _Run:
    """One sweep: rates, losses, and how it ended."""

    def __init__(self, rates: list[float], losses: list[float], rose: bool, trained: Trained) -> None:
        self.rates, self.losses, self.rose, self.trained = rates, losses, rose, trained
        self.smooth = smoothed(bounded(losses))
        self.lowest = self.smooth.index(min(self.smooth))

    @property
    def fell(self) -> bool:
        """Whether the loss fell by more than its own noise, in a run long enough to tell."""
        first = beginning(self.losses)
        fall = first - min(self.smooth)
        return len(self.losses) > FIRST_UPDATES and fall > max(_noise(self.losses), 1e-3 * abs(first))

    @property
    def noisy(self) -> bool:
        """Whether batches differ so much, by chance or by their order, that the loss's fall is hard to see."""
        return beginning(self.losses) - min(self.smooth) < CLEAR_FALL * _spread(self.losses)

    @property
    def flat_before(self) -> bool:
        """Whether the loss still stood still at the lowest rates: half of its fall lies more than a decade further."""
        first, lowest = beginning(self.losses), min(self.smooth)
        half = next(place for place, loss in enumerate(self.smooth) if loss <= (first + lowest) / 2)
        return half > UPDATES_PER_DECADE


def _count(low: float, high: float) -> int:
    return max(2 * FIRST_UPDATES, round(UPDATES_PER_DECADE * math.log10(high / low)))


def _noise(losses: Sequence[float]) -> float:
    """Return how far the smoothed loss may stray by chance: about three of its standard deviations."""
    return 3 * _spread(losses) * math.sqrt((1 - SMOOTHING) / (1 + SMOOTHING))  # as for independent losses


def _spread(losses: Sequence[float]) -> float:
    """Return the standard deviation of the losses at the lowest rates."""
    first = beginning(losses)
    return math.sqrt(mean([(loss - first) ** 2 for loss in losses[:FIRST_UPDATES]]))


def _run(task: Searched, seed: int, low: float, high: float, cost: _Cost) -> _Run:
    count = _count(low, high)
    rates = [low * (high / low) ** (place / (count - 1)) for place in range(count)]
    watch = _Watch(cost)
    course = Course(seed, low, Exponential((high / low) ** (1 / (count - 1))), count, rates)
    trained = trainable(task).train(course, watch.hear, measure=False)
    if not watch.losses:
        raise FinderError(
            f"sweep: the first loss must be finite, got {watch.last!r}; see that the model and its data hold no NaN"
        )
    run = _Run(rates, watch.losses, watch.rose, trained)
    if not run.noisy or not cost.allows(len(watch.losses)):
        return run
    return _Run(rates, _paired(task, seed, watch.losses, cost), watch.rose, trained)


class _Watch:
    """Hears the losses of a sweep, and has heard enough where they rise or are not finite."""

    def __init__(self, cost: _Cost) -> None:
        self.losses: list[float] = []
        self.rose = False
        self.last = math.nan
        self._cost, self._average, self._best = cost, 0.0, math.inf

    def hear(self, losses: Sequence[float], updates: int) -> bool:
        return all(map(self._goes_on, losses))

    def _goes_on(self, loss: float) -> bool:
        self._cost.one()
        self.last = loss
        if not math.isfinite(loss):
            self.rose = True
            return False
        self.losses.append(loss)
        self._average = SMOOTHING * self._average + (1 - SMOOTHING) * loss
        smooth = self._average / (1 - SMOOTHING ** len(self.losses))
        first = beginning(self.losses)
        self._best = min(self._best, smooth)
        allowed = LARGEST_RISE * max(first - self._best, 0.0) + 2 * _noise(self.losses) + 1e-2 * abs(first)
        self.rose = len(self.losses) > FIRST_UPDATES and smooth - self._best > allowed
        return not self.rose


def _paired(task: Searched, seed: int, losses: list[float], cost: _Cost) -> list[float]:
    """Take from each loss what its batch is above or below the others for the weights that the sweep began with."""
    losses_at_rest: list[float] = []

    def hear(more: Sequence[float], updates: int) -> bool:
        for loss in more:
            losses_at_rest.append(loss)
            cost.one()
        return len(losses_at_rest) < len(losses)

    course = Course(seed, 1.0, Constant(factor=0.0), len(losses), [0.0] * len(losses))
    trainable(task).train(course, hear, measure=False)
    return [loss - at_rest + mean(losses_at_rest) for loss, at_rest in zip(losses, losses_at_rest, strict=True)]


def _widened(task: Searched, seed: int, low: float, high: float, cost: _Cost) -> tuple[float, float, _Run]:
    """Sweep once, and again over a wider range while the curve leaves it."""
    run = _run(task, seed, low, high, cost)
    for _ in range(WIDENINGS):
        left = not run.fell or not run.flat_before  # a loss that is high at once may have fallen below this range
        right = run.fell and not run.rose and run.lowest > len(run.smooth) - UPDATES_PER_DECADE
        if not (left or right):
            break
        wider = low / (WIDER if left else 1), high * (WIDER if right else 1)
        if not cost.allows(_count(*wider)):
            break
        low, high = wider
        run = _run(task, seed, low, high, cost)
    if run.rose and len(run.losses) <= FIRST_UPDATES:
        raise FinderError(
            f"sweep: the loss must stay finite at low rates, got {len(run.losses)} finite losses from rate {low:.2g} "
            "on; see that the model and its data hold no NaN"
        )
    return low, high, run


def _read(run: _Run, rule: str, seed: int) -> Curve:
    suggestion = RULES[rule](run.rates, run.losses) if run.fell else None
    rates = tuple(run.rates[: len(run.losses)])
    return Curve(
        "sweep", f"order {seed}", rates, tuple(run.losses), tuple(run.smooth), suggestion, beginning(run.losses)
    )


def _flags(runs: list[_Run], answers: list[float]) -> list[str]:
    if not answers:
        return ["no_descent"]
    conditions = {
        "no_divergence": not any(run.rose for run in runs),
        "edge": any(run.fell and not run.flat_before for run in runs) or max(answers) >= runs[0].rates[-1] / 2,
        "seed_spread": max(answers) / min(answers) > LARGEST_SPREAD or len(answers) < len(runs),
    }
    return [name for name, holds in conditions.items() if holds]
