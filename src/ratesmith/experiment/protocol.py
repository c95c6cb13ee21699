"""The protocol of a comparison: the choice of each strategy's rate, the verdict on fresh seeds, the winner's test."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ratesmith._checks import Option
from ratesmith._metric_names import doubt_of_mode
from ratesmith._text import one_line
from ratesmith.experiment.choice import Search, outcome_of
from ratesmith.experiment.comparison import Comparison
from ratesmith.experiment.engine import ask
from ratesmith.experiment.notes import Note
from ratesmith.experiment.options import CompareOptions
from ratesmith.experiment.planner import Planned, stage_name
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.ranking import Row, rank
from ratesmith.experiment.run_context import TaskProfile
from ratesmith.experiment.runner import Runner
from ratesmith.experiment.script_source import FunctionSource
from ratesmith.experiment.standing import Standing
from ratesmith.experiment.statistics import Estimate, estimate, scale_of
from ratesmith.experiment.stopping import FIRST_SEEDS, further
from ratesmith.experiment.summary import idle
from ratesmith.experiment.trial import Run, RunStatus, Trial
from ratesmith.experiment.worker import run_test
from ratesmith.script_process import Script
from ratesmith.strategy.contender import optimizer_of

FEWEST_PAIRS: Final = 5
"""Pairs from which differences are told apart with some reliability: with three an interval is twice as wide."""
ENDED_BADLY: Final = {
    RunStatus.FAILED: ("RS306", "failed"),
    RunStatus.TIMEOUT: ("RS307", "took too long"),
    RunStatus.KILLED: ("RS308", "were killed"),
}


@dataclass
class ComparisonProtocol:
    """A comparison once it is planned: what is trained next follows from the runs so far, and from nothing else.

    So a call that goes on where an earlier one was stopped makes the same choices.
    """

    options: CompareOptions
    planned: Planned
    profile: TaskProfile
    runner: Runner
    notes: list[Note] = field(default_factory=list)

    @functools.cached_property
    def question(self) -> Question:
        """What is asked, within the budget."""
        return replace(self.planned.question, paired=self.profile.repeatable, folds=self.profile.folds)

    @property
    def steps(self) -> int:
        """Updates of a whole run."""
        return self.profile.layout.steps

    def run(self) -> Comparison:
        """Choose, judge, test."""
        if self.profile.repeatable and not self.profile.exact:
            self.notes.append(Note("RS301", (self.profile.unshared_because,)))
        if doubt := doubt_of_mode(self.question.metric, self.question.mode):
            self.notes.append(Note("RS324", (*doubt, ".")))
        self.notes += self.planned.notes
        search = self._choose()
        chosen = {**self._settled(), **(search.chosen() if search is not None else {})}
        nearly = search.nearly() if search is not None else {}
        asked, doubts = self._judge(chosen, search)
        self.runner.stop_if_all_failed()
        runs = self.runner.runs
        layout, metrics = self.profile.layout, self.profile.metrics
        rows = rank(runs, chosen, self.question, layout, metrics, asked=asked, doubts=doubts, nearly=nearly)
        best = rows[0] if rows[0].base_lr is not None else None
        test = self._test(best) if self.profile.has_test and best is not None else None
        self.runner.end()
        tested = len({trial[:2] for trial in self.runner.store.tests()})
        if test is not None and tested > 1:
            text = f"In this folder the test set has judged {tested} winners: its figure is no longer untouched."
            self.notes.append(Note("RS315", (text,)))
        if self.runner.side_by_side < self.runner.engine.workers:
            wanted, left = self.runner.engine.workers, self.runner.side_by_side
            text = (
                f"Memory did not suffice for {wanted} runs side by side: they were tried again, and {left} "
                f"{'was' if left == 1 else 'were'} trained at a time. Give fewer with "
            )
            self.notes.append(Note("RS319", (text, Option("workers="), ".")))
        self.notes += [*self._of_runs(list(runs.values())), *idle(rows, runs.values(), self.profile.layout)]
        said = self.planned.length_notes
        self.notes += [said[row.chosen]._replace(strategy=row.strategy) for row in rows if row.chosen in said]
        return Comparison(
            rows=rows,
            question=self.question,
            layout=self.profile.layout,
            runs=tuple(runs.values()),
            notes=tuple(self.notes),
            test=test,
            tested=tested,
            script=source.path if isinstance(source := self.runner.context.source, Script) else "",
            function=source.name if isinstance(source, FunctionSource) else "",
            uses_torch=self.profile.uses_torch,
        )

    def _choose(self) -> Search | None:
        """Look for each strategy's best rate: by shorter runs first, if rungs are asked for; None if none is open."""
        search = self.planned.search
        if not search.variants:
            return None
        for steps in (*self.options.rung_lengths(self.steps), self.steps):
            search = self._searched(search, steps)
            if steps != self.steps:
                search = search.carried()
        return search

    def _searched(self, search: Search, steps: int) -> Search:
        """Return the search once it has nothing more to try at this length."""
        while proposals := search.proposed(self.planned.at_once):
            trials = {proposal: Trial(*proposal, steps) for proposal in proposals}
            self.runner.train(stage_name(steps, self.steps), trials.values(), expected=self.planned.plan.runs)
            runs = self.runner.outcomes
            search = search.observed({place: outcome_of(runs[trial], self.question) for place, trial in trials.items()})
        return search

    def _settled(self) -> dict[str, Choice]:
        """Return the choice of the strategies that have none: one variant, and one rate."""
        open_variants = {variant.text for variant in self.planned.search.variants}
        return {
            family: Choice(variants[0], self.planned.regions[optimizer_of(variants[0])].rates[0])
            for family, variants in self.question.families.items()
            if variants[0] not in open_variants
        }

    def _judge(self, chosen: Mapping[str, Choice], search: Search | None) -> tuple[dict[str, int], Mapping[str, float]]:
        """Add fresh seeds until the strategies are told apart, tie, or have as many as they may.

        Return how many each was asked for, and the doubts of their rates.
        """
        asked = dict.fromkeys(chosen, min(FIRST_SEEDS, len(self.question.seeds)))
        doubts: Mapping[str, float] = {}
        more: Sequence[str] = tuple(chosen)
        while more:
            trials = [
                Trial(*choice, seed, self.steps)
                for family, choice in chosen.items()
                for seed in self.question.seeds[: asked[family]]
            ]
            self.runner.train("verdict", trials, finals=self.profile.has_test, expected=self.planned.plan.runs)
            standing = Standing.of(self.runner.runs, chosen, self.question, self.steps, asked=asked)
            # A value of 0 or below, which may come late, takes differences from logarithms to the metric's own unit.
            doubts = search.doubts(logs=standing.scale.logs) if search is not None else {}
            standing = replace(standing, doubts=doubts)
            more = further(standing)
            for family in more:
                asked[family] += 1
        return asked, doubts

    def _of_runs(self, runs: Sequence[Run]) -> Iterator[Note]:
        """Yield what the reader must know of the seeds, and of runs that did not end well."""
        pairs = len(self.question.seeds)
        if pairs < FEWEST_PAIRS:
            kind = f"{'paired ' if self.question.paired else ''}seed{'' if pairs == 1 else 's'}"
            text = f"The verdict rests on {pairs} {kind}: fewer than {FEWEST_PAIRS} tell little apart."
            yield Note("RS305", (text,))
        fresh = [run for run in runs if run.trial.seed in self.question.seeds]
        for strategy in dict.fromkeys(run.trial.strategy for run in fresh if run.diverged):
            its_runs = [run for run in fresh if run.trial.strategy == strategy]
            text = (
                f"{sum(run.diverged for run in its_runs)} of {len(its_runs)} fresh runs of {strategy} diverged, and "
                "count as if nothing had been learned: its rate is too high; give lower ones with "
            )
            family = next(name for name, variants in self.question.families.items() if strategy in variants)
            yield Note("RS328", (text, Option("rates="), "."), family)
        if ran_on := [run.message for run in runs if run.done and run.message]:
            yield Note("RS323", (f"{len(ran_on)} runs ended late; the first: {ran_on[0]}.",))
        for status, (code, happened) in ENDED_BADLY.items():
            ended = [run for run in runs if run.status == status]
            if ended:
                yield Note(code, (f"{len(ended)} runs {happened}; the first: {ended[0].message}.",))

    def _test(self, winner: Row) -> dict[str, Estimate] | None:
        """Measure the winner's trained states on the test data, once each; None if that cannot be done."""
        store, context = self.runner.store, self.runner.context
        measured = store.tests()
        trials = [Trial(winner.chosen, winner.base_lr or 0.0, seed, self.steps) for seed in self.question.seeds]
        trials = [trial for trial in trials if trial in self.runner.runs and self.runner.runs[trial].done]
        store.keep_states({store.state_path(trial) for trial in trials})
        for trial in trials:
            if trial not in measured:
                path = store.state_path(trial)
                state = str(path) if context.folder is not None else path.read_bytes() if path.is_file() else b""
                try:
                    measured[trial] = ask(self.runner.engine, run_test, context, trial, state)
                except Exception as error:  # the answer is there: the test set must not cost it
                    self.notes.append(Note("RS309", (f"The test data could not be measured: {one_line(error)}.",)))
                    return None
                store.add_test(trial, measured[trial])
        return _means(measured, trials, self.question)


def _means(
    measured: Mapping[Trial, dict[str, float]], trials: Sequence[Trial], question: Question
) -> dict[str, Estimate] | None:
    """Return the mean of each metric on the test data, on the scale that it has on the validation data."""
    if not trials:
        return None
    means = {}
    for name in measured[trials[0]]:
        values = [measured[trial][name] for trial in trials]
        means[name] = estimate(values, scale_of(name, values, question.mode if name == question.metric else None))
    return means
