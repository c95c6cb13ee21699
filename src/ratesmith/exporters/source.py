"""What is to be said in another form: a strategy, built for its training, with the initial rate."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from ratesmith._checks import finite
from ratesmith.controllers import Controller
from ratesmith.exporters.writer import NotExactError
from ratesmith.horizon import Horizon
from ratesmith.schedule import Product, Schedule, Sequence
from ratesmith.strategy import ScheduleLike, Strategy, as_schedule, as_strategy


@dataclass(frozen=True)
class Source:
    """A strategy with its initial rate and the length of its training."""

    strategy: Strategy
    base_lr: float
    horizon: Horizon
    given: ScheduleLike

    @classmethod
    def of(cls, strategy: ScheduleLike, base_lr: float, horizon: Horizon | int) -> Source:
        """Check what is given; only a form that needs the built value builds it."""
        asked, training = as_strategy(strategy, who="code"), Horizon.of(horizon)
        rate = finite("code", "base_lr", base_lr, least=0.0)
        return cls(asked, rate, training, strategy)

    @functools.cached_property
    def built(self) -> Controller[Any] | None:
        """The value for the length of training; None if that takes functions of the user's."""
        return None if self.strategy.functions() else as_schedule(self.given, self.horizon, who="code")

    @property
    def until(self) -> int:
        """The last step for which a form must hold: twice the length of training, and some steps."""
        return 2 * self.horizon.steps + 100

    @property
    def schedule(self) -> Schedule:
        """The schedule that was built; raise NotExactError if it is a controller, or needs a function of the user's."""
        if self.built is None:
            raise NotExactError("it needs a function of yours")
        if not isinstance(self.built, Schedule):
            raise NotExactError("it listens to a measurement")
        return self.built

    def without_scale(self) -> tuple[Schedule, float]:
        """Return the schedule without a number before it, and the initial rate times that number."""
        schedule = self.schedule
        if isinstance(schedule, Product) and schedule.scale > 0:
            return opened(Product(schedule.factors)), self.base_lr * schedule.scale
        return opened(schedule), self.base_lr


def opened(schedule: Schedule) -> Schedule:
    """Return the one part of a sequence or product that has no more: an empty warm-up leaves such a one.

    >>> from ratesmith import Ramp, Sequence
    >>> print(opened(Sequence((Ramp(0.0, 1.0, 0), Ramp(1.0, 0.0, 5)))))
    Ramp(1.0, 0.0, 5)
    """
    if type(schedule) is Sequence and len(schedule.parts) == 1:
        return opened(schedule.parts[0])
    if type(schedule) is Product and len(schedule.factors) == 1 and schedule.scale == 1:
        return opened(schedule.factors[0])
    return schedule
