"""The ranking: each strategy at its own best rate, in the order of what is tested on the fresh seeds."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ratesmith.experiment.choice import choice_means
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.statistics import (
    Difference,
    Estimate,
    corrected,
    estimate,
    expected_best,
    logarithmic,
    nearly_as_good,
    paired,
    unpaired,
)
from ratesmith.experiment.trial import Run, RunLayout, Trial

Finals = Mapping[str, Mapping[int, float]]
"""The final metric of each strategy, by seed."""


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
    """Each validation metric after the last step, over the fresh seeds, at that rate."""
    difference: Difference | None
    """To the baseline; None for the baseline itself, and if one of the two has no rate."""
    to_best: Difference | None
    """To the first of the ranking; None for the first itself."""
    diverged: int
    """Runs of this strategy that diverged, over all rates and seeds; the verdict counts them with their first loss."""
    missing: int
    """Fresh seeds without a result: the run failed, was killed or stopped, or its metric is not finite."""
    tried: int
    """Rates and options that its choice was made from."""
    expected: dict[int, float]
    """The best metric to be expected after so many of these, drawn at random."""
    nearly: tuple[float, float] | None
    """The rates around its best at which the metric is within 5 %: wide is forgiving."""
    reached: float | None
    """Median updates until the target; infinite if most seeds do not reach it, None without a target."""
    runs: int
    updates: int
    """Updates of all its runs, each counted as if trained alone."""
    seconds: float


def capped(run: Run, metric: str) -> float | None:
    """Return a run's final metric, or None; a diverged run counts as if nothing had been learned."""
    metrics = run.curve[0].metrics if run.diverged and run.curve else run.metrics
    value = metrics.get(metric)
    return None if value is None or not math.isfinite(value) else value


def rank(
    runs: Mapping[Trial, Run],
    chosen: Mapping[str, Choice],
    question: Question,
    layout: RunLayout,
    metrics: Sequence[str],
) -> tuple[Row, ...]:
    """Return a row for each strategy, the best first; those without a rate last."""
    verdicts = {
        family: [runs[trial] for seed in question.seeds if (trial := Trial(*choice, seed, layout.steps)) in runs]
        for family, choice in chosen.items()
    }
    finals: dict[str, dict[int, float]] = {}
    for family, its_runs in verdicts.items():
        values = {run.trial.seed: capped(run, question.metric) for run in its_runs}
        finals[family] = {seed: value for seed, value in values.items() if value is not None}
    seeds = len(question.seeds)
    if seeds_change_nothing(verdicts.values()):
        # Copies of one run are one run: what they show is exact for it, and says nothing of another.
        finals, seeds = {family: dict(list(values.items())[:1]) for family, values in finals.items()}, 1
    order = _order(finals, question, seeds)
    to_baseline = _differences(question.baseline, order, finals, question)
    to_best = _differences(order[0] if order else "", order, finals, question)
    target = _target(question, finals)
    rows = []
    for family in (*order, *(family for family in question.families if family not in order)):
        row = _alone(family, runs.values(), chosen.get(family), verdicts.get(family, []), question, layout, metrics)
        if family in order:
            reached = _reached(verdicts[family], question, target)
            row = replace(row, difference=to_baseline.get(family), to_best=to_best.get(family), reached=reached)
        else:
            row = replace(row, base_lr=None)
        rows.append(row)
    return tuple(rows)


def seeds_change_nothing(verdicts: Iterable[Sequence[Run]]) -> bool:
    """Whether runs of different seeds are the same training throughout, to the last bit."""
    several = [runs for runs in verdicts if len([run for run in runs if run.done]) > 1]
    return bool(several) and all(len({repr(run.curve) for run in runs if run.done}) == 1 for runs in several)


def changes_nothing(runs: Iterable[Run]) -> str:
    """Return what the training does not take: "rate", "schedule", or "" if different rates make different trainings.

    "rate": all pairs of runs of one seed that differ in their initial rate are the same to the last bit. "schedule":
    all pairs at one initial rate are, though their schedules differ. One pair that is alike means nothing: measurements
    may be coarse, and two networks may have died in the same way.
    """
    groups: dict[tuple[int, int], list[Run]] = {}
    for run in runs:
        if run.done and "loss" in run.metrics:
            groups.setdefault((run.trial.seed, run.trial.steps), []).append(run)
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


