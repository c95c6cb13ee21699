"""The warm-up that a notation begins with, if it is no share of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ratesmith.horizon import Horizon
from ratesmith.lengths.falls import as_recipe, settings_of
from ratesmith.strategy.nodes import Call, GivenOption, Join, Node, Value

WARMUPS: Final[Mapping[str, str]] = {
    "warmup": "length",
    "inverse_sqrt": "length",
    "noam": "length",
    "wsd": "warmup",
    "trapezoidal": "warmup",
    "knee": "warmup",
    "one_cycle": "peak",
    "sgdr": "warmup",
    "ramp": "length",
    "Ramp": "steps",
}
"""The options that say how long a warm-up is."""
BARE: Final = ("warmup", "ramp", "Ramp")
"""Warm-ups that have no decay of their own."""
KEEP_WARMUP: Final = ("shift", "take", "clip", "hold", "closed", "cooldown", "Shift", "Take", "Clip", "Hold")
"""What has the warm-up of the schedule inside it."""


class Warmup(NamedTuple):
    """A warm-up, or several in a row."""

    steps: int
    call: Call | None
    """The first of them that is no share of the run; None if all are."""
    ends: bool
    """Whether it is all that there is: no decay follows."""

    def fits(self, run: Horizon) -> bool:
        """Whether it is over before a run is; a share is its writer's wish."""
        return self.call is None or (self.steps <= run.steps if self.ends else self.steps < run.steps)


def warmup_of(node: Node, run: Horizon) -> Warmup | None:
    """Return the warm-up that a notation begins with, if it has one."""
    if isinstance(node, Join) and node.operator == ">>":
        steps, first = 0, None
        for place, part in enumerate(node.parts):
            up = warmup_of(part, run)
            if up is None:
                break
            steps, first = steps + up.steps, first or up.call
            if not up.ends or place == len(node.parts) - 1:
                return Warmup(steps, first, up.ends)
        return Warmup(steps, first, ends=False) if steps else None
    if isinstance(node, Join):
        inner = [up for up in (warmup_of(part, run) for part in node.parts) if up is not None]
        longest = max(inner, key=lambda up: up.steps, default=None)
        return longest and longest._replace(ends=len(inner) == 1 and longest.ends and node.operator == "*")
    if not isinstance(node, Call):
        return None
    given = settings_of(node)
    if node.name in KEEP_WARMUP:
        return _inside(node, warmup_of(given["schedule"], run), run)
    if node.name not in WARMUPS or ("start" in given and "end" in given and not given["end"] > given["start"]):
        return None
    length = given[WARMUPS[node.name]]
    if length is None:
        return None
    steps = run.resolve(length)
    ends = node.name in BARE and not given.get("into")
    return Warmup(steps, None if isinstance(length, str) and "%" in length else node, ends) if steps else None


def as_share(call: Call) -> Call:
    """Return the same warm-up as a share of the run.

    >>> as_share(Call("warmup", (GivenOption("length", Value(2000)),))).options[0].value
    Value(value='5%')
    """
    share = Value("30%" if call.name == "one_cycle" else "5%")
    option = WARMUPS[call.name]
    changed = (GivenOption(each.name, share, each.by_place) if each.name == option else each for each in call.options)
    return as_recipe(Call(call.name, tuple(changed)))


def with_decay_as_share(call: Call) -> Call:
    """Return the same call, and of `wsd` and `trapezoidal` one whose decay in plain numbers is a share of the run."""
    if call.name not in ("wsd", "trapezoidal"):
        return call
    options = (
        GivenOption(each.name, Value("20%"), each.by_place)
        if each.name == "decay" and isinstance(each.value, Value) and isinstance(each.value.value, int)
        else each
        for each in call.options
    )
    return Call(call.name, tuple(options))


def _inside(call: Call, up: Warmup | None, run: Horizon) -> Warmup | None:
    """Return what a call leaves of the warm-up inside it: `take` may end it, and `shift` moves its end."""
    given = settings_of(call)
    match call.name.lower():
        case "take" if up is not None:
            length = run.resolve(given["length" if "length" in given else "steps"])
            up = up._replace(steps=length, ends=True) if length <= up.steps else up
        case "shift" if up is not None:
            up = up._replace(
                steps=up.steps + (given["by"] if isinstance(given["by"], int) else run.resolve(given["by"]))
            )
    return up if up is not None and up.steps > 0 else None
