"""The warm-up that a notation begins with, if it is no share of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ratesmith.horizon import Horizon
from ratesmith.lengths.falls import settings_of
from ratesmith.strategy.nodes import Call, Join, Node

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
    """The first of them."""
    ends: bool
    """Whether it is all that there is: no decay follows."""


def warmup_of(node: Node, run: Horizon) -> Warmup | None:
    """Return the warm-up that a notation begins with, if it has one that is no share of the run."""
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
        return warmup_of(given["schedule"], run)
    if node.name not in WARMUPS or ("start" in given and "end" in given and not given["end"] > given["start"]):
        return None
    length = given[WARMUPS[node.name]]
    if length is None or (isinstance(length, str) and "%" in length):
        return None
    steps = run.resolve(length)
    return Warmup(steps, node, ends=node.name in BARE and not given.get("into")) if steps else None
