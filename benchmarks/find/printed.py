"""Tables of the benchmark, for a terminal or for a page."""

import statistics
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

SPREAD = ("geometric mean", "median", "90%", "worst", "within 1.2x", "above 2x")
"""The columns that say how ratios lie."""


def show(title: str, columns: Sequence[str], lines: Sequence[Sequence[str]], markdown: bool) -> None:
    """Print a table."""
    if markdown:
        bars = [f"| {' | '.join(line)} |" for line in (columns, ["---", *["---:"] * (len(columns) - 1)], *lines)]
        print(f"\n**{title}**\n", *bars, sep="\n")
        return
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=not place)
    for line in lines:
        table.add_row(*line)
    Console(width=170).print(table)


def spread(ratios: Sequence[float], digits: int = 2) -> list[str]:
    """Return the cells of SPREAD for some ratios; the geometric mean has so many digits."""
    among = np.array(ratios)
    return [
        f"{statistics.geometric_mean(ratios):.{digits}f}",
        *(f"{value:.2f}" for value in np.quantile(among, (0.5, 0.9, 1.0))),
        f"{np.mean(among <= 1.2):.0%}",
        f"{np.mean(among > 2):.0%}",
    ]
