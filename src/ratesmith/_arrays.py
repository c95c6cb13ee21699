"""One class an array library, so that one line of maths serves numbers and arrays.

A schedule's `at(t, xp)` gets one of them as `xp`. Each has the same few operations, by their names in the array-API
standard: `cos`, `sin`, `exp`, `log1p`, `where`, `clip`, `floor`, and what our own schedules need beside them. No
library is imported here: an array brings its own.

Arrays of steps are computed with as floats, in the widest type that the library has, whatever type they come in.
NumPy's and torch's float64 hold every whole step up to 2**53. JAX has float32 unless `jax_enable_x64` is set; that
holds every step up to 2**24, about 17 million, and beyond it the nearest that it can.
"""

from __future__ import annotations

import bisect
import math
import numbers
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from ratesmith._checks import FARTHEST, LARGEST, OptionTypeError, OptionValueError, most_power


class Numbers:
    """Plain numbers. Ints stay ints, so whole steps are exact, and what is computed from them is a Python float."""

    largest = LARGEST
    cos = staticmethod(math.cos)
    sin = staticmethod(math.sin)
    exp = staticmethod(math.exp)
    log1p = staticmethod(math.log1p)
    floor = staticmethod(math.floor)
    integers = staticmethod(int)

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

    @staticmethod
    def full_like(t: float, value: float) -> float:
        """Return the value."""
        return value

    @staticmethod
    def count_passed(boundaries: Sequence[int], t: float) -> int:
        """Count the sorted boundaries at or before `t`."""
        return bisect.bisect_right(boundaries, t)

    @staticmethod
    def take(values: Sequence[int], index: float) -> int:
        """Return the entry at this place."""
        return values[int(index)]

    @staticmethod
    def call(function: Callable[[Any], Any], t: float) -> Any:
        """Return what a function of the user's gives."""
        return function(t)


NUMBERS: Final = Numbers()


class ArrayApi:
    """Arrays of a library that follows the array-API standard, such as JAX; its functions come from `namespace`."""

    def __init__(self, namespace: Any) -> None:
        """Take the functions; `dtype` is the widest float that the library computes in, unless it is told otherwise."""
        self.namespace, self.dtype = namespace, namespace.asarray(0.0).dtype
        # Half of what the type holds: two numbers at this limit can still be added. In float32 that is about 1.7e38.
        self.largest = min(LARGEST, float(namespace.finfo(self.dtype).max) / 2)
        self.cos, self.sin, self.exp, self.log1p = namespace.cos, namespace.sin, namespace.exp, namespace.log1p
        self.where, self.floor = namespace.where, namespace.floor

    def steps(self, step: Any) -> Any:
        """Return an array of steps as floats.

        Converted first of all: in a narrow integer type, such as int8, taking an offset from a step would wrap around.
        """
        return self.namespace.astype(step, self.dtype)

    def clip(self, x: Any, low: float | None, high: float | None) -> Any:
        """Return `x` kept within `low` and `high`; None is no limit."""
        return x if low is None and high is None else self.namespace.clip(x, low, high)

    def full_like(self, t: Any, value: float) -> Any:
        """Return an array of one value, of the shape of `t`."""
        return self.namespace.full(t.shape, value, dtype=self.dtype)

    def count_passed(self, boundaries: Sequence[int], t: Any) -> Any:
        """Count the sorted boundaries at or before each of `t`, as floats: all that is computed with is of one type."""
        edges = self.namespace.asarray(boundaries, dtype=self.dtype)
        return self.namespace.astype(self.namespace.searchsorted(edges, t, side="right"), self.dtype)

    def take(self, values: Sequence[int], index: Any) -> Any:
        """Return the entries at these places."""
        return self.namespace.take(self.namespace.asarray(values, dtype=self.dtype), self.integers(index))

    def integers(self, t: Any) -> Any:
        """Return whole numbers as the library's own integers: places in a list, and what a rule of the user's gets."""
        return self.namespace.astype(t, self.namespace.asarray(0).dtype)

    def call(self, function: Callable[[Any], Any], t: Any) -> Any:
        """Return what a function of the user's gives for the whole array: inside jit, its values are not known yet."""
        return function(t)


class NumPy(ArrayApi):
    """NumPy's arrays: their values are known, so a function of one number can be called for each."""

    def call(self, function: Callable[[Any], Any], t: Any) -> Any:
        """Return an array of what a function of the user's gives for each entry, of the shape of `t`."""
        values = [function(entry) for entry in t.reshape(-1).tolist()]
        return self.namespace.asarray(values, dtype=self.dtype).reshape(t.shape)


