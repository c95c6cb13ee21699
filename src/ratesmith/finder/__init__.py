"""Finding the initial rate by measuring: a sweep of rising rates, or a race of short trainings."""

from collections.abc import Callable
from typing import Any, Final

from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith._random_states import preserve_rng_state
from ratesmith.finder.race import grid, race
from ratesmith.finder.result import Curve, FinderError, FinderResult
from ratesmith.finder.rules import RULES
from ratesmith.finder.sweep import sweep
from ratesmith.task import FindTask

__all__ = ["RULES", "Curve", "FinderError", "FinderResult", "find", "grid", "preserve_rng_state", "race", "sweep"]

METHODS: Final[dict[str, Callable[..., FinderResult]]] = {"sweep": sweep, "race": race, "grid": grid}
"""The ways to find, by name; the first is the default."""


def find(task: FindTask, *, method: str = "sweep", **options: Any) -> FinderResult:
    """Suggest an initial rate by a `method`: "sweep" (quick), "race" (accurate) or "grid" (for those who can pay).

    `options` are those of ratesmith.finder.sweep, race and grid; race and grid need `steps`.
    Raises ValueError for another method.
    """
    if not callable(getattr(task, "start", None)):
        raise OptionTypeError(
            "find: ",
            Option("task"),
            f" must have start(seed), got {type(task).__name__}; give a task, such as ratesmith.torch.TorchTask",
        )
    if method not in METHODS:
        raise OptionValueError(
            "find: ", Option("method"), f" must be one of {', '.join(METHODS)}, got {method!r}; choose one"
        )
    return METHODS[method](task, **options)
