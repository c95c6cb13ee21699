"""Horizon: steps, epochs and shares of training, read as steps."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from ratesmith._checks import whole

_SHARE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*%\s*")
_EPOCHS = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*ep\s*")


@dataclass(frozen=True)
class Horizon:
    """How long training lasts, in optimizer steps; it reads every other length as steps.

    `steps`: all steps of the training. `steps_per_epoch`: steps of one pass over the data, where that is known.
    `used`: steps that earlier parts of a sequence have already taken. Shares are shares of `steps`.

    >>> horizon = Horizon(1000, steps_per_epoch=50)
    >>> horizon.resolve(7), horizon.resolve("5%"), horizon.resolve("2ep")
    (7, 50, 100)
    >>> horizon.after(50).left
    950
    """

    steps: int
    steps_per_epoch: int | None = None
    used: int = 0

    def __post_init__(self) -> None:
        """Refuse lengths that are no whole numbers."""
        object.__setattr__(self, "steps", whole("Horizon", "steps", self.steps, least=1))
        object.__setattr__(self, "used", whole("Horizon", "used", self.used, least=0))
        if self.steps_per_epoch is not None:
            per_epoch = whole("Horizon", "steps_per_epoch", self.steps_per_epoch, least=1)
            object.__setattr__(self, "steps_per_epoch", per_epoch)

    @classmethod
    def of(cls, value: Horizon | int) -> Horizon:
        """Give `value` itself if it is a horizon, else the horizon of that many steps."""
        return value if isinstance(value, Horizon) else cls(value)

    @property
    def left(self) -> int:
        """Steps that no earlier part has taken."""
        return max(0, self.steps - self.used)

    def after(self, steps: int) -> Horizon:
        """Give the same training as seen by the part that starts `steps` later."""
        return replace(self, used=self.used + steps)

    def locate(self, point: int | str) -> int:
        """Turn a point of training into steps from where this part starts.

        An int counts from there already; `"50%"` and `"2ep"` are points of the whole training. Raises ValueError for a
        point before the part.

        >>> Horizon(1000).after(50).locate("50%"), Horizon(1000).after(50).locate(500)
        (450, 500)
        """
        steps = self.resolve(point)
        if not isinstance(point, str):
            return steps
        if steps < self.used:
            raise ValueError(
                f"Horizon: {point!r} is step {steps}, and {self.used} steps are over by then; give a later point"
            )
        return steps - self.used

    def resolve(self, length: int | str) -> int:
        """Turn a length into steps, rounded to the nearest step.

        `500` is steps, `"5%"` a share of all steps, `"2ep"` epochs. Raises TypeError for a bare float (it could mean
        a share or steps) and ValueError for a text that is neither, or for epochs where `steps_per_epoch` is unknown.
        """
        if not isinstance(length, str):
            if isinstance(length, float):
                raise TypeError(
                    f"Horizon: a length must be whole steps, '5%' or '2ep', got {length!r}; "
                    f"write '{100 * length:g}%' for a share of training or an int for steps"
                )
            return whole("Horizon", "a length", length, least=0)
        if share := _SHARE.fullmatch(length):
            percent = float(share[1])
            if percent > 100:
                raise ValueError(f"Horizon: a share must be at most 100%, got {length!r}; give '100%' or less")
            return math.floor(self.steps * percent / 100 + 0.5)
        if epochs := _EPOCHS.fullmatch(length):
            if self.steps_per_epoch is None:
                raise ValueError(
                    f"Horizon: {length!r} needs the number of steps in an epoch; "
                    "give steps_per_epoch (--steps-per-epoch), or a length in steps"
                )
            return math.floor(self.steps_per_epoch * float(epochs[1]) + 0.5)
        raise ValueError(f"Horizon: a length must be whole steps, '5%' or '2ep', got {length!r}; write one of these")
