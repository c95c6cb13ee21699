"""The shapes: ramps of every curve, staircase, milestones, exponential and inverse decays, a function of your own."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from ratesmith._arrays import NUMBERS, one_by_one, passed, power, root, stairs_begun
from ratesmith._checks import A_LIST, MOST_MILESTONES, finite, whole
from ratesmith.schedule.base import MOST_BREAKPOINTS, Schedule, multiples, whole_stairs

__all__ = ["Custom", "Exponential", "InverseSqrt", "InverseTime", "Milestones", "Ramp", "Staircase", "Tanh"]

Shares = tuple[Any, Any]


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
    share = up / steps  # no sum of whole steps, which 32 bits may not hold
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
"""The curves of a ramp: `up` steps from its low end and `down` from its high end, the shares of the two values.

The first share is that of the high value. Both are given because one minus the other loses its last digits near zero.
A decay is a warm-up in reverse.
"""


@dataclass(frozen=True)
class Ramp(Schedule):
    """From `start` to `end` in `steps` steps along a curve; flat before and after.

    Formula: `low + (high - low) * h(q)`, low and high the smaller and the larger of the two values, and q the share of
    the way up from low to high: min(step, steps) / steps where the ramp rises, one minus that where it falls. h(q) is
    q (linear), (1 - cos(pi q)) / 2 (cosine), sqrt(q) (sqrt), 1 - sqrt(1 - q) (1-sqrt), 1 - (1 - q)^2 (1-square),
    2 q / (1 + q) (rex), log(1 + q steps) / log(1 + steps) (log), or `q ** shape` where the shape is a number: 2 is
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

    start: float
    end: float
    steps: int
    shape: str | float | Callable[[Any], Any] = "linear"

    def __post_init__(self) -> None:
        """Refuse values that are not finite, a length that is not whole, and an unknown shape."""
        object.__setattr__(self, "start", finite("Ramp", "start", self.start))
        object.__setattr__(self, "end", finite("Ramp", "end", self.end))
        object.__setattr__(self, "steps", whole("Ramp", "steps", self.steps, least=0))
        if isinstance(self.shape, str):
            known = [*SHAPES, "exponential"]
            if self.shape not in known:
                names = ", ".join(map(repr, known))
                raise ValueError(f"Ramp: shape must be one of {names}, got {self.shape!r}; choose one of them")
            if self.shape == "exponential" and min(self.start, self.end) <= 0:
                raise ValueError(
                    f"Ramp: an exponential ramp needs start and end above 0, got {self.start!r} and {self.end!r}; "
                    "give a small end such as 1e-3"
                )
        elif callable(self.shape):
            self._check_curve(self.shape)
        else:
            object.__setattr__(self, "shape", finite("Ramp", "shape", self.shape))
            if self.shape <= 0:
                raise ValueError(f"Ramp: a power as shape must be above 0, got {self.shape!r}; give 2 for quadratic")

    def _check_curve(self, curve: Callable[[Any], Any]) -> None:
        """Refuse a curve that does not go from 0 to 1, and one that its name would confuse with ours."""
        name = getattr(curve, "__name__", "function")
        if name in SHAPES or name == "exponential":
            raise ValueError(f"Ramp: a curve of your own must have another name than ours, got {name!r}; rename it")
        for share in (0.0, 1.0):
            value = called("Ramp", curve, share)
            if abs(value - share) > 1e-9:
                raise ValueError(f"Ramp: {name}({share}) must be {share}, got {value!r}; give a curve from 0 to 1")

    def at(self, t: Any, xp: Any) -> Any:
        if self.steps == 0:
            return t * 0 + self.end
        if xp is not NUMBERS:
            t = xp.clip(t, 0, self.steps)
        elif t < 0:
            t = 0
        elif t > self.steps:
            t = self.steps
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
            top, bottom = max(self.start, self.end), min(self.start, self.end)
            return top ** (up / self.steps), bottom ** (down / self.steps)
        if isinstance(self.shape, str):
            return SHAPES[self.shape](up, down, self.steps, xp)
        share = up / self.steps
        if callable(self.shape):
            curve = self.shape
            high = one_by_one(lambda value: called("Ramp", curve, value), share, xp)
        else:
            high = root(share, self.shape, xp)
        return high, 1 - high


