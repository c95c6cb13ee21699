"""The shapes: ramps of every curve, staircase, milestones, exponential decay, and a function of your own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from ratesmith._arrays import NUMBERS, one_by_one, passed
from ratesmith._checks import finite, most_power, whole
from ratesmith.schedule import Schedule


def _linear(t: Any, steps: int, xp: Any) -> tuple[Any, Any]:
    return t / steps, (steps - t) / steps


def _cosine(t: Any, steps: int, xp: Any) -> tuple[Any, Any]:
    cos = xp.cos(math.pi * t / steps)
    return (1 - cos) / 2, (1 + cos) / 2


SHAPES: Final[dict[str, Callable[[Any, int, Any], tuple[Any, Any]]]] = {"linear": _linear, "cosine": _cosine}
"""The curves of a ramp: at `t` of `steps`, the share of its end and the share of its start.

Both shares are given because one minus the other loses its last digits near zero.
"""


@dataclass(frozen=True)
class Ramp(Schedule):
    """From `start` to `end` in `steps` steps along a curve; flat before and after.

    Formula: `start * (1 - s) + end * s` with p = min(step, steps) / steps and s = p (linear) or
    s = (1 - cos(pi p)) / 2 (cosine). A ramp of zero steps is `end` everywhere.
    Source of the cosine: Loshchilov and Hutter, "SGDR", 2017, equation 5.

    >>> decay = Ramp(1.0, 0.0, 100, "cosine")
    >>> decay(0), round(decay(50), 15), decay(100), decay(101)
    (1.0, 0.5, 0.0, 0.0)
    """

    start: float
    end: float
    steps: int
    shape: str = "linear"

    def __post_init__(self) -> None:
        """Refuse values that are not finite, a length that is not whole, and an unknown shape."""
        object.__setattr__(self, "start", finite("Ramp", "start", self.start))
        object.__setattr__(self, "end", finite("Ramp", "end", self.end))
        object.__setattr__(self, "steps", whole("Ramp", "steps", self.steps, least=0))
        if self.shape not in SHAPES:
            known = ", ".join(map(repr, SHAPES))
            raise ValueError(f"Ramp: shape must be one of {known}, got {self.shape!r}; choose one of them")

    def _at(self, t: Any, xp: Any) -> Any:
        if self.steps == 0:
            return t * 0 + self.end
        if xp is not NUMBERS:
            t = xp.clip(t, 0, self.steps)
        elif t < 0:
            t = 0
        elif t > self.steps:
            t = self.steps
        to_end, to_start = SHAPES[self.shape](t, self.steps, xp)
        return self.start * to_start + self.end * to_end


@dataclass(frozen=True)
class Staircase(Schedule):
    """Multiplied by `gamma` once every `every` steps; it never ends.

    Formula: `gamma ** floor(step / every)`. Source: torch.optim.lr_scheduler.StepLR.

    >>> stairs = Staircase(every=30, gamma=0.5)
    >>> stairs(0), stairs(29), stairs(30), stairs(60)
    (1.0, 1.0, 0.5, 0.25)
    """

    every: int
    gamma: float = 0.1
    steps = None

    def __post_init__(self) -> None:
        """Refuse an empty or broken stair and a gamma that is not positive."""
        object.__setattr__(self, "every", whole("Staircase", "every", self.every, least=1))
        object.__setattr__(self, "gamma", _positive("Staircase", "gamma", self.gamma))

    def _at(self, t: Any, xp: Any) -> Any:
        return self.gamma ** xp.clip(t // self.every, 0, most_power(self.gamma))


@dataclass(frozen=True)
class Milestones(Schedule):
    """Multiplied by `gamma` at each of the steps in `at`; it never ends.

    Formula: `gamma ** (number of milestones <= step)`. The milestones must rise strictly.
    Source: torch.optim.lr_scheduler.MultiStepLR.

    >>> stairs = Milestones(at=(30, 80), gamma=0.5)
    >>> stairs(29), stairs(30), stairs(79), stairs(80)
    (1.0, 0.5, 0.5, 0.25)
    """

    at: tuple[int, ...]
    gamma: float = 0.1
    steps = None

    def __post_init__(self) -> None:
        """Refuse milestones that are not whole, not rising or before step 0, and a gamma that is not positive."""
        if isinstance(self.at, (str, bytes)) or not isinstance(self.at, Iterable):
            raise TypeError(f"Milestones: at must be a list of steps, got {self.at!r}; write [30, 80]")
        at = tuple(whole("Milestones", "a milestone", step, least=0) for step in self.at)
        for before, after in itertools.pairwise(at):
            if after <= before:
                raise ValueError(
                    f"Milestones: milestones must rise, got {before} before {after}; sort them and drop repeats"
                )
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "gamma", _positive("Milestones", "gamma", self.gamma))

    def _at(self, t: Any, xp: Any) -> Any:
        return self.gamma ** xp.clip(passed(self.at, xp.clip(t, 0, None), xp), 0, most_power(self.gamma))


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

    def _at(self, t: Any, xp: Any) -> Any:
        return self.gamma ** xp.clip(t / self.every, 0.0, most_power(self.gamma))


@dataclass(frozen=True)
class Custom(Schedule):
    """Your own rule: `function(step // every)` gives the factor; it never ends.

    `function` gets one int of at least 0 at a time, as torch.optim.lr_scheduler.LambdaLR calls it, and must give a
    finite number: anything else raises ValueError or TypeError with the step at which it happened. For JAX arrays and
    torch tensors it gets the array, whose values may not be known yet, and has to be made of operations on arrays.

    >>> rule = Custom(lambda epoch: 0.95**epoch, every=100)
    >>> rule(0), rule(99), rule(100)
    (1.0, 1.0, 0.95)
    """

    function: Callable[[int], float]
    every: int = 1
    steps = None

    def __post_init__(self) -> None:
        """Refuse what cannot be called and an empty or broken period."""
        if not callable(self.function):
            raise TypeError(f"Custom: function must be callable, got {self.function!r}; give a function of the step")
        object.__setattr__(self, "every", whole("Custom", "every", self.every, least=1))

    def _at(self, t: Any, xp: Any) -> Any:
        return one_by_one(self._one, xp.clip(t, 0, None) // self.every, xp)

    def _one(self, count: Any) -> Any:
        known = isinstance(count, (int, float))
        count = int(count) if known else count
        name = f"Custom: {getattr(self.function, '__name__', 'function')}({count})"
        try:
            value = self.function(count)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise ValueError(f"{name}: it must give a number, got {said}; mend the function") from error
        return finite(name, "its value", value) if known else value


def _positive(who: str, name: str, value: Any) -> float:
    number = finite(who, name, value)
    if number <= 0:
        raise ValueError(f"{who}: {name} must be above 0, got {value!r}; give a factor such as 0.1")
    return number
