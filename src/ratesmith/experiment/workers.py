"""Where trials are trained: spawned local processes with one thread each, or this very process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ratesmith._checks import whole
from ratesmith.experiment.store import StudyError, written_whole
from ratesmith.experiment.train import train
from ratesmith.experiment.trial import Plan, Run, Trial
from ratesmith.horizon import Horizon
from ratesmith.notation import parse
from ratesmith.task import Task, callables, fail_in_user_code, load_task, split_reference

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

    Spawned, never forked: threads and locks do not survive a fork.
    """
    if workers == 0:
        yield InProcess()
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_prepare)
    try:
        with _deaf_to_interrupts():
            for _ in range(workers):
                pool.submit(int)  # each call of an idle pool starts a process
        yield pool
    except BrokenProcessPool as error:
        raise StudyError(
            "a worker process died in the middle of a run, perhaps for want of memory; "
            "finished runs are kept, and the same command goes on from there"
        ) from error
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
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
    # One thread each: two on a busy machine made the same training many times slower, and the number of threads
    # changes the numbers. Set before the task's file imports its framework.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A driver that was killed cannot stop its workers: they stop themselves.
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def look(source: Source, steps: int | str, evaluate_every: int | str, strategies: tuple[str, ...]) -> Facts:
    """Give the facts of a task, having tried one start, one measurement and the first value of every strategy."""
    task, functions = _load(source)
    try:
        training = task.start(0)
        metrics = dict(training.evaluate())
    except Exception as error:
        _blame(source, error)
    epoch = Horizon(training.steps_per_epoch, training.steps_per_epoch)
    length = epoch.resolve(steps)
    if isinstance(steps, str) and "%" in steps:
        raise ValueError(f"compare: steps must be a number of steps or epochs, got {steps!r}; write 500 or '10ep'")
    horizon = Horizon(length, training.steps_per_epoch)
    every = whole("compare", "evaluate_every", horizon.resolve(evaluate_every), least=1)
    for strategy in strategies:
        controller = parse(strategy).build(horizon, functions)
        controller.value(controller.observe(controller.init(), 0, metrics), 0)
    return Facts(training.base_lr, tuple(metrics), task.has_test, Plan(length, every))


def run_trial(source: Source, trial: Trial, plan: Plan, state_path: Path | None) -> Run:
    """Train a trial and, given a path, keep the trained state there."""
    task, functions = _load(source)
    try:
        run, training = train(task, trial, plan, functions)
    except Exception as error:
        _blame(source, error)
    if state_path is not None and not run.diverged:
        with written_whole(state_path) as part:
            task.save(training.state_dict(), part)
    return run


def run_test(source: Source, trial: Trial, plan: Plan, state_path: Path) -> dict[str, float]:
    """Measure a trained state on the test set; train it again where the state is gone."""
    task, functions = _load(source)
    try:
        if state_path.exists():
            training = task.start(trial.seed)
            training.load_state_dict(task.load(state_path))
        else:
            _, training = train(task, trial, plan, functions)
        return dict(training.evaluate("test"))
    except Exception as error:
        _blame(source, error)


def _load(source: Source) -> tuple[Task, Mapping[str, Callable[[int], float]]]:
    return _load_file(source) if isinstance(source, str) else (source, {})


@cache
def _load_file(reference: str) -> tuple[Task, Mapping[str, Callable[[int], float]]]:
    task, module = load_task(reference)
    return task, callables(module)


def _blame(source: Source, error: Exception) -> NoReturn:
    """Name the line of the task's file that an error came through; a task made in this process raises as it is."""
    if isinstance(source, str):
        fail_in_user_code(source, split_reference(source)[0], error)
    raise error
