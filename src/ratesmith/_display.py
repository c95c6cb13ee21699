"""What gives values and results their `.plot()` and their picture in a notebook, without importing what draws them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

PLOTS: Final[dict[type, Callable[[Any], Any]]] = {}
"""The function that draws each class; plots.py registers its own here when it is imported."""


def _load_nothing() -> None:
    """Stand in for the import of plots.py, until the package has named it."""


load_plots: Callable[[], None] = _load_nothing
"""Imports plots.py. The package's `__init__` sets it, so that no file below plots.py has to import upward."""


class Displayed:
    """A value that plots.py draws: `.plot()` returns its picture, and a notebook shows it."""

    def plot(self) -> Any:
        """Return a picture as a matplotlib Figure.

        Raises ModuleNotFoundError without matplotlib.
        """
        load_plots()
        draw = next(PLOTS[kind] for kind in type(self).__mro__ if kind in PLOTS)
        return draw(self)

    def _repr_svg_(self) -> str | None:
        """Return the picture for a notebook; None without matplotlib, so that the notebook shows the text alone."""
        try:
            figure = self.plot()
        except ModuleNotFoundError:
            return None
        text = io.StringIO()
        figure.savefig(text, format="svg", bbox_inches="tight")
        return text.getvalue()
