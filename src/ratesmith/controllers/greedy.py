"""Greedy: raise the rate while a metric improves, lower it while it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from ratesmith._checks import Option, OptionValueError, finite, whole
from ratesmith._field_checks import Check
from ratesmith.controllers.base import (
    Adaptive,
    average,
    check_metric,
    check_word,
    improves,
    not_finite,
    plural,
    read_metric,
)


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
    """The last measurements, if they are smoothed."""


def _check_step(thing: str, option: str, factor: Any) -> float:
    """Return the factor of one step up or down, between 0 and 1."""
    number = finite(thing, option, factor, least=0.0, most=1.0)
    if not 0 < number < 1:
        must = f" must be above 0 and below 1, got {number!r}; give one such as 0.95"
        raise OptionValueError(f"{thing}: ", Option(option), must)
    return number


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

    factor: Annotated[float, Check(_check_step)] = 0.95
    patience: Annotated[int, Check(whole, least=0)] = 10
    threshold: Annotated[float, Check(finite, least=0.0)] = 1e-6
    threshold_mode: Annotated[str, Check(check_word, words=("rel", "abs"))] = "abs"
    cooldown: Annotated[int, Check(whole, least=0)] = 0
    warmup: Annotated[int, Check(whole, least=0)] = 0
    floor: Annotated[float, Check(finite, least=0.0, most=1.0)] = 0.01
    ceiling: Annotated[float, Check(finite, least=1.0)] = 10.0
    reset: Annotated[int, Check(whole, least=1)] = 500
    metric: Annotated[str, Check(check_metric)] = "loss"
    mode: Annotated[str, Check(check_word, words=("min", "max"))] = "min"
    smooth: Annotated[int, Check(whole, least=1)] = 1

    def init(self) -> GreedyState:
        """Return the state before any measurement."""
        return GreedyState()

    def observe(self, state: GreedyState, step: int, metrics: Mapping[str, float]) -> GreedyState:
        """Count a measurement; raise or lower the rate when enough in a row agree."""
        measured = read_metric("Greedy", self.metric, metrics)
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
        """Return why it raised or lowered the rate, or began anew."""
        reasons = not_finite(self.metric, before.nonfinite, after.nonfinite)
        many = plural(self.patience + 1, "measurement")
        if after.resets > before.resets:
            reasons.append(f"the rate was at its floor for {plural(self.reset, 'cut')}; begun anew at 1")
        elif after.scale > before.scale:
            reasons.append(f"{self.metric} improved for {many} in a row; rate raised to {after.scale:.4g}")
        elif after.scale < before.scale:
            reasons.append(f"{self.metric} did not improve for {many} in a row; rate cut to {after.scale:.4g}")
        return f"greedy: {'; '.join(reasons)}" if reasons else ""
