"""A progress bar for calls that last: on a terminal or in a notebook, after two seconds; nowhere else."""

from __future__ import annotations

import html
import sys
import time
from typing import Any, Final, Protocol, Self

PATIENCE: Final = 2.0
"""Seconds before a bar is shown: shorter calls need none."""
BETWEEN: Final = 0.2
"""Seconds between two pictures of the bar."""


class _Shown(Protocol):
    def show(self, done: int, planned: int, note: str) -> None: ...

    def close(self) -> None: ...


class ProgressBar:
    """How far a call is, while the `with` lasts.

    Shown on stderr if that is a terminal, and below the cell in a notebook; a program whose output goes elsewhere
    prints nothing. It makes no thread: a data loader may fork the process at any time.
    """

    def __init__(self, what: str, unit: str) -> None:
        """Make the bar; `what` stands before it, `unit` says what is counted."""
        self.what, self.unit = what, unit
        self._shown: _Shown | None = None
        self._next = time.monotonic() + PATIENCE

    def __enter__(self) -> Self:
        """Begin to wait."""
        self._next = time.monotonic() + PATIENCE
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        if self._shown is not None:
            self._shown.close()

    def say(self, line: str) -> None:
        """Print a line at once, if somebody looks."""
        if _is_seen():
            print(f"{self.what}: {line}", file=sys.stderr)

    def update(self, done: int, planned: int, note: str = "") -> None:
        """Take in how much is done; `note` stands behind the bar."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + BETWEEN
        if self._shown is None:
            self._shown = _begin(self.what, self.unit)
        if self._shown is not None:
            self._shown.show(done, planned, note)


def _is_seen() -> bool:
    """Whether somebody looks: on a terminal or in a notebook."""
    return _in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def _begin(what: str, unit: str) -> _Shown | None:
    """Return what shows a bar here; None if nobody looks."""
    if not _is_seen():
        return None
    if _in_notebook():
        return _Notebook(what, unit)
    try:
        return _Terminal(what, unit)
    except ModuleNotFoundError:  # without rich all is as it is, but for the bar
        return None


def _in_notebook() -> bool:
    """Whether a kernel runs this, whose cells show more than text."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class _Terminal:
    def __init__(self, what: str, unit: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
        rest = (TextColumn(f"{unit}, time left"), TimeRemainingColumn(compact=True), TextColumn("{task.fields[note]}"))
        self._bar = Progress(*columns, *rest, console=Console(stderr=True), transient=True, auto_refresh=False)
        self._row = self._bar.add_task(what, total=None, note="")
        self._bar.start()

    def show(self, done: int, planned: int, note: str) -> None:
        self._bar.update(self._row, completed=done, total=planned, note=note, refresh=True)

    def close(self) -> None:
        self._bar.stop()


class _Notebook:
    """A bar as HTML: it needs no widgets, which many notebooks lack."""

    def __init__(self, what: str, unit: str) -> None:
        from IPython.display import HTML, display

        self._html, self._what, self._unit = HTML, what, unit
        self._cell: Any = display(HTML(""), display_id=True)

    def show(self, done: int, planned: int, note: str) -> None:
        text = html.escape(f"{done:,} of {planned:,} {self._unit}{note and ', ' + note}")
        bar = f'<progress value="{done}" max="{max(planned, 1)}"></progress>'
        self._cell.update(self._html(f"{html.escape(self._what)} {bar} {text}"))

    def close(self) -> None:
        self._cell.update(self._html(""))
