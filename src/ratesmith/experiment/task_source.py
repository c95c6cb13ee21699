"""Where a task comes from: an object, or a file that each worker reads, with a digest of all that belongs to it."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ratesmith._text import named_line
from ratesmith.experiment.checkpoints import StateError
from ratesmith.experiment.sharing import Rates
from ratesmith.experiment.trial import RunLayout
from ratesmith.task import Task, TaskError, callables, fail_in_user_code, is_beside, load_task, split_reference

Source = str | Task
"""A task, or `path/to/file.py:name`, which alone can be sent to another process."""


class LoadedTask(NamedTuple):
    """A task as a worker has it."""

    task: Task
    functions: Mapping[str, Callable[[int], float]]
    files: str
    """A digest of the task's file and of the modules beside it that it imported."""
    rates: dict[RunLayout, Rates]
    """Of the layout in work, so that no job works them out again."""


def load(source: Source) -> LoadedTask:
    """Return the task that a source names, read once for the same content."""
    if not isinstance(source, str):
        return LoadedTask(source, {}, "", _WITHOUT_RULES)
    path, _ = split_reference(source)
    return _load_file(source, path.read_bytes())


_WITHOUT_RULES: dict[RunLayout, Rates] = {}
"""The rates for tasks that are objects: these name no functions, so that theirs are alike."""


def rates_for(loaded: LoadedTask, layout: RunLayout) -> Rates:
    """Return the rates of a task's trials, kept for the next job of the same comparison."""
    if layout not in loaded.rates:
        loaded.rates.clear()  # one layout is over when another begins
    return loaded.rates.setdefault(layout, Rates(layout.steps, layout.steps_per_epoch, loaded.functions))


@lru_cache(maxsize=1)
def _load_file(reference: str, content: bytes) -> LoadedTask:
    # `content` is only a key of the cache: a file that was edited is another one.
    task, module = load_task(reference)
    path, _ = split_reference(reference)
    return LoadedTask(task, callables(module), digest_of_files(path, content), {})


def digest_of_files(path: Path, content: bytes) -> str:
    """Return a digest of a user's file, which has this content, and of the files beside it that it imports."""
    digest = hashlib.sha256(content)
    for file in imported_beside(path.resolve()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def imported_beside(path: Path) -> list[Path]:
    """Return the files beside a task's that its import statements name, and those that theirs do.

    They are read, not taken from `sys.modules`: a statement inside a function, not run yet, belongs to the task too.
    """
    files: dict[Path, None] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        for node in ast.walk(ast.parse(file.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            beside = path.parent
            if isinstance(node, ast.ImportFrom):
                # `from a import b`: b may be a module in the package a, or a name in the module a.
                names = [".".join(filter(None, (node.module, name))) for name in ("", *names)]
                beside = file.parent if node.level else beside
            for parts in (name.split(".") for name in names if name):
                places = [beside.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
                candidates = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
                new = [file for file in candidates if file not in files and file != path and is_beside(file, path)]
                files.update(dict.fromkeys(new))
                waiting += new
    return sorted(files)


def imported_names(files: Iterable[Path]) -> set[str]:
    """Return the top-level names of all that the import statements of some files name."""
    names: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


def task_name(source: Source) -> str:
    """Return what a task is called."""
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


def error_text(source: Source, error: BaseException) -> str:
    """Return an error of a task's as one line, with the line of its file if it has one."""
    try:
        with blaming(source):
            raise error
    except TaskError as blamed:
        return str(blamed)
    except BaseException:
        return named_line(error)
