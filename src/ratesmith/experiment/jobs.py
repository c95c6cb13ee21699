"""What is done in a worker: look at a task, arrange its trials, train a bundle, measure a trained state."""

from __future__ import annotations

import ast
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ratesmith._checks import whole
from ratesmith._text import one_line
from ratesmith.experiment.states import StateError, cannot_keep, digest_of, state_file, written_whole
from ratesmith.experiment.train import Course, Part, measure
from ratesmith.experiment.trial import Bundle, Parted, Plan, Trial
from ratesmith.experiment.trunk import Arrangement, Rates, arrange
from ratesmith.finder import FinderError, find
from ratesmith.horizon import Horizon
from ratesmith.strategy import as_schedule
from ratesmith.task import (
    Task,
    TaskError,
    Training,
    callables,
    fail_in_user_code,
    is_beside,
    load_task,
    split_reference,
)

Source = str | Task
"""A task, or `path/to/file.py:name`, which alone can be sent to another process."""
TIMED_STEPS = 5
MOST_LOOKED_AT = 64
"""Updates that may be spent on seeing whether a saved state goes on over the end of an epoch."""


@dataclass(frozen=True)
class Facts:
    """What has to be known of a task before a comparison can be planned."""

    base_lr: float
    metrics: tuple[str, ...]
    has_test: bool
    plan: Plan
    identity: dict[str, Any]
    """What tells this task from another: its file's content, and what it measures around its first update."""
    exact: bool
    """Whether a training that is saved and loaded goes on bit for bit; only then can trials share a beginning."""
    seconds: float
    """Of one update, about, with its share of the measurement that follows now and then."""


class Begun(NamedTuple):
    """What a job needs beside its bundle, the same for all jobs of a study."""

    source: Source
    plan: Plan
    folder: Path | None
    """Where states are kept; None where no folder is shared, and they travel themselves."""
    checkpoint_seconds: float


def look(source: Source, steps: int | str, evaluate_every: int | str, strategies: tuple[str, ...]) -> Facts:
    """Return the facts of a task, having tried a start, an update, a saved state and the values of every strategy."""
    with blaming(source):
        loaded = load(source)
        training = loaded.task.start(0)
        metrics = measure(training)
    epoch = Horizon(training.steps_per_epoch, training.steps_per_epoch)
    if isinstance(steps, str) and not steps.strip().endswith("ep"):
        raise ValueError(f"compare: steps must be a number of steps or epochs, got {steps!r}; write 500 or '10ep'")
    length = whole("compare", "steps", epoch.resolve(steps), least=1)
    horizon = Horizon(length, training.steps_per_epoch)
    every = whole("compare", "evaluate_every", horizon.resolve(evaluate_every), least=1)
    for strategy in strategies:
        controller = as_schedule(strategy, horizon, loaded.functions)
        controller.value(controller.observe(controller.init(), 0, metrics), 0)
    base_lr = training.base_lr
    with blaming(source):
        first = [metrics["loss"], training.step(base_lr), measure(training)["loss"]]
        exact = _goes_on(loaded.task, training)
        began = time.perf_counter()
        first += [training.step(base_lr) for _ in range(TIMED_STEPS)]
        stepped = time.perf_counter()
        measure(training)
        seconds = (stepped - began) / TIMED_STEPS + (time.perf_counter() - stepped) / every
    return Facts(
        base_lr=base_lr,
        metrics=tuple(metrics),
        has_test=loaded.task.has_test,
        plan=Plan(horizon.steps, every, training.steps_per_epoch),
        identity={"task": _name(source), "the task's files": loaded.files, "losses at the first step": first},
        exact=exact,
        seconds=seconds,
    )


def _goes_on(task: Task, training: Training) -> bool:
    """Whether a training goes on from its saved state as by itself, over an epoch's end where that is near."""
    epoch = training.steps_per_epoch
    steps = epoch + 1 if epoch <= MOST_LOOKED_AT else 2
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        task.save(training.state_dict(), path)
        own = [training.step(training.base_lr) for _ in range(steps)] + [measure(training)["loss"]]
        other = task.start(0)
        try:
            other.load_state_dict(task.load(path))
            again = [other.step(training.base_lr) for _ in range(steps)] + [measure(other)["loss"]]
        except Exception:
            return False
    return own == again or repr(own) == repr(again)  # NaN is not equal to itself


def centre(source: Source) -> tuple[float | None, int]:
    """Return the rate that a sweep of one seed finds, None where it finds none, and the updates that it took."""
    with blaming(source):
        task = load(source).task
        try:
            found = find(task, seeds=[0])
        except FinderError:
            return None, 0
    return found.suggestion, found.updates


def lay_out(begun: Begun, trials: tuple[Trial, ...], share: bool) -> Arrangement:
    """Arrange trials in bundles that begin together, or each alone; raise ValueError for a rule that goes wrong."""
    with blaming(begun.source):
        rates = _rates(load(begun.source), begun.plan)
    if share:
        return arrange(trials, rates)
    for trial in trials:
        rates.of(trial)
    total = sum(trial.steps for trial in trials)
    return Arrangement(tuple(Bundle((trial,)) for trial in trials), total, total)


