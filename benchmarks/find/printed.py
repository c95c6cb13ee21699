"""Tables of the benchmark, for a terminal or for a page."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table


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
