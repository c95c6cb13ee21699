"""The task that a trial trains: with the optimizer that its strategy names, on the fold of its seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratesmith._checks import Option, OptionError
from ratesmith._text import hint
from ratesmith.experiment.optimizers import NamedOptimizer
from ratesmith.experiment.options import ComparisonError
from ratesmith.experiment.task_source import LoadedTask, Source, blaming
from ratesmith.task import Task, split_reference


def prepared(
    source: Source, loaded: LoadedTask, optimizer: NamedOptimizer | None, *, seed: int = 0, folds: int = 0
) -> Task:
    """Return the task with another optimizer, if one is given, and cut into folds, if there are any.

    The run of a seed is measured on the part `seed % folds`, and trained on the others. Raise ComparisonError for a
    task that can do neither.
    """
    task = loaded.task
    if optimizer is not None:
        task = _with_optimizer(source, loaded, optimizer)
    return _on_fold(source, task, seed % folds, folds) if folds else task


def _with_optimizer(source: Source, loaded: LoadedTask, optimizer: NamedOptimizer) -> Task:
    method: Any = getattr(loaded.task, "with_optimizer", None)
    if not callable(method):
        raise ComparisonError(
            "compare: ",
            Option("optimizers"),
            f" needs a task that can take another, got {type(loaded.task).__name__}; give a TorchTask, or one with "
            "a method with_optimizer(function)",
        )
    function = optimizer.function if callable(optimizer.function) else _function(source, loaded.functions, optimizer)
    with blaming(source):
        task: Task = method(function)
    return task


def _function(source: Source, functions: Mapping[str, Any], optimizer: NamedOptimizer) -> Any:
    if not isinstance(source, str):
        raise ComparisonError(
            "compare: ",
            Option("optimizers"),
            f" must be functions where the task is an object, got {optimizer.name!r}; give the function itself",
        )
    if optimizer.name not in functions:
        file = split_reference(source)[0]
        defined = {name for name, value in functions.items() if not name.startswith("_") and callable(value)}
        raise ComparisonError(
            "compare: ",
            Option("optimizers"),
            f" must be functions of the task's file, got {optimizer.name!r}, which {file.name} has not; "
            f"{hint(optimizer.name, sorted(defined), 'define it there, as def ' + optimizer.name + '(model)')}",
        )
    return functions[optimizer.name]


def _on_fold(source: Source, task: Task, index: int, folds: int) -> Task:
    method: Any = getattr(task, "fold", None)
    if not callable(method):
        raise ComparisonError(
            "compare: ",
            Option("folds"),
            f" needs a task that can be cut into them, got {type(task).__name__}; give a TorchTask, or one with a "
            "method fold(index, folds)",
        )
    with blaming(source):
        try:
            fold: Task = method(index, folds)
            return fold
        except OptionError as error:  # of data that cannot be cut: it names the option, and the file is not to blame
            mistake = error
    raise mistake
