"""Schedules under the names people know, each built from shapes for one horizon.

Every recipe takes the horizon first: how long training lasts, as a `Horizon` or as a number of steps. Other lengths
are steps (`500`), shares of all training (`"5%"`) or epochs (`"2ep"`), and count from where the recipe starts; a
milestone as a share or in epochs is a point of the whole training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ratesmith._checks import finite
from ratesmith.horizon import Horizon
from ratesmith.schedule import Constant, Schedule
from ratesmith.shapes import Custom, Exponential, InverseSqrt, InverseTime, Milestones, Ramp, Staircase


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
    """Multistep decay: times `gamma` at each milestone, a point of the whole training or a step from the start.

    Formula: `gamma ** (number of milestones <= step)`. Source: torch.optim.lr_scheduler.MultiStepLR.

    >>> decay = multistep(100, milestones=["50%", 80], gamma=0.5)
    >>> decay(49), decay(50), decay(80)
    (1.0, 0.5, 0.25)
    """
    if isinstance(milestones, str) or not isinstance(milestones, Iterable):
        raise TypeError(f"multistep: milestones must be a list of lengths, got {milestones!r}; write ['50%', '75%']")
    known = Horizon.of(horizon)
    return Milestones(tuple(known.locate(point) for point in milestones), gamma)


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


def polynomial(horizon: Horizon | int, power: float = 1.0, *, final: float = 0.0) -> Ramp:
    """Polynomial decay from the base rate to `final`, a share of it, over what is left of training; flat after it.

    Formula: `final + (1 - final) * (1 - step / steps) ** power`. Source: torch.optim.lr_scheduler.PolynomialLR.

    >>> decay = polynomial(100, power=2)
    >>> decay(0), decay(50), decay(100)
    (1.0, 0.25, 0.0)
    """
    return Ramp(1.0, finite("polynomial", "final", final, least=0.0, most=1.0), Horizon.of(horizon).left, power)


def rex(horizon: Horizon | int, *, final: float = 0.0) -> Ramp:
    """REX decay: slow at first, fast at the end.

    Formula: `final + (1 - final) * (1 - p) / (1 - p / 2)`, p = step / steps. Source: Chen et al., "REX", 2022.

    >>> decay = rex(100)
    >>> decay(0), round(decay(50), 4), decay(100)
    (1.0, 0.6667, 0.0)
    """
    return Ramp(1.0, finite("rex", "final", final, least=0.0, most=1.0), Horizon.of(horizon).left, "rex")


def inverse_time(horizon: Horizon | int, rate: float, every: int | str = 1) -> InverseTime:
    """Inverse-time decay: to `1 / (1 + rate)` after one `every`.

    Formula: `1 / (1 + rate * step / every)`. Source: keras.optimizers.schedules.InverseTimeDecay.

    >>> decay = inverse_time(100, rate=1.0, every="10%")
    >>> decay(0), decay(10), decay(30)
    (1.0, 0.5, 0.25)
    """
    return InverseTime(rate, Horizon.of(horizon).resolve(every))


def inverse_sqrt(horizon: Horizon | int, length: int | str, *, start: float = 0.0) -> Schedule:
    """The Transformer's schedule, also called Noam: a linear warm-up of `length`, then one over the root of time.

    Formula: `step / length` up to `length`, then `sqrt(length / step)`. A warm-up of zero steps is refused.
    Source: Vaswani et al., "Attention is all you need", 2017; transformers.get_inverse_sqrt_schedule.

    >>> decay = inverse_sqrt(1000, length=100)
    >>> decay(0), decay(50), decay(100), decay(400)
    (0.0, 0.5, 1.0, 0.5)
    """
    ramp = warmup(horizon, length, start=start)
    return ramp >> InverseSqrt(ramp.steps)


def wsd(
    horizon: Horizon | int,
    *,
    warmup: int | str = 0,
    decay: int | str = "20%",
    final: float = 0.0,
    shape: str | float = "linear",
) -> Schedule:
    """Warm-up, stable, decay, also called trapezoidal: up in `warmup`, flat, and down to `final` in the last `decay`.

    Formula: `step / warmup`, then 1, then for the last `decay` steps a ramp of that shape from 1 to `final`. Raises
    ValueError where warm-up and decay together are longer than training. Source: Hu et al., "MiniCPM", 2024, arXiv
    2404.06395; Haegele et al. 2024, arXiv 2405.18392 (decay shape 1-sqrt).

    >>> schedule = wsd(100, warmup="10%", decay="20%")
    >>> [schedule(step) for step in (0, 5, 10, 80, 90, 100)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    known = Horizon.of(horizon)
    up, down = known.resolve(warmup), known.resolve(decay)
    stable = known.left - up - down
    if stable < 0:
        raise ValueError(
            f"wsd: warmup and decay must fit into {known.left} steps, got {up} and {down}; make one of them shorter"
        )
    last = Ramp(1.0, finite("wsd", "final", final, least=0.0, most=1.0), down, shape)
    return Ramp(0.0, 1.0, up) >> Constant(1.0, stable) >> last


def sgdr(horizon: Horizon | int, first: int | str, *, length: float = 1.0, height: float = 1.0) -> Schedule:
    """Cosine with warm restarts: cycles of cosine decay to zero, each `length` times as long, `height` times as high.

    Formula: in cycle i, which lasts `round(first * length ** i)` steps, `height ** i * (1 + cos(pi u)) / 2`, u the
    share of the cycle that has passed. Source: Loshchilov and Hutter, "SGDR", 2017 (length is T_mult).

    >>> schedule = sgdr(70, first=10, length=2)
    >>> [round(schedule(step), 3) for step in (0, 5, 10, 20, 29, 30)]
    [1.0, 0.5, 1.0, 0.5, 0.006, 1.0]
    """
    known = Horizon.of(horizon)
    return Ramp(1.0, 0.0, known.resolve(first), "cosine").repeat(height=height, length=length)


def one_cycle(
    horizon: Horizon | int, *, peak: int | str = "30%", start: float = 0.04, final: float = 4e-6, shape: str = "cosine"
) -> Schedule:
    """One cycle: from `start`, a share of the base rate, up to it at step `peak`, and down to `final` at the end.

    Formula: a ramp of that shape from `start` to 1 in `peak` steps, then one from 1 to `final` in the rest. The base
    rate is the highest. torch's OneCycleLR(max_lr) has its peak one step earlier, and its end at the last step, not
    after it.
    Source: Smith and Topin, "Super-convergence", 2018, arXiv 1708.07120.

    >>> schedule = one_cycle(100, start=0.1, final=0.0, shape="linear")
    >>> [round(schedule(step), 3) for step in (0, 15, 30, 65, 100)]
    [0.1, 0.55, 1.0, 0.5, 0.0]
    """
    known = Horizon.of(horizon)
    up = known.resolve(peak)
    low, end = (finite("one_cycle", name, value, 0.0, 1.0) for name, value in (("start", start), ("final", final)))
    return Ramp(low, 1.0, up, shape) >> Ramp(1.0, end, known.after(up).left, shape)


def warmup(horizon: Horizon | int, length: int | str, *, start: float = 0.0, shape: str | float = "linear") -> Ramp:
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
