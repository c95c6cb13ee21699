"""Jobs on this machine: in this process, or in spawned ones of which each may die, hang or be stopped on its own.

`concurrent.futures.ProcessPoolExecutor` will not do: when one of its processes dies, all its jobs are lost.

Threads: the driver's main thread submits; each worker process has one thread here that feeds it and reads its pipe.
`on_part` is called there. A process is started, replaced and ended by its own thread alone; another thread may only
kill it (`_Slot.stop`).
"""

from __future__ import annotations

import math
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from ratesmith._environment import changed_environment
from ratesmith._streams import tolerant_output
from ratesmith.experiment.engine import Died, Message, OnPart, TimedOut, messages_of, packed_error, unpacked_error
from ratesmith.task import one_thread

_STARTING = threading.Lock()
"""Held while a process starts: it takes the environment and the signal mask, which are the whole process's."""


class InProcess(Executor):
    """Runs each job at once, in this process."""

    workers = 0

    def submit(self, job: Callable[..., Any], /, *args: Any, on_part: OnPart | None = None) -> Future[Any]:  # type: ignore[override]
        """Run the job and return its result as a finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(_run(job, args, on_part or (lambda part: None)))
        except Exception as error:
            future.set_exception(error)
        return future

    def narrow(self, workers: int) -> None:
        """Do nothing: there is one job at a time."""


def _run(job: Callable[..., Any], args: tuple[Any, ...], on_part: OnPart) -> Any:
    for kind, content in messages_of(job, args):
        if kind == Message.PART:
            on_part(content)
        elif kind == Message.DONE:
            return content
    raise AssertionError("a job has a last word")


class LocalPool(Executor):
    """Spawned processes with one thread each, every one fed by a thread of its own here.

    A process that dies ends its job's future with Died, and one that spends more than `limit` seconds on a trial, from
    where that begins, with TimedOut. It is replaced; the others do not notice. Spawned, never forked: threads and locks
    do not survive a fork. With one thread each: two on a busy machine made the same training many times slower, and
    their number changes the numbers.
    """

    def __init__(
        self, workers: int, limit: float | None = None, variables: Sequence[Mapping[str, str]] | None = None
    ) -> None:
        """Start the processes, each with its own `variables` in its environment."""
        self.workers, self._limit = workers, limit
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Any, OnPart | None] | None] = queue.SimpleQueue()
        self._stopped = False
        self._slots = [_Slot(own) for own in variables or [{}] * workers]
        try:
            for slot in self._slots:
                slot.start()  # here, so that a script without a main guard fails in the child's main thread
        except BaseException:  # Ctrl-C, above all: nobody else would end those that run
            for slot in self._slots:
                slot.stop()
            raise
        self._width = workers
        self._threads = [
            threading.Thread(target=self._serve, args=place, daemon=True) for place in enumerate(self._slots)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Callable[..., Any], /, *args: Any, on_part: OnPart | None = None) -> Future[Any]:  # type: ignore[override]
        """Queue a job. `on_part` is called in a thread of the pool."""
        future: Future[Any] = Future()
        self._jobs.put((future, (job, args), on_part))
        return future

    def narrow(self, workers: int) -> None:
        """End all but so many processes: those that rest now, the others with their job."""
        self._width = min(self._width, workers)
        for slot in self._slots[self._width :]:
            slot.rest()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End when all is done, or at once if futures are to be cancelled."""
        self._stopped = self._stopped or cancel_futures
        for _ in self._threads:
            self._jobs.put(None)
        if cancel_futures:
            for slot in self._slots:
                slot.stop()
        if wait:
            for thread in self._threads:
                thread.join()

    def _serve(self, place: int, slot: _Slot) -> None:
        while place < self._width and (task := self._jobs.get()) is not None:
            future, job, on_part = task
            with slot.lock:  # either `narrow` sees that this slot is at work, or this slot sees the width
                slot.busy = place < self._width
            if not slot.busy:
                self._jobs.put(task)
                break
            if self._stopped:
                future.cancel()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if not slot.alive():
                    slot.start()
                # What gives no parts is no trial: the limit of a trial is not its.
                future.set_result(slot.do(job, on_part or (lambda part: None), self._limit if on_part else None))
            except BaseException as error:
                future.set_exception(error)
            with slot.lock:
                slot.busy = False
        slot.end()


