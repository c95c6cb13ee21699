"""Curve: what one run showed, its rate at every update and its loss where it was measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith._display import Displayed

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST_LOSSES: Final = 5
"""Measurements under which no curve has a shape; a forecast wants many more, and says so."""
KINDS: Final = ("validation", "training")


@dataclass(frozen=True, eq=False)
class Curve(Displayed):
    """The rate of every update of one run, and the losses that were measured on the way.

    `rates`: the absolute rate of each update, the one that made update t at `rates[t - 1]`. `steps`: after how many
    updates each loss was measured, strictly increasing, from 1 to `len(rates)`. `losses`: finite and above 0, in nats
    if the model is one of language. `optimizer`: its name, if it is known. The arrays are copied and cannot be
    written to.

    Raises ValueError, or TypeError for what is no array of numbers, with the place of the first mistake.

    >>> import numpy as np
    >>> run = Curve("a", rates=np.full(100, 1e-3), steps=[20, 40, 60, 80, 100], losses=[5.0, 4.0, 3.5, 3.3, 3.2])
    >>> run.length, run.peak, run.warmup_steps, run.annealed
    (100, 0.001, 0, 0.0)
    """

    name: str
    rates: Floats
    steps: Ints
    losses: Floats
    kind: str = "validation"
    optimizer: str | None = None
    notes: tuple[str, ...] = ()
    """What had to be guessed when it was read."""

    def __post_init__(self) -> None:
        """Check everything once, so that nothing later has to."""
        thing = f"Curve {self.name!r}"
        if self.kind not in KINDS:
            must = f" must be 'validation' or 'training', got {self.kind!r}; name one of them"
            raise OptionValueError(f"{thing}: ", Option("kind"), must)
        rates, losses = (numbers_of(thing, name, getattr(self, name)) for name in ("rates", "losses"))
        object.__setattr__(self, "rates", frozen(_check_rates(thing, rates)))
        object.__setattr__(self, "losses", frozen(losses))
        object.__setattr__(self, "steps", frozen(_check_steps(thing, self.steps, len(rates), len(losses))))
        _check_losses(thing, losses)

    def __repr__(self) -> str:
        """Return the run in one line, without its numbers."""
        return f"<Curve {self.name!r}: {self.length} steps, {len(self.steps)} losses, to {self.losses[-1]:.4g}>"

    @property
    def length(self) -> int:
        """Updates made."""
        return len(self.rates)

    @cached_property
    def peak(self) -> float:
        """The largest rate."""
        return float(self.rates.max())

    @cached_property
    def warmup_steps(self) -> int:
        """The n of `warmup(n) >> ...`: updates until the rate has risen to a peak; 0 without a warm-up.

        A peak is where it stops rising at 95 % of its largest or more. Counted from the update that had, or before the
        first would have had, no rate: many loops begin at 1 / n.
        """
        # A cosine that restarts may peak a hair higher each time: the first peak that is nearly the largest counts.
        near = int(np.argmax(self.rates >= 0.95 * self.peak))
        falls = np.diff(self.rates[near:]) <= 1e-9 * self.peak
        first = near + int(np.argmax(falls)) if near and falls.any() else near
        # A loop that begins at 1 / n has its first rate one step after a rate of 0: then rate[0] * n is the peak.
        begun = float(self.rates[0]) * first
        return first + 1 if 0.5 * self.peak < begun < 1.5 * self.peak else first

    @property
    def annealed(self) -> float:
        """How far the rate has come down from its largest by the last measurement, as a share: 0 never, 1 to zero."""
        return float(1 - self.rates[self.steps[-1] - 1] / self.rates.max())


def numbers_of(thing: str, name: str, values: Any) -> Floats:
    """Return `values` as a new one-dimensional array of floats, or raise an error of the option `name` of `thing`."""
    start = (f"{thing}: ", Option(name), " must be a one-dimensional array of numbers")
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionTypeError(*start, f", got {type(values).__name__}; give such an array") from None
    if array.ndim != 1:
        raise OptionValueError(*start, f", got {array.ndim} dimensions; give one number for each")
    return array


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array itself, which nobody can write to from now on."""
    array.flags.writeable = False
    return array


def _check_rates(thing: str, rates: Floats) -> Floats:
    option = (f"{thing}: ", Option("rates"))
    if not len(rates):
        raise OptionValueError(*option, " must hold the rate of every update, got none; give one for each")
    wrong = ~(np.isfinite(rates) & (rates >= 0))
    if wrong.any():
        place = int(np.argmax(wrong))
        got = f"got {rates[place]:g} at update {place + 1}"
        raise OptionValueError(*option, f" must be finite and at least 0, {got}; mend that row")
    if not rates.any():
        got = f"got zero at all {len(rates)} updates"
        raise OptionValueError(*option, f" must not all be zero, {got}; see which column holds the rate")
    return rates


def _check_steps(thing: str, steps: Any, length: int, count: int) -> Ints:
    given = numbers_of(thing, "steps", steps)
    option = (f"{thing}: ", Option("steps"))
    if len(given) != count:
        got = f"got {len(given)} and {count}"
        raise OptionValueError(
            *option, " and ", Option("losses"), f" must be of one length, {got}; give a step for each loss"
        )
    wrong = given != np.floor(given)
    if wrong.any():
        raise OptionValueError(*option, f" must be whole numbers, got {given[np.argmax(wrong)]:g}; count updates")
    falls = np.diff(given) <= 0
    if falls.any():
        place = int(np.argmax(falls))
        got = f"got {given[place + 1]:.0f} after {given[place]:.0f}"
        raise OptionValueError(
            *option, f" must increase, {got}; drop what is there twice, and join restarted runs first"
        )
    if count and not (given[0] >= 1 and given[-1] <= length):
        outside = given[0] if given[0] < 1 else given[-1]
        must = f" must lie from 1 to {length}, the updates that rates has, got {outside:.0f}"
        raise OptionValueError(*option, f"{must}; give the rate of every update up to the last loss")
    return given.astype(np.int64)


def _check_losses(thing: str, losses: Floats) -> None:
    option = (f"{thing}: ", Option("losses"))
    wrong = ~(np.isfinite(losses) & (losses > 0))
    if wrong.any():
        place = int(np.argmax(wrong))
        got = f"got {losses[place]:g} at measurement {place + 1}"
        remedy = "drop what diverged, and give a loss that cannot be negative"
        raise OptionValueError(*option, f" must be finite and above 0, {got}; {remedy}")
    if len(losses) < FEWEST_LOSSES:
        raise OptionValueError(
            f"{thing}: at least {FEWEST_LOSSES} losses are needed, got {len(losses)}; log more often"
        )
    if losses.max() - losses.min() <= 1e-9 * losses.max():
        got = f"got {losses[0]:g} at all {len(losses)} measurements"
        raise OptionValueError(*option, f" must change, {got}; see which column holds the loss")
