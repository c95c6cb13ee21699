"""Transfer: how the best rate changes with the shape of a schedule, by the convex last-iterate bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ratesmith._checks import Option, OptionValueError, finite, options_of
from ratesmith.logs.curve import Floats, numbers_of
from ratesmith.logs.rates_per_update import is_array, length_of, rates_of, resampled

DAMPED: Final = (0.0, 0.4, 0.7)
"""The power of the bound's horizon part: the least, the usual, the most. The bound alone has 1, which is too strong:
from 15,000 to 50,000 steps real best rates fell to 0.8, and it says 0.55."""
SHAPE_ERROR: Final = 1.25
"""By what factor the shape part may be off: the mean error of its transfer between real sweeps was 19 %."""


@dataclass(frozen=True)
class Transfer:
    """By what the base rate is to be multiplied, with its range, and the parts that it is made of."""

    factor: float
    low: float
    high: float
    shape: float
    """For the change of shape alone, at the old length."""
    horizon: float
    """For the change of length as the bound has it, before it is damped."""

    def explain(self) -> str:
        """Say in plain sentences what to do, and how sure it is."""
        sentences = [
            f"Multiply the best base rate of the old schedule by {self.factor:.2g} ({self.low:.2g} to {self.high:.2g})."
        ]
        if abs(self.horizon - 1) > 0.01:
            sentences.append(
                f"For the change of length a convex problem would ask for {self.horizon:.2g}; real trainings ask for "
                "much less of it, so it is damped: search around it."
            )
        return "\n".join(sentences)


def transfer_rate(
    old_schedule: Any, new_schedule: Any, steps: int | None = None, new_steps: int | None = None
) -> Transfer:
    """Return by what factor the best base rate changes when the schedule does; no run is needed.

    Formula: the best base rate of a schedule is `D / G * sqrt(a / b)` with the parts a and b of its bound (see
    `bound`), and unknown D and G cancel: `factor = sqrt(a_new / b_new) / sqrt(a_old / b_old)`. The part of it that
    comes from the length is damped. `steps`, `new_steps`: how long each trains; arrays know their length. A change of
    shape is what it is for: from 10 % to 90 % cooldown real sweeps say 2.1, the bound 2.0. Source: Schaipp et al., "The
    surprising agreement between convex optimization theory and learning-rate scheduling", 2025, arXiv 2501.18965.

    >>> transfer = transfer_rate('wsd(decay="10%")', 'wsd(decay="90%")', 20_000)
    >>> round(transfer.factor, 1), transfer.low < transfer.factor < transfer.high
    (2.0, True)
    """
    with options_of("transfer_rate", schedule="old_schedule"):
        first = _laid_out(old_schedule, steps)
    with options_of("transfer_rate", schedule="new_schedule", steps="steps" if new_steps is None else "new_steps"):
        second = _laid_out(new_schedule, steps if new_steps is None else new_steps)
    old, new = best_rate(first), best_rate(second)
    # The new shape at the old length lies between: up to it the shape's part, after it the length's.
    middle = best_rate(resampled(second, len(first))) if len(first) != len(second) else new
    shape, horizon = middle / old, new / middle
    ends = [horizon**power for power in DAMPED]  # at the least, the usual and the most of the bound's own factor
    return Transfer(shape * ends[1], shape * min(ends) / SHAPE_ERROR, shape * max(ends) * SHAPE_ERROR, shape, horizon)


def best_rate(factors: Floats) -> float:
    """Return the base rate at which the bound is least, in units of D / G."""
    a, b = bound(factors)
    return float(np.sqrt(a / b))


def bound(factors: Floats, norms: Floats | None = None) -> tuple[float, float]:
    """Return the parts (a, b) of the last iterate's bound `a * D^2 / rate + b * G^2 * rate`, in O(T).

    Formula, with S_t the sum of the factors w_t to w_T and g_t the gradient norms (1 if none are given):

        a = 1 / (2 S_1)
        b = sum w_t^2 g_t^2 / (2 S_1) + sum over k < T of w_k / S_{k+1} * (sum over t >= k of w_t^2 g_t^2) / (2 S_k)

    Zeros at the end train nothing and are left away. Source: theorem 1 of arXiv 2501.18965, after Defazio et al. 2023.

    >>> a, b = bound(np.ones(2))
    >>> round(a, 4), round(b, 4)
    (0.25, 1.0)
    """
    last = int(np.flatnonzero(factors)[-1]) + 1  # the bound divides by the sum of what is left
    weights = factors[:last]
    squares = weights**2 * (1.0 if norms is None else norms[:last] ** 2)
    # S_t and the sums of squares from t on, both (last,): the double sum of the bound becomes two running ones.
    sums, energy = np.cumsum(weights[::-1])[::-1], np.cumsum(squares[::-1])[::-1]
    later = weights[:-1] / sums[1:] * energy[:-1] / (2 * sums[:-1])
    return float(0.5 / sums[0]), float(energy[0] / (2 * sums[0]) + later.sum())


def refined(norms: Any, *, power: float = 1.0) -> Floats:
    """Return the schedule that logged gradient norms ask for, as factors with a largest of 1: a diagnostic only.

    Formula: `w_t = g_t^-power`, `factor_t = w_t * (w_{t+1} + ... + w_T)`. `power` is 1 for Adam and 2 for SGD. Real
    trainings do not follow it where it decays faster than linearly; that it asks for a warm-up is worth a look. Source:
    Defazio et al., "When, why and how much? Adaptive learning rate scheduling by refinement", 2023, arXiv 2310.07831.

    >>> refined([1.0, 1.0, 1.0, 1.0, 1.0]).round(2).tolist()
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    given = numbers_of("refined", "norms", norms)
    wrong = ~(np.isfinite(given) & (given > 0))
    if len(given) < 2 or wrong.any():
        got = f"{given[np.argmax(wrong)]:g}" if wrong.any() else len(given)
        must = f" must be at least two finite numbers above 0, got {got}; give one gradient norm for each step"
        raise OptionValueError("refined: ", Option("norms"), must)
    weights = given ** -finite("refined", "power", power, least=0.0, most=4.0)
    factors = weights * (np.cumsum(weights[::-1])[::-1] - weights)
    schedule: Floats = factors / factors.max()
    return schedule


def _laid_out(schedule: Any, steps: int | None) -> Floats:
    if steps is None:
        if not is_array(schedule):
            must = f" must be given for {schedule}; say how long it trains"
            raise OptionValueError("transfer_rate: ", Option("steps"), must)
        steps = len(schedule)
    return rates_of(schedule, 1.0, length_of(steps))
