"""Curves of schedules as a picture in a file, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure


def draw(curves: Mapping[str, Sequence[tuple[int, float]]], file: Path, form: str, steps_per_epoch: int = 1) -> None:
    """Draw (step, factor) pairs by label into a file, as "png" or "svg"; the axis counts epochs where one has steps."""
    figure = Figure(figsize=(7.2, 3.6), dpi=150, layout="constrained")
    axes = figure.subplots()
    for label, points in curves.items():
        axes.plot(
            [step / steps_per_epoch for step, _ in points],
            [value for _, value in points],
            label=label.replace("$", r"\$"),
            lw=1.6,
        )
    axes.set(xlabel="epoch" if steps_per_epoch > 1 else "step", ylabel="factor of the initial rate")
    axes.set_xlim(0, max(step for points in curves.values() for step, _ in points) / steps_per_epoch)
    axes.set_ylim(min(0.0, *axes.get_ylim()), None)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False, prop={"family": "monospace", "size": 8})
    figure.savefig(file, format=form, bbox_inches="tight")
