"""How large the values of a schedule can become: Ratesmith keeps what it multiplies and adds below 1e150."""

from __future__ import annotations

import itertools
import math
import operator

from ratesmith._checks import LARGEST
from ratesmith.exporters.writer import NotExactError
from ratesmith.schedule import (
    Clip,
    Constant,
    Hold,
    KDecay,
    Max,
    Min,
    Power,
    Product,
    Repeat,
    Schedule,
    Sequence,
    Shift,
    Stretch,
    Sum,
    Take,
)
from ratesmith.shapes import Exponential, Milestones, Ramp, Staircase


def refuse_large(schedule: Product | Sum | Repeat | Power) -> None:
    """Raise NotExactError if values that are multiplied or added could reach the number at which they stay flat."""
    if any(bound > LARGEST for bound in _partial(schedule)):
        raise NotExactError("its values can become too large")


def _partial(schedule: Product | Sum | Repeat | Power) -> list[float]:
    """Return bounds of what is computed on the way, the last that of the whole."""
    if isinstance(schedule, Product):
        factors = (_bound(factor) for factor in schedule.factors)
        return list(itertools.accumulate(factors, operator.mul, initial=abs(schedule.scale)))
    if isinstance(schedule, Sum):
        return list(itertools.accumulate(map(_bound, schedule.parts), initial=abs(schedule.offset)))
    if isinstance(schedule, Power):
        inside = max(_bound(schedule.schedule), 1.0)
        return [math.inf if schedule.power * math.log(inside) > math.log(LARGEST) else inside**schedule.power]
    return [_bound(schedule.schedule) * (1.0 if schedule.height <= 1.0 else LARGEST)]


def _bound(schedule: Schedule) -> float:
    if isinstance(schedule, (Product, Sum, Repeat, Power)):
        return min(_partial(schedule)[-1], LARGEST)
    if isinstance(schedule, Sequence):
        return max(map(_bound, schedule.parts))
    if isinstance(schedule, (Max, Min)):
        limit = abs(schedule.least) if isinstance(schedule, Max) else abs(schedule.most)
        return max(*map(_bound, schedule.parts), 0.0 if limit == LARGEST else limit)
    if isinstance(schedule, (Shift, Stretch, Take, Hold, KDecay)):
        return _bound(schedule.schedule)
    if isinstance(schedule, Clip):
        return min(max(abs(schedule.low), abs(schedule.high)), max(_bound(schedule.schedule), abs(schedule.low)))
    if isinstance(schedule, Constant):
        return abs(schedule.factor)
    if isinstance(schedule, Ramp):
        return max(abs(schedule.start), abs(schedule.end))
    if isinstance(schedule, (Exponential, Staircase, Milestones)):
        return 1.0 if schedule.gamma <= 1.0 else LARGEST
    return 1.0  # of the inverse decays and tanh; whatever else there is cannot be written
