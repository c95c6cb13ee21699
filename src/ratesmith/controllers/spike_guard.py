"""Spike guard: cut the rate after a spike of the loss, and recover along a ramp."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, NamedTuple

from ratesmith._checks import finite, whole
from ratesmith._field_checks import Check
from ratesmith.controllers.base import Adaptive, check_factor, check_metric, read_metric
from ratesmith.shapes import Ramp

LARGEST_LOSS: Final = 1e75
"""A loss beyond this is as good as infinite; its square can still be added."""


class SpikeGuardState(NamedTuple):
    """What a spike guard remembers: plain numbers, so any format can save it."""

    spikes: int = 0
    """Spikes so far."""
    at: int = 0
    """The step after which the last one was measured."""
    low: float = 1.0
    """The factor it was answered with."""
    normal: int = 0
    """Measurements that were no spike."""
    mean: float = 0.0
    """Their moving mean."""
    variance: float = 0.0
    """Their moving variance."""
    nonfinite: int = 0
    """Measurements that were NaN or infinite."""
    last: float | None = None
    """The measurement of the last spike; None if it was not finite."""
    streak: int = 0
    """Spikes in a row."""


@dataclass(frozen=True)
class SpikeGuard(Adaptive[SpikeGuardState]):
    """Multiplied by `factor` when the loss jumps, then back to 1 along a ramp of `recover` steps.

    A spike is a measurement more than `threshold` standard deviations above the mean, both of the measurements before
    it, exponentially weighted over about `window` of them (plain over fewer), and at least `least` of their mean's
    size above it; or one that is not finite, or beyond 1e75. None is called before `settle` measurements. A spike
    changes neither mean nor deviation; one right after another belongs to the same spike, and only puts the recovery
    off, while a new one in a recovery cuts the factor reached. After `settle` in a row the loss has a new level, and
    mean and deviation begin anew. `floor` bounds the factor.
    Formula: after a spike at step s, `low + (1 - low) * (step - s) / recover`, low the factor before it times `factor`.
    Feed it the training loss often, as once an update: one measurement an epoch sees few spikes.
    Sources: loss spikes in Chowdhery et al., "PaLM", 2022, arXiv 2204.02311; the moving z-score in Kumar et al.,
    "ZClip", 2025, arXiv 2504.02507.

    >>> guard = SpikeGuard(factor=0.5, recover=10, settle=3)
    >>> state = guard.init()
    >>> for step, loss in enumerate((1.0, 1.1, 0.9, 1.0, 5.0)):
    ...     state = guard.observe(state, step, {"loss": loss})
    >>> guard.value(state, 4), guard.value(state, 9), guard.value(state, 14)
    (0.5, 0.75, 1.0)
    """

    factor: Annotated[float, Check(check_factor)] = 0.1
    recover: Annotated[int, Check(whole, least=1)] = 100
    threshold: Annotated[float, Check(finite, least=0.0)] = 6.0
    window: Annotated[int, Check(whole, least=2)] = 100
    settle: Annotated[int, Check(whole, least=2)] = 20
    least: Annotated[float, Check(finite, least=0.0)] = 0.1
    floor: Annotated[float, Check(finite, least=0.0, most=1.0)] = 1e-3
    metric: Annotated[str, Check(check_metric)] = "loss"
    lengths: ClassVar[tuple[str, ...]] = ("recover",)

    def init(self) -> SpikeGuardState:
        """Return the state before any measurement."""
        return SpikeGuardState()

    def observe(self, state: SpikeGuardState, step: int, metrics: Mapping[str, float]) -> SpikeGuardState:
        """Answer a spike, or take the measurement into mean and variance."""
        measured = read_metric("SpikeGuard", self.metric, metrics)
        if not abs(measured) <= LARGEST_LOSS:
            return self._answer(state._replace(nonfinite=state.nonfinite + 1), step, None)
        above = measured - state.mean
        limit = max(self.threshold * math.sqrt(state.variance), self.least * abs(state.mean))
        if state.normal >= self.settle and above > limit:
            if state.streak + 1 < self.settle:
                return self._answer(state, step, measured)
            state, above = state._replace(normal=0, mean=0.0, variance=0.0), measured
        count = state.normal + 1
        weight = 1 / min(count, self.window)
        return state._replace(
            normal=count,
            mean=state.mean + weight * above,
            variance=(1 - weight) * (state.variance + weight * above * above) if state.normal else 0.0,
            streak=0,
        )

    def _answer(self, state: SpikeGuardState, step: int, measured: float | None) -> SpikeGuardState:
        low = state.low if state.streak else max(self.value(state, step) * self.factor, self.floor)
        spikes, streak = state.spikes + (not state.streak), state.streak + 1
        return state._replace(spikes=spikes, at=int(step), low=low, last=measured, streak=streak)

    def value(self, state: SpikeGuardState, step: int) -> float:
        """Return 1, or after a spike how far the recovery is."""
        return float(Ramp(state.low, 1.0, self.recover)(step - state.at)) if state.spikes else 1.0

    def why(self, before: SpikeGuardState, after: SpikeGuardState) -> str:
        """Return which measurement was a spike."""
        if before.streak and not after.streak and after.normal < before.normal:
            return f"spike guard: {self.metric} has a new level, about {after.mean:.6g}"
        if after.spikes == before.spikes:
            return ""
        jump: Any = (
            "was not finite" if after.last is None else f"jumped to {after.last:.6g} from about {after.mean:.6g}"
        )
        return f"spike guard: {self.metric} {jump}; rate cut to {after.low:.4g}, recovering over {self.recover} steps"
