"""The comparison: each strategy at its own best rate, judged on fresh seeds."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from ratesmith.experiment import said
from ratesmith.experiment.trial import Plan, Run, Trial
from ratesmith.experiment.verdict import (
    Difference,
    Estimate,
    corrected,
    estimate,
    expected_best,
    logarithmic,
    nearly_as_good,
    paired,
)

FEWEST_PAIRS = 5


class Choice(NamedTuple):
    """What a strategy goes into the verdict with."""

    variant: str
    base_lr: float


@dataclass(frozen=True)
class Question:
    """What is asked: which strategies, by which metric, over which seeds."""

    families: dict[str, tuple[str, ...]]
    """Each strategy as it was given, and the variants that its listed options stand for."""
    baseline: str
    metric: str
    mode: str
    margin: float
    choice_seeds: tuple[int, ...]
    seeds: tuple[int, ...]
    target: float | None = None

    def cost(self, value: float) -> float:
        """Return a value so that less is better."""
        return value if self.mode == "min" else -value


@dataclass(frozen=True)
class Row:
    """One strategy in the ranking."""

    strategy: str
    """As it was given."""
    chosen: str
    """With its options settled: the best of its variants. The strategy itself where every one failed or diverged."""
    base_lr: float | None
    """Its own best initial rate; None where no rate had all seeds done."""
    estimates: dict[str, Estimate]
    """Each validation metric after the last step, over the fresh seeds, at that rate."""
    difference: Difference | None
    """To the baseline; None for the baseline itself, and where one of the two has no rate."""
    to_best: Difference | None
    """To the first of the ranking; None for the first itself."""
    diverged: int
    """Runs of this strategy that diverged, over all rates and seeds; the verdict counts them with their first loss."""
    missing: int
    """Fresh seeds without a result: the run failed, was killed or stopped, or its metric is not finite."""
    trials: int
    """Rates and options that its choice was made from."""
    expected: dict[int, float]
    """The best metric to be expected after so many of these trials, drawn at random."""
    nearly: tuple[float, float] | None
    """The rates around its best at which the metric is within 5 %: wide is forgiving."""
    reached: float | None
    """Median updates until the target; infinite where most seeds do not reach it, None without a target."""
    runs: int
    steps: int
    """Updates of all its runs, each counted as if trained alone."""
    seconds: float


class Costs(NamedTuple):
    """Updates: planned if each run were trained alone, made once for several, and made."""

    planned: int
    shared: int
    run: int


class Cut(NamedTuple):
    """What left after a shorter round of complete runs, and why."""

    strategy: str
    base_lr: float
    steps: int
    why: str


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; `rows` are ranked, the best first."""

    rows: tuple[Row, ...]
    question: Question
    plan: Plan
    runs: tuple[Run, ...] = field(repr=False)
    cuts: tuple[Cut, ...] = ()
    notes: tuple[str, ...] = ()
    """What the reader must know: fewer seeds than five, nothing shared, runs that failed."""
    test: dict[str, Estimate] | None = None
    """The winner's metrics on the test set, over the fresh seeds; None where the task has no test data."""
    tested: int = 0
    """How many (strategy, rate) pairs the test set of this study has judged."""

    @property
    def metric(self) -> str:
        """The validation metric that decides."""
        return self.question.metric

    @property
    def best(self) -> Row | None:
        """The winner; None where no strategy has a rate with all seeds done."""
        return self.rows[0] if self.rows and self.rows[0].base_lr is not None else None

    @property
    def rates(self) -> tuple[float, ...]:
        """All initial rates that were tried, rising."""
        return tuple(sorted({run.trial.base_lr for run in self.runs}))

    @property
    def costs(self) -> Costs:
        """What the comparison cost, in updates."""
        planned = sum(run.steps for run in self.runs)
        shared = sum(run.shared for run in self.runs)
        return Costs(planned, shared, planned - shared)

    def runs_of(self, strategy: str, base_lr: float | None, seeds: Iterable[int] | None = None) -> list[Run]:
        """Return a variant's whole runs at one rate, by seed: those of the verdict unless other seeds are named."""
        wanted = set(self.question.seeds if seeds is None else seeds)
        found = self._whole_runs.get((strategy, base_lr), [])
        return sorted((run for run in found if run.trial.seed in wanted), key=lambda run: run.trial.seed)

    @functools.cached_property
    def _whole_runs(self) -> dict[tuple[str, float | None], list[Run]]:
        """The runs of the whole length, by variant and rate: there may be thousands."""
        found: dict[tuple[str, float | None], list[Run]] = {}
        for run in self.runs:
            if run.trial.steps == self.plan.steps:
                found.setdefault(run.trial[:2], []).append(run)
        return found

    def verdict(self) -> str:
        """Return the outcome as a few sentences, the answer first."""
        return said.verdict(self)

    def paste(self) -> str:
        """Return the lines that put the winner into a training script."""
        return said.paste(self)

    def table(self) -> list[dict[str, Any]]:
        """Return the ranking as rows of plain values."""
        return said.table(self)

    def to_pandas(self) -> Any:
        """Return the ranking as a pandas DataFrame; pandas has to be installed."""
        import pandas

        return pandas.DataFrame(self.table())

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: all but the curves of the runs."""
        return {
            "metric": self.metric,
            "mode": self.question.mode,
            "baseline": self.question.baseline,
            "margin": self.question.margin,
            "rates": list(self.rates),
            "choice_seeds": list(self.question.choice_seeds),
            "seeds": list(self.question.seeds),
            "plan": asdict(self.plan),
            "verdict": self.verdict(),
            "rows": [_plain_row(row) for row in self.rows],
            "costs": self.costs._asdict(),
            "cuts": [cut._asdict() for cut in self.cuts],
            "notes": list(self.notes),
            "test": None
            if self.test is None
            else {name: _finite(value._asdict()) for name, value in self.test.items()},
            "tested": self.tested,
        }


def _plain_row(row: Row) -> dict[str, Any]:
    return {
        **asdict(row),
        "estimates": {name: _finite(value._asdict()) for name, value in row.estimates.items()},
        "difference": None if row.difference is None else row.difference._asdict(),
        "to_best": None if row.to_best is None else row.to_best._asdict(),
        "nearly": None if row.nearly is None else list(row.nearly),
        "reached": None if row.reached is None or math.isinf(row.reached) else row.reached,
    }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value if value is None or math.isfinite(value) else None for name, value in values.items()}


def choice_means(
    runs: Mapping[Trial, Run], pairs: Iterable[tuple[str, float]], question: Question, steps: int
) -> dict[tuple[str, float], float]:
    """Return the mean metric over the choice seeds of every (variant, rate) all of whose runs are done and finite."""
    means = {}
    for variant, base_lr in pairs:
        found = [runs.get(Trial(variant, base_lr, seed, steps)) for seed in question.choice_seeds]
        values = [run.metrics.get(question.metric, math.nan) for run in found if run is not None and run.done]
        if len(values) == len(found) and all(math.isfinite(value) for value in values):
            means[variant, base_lr] = statistics.fmean(values)
    return means


def choose(means: Mapping[tuple[str, float], float], question: Question) -> dict[str, Choice]:
    """Return each strategy its best variant and rate; of equals the first variant, and the lower rate."""
    chosen = {}
    for family, variants in question.families.items():
        own = {pair: value for pair, value in means.items() if pair[0] in variants}
        if own:
            order = sorted(own, key=lambda pair: (question.cost(own[pair]), variants.index(pair[0]), pair[1]))
            chosen[family] = Choice(*order[0])
    return chosen


def capped(run: Run, metric: str) -> float | None:
    """Return a run's final metric, or None; a diverged run counts as if nothing had been learned."""
    known = run.curve[0].metrics if run.diverged and run.curve else run.metrics
    value = known.get(metric)
    return None if value is None or not math.isfinite(value) else value


