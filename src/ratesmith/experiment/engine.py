"""What the driver asks of an engine, whatever runs its jobs: this process, local workers, or a cluster.

An engine is an executor of `concurrent.futures` whose jobs may be generators, which give parts as they come.
"""

from __future__ import annotations

import enum
import inspect
import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final, Protocol, TypeVar

from ratesmith._text import named_line
from ratesmith.experiment.memory import REMEDY, tells_out_of_memory
from ratesmith.study_database import StudyError
from ratesmith.task import TaskError

OnPart = Callable[[Any], None]
Job = TypeVar("Job", bound=Callable[..., Any])


class Message(enum.StrEnum):
    """What a worker sends to the driver about the one job that it does, in this order: begun, part ..., done or error.

    A worker that dies sends no last word. The driver then knows that every part which came is whole, and no more.
    """

    BEGUN = "begun"
    """The trial begins: a time limit counts from here, and not while a process starts and a task's file is imported."""
    PART = "part"
    """A generator's next part, in its order. What was sent before it is never taken back."""
    DONE = "done"
    """The result; all parts have been sent, and the worker is free for the next job."""
    ERROR = "error"
    """The exception that ended the job, as `packed_error` makes it; the worker is free as well."""


def begins_itself(job: Job) -> Job:
    """Mark a generator that yields `Message.BEGUN` when it has loaded what it needs; else it begins as it is called."""
    job.begins_itself = True  # type: ignore[attr-defined]  # a function has attributes, and keeps them when it is sent
    return job


def messages_of(job: Callable[..., Any], args: tuple[Any, ...]) -> Iterator[tuple[Message, Any]]:
    """Do a job where it is called: yield what is to be sent of it, but for an error, which is raised."""
    if not getattr(job, "begins_itself", False):
        yield Message.BEGUN, None
    result = job(*args)
    if not inspect.isgenerator(result):
        yield Message.DONE, result
        return
    for part in result:
        yield (Message.BEGUN, None) if part is Message.BEGUN else (Message.PART, part)
    yield Message.DONE, None


def packed_error(error: Exception) -> tuple[str, bytes]:
    """Return an exception's type and text in a line, and its pickle, which is empty if it has none."""
    try:
        return named_line(error), pickle.dumps(error)
    except Exception:  # whatever a class of the user's does when it is pickled
        return named_line(error), b""


def unpacked_error(line: str, pickled: bytes) -> Exception:
    """Return the exception that was packed, or a TaskError with its line if it cannot be made again here.

    Its class may be one of the user's file, which the driver has never imported.
    """
    try:
        error = pickle.loads(pickled)  # noqa: S301  # a worker's own
    except Exception:
        error = None
    return error if isinstance(error, Exception) else TaskError(line)


class Died(Exception):  # noqa: N818  # what happened to a process
    """The job's process died; the message says how."""


class TimedOut(Exception):  # noqa: N818
    """The job's process was stopped at its time limit."""


class Engine(Protocol):
    """An executor whose jobs may give parts on the way."""

    @property
    def workers(self) -> int:
        """How many jobs run side by side; 0: each in this process, as it is submitted."""

    def submit(self, job: Callable[..., Any], /, *args: Any, on_part: OnPart | None = None) -> Future[Any]:
        """Run `job(*args)`; a generator's parts go to `on_part` as they come."""

    def narrow(self, workers: int) -> None:
        """Run no more than so many jobs side by side from now on; what rests gives its memory back."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the engine; what runs is stopped if `cancel_futures` is given."""


MOST_DEATHS: Final = 2
"""How often a job whose process died is tried again."""


def ask(engine: Engine, job: Callable[..., Any], *args: Any) -> Any:
    """Return the result of a job without parts, tried again if its process dies; StudyError if it always does."""
    for _ in range(MOST_DEATHS + 1):
        try:
            return engine.submit(job, *args).result()
        except Died as error:
            how = str(error)
        except TaskError as error:
            if tells_out_of_memory(str(error)):
                raise TaskError(f"{error}; {REMEDY}") from error
            raise
    raise StudyError(
        f"{how}, {MOST_DEATHS + 1} times (a script that calls compare needs `if __name__ == '__main__':` around it); "
        "finished runs are kept, and the same command goes on from there"
    )


def cores() -> int:
    """Return how many cores this process may use."""
    usable: Callable[[int], Any] | None = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1