def run_bundle(begun: Begun, bundle: Bundle, finals: bool = False) -> Iterator[Part]:
    """Train a bundle: gives runs as they end, bundles where trials part, and now and then itself as it has become.

    `finals` keeps the trained state of each run in the folder.
    """

    def keep(training: Training, name: str) -> tuple[str | bytes, str]:
        return keep_state(loaded.task, training, begun.folder, name)

    with blaming(begun.source):
        loaded = load(begun.source)
        training = loaded.task.start(bundle.trials[0].seed)
    if bundle.step:
        try:
            training.load_state_dict(read_state(loaded.task, bundle))
        except (StateError, OSError, RuntimeError, KeyError, ValueError, TypeError, EOFError):
            # The state is gone or torn: the beginning is trained again, by every trial as if it had never been shared.
            yield Parted(bundle.again())
            return
    course = Course(bundle, training, _rates(loaded, begun.plan), begun.plan, keep, finals)
    try:
        yield from course.train(begun.checkpoint_seconds)
    except StateError:
        raise
    except (Exception, SystemExit) as error:
        yield from course.fail(_told(begun.source, error))


def _told(source: Source, error: BaseException) -> str:
    try:
        with blaming(source):
            raise error
    except TaskError as told:
        return str(told)
    except BaseException:
        return f"{type(error).__name__}: {one_line(error) or 'no message'}"


def keep_state(task: Task, training: Training, folder: Path | None, name: str) -> tuple[str | bytes, str]:
    """Save a training's state; give its path, or its content where there is no folder, and its digest."""
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "state"
            task.save(training.state_dict(), path)
            content = path.read_bytes()
        return content, hashlib.sha256(content).hexdigest()
    path = state_file(folder, name)
    try:
        with written_whole(path) as part:
            task.save(training.state_dict(), part)
            digest = digest_of(part)
    except Exception as error:
        raise cannot_keep(folder.parent, error) from error
    return str(path), digest


def read_state(task: Task, bundle: Bundle) -> dict[str, Any]:
    """Read the state that a bundle goes on from; raise StateError where it is not what was written."""
    state = bundle.state or ""
    if isinstance(state, str) and (not Path(state).is_file() or digest_of(Path(state)) != bundle.digest):
        raise StateError(f"{state}: the state is gone or torn")
    return _content(task, state)


def _content(task: Task, state: str | bytes) -> dict[str, Any]:
    if isinstance(state, str):
        return task.load(Path(state))
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "state"
        path.write_bytes(state)
        return task.load(path)


def run_test(begun: Begun, trial: Trial, state: str | bytes) -> dict[str, float]:
    """Measure a trained state on the test set; train it again where the state is gone or cannot be read."""
    with blaming(begun.source):
        loaded = load(begun.source)
        training = loaded.task.start(trial.seed)
        try:
            training.load_state_dict(_content(loaded.task, state))
        except Exception:
            training = loaded.task.start(trial.seed)
            rates = _rates(loaded, begun.plan)
            course = Course(Bundle((trial,)), training, rates, begun.plan, lambda training, name: ("", ""))
            for _ in course.train(float("inf")):
                pass
        return measure(training, "test")


class Loaded(NamedTuple):
    """A task as a worker has it."""

    task: Task
    functions: Mapping[str, Callable[[int], float]]
    files: str
    """A digest of the task's file and of the modules beside it that it imported."""
    rates: dict[Plan, Rates]
    """Of the plan in work, so that no job works them out again."""


def load(source: Source) -> Loaded:
    """Return the task that a source names, read once for the same content."""
    if not isinstance(source, str):
        return Loaded(source, {}, "", _WITHOUT_RULES)
    path, _ = split_reference(source)
    return _load_file(source, path.read_bytes())


_WITHOUT_RULES: dict[Plan, Rates] = {}
"""The rates for tasks that are objects: these name no functions, so that theirs are alike."""


def _rates(loaded: Loaded, plan: Plan) -> Rates:
    if plan not in loaded.rates:
        loaded.rates.clear()  # a plan is over when another begins
    return loaded.rates.setdefault(plan, Rates(plan.steps, plan.steps_per_epoch, loaded.functions))


@lru_cache(maxsize=1)
def _load_file(reference: str, content: bytes) -> Loaded:
    task, module = load_task(reference)
    path, _ = split_reference(reference)
    digest = hashlib.sha256(content)
    for file in _imported(path.resolve()):
        digest.update(file.read_bytes())
    return Loaded(task, callables(module), digest.hexdigest()[:12], {})


def _imported(path: Path) -> list[Path]:
    """Return the files beside a task's that its import statements name, and those that theirs do."""
    found: dict[Path, None] = {}
    todo = [path]
    while todo:
        file = todo.pop()
        for node in ast.walk(ast.parse(file.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            beside = path.parent
            if isinstance(node, ast.ImportFrom):
                names = [".".join(filter(None, (node.module, name))) for name in ("", *names)]
                beside = file.parent if node.level else beside
            for parts in (name.split(".") for name in names if name):
                places = [beside.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
                files = [one for place in places for one in (place.with_suffix(".py"), place / "__init__.py")]
                new = [one for one in files if one not in found and one != path and is_beside(one, path)]
                found.update(dict.fromkeys(new))
                todo += new
    return sorted(found)


def _name(source: Source) -> str:
    return split_reference(source)[1] if isinstance(source, str) else type(source).__qualname__


@contextmanager
def blaming(source: Source) -> Iterator[None]:
    """Name the line of the task's file that an error came through; a task made in this process raises as it is."""
    try:
        yield
    except (TaskError, StateError):
        raise
    except (Exception, SystemExit) as error:
        if not isinstance(source, str):
            raise
        fail_in_user_code(source, split_reference(source)[0], error)
