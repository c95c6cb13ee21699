"""Read: a run's log, in the file that its logger wrote, as a Curve."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from ratesmith._checks import Option, OptionError, OptionValueError, finite, options_of, whole
from ratesmith.logs.columns import Columns, choose_columns
from ratesmith.logs.curve import FEWEST_LOSSES, KINDS, Curve, Floats, Ints
from ratesmith.logs.formats import Log, open_log
from ratesmith.logs.rates_per_update import rates_of
from ratesmith.logs.series import MOST_ENTRIES, Series
from ratesmith.schedule import Schedule

MOST_UPDATES: Final = 20_000_000
"""Updates that a run may have: a larger count is one of samples or tokens."""
ENOUGH_VALIDATION: Final = 15
"""Validation losses from which on they are preferred to training losses."""
SELDOM_LOGGED: Final = 4
"""Losses between two logged rates from which on a large change between these is said to be a guess."""
RATES_APART: Final = 0.1
"""How far, as a share of the largest rate, a log's rates may lie from those of the schedule that is said to be its."""


def read(
    path: str | os.PathLike[str],
    *,
    schedule: str | Schedule | None = None,
    base_lr: float | None = None,
    steps: int | None = None,
    columns: Mapping[str, str] | None = None,
    kind: str | None = None,
    per_step: float = 1,
    max_losses: int = 200,
    name: str | None = None,
    optimizer: str | None = None,
) -> Curve:
    """Read a run's rates and losses from its log.

    `path`: CSV, JSON lines, Parquet, a TensorBoard event file, a Weights & Biases export, Hugging Face's
    trainer_state.json, Lightning's metrics.csv, or the folder of one. Columns are found by their usual names, or given
    as `columns={"step": ..., "lr": ..., "loss": ...}`. `schedule`: what set the rate, if the log has no rates, as
    notation or value; `base_lr`: the rate that its factors multiply; `steps`: the updates it was laid out for (default:
    the last that is logged). `per_step`: how far the step column rises in an update, if it counts samples or tokens.

    Rates logged now and then are joined by straight lines. Where the step goes back the run was started again, and
    later rows win. At least 15 validation losses are preferred to training losses, unless `kind` says "validation" or
    "training". Of the losses at most `max_losses` are given: training losses as means over equal parts, validation
    losses by leaving some out. Steps that begin at 0 are counted from 1.

    Raises ValueError, one line long, for what is no such log, lacks a column, or cannot be a training.

    >>> import tempfile
    >>> rows = "".join(f"{step},{3 + 50 / step}\\n" for step in range(10, 110, 10))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "run.csv"
    ...     _ = file.write_text("step,val_loss\\n" + rows)
    ...     read(file, schedule="linear()", base_lr=1e-3)
    <Curve 'run': 100 steps, 10 losses, to 3.5>
    """
    path = Path(path)
    name = name or _name(path)
    with options_of(f"read {path.resolve().name!r}"):
        if kind is not None and kind not in KINDS:
            must = f" must be 'validation' or 'training', got {kind!r}; name one of them"
            raise OptionValueError("read: ", Option("kind"), must)
        per_step = finite("read", "per_step", per_step, 1e-9)
        most = whole("read", "max_losses", max_losses, least=FEWEST_LOSSES)
        log = open_log(path)
        chosen = choose_columns(log.names, columns)
        rate, training, validation = _fill(log, chosen, per_step)
        kind, series = _preferred(kind, training, validation)
        # A loop that counts from 0 logs step t after update t + 1: the whole log is then moved by one.
        at_zero = any(part.rows and part.sums[0, 0] == 0 for part in (rate, training))
        places, losses = _losses(series, most, log.form == "trainer_state.json", shift=int(at_zero))
        logged = rate.points(MOST_UPDATES)
        logged = (logged[0] + at_zero, logged[1])
        last = int(np.rint(max(places[-1:].max(initial=0), logged[0][-1:].max(initial=0))))
        _refuse_long(chosen.step, last, steps)
        notes: tuple[str, ...] = ()
        if schedule is None:
            rates = _joined(chosen.lr, logged, last)
            notes = _guessed(name, logged, places)
        else:
            rates = _laid_out(schedule, base_lr, steps or last, logged, last)
    try:
        return Curve(name, rates, places, losses, kind, optimizer or chosen.optimizer, notes)
    except OptionError as error:  # the curve's arrays are no options of the reader's
        raise OptionValueError(str(error)) from None


