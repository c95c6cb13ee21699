"""The ranking: each strategy at its own best rate, in the order of what is tested on the fresh seeds."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from ratesmith.experiment import course
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.standing import NO_DOUBTS, Standing, finals_of, verdict_runs
from ratesmith.experiment.statistics import (
    Difference,
    Estimate,
    adjusted_means,
    estimate,
    scale_of,
)
from ratesmith.experiment.stopping import is_left_behind
from ratesmith.experiment.trial import Run, RunLayout, Trial
from ratesmith.strategy.contender import optimizer_of

NO_RANGES: Final[Mapping[str, tuple[float, float]]] = MappingProxyType({})


@dataclass(frozen=True)
class Row:
    """One strategy in the ranking."""

    strategy: str
    """As it was given."""
    chosen: str
    """With its options settled: the best of its variants. The strategy itself if every one failed or diverged."""
    base_lr: float | None
    """Its own best initial rate; None if no rate had all seeds done."""
    estimates: dict[str, Estimate]
    """Each validation metric after the last step, at that rate, as if all strategies had the same fresh seeds."""
    difference: Difference | None
    """To the baseline; None for the baseline itself, and if one of the two has no rate."""
    to_best: Difference | None
    """To the first of the ranking; None for the first itself."""
    diverged: int
    """Runs of this strategy that diverged, over all rates and seeds; the verdict counts them with their first loss."""
    missing: int
    """Fresh seeds that were asked for and have no result: the run failed or was killed, or its metric is not finite."""
    seeds: int
    """Fresh seeds that it is judged by: what is plainly worse gets no more than three."""
    doubt: float
    """By how much its best rate may be better than the chosen one: in logarithms of the loss, or the metric's unit."""
    tried: int
    """Rates and options that its choice was made from."""
    nearly: tuple[float, float] | None
    """The rates around its best at which it is expected to end within 5 % of that: wide is forgiving."""
    reached: float | None
    """Median updates until the target; infinite if most seeds do not reach it, None without a target."""
    runs: int
    updates: int
    """Updates of all its runs, each counted as if trained alone."""
    seconds: float
    gap: float | None = None
    """Overfitting: the validation loss minus the training loss at the end, mean over the seeds; None if unknown."""
    turned: float | None = None
    """The median step at which the validation loss was least, if the end is worse by more than the margin."""
    left_behind: bool = False
    """Whether it lay so far behind the first after its first seeds that it got no more; that is no claim."""


def rank(
    runs: Mapping[Trial, Run],
    chosen: Mapping[str, Choice],
    question: Question,
    layout: RunLayout,
    metrics: Sequence[str],
    *,
    asked: Mapping[str, int] | None = None,
    doubts: Mapping[str, float] = NO_DOUBTS,
    nearly: Mapping[str, tuple[float, float]] = NO_RANGES,
) -> tuple[Row, ...]:
    """Return a row for each strategy, the best first; those without a rate last.

    `asked` and `doubts` as in `Standing`, `nearly` as in `Row`.
    """
    standing = Standing.of(runs, chosen, question, layout.steps, asked=asked, doubts=doubts)
    verdicts = verdict_runs(runs, chosen, question, layout.steps)
    counts = dict.fromkeys(chosen, len(question.seeds)) if asked is None else asked
    estimates = {metric: _estimates(verdicts, metric, standing) for metric in metrics}
    target = _target(standing)
    rows = []
    for family in (*standing.order, *(family for family in question.families if family not in standing.order)):
        row = _alone(family, runs.values(), chosen.get(family), question, layout, nearly.get(family))
        judged = finals_of(verdicts.get(family, []), question.metric)
        if family in chosen:
            row = replace(row, missing=counts[family] - len(judged), seeds=len(judged), doubt=doubts.get(family, 0.0))
        if family in standing.order:
            row = replace(
                row,
                estimates={metric: estimates[metric][family] for metric in metrics},
                difference=_difference(standing, family, question.baseline),
                to_best=_difference(standing, family, standing.order[0]),
                reached=_reached(verdicts[family], question, target, counts[family]),
                gap=course.gap(verdicts[family]),
                turned=course.turned(verdicts[family], question),
                left_behind=is_left_behind(standing, family),
            )
        else:
            row = replace(row, base_lr=None)
        rows.append(row)
    return tuple(rows)


def _difference(standing: Standing, family: str, other: str) -> Difference | None:
    return None if family == other else standing.difference(family, other)


