"""Put a comparison on one page: its answer, ranking, pictures and runs."""

from __future__ import annotations

from pathlib import Path

from ratesmith.experiment import Comparison
from ratesmith.experiment.answer import STOPPED, conclusion_to_best, margin
from ratesmith.experiment.ranking_table import facts, is_far_behind, judged_by, reached_heading, tells_overfitting
from ratesmith.experiment.wording import range_of
from ratesmith.report.comparison_charts import View, charts
from ratesmith.report.page import write_page
from ratesmith.report.style import looks
from ratesmith.strategy.labels import labels

METRICS_RANKED = 2
"""Metrics in the ranking, the deciding one first; a table of them all stands apart, so that none is too wide."""


def write(comparison: Comparison, path: str | Path, *, title: str, command: str) -> Path:
    """Write the page of a comparison, and return its path."""
    names = [row.strategy for row in comparison.rows]
    texts = [*names, *(row.chosen for row in comparison.rows), *(run.trial.strategy for run in comparison.runs)]
    view = View(comparison, looks(names, comparison.question.baseline), labels(texts))
    drawn = charts(view)
    measured = list(comparison.best.estimates) if comparison.best else []
    metrics = sorted(measured, key=lambda name: name != comparison.metric) or [comparison.metric]
    values = {
        "comparison": comparison,
        "first": next((name for name in ("forest", "basin") if name in drawn), None),
        "looks": view.styles,
        "labels": view.labels,
        "metrics": metrics,
        "ranked": metrics[:METRICS_RANKED],
        "tie": margin(comparison),
        "reached_heading": reached_heading(comparison),
        "facts": {row.strategy: facts(comparison, row, "\n") for row in comparison.rows},
        "conclusions": {row.strategy: conclusion_to_best(comparison, row) for row in comparison.rows},
        "range_of": range_of,
        "judged_by": judged_by,
        "far_behind": {row.strategy for row in comparison.rows if is_far_behind(comparison, row)},
        "stopped": STOPPED,
        "with_gap": tells_overfitting(comparison),
    }
    return write_page("comparison.html.jinja", path, drawn, title=title, command=command, **values)
