"""How schedules are compared with their peers: over whole horizons and past them, at odd lengths."""

import itertools

import pytest

LENGTHS = (1, 2, 3, 7, 1000)
WARMED = [(steps, warm) for steps, warm in itertools.product(LENGTHS, (0, 1, 5, 333)) if warm < steps]
"""Lengths of training with lengths of warm-up, zero among them."""


def agree(ours, theirs, steps, *, rel=1e-12, near_zero=1e-15):
    """Compare two callables at steps 0 to `steps` and five past it.

    `near_zero` is for values next to zero, where 1 + cos(x) has lost its digits in either; values are about 1.
    """
    for step in range(steps + 6):
        assert ours(step) == pytest.approx(float(theirs(step)), rel=rel, abs=near_zero), step
