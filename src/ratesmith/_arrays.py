"""Which array library owns a value: one line of maths then serves numbers and arrays."""

from __future__ import annotations

import bisect
import math
import numbers
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from ratesmith._checks import FARTHEST, LARGEST, most_power


class Numbers:
    """The operations that schedules use, on plain numbers, under the array libraries' names."""

    cos = staticmethod(math.cos)
    sin = staticmethod(math.sin)
    exp = staticmethod(math.exp)
    log1p = staticmethod(math.log1p)

    @staticmethod
    def where(condition: bool, yes: float, no: float) -> float:
        """Return one or the other."""
        return yes if condition else no

    @staticmethod
    def clip(x: float, low: float | None, high: float | None) -> float:
        """Return `x` kept within `low` and `high`; None is no limit."""
        if low is not None and x < low:
            return low
        return x if high is None or x < high else high


NUMBERS: Final = Numbers()


class Torch:
    """The operations that schedules use, on torch tensors, under the array libraries' names."""

    def __init__(self, torch: Any, like: Any) -> None:
        """Make what is made on the device and in the type of `like`."""
        self._torch, self._made = torch, {"dtype": like.dtype, "device": like.device}
        self.cos, self.sin, self.exp, self.log1p = torch.cos, torch.sin, torch.exp, torch.log1p
        self.where, self.finfo = torch.where, torch.finfo

    def clip(self, x: Any, low: float | None, high: float | None) -> Any:
        """Return `x` kept within `low` and `high`; None is no limit."""
        return x if low is None and high is None else self._torch.clamp(x, low, high)

    def full(self, shape: Any, value: float) -> Any:
        """Return a tensor of one value."""
        return self._torch.full(shape, value, **self._made)

    def asarray(self, values: Any, dtype: Any = None) -> Any:
        """Return a tensor of these values."""
        return self._torch.tensor(values, **self._made)

    def searchsorted(self, sorted_values: Any, values: Any, side: str) -> Any:
        """Count the sorted values at or before each of `values`."""
        return self._torch.searchsorted(sorted_values, values, right=side == "right").to(self._made["dtype"])

    def take(self, values: Any, index: Any) -> Any:
        """Return the entries at these places."""
        return self._torch.take(values, index.to(self._torch.int64))


def owner(step: Any) -> tuple[Any, Any]:
    """Return the namespace that computes with `step`, and `step` in the form to compute with.

    A number stays a number. Integers in an array become as wide as the library's own (64 bits for NumPy; for JAX 32, or
    64 where it is told to), so that subtracting an offset never wraps around. A torch tensor is computed in float64,
    where its device has it, and is exact for steps up to 2**53.
    """
    if isinstance(step, numbers.Integral) and not isinstance(step, bool):
        return NUMBERS, int(step)
    if isinstance(step, numbers.Real) and not isinstance(step, bool):
        return NUMBERS, float(step)
    if type(step).__module__.partition(".")[0] == "torch" and not step.dtype.is_complex:
        torch = sys.modules["torch"]
        t = step.to(torch.float32 if step.device.type == "mps" else torch.float64)
        return Torch(torch, t), t
    if hasattr(step, "__array_namespace__"):
        xp = step.__array_namespace__()
        if xp.isdtype(step.dtype, "integral"):
            if xp.isdtype(step.dtype, "unsigned integer") and int(xp.iinfo(step.dtype).max) > FARTHEST:
                step = xp.clip(step, None, FARTHEST)
            return xp, xp.astype(step, xp.asarray(0).dtype)
        if xp.isdtype(step.dtype, "real floating"):
            return xp, xp.astype(step, xp.asarray(0.0).dtype)
    raise TypeError(
        f"Schedule: a step must be a whole number or an array of them, got {step!r}; "
        "call it with an int, or with an array such as numpy.arange(steps)"
    )


def bounded(value: Any, xp: Any) -> Any:
    """Return `value` held within the largest numbers that schedules have, or that its type has."""
    most = largest(value, xp)
    return xp.clip(value, -most, most)


def largest(like: Any, xp: Any) -> float:
    """Return the largest number to compute with beside an array: what its floating type holds, at most ours."""
    if xp is NUMBERS or isinstance(xp, Torch):
        return LARGEST
    floating = like.dtype if xp.isdtype(like.dtype, "real floating") else xp.asarray(0.0).dtype
    return min(LARGEST, float(xp.finfo(floating).max) / 2)


def held(number: float, like: Any, xp: Any) -> float:
    """Return a number within the largest that an array can hold."""
    most = largest(like, xp)
    return min(max(number, -most), most)


def power(base: float, exponent: Any, xp: Any) -> Any:
    """Return `base ** exponent` for exponents of at least 0, flat where it would pass the largest number."""
    return base ** xp.clip(exponent, 0, most_power(base, largest(exponent, xp)))


def root(share: Any, exponent: float, xp: Any) -> Any:
    """Return `share ** exponent`, with a derivative of 0, not infinity, where the share is 0."""
    if xp is NUMBERS:
        return share**exponent
    positive = share > 0
    return xp.where(positive, xp.where(positive, share, 1.0) ** exponent, 0.0)


