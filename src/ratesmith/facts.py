"""What a curve does: its peak, end, mean, shares and turns, as numbers, as sentences and as a small picture."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Curve = Callable[[int], float]

EXACT: Final = 100_000
"""Steps up to which every one is looked at; of a longer curve, so many spread over it, and its turns."""
UNENDING: Final = 1000
"""Steps to look at of a curve that never ends and says nothing of its turns."""
SAID: Final = 8
"""Turns that a sentence lists."""


@dataclass(frozen=True)
class Facts:
    """What a curve does over its first `steps` steps. The values used are those of steps 0 to steps - 1."""

    steps: int
    """How many steps were looked at."""
    endless: bool
    """Whether the curve goes on after them."""
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
    """The last step at the peak."""
    mean: float
    """The mean of the values used: the area under the curve over `steps`."""
    turns: tuple[tuple[int, float], ...]
    """The steps between 0 and `steps` at which the curve changes its shape, each with the value there."""

    @property
    def warmup(self) -> float:
        """The share of the steps before the peak."""
        return self.peak_step / self.steps

    @property
    def decay(self) -> float:
        """The share of the steps from the end of the peak on; 0 for a curve that stays at it."""
        return 0.0 if self.final >= self.peak else (self.steps - self.peak_end) / self.steps

    def __str__(self) -> str:
        """Give the facts as plain sentences, one a line."""
        over = (
            f"It never ends. Over its first {self.steps} steps it" if self.endless else f"It lasts {self.steps} steps,"
        )
        lines = [
            f"{over} begins at {self.first:.4g} and ends at {self.final:.4g} (its last update uses {self.last:.4g})."
        ]
        if self.peak_step == 0 and self.final >= self.peak:
            lines.append(f"It stays at {self.peak:.4g}.")
        elif self.peak_step == 0:
            lines.append(f"Its peak {self.peak:.4g} is its first step.")
        else:
            rise = f"for {self.peak_step} steps ({100 * self.warmup:.3g} %)"
            lines.append(f"It rises {rise} to its peak {self.peak:.4g} at step {self.peak_step}.")
        if self.peak_end > self.peak_step and self.decay:
            lines.append(f"It stays at its peak until step {self.peak_end}.")
        if self.decay:
            lines.append(f"It falls for {self.steps - self.peak_end} steps ({100 * self.decay:.3g} %).")
        lines.append(f"Its mean is {self.mean:.4g}.")
        return "\n".join(lines + self._turns_said())

    def _turns_said(self) -> list[str]:
        if not self.turns:
            return []
        said = ", ".join(str(step) for step, _ in self.turns[:SAID])
        more = f" and {len(self.turns) - SAID} more" if len(self.turns) > SAID else ""
        return [f"It changes shape at step{'s' if len(self.turns) > 1 else ''} {said}{more}."]


def measure(curve: Curve, steps: int | None, turns: Callable[[int], list[int]], *, endless: bool = False) -> Facts:
    """Look at a curve; without a length, over its first turns and a quarter further."""
    if not steps:
        steps = max([UNENDING, *(turn * 5 // 4 for turn in turns(EXACT)[:SAID])])
    inside = [turn for turn in turns(steps - 1) if 0 < turn < steps]
    every = range(steps) if steps <= EXACT else [(2 * i + 1) * steps // (2 * EXACT) for i in range(EXACT)]
    values = [float(curve(step)) for step in every]
    known_steps = dict(zip(every, values, strict=True))
    known_steps |= {step: float(curve(step)) for turn in (0, *inside, steps - 1) for step in (max(0, turn - 1), turn)}
    peak = max(known_steps.values())
    at_peak = [step for step, value in known_steps.items() if value >= peak - 1e-12 * abs(peak)]
    return Facts(
        steps=steps,
        endless=endless,
        first=known_steps[0],
        last=known_steps[steps - 1],
        final=float(curve(steps)),
        peak=peak,
        peak_step=min(at_peak),
        peak_end=max(at_peak),
        mean=math.fsum(values) / len(values),
        turns=tuple((turn, known_steps[turn]) for turn in inside),
    )


def sample(curve: Curve, steps: int, turns: list[int], most: int = 1000) -> list[tuple[int, float]]:
    """Give (step, value) pairs to draw a curve through: evenly spaced ones, and both sides of its first turns."""
    chosen = {step * steps // most for step in range(most + 1)} | {0, steps}
    chosen |= {step for turn in turns[:most] for step in (turn - 1, turn) if 0 <= step <= steps}
    return [(step, float(curve(step))) for step in sorted(chosen)]


def picture(curve: Curve, steps: int, turns: list[int], title: str) -> str:
    """Give a small SVG drawing of a curve over its title, to stand in a page."""
    points = sample(curve, steps, turns, most=240)
    low, high = min(0.0, *(value for _, value in points)), max(value for _, value in points)
    width, height = 320, 96
    spread = (high - low) or 1.0
    line = " ".join(
        f"{8 + width * step / steps:.1f},{14 + height * (high - value) / spread:.1f}" for step, value in points
    )
    style = 'font-family="sans-serif" font-size="10" fill="currentColor"'
    name = html.escape(title if len(title) <= 300 else f"{title[:300]}...")
    return (
        f'<figure style="margin:0"><svg role="img" viewBox="0 0 {width + 64} {height + 32}" width="{width + 64}" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{name}</title>'
        f'<polyline points="{line}" fill="none" stroke="#1f77b4" stroke-width="1.5"/>'
        f'<text x="{width + 14}" y="18" {style}>{high:.4g}</text>'
        f'<text x="{width + 14}" y="{height + 16}" {style}>{low:.4g}</text>'
        f'<text x="8" y="{height + 28}" {style}>0</text>'
        f'<text x="{width + 8}" y="{height + 28}" text-anchor="end" {style}>{steps} steps</text></svg>'
        f"<figcaption><code>{name}</code></figcaption></figure>"
    )
