"""What all recipes share: the horizon as a Horizon, and mistakes that speak of the recipe and of its own options."""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Concatenate, ParamSpec, TypeVar

from ratesmith._checks import FARTHEST, Option, OptionValueError, finite, options_of
from ratesmith._field_checks import derive
from ratesmith.horizon import AheadHorizon, Horizon, OpenHorizon
from ratesmith.schedule import KDecay, Schedule

Given = ParamSpec("Given")
Built = TypeVar("Built")


def recipe(
    **names: str,
) -> Callable[
    [Callable[Concatenate[Horizon, Given], Built]],
    Callable[Concatenate[Horizon | int, Given], Built],
]:
    """Make a function a recipe: it may be given a number of steps for its horizon, and its mistakes are its own.

    A recipe is built from shapes, which name their own options. `names` says what those are called here:
    `inner="outer"`.

    >>> @recipe(timescale="length")
    ... def slow(horizon, length):
    ...     return InverseSqrt(length)
    >>> from ratesmith import InverseSqrt
    >>> slow(100, 0)
    Traceback (most recent call last):
    ratesmith._checks.OptionValueError: slow: length must be a whole number of at least 1, got 0; give a larger number
    """

    def decorate(
        function: Callable[Concatenate[Horizon, Given], Built],
    ) -> Callable[Concatenate[Horizon | int, Given], Built]:
        @functools.wraps(function)
        def built(horizon: Horizon | int, /, *args: Given.args, **options: Given.kwargs) -> Built:
            with options_of(function.__name__, steps="horizon"):
                training = Horizon.of(horizon)
            with options_of(function.__name__, **names):
                schedule = function(training, *args, **options)
            if isinstance(schedule, Schedule) and not isinstance(training, OpenHorizon):
                derive(schedule, _horizon=training)
            return schedule

        return built

    return decorate


def length_of(horizon: Horizon, option: str, given: int | str, least: int = 0) -> int:
    """Return a length in steps; a mistake names the option that it was given for."""
    with options_of("Horizon", length=option):
        steps = horizon.resolve(given)
    if steps < least:
        raise OptionValueError("Horizon: ", Option(option), _too_short(least, given))
    return steps


def period_of(horizon: Horizon, option: str, given: int | str, least: int = 1) -> Fraction:
    """Return a length that is repeated, which need not be a whole number of steps; a mistake names its option."""
    with options_of("Horizon", length=option):
        period = horizon.period(given)
    if period < least:
        raise OptionValueError("Horizon: ", Option(option), _too_short(least, given))
    if period.denominator == 1:
        return period
    # A share of many decimals is rounded by a billionth of a step, so that all its cycles together stay below 2**53.
    return period.limit_denominator(max(1, FARTHEST // (16 * horizon.steps)))


def is_cut_short(horizon: Horizon, given: int | str, up: int) -> bool:
    """Whether training ends inside a warm-up of `up` steps; a share of training that is too long is a mistake."""
    return up >= horizon.left > 0 and not (isinstance(given, str) and "%" in given)


def clipped(warmup: Schedule, horizon: Horizon) -> Schedule:
    """Return a warm-up that is longer than what is left of training, on its own slope up to the end of it.

    >>> from ratesmith import Ramp
    >>> short = clipped(Ramp(0.0, 1.0, 2000), Horizon(100))
    >>> short(99), short(100), short(5000), short.steps
    (0.0495, 0.05, 0.05, 100)
    """
    end = horizon.left + (horizon.ahead if isinstance(horizon, AheadHorizon) else 0)
    return warmup if warmup.steps is not None and horizon.left <= warmup.steps <= end else warmup.take(end)


def at_pace(schedule: Schedule, k_decay: float) -> Schedule:
    """Return a schedule that is run through at the pace of a `k_decay`, itself if that is 1."""
    return schedule if k_decay == 1.0 else KDecay(schedule, k_decay)


def share(option: str, given: float) -> float:
    """Return a share of the base rate, from 0 to 1; a mistake names the option that it was given for."""
    return finite("Recipe", option, given, least=0.0, most=1.0)


def _too_short(least: int, given: int | str) -> str:
    return f" must be at least {least} step, got {given!r}; give a longer one"
