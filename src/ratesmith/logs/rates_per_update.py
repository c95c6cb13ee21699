"""Rates: schedules in any of their forms, and runs at another length, as the rate of every update."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ratesmith._checks import Option, OptionValueError, finite, whole
from ratesmith.logs.curve import Curve, Floats, numbers_of
from ratesmith.schedule import Schedule
from ratesmith.strategy import as_schedule, is_schedule

MOST_LAID_OUT: Final = 100_000_000
"""Steps that are laid out one by one."""


def rates_of(schedule: Any, base_lr: float, steps: int) -> Floats:
    """Return the absolute rate of each of `steps` updates under a schedule, a strategy, its notation or an array.

    An array holds factors of `base_lr`, as a schedule gives them: with `base_lr=1` they are the rates themselves.
    Mistakes are those of a forecast; `options_of` lets them speak of another caller.

    >>> rates_of("linear()", 1e-3, 4).tolist()
    [0.001, 0.00075, 0.0005, 0.00025]
    """
    length = length_of(steps)
    base = finite("Forecast", "base_lr", base_lr, least=0.0)
    built = as_schedule(schedule, length) if is_schedule(schedule) else schedule
    if isinstance(built, Schedule):
        factors = np.asarray(built(np.arange(length, dtype=np.float64)), dtype=np.float64)
        factors = np.broadcast_to(factors, (length,))  # a constant may give one number for all steps
    elif hasattr(built, "observe"):
        raise OptionValueError(
            f"Forecast: cannot say what {schedule} will do, since it listens to the run; give a schedule that is fixed "
            "beforehand"
        )
    else:
        factors = numbers_of("Forecast", "schedule", schedule)
        if len(factors) != length:
            raise OptionValueError(
                f"Forecast: an array of factors must have one for each step, got {len(factors)} for {length} steps; "
                "give them all"
            )
    return checked(base * factors)


def is_array(schedule: Any) -> bool:
    """Whether a schedule is given as the factors themselves."""
    return isinstance(schedule, (np.ndarray, list, tuple))


def checked(rates: Floats) -> Floats:
    """Return the rates themselves if they can be trained with, else raise ValueError."""
    if not (rates.min() >= 0 and rates.max() < np.inf):  # so that not a number is refused
        place = int(np.argmax(~(np.isfinite(rates) & (rates >= 0))))
        raise OptionValueError(
            f"Forecast: a rate must be at least 0, got {rates[place]:g} at step {place}; mend the schedule"
        )
    if not rates.any():
        start = "Forecast: the rates must not all be zero, got only zeros; give a "
        raise OptionValueError(start, Option("base_lr"), " or ", Option("schedule"), " above 0")
    return rates


def length_of(steps: Any) -> int:
    """Return a number of steps that can be laid out."""
    length = whole("Forecast", "steps", steps, least=2)
    if length > MOST_LAID_OUT:
        must = f" must be at most {MOST_LAID_OUT:,}, got {length:,}; forecast a shorter run"
        raise OptionValueError("Forecast: ", Option("steps"), must)
    return length


def stretched(curve: Curve, steps: int) -> Floats:
    """Return the rates of a run as they would be at another length: the warm-up as it was, the rest stretched."""
    warmup = min(curve.warmup_steps, steps // 2, curve.length - 1)
    return np.concatenate([curve.rates[:warmup], resampled(curve.rates[warmup:], steps - warmup)])


def resampled(values: Floats, length: int) -> Floats:
    """Return values, one a step, at another number of steps: step by step the value at the same share of the way."""
    # The middles of the new steps, in the middles of the old.
    places = (np.arange(length) + 0.5) * (len(values) / length) - 0.5
    at_places: Floats = np.interp(places, np.arange(len(values)), values)
    return at_places