def changes_nothing(runs: Iterable[Run]) -> str:
    """Return what the training does not take: "rate", "schedule", or "" if different rates make different trainings.

    "rate": all pairs of runs of one seed that differ in their initial rate are the same to the last bit. "schedule":
    all pairs at one initial rate are, though their schedules differ. One pair that is alike means nothing: measurements
    may be coarse, and two networks may have died in the same way.
    """
    groups: dict[tuple[int, int, str], list[Run]] = {}
    for run in runs:
        if run.done and "loss" in run.metrics:
            key = run.trial.seed, run.trial.steps, optimizer_of(run.trial.strategy)
            groups.setdefault(key, []).append(run)
    pairs = [pair for group in groups.values() for pair in itertools.combinations(group, 2)]
    by_rate = (pair for pair in pairs if pair[0].trial.base_lr != pair[1].trial.base_lr)
    by_schedule = (pair for pair in pairs if pair[0].trial.base_lr == pair[1].trial.base_lr)
    if _all_alike(by_rate):
        return "rate"
    return "schedule" if _all_alike(by_schedule) else ""


def _all_alike(pairs: Iterable[tuple[Run, Run]]) -> bool:
    """Whether there are pairs with different rates, and each is the same training to the last bit."""
    some = False
    for first, second in pairs:
        if _trained_differently(first, second):
            some = True
            if repr(first.curve) != repr(second.curve):
                return False
    return some


def _trained_differently(first: Run, second: Run) -> bool:
    """Whether an update of one had another rate than that of the other, at a step where both are recorded.

    A schedule's rates are recorded now and then, a controller's at its reports, also one after the last update.
    """
    rates, others = dict(first.rates), dict(second.rates)
    return any(rates[step] != others[step] for step in rates.keys() & others.keys() if step < first.trial.steps)


def _target(standing: Standing) -> float | None:
    """Return the metric to be reached: the one asked for, else what is printed as the baseline's at its end."""
    question = standing.question
    if question.target is not None or question.baseline not in standing.means:
        return question.target
    return standing.scale.written(standing.means[question.baseline])


def _reached(runs: Sequence[Run], question: Question, target: float | None, asked: int) -> float | None:
    """Return the median over the seeds of the updates until the target; a seed without a run never reached it."""
    if target is None:
        return None
    goal = question.cost(target)
    steps = [math.inf] * (asked - len(runs))
    for run in runs:
        values = ((point.step, point.metrics.get(question.metric, math.nan)) for point in run.curve[1:])
        steps.append(float(next((step for step, value in values if question.cost(value) <= goal), math.inf)))
    return statistics.median_high(steps)  # of an even number the later: half of the seeds is not most of them


def _alone(
    family: str,
    runs: Iterable[Run],
    choice: Choice | None,
    question: Question,
    layout: RunLayout,
    nearly: tuple[float, float] | None,
) -> Row:
    """Return what can be told of one strategy by itself."""
    its_runs = [run for run in runs if run.trial.strategy in question.families[family]]
    whole = [run for run in its_runs if run.trial.steps == layout.steps and run.trial.seed in question.choice_seeds]
    tried = {run.trial[:2] for run in whole}
    return Row(
        strategy=family,
        chosen=choice.variant if choice else family,
        base_lr=choice.base_lr if choice else None,
        estimates={},
        difference=None,
        to_best=None,
        diverged=sum(run.diverged for run in its_runs),
        missing=0,
        seeds=0,
        doubt=0.0,
        tried=len(tried),
        nearly=nearly,
        reached=None,
        runs=len(its_runs),
        updates=sum(run.updates for run in its_runs),
        seconds=math.fsum(run.seconds for run in its_runs),
    )


def _estimates(verdicts: Mapping[str, Sequence[Run]], metric: str, standing: Standing) -> dict[str, Estimate]:
    """Return a metric's mean for each strategy that is ranked, over the runs that have the deciding one."""
    question = standing.question
    values = {}
    for family in standing.order:
        judged = finals_of(verdicts[family], question.metric)
        its_values = finals_of(verdicts[family], metric)
        # Without one of them it has no mean: to leave the seed out would reward the strategy.
        values[family] = its_values if its_values.keys() >= judged.keys() else {}
    everything = [value for its_values in values.values() for value in its_values.values()]
    scale = scale_of(metric, everything, question.mode if metric == question.metric else None)
    placed = {
        family: {seed: scale.read(value) for seed, value in its_values.items()}
        for family, its_values in values.items()
        if its_values
    }
    centres = adjusted_means(placed) if question.paired else {}
    nothing = Estimate(math.nan, None, None)
    return {
        family: estimate(list(its_values.values()), scale, centres.get(family)) if its_values else nothing
        for family, its_values in values.items()
    }
