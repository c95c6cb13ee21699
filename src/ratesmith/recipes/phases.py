"""Schedules in phases: warm-up, stable, decay, one cycle, and a cooldown from any step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ratesmith._checks import Option, OptionValueError, finite, options_of, whole
from ratesmith._field_checks import positive
from ratesmith.horizon import Horizon, OpenHorizon
from ratesmith.recipes._recipe import clipped, is_cut_short, length_of, recipe, share
from ratesmith.schedule import Constant, Power, Schedule
from ratesmith.schedule.base import one_schedule
from ratesmith.shapes import InverseSqrt, Ramp

INCLUSIVE: Final = ("left", "right", "neither", "both")
"""The ends of a warm-up at which updates train: its start, the base rate, neither or both."""


@recipe()
def warmup(
    horizon: Horizon,
    length: int | str,
    *,
    start: float = 0.0,
    shape: str | float = "linear",
    inclusive: str = "left",
    into: Schedule | None = None,
) -> Schedule:
    """Warm-up from `start`, a share of the base rate, to the base rate: put it in front, `warmup(...) >> cosine(...)`.

    Formula: `start + (1 - start) * q`, and q is by `inclusive`, which says at which of its two ends updates train:
    step / length at the start alone (left), (step + 1) / length at the base rate alone (right), as in torchtitan,
    (step + 1) / (length + 1) at neither, as in nanoGPT, step / (length - 1) at both, as in DINOv2. Step `length` is the
    first behind the warm-up. With `into`, a schedule that counts from the first step, it rises to the value that this
    has at step `length`, and goes on with it from there, as in detectron2. If training ends inside the warm-up, it
    rises towards the highest value that `into` has in that training.
    Source: Goyal et al., "Accurate, large minibatch SGD", 2017; pandas.date_range(inclusive=) for the words.

    >>> ramp = warmup(100, "4%")
    >>> ramp(0), ramp(2), ramp(4)
    (0.0, 0.5, 1.0)
    >>> [[warmup(100, 4, inclusive=ends)(step) for step in range(4)] for ends in ("right", "both")]
    [[0.25, 0.5, 0.75, 1.0], [0.0, 0.3333333333333333, 0.6666666666666666, 1.0]]
    >>> joined = warmup(100, 20, into=Ramp(1.0, 0.0, 100))
    >>> joined(10), joined(20), joined(50), joined.steps
    (0.4, 0.8, 0.5, 100)
    """
    low, steps = share("start", start), length_of(horizon, "length", length)
    if into is None:
        return _rise(low, 1.0, steps, shape, inclusive)
    rest = one_schedule("warmup", "into", into)
    if not isinstance(horizon, OpenHorizon) and steps >= horizon.left > 0:
        return _short_rise_into(horizon, length, steps, rest, lambda end: _rise(low, end, steps, shape, inclusive))
    return _rise(low, float(rest(steps)), steps, shape, inclusive) >> rest.shift(-steps)


@recipe()
def ramp(
    horizon: Horizon, start: float, end: float, length: int | str | None = None, *, shape: str | float = "linear"
) -> Ramp:
    """From `start` to `end`, shares of the base rate, in `length` steps, or in what is left of training.

    >>> up = ramp(100, 0.5, 1.5, "10%")
    >>> up(0), up(5), up(10), up.steps
    (0.5, 1.0, 1.5, 10)
    """
    low, high = finite("ramp", "start", start, least=0.0), finite("ramp", "end", end, least=0.0)
    steps = horizon.left if length is None else length_of(horizon, "length", length)
    return Ramp(low, high, steps, shape)


@recipe()
def inverse_sqrt(
    horizon: Horizon, length: int | str, *, start: float = 0.0, inclusive: str = "left", power: float = 0.5
) -> Schedule:
    """The Transformer's schedule as a factor: a linear warm-up of `length`, then one over the root of time.

    Formula: `step / length` up to `length`, then `(length / step) ** power`. A warm-up of zero steps is refused;
    `inclusive` is as for `warmup`. With another power than 0.5 it is also called a power law.
    Source: Vaswani et al., "Attention is all you need", 2017; transformers.get_inverse_sqrt_schedule.

    >>> decay = inverse_sqrt(1000, length=100)
    >>> decay(0), decay(50), decay(100), decay(400)
    (0.0, 0.5, 1.0, 0.5)
    """
    steps = length_of(horizon, "length", length, least=1)
    return warmup(horizon, steps, start=start, inclusive=inclusive) >> _inverse(steps, power)


@recipe()
def noam(horizon: Horizon, d_model: int, length: int | str, *, scale: float = 1.0) -> Schedule:
    """The Transformer's schedule with its own peak, for a base rate of 1: `scale / sqrt(d_model * length)`.

    Formula: `scale * d_model ** -0.5 * min(step ** -0.5, step * length ** -1.5)`, and 0 at step 0.
    Source: Vaswani et al., "Attention is all you need", 2017; paddle.optimizer.lr.NoamDecay.

    >>> decay = noam(100_000, d_model=512, length=4000)
    >>> decay(0), round(decay(4000), 6), round(decay(16000), 6)
    (0.0, 0.000699, 0.000349)
    """
    rise = inverse_sqrt(horizon, length)
    wide = whole("noam", "d_model", d_model, least=1)
    peak: float = (wide * length_of(horizon, "length", length)) ** -0.5
    return finite("noam", "scale", scale, least=0.0) * peak * rise


@recipe(end="final")
def wsd(
    horizon: Horizon,
    *,
    warmup: int | str = 0,
    decay: int | str = "20%",
    final: float = 0.0,
    shape: str | float = "linear",
    inclusive: str = "left",
) -> Schedule:
    """Warm-up, stable, decay: up in `warmup`, flat, and down to `final` in the last `decay`.

    Formula: `step / warmup`, then 1, then for the last `decay` steps a ramp of that shape from 1 to `final`;
    `inclusive`, of the warm-up, is as for `warmup`. Raise ValueError if warm-up and decay together are longer than
    training; training may end inside the warm-up. Source: Hu et al., "MiniCPM", 2024, arXiv 2404.06395; Haegele et al.
    2024, arXiv 2405.18392 (decay shape 1-sqrt).

    >>> schedule = wsd(100, warmup="10%", decay="20%")
    >>> [schedule(step) for step in (0, 5, 10, 80, 90, 100)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    up, down = length_of(horizon, "warmup", warmup), length_of(horizon, "decay", decay)
    rise, last = _rise(0.0, 1.0, up, "linear", inclusive), Ramp(1.0, share("final", final), down, shape)
    if is_cut_short(horizon, warmup, up):
        return clipped(rise, horizon)
    stable = horizon.left - up - down
    if stable < 0:
        must = f" must fit into {horizon.left} steps, got {up} and {down}; make one of them shorter"
        raise OptionValueError("wsd: ", Option("warmup"), " and ", Option("decay"), must)
    return rise >> Constant(1.0, stable) >> last


@recipe()
def trapezoidal(
    horizon: Horizon, *, warmup: int | str = "10%", decay: int | str = "10%", inclusive: str = "left"
) -> Schedule:
    """Straight up, flat, straight down to zero: `wsd` with linear flanks; `inclusive` is as for `warmup`.

    Source: Xing et al., "A walk with SGD", 2018, arXiv 1802.08770.

    >>> schedule = trapezoidal(100)
    >>> [schedule(step) for step in (0, 5, 10, 90, 95, 100)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    return wsd(horizon, warmup=warmup, decay=decay, inclusive=inclusive)


@recipe(end="final")
def knee(
    horizon: Horizon,
    *,
    warmup: int | str = 0,
    explore: int | str = "50%",
    final: float = 0.0,
    inclusive: str = "left",
) -> Schedule:
    """Explore, then exploit: after a warm-up flat at the base rate for `explore`, then straight down to `final`.

    `inclusive`, of the warm-up, is as for `warmup`.

    Source: Iyer et al., "Wide-minima density hypothesis and the explore-exploit learning rate schedule", 2020, arXiv
    2003.03977.

    >>> schedule = knee(100, explore="40%")
    >>> [schedule(step) for step in (0, 40, 70, 100)]
    [1.0, 1.0, 0.5, 0.0]
    """
    up, flat = length_of(horizon, "warmup", warmup), length_of(horizon, "explore", explore)
    rise, low = _rise(0.0, 1.0, up, "linear", inclusive), share("final", final)
    if is_cut_short(horizon, warmup, up):
        return clipped(rise, horizon)
    if up + flat > horizon.left:
        must = f" must fit into {horizon.left} steps, got {up} and {flat}; make one of them shorter"
        raise OptionValueError("knee: ", Option("warmup"), " and ", Option("explore"), must)
    last = Ramp(1.0, low, horizon.left - up - flat)
    return rise >> Constant(1.0, flat) >> last


@recipe(end="final")
def one_cycle(
    horizon: Horizon,
    *,
    peak: int | str = "30%",
    start: float = 0.04,
    final: float = 4e-6,
    shape: str = "cosine",
    phases: int = 2,
    back: int | str | None = None,
) -> Schedule:
    """One cycle: from `start`, a share of the base rate, up to it at step `peak`, and down to `final` at the end.

    Formula: a ramp of that shape from `start` to 1 in `peak` steps, then one from 1 to `final` in the rest. With three
    phases the second goes back to `start` in `peak` steps, and the third on to `final`. With `back` there are three
    too, and the rate is back at `start` at that step: `one_cycle(peak="30%", back="85%", shape="linear")` is optax's
    linear_onecycle_schedule. The base rate is the highest.
    torch's OneCycleLR(max_lr, total_steps=T) has its peak one step earlier, and its end at the last update, not after
    it: if pct_start * T is whole, `one_cycle(T - 1, peak=pct_start * T - 1)`.
    Source: Smith and Topin, "Super-convergence", 2018, arXiv 1708.07120.

    >>> schedule = one_cycle(100, start=0.1, final=0.0, shape="linear")
    >>> [round(schedule(step), 3) for step in (0, 15, 30, 65, 100)]
    [0.1, 0.55, 1.0, 0.5, 0.0]
    """
    up = length_of(horizon, "peak", peak)
    low, end = share("start", start), share("final", final)
    if phases not in (2, 3):
        raise OptionValueError("one_cycle: ", Option("phases"), f" must be 2 or 3, got {phases!r}; choose one")
    if is_cut_short(horizon, peak, up):
        return clipped(Ramp(low, 1.0, up, shape), horizon)
    if back is not None:
        return _back_and_on(horizon, (low, end), up, length_of(horizon, "back", back), shape)
    if (phases - 1) * up > horizon.left:
        must = f" must leave room in {horizon.left} steps, got {up}; give an earlier peak"
        raise OptionValueError("one_cycle: ", Option("peak"), must)
    if phases == 3:
        return _back_and_on(horizon, (low, end), up, 2 * up, shape)
    return Ramp(low, 1.0, up, shape) >> Ramp(1.0, end, horizon.left - up, shape)


@recipe(end="final")
def cooldown(
    horizon: Horizon,
    schedule: Schedule,
    length: int | str = "20%",
    *,
    at: int | str | None = None,
    final: float = 0.0,
    shape: str | float = "linear",
) -> Schedule:
    """Any schedule up to step `at`, then from the value it has there down to `final` in `length` steps.

    Without `at` the cooldown ends with training. A run that goes on decays from where it is: `at` its own step.
    Formula: `schedule(step)` before `at`, then a ramp of that shape from `schedule(at)` to `final`.
    Source: Haegele et al. 2024, arXiv 2405.18392.

    >>> from ratesmith import InverseSqrt
    >>> schedule = cooldown(100, InverseSqrt(10), "20%")
    >>> schedule(80) == InverseSqrt(10)(80), schedule(90) == schedule(80) / 2, schedule(100)
    (True, True, 0.0)
    """
    one_schedule("cooldown", "schedule", schedule)
    down = length_of(horizon, "length", length)
    with options_of("Horizon", length="at"):
        begin = horizon.left - down if at is None else horizon.locate(at)
    if begin < 0:
        must = f" must fit into {horizon.left} steps, got {down}; make it shorter"
        raise OptionValueError("cooldown: ", Option("length"), must)
    high, low = float(schedule(begin)), finite("cooldown", "final", final, least=0.0)
    if low > high:
        must = f" must be at most the {high:g} that the schedule has at step {begin}, got {low:g}; give a smaller one"
        raise OptionValueError("cooldown: ", Option("final"), must)
    return schedule.take(begin) >> Ramp(high, low, down, shape)


def _back_and_on(horizon: Horizon, ends: tuple[float, float], up: int, back: int, shape: str) -> Schedule:
    """Return one cycle in three phases: up to step `up`, back to the first of the ends at `back`, on to the second."""
    if not up <= back <= horizon.left:
        must = f" must lie from the peak at {up} to the end at {horizon.left}, got {back}; give such a step"
        raise OptionValueError("one_cycle: ", Option("back"), must)
    low, end = ends
    return Ramp(low, 1.0, up, shape) >> Ramp(1.0, low, back - up, shape) >> Ramp(low, end, horizon.left - back, shape)


def _short_rise_into(
    horizon: Horizon, length: int | str, steps: int, rest: Schedule, rise: Callable[[float], Schedule]
) -> Schedule:
    """Return the beginning of a warm-up into `rest` that is at least as long as what is left of training.

    What was laid out for so short a training may be over at the end of the warm-up, so that its value there is no aim.
    """
    if not is_cut_short(horizon, length, steps):
        must = f" must leave some of training to what it goes into, got {length!r}; make it shorter"
        raise OptionValueError("warmup: ", Option("length"), must)
    if rest.steps is not None and rest.steps > steps:
        return clipped(rise(float(rest(steps))), horizon)
    return clipped(rise(max(float(rest(step)) for step in (0, *rest.breakpoints(0, horizon.left)))), horizon)


def _inverse(timescale: int, power: float) -> Schedule:
    """Return the fall of one over time to a power."""
    root = InverseSqrt(timescale)
    return (
        root
        if power == 0.5
        else Power(root, 2 * positive("inverse_sqrt", "power", power, remedy="give 0.5 for the root"))
    )


def _rise(start: float, end: float, steps: int, shape: str | float, inclusive: str) -> Schedule:
    """Return a ramp for so many updates, which train at the start, at the end, at neither or at both."""
    if inclusive not in INCLUSIVE:
        must = f" must be one of {', '.join(map(repr, INCLUSIVE))}, got {inclusive!r}; choose one of them"
        raise OptionValueError("warmup: ", Option("inclusive"), must)
    if inclusive == "left" or not steps:
        return Ramp(start, end, steps, shape)
    if inclusive == "both":  # a single update cannot train at both, and trains at the end
        return Ramp(start, end, steps - 1, shape).take(steps)
    return Ramp(start, end, steps + (inclusive == "neither"), shape).shift(-1).take(steps)
