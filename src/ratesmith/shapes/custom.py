"""A schedule by a function of the user's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from ratesmith._arrays import stairs_begun
from ratesmith._checks import whole
from ratesmith._field_checks import Check
from ratesmith.schedule.base import Schedule, check_stairs
from ratesmith.shapes._called import callable_given, called


@dataclass(frozen=True)
class Custom(Schedule):
    """Your own rule: `function(step // every)` gives the factor; it never ends.

    With `stairs`, it counts so many times in `every` steps, each time at the step nearest to a multiple of
    `every / stairs`, halves up.
    `function` gets one int of at least 0 at a time, as torch.optim.lr_scheduler.LambdaLR calls it, and must give a
    finite number: anything else raises ValueError or TypeError with the step at which it happened. For JAX arrays and
    torch tensors it gets the array, whose values may not be known yet, and has to be made of operations on arrays.

    >>> rule = Custom(lambda epoch: 0.95**epoch, every=100)
    >>> rule(0), rule(99), rule(100)
    (1.0, 1.0, 0.95)
    """

    function: Annotated[Callable[[int], float], Check(callable_given)]
    every: Annotated[int, Check(whole, least=1)] = 1
    stairs: Annotated[int, Check(whole, least=1)] = 1
    steps = None

    def __post_init__(self) -> None:
        """Refuse stairs shorter than a step."""
        super().__post_init__()
        check_stairs("Custom", self.every, self.stairs)

    def at(self, t: Any, xp: Any) -> Any:
        count = xp.integers(stairs_begun(xp.clip(t, 0, None), self.every, self.stairs, xp))
        return xp.call(lambda count: called("Custom", self.function, count), count)
