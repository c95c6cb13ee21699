"""The protocol of a comparison: the choice of each strategy's rate, the verdict on fresh seeds, the winner's test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ratesmith._checks import Option
from ratesmith._metric_names import doubt_of_mode
from ratesmith._text import one_line
from ratesmith.experiment.choice import (
    NO_PROMISE,
    Promise,
    Search,
    best_rates,
    choice_means,
    choose_rates,
    promise_of,
    trials_of,
)
from ratesmith.experiment.comparison import Comparison
from ratesmith.experiment.engine import ask
from ratesmith.experiment.notes import Note
from ratesmith.experiment.options import CompareOptions
from ratesmith.experiment.planner import Planned, stage_name
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.ranking import Row, rank
from ratesmith.experiment.run_context import TaskProfile
from ratesmith.experiment.rungs import Cut, survivors
from ratesmith.experiment.runner import Runner
from ratesmith.experiment.script_source import FunctionSource
from ratesmith.experiment.statistics import Estimate, estimate
from ratesmith.experiment.summary import idle
from ratesmith.experiment.trial import Run, RunStatus, Trial
from ratesmith.experiment.worker import run_test
from ratesmith.script_process import Script

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
    cuts: list[Cut] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def question(self) -> Question:
        """What is asked, within the budget."""
        return replace(self.planned.question, paired=self.profile.repeatable)

    @property
    def steps(self) -> int:
        """Updates of a whole run."""
        return self.profile.layout.steps

    def run(self) -> Comparison:
        """Choose, judge, test."""
        if self.profile.repeatable and not self.profile.exact:
            text = self.profile.unshared_because or (
                "The task's state, saved and loaded, does not go on bit for bit: nothing was shared, every run was "
                "trained from its beginning."
            )
            self.notes.append(Note("RS301", (text,)))
        if doubt := doubt_of_mode(self.question.metric, self.question.mode):
            self.notes.append(Note("RS324", (*doubt, ".")))
        self.notes += self.planned.notes
        chosen = self._choose()
        verdict = [Trial(*choice, seed, self.steps) for choice in chosen.values() for seed in self.question.seeds]
        self.runner.train("verdict", verdict, finals=self.profile.has_test)
        runs = self.runner.runs
        rows = rank(runs, chosen, self.question, self.profile.layout, self.profile.metrics)
        best = rows[0] if rows[0].base_lr is not None else None
        test = self._test(best) if self.profile.has_test and best is not None else None
        self.runner.end()
        tested = len({trial[:2] for trial in self.runner.store.tests()})
        if test is not None and tested > 1:
            text = f"In this folder the test set has judged {tested} winners: its figure is no longer untouched."
            self.notes.append(Note("RS315", (text,)))
        if self.runner.side_by_side < self.runner.engine.workers:
            asked, left = self.runner.engine.workers, self.runner.side_by_side
            text = (
                f"Memory did not suffice for {asked} runs side by side: they were tried again, and {left} "
                f"{'was' if left == 1 else 'were'} trained at a time. Give fewer with "
            )
            self.notes.append(Note("RS319", (text, Option("workers="), ".")))
        self.notes += [*self._of_runs(list(runs.values())), *idle(rows, runs.values(), self.profile.layout)]
        return Comparison(
            rows=rows,
            question=self.question,
            layout=self.profile.layout,
            runs=tuple(runs.values()),
            cuts=tuple(self.cuts),
            notes=tuple(self.notes),
            test=test,
            tested=tested,
            script=source.path if isinstance(source := self.runner.context.source, Script) else "",
            function=source.name if isinstance(source, FunctionSource) else "",
        )

    def _choose(self) -> dict[str, Choice]:
        """Try the rates, on the rungs first, extend the grid where a best lies on its edge, and choose."""
        rates, question = self.planned.rates, self.question
        search = Search.of(question.undecided(len(rates)), rates)
        settled = {
            family: Choice(variants[0], rates[0])
            for family, variants in question.families.items()
            if variants[0] not in search.grid
        }
        if search.trying:
            promise: Promise = NO_PROMISE
            if self.options.rung_lengths(self.steps):
                search = self._climb(search)
                promise = self._promise(search, self.steps, self._first_seed)
            name = stage_name(self.steps, self.steps)
            trials = trials_of(search.trying, self.steps, question.choice_seeds, promise)
            self.runner.train(name, trials, in_order=bool(promise))
            search = self._extend(search, f"{name}, beyond the grid", question)
        means = choice_means(self.runner.outcomes, search.pairs, question, self.steps)
        return {**settled, **choose_rates(means, question)}

    @property
    def _first_seed(self) -> Question:
        """The question with the one seed that the rungs train with."""
        return replace(self.question, choice_seeds=self.question.choice_seeds[:1])

    def _climb(self, search: Search) -> Search:
        """Return the search with the rates that are worth the other seeds of the choice.

        Each rung, and then the whole length, trains with the first seed alone; the best of the rung before goes first.
        """
        promise: Promise = NO_PROMISE
        search = search.at_the_middle()
        for steps in (*self.options.rung_lengths(self.steps), self.steps):
            last, name = steps == self.steps, stage_name(steps, self.steps)
            trials = trials_of(search.trying, steps, self._first_seed.choice_seeds, promise)
            self.runner.train(name, trials, in_order=True)
            search = self._extend(search, name, self._first_seed) if last else self._walk(search, name, steps)
            promise = self._promise(search, steps, self._first_seed)
            stay, cuts = survivors(self.runner.outcomes, search.trying, self.question, steps, neighbours=not last)
            search = search.with_only(stay, at_once=last)
            self.cuts += cuts
        return search

    def _walk(self, search: Search, name: str, steps: int) -> Search:
        """Train the neighbours of each variant's best rate on a rung, until there are none to try."""
        while True:
            search, added = search.walked(best_rates(self._promise(search, steps, self._first_seed)))
            if not added:
                return search
            self.runner.train(name, trials_of(added, steps, self._first_seed.choice_seeds))

    def _extend(self, search: Search, name: str, question: Question) -> Search:
        """Train, at the whole length, the rates that the best ones still ask for, until there are none."""
        while True:
            bests = best_rates(self._promise(search, self.steps, question))
            search, added = search.extended(bests, self._affordable)
            if not added:
                return search
            self.runner.train(name, trials_of(added, self.steps, question.choice_seeds))

    def _promise(self, search: Search, steps: int, question: Question) -> Promise:
        return promise_of(self.runner.outcomes, search.pairs, question, steps)

    def _affordable(self, rates: int) -> bool:
        """Whether a budget, if there is one, has room for so many rates more and the verdict."""
        budget = self.options.limit
        if budget is None:
            return True
        spent = self.planned.searched + sum(run.updates - run.shared for run in self.runner.runs.values())
        verdict = len(self.question.families) * len(self.question.seeds)
        more = (verdict + rates * len(self.question.choice_seeds)) * self.steps
        return spent + more <= budget.allowed(self.profile.seconds, self.runner.engine.workers)

    def _of_runs(self, runs: Sequence[Run]) -> Iterator[Note]:
        """Yield what the reader must know of the seeds, and of runs that did not end well."""
        pairs = len(self.question.seeds)
        if pairs < FEWEST_PAIRS:
            kind = "paired seeds" if self.question.paired else "seeds"
            text = f"The verdict rests on {pairs} {kind}: fewer than {FEWEST_PAIRS} tell little apart."
            yield Note("RS305", (text,))
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
        trials = [trial for trial in trials if self.runner.outcomes[trial].done]
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
        return _means(measured, trials)


def _means(measured: Mapping[Trial, dict[str, float]], trials: Sequence[Trial]) -> dict[str, Estimate] | None:
    if not trials:
        return None
    return {name: estimate([measured[trial][name] for trial in trials]) for name in measured[trials[0]]}
