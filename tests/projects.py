"""What the tables of real projects' schedules share: the lengths, two curves, and the comparison."""

import math

import pytest

from ratesmith import Horizon, parse

T, W = 100, 20
"""Updates of a training and of its warm-up."""
EPOCH = 10
"""Updates of an epoch."""


def falling(q):
    """Return (1 + cos(pi q)) / 2, from 1 to 0, for a share q of the way, flat before and after."""
    return (1 + math.cos(math.pi * min(max(q, 0.0), 1.0))) / 2


def between(start, end, q):
    """Return the value a share q of the way from start to end, flat before and after."""
    q = min(max(q, 0.0), 1.0)
    return start * (1 - q) + end * q


def agrees(notation, formula, until=T + T // 2, tolerance=1e-13):
    """Compare one line of notation with a formula at every step up to `until`, at a training's lengths as above."""
    ours = parse(notation).build(Horizon(T, steps_per_epoch=EPOCH))
    for step in range(until + 1):
        assert ours(step) == pytest.approx(formula(step), rel=1e-12, abs=tolerance), step


def table(rows):
    """Return rows of project, what, notation, formula and perhaps the last step that is compared, with their names."""
    return [pytest.param(*row[2:], id=f"{row[0]}: {row[1]}") for row in rows]
