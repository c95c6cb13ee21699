"""Which array library owns a value: one line of maths then serves numbers and arrays."""

from __future__ import annotations

import bisect
import math
import numbers
from collections.abc import Sequence
from typing import Any, Final


class Numbers:
    """The operations that schedules use, on plain numbers, under the array libraries' names."""

    cos = staticmethod(math.cos)

    @staticmethod
    def where(condition: bool, yes: float, no: float) -> float:
        """Give `yes` where the condition holds, else `no`."""
        return yes if condition else no

    @staticmethod
    def clip(x: float, low: float, high: float | None) -> float:
        """Give `x` kept within `low` and `high`."""
        return low if x < low else x if high is None or x < high else high


NUMBERS: Final = Numbers()


def owner(step: Any) -> tuple[Any, Any]:
    """Give the namespace that computes with `step`, and `step` in the form to compute with.

    A number stays a number. A NumPy array of integers becomes 64 bits wide and signed, so that subtracting an
    offset never wraps around, and floats become float64.
    """
    if isinstance(step, numbers.Integral) and not isinstance(step, bool):
        return NUMBERS, int(step)
    if isinstance(step, numbers.Real) and not isinstance(step, bool):
        return NUMBERS, float(step)
    if hasattr(step, "__array_namespace__"):
        xp = step.__array_namespace__()
        if xp.isdtype(step.dtype, "integral"):
            return xp, xp.astype(step, xp.int64)
        if xp.isdtype(step.dtype, "real floating"):
            return xp, xp.astype(step, xp.float64)
    raise TypeError(
        f"Schedule: a step must be a whole number or an array of them, got {step!r}; "
        "call it with an int, or with an array such as numpy.arange(steps)"
    )


def passed(boundaries: Sequence[int], t: Any, xp: Any) -> Any:
    """Count the sorted `boundaries` that are at or before `t`, for a number or for each entry of an array."""
    if xp is NUMBERS:
        return bisect.bisect_right(boundaries, t)
    return xp.searchsorted(xp.asarray(boundaries, dtype=t.dtype), t, side="right")


def pick(values: Sequence[int], index: Any, xp: Any) -> Any:
    """Give the entry of `values` at a number, or the entries at an array of them."""
    return (
        values[int(index)] if xp is NUMBERS else xp.take(xp.asarray(values, dtype=xp.int64), xp.astype(index, xp.int64))
    )


def one_by_one(function: Any, t: Any, xp: Any) -> Any:
    """Call a plain function of one number at `t`, or at each entry of an array, and keep the shape."""
    if xp is NUMBERS:
        return function(t)
    values = [function(entry) for entry in t.reshape(-1).tolist()]
    return xp.asarray(values, dtype=xp.float64).reshape(t.shape)
