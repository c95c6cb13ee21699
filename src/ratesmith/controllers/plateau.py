"""Plateau: cut the rate when a metric stops improving."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from ratesmith._checks import finite, whole
from ratesmith._field_checks import Check, check_flag
from ratesmith.controllers.base import (
    Adaptive,
    average,
    check_factor,
    check_metric,
    check_word,
    improves,
    not_finite,
    plural,
    read_metric,
)


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
    nonfinite: int = 0
    """Measurements that were NaN or infinite."""
    recent: tuple[float, ...] = ()
    """The last measurements, if they are smoothed."""


@dataclass(frozen=True)
class Plateau(Adaptive[PlateauState]):
    """Multiplied by `factor` after more than `patience` measurements in a row without improvement.

    A measurement improves if it is better than the best so far by more than the threshold: for mode "min" and
    threshold_mode "rel" below `best - threshold * |best|`, for "abs" below `best - threshold`; "max" is the mirror
    image. NaN and infinite measurements never improve, and are counted apart. After a cut, `cooldown` measurements are
    not counted as bad. The value is `max(factor ** cuts, floor)`; `floor` is a share of the base rate.
    `smooth`: the mean of so many last finite measurements is judged instead of each. `on_worsening`: a measurement
    worse than the best by more than the threshold cuts at once.
    Source: torch.optim.lr_scheduler.ReduceLROnPlateau. With finite, positive measurements and the options that torch
    has too, this is its rule; threshold_mode "torch" is its rule for all: there a relative threshold is wrong for
    negative metrics, and an infinitely good one stays the best for ever.

    >>> plateau = Plateau(factor=0.5, patience=1)
    >>> state = plateau.init()
    >>> for step, loss in enumerate((1.0, 1.0, 1.0)):
    ...     state = plateau.observe(state, step, {"loss": loss})
    >>> plateau.value(plateau.init(), 3), plateau.value(state, 3)
    (1.0, 0.5)
    """

    factor: Annotated[float, Check(check_factor)] = 0.1
    patience: Annotated[int, Check(whole, least=0)] = 10
    threshold: Annotated[float, Check(finite, least=0.0)] = 1e-4
    threshold_mode: Annotated[str, Check(check_word, words=("rel", "abs", "torch"))] = "rel"
    cooldown: Annotated[int, Check(whole, least=0)] = 0
    floor: Annotated[float, Check(finite, least=0.0, most=1.0)] = 0.0
    metric: Annotated[str, Check(check_metric)] = "loss"
    mode: Annotated[str, Check(check_word, words=("min", "max"))] = "min"
    smooth: Annotated[int, Check(whole, least=1)] = 1
    on_worsening: Annotated[bool, Check(check_flag)] = False

    def init(self) -> PlateauState:
        """Return the state before any measurement."""
        return PlateauState()

    def observe(self, state: PlateauState, step: int, metrics: Mapping[str, float]) -> PlateauState:
        """Count a measurement, and cut when too many in a row did not improve."""
        cuts, best, bad, cooldown, nonfinite, recent = state
        measured = read_metric("Plateau", self.metric, metrics)
        usable = math.isfinite(measured)
        judged = usable or self.threshold_mode == "torch"
        nonfinite += not usable
        if usable and self.smooth > 1:
            recent, measured = average(recent, measured, self.smooth)
        if judged and self._better(measured, best):
            best, bad = measured, 0
        else:
            bad += 1
        worse = self.on_worsening and best is not None and judged and self._better(best, measured)
        if cooldown > 0:
            cooldown, bad, worse = cooldown - 1, 0, False
        if bad > self.patience or worse:
            cuts, cooldown, bad = cuts + 1, self.cooldown, 0
        return PlateauState(cuts, best, bad, cooldown, nonfinite, recent)

    def _better(self, measured: float, best: float | None) -> bool:
        return improves(measured, best, self.threshold, self.threshold_mode, self.mode)

    def value(self, state: PlateauState, step: int) -> float:
        """Return the product of the cuts made so far, no less than the floor."""
        return max(self.factor**state.cuts, self.floor)

    def why(self, before: PlateauState, after: PlateauState) -> str:
        """Return why it cut, and whether a measurement was not finite."""
        reasons = not_finite(self.metric, before.nonfinite, after.nonfinite)
        if after.cuts > before.cuts:
            best = "none so far" if after.best is None else f"{after.best:.6g}"
            enough = before.bad + 1 > self.patience or not self.on_worsening
            bad = plural(self.patience + 1, "measurement")
            cause = f"had not improved for {bad}, best {best}" if enough else f"got worse than its best {best}"
            reasons.append(f"{self.metric} {cause}; rate cut to {self.value(after, 0):.4g}")
        return f"plateau: {'; '.join(reasons)}" if reasons else ""