def rank(
    runs: Mapping[Trial, Run], chosen: Mapping[str, Choice], question: Question, plan: Plan, names: Sequence[str]
) -> tuple[Row, ...]:
    """Return a row for each strategy, the best first; those without a rate last."""
    finals: dict[str, dict[int, float]] = {}
    for family, choice in chosen.items():
        own = {seed: runs.get(Trial(*choice, seed, plan.steps)) for seed in question.seeds}
        known = {seed: capped(run, question.metric) for seed, run in own.items() if run is not None}
        finals[family] = {seed: value for seed, value in known.items() if value is not None}
    judged = [family for family in question.families if finals.get(family)]
    relative = logarithmic([value for own in finals.values() for value in own.values()], question.mode)

    def place(family: str) -> tuple[bool, float]:
        """Rank by what is tested: the mean of the logarithms; a strategy without all seeds below those with all."""
        own = [math.log(value) if relative else question.cost(value) for value in finals[family].values()]
        return len(own) < len(question.seeds), statistics.fmean(own)

    order = sorted(judged, key=place)
    against = _against(question.baseline, order, finals, question)
    to_best = _against(order[0] if order else "", order, finals, question)
    target = _target(question, finals)
    rows = [_row(family, runs, chosen.get(family), question, plan, names) for family in question.families]
    known_rows = {row.strategy: row for row in rows}
    ranked = []
    for family in (*order, *(family for family in question.families if family not in order)):
        row = known_rows[family]
        reached = _reached(runs, chosen[family], question, plan, target) if family in order else None
        changes = {"difference": against.get(family), "to_best": to_best.get(family), "reached": reached}
        if family not in order:
            changes["base_lr"] = None
        ranked.append(Row(**{**vars(row), **changes}))
    return tuple(ranked)


