"""Schedules that fall: each is the shape that it names, with lengths read against the horizon."""

import math

import pytest
from hypothesis import given
from shares import begins, shares

from ratesmith import Constant, Custom, Exponential, Horizon, Milestones, Ramp, Staircase, recipes
from ratesmith.strategy import parse


@pytest.mark.parametrize(
    ("recipe", "shape"),
    [
        (lambda h: recipes.constant(h), Constant(1.0, 200)),
        (lambda h: recipes.step(h, "25%", gamma=0.3), Staircase(50, 0.3)),
        (lambda h: recipes.step(h, 30), Staircase(30, 0.1)),
        (lambda h: recipes.step(h, "33.3%"), Staircase(333, 0.1, stairs=5)),
        (lambda h: recipes.multistep(h, ["50%", "3ep", 190]), Milestones((100, 120, 190), 0.1)),
        (lambda h: recipes.exponential(h, 0.9), Exponential(0.9, 1)),
        (lambda h: recipes.exponential(h, 0.9, every="1ep"), Exponential(0.9, 40)),
        (lambda h: recipes.cosine(h), Ramp(1.0, 0.0, 200, "cosine")),
        (lambda h: recipes.linear(h, final=0.1), Ramp(1.0, 0.1, 200)),
    ],
)
def test_a_recipe_is_its_shape(recipe, shape):
    assert recipe(Horizon(200, steps_per_epoch=40)) == shape


@pytest.mark.parametrize(
    "recipe",
    [
        recipes.constant,
        recipes.cosine,
        recipes.linear,
        recipes.rex,
        recipes.tanh,
        lambda h: recipes.polynomial(h, 2.0),
    ],
)
def test_whatever_fills_the_rest_of_training_ends_with_it(recipe):
    rest, whole = recipe(Horizon(100).after(30)), recipe(Horizon(100))
    assert rest.steps == 70
    assert whole.steps == 100


def test_the_custom_recipe_counts_in_its_own_unit():
    rule = recipes.custom(Horizon(200, steps_per_epoch=40), lambda epoch: 0.5**epoch, every="1ep")
    assert [rule(step) for step in (0, 39, 40, 80)] == [1, 1, 0.5, 0.25]


@given(shares())
def test_what_repeats_a_share_changes_at_the_nearest_step_to_each_multiple_of_it(given_share):
    steps, share, period = given_share
    expected = begins(period, steps)
    counted = [sum(begin <= step for begin in expected) for step in range(steps)] if steps < 200 else None
    rule = recipes.custom(steps, float, share)
    drops = recipes.step(steps, share, gamma=0.5)
    held = Custom(float).hold(Horizon(steps).period(share))
    changes = [step for step in range(1, steps) if rule(step) != rule(step - 1)]
    assert changes == expected
    assert counted is None or [rule(step) for step in range(steps)] == counted
    assert [held(step) for step in expected] == expected
    assert all(held(step - 1) < step for step in expected)
    assert drops.breakpoints(0, steps - 1) == expected
    assert drops(steps - 1) == 0.5 ** min(len(expected), 1074) or len(expected) > 1000
    assert parse(str(drops)).build() == drops
    if period.denominator == 1:
        assert drops == Staircase(int(period), 0.5)


def test_a_repeated_length_below_one_step_is_rounded_to_one_or_refused():
    assert recipes.step(600, "0.1%") == Staircase(1)
    with pytest.raises(ValueError, match=r"step: every must be at least 1 step, got '0.1%'; give a"):
        recipes.step(400, "0.1%")


