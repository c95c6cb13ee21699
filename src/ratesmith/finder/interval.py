"""How far the best rate may lie from an answer, as measured on trainings: `benchmarks/find/judge.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

FACTORS: Final = {"sweep": (10.0, 4.5), "unmeasured": (12.0, 4.0), "short": (2.8, 2.5), "race": (1.7, 1.8)}
"""By how a rate was found: in 8 of 10 searches the best rate is at most so many times lower, and so many times higher.

"short" is a race that does not know how long the training to come is, "unmeasured" one without validation data. They
were chosen on 72 trainings, and held in 36 others as docs/find.md says.
"""


def interval_of(suggestion: float, way: str, dead: Iterable[float] = ()) -> tuple[float, float] | None:
    """Return the interval of a suggestion; None for a way that was not measured, as a grid.

    It ends where a training died, at one of the rates `dead`.

    >>> interval_of(0.17, "race", dead=[0.2])
    (0.1, 0.2)
    """
    if way not in FACTORS:
        return None
    below, above = FACTORS[way]
    return suggestion / below, min([suggestion * above, *(rate for rate in dead if rate > suggestion)])
