"""Compare: gather what is asked, inspect the task, open the folder and the workers, and go through the protocol."""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from ratesmith._checks import Option
from ratesmith._progress import ProgressBar
from ratesmith._script import ActiveTrial
from ratesmith.experiment import jobs
from ratesmith.experiment.comparison import Comparison
from ratesmith.experiment.devices import surroundings
from ratesmith.experiment.engine import Engine, ask
from ratesmith.experiment.local import InProcess, LocalPool
from ratesmith.experiment.optimizers import as_names
from ratesmith.experiment.options import (
    BASELINE,
    DEFAULT_STRATEGIES,
    CompareOptions,
    ComparisonError,
    as_text,
    as_texts,
)
from ratesmith.experiment.plan import Plan
from ratesmith.experiment.planner import Planner
from ratesmith.experiment.protocol import ComparisonProtocol
from ratesmith.experiment.run_context import AnySource, RunContext, TaskProfile
from ratesmith.experiment.runner import Progress, Runner
from ratesmith.experiment.script_inspection import try_strategies
from ratesmith.experiment.script_source import FunctionSource, identity_of
from ratesmith.experiment.store import Store
from ratesmith.experiment.studies import call_data
from ratesmith.experiment.task_source import Source
from ratesmith.experiment.trial import RunLayout
from ratesmith.script_process import Script, is_script
from ratesmith.strategy import ScheduleLike
from ratesmith.study_database import STUDY_FILE, opened_study, read_settings
from ratesmith.task import Task, TaskError, split_reference

CHECKPOINT_SECONDS: Final = 60.0
CHOOSES_ITSELF: Final = (
    "is for a task, and a training of your own makes its optimizer itself; compare once with each, in folders of their "
    "own, or write a TorchTask"
)


