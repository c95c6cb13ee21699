"""Shapes that few libraries have: their formulas, their laws, and what is refused."""

import math

import pytest

from ratesmith import from_data, parse, to_data
from ratesmith.shapes import Hyperbolic, PolynomialCycles
from ratesmith.testing import check_schedule


@pytest.mark.parametrize("power", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("every", [1, 7, 50])
def test_polynomial_cycles_run_towards_a_later_end_each_time(every, power):
    """Formula: n = max(1, ceil(t / T)); (1 - t / (n T)) ** p. Source: Keras, PolynomialDecay; Paddle's too."""
    ours = PolynomialCycles(every, power)
    for step in range(4 * every + 3):
        cycles = max(1, math.ceil(step / every))
        assert ours(step) == pytest.approx((1 - step / (cycles * every)) ** power, abs=1e-7 if power < 1 else 1e-15)
    assert ours.breakpoints(0, 2 * every + 1) == [every + 1, 2 * every + 1]
    assert ours.breakpoints(every, 2 * every) == ([every + 1] if every > 1 else [2])


@pytest.mark.parametrize("bound", [100, 150, 1000])
def test_a_hyperbola_is_the_formula_of_its_paper(bound):
    """Formula: eta + (eta - inf) (f(n) - f(0)), or eta (eta / inf) ** (f(n) - f(0)). Source: arXiv 2407.15200."""

    def height(n):
        return math.sqrt((100 - n) / bound * (2 - (100 + n) / bound))

    flat, steep = Hyperbolic(100, bound, 0.1), Hyperbolic(100, bound, 0.1, exponential=True)
    for step in range(101):
        fall = height(step) - height(0)
        assert flat(step) == pytest.approx(1 + 0.9 * fall, rel=1e-13)
        assert steep(step) == pytest.approx(10**fall, rel=1e-13)
    assert flat(300) == flat(100)
    assert flat.breakpoints(0, 200) == [100]


@pytest.mark.parametrize(
    "made", [PolynomialCycles(7), PolynomialCycles(9, 0.5), Hyperbolic(50, 60, 0.1), Hyperbolic(50, 60, 0.1, True)]
)
def test_they_keep_the_laws_and_are_written_and_saved(made):
    check_schedule(made)
    assert parse(str(made)).build() == made
    assert from_data(to_data(made)).build() == made


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PolynomialCycles(0), "PolynomialCycles: every must be a whole number of at least 1, got 0; give a"),
        (lambda: PolynomialCycles(5, -1), "PolynomialCycles: power must be above 0, got -1; give 2 for quadratic"),
        (lambda: Hyperbolic(9, 5), "Hyperbolic: bound must be at least 9, the steps, got 5; give a larger one"),
        (
            lambda: Hyperbolic(5, 9, exponential=True),
            "Hyperbolic: exponential needs an infimum above 0, got 0.0; give a small one such as 1e-3",
        ),
    ],
)
def test_a_mistake_is_refused_with_one_message(build, message):
    with pytest.raises(ValueError, match=r"\w") as caught:
        build()
    assert str(caught.value).startswith(message)
