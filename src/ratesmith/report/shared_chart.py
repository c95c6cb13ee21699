"""The picture of what was trained once for several runs of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bokeh.models import ColumnDataSource, HoverTool

from ratesmith.experiment import Comparison, Run
from ratesmith.report.page import Picture
from ratesmith.report.style import COLOURS, GREY, blank, named_rows

MOST_ROWS: Final = 16
"""Runs that are drawn."""


def shared(comparison: Comparison, labels: Mapping[str, str], unit: tuple[str, int]) -> Picture | None:
    """Draw, for the rate and seed at which most is shared, what each run shares in grey and what is its own."""
    groups: dict[tuple[float, int], list[Run]] = {}
    for run in comparison.runs:
        groups.setdefault((run.trial.base_lr, run.trial.seed), []).append(run)
    most = max(groups, key=lambda key: sum(run.shared for run in groups[key]), default=None)
    if most is None or not any(run.shared for run in groups[most]):
        return None
    runs = sorted(groups[most], key=lambda run: run.shared)[-MOST_ROWS:]
    name, length = unit
    plot: Any = blank((name, ""), x_range=(0, comparison.layout.steps / length))
    named_rows(plot, [(labels[run.trial.strategy], _length(run, comparison)) for run in runs])
    data = {
        "place": [-place for place in range(len(runs))],
        "name": [run.trial.strategy for run in runs],
        "shared": [run.shared / length for run in runs],
        "end": [run.updates / length for run in runs],
        "updates": [run.shared for run in runs],
        "with": [run.shared_with or "its own" for run in runs],
    }
    source = ColumnDataSource(data)
    grey = plot.hbar("place", left=0, right="shared", height=0.35, color=GREY, alpha=0.4, source=source)
    alone = plot.hbar("place", left="shared", right="end", height=0.35, color=COLOURS[1], source=source)
    tips = [("", "@name"), ("shared updates", "@updates"), ("with", "@with")]
    plot.add_tools(HoverTool(renderers=[grey, alone], tooltips=tips))
    title = f"What was trained once for several runs: grey, at a rate of {most[0]:g} and seed {most[1]}"
    return Picture(title, plot, "Blue is a run’s own. It is the rate and seed at which most is shared.")


def _length(run: Run, comparison: Comparison) -> str:
    return "" if run.trial.steps == comparison.layout.steps else f"{run.trial.steps} steps"
