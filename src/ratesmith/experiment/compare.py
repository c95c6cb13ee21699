"""Compare: read what is asked, look at the task, open the folder and the workers, and go through the stages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ratesmith._checks import finite, whole
from ratesmith.experiment.comparison import Comparison, Question
from ratesmith.experiment.grid import variants
from ratesmith.experiment.jobs import Begun, Source, look
from ratesmith.experiment.outline import Outline, read_budget
from ratesmith.experiment.pool import Engine, InProcess, LocalPool, ask
from ratesmith.experiment.stages import Call, ComparisonError, Stages
from ratesmith.experiment.store import Store
from ratesmith.experiment.study import Progress
from ratesmith.strategy import ScheduleLike, as_strategy
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
ENGINES: Final = ("local", "ray")


def compare(
    task: Source,
    strategies: Iterable[ScheduleLike] = DEFAULT_STRATEGIES,
    *,
    folder: str | Path,
    steps: int | str = "10ep",
    rates: Sequence[float] | None = None,
    seeds: int = 5,
    choice_seeds: int = 2,
    baseline: ScheduleLike = BASELINE,
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

    `task` is a `Task`, or `path/to/file.py:name`. A strategy is notation, or a schedule or controller. An option of it
    may be listed, as in `wsd(decay=["10%", "20%"])`: each is tried, and the strategy is judged by its best. The
    `baseline` is always among the strategies.

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
        mode=_mode(mode),
        margin=finite("compare", "margin", margin, least=0.0),
        choice_seeds=tuple(range(whole("compare", "choice_seeds", choice_seeds, least=1))),
        seeds=tuple(range(FIRST_FRESH_SEED, FIRST_FRESH_SEED + whole("compare", "seeds", seeds, least=1))),
        target=None if target is None else finite("compare", "target", target),
    )
    if engine not in ENGINES:
        raise ComparisonError(f"compare: engine must be one of {', '.join(ENGINES)}, got {engine!r}; choose one")
    call = Call(
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
        _check_metric(metric, mode, facts.metrics)
        with Store(Path(folder)) as store:
            store.settle({**facts.identity, **asdict(facts.plan)})
            if isinstance(task, str):
                store.note("call", _as_data(given))
            states = store.states.resolve() if shared else None
            # Where states come to this process, about one a second does, however many workers there are.
            seconds = max(CHECKPOINT_SECONDS, 0.0 if shared else pool.workers)
            begun = Begun(task, facts.plan, states, seconds if facts.exact else math.inf)
            return Stages(call, facts, store, pool, begun).run()


def _as_data(given: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in given.items() if name not in ("folder", "task")}
    plain["strategies"] = [str(one) for one in given["strategies"]]
    plain["rates"] = None if given["rates"] is None else [float(rate) for rate in given["rates"]]
    plain |= {"baseline": str(given["baseline"]), "rounds": [float(share) for share in given["rounds"]]}
    return {"task": str(given["task"]), **plain}


def _families(strategies: Iterable[ScheduleLike], baseline: ScheduleLike) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return each strategy its variants, the baseline first."""
    families: dict[str, tuple[str, ...]] = {}
    for given in (baseline, *strategies):
        text = given if isinstance(given, str) else as_strategy(given, who="compare").text
        own = variants(text)
        families.setdefault(own[0] if len(own) == 1 else as_strategy(text).text, own)
    return families, next(iter(families))


def _mode(mode: str | None) -> str:
    if mode not in (None, "min", "max"):
        raise ComparisonError(f"compare: mode must be 'min' or 'max', got {mode!r}; choose one")
    return mode or "min"


def _check_metric(metric: str, mode: str | None, known: Sequence[str]) -> None:
    """Refuse a metric that the task does not report, and one of which nobody said which values are better."""
    if metric not in known:
        raise ComparisonError(
            f"compare: metric must be one that the task reports, got {metric!r}; it reports {', '.join(known)}"
        )
    if mode is None and metric != "loss":
        raise ComparisonError(f"compare: mode must be given for the metric {metric!r}; write --mode max or --mode min")


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
    """Return where jobs run, and whether the study's folder is seen there; whatever ends the block ends it at once."""
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
