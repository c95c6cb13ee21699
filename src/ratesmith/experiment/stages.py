"""The stages of a comparison: the plan that fits a budget, the choice of each rate, the verdict, the winner's test."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Final

from ratesmith._text import one_line
from ratesmith.experiment.comparison import (
    FEWEST_PAIRS,
    Choice,
    Comparison,
    Cut,
    Question,
    Row,
    choice_means,
    choose,
    rank,
)
from ratesmith.experiment.grid import default_rates, first_rates, next_rates, wanted_rates
from ratesmith.experiment.jobs import Begun, Facts, Source, centre, lay_out, run_test
from ratesmith.experiment.outline import Budget, Outline, Size, Stage, stage
from ratesmith.experiment.pool import Engine, ask
from ratesmith.experiment.rounds import survivors
from ratesmith.experiment.said import idle
from ratesmith.experiment.store import Store
from ratesmith.experiment.study import Progress, Study
from ratesmith.experiment.trial import Run, Trial
from ratesmith.experiment.verdict import Estimate, estimate

_FIRST: Final = slice(1)
"""The first seed of the choice, with which the rounds train."""
_NO_PROMISE: Final[Mapping[tuple[str, float], float]] = {}
_HAPPENED: Final = {"failed": "failed", "timeout": "took too long", "killed": "were killed"}


class ComparisonError(ValueError):
    """Options that do not fit the task; the message is one line for the user."""


@dataclass(frozen=True)
class Call:
    """What was asked for."""

    task: Source
    question: Question
    rates: tuple[float, ...] | None
    rounds: tuple[float, ...]
    budget: Budget | None
    workers: int
    on_plan: Callable[[Outline], bool]
    on_progress: Callable[[Progress], None]


class Stages:
    """A comparison in progress, stage by stage."""

    def __init__(self, call: Call, facts: Facts, store: Store, engine: Engine, begun: Begun) -> None:
        """Take what was asked for, what is known of the task, and where runs are kept and made."""
        self.call, self.facts, self.store, self.engine, self.begun = call, facts, store, engine, begun
        self.question, self.plan = call.question, facts.plan
        self.cuts: list[Cut] = []
        self.searched = 0
        self.notes: list[str] = []
        if not facts.exact:
            self.notes.append(
                "The task's state, saved and loaded, does not go on bit for bit: nothing was shared, every run was "
                "trained from its beginning."
            )

    def run(self) -> Comparison:
        """Plan, choose, judge, test."""
        rates = self.call.rates or self._around_the_finders()
        rates, outline = self._fit(rates)
        if not self.call.on_plan(outline):
            raise ComparisonError("compare: nothing was run: the plan was not agreed to; change --budget, or the plan")
        self.study = Study(
            begun=self.begun,
            question=self.question,
            store=self.store,
            engine=self.engine,
            share=self.facts.exact,
            at_once=2 * self.engine.workers or 1,  # one bundle waits for each worker, so that none is ever idle
            on_progress=self.call.on_progress,
        )
        chosen = self._choose(rates)
        verdict = [Trial(*choice, seed, self.plan.steps) for choice in chosen.values() for seed in self.question.seeds]
        self.study.train("verdict", verdict, finals=self.facts.has_test)
        runs = self.study.runs
        rows = rank(runs, chosen, self.question, self.plan, self.facts.metrics)
        best = rows[0] if rows[0].base_lr is not None else None
        test = self._test(best) if self.facts.has_test and best is not None else None
        self.study.end()
        return Comparison(
            rows=rows,
            question=self.question,
            plan=self.plan,
            runs=tuple(runs.values()),
            cuts=tuple(self.cuts),
            notes=(*self.notes, *self._said(list(runs.values())), *idle(rows, runs.values(), self.plan)),
            test=test,
            tested=len({trial[:2] for trial in self.store.tests()}),
        )

    def _around_the_finders(self) -> tuple[float, ...]:
        known = self.store.get("centre")
        if known is None:
            rate, updates = ask(self.engine, centre, self.call.task)
            known = [rate, updates]
            self.store.note("centre", known)
        rate, updates = known
        self.searched = updates
        if rate is None:
            self.notes.append("The finder found no rate: the grid lies around the optimizer's own.")
        else:
            self.notes.append(f"The grid lies around {rate:.3g}, which a sweep of {updates} updates found.")
        return default_rates(self.facts.base_lr if rate is None else rate)

    def _trials(
        self,
        tried: Mapping[str, Sequence[float]],
        steps: int,
        promise: Mapping[tuple[str, float], float] = _NO_PROMISE,
        seeds: slice = slice(None),
    ) -> list[Trial]:
        """Return a stage's trials, the least promise last: who stops early has the best by then."""
        pairs = [
            (variant, rate)
            for rate in sorted({rate for rates in tried.values() for rate in rates})
            for variant, rates in tried.items()
            if rate in rates
        ]
        pairs.sort(key=lambda pair: promise.get(pair, math.inf))
        return [Trial(*pair, seed, steps) for pair in pairs for seed in self.question.choice_seeds[seeds]]

    def _open(self, rates: Sequence[float]) -> dict[str, list[float]]:
        """Return the variants and rates of the strategies that have a choice to make."""
        own = [variants for variants in self.question.families.values() if len(variants) * len(rates) > 1]
        return {variant: list(rates) for variants in own for variant in variants}

    def _rounds(self) -> list[int]:
        """Return the lengths of the shorter rounds; those too short to be a training are left out."""
        lengths = {round(share * self.plan.steps) for share in self.call.rounds}
        return sorted(length for length in lengths if 1 < length < self.plan.steps)

    def _named(self, steps: int) -> str:
        """Return the name of the stage that trains runs of this length."""
        return "choice of rates" if steps == self.plan.steps else f"round of {steps} steps"

    @property
    def _verdict_runs(self) -> int:
        return len(self.question.families) * len(self.question.seeds)

    def _outline(self, rates: Sequence[float]) -> Outline:
        tried, stages = self._open(rates), []
        for steps in (*self._rounds(), self.plan.steps) if tried else ():
            shorter = steps < self.plan.steps  # a round has one seed, and at the most every rate
            trials = tuple(self._trials(tried, steps, seeds=_FIRST if shorter else slice(None)))
            arranged = ask(self.engine, lay_out, self.begun, trials, self.facts.exact)
            stages.append(stage(self._named(steps), arranged, steps))
        runs, steps = self._verdict_runs, self._verdict_runs * self.plan.steps
        stages.append(Stage("verdict", runs, self.plan.steps, steps, steps))
        return Outline(tuple(stages), self.facts.seconds, self.engine.workers, self.call.budget)

    def _fit(self, rates: tuple[float, ...]) -> tuple[tuple[float, ...], Outline]:
        """Make rates and seeds fewer until the outline fits the budget."""
        outline, budget = self._outline(rates), self.call.budget
        if budget is None:
            return rates, outline
        first = Size(len(rates), len(self.question.choice_seeds), len(self.question.seeds))
        # The time of an update differs from call to call: a study that goes on keeps the size that it began with.
        asked = [str(budget), *astuple(first), len(self.question.families)]
        fitted = self.store.get("fitted") or {}
        settled = Size(*fitted["size"]) if fitted.get("asked") == asked else None
        allowed = budget.allowed(self.facts.seconds, self.engine.workers) - self.searched
        size = first
        while size != settled if settled else outline.to_run > allowed:
            smaller = size.smaller()
            if smaller is None:
                raise ComparisonError(
                    f"compare: a budget of {budget} is too small, the least plan is {outline.to_run:,} steps, about "
                    f"{outline.time:.0f} s; give more, fewer strategies, or shorter runs with --steps"
                )
            size = smaller
            middle = len(rates) // 2
            rates = rates if len(rates) <= size.rates else rates[middle - 1 : middle + 2]
            self.question = replace(
                self.question,
                choice_seeds=self.question.choice_seeds[: size.choice_seeds],
                seeds=self.question.seeds[: size.seeds],
            )
            outline = self._outline(rates)
        self.store.note("fitted", {"asked": asked, "size": astuple(size)})
        if size == first:
            return rates, outline
        said = f"{size.rates} rates, {size.choice_seeds} choice seeds, {size.seeds} seeds for the verdict"
        self.notes.append(f"To fit the budget of {budget}: {said}.")
        return rates, replace(outline, made_smaller=said)

    def _choose(self, rates: Sequence[float]) -> dict[str, Choice]:
        """Try the rates, in shorter rounds first, extend where a best lies on the edge, and choose."""
        tried = self._open(rates)
        settled = {
            family: Choice(own[0], rates[0]) for family, own in self.question.families.items() if own[0] not in tried
        }
        grid = {variant: list(own) for variant, own in tried.items()}
        seen, promise = tried, {}
        if tried and self._rounds():
            tried, seen = self._by_rounds(tried, grid, rates)
            promise = self._promise(tried, self.plan.steps, _FIRST)
        if tried:
            named = self._named(self.plan.steps)
            self.study.train(named, self._trials(tried, self.plan.steps, promise), in_order=bool(promise))
            while added := self._extensions(tried, grid, rates, seen):
                self.study.train(f"{named}, beyond the grid", self._trials(added, self.plan.steps))
        pairs = [(variant, rate) for variant, own in tried.items() for rate in own]
        means = choice_means(self.study.known, pairs, self.question, self.plan.steps)
        return {**settled, **choose(means, self.question)}

    def _by_rounds(
        self, tried: dict[str, list[float]], grid: dict[str, list[float]], given: Sequence[float]
    ) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """Return the rates that are worth the other seeds of the choice, and all that were tried at the whole length.

        Each round, and then the whole length, trains with the first seed alone; the best of the round before goes
        first.
        """
        promise: dict[tuple[str, float], float] = {}
        tried = {variant: first_rates(own) for variant, own in tried.items()}
        for steps in (*self._rounds(), self.plan.steps):
            last = steps == self.plan.steps
            named = self._named(steps)
            self.study.train(named, self._trials(tried, steps, promise, _FIRST), in_order=True)
            while added := (
                self._extensions(tried, grid, given, tried, _FIRST) if last else self._walk(tried, grid, steps)
            ):
                self.study.train(named, self._trials(added, steps, seeds=_FIRST))
            promise, seen = self._promise(tried, steps, _FIRST), tried
            tried, cuts = survivors(self.study.known, tried, self.question, steps, neighbours=not last)
            self.cuts += cuts
        return tried, seen

    def _walk(
        self, tried: dict[str, list[float]], grid: Mapping[str, Sequence[float]], steps: int
    ) -> dict[str, list[float]]:
        """Add the neighbours of each variant's best rate, until it lies between two worse ones or at the grid's end."""
        bests, added = self._best_rates(tried, steps, _FIRST), {}
        for variant, own in tried.items():
            if new := next_rates(grid[variant], own, bests.get(variant)):
                added[variant] = new
                tried[variant] = sorted({*own, *new})
        return added

    def _promise(
        self, tried: Mapping[str, Sequence[float]], steps: int, seeds: slice
    ) -> dict[tuple[str, float], float]:
        """Return what every pair cost after complete runs of so many steps with these seeds of the choice."""
        pairs = [(variant, rate) for variant, own in tried.items() for rate in own]
        question = replace(self.question, choice_seeds=self.question.choice_seeds[seeds])
        means = choice_means(self.study.known, pairs, question, steps)
        return {pair: self.question.cost(mean) for pair, mean in means.items()}

    def _best_rates(self, tried: Mapping[str, Sequence[float]], steps: int, seeds: slice) -> dict[str, float]:
        """Return the best of each variant's rates; the first of equals, and nothing where all went wrong."""
        bests: dict[str, float] = {}
        promise = self._promise(tried, steps, seeds)
        for variant, rate in promise:
            if variant not in bests or promise[variant, rate] < promise[variant, bests[variant]]:
                bests[variant] = rate
        return bests

    def _extensions(
        self,
        tried: dict[str, list[float]],
        grid: dict[str, list[float]],
        given: Sequence[float],
        seen: dict[str, list[float]],
        seeds: slice = slice(None),
    ) -> dict[str, list[float]]:
        """Add the rates that the best ones still ask for; a rate that a shorter round cut comes back so.

        `seen` are the rates that were tried at the whole length, with one seed at least.
        """
        bests = self._best_rates(tried, self.plan.steps, seeds)
        added: dict[str, list[float]] = {}
        for variant, own in tried.items():
            new = wanted_rates(grid[variant], seen[variant], bests.get(variant), given)
            if new and self._affordable(sum(map(len, added.values())) + len(new)):
                added[variant] = new
                tried[variant] = sorted({*own, *new})
                seen[variant] = sorted({*seen[variant], *new})
                grid[variant] = sorted({*grid[variant], *new})
        return added

    def _affordable(self, rates: int) -> bool:
        """Whether a budget, if there is one, has room for so many rates more and the verdict."""
        budget = self.call.budget
        if budget is None:
            return True
        spent = self.searched + sum(run.steps - run.shared for run in self.study.runs.values())
        more = self._verdict_runs + rates * len(self.question.choice_seeds)
        return spent + more * self.plan.steps <= budget.allowed(self.facts.seconds, self.engine.workers)

    def _said(self, runs: Sequence[Run]) -> Iterator[str]:
        """Return what the reader must know of the seeds and of runs that did not end well."""
        if len(self.question.seeds) < FEWEST_PAIRS:
            yield (
                f"The verdict rests on {len(self.question.seeds)} paired seeds: fewer than {FEWEST_PAIRS} tell little "
                "apart."
            )
        for status in ("failed", "timeout", "killed"):
            found = [run for run in runs if run.status == status]
            if found:
                yield f"{len(found)} runs {_HAPPENED[status]}; the first: {found[0].message}."

    def _test(self, winner: Row) -> dict[str, Estimate] | None:
        """Measure the winner's trained states on the test data, once each."""
        known = self.store.tests()
        found = [Trial(winner.chosen, winner.base_lr or 0.0, seed, self.plan.steps) for seed in self.question.seeds]
        found = [trial for trial in found if self.study.known[trial].done]
        self.store.keep_states({self.store.state_path(trial) for trial in found})
        for trial in found:
            if trial not in known:
                path = self.store.state_path(trial)
                state = str(path) if self.begun.folder is not None else path.read_bytes() if path.is_file() else b""
                try:
                    known[trial] = ask(self.engine, run_test, self.begun, trial, state)
                except Exception as error:
                    self.notes.append(f"The test data could not be measured: {one_line(error)}.")
                    return None
                self.store.add_test(trial, known[trial])
        return {name: estimate([known[trial][name] for trial in found]) for name in known[found[0]]} if found else None
