"""Task and Training: what finding and comparing need from a framework, and how a user's own file gives one.

For a task of your own there are `seed_all`, `random_states` and `set_random_states`, over Python, NumPy and PyTorch.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from textwrap import shorten
from types import ModuleType
from typing import Any, Final, NoReturn, Protocol, runtime_checkable

from ratesmith._environment import changed_environment
from ratesmith._random_states import random_states, seed_all, set_random_states
from ratesmith._text import hint, named_line, one_line
from ratesmith._training_on_import import TrainedOnImportError, no_training

__all__ = [
    "FindTask",
    "FindTraining",
    "Task",
    "TaskError",
    "Training",
    "is_out_of_memory",
    "load_task",
    "random_states",
    "seed_all",
    "set_random_states",
]

ONE_THREAD: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""The variables that, at 1, give a process one thread."""


class FindTraining(Protocol):
    """What finding a rate needs of a training in progress."""

    @property
    def base_lr(self) -> float:
        """The first parameter group's own rate, as the optimizer was made."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass over the training data."""

    def step(self, lr: float) -> float:
        """Make one optimizer update at this rate and return the training loss before it.

        `lr` is the first parameter group's rate; the other groups keep their ratio to it.
        """

    def evaluate(self, split: str = "validation") -> Mapping[str, float]:
        """Measure on the validation set (or "test") and leave the training state untouched.

        "loss" is always among the metrics.
        """


class Training(FindTraining, Protocol):
    """One training in progress; everything that it is can be saved and restored."""

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of all that decides how training goes on: model, optimizer, data position, random states."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` gave, bit for bit."""


class FindTask(Protocol):
    """What finding a rate needs of a task: `start` begins the same training anew for the same seed.

    A task may also have `pretrained`: whether its model was trained before; None is not known. A training of it may
    then notice, by `began_below_chance`: whether its first loss was far below that of a guess.
    """

    def start(self, seed: int) -> FindTraining:
        """Begin a training: the seed decides the initial weights, the batch order and all other randomness."""


@runtime_checkable
class Task(FindTask, Protocol):
    """What to train, and how it is judged.

    For comparisons of optimizers a task may also have `with_optimizer(function)`, which returns the same task with the
    optimizer that the function makes; for comparisons by fold `fold(index, folds)`, which returns the task that is
    trained on all data but one of so many parts, and measured on that part.
    """

    @property
    def has_test(self) -> bool:
        """Whether `evaluate("test")` has data of its own."""

    def start(self, seed: int) -> Training:
        """Begin a training: the seed decides the initial weights, the batch order and all other randomness."""

    def save(self, state: dict[str, Any], path: Path) -> None:
        """Write a training's state to a file, in a format that can be read without running code from it."""

    def load(self, path: Path) -> dict[str, Any]:
        """Read what `save` wrote."""


class TaskError(Exception):
    """A task that cannot be used; the message is one line for its author."""


def is_pretrained(task: FindTask, training: FindTraining) -> bool:
    """Whether a task's model was trained before: as the task says, else as this training has noticed."""
    given = getattr(task, "pretrained", None)
    return bool(getattr(training, "began_below_chance", False) if given is None else given)


def loss_of(returned: Any) -> float:
    """Return what a training's step has returned as a number; raise TypeError, in one line, if it is none.

    >>> loss_of("0.5 of it")
    Traceback (most recent call last):
    TypeError: step must return the loss as one number, got '0.5 of it'; return its mean over the batch
    """
    try:
        # PyTorch warns of a number that is taken from within a graph of gradients.
        return float(returned.detach() if hasattr(returned, "detach") else returned)
    except (TypeError, ValueError):
        what = shorten(repr(returned), 80, placeholder=" ...")
    raise TypeError(f"step must return the loss as one number, got {what}; return its mean over the batch")


OF_MEMORY: Final = ("MemoryError", "OutOfMemoryError", "ResourceExhaustedError")
"""Names of the errors that Python, PyTorch and TensorFlow raise when memory does not suffice."""
SHORT_OF_MEMORY: Final = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "resource_exhausted",
    "_status_alloc_failed",
    "insufficient shared memory",
)
"""What other errors about it say: of PyTorch on a processor and in workers, of JAX, CUDA's libraries and systems."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or the one that caused it, says that memory did not suffice, whatever library it is of.

    >>> is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    True
    """
    while error is not None:
        text = one_line(error).lower()
        if any(kind.__name__ in OF_MEMORY for kind in type(error).__mro__):
            return True
        if isinstance(error, (RuntimeError, OSError)) and any(part in text for part in SHORT_OF_MEMORY):
            return True
        error = error.__cause__
    return False


