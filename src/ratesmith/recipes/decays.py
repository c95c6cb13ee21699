"""Schedules that fall from the base rate: by steps, smoothly, to a curve, or by your own rule."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Annotated

from ratesmith._checks import A_LIST, Option, OptionTypeError, OptionValueError, finite, options_of
from ratesmith._field_checks import positive
from ratesmith.horizon import Horizon, OpenHorizon
from ratesmith.recipes._recipe import at_pace, length_of, period_of, recipe, share
from ratesmith.schedule import Constant, Power, Schedule, Sequence
from ratesmith.shapes import (
    Custom,
    Exponential,
    Hyperbolic,
    InverseTime,
    Milestones,
    PolynomialCycles,
    Ramp,
    Staircase,
    Tanh,
)

Points = Annotated[Iterable[int | str], A_LIST]
Factors = Annotated[Iterable[float], A_LIST]


@recipe()
def constant(horizon: Horizon, length: int | str | None = None) -> Constant:
    """The base rate at every step, the baseline of every comparison; for `length`, or for what is left of training.

    In a notation that is built without a horizon it never ends.

    >>> constant(100)(0), constant(100)(99), constant(100, "50%").steps
    (1.0, 1.0, 50)
    """
    if length is None:
        return Constant(1.0, None if type(horizon) is OpenHorizon else horizon.left)
    return Constant(1.0, length_of(horizon, "length", length))


@recipe()
def step(horizon: Horizon, every: int | str, gamma: float = 0.1) -> Staircase:
    """Step decay: times `gamma` once every `every`.

    Formula: `gamma ** floor(step / every)`; if `every` is no whole number of steps, each drop is at the step nearest
    to its multiple. Source: torch.optim.lr_scheduler.StepLR.

    >>> decay = step(300, every="30%", gamma=0.5)
    >>> decay(89), decay(90), decay(180)
    (1.0, 0.5, 0.25)
    >>> print(step(1001, "25%"))
    Staircase(1001, stairs=4)
    """
    period = period_of(horizon, "every", every)
    return Staircase(period.numerator, gamma, period.denominator)


@recipe()
def multistep(horizon: Horizon, milestones: Points, gamma: float = 0.1) -> Milestones:
    """Multistep decay: times `gamma` at each milestone, a point of the whole training or a step from the start.

    Formula: `gamma ** (number of milestones <= step)`. Source: torch.optim.lr_scheduler.MultiStepLR.

    >>> decay = multistep(100, milestones=["50%", 80], gamma=0.5)
    >>> decay(49), decay(50), decay(80)
    (1.0, 0.5, 0.25)
    """
    return Milestones(_located(horizon, milestones), gamma)


@recipe()
def piecewise_constant(
    horizon: Horizon,
    milestones: Points,
    factors: Factors,
) -> Schedule:
    """A factor of your own between milestones: `factors[i]` from milestone i - 1 on, one more factor than milestones.

    Source: keras.optimizers.schedules.PiecewiseConstantDecay, which changes one step later.

    >>> stairs = piecewise_constant(100, milestones=["50%", 80], factors=[1, 0.5, 0.2])
    >>> stairs(49), stairs(50), stairs(80)
    (1.0, 0.5, 0.2)
    """
    points, values = _located(horizon, milestones), _numbers(factors)
    if len(values) != len(points) + 1:
        raise OptionValueError(
            "piecewise_constant: ",
            Option("factors"),
            f" must be one more than the milestones, got {len(values)} for {len(points)} milestones; "
            "the first factor is the one before the first milestone",
        )
    lengths = (later - sooner for sooner, later in itertools.pairwise((0, *points)))
    return Sequence((*map(Constant, values, lengths), Constant(values[-1])))


@recipe()
def piecewise_linear(
    horizon: Horizon,
    milestones: Points,
    factors: Factors,
) -> Schedule:
    """Straight lines between milestones: the factor is `factors[i]` at `milestones[i]`; flat before and after them.

    Source: ignite.handlers.PiecewiseLinear.

    >>> lines = piecewise_linear(100, milestones=[0, "10%", "100%"], factors=[0, 1, 0.1])
    >>> lines(0), lines(5), lines(10), lines(55), lines(100)
    (0.0, 0.5, 1.0, 0.55, 0.1)
    """
    points, values = _located(horizon, milestones), _numbers(factors)
    if len(values) != len(points) or not points:
        raise OptionValueError(
            "piecewise_linear: ",
            Option("factors"),
            f" must be one for each milestone, got {len(values)} for {len(points)} milestones; "
            "write [0, '100%'] and [1, 0.1]",
        )
    pairs = zip(itertools.pairwise(points), itertools.pairwise(values), strict=True)
    ramps = (Ramp(here, there, later - sooner) for (sooner, later), (here, there) in pairs)
    return Sequence((Constant(values[0], points[0]), *ramps, Constant(values[-1])))


@recipe()
def exponential(horizon: Horizon, gamma: float, every: int | str = 1) -> Exponential:
    """Exponential decay: smoothly by `gamma` over every `every`.

    Formula: `gamma ** (step / every)`; `every="1ep"` reads gamma as the factor of an epoch.
    Source: torch.optim.lr_scheduler.ExponentialLR.

    >>> decay = exponential(100, gamma=0.25, every="50%")
    >>> decay(0), decay(25), decay(50), decay(100)
    (1.0, 0.5, 0.25, 0.0625)
    """
    period = period_of(horizon, "every", every)
    if period.denominator == 1:
        return Exponential(gamma, period.numerator)
    # In one step, if the period is no whole number of them: rounded, it would be off by more in each.
    return Exponential(Exponential(gamma).gamma ** float(1 / period))


@recipe()
def natural_exponential(horizon: Horizon, rate: float, every: int | str = 1) -> Exponential:
    """Natural exponential decay: at the given rate over every `every`.

    Formula: `exp(-rate * step / every)`, an exponential decay with gamma = exp(-rate).
    Source: paddle.optimizer.lr.NaturalExpDecay.

    >>> decay = natural_exponential(100, rate=1.0, every="50%")
    >>> decay(0), round(decay(50), 6), round(decay(100), 6)
    (1.0, 0.367879, 0.135335)
    """
    return exponential(horizon, math.exp(-finite("natural_exponential", "rate", rate, least=0.0, most=300.0)), every)


@recipe()
def inverse_time(horizon: Horizon, rate: float, every: int | str = 1) -> InverseTime:
    """Inverse-time decay: to `1 / (1 + rate)` after one `every`.

    Formula: `1 / (1 + rate * step / every)`. Source: keras.optimizers.schedules.InverseTimeDecay.

    >>> decay = inverse_time(100, rate=1.0, every="10%")
    >>> decay(0), decay(10), decay(30)
    (1.0, 0.5, 0.25)
    """
    period = period_of(horizon, "every", every)
    if period.denominator == 1:
        return InverseTime(rate, period.numerator)
    return InverseTime(InverseTime(rate).rate / float(period))


@recipe(k="k_decay")
def cosine(horizon: Horizon, *, final: float = 0.0, power: float = 1.0, k_decay: float = 1.0) -> Schedule:
    """Cosine decay from the base rate to `final`, a share of it, over what is left of training; flat after it.

    Formula: `final + (1 - final) * ((1 + cos(pi (step / steps) ** k_decay)) / 2) ** power`. A power of 0.5 is a quarter
    of a cosine, `cos(pi/2 step / steps)`. Source: Loshchilov and Hutter, "SGDR", 2017; optax.cosine_decay_schedule
    (power is its exponent); Zhang and Li, "k-decay", 2020, arXiv 2004.05909.

    >>> decay = cosine(100, final=0.5)
    >>> decay(0), round(decay(50), 15), decay(100), decay(200)
    (1.0, 0.75, 0.5, 0.5)
    """
    floor = share("final", final)
    if power == 1.0:
        return at_pace(Ramp(1.0, floor, horizon.left, "cosine"), k_decay)
    curve = Power(at_pace(Ramp(1.0, 0.0, horizon.left, "cosine"), k_decay), power)
    return floor + (1 - floor) * curve if floor else curve


@recipe()
def linear(horizon: Horizon, *, final: float = 0.0) -> Ramp:
    """Linear decay from the base rate to `final`, a share of it, over what is left of training; flat after it.

    Formula: `1 + (final - 1) * step / steps`. To zero, as here by default, it is what Bergsma et al. 2025 (arXiv
    2502.15938) call D2Z. Source: torch.optim.lr_scheduler.LinearLR.

    >>> decay = linear(100)
    >>> decay(0), decay(50), decay(100)
    (1.0, 0.5, 0.0)
    """
    return Ramp(1.0, share("final", final), horizon.left)


@recipe(k="k_decay", every="cycle")
def polynomial(
    horizon: Horizon,
    power: float = 1.0,
    *,
    final: float = 0.0,
    k_decay: float = 1.0,
    cycle: int | str | None = None,
) -> Schedule:
    """Polynomial decay from the base rate to `final`, a share of it, over what is left of training; flat after it.

    Formula: `final + (1 - final) * (1 - (step / steps) ** k_decay) ** power`. With `cycle` it never ends, and steps is
    `n cycle`, n = max(1, ceil(step / cycle)): after each cycle it begins again lower, towards a later end.
    Source: torch.optim.lr_scheduler.PolynomialLR; timm's PolyLRScheduler (k_decay);
    keras.optimizers.schedules.PolynomialDecay (its `cycle=True`, with `cycle` its decay_steps).

    >>> decay = polynomial(100, power=2)
    >>> decay(0), decay(50), decay(100)
    (1.0, 0.25, 0.0)
    """
    curve, floor = positive("polynomial", "power", power, remedy="give 2 for quadratic"), share("final", final)
    if cycle is None:
        return at_pace(Ramp(1.0, floor, horizon.left, curve), k_decay)
    if k_decay != 1.0:
        raise OptionValueError("polynomial: ", Option("k_decay"), f" has no cycles, got {k_decay!r}; drop it or cycle")
    cycles = PolynomialCycles(length_of(horizon, "cycle", cycle, least=1), curve)
    return floor + (1 - floor) * cycles if floor else cycles


@recipe()
def rex(horizon: Horizon, *, final: float = 0.0) -> Ramp:
    """REX decay: slow at first, fast at the end.

    Formula: `final + (1 - final) * (1 - p) / (1 - p / 2)`, p = step / steps. Source: Chen et al., "REX", 2022.

    >>> decay = rex(100)
    >>> decay(0), round(decay(50), 4), decay(100)
    (1.0, 0.6667, 0.0)
    """
    return Ramp(1.0, share("final", final), horizon.left, "rex")


@recipe(steps="horizon")
def hyperbolic(horizon: Horizon, bound: int | str, *, infimum: float = 0.0, exponential: bool = False) -> Hyperbolic:
    """Hyperbolic decay: over what is left of training, the first part of a hyperbola of `bound` steps.

    Formula: `1 + (1 - infimum) * (f(step) - f(0))`, or if `exponential` `infimum ** (f(0) - f(step))`, where
    f(n) = sqrt((steps - n) / bound * (2 - (steps + n) / bound)). So the beginning hardly changes with the length of
    training. Source: Kim, "HyperbolicLR", 2024, arXiv 2407.15200 (bound is its upper_bound).

    >>> decay = hyperbolic(100, 200, infimum=0.1)
    >>> decay(0), round(decay(50), 4), round(decay(100), 4)
    (1.0, 0.7237, 0.2206)
    """
    return Hyperbolic(horizon.left, length_of(horizon, "bound", bound), infimum, exponential)


@recipe()
def tanh(horizon: Horizon, lower: float = -7.0, upper: float = 3.0, *, final: float = 0.0) -> Schedule:
    """Hyperbolic-tangent decay from about the base rate to about `final`: late and sudden with the usual bounds.

    Formula: `final + (1 - final) * (1 - tanh(lower + (upper - lower) * step / steps)) / 2`.
    Source: Hsueh et al., "Stochastic gradient descent with hyperbolic-tangent decay", 2019, arXiv 1806.01593.

    >>> decay = tanh(100)
    >>> round(decay(0), 5), round(decay(70), 5), round(decay(100), 5)
    (1.0, 0.5, 0.00247)
    """
    floor = share("final", final)
    curve = Tanh(lower, upper, horizon.left)
    return floor + (1 - floor) * curve if floor else curve


@recipe()
def custom(horizon: Horizon, function: Callable[[int], float], every: int | str = 1) -> Custom:
    """Your own rule: `function(step // every)` gives the factor.

    If `every` is no whole number of steps, each count is at the step nearest to its multiple.
    Source: torch.optim.lr_scheduler.LambdaLR.

    >>> rule = custom(100, lambda count: 1 / (1 + count), every="10%")
    >>> rule(0), rule(9), rule(10)
    (1.0, 1.0, 0.5)
    """
    period = period_of(horizon, "every", every)
    return Custom(function, period.numerator, period.denominator)


def _located(horizon: Horizon, milestones: Iterable[int | str]) -> tuple[int, ...]:
    """Return milestones as rising steps from where this part starts."""
    if isinstance(milestones, str) or not isinstance(milestones, Iterable):
        must = f" must be a list of lengths, got {milestones!r}; write ['50%', '75%']"
        raise OptionTypeError("Recipe: ", Option("milestones"), must)
    with options_of("Recipe", length="milestones"):
        return Milestones(tuple(horizon.locate(point) for point in milestones)).milestones


def _numbers(factors: Iterable[float]) -> tuple[float, ...]:
    if isinstance(factors, str) or not isinstance(factors, Iterable):
        must = f" must be a list of numbers, got {factors!r}; write [1, 0.1]"
        raise OptionTypeError("Recipe: ", Option("factors"), must)
    return tuple(finite("Recipe", "each of factors", factor, least=0.0) for factor in factors)
