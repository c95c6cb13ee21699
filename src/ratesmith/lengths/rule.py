"""The rule by which `show`, `find`, `compare` and `ScheduleLR` say that a length is not what was meant.

A plain number in a notation counts updates. Who takes `StepLR(3)` from a loop that steps once an epoch has a rate that
is gone after the first updates, and nothing fails. So it is said, with the line to write instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ratesmith._checks import Option, spell
from ratesmith.codes import coded
from ratesmith.horizon import Horizon
from ratesmith.lengths.falls import Fall, in_epochs, in_shares
from ratesmith.lengths.reader import SHORT, Reader, gone_since
from ratesmith.lengths.warmups import Warmup, as_share, warmup_of, with_decay_as_share
from ratesmith.schedule import Schedule
from ratesmith.strategy import Functions, ScheduleLike, Strategy, parse
from ratesmith.strategy.build import build
from ratesmith.strategy.nodes import Call, Node, calls, replaced
from ratesmith.strategy.printer import text_of
from ratesmith.strategy.strategy import NO_FUNCTIONS

MOST_EPOCHS: Final = 1000
"""A larger number counts no epochs."""
LATEST: Final = 0.8
"""Where in the run the largest number is to lie as an epoch, if nobody says how long one is."""
SHORTEST_RUN: Final = 40
"""Below so many updates nothing is said: 5 % are an update or two, and such a run is a test of the script."""


class LengthNote(NamedTuple):
    """What is to be said of the lengths in a notation."""

    code: str
    parts: tuple[str, ...]
    """One sentence or two, in which every option is an `Option`."""
    remedy: str = ""
    """The notation to write instead."""

    def spelled(self, names: Mapping[str, str] | None = None) -> str:
        """Return the sentences with their code, with options by these names."""
        return coded(self.code, spell(self.parts, names))

    def __str__(self) -> str:
        """Return the sentences with their code, with options by their names in Python."""
        return self.spelled()


def length_notes(
    given: ScheduleLike, horizon: Horizon | int | None, functions: Functions = NO_FUNCTIONS
) -> list[LengthNote]:
    """Return what is to be said of the lengths of a schedule, controller or notation over a run; mostly nothing.

    RS213: a decay is over, or a curve all but gone, in the first part of the run, since epochs were written as plain
    numbers. RS214: the run ends inside the warm-up. Without a horizon nothing can be said, nor of what cannot be built.

    >>> print(*length_notes("step(3)", Horizon(230, steps_per_epoch=23)))
    step(3) drops every 3 of 230 updates. Plain numbers count updates; for epochs (10 of 23 updates) write \
