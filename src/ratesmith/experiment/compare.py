"""Compare: choose each strategy's rate on some seeds, judge it on fresh ones, and test the winner."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any, Final

from ratesmith._checks import finite, whole
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
from ratesmith.experiment.grid import default_rates, first_rates, next_rates, variants, wanted_rates
from ratesmith.experiment.jobs import Begun, Facts, Source, centre, lay_out, look, run_test
from ratesmith.experiment.outline import Budget, Outline, Size, Stage, read_budget, stage
from ratesmith.experiment.pool import Engine, InProcess, LocalPool, ask
from ratesmith.experiment.rounds import survivors
from ratesmith.experiment.store import Store
from ratesmith.experiment.study import Progress, Study
from ratesmith.experiment.trial import Run, Trial
from ratesmith.experiment.verdict import Estimate, estimate
from ratesmith.notation import Strategy
from ratesmith.task import split_reference

BASELINE: Final = "constant()"
DEFAULT_STRATEGIES: Final = (
    'step(every="30%")',
    'multistep(milestones=["50%", "75%"])',
    'exponential(gamma=0.1, every="50%")',
    "cosine()",
    "plateau(factor=0.3, patience=1)",
)
FIRST_FRESH_SEED: Final = 1000
"""The verdict's seeds count from here, those of the choice from 0: they never meet."""
CHECKPOINT_SECONDS: Final = 60.0
_FIRST: Final = slice(1)
"""The first seed of the choice, with which the rounds train."""
_NO_PROMISE: Final[Mapping[tuple[str, float], float]] = {}
ENGINES: Final = ("local", "ray")


class ComparisonError(ValueError):
    """Options that do not fit the task; the message is one line for the user."""