def _against(
    other: str, order: Sequence[str], finals: Mapping[str, Mapping[int, float]], question: Question
) -> dict[str, Difference]:
    """Compare all with one, over the seeds that both have, corrected for how many they are."""
    found = {}
    for family in order:
        seeds = [seed for seed in finals[family] if seed in finals.get(other, {})]
        if family != other and seeds:
            mine, its = ([finals[name][seed] for seed in seeds] for name in (family, other))
            found[family] = paired(mine, its, question.mode, question.margin)
    return corrected(found, question.mode, question.margin)


def _target(question: Question, finals: Mapping[str, Mapping[int, float]]) -> float | None:
    """Return the metric to be reached: the one asked for, else the baseline's mean at its end."""
    known = finals.get(question.baseline)
    if question.target is not None or not known:
        return question.target
    return statistics.fmean(known.values())


def _reached(
    runs: Mapping[Trial, Run], choice: Choice, question: Question, plan: Plan, target: float | None
) -> float | None:
    if target is None:
        return None
    steps = []
    for seed in question.seeds:
        run = runs.get(Trial(*choice, seed, plan.steps))
        points = run.curve[1:] if run is not None else ()
        goal = question.cost(target)
        values = ((point.step, point.metrics.get(question.metric, math.nan)) for point in points)
        known = (step for step, value in values if question.cost(value) <= goal)
        steps.append(float(next(known, math.inf)))
    return statistics.median_high(steps)


def _row(
    family: str,
    runs: Mapping[Trial, Run],
    choice: Choice | None,
    question: Question,
    plan: Plan,
    names: Sequence[str],
) -> Row:
    """Return what is known of one strategy by itself."""
    own = [run for run in runs.values() if run.trial.strategy in question.families[family]]
    tried = {run.trial[:2] for run in own if run.trial.seed in question.choice_seeds and run.trial.steps == plan.steps}
    means = choice_means(runs, sorted(tried), question, plan.steps)
    trials = [runs.get(Trial(*choice, seed, plan.steps)) for seed in question.seeds] if choice else []
    judged = [run for run in trials if run is not None and capped(run, question.metric) is not None]
    estimates = {}
    for name in names if judged else ():
        values = [capped(run, name) for run in judged]
        estimates[name] = estimate([math.nan if value is None else value for value in values])
    cut = any(run.trial.steps < plan.steps for run in own)
    # After shorter rounds the trials of the whole length are no sample of those that were tried.
    counts = [] if cut else [k for k in (1, 2, 4, 8, 16, 32, 64, 128) if k <= len(means)]
    at = {rate: value for (variant, rate), value in means.items() if choice and variant == choice.variant}
    return Row(
        strategy=family,
        chosen=choice.variant if choice else family,
        base_lr=choice.base_lr if choice else None,
        estimates=estimates,
        difference=None,
        to_best=None,
        diverged=sum(run.diverged for run in own),
        missing=len(trials) - len(judged),
        trials=len(tried),
        expected={k: expected_best(list(means.values()), k, question.mode) for k in counts},
        nearly=nearly_as_good(at, question.mode),
        reached=None,
        runs=len(own),
        steps=sum(run.steps for run in own),
        seconds=math.fsum(run.seconds for run in own),
    )