def _fill(log: Log, chosen: Columns, per_step: float) -> tuple[Series, Series, Series]:
    """Go through the log once, and give its rates, training losses and validation losses."""
    several = tuple(
        Series(name or "", mean)
        for name, mean in ((chosen.lr, False), (chosen.training, True), (chosen.validation, False))
    )
    wanted = [chosen.step, *(series.name for series in several if series.name)]
    for piece in log.pieces(list(dict.fromkeys(wanted))):
        for series in several:
            if series.name in piece:
                series.add(piece[chosen.step] / per_step, piece[series.name])
    for series in several:
        series.refuse_divergence()
    return several  # type: ignore[return-value]  # three went in


def _preferred(kind: str | None, training: Series, validation: Series) -> tuple[str, Series]:
    if kind is None:
        kind = "training" if training.rows and validation.rows < min(ENOUGH_VALIDATION, training.rows) else "validation"
    series = training if kind == "training" else validation
    if not series.rows:
        got = f"none in {series.name!r}" if series.name else "none"
        start = f"read: there must be {kind} losses, got {got}; name their column as "
        raise OptionValueError(start, Option("columns={'loss': ...}"))
    return kind, series


def _losses(series: Series, most: int, of_interval: bool, shift: int) -> tuple[Ints, Floats]:
    """Return whole, rising steps and their losses, no more than `most`."""
    if series.mean:
        steps, losses = series.points(most)
        if of_interval:  # each is the mean since the row before
            steps = steps - steps[-1] / series.rows / 2
    else:
        steps, losses = series.points(MOST_ENTRIES)
        chosen = np.unique(np.linspace(0, len(steps) - 1, most).round().astype(int)) if len(steps) > most else ...
        steps, losses = steps[chosen], losses[chosen]
    whole_steps = np.rint(steps).astype(np.int64) + shift
    after = whole_steps >= 1  # a loss before the first update has no rate
    last_of_step = np.append(np.diff(whole_steps) > 0, True) if len(whole_steps) else after
    return whole_steps[after & last_of_step], losses[after & last_of_step]


def _refuse_long(column: str, last: int, steps: int | None) -> None:
    if steps is not None and last > whole("read", "steps", steps, least=1):
        must = (
            f" must be at least the last step logged, got {steps} and {last} in {column!r}; give the whole length, or "
        )
        end = " where the column counts samples or tokens"
        raise OptionValueError("read: ", Option("steps"), must, Option("per_step="), end)
    if last > MOST_UPDATES:
        must = f"{column!r} must count updates, up to {MOST_UPDATES}, got {last}"
        start = f"read: {must}; where it counts samples or tokens, say how many an update takes as "
        raise OptionValueError(start, Option("per_step="))


def _joined(column: str | None, logged: tuple[Floats, Floats], last: int) -> Floats:
    """Join the rates that were logged, as steps and rates, by straight lines: the rate of each update, (last,)."""
    steps, rates = logged
    by_schedule = ("give ", Option("schedule="), " and ", Option("base_lr="))
    if not len(steps):
        start = (
            f"read: the log must hold the rate, got {f'none in {column!r}' if column else 'none'}; name its column as "
        )
        raise OptionValueError(start, Option("columns={'lr': ...}"), ", or ", *by_schedule)
    if not rates.any():
        start = f"read: the rates must not all be zero, got {len(rates)} zeros in {column!r}; name another column as "
        raise OptionValueError(start, Option("columns={'lr': ...}"), ", or ", *by_schedule)
    if len(steps) > 1 and steps[-1] < 0.9 * last:
        got = f"got them to step {steps[-1]:.0f} and losses to {last}; "
        raise OptionValueError(f"read: the rates must be known to the end, {got}", *by_schedule)
    steps, rates = _with_warmup(steps, rates)
    return np.interp(np.arange(1, last + 1), steps, rates)


