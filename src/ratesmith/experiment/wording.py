"""How the figures of a comparison are printed, wherever they are: differences, shares of training, names in a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from ratesmith.experiment.statistics import Difference, Estimate

NOTHING: Final = 1e-9
"""Below this a difference is rounding: in percent, or in units of the metric."""
NEARLY_ALL: Final = 99.0
"""From here on a loss that is so many percent lower is not rounded up to 100."""
MANY: Final = 9950.0
"""From here on a figure is written with a power of ten."""
OPPOSITE: Final = {"better": "worse", "worse": "better"}


def interval(difference: Difference) -> str:
    """Return the interval that decides, with signs; the mean alone if there is none.

    >>> interval(Difference(-0.5, -1.0, -0.2, "better", True, 5)), interval(Difference(0.0, -0.03, 0.002, "", False, 5))
    ('-63 to -18 %', '-0.03 to +0.002')
    """
    low, high = (
        f"{'-' if end < 0 else '+' if end > 0 else ''}{text}"
        for end, text in zip(_ends(difference), _texts(difference), strict=True)
    )
    return _range(low, high, difference.relative)


def amount(difference: Difference) -> str:
    """Return by how much two strategies differ whose interval does not hold 0: without signs, the smaller first.

    >>> amount(Difference(-0.5, -1.0, -0.2, "better", True, 5)), amount(Difference(0.1, 0.05, 0.15, "", False, 5))
    ('18 to 63 %', '0.05 to 0.15')
    """
    low, high = _texts(difference) if difference.mean > 0 else reversed(_texts(difference))
    return _range(low, high, difference.relative)


def _ends(difference: Difference) -> tuple[float, float]:
    """Return the interval in percent, or in the metric's own unit; without rounding errors about 0."""
    ends = (difference.low, difference.high) if difference.low is not None else (difference.mean, difference.mean)
    shown = [100 * math.expm1(min(end or 0.0, 700.0)) if difference.relative else end or 0.0 for end in ends]
    low, high = (0.0 if abs(end) < NOTHING else end for end in shown)
    return low, high


def _range(low: str, high: str, relative: bool) -> str:
    return (low if low == high else f"{low} to {high}") + (" %" if relative else "")


def _texts(difference: Difference) -> tuple[str, str]:
    """Return both ends without signs: the larger with two digits, the other with as many places."""
    ends = _ends(difference)
    largest = max(map(abs, ends))
    places = max(0, 1 - math.floor(math.log10(largest))) if largest > 0 else 0
    low, high = (_written(abs(end), places, difference.relative and end < 0) for end in ends)
    return low, high


def _written(size: float, places: int, falls: bool) -> str:
    """Return a size with so many places; a loss never falls by 100 %, and what is not 0 is not written so."""
    if falls and size >= NEARLY_ALL:
        return f"{min(math.floor(size * 10) / 10, 99.9):g}"
    if size >= MANY:
        return f"{size:.0e}".replace("e+0", "e").replace("e+", "e")
    if size >= 100:
        return f"{float(f'{size:.2g}'):,.0f}"
    text = f"{size:.{places}f}"
    if size > 0 and float(text) == 0:
        return f"{size:.1g}"
    return text.rstrip("0").rstrip(".") if places else text


def range_of(estimate: Estimate) -> str:
    """Return the interval of a mean; nothing if it has none.

    >>> range_of(Estimate(2.0, 1.5, 2.66666))
    '1.5 to 2.667'
    """
    return "" if estimate.low is None or estimate.high is None else f"{estimate.low:.4g} to {estimate.high:.4g}"


def figure(estimate: Estimate) -> str:
    """Return a mean with its interval.

    >>> figure(Estimate(2.0, 1.5, 2.66666)), figure(Estimate(2.0, None, None))
    ('2 (1.5 to 2.667)', '2')
    """
    return f"{estimate.mean:.4g} ({range_of(estimate)})" if range_of(estimate) else f"{estimate.mean:.4g}"


def share(step: float, steps: int) -> str:
    """Return a step as a share of the whole training; a step that is never reached as such.

    >>> share(230, 500), share(math.inf, 500)
    ('46 %', 'never')
    """
    return "never" if math.isinf(step) else f"{100 * step / steps:.0f} %"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[-1] if len(names) < 2 else f"{', '.join(names[:-1])} and {names[-1]}"


def mirrored(difference: Difference) -> Difference:
    """Return the same difference as the other of the two strategies sees it."""
    low, high = difference.low, difference.high
    return difference._replace(
        mean=-difference.mean,
        low=None if high is None else -high,
        high=None if low is None else -low,
        conclusion=OPPOSITE.get(difference.conclusion, difference.conclusion),
    )
