"""The three laws of how a loss curve follows from the rates, behind one small interface.

Each law is `L = L0 + A * progress + B * noise`; noise is below 0 in the laws that write down what annealing gains.
L0, A and B enter linearly, so that two columns, computed from the rates and a few shape parameters, are all that a law
has to give. u is the rate as a share of a reference rate, so that no parameter has the unit of the rate. The clocks S
and R count steps at the reference rate. So does tau, but in Tissue's law, whose tau is in steps at any rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np

from ratesmith.forecast.segments import Segments
from ratesmith.logs.curve import Floats


@dataclass(frozen=True)
class Prior:
    """One shape parameter of a law: what is believed of it before any run is seen, and where it is looked for.

    `mean` and `sd` are those of a normal distribution, `low` and `high` are bounds, `lattice` are the values from which
    the fit may start. A name that begins with "log" is that of a natural logarithm.
    """

    name: str
    mean: float
    sd: float
    low: float
    high: float
    lattice: tuple[float, ...]


ALPHA: Final = Prior("log alpha", -0.68, 0.26, -3.0, 1.0, (-1.1, -0.85, -0.68, -0.45, -0.1))
RATIO: Final = Prior("log B/A", 0.22, 0.71, -7.0, 6.0, (-1.5, -0.8, -0.2, 0.22, 0.7, 1.3))
"""What every law has: the power of progress, and how large the noise is beside what progress has left."""


class Law(Protocol):
    """What a law is: its name, its shape parameters, and two columns for a batch of them."""

    @property
    def name(self) -> str:
        """The name that `fit(..., law=name)` takes."""
        ...

    @property
    def priors(self) -> tuple[Prior, ...]:
        """The shape parameters; the first is log alpha, the second log B/A, which the columns do not need."""
        ...

    def columns(self, segments: Segments, parameters: Floats, s_ref: float) -> tuple[Floats, Floats]:
        """Return progress and noise at the wanted steps: two arrays of the shape (rows, wanted).

        `parameters`: a row of shape parameters for each answer, (rows, priors). `s_ref`: the clock at which progress is
        1.
        """
        ...


@dataclass(frozen=True)
class TwoClocks:
    """The default: one clock for progress, one for noise that follows the rate.

    `S = sum u^p`, `R = sum u`, `dn/dR = (u^q - n) / tau` with n(0) = 0, and

        L = L0 + A * (S / S_ref)^-alpha + B * n        A, B >= 0

    tau is in steps at the reference rate. n is one number of state: a first-order low-pass of u^q, so that warm-up,
    restarts and cycles need no special case. Seven parameters: L0, A, alpha, B, tau, p, q. With p = q = 1 the clocks
    are those of the older laws. Source: this project's study of public curves, where it fits better than the
    multi-power law in all 22 groups; p < 1 and q < 1 agree with AdamW's equilibrium, in which the weights turn by about
    sqrt(rate) at each step (Kosson et al., arXiv 2305.17212). The priors are the means over those groups, and 1.5 times
    the deviations, as benchmarks/forecast prints them.
    """

    name: str = "two-clock"
    priors: tuple[Prior, ...] = (
        replace(ALPHA, mean=-0.69, sd=0.15),
        replace(RATIO, mean=0.10, sd=0.55),
        Prior("log tau", 3.97, 1.48, 0.0, 11.0, (3.0, 4.3, 5.3, 6.5)),
        Prior("p", 0.625, 0.095, 0.05, 1.5, (0.55, 0.7, 0.85)),
        Prior("q", 0.733, 0.165, 0.05, 1.5, (0.45, 0.65, 0.85)),
    )

    def columns(self, segments: Segments, parameters: Floats, s_ref: float) -> tuple[Floats, Floats]:
        """Return progress and noise: see Law."""
        alpha, tau, q = np.exp(parameters[:, 0]), np.exp(parameters[:, 2]), parameters[:, 4, None, None]
        # all from here on: (rows, schedules, segments)
        clock = np.cumsum(segments.lengths * segments.powers(parameters[:, 3]), axis=2)
        passed = segments.lengths * segments.rates / tau[:, None, None]
        stay = np.exp(-passed)
        # The noise follows a target that goes from `first` to `last` on a straight line: solved in closed form. Over a
        # segment that lasts x = passed times of relaxation it keeps exp(-x) of what it was. `lag` is the mean of
        # exp(-t) over t from 0 to x; for a short segment its formula is 0 / 0, and its series 1 - x / 2 is right to
        # 2e-9.
        first, last = (np.exp(q * np.log(np.maximum(ends, 1e-12))) for ends in (segments.first, segments.last))
        lag = np.where(passed > 1e-4, -np.expm1(-passed) / np.maximum(passed, 1e-4), 1 - passed / 2)
        gain = last - first * stay - (last - first) * lag
        return _power(clock, alpha, segments, s_ref), _follow(stay, gain)[:, segments.row, segments.column]


@dataclass(frozen=True)
class Tissue:
    """Tissue et al., "Scaling law with learning rate annealing", 2024, arXiv 2408.11029.

    `S1 = sum u`, `S2 = sum m`, `m = lambda * m + (fall of u at this step)`, and `L = L0 + A * S1^-alpha - C * S2`.
    Here lambda = exp(-1 / tau), tau in steps, fitted as any real number; S2 is divided by tau, so that C is what full
    annealing gains in the end. Falls count from the end of the warm-up, as in the paper.
    """

    name: str = "tissue"
    priors: tuple[Prior, ...] = (
        ALPHA,
        RATIO,
        Prior("log tau", 7.3, 1.2, 3.0, 12.0, (5.5, 6.5, 7.3, 8.3)),
    )

    def columns(self, segments: Segments, parameters: Floats, s_ref: float) -> tuple[Floats, Floats]:
        """Return progress and noise (the gain with its sign turned): see Law."""
        alpha, tau = np.exp(parameters[:, 0]), np.exp(parameters[:, 2])[:, None, None]
        ends = np.cumsum(segments.lengths * segments.rates, axis=1)
        clock = np.broadcast_to(ends, (len(parameters), *ends.shape))
        stay = np.exp(-segments.lengths / tau)
        # A jump at the segment's first step, and a slide in equal parts over all of its steps, as geometric series: a
        # fall gives (1 - decay^k) / (1 - decay) in k steps, and `fade` is that 1 - decay, without cancellation.
        fade, decay = -np.expm1(-1 / tau), np.exp(-1 / tau)
        slide = segments.slides / np.maximum(segments.lengths, 1)
        momentum = _follow(stay, stay / decay * segments.jumps + slide * (1 - stay) / fade)
        before = np.concatenate([np.zeros_like(momentum[:, :, :1]), momentum[:, :, :-1]], axis=2)
        sums = (before * decay + segments.jumps) * (1 - stay) / fade
        sums += slide * (segments.lengths - decay * (1 - stay) / fade) / fade
        gained = np.cumsum(sums, axis=2) / tau
        return _power(clock, alpha, segments, s_ref), -gained[:, segments.row, segments.column]


@dataclass(frozen=True)
class MultiPower:
    """Luo et al., "A multi-power law for loss curve prediction", ICLR 2025, arXiv 2503.12811.

    `L = L0 + A * S1^-alpha - B * sum over k of (fall of u at k) * (1 - (1 + u_k^-gamma * S_k / tau)^-beta)` with
    S_k(t) the sum of u from step k to t, and S1 the sum of u, warm-up included. The paper writes C for 1 / tau. The
    kernel has no single state: it costs segments x wanted steps, never steps x steps.
    """

    name: str = "multi-power"
    priors: tuple[Prior, ...] = (
        ALPHA,
        RATIO,
        Prior("log tau", 4.0, 2.0, -3.0, 11.0, (2.0, 4.0, 6.0)),
        Prior("log beta", -0.5, 0.7, -3.0, 2.5, (-0.7, 0.3)),
        Prior("gamma", 0.6, 0.3, -0.3, 1.5, (0.3, 0.7)),
    )

    def columns(self, segments: Segments, parameters: Floats, s_ref: float) -> tuple[Floats, Floats]:
        """Return progress and noise (the gain with its sign turned): see Law."""
        steps = segments.lengths * segments.rates
        ends = np.cumsum(steps, axis=1)
        clock = np.broadcast_to(ends, (len(parameters), *ends.shape))
        gained = np.zeros((len(parameters), len(segments.row)))
        for row in range(len(ends)):
            wanted, fall = segments.row == row, segments.jumps[row] + segments.slides[row]
            falls = np.flatnonzero(fall)
            if not len(falls):
                continue
            # What falls in the course of a segment is taken to fall in its middle. `since`: (wanted, falls), the clock
            # from each fall to each wanted step, below 0 before the fall.
            middle = 0.5 * (np.abs(segments.slides[row]) > np.abs(segments.jumps[row]))
            since = ends[row, segments.column[wanted], None] - (ends[row] - (1 - middle) * steps[row])[falls]
            logs = np.log(np.maximum(segments.rates[row, falls], 1e-6))
            # (rows, wanted, falls), in logarithms: u ** -gamma of a rate near zero overflows
            passed = (
                np.log(np.maximum(since, 1e-12)) - parameters[:, 4, None, None] * logs - parameters[:, 2, None, None]
            )
            kernel = -np.expm1(-np.exp(parameters[:, 3, None, None]) * np.log1p(np.exp(passed)))
            gained[:, wanted] = np.where(since > 0, kernel, 0.0) @ fall[falls]
        return _power(clock, np.exp(parameters[:, 0]), segments, s_ref), -gained


LAWS: Final[Mapping[str, Law]] = MappingProxyType(
    {"default": TwoClocks(), "two-clock": TwoClocks(), "tissue": Tissue(), "multi-power": MultiPower()}
)
"""The laws by the names that `fit` takes."""


def _power(clock: Floats, alpha: Floats, segments: Segments, s_ref: float) -> Floats:
    """Return (S / S_ref)^-alpha at the wanted steps; S is at least what a thousandth of a step makes, never zero."""
    # Updates at a rate of zero leave the clock at 0, whose power would be infinite.
    ticks: Floats = np.maximum(clock[:, segments.row, segments.column], 1e-3) / s_ref
    power: Floats = ticks ** -alpha[:, None]
    return power


def _follow(stay: Floats, gain: Floats) -> Floats:
    """Return the states x of `x = stay * x + gain`, from 0, along the last axis, which is that of the segments."""
    stays, gains = np.ascontiguousarray(np.moveaxis(stay, -1, 0)), np.moveaxis(gain, -1, 0)
    states: Floats = np.ascontiguousarray(gains)
    if states is gains:  # nothing was copied, and the caller's array must stay as it is
        states = gains.copy()
    # The segments come first in memory, so that each turn of the loop adds up rows that lie next to each other.
    for before, now, kept in zip(states, states[1:], stays[1:], strict=False):
        now += kept * before
    return np.moveaxis(states, 0, -1)
