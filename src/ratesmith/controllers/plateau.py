"""Plateau: cut the rate when a metric stops improving."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ratesmith._checks import finite, whole
from ratesmith.controllers.base import Adaptive


class PlateauState(NamedTuple):
    """What a plateau remembers: plain numbers, so any format can save it."""

    cuts: int = 0
    """Cuts made so far."""
    best: float | None = None
    """The best measurement; None before one counted as an improvement."""
    bad: int = 0
    """Measurements since then that did not improve on it."""
    cooldown: int = 0
    """Measurements still to be passed over after the last cut."""


@dataclass(frozen=True)
class Plateau(Adaptive[PlateauState]):
    """Multiplied by `factor` after more than `patience` measurements in a row without improvement.

    A measurement improves if it is better than the best so far by more than the threshold: for mode "min" and
    threshold_mode "rel" below `best * (1 - threshold)`, for "abs" below `best - threshold`; for "max" above
    `best * (1 + threshold)` or `best + threshold`. NaN never improves. After a cut, `cooldown` measurements are not
    counted as bad. The value is `max(factor ** cuts, floor)`; `floor` is a share of the base rate.
    Source: torch.optim.lr_scheduler.ReduceLROnPlateau, whose rule this is.

    >>> plateau = Plateau(factor=0.5, patience=1)
    >>> state = plateau.init()
    >>> for step, loss in enumerate((1.0, 1.0, 1.0)):
    ...     state = plateau.observe(state, step, {"loss": loss})
    >>> plateau.value(plateau.init(), 3), plateau.value(state, 3)
    (1.0, 0.5)
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    floor: float = 0.0
    metric: str = "loss"
    mode: str = "min"

    def __post_init__(self) -> None:
        """Refuse options outside their ranges."""
        object.__setattr__(self, "factor", finite("Plateau", "factor", self.factor, least=0.0, most=1.0))
        if self.factor == 1.0:
            raise ValueError("Plateau: factor must be below 1, got 1.0; give a factor such as 0.1")
        object.__setattr__(self, "patience", whole("Plateau", "patience", self.patience, least=0))
        object.__setattr__(self, "threshold", finite("Plateau", "threshold", self.threshold, least=0.0))
        object.__setattr__(self, "cooldown", whole("Plateau", "cooldown", self.cooldown, least=0))
        object.__setattr__(self, "floor", finite("Plateau", "floor", self.floor, least=0.0, most=1.0))
        if not isinstance(self.metric, str):
            raise TypeError(f'Plateau: metric must be a name, got {self.metric!r}; write metric="loss"')
        for name, known in (("threshold_mode", ("rel", "abs")), ("mode", ("min", "max"))):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"Plateau: {name} must be {known[0]!r} or {known[1]!r}, got {getattr(self, name)!r}; choose one"
                )

    def init(self) -> PlateauState:
        """Give the state before any measurement."""
        return PlateauState()

    def observe(self, state: PlateauState, step: int, metrics: Mapping[str, float]) -> PlateauState:
        """Count a measurement, and cut when too many in a row did not improve."""
        if self.metric not in metrics:
            known = ", ".join(map(repr, metrics)) or "none"
            raise ValueError(f"Plateau: metric must be one that is measured, got {self.metric!r}; measured: {known}")
        cuts, best, bad, cooldown = state
        measured = float(metrics[self.metric])
        if self.improves(measured, best):
            best, bad = measured, 0
        else:
            bad += 1
        if cooldown > 0:
            cooldown, bad = cooldown - 1, 0
        if bad > self.patience:
            cuts, cooldown, bad = cuts + 1, self.cooldown, 0
        return PlateauState(cuts, best, bad, cooldown)

    def improves(self, measured: float, best: float | None) -> bool:
        """Tell whether a measurement is better than the best so far by more than the threshold."""
        sign = 1.0 if self.mode == "min" else -1.0
        if best is None:
            return sign * measured < math.inf
        if self.threshold_mode == "rel":
            return sign * measured < sign * best * (1.0 - sign * self.threshold)
        return sign * measured < sign * best - self.threshold

    def value(self, state: PlateauState, step: int) -> float:
        """Give the product of the cuts made so far, no less than the floor."""
        return max(self.factor**state.cuts, self.floor)