def _guessed(name: str, logged: tuple[Floats, Floats], places: Ints) -> tuple[str, ...]:
    """Return a note if rates were logged much less often than losses, and changed much in between."""
    steps, rates = logged
    between = np.searchsorted(places, steps[1:]) - np.searchsorted(places, steps[:-1])
    wide = (between > SELDOM_LOGGED) & (np.abs(np.diff(rates)) > RATES_APART * rates.max())
    if not wide.any():
        return ()
    at = int(np.argmax(wide))
    return (
        f"The rates of run {name!r} are known at steps {steps[at]:.0f} and {steps[at + 1]:.0f} only, and differ much: "
        "a straight line was drawn, though it may have dropped at once; log them as often as losses, or give schedule.",
    )


def _with_warmup(steps: Floats, rates: Floats) -> tuple[Floats, Floats]:
    """Add where a linear warm-up began, and where it ended between two logged rates."""
    if len(steps) < 2 or not 0 < rates[0] < rates[1] or steps[0] == steps[1]:
        return steps, rates
    slope = (rates[1] - rates[0]) / (steps[1] - steps[0])
    begun = steps[0] - rates[0] / slope
    if abs(begun) > 0.02 * steps[1] + 1:  # no line from 0: what came before is not known
        return steps, rates
    off_line = np.abs(rates - slope * (steps - begun)) > 1e-3 * rates
    turn = int(np.argmax(off_line))  # the first logged rate after the warm-up
    if off_line.any() and rates[turn] < slope * (steps[turn] - begun):
        knee = begun + rates[turn] / slope  # where the line reaches that rate: the warm-up ended there
        if steps[turn - 1] < knee:
            steps, rates = np.insert(steps, turn, knee), np.insert(rates, turn, rates[turn])
    return np.append(begun, steps), np.append(0.0, rates)


def _laid_out(
    schedule: str | Schedule, base_lr: float | None, steps: int, logged: tuple[Floats, Floats], last: int
) -> Floats:
    """Return the rates of a schedule, which must be those of the log if it has any."""
    factors = rates_of(schedule, 1.0, max(2, steps, last))[:last]
    if base_lr is None and not len(logged[0]):
        must = " must be given where the log has no rates, got none; give the peak rate"
        raise OptionValueError("read: ", Option("base_lr"), must)
    at = np.clip(np.rint(logged[0]).astype(np.int64), 1, last) - 1
    base = logged[1].max() / max(factors[at].max(), 1e-12) if base_lr is None else finite("read", "base_lr", base_lr, 0)
    rates: Floats = base * factors
    # The median: a log may hold a few rates of the moment before or after its step.
    if len(at) and np.median(np.abs(rates[at] - logged[1])) > RATES_APART * max(logged[1].max(), rates.max()):
        place = int(np.argmax(np.abs(rates[at] - logged[1])))
        got = f"got {rates[at][place]:.3g} and {logged[1][place]:.3g} at step {at[place] + 1}"
        must = f" must give the rates of the log, {got}; see "
        options = (Option("base_lr"), ", ", Option("steps"), f" ({steps}) and ", Option("per_step"))
        raise OptionValueError("read: ", Option("schedule"), must, *options)
    return rates


def _name(path: Path) -> str:
    """Return the file's name, or its folder's if every run has a file of that name."""
    if path.is_dir():
        return path.resolve().name
    its_own = path.stem not in ("metrics", "trainer_state", "history") and "tfevents" not in path.name
    return path.stem if its_own else path.resolve().parent.name
