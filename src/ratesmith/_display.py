"""What gives values and results their `.plot()`, and a notebook what it shows of them, without importing what draws."""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Sequence
from typing import Any, Final

PLOTS: Final[dict[str, Callable[[Any, Any], Any]]] = {}
"""The function that draws each class, by the class's module and name; plots.py registers its own when it is imported.

Names, so that plots.py imports no class: a schedule can be drawn where nothing that compares is installed."""
NO_PICTURE: Final = (ModuleNotFoundError, ValueError, TypeError)
"""What keeps a value from being drawn: matplotlib is missing, or the value needs what a notebook cannot give."""


def _load_nothing() -> None:
    """Stand in for the import of plots.py, until the package has named it."""


load_plots: Callable[[], None] = _load_nothing
"""Imports plots.py. The package's `__init__` sets it, so that no file below plots.py has to import upward."""


class Drawn:
    """What plots.py draws: `.plot()` returns its picture."""

    def plot(self, ax: Any = None) -> Any:
        """Return a picture as a matplotlib Figure; drawn into the axes `ax` if they are given, else into a new one.

        `.plot().savefig("picture.png")` writes a file. Raises ModuleNotFoundError without matplotlib.
        """
        load_plots()
        names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(self).__mro__)
        draw = next(PLOTS[name] for name in names if name in PLOTS)
        return draw(self, ax)

    def _svg(self) -> str | None:
        """Return the picture as text; None if there can be none here."""
        text = io.StringIO()
        try:
            self.plot().savefig(text, format="svg", bbox_inches="tight")
        except NO_PICTURE:
            return None
        return text.getvalue()


class Displayed(Drawn):
    """A value that a notebook shows as its picture."""

    _horizon: Any = None
    """The Horizon that it was built for: how far to draw it, if it never ends. It is no part of the value."""
    _notation: str = ""
    """The notation that it was built from, which is shorter than its own. It is no part of the value."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what is the value: not the hints for its picture, so that equal values are pickled alike."""
        return {name: field for name, field in vars(self).items() if name not in ("_horizon", "_notation")}

    def _repr_svg_(self) -> str | None:
        """Return the picture for a notebook; None without matplotlib, so that the notebook shows the text alone."""
        return self._svg()


class DisplayedResult(Drawn):
    """A result, which a notebook shows as its answer, its picture and its table."""

    def _display_texts(self) -> Sequence[str]:
        """Return the answer, and what else is to be read, a paragraph each."""
        return [str(self)]

    def _display_table(self) -> Sequence[Sequence[str]]:
        """Return the table, its heading first; nothing if there is none."""
        return []

    def _repr_html_(self) -> str:
        """Return answer, picture and table for a notebook."""
        first, *others = (html.escape(text) for text in self._display_texts())
        parts = [f"<p><b>{first}</b></p>"]
        if picture := self._svg():
            # Without what stands before it, which is no HTML.
            parts.append(f'<div style="max-width: 60rem">{picture[picture.index("<svg") :]}</div>')
        if table := self._display_table():
            heading, *rows = (_row(cells, "td" if place else "th") for place, cells in enumerate(table))
            parts.append(f"<table><thead>{heading}</thead><tbody>{''.join(rows)}</tbody></table>")
        return "\n".join([*parts, *(f"<p>{text}</p>" for text in others)])


def _row(cells: Sequence[str], tag: str) -> str:
    shown = (f'<{tag} style="text-align: left">{html.escape(cell)}</{tag}>' for cell in cells)
    return f"<tr>{''.join(shown)}</tr>"
