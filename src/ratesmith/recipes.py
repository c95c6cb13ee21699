"""Schedules under the names people know, each built from shapes for one horizon.

Every recipe takes the horizon first: how long training lasts, as a `Horizon` or as a number of steps. Other lengths
are steps (`500`), shares of all training (`"5%"`) or epochs (`"2ep"`), and count from where the recipe starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ratesmith._checks import finite
from ratesmith.horizon import Horizon
from ratesmith.schedule import Constant
from ratesmith.shapes import Custom, Exponential, Milestones, Ramp, Staircase


def constant(horizon: Horizon | int) -> Constant:
    """The base rate at every step, the baseline of every comparison.

    >>> constant(100)(0), constant(100)(99)
    (1.0, 1.0)
    """
    return Constant(1.0, Horizon.of(horizon).left)


def step(horizon: Horizon | int, every: int | str, gamma: float = 0.1) -> Staircase:
    """Step decay: times `gamma` once every `every`.

    Formula: `gamma ** floor(step / every)`. Source: torch.optim.lr_scheduler.StepLR.

    >>> decay = step(300, every="30%", gamma=0.5)
    >>> decay(89), decay(90), decay(180)
    (1.0, 0.5, 0.25)
    """
    return Staircase(Horizon.of(horizon).resolve(every), gamma)


def multistep(horizon: Horizon | int, milestones: Iterable[int | str], gamma: float = 0.1) -> Milestones:
    """Multistep decay: times `gamma` at each milestone.

    Formula: `gamma ** (number of milestones <= step)`. Source: torch.optim.lr_scheduler.MultiStepLR.

    >>> decay = multistep(100, milestones=["50%", 80], gamma=0.5)
    >>> decay(49), decay(50), decay(80)
    (1.0, 0.5, 0.25)
    """
    if isinstance(milestones, str) or not isinstance(milestones, Iterable):
        raise TypeError(f"multistep: milestones must be a list of lengths, got {milestones!r}; write ['50%', '75%']")
    known = Horizon.of(horizon)
    return Milestones(tuple(known.resolve(length) for length in milestones), gamma)


def exponential(horizon: Horizon | int, gamma: float, every: int | str = 1) -> Exponential:
    """Exponential decay: smoothly by `gamma` over every `every`.

    Formula: `gamma ** (step / every)`; `every="1ep"` reads gamma as the factor of an epoch.
    Source: torch.optim.lr_scheduler.ExponentialLR.

    >>> decay = exponential(100, gamma=0.25, every="50%")
    >>> decay(0), decay(25), decay(50), decay(100)
    (1.0, 0.5, 0.25, 0.0625)
    """
    return Exponential(gamma, Horizon.of(horizon).resolve(every))


def cosine(horizon: Horizon | int, *, final: float = 0.0) -> Ramp:
    """Cosine decay from the base rate to `final`, a share of it, over what is left of training; flat after it.

    Formula: `final + (1 - final) * (1 + cos(pi step / steps)) / 2`. Source: Loshchilov and Hutter, "SGDR", 2017.

    >>> decay = cosine(100, final=0.5)
    >>> decay(0), round(decay(50), 15), decay(100), decay(200)
    (1.0, 0.75, 0.5, 0.5)
    """
    return Ramp(1.0, finite("cosine", "final", final, least=0.0, most=1.0), Horizon.of(horizon).left, "cosine")


def linear(horizon: Horizon | int, *, final: float = 0.0) -> Ramp:
    """Linear decay from the base rate to `final`, a share of it, over what is left of training; flat after it.

    Formula: `1 + (final - 1) * step / steps`. Source: torch.optim.lr_scheduler.LinearLR.

    >>> decay = linear(100)
    >>> decay(0), decay(50), decay(100)
    (1.0, 0.5, 0.0)
    """
    return Ramp(1.0, finite("linear", "final", final, least=0.0, most=1.0), Horizon.of(horizon).left)


def warmup(horizon: Horizon | int, length: int | str, *, start: float = 0.0, shape: str = "linear") -> Ramp:
    """Warm-up from `start`, a share of the base rate, to the base rate: put it in front, `warmup(...) >> cosine(...)`.

    Formula: `start + (1 - start) * step / length`; the first step trains at `start`, step `length` at the base rate.
    Source: Goyal et al., "Accurate, large minibatch SGD", 2017.

    >>> ramp = warmup(100, "4%")
    >>> ramp(0), ramp(2), ramp(4)
    (0.0, 0.5, 1.0)
    """
    return Ramp(finite("warmup", "start", start, least=0.0, most=1.0), 1.0, Horizon.of(horizon).resolve(length), shape)


def custom(horizon: Horizon | int, function: Callable[[int], float], every: int | str = 1) -> Custom:
    """Your own rule: `function(step // every)` gives the factor.

    Source: torch.optim.lr_scheduler.LambdaLR.

    >>> rule = custom(100, lambda count: 1 / (1 + count), every="10%")
    >>> rule(0), rule(9), rule(10)
    (1.0, 1.0, 0.5)
    """
    return Custom(function, Horizon.of(horizon).resolve(every))
