"""Horizon: steps, epochs and shares of training, read as steps."""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Any

from ratesmith import _update_count
from ratesmith._checks import Option, OptionTypeError, OptionValueError, whole
from ratesmith._field_checks import Check, check_fields

_LENGTH = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*(?:(%)|(ep)|([kMGBT]?)(tok|sp))\s*")
_MANY = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
_FORMS = "whole steps, '5%', '2ep' or '3Mtok'"


@dataclass(frozen=True)
class Horizon:
    """How long training lasts, in optimizer steps; it reads every other length as steps.

    `steps`: all steps of the training. `steps_per_epoch`: steps of one pass over the data, if that is known.
    `used`: steps that earlier parts of a sequence have already taken. Shares are shares of `steps`. `tokens_per_step`
    and `samples_per_step`: what one step trains on, if lengths are given so.

    >>> horizon = Horizon(1000, steps_per_epoch=50)
    >>> horizon.resolve(7), horizon.resolve("5%"), horizon.resolve("2ep")
    (7, 50, 100)
    >>> Horizon(10_000, tokens_per_step=500_000).resolve("1.5Gtok")
    3000
    >>> horizon.after(50).left
    950
    """

    steps: Annotated[int, Check(whole, least=1)]
    steps_per_epoch: Annotated[int | None, Check(whole, least=1, or_none=True)] = None
    used: Annotated[int, Check(whole, least=0)] = 0
    tokens_per_step: Annotated[int | None, Check(whole, least=1, or_none=True)] = None
    samples_per_step: Annotated[int | None, Check(whole, least=1, or_none=True)] = None

    def __post_init__(self) -> None:
        """Refuse lengths that are no whole numbers."""
        check_fields(self)

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

        `accumulate`: batches of one update. `remainder` is what happens with the last batches of an epoch, if they
        are fewer. With "step" they make an update: `epochs * ceil(batches / accumulate)`, as in Hugging Face's Trainer,
        Lightning and Accelerate. With "drop" they make none: `epochs * floor(batches / accumulate)`, as in a loop with
        `if (i + 1) % accumulate == 0`, i from enumerate. With "carry" one counter goes through all epochs:
        `floor(epochs * batches / accumulate)`; if an epoch then has no whole number of updates, `steps_per_epoch`
        is None, so that "2ep" is refused.

        `world_size`: processes that share the data. `sharded`: whether `len(loader)` counts one process's share
        already. Both are read off a DistributedSampler and off the loaders that Accelerate has prepared. Any other
        loader is shared out as Accelerate does it: `ceil(len(loader) / world_size)` batches each, with drop_last the
        floor. If Accelerate splits batches, leave `world_size` out for a loader that is not prepared.

        `samples_per_step` is set if the loader knows its batch size. Raise TypeError for a loader without a length,
        ValueError for one that makes no update.

        >>> Horizon.from_dataloader(range(10), epochs=3, accumulate=4)
        Horizon(steps=9, steps_per_epoch=3, used=0, tokens_per_step=None, samples_per_step=None)
        >>> [Horizon.from_dataloader(range(10), epochs=3, accumulate=4, remainder=r).steps for r in ("drop", "carry")]
        [6, 7]
        """
        updates = _update_count.of_loader(
            loader, epochs=epochs, accumulate=accumulate, world_size=world_size, remainder=remainder, sharded=sharded
        )
        return cls(updates.steps, updates.steps_per_epoch, samples_per_step=updates.samples_per_step)

    @classmethod
    def from_trainer(cls, trainer: Any) -> Horizon:
        """Return the horizon of a Lightning or Hugging Face trainer, in updates that it is going to make.

        Lightning: `estimated_stepping_batches`, corrected if a callback changes the accumulation from epoch to
        epoch. That holds for automatic optimization, and not if DeepSpeed accumulates. Call it in
        `configure_optimizers`, where the trainer knows its data. Hugging Face: `max_steps`, or else
        `ceil(num_train_epochs * ceil(batches / gradient_accumulation_steps))`. The order of the data stays as it is.
        Raise ValueError for a trainer without an end, TypeError for any other trainer.
        """
        updates = _update_count.of_trainer(trainer)
        return cls(updates.steps, updates.steps_per_epoch, samples_per_step=updates.samples_per_step)

    @property
    def left(self) -> int:
        """Steps that no earlier part has taken."""
        return max(0, self.steps - self.used)

    def after(self, steps: int) -> Horizon:
        """Return the same training as seen by the part that starts `steps` later."""
        return replace(self, used=self.used + steps)

    def locate(self, point: int | str) -> int:
        """Turn a point of training into steps from where this part starts.

        An int counts from there already; `"50%"` and `"2ep"` are points of the whole training. Raise ValueError for a
        point before the part.

        >>> Horizon(1000).after(50).locate("50%"), Horizon(1000).after(50).locate(500)
        (450, 500)
        """
        steps = self.resolve(point)
        if not isinstance(point, str):
            return steps
        if steps < self.used:
            past = f" {point!r} is step {steps}, and {self.used} steps are over by then; give a later point"
            raise OptionValueError("Horizon: ", Option("length"), past)
        return steps - self.used

    def convert(self, step: int, before: Horizon) -> int:
        """Return the step here that lies where `step` lay under the horizon `before`: after the same data.

        Formula: `step * before.tokens_per_step / self.tokens_per_step`, to the nearest step, halves up; with samples
        if either does not know its tokens. If neither is known on both sides, it is `step` itself.

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
        (or B) and T for thousands to trillions. Raise TypeError for a bare float (it could mean a share or steps) and
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
        start = ("Horizon: ", Option("length"))
        if isinstance(length, float):
            share = f"'{100 * length:g}%' for a share of training or " if 0 <= length <= 1 else ""
            raise OptionTypeError(*start, f" must be {_FORMS}, got {length!r}; write {share}an int for steps")
        if isinstance(length, bool) or not isinstance(length, (str, numbers.Integral)):
            raise OptionTypeError(*start, f" must be {_FORMS}, got {length!r}; write one of these")
        if not isinstance(length, str):
            return Fraction(whole("Horizon", "length", length, least=0))
        read = _LENGTH.fullmatch(length)
        if not read:
            raise OptionValueError(*start, f" must be {_FORMS}, got {length!r}; write one of these")
        number, share, epochs, many, unit = read.groups()
        amount = Fraction(number) * _MANY[many or ""]
        if share and amount > 100:
            raise OptionValueError(*start, f" must be a share of at most 100%, got {length!r}; give '100%' or less")
        if share:
            return self.steps * amount / 100
        if epochs:
            return amount * self._size_of("steps_per_epoch", length)
        return amount / self._size_of("tokens_per_step" if unit == "tok" else "samples_per_step", length)

    def _size_of(self, unit: str, length: str) -> int:
        size: int | None = getattr(self, unit)
        if size is None:
            must = (
                f" {length!r} needs {unit}, which is not known; give ",
                Option(f"{unit}="),
                ", or a length in steps",
            )
            raise OptionValueError("Horizon: ", Option("length"), *must)
        return size


