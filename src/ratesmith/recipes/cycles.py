"""Schedules that go up and down again: cyclic rates and warm restarts."""

from __future__ import annotations

import math
from fractions import Fraction

from ratesmith._checks import FARTHEST, MOST_CYCLES, Option, OptionValueError, whole
from ratesmith._field_checks import positive
from ratesmith.horizon import Horizon, OpenHorizon
from ratesmith.recipes._recipe import at_pace, length_of, period_of, recipe, share
from ratesmith.schedule import Schedule
from ratesmith.shapes import Exponential, Ramp


@recipe(steps="up")
def cyclic(
    horizon: Horizon,
    up: int | str,
    down: int | str | None = None,
    *,
    low: float = 0.1,
    mode: str = "triangular",
    gamma: float = 0.999,
) -> Schedule:
    """Cyclical rates: from `low` up to the base rate in `up` steps, down in `down`, again and again.

    Formula: `low + (1 - low) * tri(step) * k`, tri the triangle from 0 to 1 to 0 and k, in cycle i counted from 0, 1
    (triangular), `0.5 ** i` (triangular2) or `gamma ** step` (exp_range). `down` is as long as `up` unless given.
    Cycles of no whole number of steps are laid out up to the end of training.
    Source: Smith, "Cyclical learning rates", 2017, arXiv 1506.01186; torch.optim.lr_scheduler.CyclicLR.

    >>> schedule = cyclic(100, 10, low=0.5, mode="triangular2")
    >>> schedule(0), schedule(10), schedule(20), schedule(30), schedule(50)
    (0.5, 1.0, 0.5, 0.75, 0.625)
    """
    floor, decay = share("low", low), positive("cyclic", "gamma", gamma)
    if mode not in ("triangular", "triangular2", "exp_range"):
        must = f" must be 'triangular', 'triangular2' or 'exp_range', got {mode!r}; choose one"
        raise OptionValueError("cyclic: ", Option("mode"), must)
    rise = period_of(horizon, "up", up, least=0)
    fall = rise if down is None else period_of(horizon, "down", down, least=0)
    if not rise and not fall:
        raise OptionValueError("cyclic: ", Option("up"), f" must be at least 1 step, got {up!r}; give a longer one")
    fine = math.lcm(rise.denominator, fall.denominator)  # parts of a step, of which both have a whole number
    if (
        fine > 1 and fine * horizon.steps > FARTHEST // 4
    ):  # two shares of many decimals have too many: a millionth of a step will do
        fine = 10**6
    triangle = Ramp(0.0, 1.0, round(rise * fine)) >> Ramp(1.0, 0.0, round(fall * fine))
    waves = _laid_out(triangle.repeat(height=0.5 if mode == "triangular2" else 1.0), fine, horizon)
    if mode == "exp_range":
        waves = waves * Exponential(decay)
    return floor + (1 - floor) * waves


@recipe(steps="first", times="cycles", k="k_decay")
def sgdr(
    horizon: Horizon,
    first: int | str,
    *,
    growth: float = 1.0,
    height: float = 1.0,
    final: float = 0.0,
    warmup: int | str = 0,
    cycles: int | None = None,
    k_decay: float = 1.0,
) -> Schedule:
    """Cosine with warm restarts: cycles from the base rate to `final`, each `growth` times as long, `height` as high.

    Formula: in cycle i, which lasts `round(first * growth ** i)` steps,
    `final + (height ** i - final) * (1 + cos(pi u)) / 2`, u the share of the cycle that has passed. A `warmup` inside
    the first cycle rises from `final` in so many steps, and in the others takes the same share of the cycle. If
    `first` is no whole number of steps, neither are the cycles, and they are laid out up to the end of training.
    There are at most `cycles`, and after the last the rate stays at `final`; with a growth below 1, which shortens
    them, there are as many as last a step or more. In each, `k_decay` is as for `cosine`.
    Source: Loshchilov and Hutter, "SGDR", 2017 (growth is T_mult); timm's CosineLRScheduler (cycle_limit, k_decay).

    >>> schedule = sgdr(70, first=10, growth=2)
    >>> [round(schedule(step), 3) for step in (0, 5, 10, 20, 29, 30)]
    [1.0, 0.5, 1.0, 0.5, 0.006, 1.0]
    >>> shorter = sgdr(70, first=40, growth=0.5)
    >>> shorter(40), shorter(60), shorter(70), shorter.steps
    (1.0, 1.0, 1.0, 79)
    """
    cycle = period_of(horizon, "first", first)
    fine = cycle.denominator  # parts of a step, of which a cycle has a whole number
    whole_cycle = cycle.numerator
    up = math.floor(period_of(horizon, "warmup", warmup, least=0) * fine + Fraction(1, 2))
    floor = share("final", final)
    if up > whole_cycle:
        steps, first_steps = length_of(horizon, "warmup", warmup), length_of(horizon, "first", first)
        must = f" must be at most the first cycle of {first_steps} steps, got {steps}; make it shorter"
        raise OptionValueError("sgdr: ", Option("warmup"), must)

    def waves(low: float, high: float, height: float) -> Schedule:
        fall = at_pace(Ramp(high, low, whole_cycle - up, "cosine"), k_decay)
        wave = Ramp(low, high, up) >> fall
        try:
            repeated = wave.repeat(cycles, height=height, growth=growth)
        except OptionValueError:  # a growth next to 1 has more cycles than can be laid out, but this training few
            times = _cycles_of(horizon, cycle, growth) if cycles is None else None
            if times is None:
                raise
            repeated = wave.repeat(times, height=height, growth=growth)
        return _laid_out(repeated, fine, horizon)

    if height == 1.0 or floor == 0.0:
        return waves(floor, 1.0, height)
    return waves(0.0, 1.0, height) + floor * waves(1.0, 0.0, 1.0)


@recipe()
def cosine_restarts(horizon: Horizon, cycles: int, *, final: float = 0.0) -> Schedule:
    """Cosine with hard restarts: `cycles` equal cycles over what is left of training, the last ending with it.

    Formula: `final + (1 - final) * (1 + cos(pi u)) / 2`, u the share of the cycle that has passed; a cycle lasts
    steps / cycles, which need not be whole.
    Source: transformers.get_cosine_with_hard_restarts_schedule_with_warmup.

    >>> schedule = cosine_restarts(100, cycles=4)
    >>> schedule(0), round(schedule(24), 3), schedule(25), schedule(100)
    (1.0, 0.004, 1.0, 0.0)
    """
    times = whole("cosine_restarts", "cycles", cycles, least=1)
    cycle = Ramp(1.0, share("final", final), max(1, horizon.left), "cosine")
    return cycle.repeat(times).stretch(max(1, horizon.left))


def _cycles_of(horizon: Horizon, first: Fraction, growth: float) -> int | None:
    """Return how many cycles what is left of a training has, if their growth is next to 1 and they are not too many."""
    if isinstance(horizon, OpenHorizon) or not 0.9 < growth < 1.1:
        return None
    steps, left = 0, horizon.left * first.denominator
    for cycles in range(1, MOST_CYCLES):
        steps += round(first.numerator * growth ** (cycles - 1))
        if steps >= left:
            return cycles
    return None


def _laid_out(cycles: Schedule, fine: int, horizon: Horizon) -> Schedule:
    """Return cycles that are counted in parts of a step, `fine` of them each, over the steps left of training."""
    if fine == 1:
        return cycles
    left = max(1, horizon.left)
    return cycles.take(fine * left).stretch(left)
