"""Random shares of a training, and the steps at which they begin again."""

import math
from fractions import Fraction

from hypothesis import strategies as st


@st.composite
def shares(draw):
    """Return a length of training and a share of it of at least one step, as text and exactly."""
    steps = draw(st.integers(2, 3000))
    hundredths = draw(st.integers(-(-10_000 // steps), 10_000))
    return steps, f"{hundredths // 100}.{hundredths % 100:02}%", Fraction(steps * hundredths, 10_000)


def begins(period, steps):
    """Return the steps at which a repeated length begins again within so many updates: each the nearest, halves up."""
    all_of_them = (math.floor(i * period + Fraction(1, 2)) for i in range(1, math.ceil(steps / period) + 2))
    return [step for step in all_of_them if step < steps]