def load_task(reference: str) -> tuple[Task, ModuleType]:
    """Return the task that `path/to/file.py:name` names, and the module of its file.

    `name` is a task or a function without arguments that gives one. Raises TaskError with one line that says what is
    wrong: no such file, no such name, an error in the file, or something that is no task.
    """
    path, name = split_reference(reference)
    module = _module(path)
    if not hasattr(module, name):
        own = [key for key, value in callables(module).items() if getattr(value, "__module__", "") == module.__name__]
        known = f"the file has {', '.join(own) or 'nothing to call'}"
        raise TaskError(f"{path}: there is no {name!r}; {hint(name, own, known)}")
    task = getattr(module, name)
    if callable(task) and not isinstance(task, Task):
        try:
            task = task()
        except (Exception, SystemExit) as error:
            fail_in_user_code(reference, path, error)
    if not isinstance(task, Task):
        raise TaskError(
            f"{reference}: this must be a task or a function that gives one, got {type(task).__name__}; "
            "return a ratesmith.torch.TorchTask, or an object with has_test, start, save and load"
        )
    return task, module


def load_functions(path: Path) -> Mapping[str, Any]:
    """Return all that can be called in a user's file, by name."""
    if not path.is_file():
        raise TaskError(f"{path}: there is no such file; give the path of the file that holds the function")
    return callables(_module(path))


def callables(module: ModuleType) -> dict[str, Any]:
    """Return what can be called in a module, by name."""
    return {name: value for name, value in vars(module).items() if callable(value)}


def split_reference(reference: str) -> tuple[Path, str]:
    """Read `path/to/file.py:name`.

    >>> path, name = split_reference("examples/digits.py:task")
    >>> path.as_posix(), name
    ('examples/digits.py', 'task')
    """
    file, colon, name = reference.rpartition(":")
    if not colon or not name.isidentifier():
        raise TaskError(f"{reference}: a task is given as path/to/file.py:name; add the name of the function")
    path = Path(file)
    if not path.is_file():
        raise TaskError(f"{file}: there is no such file; give the path of the file that holds {name!r}")
    return path, name


def fail_in_user_code(reference: str, path: Path, error: BaseException) -> NoReturn:
    """Raise TaskError with the last line of the user's file that the error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).name == path.name]
    where = f", line {own[-1].lineno}" if own else ""
    beside = [frame for frame in frames if is_beside(Path(frame.filename), path)]
    if beside and beside[-1] not in own:
        where += f" (then {Path(beside[-1].filename).name}, line {beside[-1].lineno})"
    if isinstance(error, SyntaxError):
        where = f", line {error.lineno}"
    raise TaskError(f"{reference}{where}: {named_line(error)}") from error


def is_beside(file: Path, path: Path) -> bool:
    """Whether a file is the user's own, as the task's file `path` is: in its folder, and not installed there."""
    return file.is_file() and file.resolve().is_relative_to(path.resolve().parent) and "site-packages" not in file.parts


def one_thread() -> AbstractContextManager[None]:
    """Let processes that start here, and frameworks that are imported here, have one thread each.

    They read these variables before anything else; two threads on a busy machine can be many times slower than one.
    """
    return changed_environment(dict.fromkeys(ONE_THREAD, "1"))


def _module(path: Path) -> ModuleType:
    path = path.resolve()
    name = f"ratesmith_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TaskError(f"{path}: a task's file must be Python, got {path.suffix or 'no suffix'!r}; name it .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses in the file look themselves up there
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as for `python file.py`, so that it can import its neighbours
    try:
        with no_training():
            spec.loader.exec_module(module)
    except TrainedOnImportError as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
        line = f", line {frames[-1].lineno}" if frames else ""
        raise TaskError(
            f"{path.name}{line}: the file must not train when it is imported, got an optimizer's update; put the "
            'training under if __name__ == "__main__":'
        ) from None
    except (Exception, SystemExit) as error:
        fail_in_user_code(path.name, path, error)
    return module