class Torch:
    """Torch's tensors, which don't follow the standard: other names, and no scalar arguments in some places."""

    def __init__(self, torch: Any, step: Any) -> None:
        """Compute on the device of `step`, in float64 unless its device has none."""
        self._torch = torch
        self.dtype = torch.float32 if step.device.type == "mps" else torch.float64
        self._made = {"dtype": self.dtype, "device": step.device}
        self.largest = min(LARGEST, torch.finfo(self.dtype).max / 2)
        self.cos, self.sin, self.exp, self.log1p = torch.cos, torch.sin, torch.exp, torch.log1p
        self.where, self.floor = torch.where, torch.floor

    def steps(self, step: Any) -> Any:
        """Return a tensor of steps as floats."""
        return step.to(self.dtype)

    def clip(self, x: Any, low: float | None, high: float | None) -> Any:
        """Return `x` kept within `low` and `high`; None is no limit."""
        return x if low is None and high is None else self._torch.clamp(x, low, high)

    def full_like(self, t: Any, value: float) -> Any:
        """Return a tensor of one value, of the shape of `t`."""
        return self._torch.full(t.shape, value, **self._made)

    def count_passed(self, boundaries: Sequence[int], t: Any) -> Any:
        """Count the sorted boundaries at or before each of `t`."""
        edges = self._torch.tensor(boundaries, **self._made)
        return self._torch.searchsorted(edges, t, right=True).to(self.dtype)

    def take(self, values: Sequence[int], index: Any) -> Any:
        """Return the entries at these places."""
        return self._torch.take(self._torch.tensor(values, **self._made), index.to(self._torch.int64))

    def integers(self, t: Any) -> Any:
        """Return whole numbers, as floats: torch would raise a number to a power of integers in float32."""
        return t

    def call(self, function: Callable[[Any], Any], t: Any) -> Any:
        """Return what a function of the user's gives for the whole tensor: compiled, its values are not known yet."""
        return function(t)


def backend_of(step: Any) -> tuple[Any, Any]:
    """Return the class that computes with a step, or with an array of steps, and the step in the form to compute with.

    Raise TypeError for what is no step, ValueError for a number beyond 2**53, up to which a float is exact. Whether an
    array holds such numbers is not looked at: inside jit that cannot be known.
    """
    if isinstance(step, numbers.Real) and not isinstance(step, bool):
        number = int(step) if isinstance(step, numbers.Integral) else float(step)
        if not -FARTHEST <= number <= FARTHEST:
            raise OptionValueError(f"Schedule: a step must be at most 2**53, got {step!r}; give a smaller number")
        return NUMBERS, number
    if type(step).__module__.partition(".")[0] == "torch" and not step.dtype.is_complex:
        tensors = Torch(sys.modules["torch"], step)
        return tensors, tensors.steps(step)
    if hasattr(step, "__array_namespace__"):
        namespace = step.__array_namespace__()
        if namespace.isdtype(step.dtype, ("integral", "real floating")):
            arrays = (NumPy if namespace.__name__ == "numpy" else ArrayApi)(namespace)
            return arrays, arrays.steps(step)
    raise OptionTypeError(
        f"Schedule: a step must be a whole number or an array of them, got {step!r}; "
        "call it with an int, or with an array such as numpy.arange(steps)"
    )


def bounded(value: Any, xp: Any) -> Any:
    """Return `value` held within the largest numbers that schedules have, or that its type has."""
    return xp.clip(value, -xp.largest, xp.largest)


def held(number: float, xp: Any) -> float:
    """Return a plain number within the largest that stands beside an array: 1e150 would be infinite in float32."""
    most: float = xp.largest
    return min(max(number, -most), most)


def power(base: float, exponent: Any, xp: Any) -> Any:
    """Return `base ** exponent` for exponents of at least 0, flat where it would pass the largest number.

    The exponent is clipped, not the result: a result of infinity would still give a derivative of NaN.
    """
    if xp is NUMBERS and base <= 1:  # it can't pass it: most decays of most trainings come through here
        return base ** (exponent if exponent > 0 else 0)
    return base ** xp.clip(exponent, 0, most_power(base, xp.largest))


def root(share: Any, exponent: float, xp: Any) -> Any:
    """Return `share ** exponent`, with a derivative of 0, not infinity, if the share is 0.

    The inner `where` keeps 0 out of the power, since both branches of a `where` are derived: infinity times 0 is NaN.
    """
    if xp is NUMBERS:
        return share**exponent
    above_zero = share > 0
    return xp.where(above_zero, xp.where(above_zero, share, 1.0) ** exponent, 0.0)


def stairs_begun(t: Any, every: int, stairs: int, xp: Any) -> Any:
    """Return how many stairs have begun after the first by step `t`, where `every` steps have so many `stairs`.

    Stair i begins at the step nearest to `i * every / stairs`, halves up.

    >>> [stairs_begun(t, 10, 4, NUMBERS) for t in (2, 3, 4, 5, 7, 8, 9, 10)]
    [0, 1, 1, 2, 2, 3, 3, 4]
    """
    if stairs == 1:
        return t // every
    t = xp.floor(t)
    # Whole blocks of `every` steps apart, so that the product is at most every * stairs: exact in a float up to 2**53
    # (in float32 up to 2**24), and beyond that at worst one step off.
    blocks = t // every
    return blocks * stairs + ((t - blocks * every) * stairs + (stairs - 1) // 2) // every


def stair_start(count: Any, every: int, stairs: int) -> Any:
    """Return the step at which a stair begins: the one nearest to `count * every / stairs`, halves up.

    >>> [stair_start(count, 10, 4) for count in range(5)]
    [0, 3, 5, 8, 10]
    """
    if stairs == 1:
        return count * every
    blocks = count // stairs
    return blocks * every + ((count - blocks * stairs) * every + stairs // 2) // stairs
