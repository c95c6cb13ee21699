"""What the controllers in `ratesmith show` listen to if a log is given: its measurements."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratesmith._checks import Option, OptionValueError, options_of
from ratesmith.controllers import Controller
from ratesmith.example_metric import Measurements, listeners, mode_of

if TYPE_CHECKING:
    from ratesmith.logs.formats import Log


def read_losses(path: Path, controllers: Iterable[Controller[Any]], steps: int | None) -> Measurements:
    """Return what the controllers listen to as a log has it: the columns by the metrics' names, or its loss.

    Rows are at the steps that the log counts, or evenly over `steps` if it counts none. Raises ValueError, one line
    long, for a file that is no log, or lacks a column.
    """
    parts = [part for controller in controllers for part in listeners(controller)]
    if not parts:
        raise OptionValueError("show: ", Option("losses"), " is for plateau, greedy and spike_guard, got none; drop it")
    with options_of(f"read {path.name!r}"):
        log = _open(path)
        chosen = {part.metric: _column_of(part.metric, log.names) for part in parts}
        counted = _step_column(log.names)
        rows = _rows(log, counted, list(dict.fromkeys(chosen.values())), steps)
    last = rows[-1][0] if steps is None else steps
    kept = [row for row in rows if row[0] <= last]
    if not kept:
        got = f"got step {rows[0][0]} first, of {steps}"
        raise OptionValueError("show: ", Option("losses"), f" must measure within the training, {got}; show more steps")
    places = {name: place for place, name in enumerate(dict.fromkeys(chosen.values()), 1)}
    values = {
        (part.metric, mode_of(part)): tuple(float(row[places[chosen[part.metric]]]) for row in kept) for part in parts
    }
    later = f"; {len(rows) - len(kept)} after step {last} are left out" if len(kept) < len(rows) else ""
    evenly = "" if counted else ", spread evenly, as no column counts the steps"
    text = f"Drawn on {' and '.join(places)} of {path.name}, {len(kept)} measurements{evenly}{later}."
    return Measurements(tuple(row[0] for row in kept), values, text)


def _open(path: Path) -> Log:
    """Open a log, or a file of a single column, which no log is."""
    from ratesmith.logs.formats import Log, open_log

    try:
        return open_log(path)
    except OptionValueError:
        if not (single := _single_column(path)):
            raise
        return Log("CSV", list(single), lambda names: iter([single]))


def _single_column(path: Path) -> dict[str, Any]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
        return {rows[0][0].strip(): [float(row[0]) for row in rows[1:]]} if len(rows) > 1 else {}
    except (OSError, ValueError, csv.Error):
        return {}


def _step_column(names: Sequence[str]) -> str | None:
    from ratesmith.logs.columns import STEPS

    small = {name.strip().lower(): name for name in reversed(names)}
    return next((small[name] for name in STEPS if name in small), None)


def _column_of(metric: str, names: Sequence[str]) -> str:
    """Return the column of a metric: that of its name, or for the loss what looks like one, of validation first."""
    from ratesmith.logs.columns import choose_columns

    if metric in names:
        return metric
    if metric != "loss":
        got = ", ".join(map(repr, names))
        raise OptionValueError(f"read: it must have the column {metric!r}, got {got}; name it so, or another metric")
    chosen = choose_columns([*names, "step"] if _step_column(names) is None else names)
    return chosen.validation or chosen.training or metric


def _rows(log: Log, counted: str | None, names: list[str], steps: int | None) -> list[tuple[Any, ...]]:
    """Return rows of a step and its measurements, those alone that have all of them, in the order of their steps."""
    wanted = [*([counted] if counted else []), *names]
    rows = (row for piece in log.pieces(wanted) for row in zip(*(piece[name] for name in wanted), strict=True))
    measured = [tuple(map(float, row)) for row in rows if not any(math.isnan(value) for value in row)]
    if not measured:
        raise OptionValueError(f"read: it must hold measurements, got none in {', '.join(map(repr, names))}; fill them")
    if counted:
        return sorted((round(row[0]), *row[1:]) for row in measured)
    length = len(measured) if steps is None else steps
    return [(round((place + 1) * length / len(measured)), *row) for place, row in enumerate(measured)]
