"""Planning: find where the rates lie, count what will be trained at the most, and make it fit a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from typing import Final, NamedTuple

from ratesmith._checks import Option, spell
from ratesmith.experiment.choice import CENTRE, RUNS_EACH, Search, Variant
from ratesmith.experiment.engine import Engine, ask
from ratesmith.experiment.grid import lattice, lattice_of, middle_of
from ratesmith.experiment.jobs import find_centre, length_notes_of, shapes_of
from ratesmith.experiment.notes import Note
from ratesmith.experiment.options import CompareOptions, ComparisonError
from ratesmith.experiment.plan import Budget, Plan, Size, Stage
from ratesmith.experiment.question import Question
from ratesmith.experiment.run_context import RunContext, TaskProfile
from ratesmith.experiment.store import Store
from ratesmith.strategy.contender import optimizer_of

NO_LOSSES: Final = "No sweep was made, since the script does not report the training loss of each update"


class Region(NamedTuple):
    """Where the rates of an optimizer are looked for."""

    rates: tuple[float, ...]
    centre: float
    """Around which a constant rate is expected to do best."""


@dataclass(frozen=True)
class Planned:
    """What planning has settled."""

    question: Question
    """What was asked, with as few seeds as the budget leaves."""
    search: Search
    """The choice, where it begins."""
    regions: Mapping[str, Region]
    """By optimizer, where its rates are looked for."""
    plan: Plan
    searched: int
    """Updates that the sweep for the rates' middle took."""
    at_once: int
    """Runs that the choice proposes at a time: what it proposes follows from this, so a call that goes on keeps it."""
    notes: tuple[Note, ...]
    length_notes: Mapping[str, Note]
    """What is to be said of the lengths in a strategy's variants, by variant, where something is."""


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
        regions, searched, notes = self._regions()
        question, size = self.options.question, Size(RUNS_EACH, len(self.options.question.seeds))
        plan = self._plan(size, regions)
        if self.options.limit is not None:
            size, plan = self._fitted(size, regions, self.options.limit, searched)
            if plan.made_smaller:
                text = f"To fit the budget of {self.options.limit}: {plan.made_smaller}."
                notes.append(Note("RS304", (text,)))
            question = replace(question, seeds=question.seeds[: size.seeds])
        at_once = self.store.get("at_once")
        if at_once is None:
            at_once = max(1, self.engine.workers)
            self.store.note("at_once", at_once)
        search = self._search(question, regions, size)
        length_notes = self._length_notes()
        plan = replace(plan, warnings=tuple(map(str, length_notes.values())))
        return Planned(question, search, regions, plan, searched, at_once, tuple(notes), length_notes)

    def _length_notes(self) -> dict[str, Note]:
        """Return what is to be said of the lengths in the strategies; only a script may not know its epoch."""
        said = ask(self.engine, length_notes_of, self.context, self.options.variants)
        names = {"steps_per_epoch": "get_trial its steps_per_epoch="}
        return {text: Note(first.code, (spell(first.parts, names),)) for text, (first, *_) in said.items()}

    def _regions(self) -> tuple[dict[str, Region], int, list[Note]]:
        """Return where rates are looked for, the updates that were made to find that, and what there is to say."""
        regions: dict[str, Region] = {}
        searched, notes = 0, list[Note]()
        for name in dict.fromkeys(map(optimizer_of, self.options.variants)):
            fixed = self.options.question.fixed_rates.get(name)
            if fixed is not None:
                regions[name] = Region((fixed,), fixed)
            elif self.options.grid is not None:
                regions[name] = Region(lattice_of(self.options.grid), middle_of(self.options.grid))
            else:
                regions[name], updates, note = self._around_centre(name)
                searched += updates
                notes.append(note)
        return regions, searched, notes

    def _around_centre(self, name: str) -> tuple[Region, int, Note]:
        """Return the rates around a sweep's answer, or around the optimizer's own rate, and how that came about."""
        centres = self.store.get("centres") or {}
        if name not in centres:
            centres[name] = list(ask(self.engine, find_centre, self.context, name))
            self.store.note("centres", centres)
        rate, updates = centres[name]
        rates = f"rates of {name}" if name else "rates"
        if rate is None:
            why = "The finder found no rate" if self.profile.reports_losses else NO_LOSSES
            text = f"{why}: {rates} are looked for around the optimizer's own."
            base_lr = self.profile.base_lrs[name] if name else self.profile.base_lr
            return Region(lattice(base_lr), base_lr), updates, Note("RS302", (text,))
        text = f"R{rates[1:]} are looked for around {rate:.3g}, which a sweep of {updates} updates found."
        return Region(lattice(rate), rate * CENTRE), updates, Note("RS303", (text,))

    def _undecided(self, regions: Mapping[str, Region]) -> tuple[str, ...]:
        return self.options.question.undecided(max(len(region.rates) for region in regions.values()))

    def _search(self, question: Question, regions: Mapping[str, Region], size: Size) -> Search:
        texts = self._undecided(regions)
        shapes = ask(self.engine, shapes_of, self.context, texts) if texts else ()
        family_of = {text: family for family, variants in question.families.items() for text in variants}
        variants = [
            Variant(text, family_of[text], regions[optimizer_of(text)].rates, shape)
            for text, shape in zip(texts, shapes, strict=True)
        ]
        centres = {name: region.centre for name, region in regions.items()}
        return Search.of(question, variants, centres, self._runs(size, regions))

    def _runs(self, size: Size, regions: Mapping[str, Region]) -> int:
        """Return how many runs the choice makes at the most: so many for each strategy, one for a further variant."""
        question, undecided = self.options.question, self._undecided(regions)
        families = sum(variants[0] in undecided for variants in question.families.values())
        pairs = sum(len(regions[optimizer_of(text)].rates) for text in undecided) * len(question.choice_seeds)
        return min(size.runs_each * families + len(undecided) - families, pairs)

    def _plan(self, size: Size, regions: Mapping[str, Region]) -> Plan:
        whole, runs = self.profile.layout.steps, self._runs(size, regions)
        lengths = (*self.options.rung_lengths(whole), whole) if runs else ()
        stages = [Stage(stage_name(steps, whole), runs, steps) for steps in lengths]
        stages.append(Stage("verdict", len(self.options.families) * size.seeds, whole))
        return Plan(tuple(stages), self.profile.seconds, self.engine.workers, self.options.limit, self.options.gpus)

    def _fitted(
        self, asked_size: Size, regions: Mapping[str, Region], budget: Budget, searched: int
    ) -> tuple[Size, Plan]:
        """Make runs and seeds fewer until the plan fits the budget."""
        # The time of an update differs from call to call: a study that goes on keeps the size that it began with.
        size, plan = asked_size, self._plan(asked_size, regions)
        asked = [str(budget), *astuple(asked_size), plan.to_run]
        kept = self.store.get("fitted") or {}
        settled = Size(*kept["size"]) if kept.get("asked") == asked else None
        allowed = budget.allowed(self.profile.seconds, self.engine.workers) - searched
        while size != settled if settled else plan.to_run > allowed:
            smaller = size.smaller()
            if smaller is None:
                raise ComparisonError(
                    f"compare: a budget of {budget} is too small, the least plan is {plan.to_run + searched:,} steps, "
                    f"about {plan.time:.0f} s; give a larger ",
                    Option("budget="),
                    ", fewer strategies, or shorter runs with ",
                    Option("steps="),
                )
            size = smaller
            plan = self._plan(size, regions)
        self.store.note("fitted", {"asked": asked, "size": astuple(size)})
        if size == asked_size:
            return size, plan
        left = f"{size.runs_each} runs for each choice, at most {size.seeds} seeds for the verdict"
        return size, replace(plan, made_smaller=left)
