"""The schedules of Hugging Face's transformers by their names there, as values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from ratesmith._checks import Option, OptionValueError, finite, options_of, whole
from ratesmith.controllers import Controller, Greedy, Plateau
from ratesmith.horizon import Horizon
from ratesmith.recipes import cosine_restarts, polynomial
from ratesmith.recipes._recipe import clipped
from ratesmith.schedule import Constant, Schedule
from ratesmith.shapes import InverseSqrt, Ramp

WHO: Final = "from_transformers"
NO_WARMUP_SCALE: Final = 10_000
"""The timescale of its inverse square root without a warm-up and without a timescale."""
FINEST: Final = 10**6
"""The largest denominator of a number of cycles: beyond it a float has digits that nobody meant."""


def from_transformers(
    name: str, warmup: int, steps: int, /, *, base_lr: float | None = None, **options: Any
) -> Controller[Any]:
    """Return the schedule that `transformers.get_scheduler(name, optimizer, warmup, steps)` would give, as a factor.

    `options` are its `scheduler_specific_kwargs`, by their names there; lengths are in steps. Some are rates, `min_lr`,
    `max_lr` and `lr_end`: `base_lr`, the optimizer's learning rate, makes them shares. Transformers' cosine rises again
    after its end, and this one stays. Raise ValueError for a name or an option that is not known, and for a rate
    without `base_lr`.

    >>> print(from_transformers("cosine_with_min_lr", 10, 100, min_lr=1e-4, base_lr=1e-3))
    Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.1, 90, shape="cosine")
    """
    if not isinstance(name, str) or name not in _NAMES:
        raise OptionValueError(f"{WHO}: ", Option("name"), f" must be one of {', '.join(_NAMES)}, got {name!r}; choose")
    build = _NAMES[name]
    known = list(inspect.signature(build).parameters)[1:]
    for option in options:
        if option not in known:
            among = ", ".join(known) or "none"
            remedy = INSTEAD.get(option, "drop it")
            raise OptionValueError(f"{WHO}: options of {name!r} must be among {among}, got {option!r}; {remedy}")
    with options_of(WHO, horizon="steps"):
        asked = _Asked(name, whole(WHO, "warmup", warmup, least=0), whole(WHO, "steps", steps, least=1), base_lr)
        try:
            return build(asked, **options)
        except TypeError as error:
            if "required" not in str(error):
                raise
            missing = str(error).rpartition(": ")[2].strip("'")
            raise OptionValueError(f"{WHO}: {name!r} needs {missing}, got none; give {missing}=") from None


INSTEAD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "last_epoch": "a schedule has no state: give last_epoch to ScheduleLR",
        "verbose": "drop it: summarize(schedule) says what it does",
        "lr_end_rate": "give lr_end and base_lr",
    }
)
"""What to write in the place of options that are known elsewhere."""


class _Asked:
    """What is asked for: the name, the lengths, and the rate of the optimizer if it is given."""

    def __init__(self, name: str, warmup: int, steps: int, base_lr: float | None) -> None:
        self.name, self.warmup, self.steps, self.base_lr = name, warmup, steps, base_lr

    @property
    def decay(self) -> int:
        """Steps behind the warm-up; 1, which no update reaches, if training ends inside it."""
        return max(1, self.steps - self.warmup)

    def warmed(self, rest: Schedule, rise: Schedule | None = None) -> Schedule:
        """Return a schedule with the warm-up before it, if there is one; training may end inside it."""
        if not self.warmup:
            return rest
        rise = rise or Ramp(0.0, 1.0, self.warmup)
        return rise >> rest if self.warmup < self.steps else clipped(rise, Horizon(self.steps))

    def share(self, option: str, rate: float) -> float:
        """Return a rate as a share of the optimizer's."""
        if self.base_lr is None:
            needs = f"{WHO}: {option} of {self.name!r}, {rate!r}, is a rate; give the optimizer's as "
            raise OptionValueError(needs, Option("base_lr="))
        base = finite(WHO, "base_lr", self.base_lr, least=0.0)
        number = finite(WHO, option, rate, least=0.0)
        if not base:
            raise OptionValueError(f"{WHO}: ", Option("base_lr"), " must be above 0, got 0.0; give the optimizer's")
        return number / base

    def floor(self, min_lr: float | None, min_lr_rate: float | None) -> float:
        """Return the lowest value of a cosine, which is given as a rate or as a share."""
        if (min_lr is None) == (min_lr_rate is None):
            both = "both" if min_lr is not None else "none"
            raise OptionValueError(f"{WHO}: {self.name!r} needs one of min_lr and min_lr_rate, got {both}; give one")
        if min_lr is not None:
            return self.share("min_lr", min_lr)
        return finite(WHO, "min_lr_rate", min_lr_rate, least=0.0, most=1.0)