@dataclass(frozen=True)
class AheadHorizon(Horizon):
    """A training as seen by a schedule that begins `ahead` steps in: at its end that schedule is so much farther."""

    ahead: int = 0


class LengthNeededError(OptionValueError):
    """Something depends on how long training lasts, or on what is left of it, and that is not known here."""


class OpenHorizon(Horizon):
    """A training of unknown length: it reads lengths in steps, and refuses what depends on how long training is.

    >>> OpenHorizon().resolve(500)
    500
    >>> try:
    ...     OpenHorizon().resolve("5%")
    ... except LengthNeededError as error:
    ...     print(error)
    Horizon: it needs the length of training; give a horizon, as in .build(1000), or steps=
    """

    def __init__(self) -> None:
        """Know nothing of the training."""

    @property
    def steps(self) -> int:
        """Raise LengthNeededError."""
        needs = "Horizon: it needs the length of training; give a horizon, as in .build(1000), or "
        raise LengthNeededError(needs, Option("steps="))

    def after(self, steps: int) -> Horizon:
        """Return the same training, since nobody knows what is left of it."""
        return self

    def _size_of(self, unit: str, length: str) -> int:
        try:
            return super()._size_of(unit, length)
        except OptionValueError as error:
            raise LengthNeededError(*error.args) from None


class SpentHorizon(OpenHorizon):
    """A training that is over: built with it, a part shows whether it depends on how long training is."""
