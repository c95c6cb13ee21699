"""Where trials are trained: spawned local processes with one thread each, or this very process."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ratesmith._checks import whole
from ratesmith.experiment.store import StudyError, cannot_keep, written_whole
from ratesmith.experiment.train import measure, train
from ratesmith.experiment.trial import Plan, Run, Trial
from ratesmith.horizon import Horizon
from ratesmith.notation import parse
from ratesmith.task import (
    Task,
    TaskError,
    callables,
    fail_in_user_code,
    is_beside,
    load_task,
    one_thread,
    split_reference,
)

Result = TypeVar("Result")
Source = str | Task
"""A task, or `path/to/file.py:name`, which alone can be sent to another process."""


@dataclass(frozen=True)
class Facts:
    """What has to be known of a task before a comparison can be planned."""

    base_lr: float
    metrics: tuple[str, ...]
    has_test: bool
    plan: Plan
    identity: dict[str, Any]
    """What tells this task from another: its file's content, and what it measures around its first update."""


class InProcess(Executor):
    """Runs each job at once, in this process."""

    def submit(self, job: Callable[..., Result], /, *args: Any, **options: Any) -> Future[Result]:
        """Run the job and give its result as a finished future."""
        future: Future[Result] = Future()
        try:
            future.set_result(job(*args, **options))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def executor(workers: int) -> Iterator[Executor]:
    """Give `workers` spawned processes, or this process for 0; whatever ends the block ends them at once.

    Spawned, never forked: threads and locks do not survive a fork. With one thread each: two on a busy machine made the
    same training many times slower, and the number of threads changes the numbers.
    """
    if workers == 0:
        yield InProcess()
        return
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_prepare)
    try:
        with _deaf_to_interrupts(), one_thread():
            for _ in range(workers):
                pool.submit(int)  # each call of an idle pool starts a process
        yield pool
    except BrokenProcessPool as error:
        raise StudyError(
            "a worker process died, perhaps for want of memory (a script that calls compare needs "
            "`if __name__ == '__main__':` around it); finished runs are kept, and the same command goes on from there"
        ) from error
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Hold back Ctrl-C while processes start: they inherit it, since it is the driver's to handle."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A driver that was killed cannot stop its workers: they stop themselves.
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def look(source: Source, steps: int | str, evaluate_every: int | str, strategies: tuple[str, ...]) -> Facts:
    """Give the facts of a task, having tried one start, one update and the first value of every strategy."""
    with blaming(source):
        task, functions, files = _load(source)
        training = task.start(0)
        metrics = measure(training)
    epoch = Horizon(training.steps_per_epoch, training.steps_per_epoch)
    if isinstance(steps, str) and not steps.strip().endswith("ep"):
        raise ValueError(f"compare: steps must be a number of steps or epochs, got {steps!r}; write 500 or '10ep'")
    horizon = Horizon(epoch.resolve(steps), training.steps_per_epoch)
    every = whole("compare", "evaluate_every", horizon.resolve(evaluate_every), least=1)
    for strategy in strategies:
        controller = parse(strategy).build(horizon, functions)
        controller.value(controller.observe(controller.init(), 0, metrics), 0)
    base_lr = training.base_lr
    with blaming(source):
        first = [metrics["loss"], training.step(base_lr), measure(training)["loss"]]
    identity = {"task": _name(source), "the task's files": files, "losses at the first step": first}
    return Facts(base_lr, tuple(metrics), task.has_test, Plan(horizon.steps, every), identity)


def run_trial(source: Source, trial: Trial, plan: Plan, state_path: Path | None) -> Run:
    """Train a trial and, given a path, keep the trained state there."""
    with blaming(source):
        task, functions, _ = _load(source)
        run, training = train(task, trial, plan, functions)
    if state_path is not None and not run.diverged:
        try:
            with written_whole(state_path) as part:
                task.save(training.state_dict(), part)
        except Exception as error:
            raise cannot_keep(state_path.parent.parent, error) from error
    return run


def run_test(source: Source, trial: Trial, plan: Plan, state_path: Path) -> dict[str, float]:
    """Measure a trained state on the test set; train it again where the state is gone or cannot be read."""
    with blaming(source):
        task, functions, _ = _load(source)
        training = task.start(trial.seed)
        try:
            training.load_state_dict(task.load(state_path))
        except Exception:
            _, training = train(task, trial, plan, functions)
        return measure(training, "test")


class _Loaded(NamedTuple):
    task: Task
    functions: Mapping[str, Callable[[int], float]]
    files: str
    """A digest of the task's file and of the modules beside it that it imported."""


def _load(source: Source) -> _Loaded:
    if not isinstance(source, str):
        return _Loaded(source, {}, "")
    path, _ = split_reference(source)
    return _load_file(source, path.read_bytes())


@lru_cache(maxsize=1)
def _load_file(reference: str, content: bytes) -> _Loaded:
    before = set(sys.modules)
    task, module = load_task(reference)
    path, _ = split_reference(reference)
    new = (getattr(sys.modules[name], "__file__", None) for name in set(sys.modules) - before)
    digest = hashlib.sha256(content)
    for file in sorted({Path(file).resolve() for file in new if file and is_beside(Path(file), path)}):
        digest.update(file.read_bytes())
    return _Loaded(task, callables(module), digest.hexdigest()[:12])


def _name(source: Source) -> str:
    return split_reference(source)[1] if isinstance(source, str) else type(source).__qualname__


@contextmanager
def blaming(source: Source) -> Iterator[None]:
    """Name the line of the task's file that an error came through; a task made in this process raises as it is."""
    try:
        yield
    except TaskError:
        raise
    except (Exception, SystemExit) as error:
        if not isinstance(source, str):
            raise
        fail_in_user_code(source, split_reference(source)[0], error)