def compare(
    task: Source,
    strategies: Iterable[str | Strategy] = DEFAULT_STRATEGIES,
    *,
    folder: str | Path,
    steps: int | str = "10ep",
    rates: Sequence[float] | None = None,
    seeds: int = 5,
    choice_seeds: int = 2,
    baseline: str | Strategy = BASELINE,
    metric: str = "loss",
    mode: str | None = None,
    margin: float = 0.01,
    target: float | None = None,
    evaluate_every: int | str = "1ep",
    rounds: Sequence[float] = (),
    budget: int | str | None = None,
    timeout: float | None = None,
    workers: int = 0,
    engine: str = "local",
    address: str | None = None,
    gpus: float = 0,
    on_plan: Callable[[Outline], bool] = lambda outline: True,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Comparison:
    """Train every strategy at every rate, choose each its own, and rank the strategies on the validation set.

    `task` is a `Task`, or `path/to/file.py:name`. An option of a strategy may be listed, as in
    `wsd(decay=["10%", "20%"])`: each is tried, and the strategy is judged by its best. The `baseline` is always among
    the strategies.

    Choice: every variant gets the same `rates` (by default five around a sweep's answer, two a decade), each with
    `choice_seeds` seeds; where its best lies on the edge of the grid, up to three rates more. A rate at which any seed
    did not end well cannot be chosen. Verdict: each strategy at its choice, with `seeds` fresh seeds, by the mean of
    `metric` after the last step: the smallest for mode "min", which the loss has by itself, the largest for "max". Runs
    of one seed begin with the same weights and see the same batches, so differences are paired: to the baseline, with
    95 % intervals, of the logarithms of a loss; a strategy within `margin` is a tie. `target` is a metric whose first
    step is reported (by default the baseline's own end). The winner alone is then measured on the test data.

    `rounds` are shares of `steps`, such as 0.125: complete runs of that length first, with one seed, in which each
    variant's search begins at the middle of the grid and goes on until its best lies between two worse rates. A rate
    that is hopeless among its variant's leaves; at the whole length the first seed sifts once more, what promises most
    first. `budget` is a number of updates, or a time as "30m": rates and seeds are made fewer until it fits.
    `on_plan` is told what will be run before it is, and may refuse. What trials share, they train once.

    Finished runs are kept in `folder`, and a call with the same settings goes on from there. `workers` processes, each
    spawned, train side by side; 0 trains in this process and with its threads, as a task that is no file must be.
    `timeout` is the seconds that a worker may spend on one trial. `engine` "ray" trains on the cluster at `address`,
    as many trials side by side as it has room for, each with a processor and `gpus`. Lengths are steps, or epochs as
    `"10ep"`.

    Raises ComparisonError for options that cannot be, TaskError for a task that cannot be used, StudyError for a folder
    that cannot be gone on with.
    """
    given = {name: value for name, value in locals().items() if not name.startswith("on_")}
    if isinstance(strategies, str):
        raise ComparisonError(f"compare: strategies must be a list, got {strategies!r}; write [{strategies!r}]")
    strategies = tuple(strategies)
    given["strategies"] = strategies
    families, base = _families(strategies, baseline)
    asked = Question(
        families=families,
        baseline=base,
        metric=metric,
        mode=_mode(metric, mode),
        margin=finite("compare", "margin", margin, least=0.0),
        choice_seeds=tuple(range(whole("compare", "choice_seeds", choice_seeds, least=1))),
        seeds=tuple(range(FIRST_FRESH_SEED, FIRST_FRESH_SEED + whole("compare", "seeds", seeds, least=1))),
        target=None if target is None else finite("compare", "target", target),
    )
    if engine not in ENGINES:
        raise ComparisonError(f"compare: engine must be one of {', '.join(ENGINES)}, got {engine!r}; choose one")
    call = _Call(
        task=task,
        question=asked,
        rates=None if rates is None else _rates(rates),
        rounds=_rounds(rounds),
        budget=read_budget(budget),
        workers=whole("compare", "workers", workers, least=0),
        on_plan=on_plan,
        on_progress=on_progress,
    )
    if isinstance(task, str):
        split_reference(task)  # a file that is not there is said before workers are started
    elif workers or engine != "local":
        raise ComparisonError("compare: other processes need a task given as 'path/to/file.py:name'; or use workers=0")
    with engine_of(engine, call.workers, timeout, task, address, gpus) as (pool, shared):
        names = tuple(variant for own in families.values() for variant in own)
        facts = ask(pool, look, task, steps, evaluate_every, names)
        if metric not in facts.metrics:
            known = ", ".join(facts.metrics)
            raise ComparisonError(
                f"compare: metric must be one that the task reports, got {metric!r}; it reports {known}"
            )
        with Store(Path(folder)) as store:
            store.settle({**facts.identity, **asdict(facts.plan)})
            if isinstance(task, str):
                store.note_call(_as_data(given))
            states = store.states.resolve() if shared else None
            # Where states come to this process, about one a second does, however many workers there are.
            seconds = max(CHECKPOINT_SECONDS, 0.0 if shared else pool.workers)
            begun = Begun(task, facts.plan, states, seconds if facts.exact else math.inf)
            return _Comparing(call, facts, store, pool, begun).run()


def _as_data(given: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in given.items() if name not in ("folder", "task")}
    plain["strategies"] = [str(one) for one in given["strategies"]]
    plain["rates"] = None if given["rates"] is None else [float(rate) for rate in given["rates"]]
    plain |= {"baseline": str(given["baseline"]), "rounds": [float(share) for share in given["rounds"]]}
    return {"task": str(given["task"]), **plain}


def _families(strategies: Iterable[str | Strategy], baseline: str | Strategy) -> tuple[dict[str, tuple[str, ...]], str]:
    """Give each strategy its variants, the baseline first."""
    families: dict[str, tuple[str, ...]] = {}
    for text in (str(baseline), *map(str, strategies)):
        own = variants(text)
        families.setdefault(own[0] if len(own) == 1 else _listed_name(text), own)
    return families, next(iter(families))


def _listed_name(text: str) -> str:
    return str(Strategy(text))


def _mode(metric: str, mode: str | None) -> str:
    if mode is None and metric == "loss":
        return "min"
    if mode is None:
        raise ComparisonError(f"compare: mode must be given for the metric {metric!r}; write --mode max or --mode min")
    if mode not in ("min", "max"):
        raise ComparisonError(f"compare: mode must be 'min' or 'max', got {mode!r}; choose one")
    return mode


def _rates(given: Iterable[float]) -> tuple[float, ...]:
    rates = sorted({finite("compare", "a rate", rate, least=0.0) for rate in given})
    if not rates or rates[0] == 0.0:
        raise ComparisonError(f"compare: rates must be above 0, got {rates!r}; give rates such as 0.01")
    return tuple(rates)


def _rounds(given: Iterable[float]) -> tuple[float, ...]:
    shares = tuple(sorted({finite("compare", "a round", share) for share in given}))
    if shares and not 0.0 < shares[0] <= shares[-1] < 1.0:
        raise ComparisonError(f"compare: rounds must be shares of a run between 0 and 1, got {list(shares)}; give 0.25")
    return shares


@contextmanager
def engine_of(
    name: str, workers: int, limit: float | None, task: Source, address: str | None, gpus: float
) -> Iterator[tuple[Engine, bool]]:
    """Give where jobs run, and whether the study's folder is seen there; whatever ends the block ends it at once."""
    if name == "local" and (address is not None or gpus):
        raise ComparisonError("compare: an address and gpus are for the engine 'ray'; add it, or drop them")
    if limit is not None and finite("compare", "timeout", limit) <= 0:
        raise ComparisonError(f"compare: timeout must be above 0 seconds, got {limit!r}; give more")
    if limit is not None and not workers and name == "local":
        raise ComparisonError("compare: a timeout needs workers to be stopped; give workers=1 or more")
    engine: Engine
    if name == "ray":
        from ratesmith.experiment.cluster import RayEngine

        assert isinstance(task, str)
        try:
            engine = RayEngine(task, address=address, gpus=finite("compare", "gpus", gpus, least=0.0), limit=limit)
        except ModuleNotFoundError as error:
            if error.name != "ray":
                raise
            raise ComparisonError("compare: engine 'ray' needs ray; install Ratesmith with its extra [ray]") from None
    else:
        engine = LocalPool(workers, limit) if workers else InProcess()
    try:
        yield engine, name == "local"
    except BaseException:
        engine.shutdown(wait=True, cancel_futures=True)
        raise
    engine.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Call:
    """What was asked for."""

    task: Source
    question: Question
    rates: tuple[float, ...] | None
    rounds: tuple[float, ...]
    budget: Budget | None
    workers: int
    on_plan: Callable[[Outline], bool]
    on_progress: Callable[[Progress], None]


class _Comparing:
    """A comparison in progress, stage by stage."""

    def __init__(self, call: _Call, facts: Facts, store: Store, engine: Engine, begun: Begun) -> None:
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
            notes=(*self.notes, *self._said(list(runs.values()))),
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
        """Give a stage's trials, the least promise last: who stops early has the best by then."""
        pairs = [
            (variant, rate)
            for rate in sorted({rate for rates in tried.values() for rate in rates})
            for variant, rates in tried.items()
            if rate in rates
        ]
        pairs.sort(key=lambda pair: promise.get(pair, math.inf))
        return [Trial(*pair, seed, steps) for pair in pairs for seed in self.question.choice_seeds[seeds]]

    def _open(self, rates: Sequence[float]) -> dict[str, list[float]]:
        """Give the variants and rates of the strategies that have a choice to make."""
        own = [variants for variants in self.question.families.values() if len(variants) * len(rates) > 1]
        return {variant: list(rates) for variants in own for variant in variants}

    def _rounds(self) -> list[int]:
        """Give the lengths of the shorter rounds; those too short to be a training are left out."""
        lengths = {round(share * self.plan.steps) for share in self.call.rounds}
        return sorted(length for length in lengths if 1 < length < self.plan.steps)

    def _outline(self, rates: Sequence[float]) -> Outline:
        tried, stages = self._open(rates), []
        for steps in (*self._rounds(), self.plan.steps) if tried else ():
            shorter = steps < self.plan.steps  # a round has one seed, and at the most every rate
            trials = tuple(self._trials(tried, steps, seeds=_FIRST if shorter else slice(None)))
            arranged = ask(self.engine, lay_out, self.begun, trials, self.facts.exact)
            name = "choice of rates" if steps == self.plan.steps else f"round of {steps} steps"
            stages.append(stage(name, arranged, steps))
        runs = len(self.question.families) * len(self.question.seeds)
        stages.append(Stage("verdict", runs, self.plan.steps, runs * self.plan.steps, runs * self.plan.steps))
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
            self.study.train("choice of rates", self._trials(tried, self.plan.steps, promise), in_order=bool(promise))
            while added := self._extensions(tried, grid, rates, seen):
                self.study.train("choice of rates, beyond the grid", self._trials(added, self.plan.steps))
        pairs = [(variant, rate) for variant, own in tried.items() for rate in own]
        means = choice_means(self.study.known, pairs, self.question, self.plan.steps)
        return {**settled, **choose(means, self.question)}

    def _by_rounds(
        self, tried: dict[str, list[float]], grid: dict[str, list[float]], given: Sequence[float]
    ) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """Give the rates that are worth the other seeds of the choice, and all that were tried at the whole length.

        Each round, and then the whole length, trains with the first seed alone; the best of the round before goes
        first.
        """
        promise: dict[tuple[str, float], float] = {}
        tried = {variant: first_rates(own) for variant, own in tried.items()}
        for steps in (*self._rounds(), self.plan.steps):
            last = steps == self.plan.steps
            stage = "choice of rates" if last else f"round of {steps} steps"
            self.study.train(stage, self._trials(tried, steps, promise, _FIRST), in_order=True)
            while added := (
                self._extensions(tried, grid, given, tried, _FIRST) if last else self._walk(tried, grid, steps)
            ):
                self.study.train(stage, self._trials(added, steps, seeds=_FIRST))
            promise, seen = self._promise(tried, steps, _FIRST), tried
            tried, cuts = survivors(self.study.known, tried, self.question, steps, neighbours=not last)
            self.cuts += cuts
        return tried, seen

    def _walk(
        self, tried: dict[str, list[float]], grid: Mapping[str, Sequence[float]], steps: int
    ) -> dict[str, list[float]]:
        """Add the neighbours of each variant's best rate, until it lies between two worse ones or at the grid's end."""
        costs, added = self._promise(tried, steps, _FIRST), {}
        for variant, own in tried.items():
            known = {rate: costs[variant, rate] for rate in own if (variant, rate) in costs}
            if new := next_rates(grid[variant], own, min(known, key=known.__getitem__, default=None)):
                added[variant] = new
                tried[variant] = sorted({*own, *new})
        return added

    def _promise(
        self, tried: Mapping[str, Sequence[float]], steps: int, seeds: slice
    ) -> dict[tuple[str, float], float]:
        """Give what every pair cost after complete runs of so many steps with these seeds of the choice."""
        pairs = [(variant, rate) for variant, own in tried.items() for rate in own]
        question = replace(self.question, choice_seeds=self.question.choice_seeds[seeds])
        means = choice_means(self.study.known, pairs, question, steps)
        return {pair: self.question.cost(mean) for pair, mean in means.items()}

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
        promise = self._promise(tried, self.plan.steps, seeds)
        added: dict[str, list[float]] = {}
        for variant, own in tried.items():
            costs = {rate: promise[variant, rate] for rate in own if (variant, rate) in promise}
            best = min(costs, key=costs.__getitem__, default=None)
            new = wanted_rates(grid[variant], seen[variant], best, given)
            if new and self._affordable(sum(map(len, added.values())) + len(new)):
                added[variant] = new
                tried[variant] = sorted({*own, *new})
                seen[variant] = sorted({*seen[variant], *new})
                grid[variant] = sorted({*grid[variant], *new})
        return added

    def _affordable(self, rates: int) -> bool:
        """Tell whether a budget, if there is one, has room for so many rates more and the verdict."""
        budget = self.call.budget
        if budget is None:
            return True
        spent = self.searched + sum(run.steps - run.shared for run in self.study.runs.values())
        verdict = len(self.question.families) * len(self.question.seeds) * self.plan.steps
        more = rates * len(self.question.choice_seeds) * self.plan.steps
        return spent + verdict + more <= budget.allowed(self.facts.seconds, self.engine.workers)

    def _said(self, runs: Sequence[Run]) -> Iterator[str]:
        """Give what the reader must know of the seeds and of runs that did not end well."""
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
                    said = " ".join(str(error).split())
                    self.notes.append(f"The test data could not be measured: {said}.")
                    return None
                self.store.add_test(trial, known[trial])
        return {name: estimate([known[trial][name] for trial in found]) for name in known[found[0]]} if found else None


_HAPPENED: Final = {"failed": "failed", "timeout": "took too long", "killed": "were killed"}