def _wave(steps: int, num_cycles: float, low: float = 0.0) -> Schedule:
    """Return so many whole waves of a cosine between 1 and `low`, or a part of one; half a wave is a decay."""
    halves = Fraction(2 * finite(WHO, "num_cycles", num_cycles, least=0.0)).limit_denominator(FINEST)
    if halves == 1:
        return Ramp(1.0, low, steps, "cosine")
    if not halves:
        return Constant(1.0, steps)
    # Counted in parts of a step, of which half a wave has a whole number.
    half = steps * halves.denominator
    waves = (Ramp(1.0, low, half, "cosine") >> Ramp(low, 1.0, half, "cosine")).repeat()
    return waves.take(steps * halves.numerator).stretch(steps)


def _linear(asked: _Asked) -> Schedule:
    return asked.warmed(Ramp(1.0, 0.0, asked.decay))


def _cosine(asked: _Asked, num_cycles: float = 0.5) -> Schedule:
    return asked.warmed(_wave(asked.decay, num_cycles))


def _restarts(asked: _Asked, num_cycles: int = 1) -> Schedule:
    with options_of(WHO, cycles="num_cycles"):
        return asked.warmed(cosine_restarts(asked.decay, num_cycles))


def _polynomial(asked: _Asked, lr_end: float = 1e-7, power: float = 1.0) -> Schedule:
    final = asked.share("lr_end", lr_end)
    if final >= 1:
        must = f" must be below base_lr, {asked.base_lr!r}, got {lr_end!r}; give a smaller one"
        raise OptionValueError(f"{WHO}: ", Option("lr_end"), must)
    return asked.warmed(polynomial(asked.decay, power, final=final))


def _constant(asked: _Asked) -> Schedule:
    return Constant()


def _constant_with_warmup(asked: _Asked) -> Schedule:
    return asked.warmed(Constant())


def _inverse_sqrt(asked: _Asked, timescale: int | None = None) -> Schedule:
    if timescale is not None:
        return asked.warmed(InverseSqrt(whole(WHO, "timescale", timescale, least=1)))
    return asked.warmed(InverseSqrt(asked.warmup or NO_WARMUP_SCALE))


def _min_lr(
    asked: _Asked, num_cycles: float = 0.5, min_lr: float | None = None, min_lr_rate: float | None = None
) -> Schedule:
    return asked.warmed(_wave(asked.decay, num_cycles, asked.floor(min_lr, min_lr_rate)))


def _warmup_min_lr(
    asked: _Asked,
    num_cycles: float = 0.5,
    min_lr: float | None = None,
    min_lr_rate: float | None = None,
    warmup_lr_rate: float | None = None,
) -> Schedule:
    """Return a schedule whose warm-up and whose cosine are one step ahead."""
    rest = _wave(asked.decay, num_cycles, asked.floor(min_lr, min_lr_rate)).shift(-1)
    if not asked.warmup:
        return rest
    if warmup_lr_rate is None:
        return asked.warmed(rest, Ramp(0.0, 1.0, asked.warmup).shift(-1).take(asked.warmup))
    start = finite(WHO, "warmup_lr_rate", warmup_lr_rate, least=0.0)
    if asked.warmup == 1:
        return asked.warmed(rest, Constant(start, 1))
    return asked.warmed(rest, Ramp(start, 1.0, asked.warmup - 1).take(asked.warmup))


