"""Compare: plan the trials, have them trained, keep each result, extend the grid, judge, and test the winner."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ratesmith._checks import finite, whole
from ratesmith.experiment.comparison import Comparison, Estimate, Row, best_rates, estimate, leader, rank
from ratesmith.experiment.grid import default_rates, extension, trials
from ratesmith.experiment.store import Store
from ratesmith.experiment.trial import Run, Trial
from ratesmith.experiment.workers import Facts, Source, executor, look, run_test, run_trial
from ratesmith.notation import Strategy, parse
from ratesmith.task import split_reference

BASELINE: Final = "constant()"
DEFAULT_STRATEGIES: Final = (
    'step(every="30%")',
    'multistep(milestones=["50%", "75%"])',
    'exponential(gamma=0.1, every="50%")',
    "cosine()",
    "plateau(factor=0.3, patience=1)",
)


@dataclass(frozen=True)
class Progress:
    """How far a comparison is."""

    done: int
    planned: int
    best: tuple[str, float, float] | None
    """Strategy, rate and mean metric of the best so far."""
    resumed: int
    """Runs that an earlier call had finished."""
    run: Run | None
    """The run that has just ended."""


class ComparisonError(ValueError):
    """Options that do not fit the task; the message is one line for the user."""


def compare(
    task: Source,
    strategies: Iterable[str | Strategy] = DEFAULT_STRATEGIES,
    *,
    folder: str | Path,
    steps: int | str = "10ep",
    rates: Sequence[float] | None = None,
    seeds: int = 3,
    metric: str = "loss",
    mode: str | None = None,
    evaluate_every: int | str = "1ep",
    workers: int = 0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Comparison:
    """Train every strategy at every rate with every seed, and rank the strategies on the validation set.

    `task` is a `Task`, or `path/to/file.py:name`. The constant rate is always among the strategies, as the baseline.
    Every strategy gets the same `rates` (by default five around the optimizer's own, two a decade); where some
    strategy's best lies on an edge of that grid it is extended there, for all, by up to three rates an end. Runs of
    one seed begin with the same weights and see the same batches. Each strategy is judged at its own best rate by the
    mean of `metric` after the last step: the smallest for mode "min", which the loss has by itself, the largest for
    "max". A rate at which any seed diverged cannot win. The winner alone is then measured on the test data.

    Finished runs are kept in `folder`, and a call with the same settings goes on from there. `workers` spawned
    processes train side by side; 0 trains in this process and with its threads, as a task that is no file must be.
    Lengths are steps, or epochs as `"10ep"`.
    """
    names = tuple(dict.fromkeys(str(parse(str(text))) for text in (BASELINE, *strategies)))
    seeds, workers = whole("compare", "seeds", seeds, least=1), whole("compare", "workers", workers, least=0)
    given = None if rates is None else _rates(rates)
    if mode is None:
        if metric != "loss":
            raise ComparisonError(
                f"compare: mode must be given for the metric {metric!r}; write --mode max or --mode min"
            )
        mode = "min"
    if mode not in ("min", "max"):
        raise ComparisonError(f"compare: mode must be 'min' or 'max', got {mode!r}; choose one")
    if isinstance(task, str):
        split_reference(task)  # a file that is not there is said before workers are started
    elif workers:
        raise ComparisonError("compare: other processes need a task given as 'path/to/file.py:name'; or use workers=0")
    with executor(workers) as pool:
        facts = pool.submit(look, task, steps, evaluate_every, names).result()
        if metric not in facts.metrics:
            known = ", ".join(facts.metrics)
            raise ComparisonError(
                f"compare: metric must be one that the task reports, got {metric!r}; it reports {known}"
            )
        with Store(Path(folder)) as store:
            store.settle({**facts.identity, **asdict(facts.plan)})
            study = _Study(
                task=task,
                facts=facts,
                strategies=names,
                seeds=tuple(range(seeds)),
                metric=metric,
                mode=mode,
                store=store,
                pool=pool,
                at_once=2 * workers or 1,  # one trial waits for each worker, so that none is ever idle
                on_progress=on_progress,
            )
            return study.run(given or default_rates(facts.base_lr))


def _rates(given: Iterable[float]) -> tuple[float, ...]:
    rates = sorted({finite("compare", "a rate", rate, least=0.0) for rate in given})
    if not rates or rates[0] == 0.0:
        raise ComparisonError(f"compare: rates must be above 0, got {rates!r}; give rates such as 0.01")
    return tuple(rates)


@dataclass
class _Study:
    """A comparison in progress."""

    task: Source
    facts: Facts
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    metric: str
    mode: str
    store: Store
    pool: Executor
    at_once: int
    on_progress: Callable[[Progress], None]

    def __post_init__(self) -> None:
        self.known = self.store.runs()
        self.resumed = 0
        self.planned: list[Trial] = []

    @property
    def runs(self) -> dict[Trial, Run]:
        """The finished runs of the plan, in its order."""
        return {trial: self.known[trial] for trial in self.planned if trial in self.known}

    def run(self, given: tuple[float, ...]) -> Comparison:
        """Run the grid and its extensions, judge, and test the winner."""
        rates = sorted(given)
        self._plan(rates)
        self.resumed = len(self.runs)
        self._train()
        while added := extension(rates, (self._bests().get(name, (None,))[0] for name in self.strategies), given):
            rates = sorted((*rates, *added))
            self._plan(rates)
            self._train()
        rows = rank(self.runs, self.strategies, self.seeds, self.metric, self.mode)
        test = self._test(rows[0]) if self.facts.has_test and rows[0].base_lr is not None else None
        return Comparison(
            rows=rows,
            metric=self.metric,
            mode=self.mode,
            rates=tuple(rates),
            seeds=self.seeds,
            plan=self.facts.plan,
            runs=tuple(self.runs.values()),
            test=test,
            tested=len({trial[:2] for trial in self.store.tests()}),
        )

    def _plan(self, rates: Iterable[float]) -> None:
        self.planned = trials(self.strategies, rates, self.seeds)

    def _bests(self) -> dict[str, tuple[float, float]]:
        return best_rates(self.runs, self.strategies, self.seeds, self.metric, self.mode)

    def _train(self) -> None:
        """Have every planned trial trained that has no run yet, and keep each run as it ends."""
        queue = iter([trial for trial in self.planned if trial not in self.known])
        running: dict[Future[Run], Trial] = {}
        self._tell(None)
        while True:
            for trial in itertools.islice(queue, self.at_once - len(running)):
                path = self.store.state_path(trial) if self.facts.has_test else None
                running[self.pool.submit(run_trial, self.task, trial, self.facts.plan, path)] = trial
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                del running[future]
                run = future.result()
                self.store.add(run)
                self.known[run.trial] = run
                self._forget_states()
                self._tell(run)

    def _forget_states(self) -> None:
        """Keep only the trained states that the winner may need: the leader's, and those of unfinished pairs."""
        if not self.facts.has_test:
            return
        bests = self._bests()
        best = leader(bests, self.mode)
        done = Counter(trial[:2] for trial in self.runs)
        self.store.keep_states(
            {
                trial
                for trial in self.planned
                if done[trial[:2]] < len(self.seeds) or (best and trial[:2] == (best, bests[best][0]))
            }
        )

    def _tell(self, run: Run | None) -> None:
        bests = self._bests()
        best = leader(bests, self.mode)
        shown = None if best is None else (best, *bests[best])
        self.on_progress(Progress(len(self.runs), len(self.planned), shown, self.resumed, run))

    def _test(self, winner: Row) -> dict[str, Estimate]:
        """Measure the winner's trained states on the test data, once each."""
        known = self.store.tests()
        found = [Trial(winner.strategy, winner.base_lr or 0.0, seed) for seed in self.seeds]
        for trial in found:
            if trial not in known:
                path = self.store.state_path(trial)
                known[trial] = self.pool.submit(run_test, self.task, trial, self.facts.plan, path).result()
                self.store.add_test(trial, known[trial])
        return {name: estimate([known[trial][name] for trial in found]) for name in known[found[0]]}
