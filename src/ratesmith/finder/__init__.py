"""Finding the initial rate by measuring: a sweep of rising rates, or a race of short trainings."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith._progress import ProgressBar
from ratesmith._random_states import preserve_rng_state
from ratesmith.finder.race import grid, race
from ratesmith.finder.result import Curve, FinderError, FinderResult
from ratesmith.finder.rules import RULES
from ratesmith.finder.sweep import Progress, sweep
from ratesmith.finder.training import ScriptTask
from ratesmith.script_process import is_script
from ratesmith.task import FindTask, load_task

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

METHODS: Final[dict[str, Callable[..., FinderResult]]] = {"sweep": sweep, "race": race, "grid": grid}
"""The ways to find, by name."""
SHORT_RACE: Final = 100
"""Updates of a race after the sweep of a model that was trained before, if nobody says how long its training is."""


def find(
    task: FindTask | ScriptTask | str,
    *,
    method: str | None = None,
    pretrained: bool | None = None,
    on_progress: Progress | None = None,
    **options: Any,
) -> FinderResult:
    """Suggest an initial rate by a `method`: "sweep" (quick), "race" (accurate) or "grid" (for those who can pay).

    `task` is a task, or `path/to/file.py:name` of one, or a script `path/to/train.py` that asks for its trial (a
    ScriptTask, if it has arguments). `on_progress` hears how many updates are made of how many; without it a bar is
    shown, on a terminal and in a notebook, after two seconds.

    `options` are those of ratesmith.finder.sweep, race and grid; race and grid need `steps`. Without a `method` it is a
    race if `steps` is given, else a sweep.

    `pretrained` says whether the model was trained before; None is what the task says, or what its first loss shows. A
    sweep of such a model, without a `method`, is followed by a race of 100 updates for each rate, if there is a
    validation set; the lowest of the rates that are nearly as good is suggested. Measured on fine-tunings, that errs
    far less than a sweep.

    Raises ValueError for another method, TaskError for a text that names no task.
    """
    if isinstance(task, str):
        task = ScriptTask(task) if is_script(task) else load_task(task)[0]
    if not isinstance(task, ScriptTask) and not callable(getattr(task, "start", None)):
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
    if isinstance(options.get("seeds"), Iterator):
        options["seeds"] = list(options["seeds"])  # they are read twice
    if on_progress is not None:
        return _find(task, method, pretrained, options, on_progress)
    with ProgressBar("find", "updates") as bar:
        return _find(task, method, pretrained, options, bar.update)


def _find(
    task: FindTask | ScriptTask,
    method: str | None,
    pretrained: bool | None,
    options: Mapping[str, Any],
    on_progress: Progress,
) -> FinderResult:
    result = METHODS[method or default_method(options)](task, on_progress=on_progress, **options)
    if pretrained is not None:
        result = replace(result, pretrained=pretrained)
    if not result.pretrained or result.method != "sweep":
        return result
    # Who chooses a rule or a range wants to see the sweep.
    may_race = method is None and options.keys() <= {"seeds"} and getattr(task, "can_measure", True)
    raced = _raced(task, result, on_progress, **options) if may_race else None
    return raced or result.flagged({"pretrained": True})


def default_method(options: Collection[str]) -> str:
    """Return the method that options by these names ask for, if no method is named."""
    return "race" if "steps" in options else "sweep"


def _raced(
    task: FindTask | ScriptTask, first: FinderResult, on_progress: Progress, **options: Any
) -> FinderResult | None:
    """Race short trainings around what a sweep suggests; None if either has no answer."""
    if first.suggestion is None:
        return None

    def on_both(done: int, planned: int) -> None:
        on_progress(first.updates + done, first.updates + planned)

    result = race(task, steps=SHORT_RACE, around=first.suggestion, on_progress=on_both, **options)
    if result.suggestion is None or result.interval is None:
        return None
    return replace(
        result,
        # It changes the model least; and so short a race likes rates that are a little too high for longer trainings.
        suggestion=result.interval[0],
        pretrained=True,
        flags=(*result.flags, "short_race"),
        curves=(*first.curves, *result.curves),
        updates=first.updates + result.updates,
        seconds=first.seconds + result.seconds,
    )
