"""Finding the initial rate by measuring: a race of short trainings, a sweep of rising rates, or a grid."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith._progress import ProgressBar
from ratesmith._random_states import preserve_rng_state
from ratesmith.finder.race import grid, race
from ratesmith.finder.result import Curve, FinderError, FinderResult
from ratesmith.finder.rules import RULES
from ratesmith.finder.sweep import Progress, sweep
from ratesmith.finder.training import ScriptTask, Searched, TaskTraining
from ratesmith.script_process import is_script
from ratesmith.task import load_task

__all__ = [
    "RULES",
    "Curve",
    "FinderError",
    "FinderResult",
    "ScriptTask",
    "find",
    "grid",
    "preserve_rng_state",
    "race",
    "sweep",
]

METHODS: Final[dict[str, Callable[..., FinderResult]]] = {"race": race, "sweep": sweep, "grid": grid}
"""The ways to find, by name; the first is the default."""
OF_SWEEP: Final = frozenset({"rule", "low", "high"})
"""Options by which a sweep is meant, if no method is named."""


def find(
    task: Searched | str,
    *,
    method: str | None = None,
    pretrained: bool | None = None,
    on_progress: Progress | None = None,
    **options: Any,
) -> FinderResult:
    """Suggest an initial rate by a `method`: "race" (the default), "sweep" (coarse) or "grid" (for those who can pay).

    `task` is a task, or `path/to/file.py:name` of one, or a script `path/to/train.py` that asks for its trial (a
    ScriptTask, if it has arguments). `on_progress` hears how many updates are made of how many; without it a bar is
    shown, on a terminal and in a notebook, after two seconds.

    `options` are those of ratesmith.finder.race, sweep and grid. A race takes about 350 updates; with `steps`, the
    length of the training to come, one and a third of that more, and it errs less. `budget` says how many updates it
    may take. Who gives `rule`, `low` or `high` means a sweep.

    `pretrained` says whether the model was trained before; None is what the task says, or what its first loss shows. It
    changes what is said of the answer, not how it is found.

    Raises ValueError for another method, TaskError for a text that names no task.
    """
    if isinstance(task, str):
        task = ScriptTask(task) if is_script(task) else load_task(task)[0]
    if not isinstance(task, ScriptTask | TaskTraining) and not callable(getattr(task, "start", None)):
        raise OptionTypeError(
            "find: ",
            Option("task"),
            f" must have start(seed), got {type(task).__name__}; give a task, such as ratesmith.torch.TorchTask, or "
            "for a model ratesmith.torch.find(model, optimizer, loss, train)",
        )
    if method is not None and method not in METHODS:
        raise OptionValueError(
            "find: ", Option("method"), f" must be one of {', '.join(METHODS)}, got {method!r}; choose one"
        )
    if on_progress is not None:
        return _find(task, method, pretrained, options, on_progress)
    with ProgressBar("find", "updates") as bar:
        return _find(task, method, pretrained, options, bar.update)


def _find(
    task: Searched,
    method: str | None,
    pretrained: bool | None,
    options: Mapping[str, Any],
    on_progress: Progress,
) -> FinderResult:
    result = METHODS[method or default_method(options)](task, on_progress=on_progress, **options)
    if pretrained is not None:
        result = replace(result, pretrained=pretrained)
    return result.flagged({"pretrained": result.pretrained and result.judged_by == "training"})


def default_method(options: Collection[str]) -> str:
    """Return the method that options by these names ask for, if no method is named."""
    return "sweep" if OF_SWEEP & set(options) else "race"
