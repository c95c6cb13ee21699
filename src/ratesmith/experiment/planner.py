"""Planning: find where the rates lie, count what will be trained, and make it fit a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Final

from ratesmith._checks import Option
from ratesmith.experiment.choice import trials_of
from ratesmith.experiment.engine import Engine, ask
from ratesmith.experiment.grid import default_rates
from ratesmith.experiment.jobs import arrange_trials, find_centre
from ratesmith.experiment.notes import Note
from ratesmith.experiment.options import CompareOptions, ComparisonError
from ratesmith.experiment.plan import Budget, Plan, Size, Stage, stage_of
from ratesmith.experiment.question import Question
from ratesmith.experiment.run_context import RunContext, TaskProfile
from ratesmith.experiment.store import Store

NO_LOSSES: Final = "No sweep was made, since the script does not report the training loss of each update"


@dataclass(frozen=True)
class Planned:
    """What planning has settled."""

    question: Question
    """What was asked, with as few seeds as the budget leaves."""
    rates: tuple[float, ...]
    plan: Plan
    searched: int
    """Updates that the sweep for the rates' middle took."""
    notes: tuple[Note, ...]


def stage_name(steps: int, whole: int) -> str:
    """Return the name of the stage that trains runs of this length for the choice."""
    return "choice of rates" if steps == whole else f"rung of {steps} steps"


@dataclass(frozen=True)
class Planner:
    """What planning needs: the options, what the task is like, and where jobs run."""

    options: CompareOptions
    profile: TaskProfile
    store: Store
    engine: Engine
    context: RunContext

    def planned(self) -> Planned:
        """Return the plan that fits the budget; raise ComparisonError if the least one does not."""
        rates, searched, notes = self._grid()
        question, plan = self.options.question, self._plan(self.options.question, rates)
        if self.options.limit is not None:
            question, rates, plan = self._fitted(question, rates, plan, self.options.limit, searched)
            if plan.made_smaller:
                text = f"To fit the budget of {self.options.limit}: {plan.made_smaller}."
                notes.append(Note("RS304", (text,)))
        return Planned(question, rates, plan, searched, tuple(notes))

    def _grid(self) -> tuple[tuple[float, ...], int, list[Note]]:
        """Return the rates to try, the updates that were made to find them, and what there is to say of that."""
        if self.options.grid is not None:
            return self.options.grid, 0, []
        centre = self.store.get("centre")
        if centre is None:
            centre = list(ask(self.engine, find_centre, self.context))
            self.store.note("centre", centre)
        rate, updates = centre
        if rate is None:
            why = "The finder found no rate" if self.profile.reports_losses else NO_LOSSES
            text = f"{why}: the grid lies around the optimizer's own."
            return default_rates(self.profile.base_lr), updates, [Note("RS302", (text,))]
        text = f"The grid lies around {rate:.3g}, which a sweep of {updates} updates found."
        return default_rates(rate), updates, [Note("RS303", (text,))]

    def _plan(self, question: Question, rates: Sequence[float]) -> Plan:
        whole, stages = self.profile.layout.steps, []
        tried = dict.fromkeys(question.undecided(len(rates)), rates)
        for steps in (*self.options.rung_lengths(whole), whole) if tried else ():
            # A rung has one seed, and at the most every rate.
            seeds = question.choice_seeds if steps == whole else question.choice_seeds[:1]
            trials = tuple(trials_of(tried, steps, seeds))
            arranged = ask(self.engine, arrange_trials, self.context, trials, self.profile.exact)
            stages.append(stage_of(stage_name(steps, whole), arranged, steps))
        runs = len(question.families) * len(question.seeds)
        stages.append(Stage("verdict", runs, whole, runs * whole, runs * whole))
        return Plan(tuple(stages), self.profile.seconds, self.engine.workers, self.options.limit, self.options.gpus)

    def _fitted(
        self, question: Question, rates: tuple[float, ...], plan: Plan, budget: Budget, searched: int
    ) -> tuple[Question, tuple[float, ...], Plan]:
        """Make rates and seeds fewer until the plan fits the budget."""
        asked_size = Size(len(rates), len(question.choice_seeds), len(question.seeds))
        # The time of an update differs from call to call: a study that goes on keeps the size that it began with.
        asked = [str(budget), *astuple(asked_size), len(question.families)]
        kept = self.store.get("fitted") or {}
        settled = Size(*kept["size"]) if kept.get("asked") == asked else None
        allowed = budget.allowed(self.profile.seconds, self.engine.workers) - searched
        size = asked_size
        while size != settled if settled else plan.to_run > allowed:
            smaller = size.smaller()
            if smaller is None:
                raise ComparisonError(
                    f"compare: a budget of {budget} is too small, the least plan is {plan.to_run:,} steps, about "
                    f"{plan.time:.0f} s; give a larger ",
                    Option("budget="),
                    ", fewer strategies, or shorter runs with ",
                    Option("steps="),
                )
            size, middle = smaller, len(rates) // 2
            rates = rates if len(rates) <= size.rates else rates[middle - 1 : middle + 2]
            question = replace(
                question,
                choice_seeds=question.choice_seeds[: size.choice_seeds],
                seeds=question.seeds[: size.seeds],
            )
            plan = self._plan(question, rates)
        self.store.note("fitted", {"asked": asked, "size": astuple(size)})
        if size == asked_size:
            return question, rates, plan
        left = f"{size.rates} rates, {size.choice_seeds} choice seeds, {size.seeds} seeds for the verdict"
        return question, rates, replace(plan, made_smaller=left)
