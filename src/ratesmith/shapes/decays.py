"""Decays by a formula: exponential, inverse, hyperbolic, and polynomials that begin again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from ratesmith._arrays import power, root
from ratesmith._checks import Option, OptionValueError, finite, whole
from ratesmith._field_checks import Check, check_flag, positive
from ratesmith.schedule.base import MOST_BREAKPOINTS, Schedule, multiples


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
        return [self.steps] if max(since, 0) < self.steps <= until else []


@dataclass(frozen=True)
class PolynomialCycles(Schedule):
    """Polynomial decay that begins again every `every` steps, each time towards a later end; it never ends.

    Formula: `(1 - step / (n every)) ** power`, n = max(1, ceil(step / every)): it is 0 at each multiple of `every`, and
    one step later back on the line to the next. Source: keras.optimizers.schedules.PolynomialDecay(cycle=True).

    >>> saw = PolynomialCycles(every=10)
    >>> saw(0), saw(5), saw(10), saw(15), saw(20)
    (1.0, 0.5, 0.0, 0.25, 0.0)
    """

    every: Annotated[int, Check(whole, least=1)]
    power: Annotated[float, Check(positive, remedy="give 2 for quadratic")] = 1.0
    steps = None

    def at(self, t: Any, xp: Any) -> Any:
        t = xp.clip(t, 0, None)
        left = xp.where(t > 0, -t % self.every, self.every)
        return root(left / (t + left), self.power, xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        ends = multiples(self.every, max(since, 0) - 1, until)  # the line to the next end is seen a step behind it
        return [end + 1 for end in ends if max(since, 0) < end + 1 <= until][:MOST_BREAKPOINTS]


@dataclass(frozen=True)
class Hyperbolic(Schedule):
    """Falls along a hyperbola in `steps` steps, the first of an imagined `bound`; flat before and after.

    Formula: `1 + (1 - infimum) (f(step) - f(0))`, or if `exponential` `infimum ** (f(0) - f(step))`, where
    f(n) = sqrt((steps - n) / bound * (2 - (steps + n) / bound)). `infimum` is reached if `bound` is `steps`; if it is
    more, the end lies above it. Source: Kim, "HyperbolicLR", 2024, arXiv 2407.15200.

    >>> decay = Hyperbolic(100, bound=200, infimum=0.1)
    >>> decay(0), round(decay(50), 4), round(decay(100), 4)
    (1.0, 0.7237, 0.2206)
    """

    steps: Annotated[int, Check(whole, least=0)]
    bound: Annotated[int, Check(whole, least=1)]
    infimum: Annotated[float, Check(finite, least=0.0, most=1.0)] = 0.0
    exponential: Annotated[bool, Check(check_flag)] = False

    def __post_init__(self) -> None:
        """Refuse a hyperbola that ends before the steps do, and an exponential one to 0."""
        super().__post_init__()
        if self.bound < self.steps:
            must = f" must be at least {self.steps}, the steps, got {self.bound}; give a larger one"
            raise OptionValueError("Hyperbolic: ", Option("bound"), must)
        if self.exponential and not self.infimum:
            must = f" needs an infimum above 0, got {self.infimum!r}; give a small one such as 1e-3"
            raise OptionValueError("Hyperbolic: ", Option("exponential"), must)

    def at(self, t: Any, xp: Any) -> Any:
        t = xp.clip(t, 0, self.steps)
        fall = math.sqrt(self._square(0)) - root(self._square(t), 0.5, xp)
        if self.exponential:
            return xp.exp(math.log(self.infimum) * fall)
        return 1 - (1 - self.infimum) * fall

    def _square(self, t: Any) -> Any:
        return (self.steps - t) / self.bound * ((2 * self.bound - self.steps - t) / self.bound)

    def breakpoints(self, since: int, until: int) -> list[int]:
        return [self.steps] if max(since, 0) < self.steps <= until else []