@dataclass(frozen=True)
class InverseSqrt(Schedule):
    """Falls as one over the square root of time; it never ends.

    Formula: `1 / sqrt(1 + step / timescale)`. Behind a warm-up of `timescale` steps this is the Transformer's schedule,
    sqrt(warmup / step). Source: Vaswani et al., "Attention is all you need", 2017.

    >>> decay = InverseSqrt(timescale=100)
    >>> decay(0), decay(300), decay(9900)
    (1.0, 0.5, 0.1)
    """

    timescale: int
    steps = None

    def __post_init__(self) -> None:
        """Refuse a time scale that is not whole."""
        object.__setattr__(self, "timescale", whole("InverseSqrt", "timescale", self.timescale, least=1))

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

    rate: float
    every: int = 1
    steps = None

    def __post_init__(self) -> None:
        """Refuse a rate that is not positive and an empty or broken period."""
        object.__setattr__(self, "rate", _positive("InverseTime", "rate", self.rate))
        object.__setattr__(self, "every", whole("InverseTime", "every", self.every, least=1))

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

    lower: float
    upper: float
    steps: int

    def __post_init__(self) -> None:
        """Refuse bounds that do not rise and a length that is not whole."""
        object.__setattr__(self, "lower", finite("Tanh", "lower", self.lower))
        object.__setattr__(self, "upper", finite("Tanh", "upper", self.upper))
        object.__setattr__(self, "steps", whole("Tanh", "steps", self.steps, least=0))
        if self.lower >= self.upper:
            raise ValueError(f"Tanh: lower must be below upper, got {self.lower!r} and {self.upper!r}; swap them")

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

    every: int
    gamma: float = 0.1
    stairs: int = 1
    steps = None

    def __post_init__(self) -> None:
        """Refuse an empty or broken stair and a gamma that is not positive."""
        every, stairs = whole_stairs("Staircase", self.every, self.stairs)
        object.__setattr__(self, "every", every)
        object.__setattr__(self, "stairs", stairs)
        object.__setattr__(self, "gamma", _positive("Staircase", "gamma", self.gamma))

    def at(self, t: Any, xp: Any) -> Any:
        return power(self.gamma, stairs_begun(t, self.every, self.stairs, xp), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        return multiples(self.every, since, until, self.stairs)


@dataclass(frozen=True)
class Milestones(Schedule):
    """Multiplied by `gamma` at each of the `milestones`; it never ends.

    Formula: `gamma ** (number of milestones <= step)`. The milestones must rise strictly.
    Source: torch.optim.lr_scheduler.MultiStepLR.

    >>> stairs = Milestones((30, 80), gamma=0.5)
    >>> stairs(29), stairs(30), stairs(79), stairs(80)
    (1.0, 0.5, 0.5, 0.25)
    """

    milestones: Annotated[tuple[int, ...], A_LIST]
    gamma: float = 0.1
    steps = None

    def __post_init__(self) -> None:
        """Refuse milestones that are not whole, not rising or before step 0, and a gamma that is not positive."""
        if isinstance(self.milestones, (str, bytes)) or not isinstance(self.milestones, Iterable):
            raise TypeError(f"Milestones: milestones must be a list of steps, got {self.milestones!r}; write [30, 80]")
        given = tuple(self.milestones)
        if len(given) > MOST_MILESTONES:
            raise ValueError(
                f"Milestones: there must be at most {MOST_MILESTONES} milestones, got {len(given)}; use Staircase"
            )
        milestones = tuple(whole("Milestones", "a milestone", step, least=0) for step in given)
        for before, after in itertools.pairwise(milestones):
            if after <= before:
                raise ValueError(
                    f"Milestones: milestones must rise, got {before} before {after}; sort them and drop repeats"
                )
        object.__setattr__(self, "milestones", milestones)
        object.__setattr__(self, "gamma", _positive("Milestones", "gamma", self.gamma))

    def at(self, t: Any, xp: Any) -> Any:
        return power(self.gamma, passed(self.milestones, xp.clip(t, 0, None), xp), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        begin, end = (bisect.bisect_right(self.milestones, step) for step in (since, until))
        return list(self.milestones[begin:end][:MOST_BREAKPOINTS])


@dataclass(frozen=True)
class Exponential(Schedule):
    """Decays smoothly by `gamma` over every `every` steps; it never ends.

    Formula: `gamma ** (step / every)`. With `every=1` this is torch.optim.lr_scheduler.ExponentialLR, one step each.
    A gamma above 1 grows, and stays flat at about 1e150.

    >>> decay = Exponential(gamma=0.25, every=10)
    >>> decay(0), decay(5), decay(10), decay(10**9)
    (1.0, 0.5, 0.25, 0.0)
    """

    gamma: float
    every: int = 1
    steps = None

    def __post_init__(self) -> None:
        """Refuse a gamma that is not positive and an empty or broken period."""
        object.__setattr__(self, "gamma", _positive("Exponential", "gamma", self.gamma))
        object.__setattr__(self, "every", whole("Exponential", "every", self.every, least=1))

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

    function: Callable[[int], float]
    every: int = 1
    stairs: int = 1
    steps = None

    def __post_init__(self) -> None:
        """Refuse what cannot be called and an empty or broken period."""
        if not callable(self.function):
            raise TypeError(f"Custom: function must be callable, got {self.function!r}; give a function of the step")
        every, stairs = whole_stairs("Custom", self.every, self.stairs)
        object.__setattr__(self, "every", every)
        object.__setattr__(self, "stairs", stairs)

    def at(self, t: Any, xp: Any) -> Any:
        return one_by_one(self._one, stairs_begun(xp.clip(t, 0, None), self.every, self.stairs, xp), xp)

    def _one(self, count: Any) -> Any:
        return called("Custom", self.function, int(count) if isinstance(count, (int, float)) else count)


def called(who: str, function: Callable[[Any], Any], value: Any) -> Any:
    """Call a function of the user's; where its argument is a number, refuse all but a finite number from it."""
    name = f"{who}: {getattr(function, '__name__', 'function')}({value})"
    try:
        found = function(value)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"{name}: it must give a number, got {said}; mend the function") from error
    return finite(name, "its value", found) if isinstance(value, (int, float)) else found


def _positive(who: str, name: str, value: Any) -> float:
    number = finite(who, name, value)
    if number <= 0:
        raise ValueError(f"{who}: {name} must be above 0, got {value!r}; give a factor such as 0.1")
    return number
