"""What the controllers in `ratesmith show` listen to: an example metric, or the measurements of a run's log."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ratesmith._checks import Option, OptionValueError, options_of
from ratesmith.controllers import Adaptive, Chained, Controller, SpikeGuard
from ratesmith.describe import Breakpoints
from ratesmith.horizon import Horizon

if TYPE_CHECKING:
    from ratesmith.logs.formats import Log

MEASURED: Final = 50
"""Times that the example is measured, if it is not known what an epoch is."""
STOPS: Final = 0.6
"""The share of training after which the example improves no more."""
SPIKES: Final = 0.8
"""The share of training after which the example jumps once, if a spike guard listens."""
SPIKE: Final = 20.0
"""How many times higher it is then."""


@dataclass(frozen=True)
class Measurements:
    """Measurements after so many updates, of each metric by its name and by the mode in which it is judged."""

    steps: tuple[int, ...]
    values: dict[tuple[str, str], tuple[float, ...]]
    text: str
    """What they are, in one sentence."""


@dataclass(frozen=True)
class Track:
    """A controller's states over training: what it was after each measurement."""

    controller: Controller[Any]
    steps: tuple[int, ...]
    states: tuple[Any, ...]
    """One more than the steps: the first is that before any measurement."""

    def at(self, step: int) -> float:
        """Return the factor of an update."""
        return float(self.controller.value(self.states[bisect_right(self.steps, step)], step))

    @property
    def changes(self) -> list[int]:
        """The steps at which a measurement changed the factor."""
        pairs = zip(self.steps, self.states, self.states[1:], strict=False)
        value = self.controller.value
        return [step for step, before, after in pairs if value(before, step) != value(after, step)]

    def breakpoints(self, since: int, until: int) -> list[int]:
        """Return the steps after one step and up to another at which the factor changes its shape."""
        inner: Breakpoints = getattr(self.controller, "breakpoints", lambda since, until: [])
        own = {step for step in self.changes if since < step <= until}
        return sorted(own.union(inner(since, until)))


def follow(controller: Controller[Any], measurements: Measurements | None) -> Track:
    """Return what a controller does over these measurements; without any, what it does by itself."""
    states = [controller.init()]
    if measurements is None:
        return Track(controller, (), tuple(states))
    heard = {part.metric: measurements.values[part.metric, _mode(part)] for part in listeners(controller)}
    for place, step in enumerate(measurements.steps):
        metrics = {metric: values[place] for metric, values in heard.items()}
        states.append(controller.observe(states[-1], step, metrics))
    return Track(controller, measurements.steps, tuple(states))


def listeners(controller: Any) -> list[Any]:
    """Return the parts of a controller that listen to a metric."""
    parts = controller.parts if isinstance(controller, Chained) else (controller,)
    return [part for part in parts if isinstance(part, Adaptive)]


def _mode(controller: Any) -> str:
    return getattr(controller, "mode", "min")


def example(controllers: Iterable[Controller[Any]], steps: int, horizon: Horizon | None) -> Measurements | None:
    """Return an example of what the controllers listen to, the same each time; None if none of them listens."""
    parts = [part for controller in controllers for part in listeners(controller)]
    if not parts:
        return None
    epoch = horizon.steps_per_epoch if horizon else None
    count = steps // epoch if epoch else min(MEASURED, steps)
    at = tuple((place + 1) * epoch if epoch else round((place + 1) * steps / count) for place in range(count))
    spikes = any(isinstance(part, SpikeGuard) for part in parts)
    losses = [_loss(step / steps) for step in at]
    if spikes and losses:
        losses[math.ceil(SPIKES * count) - 1] *= SPIKE
    # From 0.5 to 2.5 as a loss; as an accuracy from 0.25 to 0.85.
    values = {
        (part.metric, _mode(part)): tuple(loss if _mode(part) == "min" else 1 - 0.3 * loss for loss in losses)
        for part in parts
    }
    jump = f" and jumps once at {100 * SPIKES:.0f} %" if spikes else ""
    often = "once an epoch" if epoch else f"{count} times"
    text = (
        f"Drawn on an example metric that stops improving at {100 * STOPS:.0f} %{jump}, measured {often}; "
        "--losses FILE.csv draws on yours."
    )
    return Measurements(at, values, text)


def _loss(share: float) -> float:
    """Return the example's loss: an exponential from 2.5 that reaches 0.5, still falling, where it stops."""
    passed = min(1.0, share / STOPS)
    return 0.5 + 2.0 * (math.exp(-3 * passed) - math.exp(-3)) / (1 - math.exp(-3))


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
        (part.metric, _mode(part)): tuple(float(row[places[chosen[part.metric]]]) for row in kept) for part in parts
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
