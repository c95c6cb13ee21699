"""What is done in a worker: inspect a task, arrange its trials, train a branch, measure a trained state."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ratesmith._text import one_line
from ratesmith._whole_files import written_whole
from ratesmith.experiment.branch_trainer import BranchTrainer, Part
from ratesmith.experiment.checkpoints import StateError, cannot_keep, digest_of, state_file
from ratesmith.experiment.engine import Message
from ratesmith.experiment.frameworks import uses_torch
from ratesmith.experiment.open_run import measure
from ratesmith.experiment.optimizers import OPTIMIZER, NamedOptimizer
from ratesmith.experiment.prepared_task import prepared
from ratesmith.experiment.run_context import RunContext, TaskProfile, read_layout, task_of
from ratesmith.experiment.sharing import Arrangement, Branch, Fork, Rates, arrange
from ratesmith.experiment.task_source import LoadedTask, Source, blaming, error_text, load, rates_for, task_name
from ratesmith.experiment.trial import Trial
from ratesmith.finder import FinderError, find
from ratesmith.horizon import Horizon
from ratesmith.strategy import as_schedule
from ratesmith.strategy.contender import notation_of, optimizer_of
from ratesmith.task import Task, Training, is_out_of_memory, loss_of

TIMED_STEPS: Final = 5
MOST_INSPECTED: Final = 64
"""Updates that may be spent on seeing whether a saved state goes on over the end of an epoch."""


NO_OPTIMIZERS: Final[Mapping[str, NamedOptimizer]] = MappingProxyType({})


def inspect_task(
    source: Source,
    steps: int | str,
    evaluate_every: int | str,
    strategies: tuple[str, ...],
    optimizers: Mapping[str, NamedOptimizer] = NO_OPTIMIZERS,
    folds: int = 0,
) -> TaskProfile:
    """Return the profile of a task, having tried a start, an update, a saved state and the values of every strategy.

    Each of the further optimizers is tried in the same way.
    """
    with blaming(source):
        loaded = load(source)
    task = prepared(source, loaded, None, folds=folds)
    with blaming(source):
        training = task.start(0)
        metrics = measure(training)
    layout = read_layout(training.steps_per_epoch, steps, evaluate_every, folds)
    horizon = Horizon(layout.steps, layout.steps_per_epoch)
    # Each is built and asked once: a rule that raises, or a metric that is not measured, is found before any training.
    for strategy in strategies:
        controller = as_schedule(notation_of(strategy), horizon, loaded.functions)
        controller.value(controller.observe(controller.init(), 0, metrics), 0)
    with blaming(source):
        looks = {"": _look(task, training, metrics)}
    for name, optimizer in optimizers.items():
        other = prepared(source, loaded, optimizer, folds=folds)
        with blaming(source):
            training = other.start(0)
            looks[name] = _look(other, training, measure(training))
    inexact = [name for name, look in looks.items() if not look.exact]
    return TaskProfile(
        base_lr=looks[""].base_lr,
        metrics=tuple(metrics),
        has_test=task.has_test,
        layout=layout,
        identity={
            "task": task_name(source),
            "task_files": loaded.files,
            "first_losses": looks[""].losses,
            **{
                f"{OPTIMIZER}{name}": {"function": optimizer.name, "first_losses": looks[name].losses}
                for name, optimizer in optimizers.items()
            },
        },
        exact=not inexact,
        repeatable=all(look.repeatable for look in looks.values()),
        seconds=max(look.step_seconds + look.measure_seconds / layout.evaluate_every for look in looks.values()),
        unshared_because=_unshared(inexact[0]) if inexact else "",
        base_lrs={name: look.base_lr for name, look in looks.items() if name},
        folds=folds or getattr(task, "folds", None) or 0,
        uses_torch=uses_torch(task, training),
    )


def _unshared(name: str) -> str:
    state = f"The state of a training with the optimizer {name}" if name else "The task's state"
    return (
        f"{state}, saved and loaded, does not go on bit for bit: nothing was shared, every run was trained from its "
        "beginning."
    )


class _Look(NamedTuple):
    """What a few updates show of a task with one optimizer."""

    base_lr: float
    losses: list[float] | str
    """What no file shows, such as data or a library's version, shows in the first losses."""
    repeatable: bool
    exact: bool
    step_seconds: float
    measure_seconds: float


def _look(task: Task, training: Training, metrics: Mapping[str, float]) -> _Look:
    """Make a few updates of a training that has just begun, and was measured once."""
    base_lr = training.base_lr
    losses = [metrics["loss"], loss_of(training.step(base_lr)), measure(training)["loss"]]
    repeatable = repr(loss_of(task.start(0).step(base_lr))) == repr(losses[1])
    exact = repeatable and _goes_on(task, training)
    # Timed last, when caches are warm and lazy set-up is over.
    began = time.perf_counter()
    losses += [loss_of(training.step(base_lr)) for _ in range(TIMED_STEPS)]
    stepped = time.perf_counter()
    measure(training)
    measured = time.perf_counter()
    # Losses that differ at each start tell nothing of the task.
    shown = losses if repeatable else "not repeatable"
    return _Look(base_lr, shown, repeatable, exact, (stepped - began) / TIMED_STEPS, measured - stepped)