@given(shares())
def test_what_falls_smoothly_by_a_share_is_where_its_formula_says_at_the_end(given_share):
    steps, share, period = given_share
    falls, slows = recipes.exponential(steps, 0.9, share), recipes.inverse_time(steps, 0.5, share)
    for at in (0, 1, steps // 2, steps):
        assert falls(at) == pytest.approx(0.9 ** float(at / period), rel=1e-9)
        assert slows(at) == pytest.approx(1 / (1 + 0.5 * float(at / period)), rel=1e-9)
    assert recipes.exponential(1000, 0.9, "25%") == Exponential(0.9, 250)


def test_a_repeated_length_of_tokens_or_epochs_is_not_rounded_either():
    horizon = Horizon(100, steps_per_epoch=5, tokens_per_step=300)
    assert recipes.step(horizon, "0.5ep").breakpoints(0, 10) == [3, 5, 8, 10]
    assert recipes.step(horizon, "1ktok").breakpoints(0, 10) == [3, 7, 10]
    assert recipes.step(horizon, "500tok").breakpoints(0, 10) == [2, 3, 5, 7, 8, 10]


def test_milestones_and_factors_are_lists():
    with pytest.raises(
        TypeError, match=r"piecewise_linear: factors must be a list of numbers, got 1; write \[1, 0.1\]"
    ):
        recipes.piecewise_linear(200, [1], 1)
    with pytest.raises(TypeError, match="multistep: milestones must be a list of lengths, got '50%'"):
        recipes.multistep(200, "50%")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (recipes.rex(2), [1, 2 / 3, 0, 0]),
        (recipes.piecewise_constant(9, [2, 4], [1, 0.5, 0.1]), [1, 1, 0.5, 0.5, 0.1, 0.1, 0.1]),
        (recipes.piecewise_constant(9, [0, 2], [7, 0.5, 0.1]), [0.5, 0.5, 0.1]),
        (recipes.piecewise_linear(9, [1, 3, 5], [0, 1, 0.5]), [0, 0, 0.5, 1, 0.75, 0.5, 0.5]),
        (recipes.piecewise_linear(9, [2], [0.5]), [0.5] * 4),
        (recipes.constant(10, "20%") >> Constant(2.0), [1, 1, 2, 2]),
        (recipes.linear(10).hold(2), [1, 1, 0.8, 0.8, 0.6]),
        (recipes.linear(5).closed(), [1, 0.75, 0.5, 0.25, 0]),
        (recipes.linear(2).closed(), [1, 0, 0]),
        (recipes.natural_exponential(9, 2.0, every=2), [1, math.exp(-1), math.exp(-2)]),
    ],
)
def test_values_of_the_recipes_with_phases(schedule, expected):
    assert [schedule(step) for step in range(len(expected))] == pytest.approx(expected, rel=1e-14, abs=1e-16)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: recipes.piecewise_constant(9, [2], [1]),
            "piecewise_constant: factors must be one more than the milestones, got 1 for 1 milestones",
        ),
        (
            lambda: recipes.piecewise_constant(9, [3, 2], [1, 1, 1]),
            "piecewise_constant: milestones must rise, got 3 before 2",
        ),
        (
            lambda: recipes.piecewise_linear(9, [2], [1, 2]),
            "piecewise_linear: factors must be one for each milestone, got 2 for 1 milestones",
        ),
        (
            lambda: recipes.piecewise_linear(9, [], []),
            "piecewise_linear: factors must be one for each milestone, got 0 for 0 milestones",
        ),
        (lambda: recipes.tanh(9, 3, -3), "tanh: lower must be below upper, got 3.0 and -3.0; swap them"),
        (
            lambda: recipes.step(9, "1ep"),
            "step: every '1ep' needs steps_per_epoch, which is not known; give steps_per_",
        ),
        (lambda: recipes.natural_exponential(9, -1), "natural_exponential: rate must be a finite number from 0 to 300"),
        (lambda: recipes.polynomial(100, 0), "polynomial: power must be above 0, got 0; give 2 for quadratic"),
    ],
)
def test_recipes_that_cannot_hold_are_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        build()


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("k_decay", [0.5, 1.0, 2.0])
def test_a_cosine_has_a_power_and_a_k_decay(power, k_decay):
    ours = parse(f"cosine(final=0.1, power={power}, k_decay={k_decay})").build(50)
    for step in range(51):
        wanted = 0.1 + 0.9 * ((1 + math.cos(math.pi * (step / 50) ** k_decay)) / 2) ** power
        assert ours(step) == pytest.approx(wanted, abs=1e-8 if power < 1 else 1e-14)
    assert ours(70) == ours(50) == 0.1


@pytest.mark.parametrize("k_decay", [0.5, 1.0, 2.0])
def test_a_polynomial_has_a_k_decay(k_decay):
    """Formula: lr_min + (lr - lr_min) (1 - t^k / T^k) ** power. Source: timm, PolyLRScheduler."""
    ours = parse(f"polynomial(2, final=0.1, k_decay={k_decay})").build(50)
    for step in range(51):
        assert ours(step) == pytest.approx(0.1 + 0.9 * (1 - step**k_decay / 50**k_decay) ** 2, abs=1e-14)


def test_a_polynomial_begins_again_lower_after_each_cycle():
    ours = parse('polynomial(2, final=0.1, cycle="20%")').build(50)
    for step in range(80):
        end = 10 * max(1, math.ceil(step / 10))
        assert ours(step) == pytest.approx(0.1 + 0.9 * (1 - step / end) ** 2, abs=1e-14)
    with pytest.raises(ValueError, match=r"polynomial: k_decay has no cycles, got 2; drop it or cycle"):
        recipes.polynomial(50, cycle=10, k_decay=2)
    with pytest.raises(ValueError, match=r"polynomial: cycle must be at least 1 step, got '0%'; give a longer one"):
        recipes.polynomial(50, cycle="0%")


def test_simple_options_leave_the_values_what_they_were():
    assert recipes.cosine(50, power=1, k_decay=1) == Ramp(1.0, 0.0, 50, "cosine")
    assert recipes.polynomial(50, 2, k_decay=1) == Ramp(1.0, 0.0, 50, 2.0)


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0, 1.7])
def test_an_inverse_power_is_that_of_time(power):
    ours = parse(f"inverse_sqrt(20, power={power})").build(500)
    for step in range(20, 600):
        assert ours(step) == pytest.approx((20 / step) ** power, rel=1e-13)
    with pytest.raises(ValueError, match=r"inverse_sqrt: power must be above 0, got -1; give"):
        recipes.inverse_sqrt(500, 20, power=-1)


def test_a_hyperbola_lasts_as_long_as_training_does():
    ours = parse("warmup(10) >> hyperbolic(500, infimum=0.1)").build(100)
    rest = recipes.hyperbolic(90, 500, infimum=0.1)
    assert [ours(step) for step in range(10, 120)] == [rest(step - 10) for step in range(10, 120)]
    with pytest.raises(
        ValueError, match=r"hyperbolic: bound must be at least 90, the steps, got 50; give a larger one"
    ):
        recipes.hyperbolic(90, 50)
