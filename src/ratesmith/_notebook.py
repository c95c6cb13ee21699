"""The small picture of a schedule that notebooks show; importing this file gives it to every schedule.

A schedule knows nothing of pictures, so that the files below stay free of them.
"""

from __future__ import annotations

import html

from ratesmith.describe import ValueAt, extent, sample
from ratesmith.schedule import Schedule


def picture(curve: ValueAt, steps: int, breakpoints: list[int], title: str) -> str:
    """Return a small SVG drawing of a curve over its title, to stand in a page."""
    points = sample(curve, steps, breakpoints, most=240)
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


def _shown(schedule: Schedule) -> str:
    """Show it in a notebook: a small picture over its notation."""
    steps = extent(schedule.steps, schedule.breakpoints)
    return picture(schedule, steps, schedule.breakpoints(0, steps), str(schedule))


Schedule._repr_html_ = _shown  # type: ignore[attr-defined]  # the name that notebooks ask for, which no user calls
