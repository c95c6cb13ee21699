"""A schedule raised to a power, and one run through at another pace."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

from ratesmith._arrays import root
from ratesmith._checks import Option, OptionValueError
from ratesmith._field_checks import Check, derive, positive
from ratesmith.schedule.base import Schedule, kind, one_schedule


@kind
@dataclass(frozen=True)
class Power(Schedule):
    """A schedule raised to a power above 0, step by step; values below 0 count as 0.

    Formula: `schedule(step) ** power`. Source: optax.cosine_decay_schedule(exponent=).

    >>> from ratesmith import Ramp
    >>> steep = Power(Ramp(1.0, 0.0, 10), 2)
    >>> steep(0), steep(5), steep(10), steep.steps
    (1.0, 0.25, 0.0, 10)
    """

    schedule: Annotated[Schedule, Check(one_schedule)]
    power: Annotated[float, Check(positive, remedy="give 2 for a square")]
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Note how long it lasts."""
        super().__post_init__()
        derive(self, steps=self.schedule.steps)

    def at(self, t: Any, xp: Any) -> Any:
        most = xp.largest ** (1 / self.power) if self.power > 1 else xp.largest  # so that no power is infinite
        return root(xp.clip(self.schedule.at(t, xp), 0.0, most), self.power, xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        return self.schedule.breakpoints(since, until)


@kind
@dataclass(frozen=True)
class KDecay(Schedule):
    """A schedule run through late (k above 1) or early (below 1): at a share of its length, it is at that to the k.

    Formula: `schedule(steps * (step / steps) ** k)`, between steps if the curve is defined there. Raise ValueError for
    a schedule that never ends. Source: Zhang and Li, "k-decay", 2020, arXiv 2004.05909; timm's `k_decay`.

    >>> from ratesmith import Ramp
    >>> late = KDecay(Ramp(1.0, 0.0, 10), 2)
    >>> late(0), late(5), late(10), late.steps
    (1.0, 0.75, 0.0, 10)
    """

    schedule: Annotated[Schedule, Check(one_schedule)]
    k: Annotated[float, Check(positive, remedy="give 2 to decay late")]
    steps: int | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a schedule without an end."""
        super().__post_init__()
        if self.schedule.steps is None:
            must = f" must have an end, got {self.schedule}; give it a length, as with take(100)"
            raise OptionValueError("KDecay: ", Option("schedule"), must)
        derive(self, steps=self.schedule.steps)

    def at(self, t: Any, xp: Any) -> Any:
        length = self.steps or 1
        return self.schedule.at(root(xp.clip(t, 0, length) / length, self.k, xp) * length, xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        length = self.steps or 1
        shares = (step / length for step in self.schedule.breakpoints(0, length))
        # A breakpoint between two steps is first seen at the later; a billionth of a step is the root's rounding.
        steps = {math.ceil(length * share ** (1 / self.k) - 1e-9) for share in shares}
        return sorted(step for step in steps if max(since, 0) < step <= until)
