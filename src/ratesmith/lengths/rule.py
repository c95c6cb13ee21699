"""The rule by which `show`, `find`, `compare` and `ScheduleLR` say that a length is not what was meant.

A plain number in a notation counts updates. Who takes `StepLR(3)` from a loop that steps once an epoch has a rate that
is gone after the first updates, and nothing fails. So it is said, with the line to write instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ratesmith._checks import Option, spell
from ratesmith.codes import coded
from ratesmith.horizon import Horizon
from ratesmith.lengths.falls import Fall, as_recipe, fall_of, in_epochs, in_shares, settings_of
from ratesmith.lengths.warmups import WARMUPS, warmup_of
from ratesmith.schedule import Schedule
from ratesmith.strategy import Functions, ScheduleLike, Strategy, parse
from ratesmith.strategy.build import build
from ratesmith.strategy.nodes import Call, GivenOption, Join, ListOf, Node, Value, children
from ratesmith.strategy.printer import text_of
from ratesmith.strategy.strategy import NO_FUNCTIONS

SHORT: Final = 0.05
"""A decay that takes less than this share of the steps it has is said: at 20 halvings it ends below a millionth."""
TINY: Final = 0.01
"""A curve is all but gone below this share of its peak."""
GONE: Final = 0.9
"""A curve that is all but gone for this share of the run is said, whatever it is made of."""
VANISHED: Final = 1e-6
"""A rule of the user's that is below this share of its peak at 90 % of the run, and not 0, is said."""
SHORTEST_RUN: Final = 40
"""Below so many updates nothing is said: 5 % are an update or two, and such a run is a test of the script."""
MOST_CYCLES: Final = 100
"""Restarts that nobody wants more of in one run, if nobody says how long an epoch is."""
LOOKED_AT: Final = 100
"""Places of the run at which the curve is looked at, beside its first breakpoints."""


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
        notes = _warmup_notes(strategy, built, run)
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
    steps = getattr(given, "_horizon", None) if horizon is None else horizon
    return None if steps is None else Horizon.of(steps)


def _notation(given: ScheduleLike, run: Horizon) -> Strategy:
    """Return what was written: of a value its own notation, unless it was built for a run of this length."""
    written = getattr(given, "_notation", "")
    if written and getattr(given, "_horizon", None) == run.steps:
        return Strategy(written)
    return parse(str(given))  # long values, as of very many milestones, are no text that somebody writes


# Runs that end inside the warm-up


def _warmup_notes(strategy: Strategy, built: Any, run: Horizon) -> list[LengthNote]:
    up = warmup_of(strategy.root, run)
    if up is None or up.call is None or (up.steps <= run.steps if up.ends else up.steps < run.steps):
        return []
    option = WARMUPS[up.call.name]
    share = "30%" if up.call.name == "one_cycle" else "5%"
    changed = [
        GivenOption(each.name, Value(share), each.by_place) if each.name == option else each for each in up.call.options
    ]
    call = as_recipe(Call(up.call.name, tuple(changed)))
    remedy = text_of(_replaced(strategy.root, {id(up.call): call}))
    last = built.value(built.init(), run.steps - 1)
    text = (
        f"{strategy.text} warms up for {up.steps:,} updates, and the run has {run.steps:,}: it ends at a factor of "
        f"{last:.3g}. A share follows the run: {remedy}."
    )
    return [LengthNote("RS214", (text,), remedy)]


# Decays that are over too soon


def _decay_notes(strategy: Strategy, built: Any, run: Horizon, functions: Functions) -> list[LengthNote]:
    if run.steps < SHORTEST_RUN:
        return []
    reader = _Reader(run, functions)
    reader.read(strategy.root, run, run.steps)
    falls, does = reader.short, ""
    if falls:
        call, fall = falls[0]
        does = f"{text_of(call)} {fall.does} of {run.steps:,} updates"
    elif isinstance(built, Schedule):
        since = _gone_since(built, run.steps, rules=any(call.name in ("custom", "Custom") for call, _ in reader.all))
        if since is None:
            return []
        falls, does = (
            reader.all,
            (f"{strategy.text} is below 1 % of its peak from update {since:,} of {run.steps:,} on"),
        )
    return [_said(strategy, does, falls, run)] if does else []


