"""Put a comparison on one page: its verdict, ranking, pictures and runs."""

from __future__ import annotations

import math
from pathlib import Path

from ratesmith.experiment import Comparison
from ratesmith.report.comparison_charts import charts
from ratesmith.report.page import write_page
from ratesmith.report.style import looks


def write(comparison: Comparison, path: str | Path, *, title: str, command: str) -> Path:
    """Write the page of a comparison, and return its path."""
    styles = looks([row.strategy for row in comparison.rows], comparison.question.baseline)
    drawn = charts(comparison, styles)
    relative = all(row.difference is None or row.difference.relative for row in comparison.rows)
    margin = comparison.question.margin
    values = {
        "comparison": comparison,
        "looks": styles,
        "tie": f"{100 * margin:g} %" if relative else f"{margin:g}",
        "tries": sorted({k for row in comparison.rows for k in row.expected}),
        "infinity": math.inf,
    }
    return write_page("comparison.html.jinja", path, drawn, title=title, command=command, **values)
