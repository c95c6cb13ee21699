"""Greedy: raise the rate while a metric improves, lower it while it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ratesmith._checks import finite, whole
from ratesmith.controllers.base import Adaptive, average, heard, improves, named, not_finite, one_of, plural


class GreedyState(NamedTuple):
    """What a greedy controller remembers: plain numbers, so any format can save it."""

    scale: float = 1.0
    """The factor now."""
    best: float | None = None
    """The best measurement; None before one counted as an improvement."""
    good: int = 0
    """Measurements in a row that improved."""
    bad: int = 0
    """Measurements in a row that did not."""
    wait: int = 0
    """Measurements still to be passed over after the last change."""
    floored: int = 0
    """Cuts that found the factor at its floor."""
    resets: int = 0
    """How often it began anew after a stay at its floor."""
    nonfinite: int = 0
    """Measurements that were NaN or infinite."""
    recent: tuple[float, ...] = ()
    """The last measurements, where they are smoothed."""


@dataclass(frozen=True)
class Greedy(Adaptive[GreedyState]):
    """Divided by `factor` after more than `patience` improvements in a row, multiplied by it after as many failures.

    The factor stays between `floor` and `ceiling`, shares of the base rate. A measurement improves as for `Plateau`.
    After a rise `warmup`, and after a cut `cooldown` measurements are passed over. After `reset` cuts at the floor it
    begins anew at the base rate, its best forgotten. `smooth`: the mean of so many last finite measurements is judged.
    Source: "GreedyLR: a novel adaptive learning rate scheduler", 2025, arXiv 2512.14527; transformers.GreedyLR, with
    its bounds taken as shares of the base rate and without its smallest change `eps`.

    >>> greedy = Greedy(factor=0.5, patience=1)
    >>> state = greedy.init()
    >>> for step, loss in enumerate((1.0, 0.9)):
    ...     state = greedy.observe(state, step, {"loss": loss})
    >>> greedy.value(state, 2)
    2.0
    """

    factor: float = 0.95
    patience: int = 10
    threshold: float = 1e-6
    threshold_mode: str = "abs"
    cooldown: int = 0
    warmup: int = 0
    floor: float = 0.01
    ceiling: float = 10.0
    reset: int = 500
    metric: str = "loss"
    mode: str = "min"
    smooth: int = 1

    def __post_init__(self) -> None:
        """Refuse options outside their ranges."""
        object.__setattr__(self, "factor", finite("Greedy", "factor", self.factor, least=0.0, most=1.0))
        if not 0 < self.factor < 1:
            raise ValueError(f"Greedy: factor must be above 0 and below 1, got {self.factor!r}; give one such as 0.95")
        for name, least in (("patience", 0), ("cooldown", 0), ("warmup", 0), ("reset", 1), ("smooth", 1)):
            object.__setattr__(self, name, whole("Greedy", name, getattr(self, name), least=least))
        object.__setattr__(self, "threshold", finite("Greedy", "threshold", self.threshold, least=0.0))
        object.__setattr__(self, "floor", finite("Greedy", "floor", self.floor, least=0.0, most=1.0))
        object.__setattr__(self, "ceiling", finite("Greedy", "ceiling", self.ceiling, least=1.0))
        named("Greedy", self.metric)
        one_of("Greedy", "threshold_mode", self.threshold_mode, ("rel", "abs"))
        one_of("Greedy", "mode", self.mode, ("min", "max"))

    def init(self) -> GreedyState:
        """Return the state before any measurement."""
        return GreedyState()

    def observe(self, state: GreedyState, step: int, metrics: Mapping[str, float]) -> GreedyState:
        """Count a measurement; raise or lower the rate when enough in a row agree."""
        measured = heard("Greedy", self.metric, metrics)
        usable = math.isfinite(measured)
        recent = state.recent
        if usable and self.smooth > 1:
            recent, measured = average(recent, measured, self.smooth)
        state = state._replace(recent=recent, nonfinite=state.nonfinite + (not usable))
        if state.wait:
            return state._replace(wait=state.wait - 1, good=0, bad=0)
        if usable and improves(measured, state.best, self.threshold, self.threshold_mode, self.mode):
            state = state._replace(best=measured, good=state.good + 1, bad=0)
        else:
            state = state._replace(good=0, bad=state.bad + 1)
        if state.good > self.patience:
            scale = min(state.scale / self.factor, self.ceiling)
            return state._replace(scale=scale, good=0, wait=self.warmup, floored=0)
        return self._cut(state) if state.bad > self.patience else state

    def _cut(self, state: GreedyState) -> GreedyState:
        scale = max(state.scale * self.factor, self.floor)
        floored = state.floored + (scale <= self.floor)
        if floored >= self.reset:
            return GreedyState(resets=state.resets + 1, nonfinite=state.nonfinite, wait=self.cooldown)
        return state._replace(scale=scale, bad=0, wait=self.cooldown, floored=floored)

    def value(self, state: GreedyState, step: int) -> float:
        """Return the factor reached so far."""
        return state.scale

    def why(self, before: GreedyState, after: GreedyState) -> str:
        """Say why it raised or lowered the rate, or began anew."""
        said = not_finite(self.metric, before.nonfinite, after.nonfinite)
        many = plural(self.patience + 1, "measurement")
        if after.resets > before.resets:
            said.append(f"the rate was at its floor for {plural(self.reset, 'cut')}; begun anew at 1")
        elif after.scale > before.scale:
            said.append(f"{self.metric} improved for {many} in a row; rate raised to {after.scale:.4g}")
        elif after.scale < before.scale:
            said.append(f"{self.metric} did not improve for {many} in a row; rate cut to {after.scale:.4g}")
        return f"greedy: {'; '.join(said)}" if said else ""
