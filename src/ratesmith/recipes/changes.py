"""Any schedule, changed: the methods of Schedule with lengths read against the horizon, for use in notation."""

from __future__ import annotations

from ratesmith._checks import LARGEST
from ratesmith.horizon import Horizon
from ratesmith.schedule import Schedule
from ratesmith.schedule.base import one_schedule


def hold(horizon: Horizon | int, schedule: Schedule, every: int | str = "1ep") -> Schedule:
    """Any schedule, changing only every `every`: by default at the ends of epochs.

    Where `every` is no whole number of steps, each change is at the step nearest to its multiple.

    >>> from ratesmith import Ramp
    >>> stairs = hold(100, Ramp(1.0, 0.0, 100), "50%")
    >>> stairs(0), stairs(49), stairs(50)
    (1.0, 1.0, 0.5)
    """
    period = Horizon.of(horizon).period(every)
    return _known("hold", schedule).hold(period.numerator, period.denominator)


def repeat(
    horizon: Horizon | int, schedule: Schedule, times: int | None = None, *, height: float = 1.0, growth: float = 1.0
) -> Schedule:
    """Any schedule again and again: `times` cycles, or for ever, each `height` times as high, `growth` times as long.

    >>> from ratesmith import Ramp
    >>> saw = repeat(100, Ramp(1.0, 0.0, 10), height=0.5)
    >>> saw(0), saw(5), saw(10), saw(15)
    (1.0, 0.5, 0.5, 0.25)
    """
    return _known("repeat", schedule).repeat(times, height=height, growth=growth)


def shift(horizon: Horizon | int, schedule: Schedule, by: int | str) -> Schedule:
    """Any schedule, beginning `by` later, or for a negative number of steps that far in.

    >>> from ratesmith import Ramp
    >>> ramp = Ramp(0.0, 1.0, 4)
    >>> shift(100, ramp, -1)(0), shift(100, ramp, "2%")(2), shift(100, ramp, "2%")(3)
    (0.25, 0.0, 0.25)
    """
    return _known("shift", schedule).shift(Horizon.of(horizon).resolve(by) if isinstance(by, str) else by)


def stretch(horizon: Horizon | int, schedule: Schedule, length: int | str) -> Schedule:
    """Any schedule with an end, run through in `length`.

    >>> from ratesmith import Ramp
    >>> stretch(100, Ramp(1.0, 0.0, 7), "50%")(25)
    0.5
    """
    return _known("stretch", schedule).stretch(Horizon.of(horizon).resolve(length))


def take(horizon: Horizon | int, schedule: Schedule, length: int | str) -> Schedule:
    """The first `length` of any schedule; after it the value reached there stays.

    >>> from ratesmith import Ramp
    >>> cut = take(100, Ramp(1.0, 0.0, 100), "50%")
    >>> cut(50), cut(99), cut.steps
    (0.5, 0.5, 50)
    """
    return _known("take", schedule).take(Horizon.of(horizon).resolve(length))


def clip(horizon: Horizon | int, schedule: Schedule, low: float = -LARGEST, high: float = LARGEST) -> Schedule:
    """Any schedule, kept within `low` and `high`: a floor and a ceiling.

    >>> from ratesmith import Exponential
    >>> clip(100, Exponential(0.5), low=0.1)(99)
    0.1
    """
    return _known("clip", schedule).clip(low, high)


def closed(horizon: Horizon | int, schedule: Schedule) -> Schedule:
    """Any schedule with an end, reaching it at its last update instead of after it.

    Formula: the schedule stretched to one step less; it must last at least 2.

    >>> from ratesmith import Ramp
    >>> [closed(5, Ramp(1.0, 0.0, 5))(step) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    length = _known("closed", schedule).steps
    if length is None or length < 2:
        raise ValueError(f"closed: schedule must end after at least 2 steps, got {schedule}; give it such a length")
    return schedule.stretch(length - 1)


def _known(who: str, schedule: Schedule) -> Schedule:
    return one_schedule(who, "schedule", schedule)