step("3ep"). [RS213]
    >>> length_notes('step("3ep")', Horizon(230, steps_per_epoch=23))
    []
    """
    run = _run(given, horizon)
    if run is None:
        return []
    try:
        strategy = _notation(given, run)
        built = build(strategy.root, run, functions) if isinstance(given, (Strategy, str)) else given
        notes = _warmup_notes(strategy, built, run, functions)
        return notes or _decay_notes(strategy, built, run, functions)
    except (ValueError, TypeError, ArithmeticError):  # said where it is built: a function that is not here, or its own
        return []


def length_warnings(
    schedules: Iterable[ScheduleLike], horizon: Horizon | int | None, functions: Functions = NO_FUNCTIONS
) -> list[str]:
    """Return what ScheduleLR says of the lengths in its schedules, as lines."""
    steps = "..." if horizon is None else f"{Horizon.of(horizon).steps}"
    names = {"steps_per_epoch": f"horizon=Horizon({steps}, steps_per_epoch=...)"}
    notes = (note for given in schedules for note in length_notes(given, horizon, functions))
    return [f"ScheduleLR: {note.spelled(names)}" for note in notes]


def ends_in_warmup(given: ScheduleLike, horizon: Horizon | int, functions: Functions = NO_FUNCTIONS) -> bool:
    """Whether a run is no longer than its schedule's warm-up.

    >>> ends_in_warmup("warmup(2000) >> cosine()", 100), ends_in_warmup('warmup("5%") >> cosine()', 100)
    (True, False)
    """
    return any(note.code == "RS214" for note in length_notes(given, horizon, functions))


def _run(given: ScheduleLike, horizon: Horizon | int | None) -> Horizon | None:
    """Return the horizon that was given, or that for which a recipe or a strategy has built the value."""
    run = getattr(given, "_horizon", None) if horizon is None else horizon
    return None if run is None else Horizon.of(run)


def _notation(given: ScheduleLike, run: Horizon) -> Strategy:
    """Return what was written: of a value its own notation, unless it was built for a run of this length."""
    written, built_for = getattr(given, "_notation", ""), getattr(given, "_horizon", None)
    if written and built_for is not None and built_for.steps == run.steps:
        return Strategy(written)
    return parse(str(given))  # long values, as of very many milestones, are no text that somebody writes


# Runs that end inside the warm-up


def _warmup_notes(strategy: Strategy, built: Any, run: Horizon, functions: Functions) -> list[LengthNote]:
    up = warmup_of(strategy.root, run)
    if up is None or up.fits(run):
        return []
    root = strategy.root
    later: Warmup | None = up
    while later and later.call and not later.fits(run):  # each is made a share once
        root = replaced(root, {id(later.call): as_share(later.call)})
        later = warmup_of(root, run)
    decays = [(call, with_decay_as_share(call)) for call in calls(root)]
    shorter = replaced(root, {id(call): changed for call, changed in decays if changed != call})
    remedy = _right(text_of(root), run, functions) or _right(text_of(shorter), run, functions)
    last = built.value(built.init(), run.steps - 1)
    text = (
        f"{strategy.text} warms up for {up.steps:,} updates, and the run has {run.steps:,}: it ends at a factor of "
        f"{last:.3g}. "
        + (f"A share follows the run: {remedy}." if remedy else "Give the warm-up fewer updates, or train longer.")
    )
    return [LengthNote("RS214", (text,), remedy)]


# Decays that are over too soon


def _decay_notes(strategy: Strategy, built: Any, run: Horizon, functions: Functions) -> list[LengthNote]:
    too_soon = _too_soon(strategy, built, run, functions)
    return [_said(strategy, *too_soon, run, functions)] if too_soon else []


def _too_soon(
    strategy: Strategy, built: Any, run: Horizon, functions: Functions
) -> tuple[str, list[tuple[Call, Fall]]] | None:
    """Return what is over too soon, as the start of a sentence, and whose numbers are to blame; None if nothing is."""
    if run.steps < SHORTEST_RUN:
        return None
    reader = Reader(run, functions)
    reader.read(strategy.root, run, run.steps)
    if reader.short:
        call, fall = reader.short[0]
        return f"{text_of(call)} {fall.does} of {run.steps:,} updates", reader.short
    if not isinstance(built, Schedule) or any(fall.gone for _, fall in reader.all):  # those go on, ever more slowly
        return None
    since = gone_since(built, run.steps, rules=reader.rules)
    if since is None:
        return None
    return f"{strategy.text} is below 1 % of its peak from update {since:,} of {run.steps:,} on", reader.all


def _said(
    strategy: Strategy, does: str, falls: list[tuple[Call, Fall]], run: Horizon, functions: Functions
) -> LengthNote:
    """Return the note, with what to write: epochs if they fit into the run, and else shares, if those are right."""
    epochs, shares = _epochs(strategy, falls, run, functions), _shares(strategy, falls, run, functions)
    start = f"{does}. Plain numbers count updates"
    each = run.steps_per_epoch
    if not epochs and not shares:
        return LengthNote("RS213", (f"{does}. Give it a slower decay.",))
    if not epochs:
        return LengthNote("RS213", (f"{start}; for shares of the run write {shares}.",), shares)
    if each is None:
        parts = (f"{start}; for epochs write {epochs}, and give ", Option("steps_per_epoch="))
        return LengthNote("RS213", (*parts, f"; for shares {shares}." if shares else "."), epochs)
    count = f"{run.steps / each:.3g} of {each:,} updates"
    return LengthNote("RS213", (f"{start}; for epochs ({count}) write {epochs}.",), epochs)


def _epochs(strategy: Strategy, falls: list[tuple[Call, Fall]], run: Horizon, functions: Functions) -> str:
    """Return the notation with the numbers as epochs, if they fit the run, are long enough for it, and right.

    If nobody says how long an epoch is, it is one with which the largest number lies late in the run.
    """
    largest = max((fall.largest for _, fall in falls), default=0)
    each = run.steps_per_epoch or (int(LATEST * run.steps / largest) if 0 < largest <= MOST_EPOCHS else 0)
    lengths = [fall.steps * each for _, fall in falls if fall.steps and not fall.repeats]
    if each < 1 or largest * each > run.steps or min(lengths, default=run.steps) < SHORT * run.steps:
        return ""
    by_epochs: dict[int, Node] = {id(call): in_epochs(call, fall) for call, fall in falls}
    return _right(text_of(replaced(strategy.root, by_epochs)), replace(run, steps_per_epoch=each), functions)


def _shares(strategy: Strategy, falls: list[tuple[Call, Fall]], run: Horizon, functions: Functions) -> str:
    """Return the notation with shares of the run for the numbers, if that is right."""
    by_shares: dict[int, Node] = {}
    for call, fall in falls:
        share = in_shares(call, fall)
        if share is None:
            return ""
        by_shares[id(call)] = share
    return _right(text_of(replaced(strategy.root, by_shares)), run, functions) if falls else ""


def _right(text: str, run: Horizon, functions: Functions) -> str:
    """Return a notation if it can be built for a run, and nothing is to be said of it; else an empty text."""
    try:
        strategy = parse(text)
        built = build(strategy.root, run, functions)
        up = warmup_of(strategy.root, run)
        return "" if (up and not up.fits(run)) or _too_soon(strategy, built, run, functions) else text
    except (ValueError, TypeError, ArithmeticError):
        return ""
