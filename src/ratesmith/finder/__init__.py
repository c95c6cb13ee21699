"""Finding the initial rate by measuring: a sweep of rising rates, or a race of short trainings."""

from collections.abc import Callable
from typing import Any, Final

from ratesmith.finder.found import Curve, FinderError, Found
from ratesmith.finder.race import grid, race
from ratesmith.finder.rules import RULES
from ratesmith.finder.sweep import Starts, sweep
from ratesmith.finder.untouched import untouched_random

__all__ = ["RULES", "Curve", "FinderError", "Found", "find", "grid", "race", "sweep", "untouched_random"]

METHODS: Final[dict[str, Callable[..., Found]]] = {"sweep": sweep, "race": race, "grid": grid}
"""The ways to find, by name; the first is the default."""


def find(task: Starts, *, method: str = "sweep", **options: Any) -> Found:
    """Suggest an initial rate by a `method`: "sweep" (quick), "race" (accurate) or "grid" (for those who can pay).

    `options` are those of ratesmith.finder.sweep, race and grid; race and grid need `steps`.
    Raises ValueError for another method.
    """
    if method not in METHODS:
        raise ValueError(f"find: method must be one of {', '.join(METHODS)}, got {method!r}; choose one")
    return METHODS[method](task, **options)
