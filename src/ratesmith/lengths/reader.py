"""Goes through a notation for the decays that are over too soon, and looks at curves.

A decay in plain numbers is too short below 5 % of the steps that it has. Nothing is said of numbers that are whole
epochs, nor of a curve that keeps something: then so quick a decay was meant. Only if the numbers, read as epochs, fit
the run are they said all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ratesmith.horizon import Horizon
from ratesmith.lengths.falls import Fall, Settings, counts_epochs, fall_of, settings_of
from ratesmith.schedule import Schedule
from ratesmith.strategy import Functions
from ratesmith.strategy.build import build
from ratesmith.strategy.nodes import Call, Join, ListOf, Node, children

SHORT: Final = 0.05
"""A decay that takes less than this share of the steps it has is said: at 20 halvings it ends below a millionth."""
KEPT: Final = 0.05
"""A curve that never falls below this share of its peak goes on training."""
TINY: Final = 0.01
"""A curve is all but gone below this share of its peak."""
GONE: Final = 0.9
"""A curve that is all but gone for this share of the run is said, whatever it is made of."""
VANISHED: Final = 1e-6
"""A rule of the user's that is below this share of its peak at 90 % of the run, and not 0, is said."""
MOST_CYCLES: Final = 100
"""Restarts that nobody wants more of in one run, if nobody says how long an epoch is."""
LOOKED_AT: Final = 100
"""Places of a curve that are looked at, beside its first breakpoints."""
JOINED: Final = {"Sequence": ">>", "Product": "*", "Sum": "+", "Max": "max", "Min": "min"}
"""The operators whose values these are."""


@dataclass
class Reader:
    """Goes through a notation, and keeps the decays whose lengths were given in plain numbers."""

    run: Horizon
    functions: Functions
    all: list[tuple[Call, Fall]] = field(default_factory=list)
    short: list[tuple[Call, Fall]] = field(default_factory=list)
    """Those that are over too soon."""
    rules: bool = False
    """Whether there is a rule of the user's, whose length no option says."""

    def read(self, node: Node, horizon: Horizon, span: float, *, kept: bool = False) -> None:
        """Read a node that has `span` steps of its own count, before something else follows or the run ends.

        `kept`: whether something that it stands in never falls far.
        """
        if isinstance(node, Call) and node.name in JOINED and (parts := _parts(node)):
            node = Join(JOINED[node.name], parts)
        if span <= 0 or not isinstance(node, (Call, Join)):
            return
        kept = kept or self._keeps(node, horizon, span)
        if isinstance(node, Call):
            self._read_call(node, horizon, span, kept)
            return
        for part in node.parts:
            if node.operator != ">>" or part is node.parts[-1]:
                self.read(part, horizon, span, kept=kept)
                continue
            steps = self._steps(part, horizon)
            self.read(part, horizon, min(steps, span), kept=kept)
            horizon, span = horizon.after(steps), max(span - steps, 0)

    def _read_call(self, call: Call, horizon: Horizon, span: float, kept: bool) -> None:
        given = settings_of(call)
        fall = fall_of(call)
        if fall is not None and call.name in ("stretch", "Stretch") and not self._falls(given["schedule"], horizon):
            fall = None
        if fall is not None:
            self.all.append((call, fall))
            if not counts_epochs(call, fall, self.run.steps_per_epoch):
                self.rules = self.rules or call.name in ("custom", "Custom")
                if self._is_short(call, fall, span) and (fall.repeats or not kept or self._fits(fall)):
                    self.short.append((call, fall))
                    return
        for inner in _parts(call):
            self.read(inner, horizon, self._inner_span(call, given, inner, horizon, span), kept=kept)

    def _inner_span(self, call: Call, given: Settings, inner: Node, horizon: Horizon, span: float) -> float:
        """Return how many of its own steps a schedule has inside a call."""
        match call.name.lower():
            case "repeat":
                return self._steps(inner, horizon)
            case "stretch":
                return span * self._steps(inner, horizon) / max(self._steps(call, horizon), 1)
            case "take":
                return min(span, self._steps(call, horizon))
            case "shift":
                return span - max(given["by"] if isinstance(given["by"], int) else horizon.resolve(given["by"]), 0)
        return span

    def _is_short(self, call: Call, fall: Fall, span: float) -> bool:
        each = self.run.steps_per_epoch
        if not fall.repeats:
            slow = fall.gone and not (each and fall.steps < each and self._fits(fall))
            return (fall.gone if slow else fall.steps) < SHORT * span
        if each is None:  # many short cycles may be meant; of restarts there is a limit
            return call.name == "sgdr" and fall.steps * MOST_CYCLES < span
        return fall.steps < min(each / 2, SHORT * span) and fall.largest * each <= self.run.steps

    def _fits(self, fall: Fall) -> bool:
        """Whether its numbers, read as epochs, make a decay of this run."""
        each = self.run.steps_per_epoch
        return each is not None and max(fall.steps, fall.largest) * each <= self.run.steps

    def _keeps(self, node: Node, horizon: Horizon, span: float) -> bool:
        """Whether a curve never falls below 5 % of its peak; of a sum or a maximum, not in its first half.

        There the others may come down later.
        """
        built: Any = build(node, horizon, self.functions)
        if not isinstance(built, Schedule):
            return False
        whole = not (isinstance(node, Join) and node.operator in ("+", "-", "max"))
        values = [value for _, value in values_of(built, max(1, int(span if whole else span / 2)))]
        return min(values[values.index(max(values)) :]) >= KEPT * max(values)

    def _steps(self, node: Node, horizon: Horizon) -> int:
        steps = build(node, horizon, self.functions).steps  # type: ignore[attr-defined]  # only schedules are joined
        return horizon.left if steps is None else steps

    def _falls(self, node: Any, horizon: Horizon) -> bool:
        schedule: Any = build(node, horizon, self.functions)
        return float(schedule(0)) > float(schedule(schedule.steps))


def values_of(schedule: Schedule, steps: int) -> list[tuple[int, float]]:
    """Return a curve at some of its first steps, with its first breakpoints."""
    places = {place * steps // LOOKED_AT for place in range(LOOKED_AT)} | {steps - 1}
    places |= {step for step in schedule.breakpoints(0, steps - 1)[:LOOKED_AT] if step < steps}
    return [(step, float(schedule(step))) for step in sorted(places)]


def gone_since(schedule: Schedule, steps: int, *, rules: bool) -> int | None:
    """Return the step from which on a curve is all but gone, if it is so for nearly all of the run; else None.

    With `rules` of the user's, whose lengths no option says, also if it comes down to nothing before the end.
    """
    values = values_of(schedule, steps)
    peak = max(value for _, value in values)
    if peak <= 0:
        return None
    since = steps
    for step, value in reversed(values):
        if value >= TINY * peak:
            break
        since = step
    while 0 < since < steps and float(schedule(since - 1)) < TINY * peak:
        since -= 1  # between two of the places that were looked at
    late = float(schedule(int(GONE * steps)))
    vanished = rules and 0 < late < VANISHED * peak
    return since if steps - since >= GONE * steps or (vanished and since < steps) else None


def _parts(call: Call) -> tuple[Node, ...]:
    """Return the schedules inside a call, those of a list too."""

    def schedules(nodes: tuple[Node, ...]) -> Iterator[Node]:
        for node in nodes:
            if isinstance(node, ListOf):
                yield from schedules(node.items)
            elif isinstance(node, (Call, Join)):
                yield node

    return tuple(schedules(children(call)))