def _said(strategy: Strategy, does: str, falls: list[tuple[Call, Fall]], run: Horizon) -> LengthNote:
    """Return the note, with what to write: epochs if they fit into the run, and else shares of it."""
    by_epochs: dict[int, Node] = {id(call): in_epochs(call, fall) for call, fall in falls}
    by_shares = {id(call): in_shares(call, fall) for call, fall in falls}
    epochs = text_of(_replaced(strategy.root, by_epochs)) if falls else ""
    shares = ""
    if falls and None not in by_shares.values():
        shares = text_of(_replaced(strategy.root, {key: call for key, call in by_shares.items() if call is not None}))
    start = f"{does}. Plain numbers count updates"
    each = run.steps_per_epoch
    if not falls:
        return LengthNote("RS213", (f"{does}. Give it a slower decay.",))
    if each is None:
        parts = (f"{start}; for epochs write {epochs}, and give ", Option("steps_per_epoch="))
        return LengthNote("RS213", (*parts, f"; for shares {shares}." if shares else "."), epochs)
    if each > 1 and max(fall.largest for _, fall in falls) * each <= run.steps:
        count = f"{run.steps / each:.3g} of {each:,} updates"
        return LengthNote("RS213", (f"{start}; for epochs ({count}) write {epochs}.",), epochs)
    if shares:
        return LengthNote("RS213", (f"{start}; for shares of the run write {shares}.",), shares)
    return LengthNote("RS213", (f"{start}; give a larger number, or epochs, as in {epochs}.",), epochs)


@dataclass
class _Reader:
    """Goes through a notation, and keeps the decays whose lengths were given in plain numbers."""

    run: Horizon
    functions: Functions
    all: list[tuple[Call, Fall]] = field(default_factory=list)
    short: list[tuple[Call, Fall]] = field(default_factory=list)
    """Those that are over too soon."""

    def read(self, node: Node, horizon: Horizon, span: float) -> None:
        """Read a node that has `span` steps of its own count, before something else follows or the run ends."""
        if isinstance(node, Join) and node.operator == ">>":
            for part in node.parts[:-1]:
                steps = self._steps(part, horizon)
                self.read(part, horizon, min(steps, span))
                horizon, span = horizon.after(steps), max(span - steps, 0)
            self.read(node.parts[-1], horizon, span)
        elif isinstance(node, Join):
            for part in node.parts:
                self.read(part, horizon, span)
        elif isinstance(node, Call):
            self._read_call(node, horizon, span)

    def _read_call(self, call: Call, horizon: Horizon, span: float) -> None:
        given = settings_of(call)
        inner = given.get("schedule")
        fall = fall_of(call)
        if fall is not None and call.name in ("stretch", "Stretch") and not self._falls(inner, horizon):
            fall = None
        if fall is not None:
            self.all.append((call, fall))
            if self._is_short(call, fall, span):
                self.short.append((call, fall))
                return
        if isinstance(inner, (Call, Join)):
            if call.name in ("stretch", "Stretch", "repeat", "Repeat"):
                length = self._steps(inner, horizon)
                whole = self._steps(call, horizon) if call.name in ("stretch", "Stretch") else length
                span = span * length / max(whole, 1) if call.name in ("stretch", "Stretch") else length
            self.read(inner, horizon, span)

    def _is_short(self, call: Call, fall: Fall, span: float) -> bool:
        if not fall.repeats:
            return fall.steps < SHORT * span
        each = self.run.steps_per_epoch
        if each is None:  # many short cycles may be meant; of restarts there is a limit
            return call.name == "sgdr" and fall.steps * MOST_CYCLES < span
        return fall.steps < min(each, SHORT * span) and fall.largest * each <= self.run.steps

    def _steps(self, node: Node, horizon: Horizon) -> int:
        steps = build(node, horizon, self.functions).steps  # type: ignore[attr-defined]  # only schedules are joined
        return horizon.left if steps is None else steps

    def _falls(self, node: Any, horizon: Horizon) -> bool:
        schedule: Any = build(node, horizon, self.functions)
        return float(schedule(0)) > float(schedule(schedule.steps))


def _gone_since(schedule: Schedule, steps: int, *, rules: bool) -> int | None:
    """Return the step from which on a curve is all but gone, if it is so for nearly all of the run; else None.

    With `rules` of the user's, whose lengths no option says, also if it comes down to nothing before the end.
    """
    places = {place * steps // LOOKED_AT for place in range(LOOKED_AT)}
    places |= {step for step in schedule.breakpoints(0, steps - 1)[:LOOKED_AT] if step < steps}
    values = [(step, float(schedule(step))) for step in sorted(places)]
    peak = max(value for _, value in values)
    if peak <= 0:
        return None
    since = steps
    for step, value in reversed(values):
        if value >= TINY * peak:
            break
        since = step
    late = float(schedule(int(GONE * steps)))
    vanished = rules and 0 < late < VANISHED * peak
    return since if steps - since >= GONE * steps or (vanished and since < steps) else None


def _replaced(node: Node, by: Mapping[int, Node]) -> Node:
    """Return a tree in which some nodes, known by their identity, are others."""
    if id(node) in by:
        return by[id(node)]
    if not children(node):
        return node
    if isinstance(node, Call):
        options = (GivenOption(each.name, _replaced(each.value, by), each.by_place) for each in node.options)
        return Call(node.name, tuple(options))
    if isinstance(node, ListOf):
        return ListOf(tuple(_replaced(item, by) for item in node.items))
    return Join(node.operator, tuple(_replaced(part, by) for part in node.parts)) if isinstance(node, Join) else node