def passed(boundaries: Sequence[int], t: Any, xp: Any) -> Any:
    """Count the sorted `boundaries` that are at or before `t`, for a number or for each entry of an array."""
    if xp is NUMBERS:
        return bisect.bisect_right(boundaries, t)
    return xp.searchsorted(_within(boundaries, t, xp), t, side="right")


def pick(values: Sequence[int], index: Any, t: Any, xp: Any) -> Any:
    """Return the entry of `values` at a number, or the entries at an array of them, in the type of `t`."""
    return values[int(index)] if xp is NUMBERS else xp.take(_within(values, t, xp), index)


def scaled(t: Any, times: int, over: Any, most: int, xp: Any) -> Any:
    """Return `t * times / over`, for whole t of at most `most`, without a product that its type cannot hold."""
    narrow = xp is not NUMBERS and not isinstance(xp, Torch) and xp.isdtype(t.dtype, "integral")
    if narrow and most * times > int(xp.iinfo(t.dtype).max):
        t = xp.astype(t, xp.asarray(0.0).dtype)
    return t * times / over


def stairs_begun(t: Any, every: int, stairs: int, xp: Any) -> Any:
    """Return how many stairs have begun after the first by step `t`, where `every` steps have so many `stairs`.

    Stair i begins at the step nearest to `i * every / stairs`, halves up.

    >>> [stairs_begun(t, 10, 4, NUMBERS) for t in (2, 3, 4, 5, 7, 8, 9, 10)]
    [0, 1, 1, 2, 2, 3, 3, 4]
    """
    if stairs == 1:
        return t // every
    t = math.floor(t) if xp is NUMBERS else t // 1
    blocks = t // every
    return blocks * stairs + _times_over(t - blocks * every, stairs, every, (stairs - 1) // 2, xp)


def stair_start(count: Any, every: int, stairs: int, xp: Any) -> Any:
    """Return the step at which a stair begins: the one nearest to `count * every / stairs`, halves up.

    >>> [stair_start(count, 10, 4, NUMBERS) for count in range(5)]
    [0, 3, 5, 8, 10]
    """
    if stairs == 1:
        return count * every
    blocks = count // stairs
    return blocks * every + _times_over(count - blocks * stairs, every, stairs, stairs // 2, xp)


def _times_over(x: Any, times: int, over: int, plus: int, xp: Any) -> Any:
    """Return `(x * times + plus) // over` for whole x from 0 to less than `over`, and a `plus` of at most half of it.

    An array may not hold the product, so `times` is taken digit by digit there, in the largest base that fits.
    """
    if xp is NUMBERS:
        return (x * times + plus) // over
    whole = not isinstance(xp, Torch) and xp.isdtype(x.dtype, "integral")
    most = int(xp.iinfo(x.dtype).max) if whole else int(2 / xp.finfo(x.dtype).eps)  # up to which steps are exact
    base = most // (2 * over)
    if base < 2:
        raise ValueError(
            f"Schedule: an array of {x.dtype} steps must be able to hold 4 times the steps of a staircase, got {over}; "
            "use wider integers (for JAX: jax.config.update('jax_enable_x64', True))"
        )
    digits: list[int] = []
    while times:
        times, digit = divmod(times, base)
        digits.insert(0, digit)
    found, rest = x * 0, x * 0
    for place, digit in enumerate(digits, 1):
        rest = rest * base + x * digit + (plus if place == len(digits) else 0)
        found, rest = found * base + rest // over, rest - rest // over * over
    return found


def refuse_narrow(t: Any, reach: Callable[[], int], xp: Any) -> None:
    """Refuse an array of whole steps whose type cannot hold the `reach` of a schedule, its largest length."""
    if xp is NUMBERS or isinstance(xp, Torch) or not xp.isdtype(t.dtype, "integral"):
        return
    holds = int(xp.iinfo(t.dtype).max)
    if holds < FARTHEST and holds < (most := reach()):
        raise ValueError(
            f"Schedule: an array of {t.dtype} steps must be able to hold the schedule's lengths, got {most}; "
            "use wider integers (for JAX: jax.config.update('jax_enable_x64', True))"
        )


def _within(values: Sequence[int], t: Any, xp: Any) -> Any:
    """Return an array of the type of `t`; what that type cannot hold, no step in it can reach either."""
    if not isinstance(xp, Torch) and xp.isdtype(t.dtype, "integral"):
        most = int(xp.iinfo(t.dtype).max)
        values = values if most > FARTHEST else [min(value, most) for value in values]
    return xp.asarray(values, dtype=t.dtype)


def one_by_one(function: Any, t: Any, xp: Any) -> Any:
    """Call a plain function of one number at `t`, or at each entry of a NumPy array, and keep the shape.

    The arrays of other libraries may stand for values that are not known yet, so the function gets the array itself.
    """
    if xp is NUMBERS or getattr(xp, "__name__", "") != "numpy":
        return function(t)
    values = [function(entry) for entry in t.reshape(-1).tolist()]
    return xp.asarray(values, dtype=xp.float64).reshape(t.shape)
