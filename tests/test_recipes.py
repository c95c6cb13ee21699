"""The recipes: each is the shape it names, with lengths read against the horizon."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratesmith import Constant, Custom, Exponential, Horizon, InverseSqrt, Milestones, Ramp, Staircase, recipes
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
        (lambda h: recipes.warmup(h, "5%", start=0.1, shape="cosine"), Ramp(0.1, 1.0, 10, "cosine")),
    ],
)
def test_a_recipe_is_its_shape(recipe, shape):
    assert recipe(Horizon(200, steps_per_epoch=40)) == shape


def test_a_number_of_steps_is_a_horizon():
    assert recipes.cosine(200) == recipes.cosine(Horizon(200))


def test_what_follows_a_warm_up_takes_the_rest_of_training():
    horizon = Horizon(200)
    first = recipes.warmup(horizon, "10%")
    whole = first >> recipes.cosine(horizon.after(first.steps))
    assert whole.steps == 200
    assert [whole(step) for step in (0, 10, 20, 110, 200)] == pytest.approx([0, 0.5, 1, 0.5, 0], abs=1e-15)


@pytest.mark.parametrize(
    "recipe",
    [
        recipes.constant,
        recipes.cosine,
        recipes.linear,
        recipes.rex,
        recipes.tanh,
        lambda h: recipes.polynomial(h, 2.0),
        lambda h: recipes.ramp(h, 0.5, 0.1),
        lambda h: recipes.cosine_restarts(h, 3),
        lambda h: recipes.cyclic(h, "15.5%"),
        lambda h: recipes.wsd(h, warmup=10, decay=20),
        lambda h: recipes.trapezoidal(h, warmup=10, decay=20),
        lambda h: recipes.knee(h, warmup=10, explore=20),
        lambda h: recipes.one_cycle(h, peak=10),
        lambda h: recipes.one_cycle(h, peak=10, phases=3),
        lambda h: recipes.cooldown(h, Constant(1.0), 20),
    ],
)
def test_whatever_fills_the_rest_of_training_ends_with_it(recipe):
    rest, whole = recipe(Horizon(100).after(30)), recipe(Horizon(100))
    assert rest.steps == 70
    assert whole.steps == 100


def test_a_milestone_behind_a_warm_up_is_a_point_of_the_whole_training():
    whole = parse('warmup("10%") >> multistep(["50%", 150], gamma=0.5)').build(200)
    assert [whole(step) for step in (99, 100, 169, 170)] == [1.0, 0.5, 0.5, 0.25]
    with pytest.raises(
        ValueError, match="multistep: milestones '10%' is step 20, and 40 steps are over by then; give a later point"
    ):
        parse('warmup("20%") >> multistep(["10%"])').build(200)


def test_the_custom_recipe_counts_in_its_own_unit():
    rule = recipes.custom(Horizon(200, steps_per_epoch=40), lambda epoch: 0.5**epoch, every="1ep")
    assert [rule(step) for step in (0, 39, 40, 80)] == [1, 1, 0.5, 0.25]


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


def test_a_quarter_drops_three_times_within_every_training():
    for steps in range(4, 2000):
        assert recipes.step(steps, "25%", gamma=0.5)(steps - 1) == 0.125, steps


@given(shares())
def test_what_falls_smoothly_by_a_share_is_where_its_formula_says_at_the_end(given_share):
    steps, share, period = given_share
    falls, slows = recipes.exponential(steps, 0.9, share), recipes.inverse_time(steps, 0.5, share)
    for at in (0, 1, steps // 2, steps):
        assert falls(at) == pytest.approx(0.9 ** float(at / period), rel=1e-9)
        assert slows(at) == pytest.approx(1 / (1 + 0.5 * float(at / period)), rel=1e-9)
    assert recipes.exponential(1000, 0.9, "25%") == Exponential(0.9, 250)


@given(shares(), st.sampled_from([1.0, 2.0]))
def test_restarts_of_a_share_are_the_curve_of_cycles_that_need_not_be_whole(given_share, growth):
    steps, share, period = given_share
    restarts = recipes.sgdr(steps, share, growth=growth)
    waves = recipes.cyclic(steps, share, low=0.0)
    start, length = Fraction(0), period
    for step in range(steps):
        if step >= start + length:
            start, length = start + length, length * int(growth)
        assert restarts(step) == pytest.approx(0.5 + 0.5 * math.cos(math.pi * (step - start) / length), abs=1e-9)
        assert waves(step) == pytest.approx(float(1 - abs(step / period % 2 - 1)), abs=1e-9)


def test_restarts_of_a_whole_share_are_what_they_were():
    assert str(recipes.sgdr(1000, "25%", warmup="1.23%")) == (
        'Repeat(Ramp(0.0, 1.0, 12) >> Ramp(1.0, 0.0, 238, shape="cosine"))'
    )
    assert str(recipes.sgdr(1000, "25%", warmup="1.25%")) == (  # to the nearest step, halves up
        'Repeat(Ramp(0.0, 1.0, 13) >> Ramp(1.0, 0.0, 237, shape="cosine"))'
    )
    assert str(recipes.sgdr(1001, "25%", warmup="1.23%")) == (
        'Stretch(Take(Repeat(Ramp(0.0, 1.0, 49) >> Ramp(1.0, 0.0, 952, shape="cosine")), 4004), 1001)'
    )


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


def test_the_transformers_schedule_is_its_papers_formula():
    recipe = recipes.inverse_sqrt(10**6, 4000)
    for step in (1, 100, 3999, 4000, 4001, 10**5, 10**9):
        paper = min(step**-0.5, step * 4000**-1.5) / 4000**-0.5
        assert recipe(step) == pytest.approx(paper, rel=1e-14)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (recipes.wsd(10, warmup=2, decay=4), [0, 0.5, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0]),
        (recipes.wsd(10, decay="100%", final=0.5), [1 - 0.05 * t for t in range(11)] + [0.5]),
        (recipes.wsd(10, decay=0), [1] * 12),
        (recipes.wsd(4, decay=4, shape="1-sqrt"), [1, 0.5, 1 - 0.5**0.5, 1 - 0.75**0.5, 0, 0]),
        (recipes.one_cycle(10, peak=4, start=0.2, final=0.1, shape="linear"), [0.2, 0.4, 0.6, 0.8, 1, 0.85, 0.7]),
        (recipes.rex(2), [1, 2 / 3, 0, 0]),
        (recipes.trapezoidal(10, warmup=2, decay=2), [0, 0.5, 1, 1, 1, 1, 1, 1, 1, 0.5, 0]),
        (recipes.knee(8, warmup=2, explore=2, final=0.2), [0, 0.5, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0.2]),
        (recipes.one_cycle(9, peak=2, start=0.2, final=0.1, shape="linear", phases=3), [0.2, 0.6, 1, 0.6, 0.2, 0.18]),
        (recipes.ramp(9, 2.0, 0.0, 4, shape="log"), [2, 2 * math.log(4) / math.log(5), 2 * math.log(3) / math.log(5)]),
        (recipes.piecewise_constant(9, [2, 4], [1, 0.5, 0.1]), [1, 1, 0.5, 0.5, 0.1, 0.1, 0.1]),
        (recipes.piecewise_constant(9, [0, 2], [7, 0.5, 0.1]), [0.5, 0.5, 0.1]),
        (recipes.piecewise_linear(9, [1, 3, 5], [0, 1, 0.5]), [0, 0, 0.5, 1, 0.75, 0.5, 0.5]),
        (recipes.piecewise_linear(9, [2], [0.5]), [0.5] * 4),
        (recipes.cyclic(9, 2, low=0.5), [0.5, 0.75, 1, 0.75, 0.5, 0.75, 1]),
        (recipes.cyclic(9, 1, 2, low=0.0, mode="triangular2"), [0, 1, 0.5, 0, 0.5, 0.25, 0, 0.25]),
        (recipes.cyclic(9, 1, low=0.0, mode="exp_range", gamma=0.5), [0, 0.5, 0, 0.125, 0, 0.5**5]),
        (recipes.cosine_restarts(4, 2, final=0.5), [1, 0.75, 1, 0.75, 0.5, 0.5]),
        (recipes.sgdr(9, 2, height=0.5, final=0.1), [1, 0.55, 0.5, 0.3, 0.25, 0.175]),
        (recipes.sgdr(9, 4, final=0.2, warmup=2), [0.2, 0.6, 1, 0.6, 0.2, 0.6, 1]),
        (recipes.cooldown(10, Constant(1.0), 4), [1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0]),
        (recipes.cooldown(10, InverseSqrt(1), 2, at=3, final=0.1), [1, 0.5**0.5, 3**-0.5, 0.5, 0.3, 0.1, 0.1]),
        (recipes.constant(10, "20%") >> Constant(2.0), [1, 1, 2, 2]),
        (recipes.linear(10).hold(2), [1, 1, 0.8, 0.8, 0.6]),
        (recipes.warmup(10, 4).shift(-1), [0.25, 0.5, 0.75, 1, 1]),
        (recipes.linear(5).closed(), [1, 0.75, 0.5, 0.25, 0]),
        (recipes.linear(2).closed(), [1, 0, 0]),
        (recipes.knee(4, warmup=2, explore=2, final=0.2), [0, 0.5, 1, 1, 1, 1]),
        (recipes.one_cycle(4, peak=4, start=0.2, shape="linear"), [0.2, 0.4, 0.6, 0.8, 1, 1]),
        (recipes.one_cycle(4, peak=2, start=0.2, shape="linear", phases=3), [0.2, 0.6, 1, 0.6, 0.2, 0.2]),
        (recipes.cooldown(4, Constant(1.0), "100%"), [1, 0.75, 0.5, 0.25, 0]),
        (recipes.cooldown(4, Constant(0.5), 2, final=0.5), [0.5] * 6),
        (recipes.sgdr(Horizon(10).after(10), "15%"), [1]),
        (recipes.natural_exponential(9, 2.0, every=2), [1, math.exp(-1), math.exp(-2)]),
    ],
)
def test_values_of_the_recipes_with_phases(schedule, expected):
    assert [schedule(step) for step in range(len(expected))] == pytest.approx(expected, rel=1e-14, abs=1e-16)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: recipes.wsd(100, warmup="60%", decay="60%"),
            "wsd: warmup and decay must fit into 100 steps, got 60 and 60",
        ),
        (lambda: recipes.wsd(100, final=2), "wsd: final must be a finite number from 0 to 1, got 2"),
        (
            lambda: recipes.inverse_sqrt(100, 0),
            "inverse_sqrt: length must be at least 1 step, got 0; give a longer one",
        ),
        (lambda: recipes.sgdr(100, 0), "sgdr: first must be at least 1 step, got 0; give a longer one"),
        (lambda: recipes.one_cycle(100, start=2), "one_cycle: start must be a finite number from 0 to 1, got 2"),
        (
            lambda: recipes.knee(100, warmup=60, explore=50),
            "knee: warmup and explore must fit into 100 steps, got 60 and",
        ),
        (lambda: recipes.one_cycle(100, phases=4), "one_cycle: phases must be 2 or 3, got 4; choose one"),
        (
            lambda: recipes.one_cycle(100, peak=60, phases=3),
            "one_cycle: peak must leave room in 100 steps, got 60; give",
        ),
        (
            lambda: recipes.cooldown(100, Constant(1.0), 200),
            "cooldown: length must fit into 100 steps, got 200; make it",
        ),
        (
            lambda: recipes.cooldown(100, Constant(0.1), 20, final=0.5),
            "cooldown: final must be at most the 0.1 that the schedule has at step 80, got 0.5; give a smaller one",
        ),
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
        (
            lambda: recipes.cyclic(9, 2, mode="square"),
            "cyclic: mode must be 'triangular', 'triangular2' or 'exp_range'",
        ),
        (lambda: recipes.cyclic(9, 0), "cyclic: up must be at least 1 step, got 0; give a longer one"),
        (lambda: recipes.sgdr(9, 2, warmup=3), "sgdr: warmup must be at most the first cycle of 2 steps, got 3; make"),
        (lambda: recipes.cosine_restarts(9, 0), "cosine_restarts: cycles must be a whole number of at least 1, got 0"),
        (lambda: recipes.tanh(9, 3, -3), "tanh: lower must be below upper, got 3.0 and -3.0; swap them"),
        (lambda: recipes.noam(9, 0, 5), "noam: d_model must be a whole number of at least 1, got 0"),
        (
            lambda: Exponential(0.5).closed(),
            r"closed: schedule must end after at least 2 steps, got Exponential\(",
        ),
        (lambda: Ramp(1, 0, 1).closed(), r"closed: schedule must end after at least 2 steps, got Ramp\("),
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
