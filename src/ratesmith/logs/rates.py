"""Schedules in any of their forms, as the rate of every update."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ratesmith._checks import finite, whole
from ratesmith.logs.curve import Curve, Floats, numbers_of
from ratesmith.schedule import Schedule
from ratesmith.strategy import as_schedule, is_schedule

MOST_STEPS: Final = 100_000_000
"""Steps that are laid out one by one."""


def rates_of(schedule: Any, base_lr: float, steps: int, who: str = "Forecast") -> Floats:
    """Return the absolute rate of each of `steps` updates under a schedule, a strategy, its notation or an array.

    An array holds factors of `base_lr`, as a schedule gives them: with `base_lr=1` they are the rates themselves.

    >>> rates_of("linear()", 1e-3, 4).tolist()
    [0.001, 0.00075, 0.0005, 0.00025]
    """
    length = length_of(steps, who)
    base = finite(who, "base_lr", base_lr, least=0.0)
    built = as_schedule(schedule, length, who=who) if is_schedule(schedule) else schedule
    if isinstance(built, Schedule):
        factors = np.asarray(built(np.arange(length, dtype=np.float64)), dtype=np.float64)
        factors = np.broadcast_to(factors, (length,))
    elif hasattr(built, "observe"):
        raise ValueError(
            f"{who}: cannot say what {schedule} will do, since it listens to the run; give a schedule that is fixed "
            "beforehand"
        )
    else:
        factors = numbers_of(who, "schedule", schedule)
        if len(factors) != length:
            raise ValueError(
                f"{who}: an array of factors must have one for each step, got {len(factors)} for {length} steps; "
                "give them all"
            )
    return checked(base * factors, who)


def is_array(schedule: Any) -> bool:
    """Whether a schedule is given as the factors themselves."""
    return isinstance(schedule, (np.ndarray, list, tuple))


def checked(rates: Floats, who: str) -> Floats:
    """Return the rates themselves where they can be trained with, or raise an error that says who wanted them."""
    if not (rates.min() >= 0 and rates.max() < np.inf):
        place = int(np.argmax(~(np.isfinite(rates) & (rates >= 0))))
        raise ValueError(f"{who}: a rate must be at least 0, got {rates[place]:g} at step {place}; mend the schedule")
    if not rates.any():
        raise ValueError(f"{who}: the rates must not all be zero, got only zeros; give a base_lr or schedule above 0")
    return rates


def length_of(steps: Any, who: str = "Forecast") -> int:
    """Return a number of steps that can be laid out."""
    length = whole(who, "steps", steps, least=2)
    if length > MOST_STEPS:
        raise ValueError(f"{who}: steps must be at most {MOST_STEPS:,}, got {length:,}; forecast a shorter run")
    return length


def stretched(curve: Curve, steps: int) -> Floats:
    """Return the rates of a run as they would be at another length: the warm-up as it was, the rest stretched."""
    warmup = min(curve.warmup_steps, steps // 2, curve.length - 1)
    return np.concatenate([curve.rates[:warmup], resampled(curve.rates[warmup:], steps - warmup)])


def resampled(values: Floats, length: int) -> Floats:
    """Return values, one a step, at another number of steps: step by step the value at the same share of the way."""
    places = (np.arange(length) + 0.5) * (len(values) / length) - 0.5
    found: Floats = np.interp(places, np.arange(len(values)), values)
    return found