def compare(
    task: Source | Callable[[ActiveTrial], Any],
    strategies: Iterable[ScheduleLike] = DEFAULT_STRATEGIES,
    *,
    folder: str | Path | None = None,
    steps: int | str | None = None,
    rates: Sequence[float] | None = None,
    seeds: int = 10,
    choice_seeds: int = 3,
    baseline: ScheduleLike = BASELINE,
    metric: str = "loss",
    mode: str | None = None,
    margin: float = 0.01,
    target: float | None = None,
    evaluate_every: int | str = "1ep",
    rungs: Sequence[float] = (),
    budget: int | str | None = None,
    timeout: float | None = None,
    workers: int = 0,
    engine: str = "local",
    address: str | None = None,
    gpus: float = 0,
    version: str | None = None,
    arguments: Sequence[str] = (),
    launch: str = "",
    optimizers: Mapping[str, Any] | None = None,
    folds: int = 0,
    on_plan: Callable[[Plan], bool] = lambda plan: True,
    on_progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Train every strategy at every rate, choose each its own, and rank the strategies on the validation set.

    `task` is a `Task`, or `path/to/file.py:name`. It may also be a script of your own, `path/to/train.py`, which asks
    for its trial by `get_trial`; it is started with `arguments`, by the command `launch` if that is given. Or it is a
    function `train(trial)`, which needs `steps` and `rates`.

    A strategy is notation, or a schedule or controller. An option of it may be listed, as in
    `wsd(decay=["10%", "20%"])`: each is tried, and the strategy is judged by its best. The `baseline` is always among
    the strategies.

    Choice: whole runs place each strategy's rate, on a lattice a fifth of a decade apart around a sweep's answer. Given
    `rates` say where to look: those, what lies between, and a little beyond; one rate alone is that rate. The next run
    is the one from which most is to be learned, by a Gaussian process over all runs so far; at most three a strategy,
    and at most `choice_seeds` seeds for one rate. A rate at which a run did not end well cannot be chosen.

    Verdict: each strategy at its choice, with fresh seeds: three, then one more at a time until it is told apart from
    the others or ties with them, and at most `seeds`. Judged by the mean of `metric` after the last step, of a loss by
    the geometric mean: the smallest for mode "min", which the loss has by itself, the largest for "max". Runs of one
    seed begin with the same weights and see the same batches, so differences are paired; within `margin` two
    strategies tie. `target` is a metric whose first step is reported (by default the baseline's own end). The winner
    alone is then measured on the test data.

    `rungs` are shares of `steps`, such as 0.125: the same choice is made with complete runs of that length first, and
    what it found is where the longer one begins. `budget` is a number of updates, or a time as "30m": runs and seeds
    are made fewer until it fits. `on_plan` is told what will be run before it is, and may refuse. What trials share,
    they train once.

    Finished runs are kept in `folder`, and a call with the same settings goes on from there. Without one they are kept
    in a temporary folder, whose name is said. `on_progress` hears how far it is; without one a bar is shown, on a
    terminal and in a notebook, after two seconds.

    `workers` processes, each spawned, train side by side; 0 trains in this process and with its threads, as a task that
    is no file must be.
    What a task that is an object trains cannot be seen from outside: a call goes on with its finished runs only if it
    and the calls before gave the same `version`, such as "2", which you change with the task.
    `timeout` is the seconds that a worker may spend on one trial. `engine` "ray" trains on the cluster at `address`,
    as many trials side by side as it has room for. Each trial has a processor and `gpus`, which may be a share of one:
    locally each worker sees its GPUs alone. Lengths are steps, or epochs as
    `"10ep"`.

    `optimizers` are others for a task: by name a function that takes the model, or its name in the task's file. A
    strategy is then written `muon: cosine()`; an optimizer that none names takes part with a constant rate. A pair
    `(make_prodigy, 1.0)`, or the text "make_prodigy@1", fixes the rate. `folds` cuts training and validation data,
    joined, into so many parts: the run of a seed is measured on the part `seed % folds`, and trained on the others.

    Raise ComparisonError for options that cannot be, TaskError for a task that cannot be used, StudyError for a folder
    that cannot be gone on with.
    """
    options = CompareOptions(
        strategies=as_texts(strategies),
        steps=steps,
        rates=None if rates is None else _rates(rates),
        seeds=seeds,
        choice_seeds=choice_seeds,
        baseline=as_text(baseline),
        metric=metric,
        mode=mode,
        margin=margin,
        target=target,
        evaluate_every=evaluate_every,
        rungs=tuple(rungs),
        budget=budget,
        timeout=timeout,
        workers=workers,
        engine=engine,
        address=address,
        gpus=gpus,
        version=version,
        arguments=tuple(arguments),
        launch=launch,
        optimizers=_optimizers(optimizers, task),
        folds=folds,
    )
    source_of(task, options)  # a mistake is told before anything is said of folders

    def agreed(plan: Plan) -> bool:
        for line in plan.warnings:
            _say(line)
        return on_plan(plan)

    with _kept_in(folder, task, version) as place:
        if on_progress is not None:
            return run_comparison(task, options, folder=place, on_plan=agreed, on_progress=on_progress)
        with ProgressBar("compare", "runs at most") as bar:
            if callable(task) and not isinstance(task, Task):
                bar.say("the function is called twice or three times up to its first reports, to see what it measures")

            begun = False

            def update(now: Progress) -> None:
                nonlocal begun
                if now.resumed and not begun:
                    _say(f"finished runs are kept in {place}, and are not made again")
                begun = True
                best = "" if now.best is None else f"; best so far {now.best[0]} at {now.best[1]:g}"
                bar.update(now.done, now.planned, f"{now.stage}{best}")

            return run_comparison(task, options, folder=place, on_plan=agreed, on_progress=update)


@contextmanager
def _kept_in(folder: str | Path | None, task: object, version: str | None) -> Iterator[Path]:
    """Return the folder that was given, or a temporary one; say where runs are kept, and whether they can be used."""
    if folder is not None:
        if not isinstance(task, str) and version is None and not (Path(folder) / STUDY_FILE).exists():
            _say('give version="1" too, to go on in this folder later: whether the task has changed cannot be seen')
        yield Path(folder)
        return
    temporary = Path(tempfile.mkdtemp(prefix="ratesmith-"))
    try:
        yield temporary
    finally:
        if not (temporary / STUDY_FILE).exists():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            _say(f"runs are kept in {temporary}; give folder= to keep them elsewhere, and to go on")


def _say(line: str) -> None:
    print(f"compare: {line}", file=sys.stderr)


def _optimizers(given: Mapping[str, Any] | None, task: object) -> Mapping[str, Any] | None:
    """Return optimizers as they are, or, for a task in a file, by the names of their functions."""
    if given is not None and isinstance(task, str) and not is_script(task):
        return as_names(given, split_reference(task)[0])
    return given


def _rates(rates: Sequence[float]) -> tuple[float, ...]:
    if isinstance(rates, (int, float)):
        raise ComparisonError("compare: ", Option("rates"), f" must be a list of numbers, got {rates}; write [{rates}]")
    return tuple(rates)


def run_comparison(
    task: Source | Callable[[ActiveTrial], Any],
    options: CompareOptions,
    *,
    folder: str | Path,
    on_plan: Callable[[Plan], bool] = lambda plan: True,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Comparison:
    """Return what `compare` does, with its options gathered."""
    source = source_of(task, options)
    with engine_of(options, source) as engine:
        profile = kept_profile(Path(folder), source, options) or ask(engine, jobs.inspect, source, options)
        options.check_metric(profile.metrics)
        with Store(Path(folder)) as store:
            if not isinstance(task, str):
                store.require_version(options.version)
            store.settle({**profile.identity, **asdict(profile.layout), "task_version": options.version})
            if isinstance(task, str):
                store.note("call", call_data(task, options))
            if isinstance(source, Script):
                store.note("profile", {"steps": options.steps, "profile": asdict(profile)})
            context = _context(source, options, profile, store, engine)
            planned = Planner(options, profile, store, engine, context).planned()
            if not on_plan(planned.plan):
                raise ComparisonError(
                    "compare: nothing was run: the plan was not agreed to; change ", Option("budget="), ", or the plan"
                )
            runner = Runner(
                context=context,
                question=planned.question,
                store=store,
                engine=engine,
                share=profile.exact,
                at_once=2 * engine.workers or 1,  # one branch waits for each worker, so that none is ever idle
                on_progress=on_progress,
                task_version=options.version,
            )
            return ComparisonProtocol(options, planned, profile, runner).run()


def source_of(task: Source | Callable[[ActiveTrial], Any], options: CompareOptions) -> AnySource:
    """Return what is to be trained as the jobs take it; raise what is wrong with it before workers are started."""
    if isinstance(task, str):
        if not is_script(task):
            split_reference(task)
            _refuse(options, "arguments", "launch", because="is for a script; give path/to/train.py, or drop it")
            _refuse_timeout(options)
            return task
        _refuse(options, "optimizers", because=CHOOSES_ITSELF)
        if not Path(task).is_file():
            raise TaskError(
                f"{task}: there is no such file; give the path of a script, or of a task's file and its name"
            )
        return Script(task, options.arguments, options.launch)
    _refuse(options, "arguments", "launch", because="is for a script; drop it")
    if isinstance(task, Task) or not callable(task):
        _refuse_timeout(options)
        _refuse(options, "workers", because="needs a task given as 'path/to/file.py:name'; drop the option")
        if options.engine != "local":
            raise ComparisonError(
                "compare: ", Option("engine"), " needs a task given as 'path/to/file.py:name'; drop the option"
            )
        return task
    _refuse(options, "optimizers", because=CHOOSES_ITSELF)
    for name in ("steps", "rates"):
        if getattr(options, name) is None:
            raise ComparisonError("compare: ", Option(name), f" must be given for a function, got none; write {name}=")
    if not isinstance(options.steps, int):
        raise ComparisonError(
            "compare: ", Option("steps"), f" must be a number of updates for a function, got {options.steps!r}"
        )
    _refuse_timeout(options)
    grid = options.grid or ()
    return FunctionSource(task, options.steps, grid[len(grid) // 2])


def _refuse_timeout(options: CompareOptions) -> None:
    """Refuse a time limit for what this process trains itself: only a process can be stopped."""
    if options.timeout is not None and not options.workers and options.engine == "local":
        raise ComparisonError(
            "compare: ",
            Option("timeout"),
            " needs workers that can be stopped; give some with ",
            Option("workers="),
        )


def _refuse(options: CompareOptions, *names: str, because: str) -> None:
    for name in names:
        if getattr(options, name):
            raise ComparisonError("compare: ", Option(name), f" {because}")


def kept_profile(folder: Path, source: AnySource, options: CompareOptions) -> TaskProfile | None:
    """Return what an earlier call has found out about this very script; None if there is none, or it has changed.

    A task is tried anew in each call, which takes a moment. A script is run up to its first reports, which may not.
    """
    if not isinstance(source, Script) or not (folder / STUDY_FILE).is_file():
        return None
    with opened_study(folder, any_version=True) as database:
        kept = read_settings(database).get("profile")
    if kept is None or kept["profile"]["identity"] != identity_of(source):
        return None
    if kept["steps"] != options.steps or kept["profile"]["layout"].get("folds", 0) != options.folds:
        return None
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in kept["profile"].items()
    }
    profile = replace(TaskProfile(**values), layout=RunLayout(**values["layout"]))
    try_strategies(options.variants, profile.layout, profile.functions, dict.fromkeys(profile.metrics, 1.0))
    return profile


def _context(
    source: AnySource, options: CompareOptions, profile: TaskProfile, store: Store, engine: Engine
) -> RunContext:
    """Return what all jobs need; on a cluster they see no folder of this machine."""
    shared = options.engine == "local"
    # Where states come to this process, about one a second does, however many workers there are.
    seconds = max(CHECKPOINT_SECONDS, 0.0 if shared else engine.workers)
    return RunContext(
        source=source,
        layout=profile.layout,
        folder=store.states.resolve() if shared else None,
        # A state that does not go on bit for bit would change the run: better begun again.
        checkpoint_seconds=seconds if profile.exact else math.inf,
        metric=options.metric,
        limit=options.timeout,
        functions=profile.functions,
        reports_losses=profile.reports_losses,
        optimizers=options.named_optimizers,
        files=profile.identity.get("task_files", "") if isinstance(source, Script) else "",
    )


@contextmanager
def engine_of(options: CompareOptions, source: AnySource) -> Iterator[Engine]:
    """Return where jobs run; whatever ends the block ends it at once."""
    engine: Engine
    if options.engine == "ray":
        from ratesmith.experiment.ray import RayEngine

        try:
            engine = RayEngine(source, address=options.address, gpus=float(options.gpus), limit=options.timeout)
        except ModuleNotFoundError as error:
            if error.name != "ray":
                raise
            raise ComparisonError(
                "compare: ", Option("engine"), " 'ray' needs ray; install Ratesmith with its extra [ray]"
            ) from None
    else:
        variables = surroundings(options.workers, options.gpus)
        engine = LocalPool(options.workers, options.timeout, variables) if options.workers else InProcess()
    try:
        yield engine
    except BaseException:
        engine.shutdown(wait=True, cancel_futures=True)
        raise
    engine.shutdown(wait=True, cancel_futures=True)