class _Slot:
    """One worker process and the pipe to it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.process: Any = None
        self.pipe: Any = None
        self.over = False
        self.busy = False
        """Whether it has a job; a process that rests may be killed by another thread."""
        self.lock = threading.Lock()  # between `over` and starting: after `stop` no process begins

    def start(self) -> None:
        """Start a process in place of the one that was."""
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,))  # no daemon: a task may have processes of its own
        resource_tracker.ensure_running()  # it would let Ctrl-C through again while the process starts
        # The environment is the whole process's.
        with _STARTING, one_thread(), changed_environment(self.variables), _deaf_to_interrupts(), self.lock:
            if not self.over:
                self.process.start()
        theirs.close()  # the child alone holds its end, so that the pipe closes when it dies

    def alive(self) -> bool:
        return bool(self.process.is_alive())

    def kill(self) -> None:
        if self.process is not None and self.process.pid is not None and self.process.is_alive():
            self.process.kill()

    def stop(self) -> None:
        """Kill the process, and start no other."""
        with self.lock:
            self.over = True
            self.kill()

    def rest(self) -> None:
        """Kill the process if it has no job."""
        with self.lock:
            if not self.busy:
                self.kill()

    def end(self) -> None:
        self.kill()
        if self.process.pid is not None:
            self.process.join()
        self.pipe.close()

    def _send(self, job: Any) -> None:
        try:
            self.pipe.send(job)
        except OSError as error:
            raise _Broken from error

    def _received(self) -> Any:
        try:
            return self.pipe.recv()
        except (EOFError, OSError) as error:
            raise _Broken from error

    def do(self, job: Any, on_part: OnPart, limit: float | None) -> Any:
        """Have the process do a job; the clock is this process's own, since one that hangs has none."""
        # Until the worker says that the trial begins: a new process imports torch first, and the task.
        until = math.inf
        try:
            self._send(job)
            while True:
                left = until - time.monotonic()
                if left <= 0:
                    self.kill()
                    self.process.join()
                    raise TimedOut(f"stopped after {limit:g} seconds, the time limit of a trial")
                if not wait([self.pipe], min(left, 1.0)):
                    # A process of its own that outlived it may hold the pipe open, so that it never ends.
                    if not self.alive() and not self.pipe.poll():
                        raise _Broken
                    continue
                kind, content = self._received()
                if kind == Message.BEGUN:
                    until = math.inf if limit is None else time.monotonic() + limit
                elif kind == Message.PART:
                    on_part(content)
                elif kind == Message.DONE:
                    return content
                else:
                    raise unpacked_error(*content)
        except _Broken:
            # It may be alive with a pipe that is broken, or gone in the middle of a message: either way it is replaced.
            self.kill()
            if self.process.pid is not None:
                self.process.join()
            raise Died(_how(self.process.exitcode)) from None


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Hold back what a terminal sends to all its processes while one starts: it inherits that until `_work` begins."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Broken(Exception):  # noqa: N818
    """The pipe to a process is broken, perhaps in the middle of a message."""


def _how(exitcode: int | None) -> str:
    if exitcode is None:
        return "the worker process is gone"
    if exitcode >= 0:
        return f"the worker process ended itself with status {exitcode}"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return f"the worker process was ended by {name}{hint}"


def _work(pipe: Connection) -> None:
    """Do the jobs that come through the pipe until it closes."""
    # Ctrl-C and a closed terminal go to the whole group of processes; the driver alone handles them, and ends its
    # workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A driver that was killed cannot stop its workers: they stop themselves.
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with tolerant_output():  # a task may print, and whoever read that may have gone
        _do_jobs(pipe)


def _do_jobs(pipe: Connection) -> None:
    while True:
        try:
            job, args = pipe.recv()
        except (EOFError, ConnectionError):
            return
        try:
            for message in messages_of(job, args):
                pipe.send(message)
        except (BrokenPipeError, ConnectionError):
            return
        except Exception as error:
            pipe.send((Message.ERROR, packed_error(error)))


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)  # at once, whatever the task's own threads and processes do
