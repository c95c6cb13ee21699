"""Horizon: steps, epochs and shares of training, read as steps."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ratesmith import _updates
from ratesmith._checks import whole

_LENGTH = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*(?:(%)|(ep)|([kMGBT]?)(tok|sp))\s*")
_MANY = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
_FORMS = "whole steps, '5%', '2ep' or '3Mtok'"


@dataclass(frozen=True)
class Horizon:
    """How long training lasts, in optimizer steps; it reads every other length as steps.

    `steps`: all steps of the training. `steps_per_epoch`: steps of one pass over the data, where that is known.
    `used`: steps that earlier parts of a sequence have already taken. Shares are shares of `steps`. `tokens_per_step`
    and `samples_per_step`: what one step trains on, where lengths are given so.

    >>> horizon = Horizon(1000, steps_per_epoch=50)
    >>> horizon.resolve(7), horizon.resolve("5%"), horizon.resolve("2ep")
    (7, 50, 100)
    >>> Horizon(10_000, tokens_per_step=500_000).resolve("1.5Gtok")
    3000
    >>> horizon.after(50).left
    950
    """

    steps: int
    steps_per_epoch: int | None = None
    used: int = 0
    tokens_per_step: int | None = None
    samples_per_step: int | None = None

    def __post_init__(self) -> None:
        """Refuse lengths that are no whole numbers."""
        object.__setattr__(self, "steps", whole("Horizon", "steps", self.steps, least=1))
        object.__setattr__(self, "used", whole("Horizon", "used", self.used, least=0))
        for name in ("steps_per_epoch", "tokens_per_step", "samples_per_step"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, whole("Horizon", name, getattr(self, name), least=1))

    @classmethod
    def of(cls, value: Horizon | int) -> Horizon:
        """Return `value` itself if it is a horizon, else the horizon of that many steps."""
        return value if isinstance(value, Horizon) else cls(value)

    @classmethod
    def from_dataloader(
        cls,
        loader: Any,
        *,
        epochs: int,
        accumulate: int = 1,
        world_size: int | None = None,
        remainder: str = "step",
        sharded: bool | None = None,
    ) -> Horizon:
        """Return the horizon of `epochs` passes over `loader`, in updates that are really made.

        `accumulate`: batches of one update. `remainder` is what happens with the last batches of an epoch, where they
        are fewer. With "step" they make an update: `epochs * ceil(batches / accumulate)`, as in Hugging Face's Trainer,
        Lightning and Accelerate. With "drop" they make none: `epochs * floor(batches / accumulate)`, as in a loop with
        `if (i + 1) % accumulate == 0`, i from enumerate. With "carry" one counter goes through all epochs:
        `floor(epochs * batches / accumulate)`; where an epoch then has no whole number of updates, `steps_per_epoch`
        is None, so that "2ep" is refused.

        `world_size`: processes that share the data. `sharded`: whether `len(loader)` counts one process's share
        already. Both are read off a DistributedSampler and off the loaders that Accelerate has prepared. Any other
        loader is shared out as Accelerate does it: `ceil(len(loader) / world_size)` batches each, with drop_last the
        floor. Where Accelerate splits batches, leave `world_size` out for a loader that is not prepared.

        `samples_per_step` is set where the loader knows its batch size. Raise TypeError for a loader without a length,
        ValueError for one that makes no update.

        >>> Horizon.from_dataloader(range(10), epochs=3, accumulate=4)
        Horizon(steps=9, steps_per_epoch=3, used=0, tokens_per_step=None, samples_per_step=None)
        >>> [Horizon.from_dataloader(range(10), epochs=3, accumulate=4, remainder=r).steps for r in ("drop", "carry")]
        [6, 7]
        """
        found = _updates.of_loader(
            loader, epochs=epochs, accumulate=accumulate, world_size=world_size, remainder=remainder, sharded=sharded
        )
        return cls(found.steps, found.steps_per_epoch, samples_per_step=found.samples_per_step)

    @classmethod
    def from_trainer(cls, trainer: Any) -> Horizon:
        """Return the horizon of a Lightning or Hugging Face trainer, in updates that it is going to make.

        Lightning: `estimated_stepping_batches`, corrected where a callback changes the accumulation from epoch to
        epoch. That holds for automatic optimization, and not where DeepSpeed accumulates. Call it in
        `configure_optimizers`, where the trainer knows its data. Hugging Face: `max_steps`, or else
        `ceil(num_train_epochs * ceil(batches / gradient_accumulation_steps))`. The order of the data stays as it is.
        Raise ValueError for a trainer without an end, TypeError for any other trainer.
        """
        found = _updates.of_trainer(trainer)
        return cls(found.steps, found.steps_per_epoch, samples_per_step=found.samples_per_step)

    @property
    def left(self) -> int:
        """Steps that no earlier part has taken."""
        return max(0, self.steps - self.used)

    def after(self, steps: int) -> Horizon:
        """Return the same training as seen by the part that starts `steps` later."""
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

    def convert(self, step: int, before: Horizon) -> int:
        """Return the step here that lies where `step` lay under the horizon `before`: after the same data.

        Formula: `step * before.tokens_per_step / self.tokens_per_step`, to the nearest step, halves up; with samples
        where either does not know its tokens. Where neither is known on both sides, it is `step` itself.

        >>> small, large = Horizon(1000, samples_per_step=32), Horizon(250, samples_per_step=128)
        >>> large.convert(400, before=small), large.convert(401, before=small), large.convert(402, before=small)
        (100, 100, 101)
        """
        step = whole("Horizon", "step", step, least=0)
        for name in ("tokens_per_step", "samples_per_step"):
            here, there = getattr(self, name), getattr(before, name)
            if here is not None and there is not None:
                return int((2 * step * there + here) // (2 * here))
        return step

    def resolve(self, length: int | str) -> int:
        """Turn a length into steps, rounded to the nearest step.

        `500` is steps, `"5%"` a share of all steps, `"2ep"` epochs, `"3Mtok"` tokens, `"50ksp"` samples, with k, M, G
        (or B) and T for thousands to trillions. Raises TypeError for a bare float (it could mean a share or steps) and
        ValueError for another text, or for a unit whose size in steps is unknown.
        """
        return math.floor(self._exact(length) + Fraction(1, 2))

    def period(self, length: int | str) -> Fraction:
        """Return a length that is repeated in steps, which need not be whole, so that no rounding adds up.

        A length below one step is rounded as any other is.

        >>> Horizon(1000).period("25%"), Horizon(1001).period("25%"), Horizon(1000).period("0.01%")
        (Fraction(250, 1), Fraction(1001, 4), Fraction(0, 1))
        """
        exact = self._exact(length)
        return exact if exact >= 1 else Fraction(self.resolve(length))

    def _exact(self, length: int | str) -> Fraction:
        if not isinstance(length, str):
            if isinstance(length, float):
                raise TypeError(
                    f"Horizon: a length must be {_FORMS}, got {length!r}; "
                    + (f"write '{100 * length:g}%' for a share of training or " if 0 <= length <= 1 else "write ")
                    + "an int for steps"
                )
            return Fraction(whole("Horizon", "a length", length, least=0))
        found = _LENGTH.fullmatch(length)
        if not found:
            raise ValueError(f"Horizon: a length must be {_FORMS}, got {length!r}; write one of these")
        number, share, epochs, many, unit = found.groups()
        amount = Fraction(number) * _MANY[many or ""]
        if share and amount > 100:
            raise ValueError(f"Horizon: a share must be at most 100%, got {length!r}; give '100%' or less")
        if share:
            return self.steps * amount / 100
        if epochs:
            return amount * self._known("steps_per_epoch", length)
        return amount / self._known("tokens_per_step" if unit == "tok" else "samples_per_step", length)

    def _known(self, name: str, length: str) -> int:
        size: int | None = getattr(self, name)
        if size is None:
            raise ValueError(
                f"Horizon: {length!r} needs {name}, which is not known; give it (--{name.replace('_', '-')}), "
                "or a length in steps"
            )
        return size