def _order(finals: Finals, question: Question, seeds: int) -> list[str]:
    """Order by what is tested: the mean of the logarithms; a strategy without all `seeds` below those with all."""
    relative = logarithmic([value for values in finals.values() for value in values.values()], question.mode)

    def place(family: str) -> tuple[bool, float]:
        costs = [math.log(value) if relative else question.cost(value) for value in finals[family].values()]
        return len(costs) < seeds, statistics.fmean(costs)

    return sorted((family for family in question.families if finals.get(family)), key=place)


def _differences(other: str, order: Sequence[str], finals: Finals, question: Question) -> dict[str, Difference]:
    """Compare all with one, over the seeds that both have, corrected for how many they are."""
    differences = {}
    for family in order:
        seeds = [seed for seed in finals[family] if seed in finals.get(other, {})]
        if family != other and seeds:
            values, others = ([finals[name][seed] for seed in seeds] for name in (family, other))
            compare = paired if question.paired else unpaired
            differences[family] = compare(values, others, question.mode, question.margin)
    return corrected(differences, question.mode, question.margin)


def _target(question: Question, finals: Finals) -> float | None:
    """Return the metric to be reached: the one asked for, else the baseline's mean at its end."""
    values = finals.get(question.baseline)
    if question.target is not None or not values:
        return question.target
    return statistics.fmean(values.values())


def _reached(runs: Sequence[Run], question: Question, target: float | None) -> float | None:
    """Return the median over the seeds of the updates until the target; a seed without a run never reached it."""
    if target is None:
        return None
    goal = question.cost(target)
    steps = [math.inf] * (len(question.seeds) - len(runs))
    for run in runs:
        values = ((point.step, point.metrics.get(question.metric, math.nan)) for point in run.curve[1:])
        steps.append(float(next((step for step, value in values if question.cost(value) <= goal), math.inf)))
    return statistics.median_high(steps)  # of an even number the later: half of the seeds is not most of them


def _alone(
    family: str,
    runs: Iterable[Run],
    choice: Choice | None,
    verdict: Sequence[Run],
    question: Question,
    layout: RunLayout,
    metrics: Sequence[str],
) -> Row:
    """Return what can be told of one strategy by itself."""
    its_runs = [run for run in runs if run.trial.strategy in question.families[family]]
    whole = [run for run in its_runs if run.trial.steps == layout.steps and run.trial.seed in question.choice_seeds]
    tried = {run.trial[:2] for run in whole}
    means = choice_means({run.trial: run for run in whole}, sorted(tried), question, layout.steps)
    judged = [run for run in verdict if capped(run, question.metric) is not None]
    # After rungs the rates that were tried at the whole length are no random sample of all that were tried.
    on_rungs = any(run.trial.steps < layout.steps for run in its_runs)
    counts = [] if on_rungs else [k for k in (1, 2, 4, 8, 16, 32, 64, 128) if k <= len(means)]
    at_its_options = {rate: mean for (variant, rate), mean in means.items() if choice and variant == choice.variant}
    return Row(
        strategy=family,
        chosen=choice.variant if choice else family,
        base_lr=choice.base_lr if choice else None,
        estimates=_estimates(judged, metrics),
        difference=None,
        to_best=None,
        diverged=sum(run.diverged for run in its_runs),
        missing=len(question.seeds) - len(judged) if choice else 0,
        tried=len(tried),
        expected={k: expected_best(list(means.values()), k, question.mode) for k in counts},
        nearly=nearly_as_good(at_its_options, question.mode),
        reached=None,
        runs=len(its_runs),
        updates=sum(run.updates for run in its_runs),
        seconds=math.fsum(run.seconds for run in its_runs),
    )


def _estimates(runs: Sequence[Run], metrics: Sequence[str]) -> dict[str, Estimate]:
    estimates = {}
    for metric in metrics if runs else ():
        values = [capped(run, metric) for run in runs]
        estimates[metric] = estimate([math.nan if value is None else value for value in values])
    return estimates
