"""The shapes: ramps of every curve, staircase, milestones, exponential and inverse decays, a function of your own."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from ratesmith._arrays import NUMBERS, power, root, stair_start, stairs_begun
from ratesmith._checks import A_LIST, MOST_MILESTONES, Option, OptionTypeError, OptionValueError, finite, whole
from ratesmith._field_checks import Check, positive
from ratesmith._text import named_line
from ratesmith._uncommon_shapes import Hyperbolic, PolynomialCycles
from ratesmith.schedule.base import MOST_BREAKPOINTS, NEAREST, Schedule, check_stairs, multiples
from ratesmith.schedule.piece import BEYOND, Piece, flat, pieces_of, unbound

__all__ = [
    "Custom",
    "Exponential",
    "Hyperbolic",
    "InverseSqrt",
    "InverseTime",
    "Milestones",
    "PolynomialCycles",
    "Ramp",
    "Staircase",
    "Tanh",
]

Shares = tuple[Any, Any]
"""The shares of the high and of the low value of a ramp; they add up to 1."""


def _linear(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    return up / steps, down / steps


def _cosine(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    cos = xp.cos(math.pi * down / steps)
    return (1 + cos) / 2, (1 - cos) / 2


def _sqrt(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    high = root(up / steps, 0.5, xp)
    return high, 1 - high


def _one_minus_sqrt(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    low = root(down / steps, 0.5, xp)
    return 1 - low, low


def _one_minus_square(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    low = (down / steps) ** 2
    return 1 - low, low


def _rex(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    share = up / steps
    high = 2 * share / (1 + share)
    return high, 1 - high


def _log(up: Any, down: Any, steps: int, xp: Any) -> Shares:
    high = xp.log1p(up) / math.log1p(steps)
    return high, 1 - high


SHAPES: Final[dict[str, Callable[[Any, Any, int, Any], Shares]]] = {
    "linear": _linear,
    "cosine": _cosine,
    "sqrt": _sqrt,
    "1-sqrt": _one_minus_sqrt,
    "1-square": _one_minus_square,
    "rex": _rex,
    "log": _log,
}
"""The curves of a ramp: `up` steps from its low end and `down` from its high end, to the shares of the two values.

The first share is that of the high value. Both are given because one minus the other loses its last digits near zero.
A decay is a warm-up in reverse.
"""


def linear_value(start: float, end: float, steps: int, begin: int, step: Any) -> float:
    """Return a linear ramp's value at a step from `begin` to `begin + steps`, as a number."""
    t = step - begin
    value: float = start * ((steps - t) / steps) + end * (t / steps)
    return value


def cosine_value(start: float, end: float, steps: int, begin: int, step: Any) -> float:
    """Return a cosine ramp's value at a step from `begin` to `begin + steps`, as a number."""
    if end < start:
        cos = math.cos(math.pi * (step - begin) / steps)
        return start * ((1 + cos) / 2) + end * ((1 - cos) / 2)
    cos = math.cos(math.pi * (steps - (step - begin)) / steps)
    return start * ((1 - cos) / 2) + end * ((1 + cos) / 2)


_NUMBERS_OF: Final = {"linear": linear_value, "cosine": cosine_value}
"""The shapes that are computed for a number by a function of their own: the same operations in the same order."""


def called(thing: str, function: Callable[[Any], Any], value: Any) -> Any:
    """Call a function of the user's; if its argument is a number, refuse all but a finite number from it."""
    name = f"{thing}: {getattr(function, '__name__', 'function')}({value})"
    try:
        result = function(value)
    except Exception as error:
        cause = named_line(error)
        raise OptionValueError(f"{name}: it must give a number, got {cause}; mend the function") from error
    return finite(name, "its value", result) if isinstance(value, (int, float)) else result


def _callable(thing: str, option: str, given: Any) -> Any:
    if not callable(given):
        must = f" must be callable, got {given!r}; give a function of the step"
        raise OptionTypeError(f"{thing}: ", Option(option), must)
    return given


def _checked_shape(thing: str, option: str, given: Any) -> Any:
    """Return the shape of a ramp: a known name, a power above 0, or a curve from 0 to 1."""
    start = (f"{thing}: ", Option(option))
    if isinstance(given, str):
        names = [*SHAPES, "exponential"]
        if given not in names:
            listed = ", ".join(map(repr, names))
            raise OptionValueError(*start, f" must be one of {listed}, got {given!r}; choose one of them")
        return given
    if callable(given):
        return _checked_curve(thing, given)
    power = finite(thing, option, given)
    if power <= 0:
        raise OptionValueError(*start, f" must be above 0 if it is a power, got {given!r}; give 2 for quadratic")
    return power


