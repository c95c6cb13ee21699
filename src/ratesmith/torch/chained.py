"""The parts of controllers that are multiplied, with a state each."""

from __future__ import annotations

from typing import Any

from ratesmith.controllers import Chained
from ratesmith.schedule import Schedule


def parts_of(controller: Any) -> tuple[Any, ...]:
    """Return the parts of controllers that are multiplied, or the one itself."""
    return controller.parts if isinstance(controller, Chained) else (controller,)


def with_states(controller: Any, state: Any) -> list[tuple[Any, Any]]:
    """Return these parts, each with its state."""
    return list(zip(parts_of(controller), state if isinstance(controller, Chained) else (state,), strict=True))


def carry_over(earlier: list[tuple[Any, Any]], controller: Any, state: Any) -> tuple[Any, list[Any]]:
    """Return a state for a controller: in each part that was there earlier, the one that it had then.

    `state` is the controller's own, for the other parts; return those of them that listen, and so begin anew, too.
    """
    states, anew = [], []
    for part, own in with_states(controller, state):
        same = next((place for place, (there, _) in enumerate(earlier) if str(there) == str(part)), None)
        states.append(own if same is None else earlier.pop(same)[1])
        if same is None and not isinstance(part, Schedule):
            anew.append(part)
    return (tuple(states) if isinstance(controller, Chained) else states[0]), anew