def _stable(
    asked: _Asked,
    num_decay_steps: int,
    num_stable_steps: int | None = None,
    warmup_type: str = "linear",
    decay_type: str = "cosine",
    min_lr_ratio: float = 0.0,
    num_cycles: float = 0.5,
) -> Schedule:
    for option, given in (("warmup_type", warmup_type), ("decay_type", decay_type)):
        if given not in ("linear", "cosine", "1-sqrt"):
            must = f" must be 'linear', 'cosine' or '1-sqrt', got {given!r}; choose one"
            raise OptionValueError(f"{WHO}: ", Option(option), must)
    down = whole(WHO, "num_decay_steps", num_decay_steps, least=0)
    low = finite(WHO, "min_lr_ratio", min_lr_ratio, least=0.0)
    rise = Ramp(low, 1.0, asked.warmup, warmup_type)
    if num_stable_steps is not None:
        stable = whole(WHO, "num_stable_steps", num_stable_steps, least=0)
    else:
        stable = asked.steps - asked.warmup - down
    if stable < 0 and asked.steps <= asked.warmup:
        return clipped(rise, Horizon(asked.steps))
    if stable < 0:
        must = f" must leave room in {asked.steps} steps with a warmup of {asked.warmup}, got {down}; give fewer"
        raise OptionValueError(f"{WHO}: ", Option("num_decay_steps"), must)
    fall = _wave(down, num_cycles, low) if down and decay_type == "cosine" else Ramp(1.0, low, down, decay_type)
    rest = Constant(1.0, stable) >> fall
    if float(rest(stable + down)) != low:  # their wave need not end there, but their training does
        rest = rest >> Constant(low)
    return rise >> rest if asked.warmup else rest


def _plateau(
    asked: _Asked,
    mode: str = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
) -> Plateau:
    _refuse_eps(eps)
    return Plateau(
        factor,
        patience,
        threshold,
        "torch" if threshold_mode == "rel" else threshold_mode,
        cooldown,
        asked.share("min_lr", min_lr) if min_lr else 0.0,
        mode=mode,
    )


def _greedy(
    asked: _Asked,
    mode: str = "min",
    factor: float = 0.95,
    patience: int = 10,
    threshold: float = 1e-6,
    threshold_mode: str = "abs",
    cooldown: int = 0,
    warmup: int = 0,
    min_lr: float = 1e-3,
    max_lr: float = 1.0,
    eps: float = 1e-8,
    smooth: bool = False,
    window_size: int = 50,
    reset_start: int = 500,
) -> Greedy:
    _refuse_eps(eps)
    with options_of(WHO, floor="min_lr", ceiling="max_lr", reset="reset_start", smooth="window_size"):
        return Greedy(
            factor,
            patience,
            threshold,
            threshold_mode,
            cooldown,
            warmup,
            asked.share("min_lr", min_lr),
            asked.share("max_lr", max_lr),
            reset_start,
            mode=mode,
            smooth=window_size if smooth else 1,
        )


def _refuse_eps(eps: float) -> None:
    if eps not in (0, 1e-8):
        must = f" must be 1e-08, its default, or 0, got {eps!r}; drop it: every change is made here, however small"
        raise OptionValueError(f"{WHO}: ", Option("eps"), must)


_NAMES: Final[Mapping[str, Callable[..., Controller[Any]]]] = MappingProxyType(
    {
        "linear": _linear,
        "cosine": _cosine,
        "cosine_with_restarts": _restarts,
        "polynomial": _polynomial,
        "constant": _constant,
        "constant_with_warmup": _constant_with_warmup,
        "inverse_sqrt": _inverse_sqrt,
        "reduce_lr_on_plateau": _plateau,
        "cosine_with_min_lr": _min_lr,
        "cosine_warmup_with_min_lr": _warmup_min_lr,
        "warmup_stable_decay": _stable,
        "greedy": _greedy,
    }
)
"""The names of transformers' SchedulerType, and what each is here."""