def _goes_on(task: Task, training: Training) -> bool:
    """Whether a training goes on from its saved state as by itself, over an epoch's end if that is near."""
    epoch = training.steps_per_epoch
    steps = epoch + 1 if epoch <= MOST_INSPECTED else 2
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        task.save(training.state_dict(), path)
        went_on = [loss_of(training.step(training.base_lr)) for _ in range(steps)] + [measure(training)["loss"]]
        other = task.start(0)  # a fresh one: what the state leaves out must not be left over from the first
        try:
            other.load_state_dict(task.load(path))
            resumed = [loss_of(other.step(training.base_lr)) for _ in range(steps)] + [measure(other)["loss"]]
        except Exception:
            return False
    return went_on == resumed or repr(went_on) == repr(resumed)  # NaN is not equal to itself


def find_centre(context: RunContext, optimizer: str = "") -> tuple[float | None, int]:
    """Return the rate that a sweep of one seed finds, None if it finds none, and the updates that it took."""
    source = task_of(context)
    with blaming(source):
        loaded = load(source)
    task = prepared(source, loaded, context.optimizers.get(optimizer), folds=context.layout.folds)
    with blaming(source):
        try:
            result = find(task, method="sweep", seeds=[0])
        except FinderError:
            return None, 0
    return result.suggestion, result.updates


def rates_of(context: RunContext) -> Rates:
    """Return the rates of a task's trials."""
    with blaming(task_of(context)):
        return rates_for(load(task_of(context)), context.layout)


def arrange_trials(context: RunContext, trials: tuple[Trial, ...], share: bool) -> Arrangement:
    """Arrange trials on branches that begin together, or each alone; raise ValueError for a rule that goes wrong."""
    rates = rates_of(context)
    if share:
        return arrange(trials, rates)
    for trial in trials:
        rates.of(trial)  # only to raise for a rule that goes wrong
    total = sum(trial.steps for trial in trials)
    return Arrangement(tuple(Branch((trial,)) for trial in trials), total, total)


def train_branch(context: RunContext, branch: Branch, finals: bool = False) -> Iterator[Part | Message]:
    """Train a branch: yield runs as they end, forks where trials leave, and now and then a checkpoint.

    `finals` keeps the trained state of each run in the folder.
    """

    def keep(training: Training, name: str) -> tuple[str | bytes, str]:
        return keep_state(task, training, context.folder, name)

    with blaming(task_of(context)):
        loaded = load(task_of(context))
        yield Message.BEGUN
        task = task_for(context, loaded, branch.trials[0])
        training = task.start(branch.trials[0].seed)
    if branch.step:
        try:
            training.load_state_dict(read_state(task, branch))
        except (StateError, OSError, RuntimeError, KeyError, ValueError, TypeError, EOFError):
            # The state is gone or torn: the beginning is trained again, by every trial as if it had never been shared.
            yield Fork(branch.restarted())
            return
    trainer = BranchTrainer(branch, training, rates_for(loaded, context.layout), context.layout, keep, finals)
    try:
        yield from trainer.train(context.checkpoint_seconds)
    except StateError:
        raise  # no room for a state is no fault of the task's: the comparison stops, and keeps what it has
    except (Exception, SystemExit) as error:
        yield from trainer.fail(error_text(task_of(context), error) + _batch(task, error))


def task_for(context: RunContext, loaded: LoadedTask, trial: Trial) -> Task:
    """Return the task that a trial trains; those of one branch train the same."""
    optimizer = optimizer_of(trial.strategy)
    chosen = context.optimizers[optimizer] if optimizer else None
    return prepared(task_of(context), loaded, chosen, seed=trial.seed, folds=context.layout.folds)


def _batch(task: Task, error: BaseException) -> str:
    """Return what to say of the batch where memory did not suffice."""
    size = getattr(task, "batch_size", None)
    if not isinstance(size, int) or not is_out_of_memory(error) or "batch" in one_line(error):
        return ""
    return f" (batch_size={size})"


def keep_state(task: Task, training: Training, folder: Path | None, name: str) -> tuple[str | bytes, str]:
    """Save a training's state; return its path, or its content if there is no folder, and its digest."""
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
            # Of what was written, before it gets its name: what is torn from here on is noticed.
            digest = digest_of(part)
    except Exception as error:
        if is_out_of_memory(error):
            raise  # no room in memory is no lack of room on the disk
        raise cannot_keep(folder.parent, error) from error
    return str(path), digest


def read_state(task: Task, branch: Branch) -> dict[str, Any]:
    """Read the state that a branch goes on from; raise StateError if it is not what was written."""
    state = branch.state or ""
    if isinstance(state, str) and (not Path(state).is_file() or digest_of(Path(state)) != branch.digest):
        raise StateError(f"{state}: the state is gone or torn")
    return _content(task, state)


def _content(task: Task, state: str | bytes) -> dict[str, Any]:
    if isinstance(state, str):
        return task.load(Path(state))
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "state"
        path.write_bytes(state)
        return task.load(path)


def run_test(context: RunContext, trial: Trial, state: str | bytes) -> dict[str, float]:
    """Measure a trained state on the test set; train it again if the state is gone or cannot be read."""
    with blaming(task_of(context)):
        loaded = load(task_of(context))
        task = task_for(context, loaded, trial)
        training = task.start(trial.seed)
        try:
            training.load_state_dict(_content(task, state))
        except Exception:  # a lost state costs time, never the answer: the seed makes the same training again
            training = task.start(trial.seed)
            rates = rates_for(loaded, context.layout)
            trainer = BranchTrainer(Branch((trial,)), training, rates, context.layout, lambda training, name: ("", ""))
            for _ in trainer.train(float("inf")):
                pass
        return measure(training, "test")
