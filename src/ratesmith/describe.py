"""What a curve does: its peak, end, mean, shares and breakpoints, as numbers and as sentences.

It stands above the schedules and only calls them: a schedule does not describe itself.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ratesmith._checks import whole
from ratesmith.schedule import Schedule

ValueAt = Callable[[int], float]

Breakpoints = Callable[[int, int], list[int]]
"""Returns the steps after one step and up to another at which a curve changes its shape."""

MOST_EXACT: Final = 100_000
"""Steps up to which every one is looked at."""
SAMPLED: Final = 20_000
"""Steps that are looked at in a longer curve, spread over it, beside those around its breakpoints."""
ENDLESS_SHOWN: Final = 1000
"""Steps to look at of a curve that never ends and says nothing of its breakpoints."""
MOST_LISTED: Final = 8
"""Breakpoints that a sentence lists."""


@dataclass(frozen=True)
class ScheduleSummary:
    """What a curve does over its first `steps` steps. The values used are those of steps 0 to steps - 1."""

    steps: int
    """How many steps were looked at."""
    own_length: int | None
    """How long the curve itself lasts; None: it never ends."""
    exact: bool
    """Whether every step was looked at; if not, peak and mean are those of a sample."""
    first: float
    """The value of the first update."""
    last: float
    """The value of the last update, at steps - 1."""
    final: float
    """The value at `steps`, after the last update."""
    peak: float
    """The largest value used."""
    peak_step: int
    """The first step at the peak."""
    peak_end: int
    """The step from which on the curve is below its peak for good; `steps` if it ends at it."""
    back: bool
    """Whether it leaves its peak and comes back to it in between."""
    mean: float
    """The mean of the values used: the area under the curve over `steps`."""
    breakpoints: tuple[tuple[int, float], ...]
    """The steps between 0 and `steps` at which the curve changes its shape, each with the value there."""

    @property
    def warmup(self) -> float:
        """The share of the steps before the peak."""
        return self.peak_step / self.steps

    @property
    def decay(self) -> float:
        """The share of the steps from where the curve leaves its peak for good."""
        return (self.steps - self.peak_end) / self.steps

    def __str__(self) -> str:
        """Return the summary as plain sentences, one a line."""
        lines = ["It never ends." if self.own_length is None else f"It lasts {self.own_length} steps."]
        over = "" if self.own_length == self.steps else f" over its first {self.steps} steps"
        lines[0] += (
            f" It begins at {self.first:.4g} and ends at {self.final:.4g}{over}; the last update uses {self.last:.4g}."
        )
        if self.own_length == 0:
            return f"It lasts 0 steps and stays at {self.final:.4g}."
        if self.peak_step == 0 and self.peak_end == self.steps and not self.back:
            lines.append(f"It stays at {self.peak:.4g}.")
        else:
            way = f"step {self.peak_step} ({100 * self.warmup:.3g} % of the way)"
            reached = f"reached at {way}" if self.peak_step else "its first value"
            lines.append(f"Its peak is {self.peak:.4g}, {reached}{', and again later' if self.back else ''}.")
            if self.decay:
                lines.append(f"From step {self.peak_end} on it is below its peak ({100 * self.decay:.3g} %).")
        lines.append(f"Its mean is {'' if self.exact else 'about '}{self.mean:.4g}.")
        if not self.exact:
            lines.append(f"These are from {SAMPLED} of its steps, and those where it changes shape.")
        return "\n".join(lines + self._changes())

    def _changes(self) -> list[str]:
        if not self.breakpoints:
            return []
        steps = ", ".join(str(step) for step, _ in self.breakpoints[:MOST_LISTED])
        more = f" and {len(self.breakpoints) - MOST_LISTED} more" if len(self.breakpoints) > MOST_LISTED else ""
        return [f"It changes shape at step{'s' if len(self.breakpoints) > 1 else ''} {steps}{more}."]


def summarize(schedule: Schedule, steps: int | None = None) -> ScheduleSummary:
    """Return a schedule's peak, end, mean, shares and breakpoints, over its own length or over its first `steps` steps.

    >>> from ratesmith import Ramp
    >>> summary = summarize(Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.0, 30))
    >>> summary.peak, summary.peak_step, summary.warmup, summary.decay, round(summary.mean, 3)
    (1.0, 10, 0.25, 0.75, 0.5)
    """
    return _summary("summarize", schedule, steps)


def explain(schedule: Schedule, steps: int | None = None) -> str:
    """Return in plain sentences what a schedule does, over its own length or over its first `steps` steps.

    >>> from ratesmith import Ramp
    >>> print(explain(Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.0, 30)))
    It lasts 40 steps. It begins at 0 and ends at 0; the last update uses 0.03333.
    Its peak is 1, reached at step 10 (25 % of the way).
    From step 10 on it is below its peak (75 %).
    Its mean is 0.5.
    It changes shape at step 10.
    """
    return str(_summary("explain", schedule, steps))


def _summary(asked: str, schedule: Schedule, steps: int | None) -> ScheduleSummary:
    length = schedule.steps if steps is None else whole(asked, "steps", steps, least=1)
    return measure(schedule, length, schedule.breakpoints, own_length=schedule.steps)


def extent(steps: int | None, breakpoints: Breakpoints) -> int:
    """Return how far to look at a curve: its length, or its first breakpoints and a quarter further."""
    if steps is None:
        return max([ENDLESS_SHOWN, *(step * 5 // 4 for step in breakpoints(0, MOST_EXACT)[:MOST_LISTED])])
    return max(steps, 1)


def measure(curve: ValueAt, steps: int | None, breakpoints: Breakpoints, *, own_length: int | None) -> ScheduleSummary:
    """Look at a curve over `steps` steps, or as far as its `extent`."""
    steps = extent(steps, breakpoints)
    inside = [step for step in breakpoints(0, steps - 1) if 0 < step < steps]
    exact = steps <= MOST_EXACT
    spread = list(range(steps)) if exact else _spread(steps)
    values = [float(curve(step)) for step in spread]
    values_at = dict(zip(spread, values, strict=True))
    for edge in (0, *inside[:SAMPLED], steps - 1):
        for step in (max(0, edge - 1), edge):
            if step not in values_at:
                values_at[step] = float(curve(step))
    peak = max(values_at.values())
    # Values that should be equal differ in their last digits, as 3 * 0.1 and 0.3 do: they are one peak.
    high = peak - 1e-12 * abs(peak)
    order = sorted(values_at)
    at_peak = [step for step in order if values_at[step] >= high]
    return ScheduleSummary(
        steps=steps,
        own_length=own_length,
        exact=exact,
        first=values_at[0],
        last=values_at[steps - 1],
        final=float(curve(steps)),
        peak=peak,
        peak_step=at_peak[0],
        peak_end=_leaves(at_peak[-1], order, set(inside), steps),
        back=order.index(at_peak[-1]) - order.index(at_peak[0]) >= len(at_peak),
        mean=math.fsum(value / len(values) for value in values),
        breakpoints=tuple((step, values_at[step]) for step in inside if step in values_at),
    )


def _spread(steps: int) -> list[int]:
    """Return one step of each of many equal spans, at a place that no period of the curve can follow."""
    chance = random.Random(0)  # noqa: S311  # nothing secret
    edges = [part * steps // SAMPLED for part in range(SAMPLED + 1)]
    return [chance.randrange(begin, end) for begin, end in itertools.pairwise(edges)]


def _leaves(last: int, order: list[int], breakpoints: set[int], steps: int) -> int:
    """Return the step at which a curve leaves its peak: a drop's own step, or the last step of what then bends down."""
    if last >= steps - 1:
        return steps
    below = order[order.index(last) + 1]
    return below if below in breakpoints else last


def sample(curve: ValueAt, steps: int, breakpoints: list[int], most: int = 1000) -> list[tuple[int, float]]:
    """Return (step, value) pairs to draw a curve through: evenly spaced ones, and both sides of breakpoints."""
    chosen = {step * steps // most for step in range(most + 1)} | {0, steps}
    chosen |= {step for edge in breakpoints[:most] for step in (edge - 1, edge) if 0 <= step <= steps}
    return [(step, float(curve(step))) for step in sorted(chosen)]