def _checked_curve(thing: str, curve: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Refuse a curve that does not go from 0 to 1, and one that its name would confuse with ours."""
    name = getattr(curve, "__name__", "function")
    if name in SHAPES or name == "exponential":
        must = f"a curve of your own must have another name than ours, got {name!r}; rename it"
        raise OptionValueError(f"{thing}: {must}")
    for share in (0.0, 1.0):
        value = called(thing, curve, share)
        if abs(value - share) > 1e-9:
            must = f"{name}({share}) must be {share}, got {value!r}; give a curve from 0 to 1"
            raise OptionValueError(f"{thing}: {must}")
    return curve


def _rising_steps(thing: str, option: str, given: Any) -> tuple[int, ...]:
    """Return steps as a tuple; refuse those that are not whole, do not rise, or are very many."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        must = f" must be a list of steps, got {given!r}; write [30, 80]"
        raise OptionTypeError(f"{thing}: ", Option(option), must)
    listed = tuple(given)
    if len(listed) > MOST_MILESTONES:
        must = f"there must be at most {MOST_MILESTONES} milestones, got {len(listed)}; use Staircase"
        raise OptionValueError(f"{thing}: {must}")
    steps = tuple(whole(thing, "a milestone", step, least=0) for step in listed)
    for before, after in itertools.pairwise(steps):
        if after <= before:
            must = f" must rise, got {before} before {after}; sort them and drop repeats"
            raise OptionValueError(f"{thing}: ", Option(option), must)
    return steps


@dataclass(frozen=True)
class Ramp(Schedule):
    """From `start` to `end` in `steps` steps along a curve; flat before and after.

    Formula: `low + (high - low) * h(q)`, low and high the smaller and the larger of the two values, and q the share of
    the way up from low to high: min(step, steps) / steps if the ramp rises, one minus that if it falls. h(q) is
    q (linear), (1 - cos(pi q)) / 2 (cosine), sqrt(q) (sqrt), 1 - sqrt(1 - q) (1-sqrt), 1 - (1 - q)^2 (1-square),
    2 q / (1 + q) (rex), log(1 + q steps) / log(1 + steps) (log), or `q ** shape` if the shape is a number: 2 is
    quadratic. "exponential" goes by equal factors, `low * (high / low) ** q`. A function of q is a curve of your own.
    A ramp of zero steps is `end` at every step.
    Sources: Loshchilov and Hutter, "SGDR", 2017 (cosine); Haegele et al. 2024, arXiv 2405.18392 (1-sqrt); Chen et al.,
    "REX", 2022 (rex); deepspeed.runtime.lr_schedules.WarmupLR (log).

    >>> decay = Ramp(1.0, 0.0, 100, "cosine")
    >>> decay(0), round(decay(50), 15), decay(100), decay(101)
    (1.0, 0.5, 0.0, 0.0)
    >>> Ramp(0.01, 1.0, 2, "exponential")(1), Ramp(1.0, 0.0, 4, 2)(2), Ramp(1.0, 0.0, 4, "1-sqrt")(1)
    (0.1, 0.25, 0.5)
    """

    start: Annotated[float, Check(finite)]
    end: Annotated[float, Check(finite)]
    steps: Annotated[int, Check(whole, least=0)]
    shape: Annotated[str | float | Callable[[Any], Any], Check(_checked_shape)] = "linear"

    def __post_init__(self) -> None:
        """Refuse an exponential ramp that reaches 0."""
        super().__post_init__()
        if self.shape == "exponential":
            for option, value in (("end", self.end), ("start", self.start)):
                if value <= 0:
                    must = f" must be above 0 for an exponential ramp, got {value!r}; give a small one such as 1e-3"
                    raise OptionValueError("Ramp: ", Option(option), must)

    def at(self, t: Any, xp: Any) -> Any:
        if self.steps == 0:
            return t * 0 + self.end  # of the shape of `t`
        if xp is NUMBERS:  # most steps of most trainings come through here, so without further calls
            steps, shape = self.steps, self.shape
            if t < 0:
                t = 0
            elif t > steps:
                t = steps
            if shape == "cosine":
                return cosine_value(self.start, self.end, steps, 0, t)
            if shape == "linear":
                return linear_value(self.start, self.end, steps, 0, t)
        else:
            t = xp.clip(t, 0, self.steps)
        # Counted from both ends: `up` steps from the low value, `down` steps to the high one. So a decay is a warm-up
        # in reverse, and near an end one of the two counts is small and exact, where 1 - share would lose its digits.
        if self.end < self.start:
            high, low = self._shares(self.steps - t, t, xp)
            return self.start * high + self.end * low if self.shape != "exponential" else high * low
        high, low = self._shares(t, self.steps - t, xp)
        return self.start * low + self.end * high if self.shape != "exponential" else high * low

    def breakpoints(self, since: int, until: int) -> list[int]:
        return [self.steps] if since < self.steps <= until else []

    def _shares(self, up: Any, down: Any, xp: Any) -> Shares:
        """Return the shares of the high and the low value; of an exponential ramp, its two factors."""
        if self.shape == "exponential":
            top, bottom = max(self.start, self.end), min(self.start, self.end)  # top ** 1 * bottom ** 0 is top exactly
            return top ** (up / self.steps), bottom ** (down / self.steps)
        if isinstance(self.shape, str):
            return SHAPES[self.shape](up, down, self.steps, xp)
        share = up / self.steps
        if callable(self.shape):
            curve = self.shape
            high = xp.call(lambda value: called("Ramp", curve, value), share)
        else:
            high = root(share, self.shape, xp)
        return high, 1 - high


@pieces_of(Ramp)
def _ramp(ramp: Ramp, step: int, begin: int) -> Piece:
    end = begin + ramp.steps
    if step < begin:
        return flat(ramp.at(0, NUMBERS), NEAREST, begin)
    if step > end or ramp.steps == 0:
        return flat(ramp.at(ramp.steps, NUMBERS), end, BEYOND)
    function = _NUMBERS_OF.get(ramp.shape) if isinstance(ramp.shape, str) else None
    if function is None:
        value = unbound(ramp, begin).value
    else:
        value = functools.partial(function, ramp.start, ramp.end, ramp.steps, begin)
    return Piece(value, begin, end + 1)


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    """Falls as one over the square root of time; it never ends.

    Formula: `1 / sqrt(1 + step / timescale)`. Behind a warm-up of `timescale` steps this is the Transformer's schedule,
    sqrt(warmup / step). Source: Vaswani et al., "Attention is all you need", 2017.

    >>> decay = InverseSqrt(timescale=100)
    >>> decay(0), decay(300), decay(9900)
    (1.0, 0.5, 0.1)
    """

    timescale: Annotated[int, Check(whole, least=1)]
    steps = None

    def at(self, t: Any, xp: Any) -> Any:
        return (1 + xp.clip(t, 0, None) / self.timescale) ** -0.5


@dataclass(frozen=True)
class InverseTime(Schedule):
    """Falls as one over time; it never ends.

    Formula: `1 / (1 + rate * step / every)`. Source: keras.optimizers.schedules.InverseTimeDecay.

    >>> decay = InverseTime(rate=0.5, every=10)
    >>> decay(0), decay(20), decay(60)
    (1.0, 0.5, 0.25)
    """

    rate: Annotated[float, Check(positive)]
    every: Annotated[int, Check(whole, least=1)] = 1
    steps = None

    def at(self, t: Any, xp: Any) -> Any:
        return 1 / (1 + self.rate * (xp.clip(t, 0, None) / self.every))


@dataclass(frozen=True)
class Tanh(Schedule):
    """Falls from about 1 to about 0 along a hyperbolic tangent in `steps` steps; flat before and after.

    Formula: `(1 - tanh(lower + (upper - lower) * q)) / 2`, q = min(step, steps) / steps. A curve of zero steps is its
    last value. Source: Hsueh et al. 2019, arXiv 1806.01593.

    >>> decay = Tanh(-2.0, 2.0, 100)
    >>> round(decay(0), 3), decay(50), round(decay(100), 3)
    (0.982, 0.5, 0.018)
    """

    lower: Annotated[float, Check(finite)]
    upper: Annotated[float, Check(finite)]
    steps: Annotated[int, Check(whole, least=0)]

    def __post_init__(self) -> None:
        """Refuse bounds that do not rise."""
        super().__post_init__()
        if self.lower >= self.upper:
            must = f" must be below upper, got {self.lower!r} and {self.upper!r}; swap them"
            raise OptionValueError("Tanh: ", Option("lower"), must)

    def at(self, t: Any, xp: Any) -> Any:
        share = xp.clip(t, 0, self.steps) / self.steps if self.steps else t * 0 + 1.0
        place = self.lower * (1 - share) + self.upper * share
        # The same as (1 - tanh(place)) / 2, which loses its digits where tanh is next to 1.
        return 1 / (1 + xp.exp(xp.clip(2 * place, -80.0, 80.0)))

    def breakpoints(self, since: int, until: int) -> list[int]:
        return [self.steps] if since < self.steps <= until else []


@dataclass(frozen=True)
class Staircase(Schedule):
    """Multiplied by `gamma` once every `every` steps; it never ends.

    Formula: `gamma ** floor(step / every)`. With `stairs`, it is multiplied so many times in `every` steps, each time
    at the step nearest to a multiple of `every / stairs`, halves up. Source: torch.optim.lr_scheduler.StepLR.

    >>> decay = Staircase(every=30, gamma=0.5)
    >>> decay(0), decay(29), decay(30), decay(60)
    (1.0, 1.0, 0.5, 0.25)
    >>> [Staircase(every=5, gamma=0.5, stairs=2)(step) for step in range(6)]
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.25]
    """

    every: Annotated[int, Check(whole, least=1)]
    gamma: Annotated[float, Check(positive)] = 0.1
    stairs: Annotated[int, Check(whole, least=1)] = 1
    steps = None

    def __post_init__(self) -> None:
        """Refuse stairs shorter than a step."""
        super().__post_init__()
        check_stairs("Staircase", self.every, self.stairs)

    def at(self, t: Any, xp: Any) -> Any:
        return power(self.gamma, stairs_begun(t, self.every, self.stairs, xp), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        return multiples(self.every, since, until, self.stairs)


@pieces_of(Staircase)
def _stair(stairs: Staircase, step: int, begin: int) -> Piece:
    if step < begin:
        return flat(1.0, NEAREST, begin)
    begun = stairs_begun(step - begin, stairs.every, stairs.stairs, NUMBERS)
    since, until = (begin + stair_start(count, stairs.every, stairs.stairs) for count in (begun, begun + 1))
    return flat(stairs.at(step - begin, NUMBERS), since, until)


@dataclass(frozen=True)
class Milestones(Schedule):
    """Multiplied by `gamma` at each of the `milestones`; it never ends.

    Formula: `gamma ** (number of milestones <= step)`. The milestones must rise strictly.
    Source: torch.optim.lr_scheduler.MultiStepLR.

    >>> stairs = Milestones((30, 80), gamma=0.5)
    >>> stairs(29), stairs(30), stairs(79), stairs(80)
    (1.0, 0.5, 0.5, 0.25)
    """

    milestones: Annotated[tuple[int, ...], A_LIST, Check(_rising_steps)]
    gamma: Annotated[float, Check(positive)] = 0.1
    steps = None

    def at(self, t: Any, xp: Any) -> Any:
        return power(self.gamma, xp.count_passed(self.milestones, xp.clip(t, 0, None)), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        begin, end = (bisect.bisect_right(self.milestones, step) for step in (since, until))
        return list(self.milestones[begin:end][:MOST_BREAKPOINTS])


@pieces_of(Milestones)
def _between_milestones(schedule: Milestones, step: int, begin: int) -> Piece:
    edges = schedule.milestones
    passed = bisect.bisect_right(edges, max(step - begin, 0))
    since = begin + edges[passed - 1] if passed and edges[passed - 1] > 0 else NEAREST
    until = begin + edges[passed] if passed < len(edges) else BEYOND
    return flat(schedule.at(step - begin, NUMBERS), since, until)


@dataclass(frozen=True)
class Exponential(Schedule):
    """Decays smoothly by `gamma` over every `every` steps; it never ends.

    Formula: `gamma ** (step / every)`. With `every=1` this is torch.optim.lr_scheduler.ExponentialLR, one step each.
    A gamma above 1 grows, and stays flat at about 1e150.

    >>> decay = Exponential(gamma=0.25, every=10)
    >>> decay(0), decay(5), decay(10), decay(10**9)
    (1.0, 0.5, 0.25, 0.0)
    """

    gamma: Annotated[float, Check(positive)]
    every: Annotated[int, Check(whole, least=1)] = 1
    steps = None

    def at(self, t: Any, xp: Any) -> Any:
        return power(self.gamma, t / self.every, xp)


@dataclass(frozen=True)
class Custom(Schedule):
    """Your own rule: `function(step // every)` gives the factor; it never ends.

    With `stairs`, it counts so many times in `every` steps, each time at the step nearest to a multiple of
    `every / stairs`, halves up.
    `function` gets one int of at least 0 at a time, as torch.optim.lr_scheduler.LambdaLR calls it, and must give a
    finite number: anything else raises ValueError or TypeError with the step at which it happened. For JAX arrays and
    torch tensors it gets the array, whose values may not be known yet, and has to be made of operations on arrays.

    >>> rule = Custom(lambda epoch: 0.95**epoch, every=100)
    >>> rule(0), rule(99), rule(100)
    (1.0, 1.0, 0.95)
    """

    function: Annotated[Callable[[int], float], Check(_callable)]
    every: Annotated[int, Check(whole, least=1)] = 1
    stairs: Annotated[int, Check(whole, least=1)] = 1
    steps = None

    def __post_init__(self) -> None:
        """Refuse stairs shorter than a step."""
        super().__post_init__()
        check_stairs("Custom", self.every, self.stairs)

    def at(self, t: Any, xp: Any) -> Any:
        count = xp.integers(stairs_begun(xp.clip(t, 0, None), self.every, self.stairs, xp))
        return xp.call(lambda count: called("Custom", self.function, count), count)
