"""Schedules in phases: their values, and lengths that do not fit."""

import math

import numpy as np
import pytest

from ratesmith import Constant, Horizon, InverseSqrt, Ramp, parse, recipes


@pytest.mark.parametrize(
    ("recipe", "shape"),
    [
        (lambda h: recipes.warmup(h, "5%", start=0.1, shape="cosine"), Ramp(0.1, 1.0, 10, "cosine")),
    ],
)
def test_a_recipe_is_its_shape(recipe, shape):
    assert recipe(Horizon(200, steps_per_epoch=40)) == shape


def test_what_follows_a_warm_up_takes_the_rest_of_training():
    horizon = Horizon(200)
    first = recipes.warmup(horizon, "10%")
    whole = first >> recipes.cosine(horizon.after(first.steps))
    assert whole.steps == 200
    assert [whole(step) for step in (0, 10, 20, 110, 200)] == pytest.approx([0, 0.5, 1, 0.5, 0], abs=1e-15)


@pytest.mark.parametrize(
    "recipe",
    [
        lambda h: recipes.ramp(h, 0.5, 0.1),
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
        (recipes.trapezoidal(10, warmup=2, decay=2), [0, 0.5, 1, 1, 1, 1, 1, 1, 1, 0.5, 0]),
        (recipes.knee(8, warmup=2, explore=2, final=0.2), [0, 0.5, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0.2]),
        (recipes.one_cycle(9, peak=2, start=0.2, final=0.1, shape="linear", phases=3), [0.2, 0.6, 1, 0.6, 0.2, 0.18]),
        (recipes.ramp(9, 2.0, 0.0, 4, shape="log"), [2, 2 * math.log(4) / math.log(5), 2 * math.log(3) / math.log(5)]),
        (recipes.cooldown(10, Constant(1.0), 4), [1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0]),
        (recipes.cooldown(10, InverseSqrt(1), 2, at=3, final=0.1), [1, 0.5**0.5, 3**-0.5, 0.5, 0.3, 0.1, 0.1]),
        (recipes.warmup(10, 4).shift(-1), [0.25, 0.5, 0.75, 1, 1]),
        (recipes.knee(4, warmup=2, explore=2, final=0.2), [0, 0.5, 1, 1, 1, 1]),
        (recipes.one_cycle(4, peak=4, start=0.2, shape="linear"), [0.2, 0.4, 0.6, 0.8, 1, 1]),
        (recipes.one_cycle(4, peak=2, start=0.2, shape="linear", phases=3), [0.2, 0.6, 1, 0.6, 0.2, 0.2]),
        (recipes.cooldown(4, Constant(1.0), "100%"), [1, 0.75, 0.5, 0.25, 0]),
        (recipes.cooldown(4, Constant(0.5), 2, final=0.5), [0.5] * 6),
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
        (lambda: recipes.noam(9, 0, 5), "noam: d_model must be a whole number of at least 1, got 0"),
    ],
)
def test_recipes_that_cannot_hold_are_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        build()


@pytest.mark.parametrize(
    "build",
    [
        lambda steps: recipes.wsd(steps, warmup=2000, decay=500),
        lambda steps: recipes.trapezoidal(steps, warmup=2000, decay=500),
        lambda steps: recipes.knee(steps, warmup=2000, explore=500),
        lambda steps: recipes.one_cycle(steps, peak=2000),
        lambda steps: recipes.one_cycle(steps, peak=2000, phases=3),
    ],
)
@pytest.mark.parametrize("steps", [1, 100, 1999])
def test_a_run_shorter_than_its_warmup_is_the_beginning_of_a_longer_one(build, steps):
    short, whole = build(steps), build(10_000)
    assert [short(step) for step in range(steps)] == [whole(step) for step in range(steps)]
    assert short(10**6) == short(steps) < 1
    assert short.steps == steps


@pytest.mark.parametrize(
    "build",
    [
        lambda: recipes.wsd(100, warmup="90%"),
        lambda: recipes.wsd(100, warmup="100%"),
        lambda: recipes.wsd(100, decay=200),
        lambda: recipes.knee(100, warmup="100%", explore=5),
        lambda: recipes.knee(100, explore=200),
        lambda: recipes.wsd(100, warmup=2000, final=2),
        lambda: recipes.knee(100, warmup=2000, final=2),
    ],
)
def test_shares_that_do_not_fit_and_decays_that_are_too_long_stay_refused(build):
    with pytest.raises(ValueError, match=r"^(wsd|knee): "):
        build()


@pytest.mark.parametrize("warm", [2, 3, 7, 100])
@pytest.mark.parametrize(
    ("inclusive", "share"),
    [
        ("left", lambda t, w: t / w),
        ("right", lambda t, w: (t + 1) / w),  # torchtitan, components/lr_scheduler.py: (current_step + 1) / warmup
        ("neither", lambda t, w: (t + 1) / (w + 1)),  # nanoGPT, train.py: (it + 1) / (warmup_iters + 1)
        ("both", lambda t, w: t / (w - 1)),  # DINOv2, utils/utils.py: numpy.linspace(start, base, warmup_iters)
    ],
)
def test_a_warm_up_trains_at_the_ends_that_it_includes(inclusive, share, warm):
    ours = parse(f'warmup({warm}, start=0.1, inclusive="{inclusive}") >> cosine()').build(200)
    for step in range(warm):
        assert ours(step) == pytest.approx(0.1 + 0.9 * share(step, warm), rel=1e-14)
    decay = recipes.cosine(200 - warm)
    assert [ours(step) for step in range(warm, 230)] == [decay(step - warm) for step in range(warm, 230)]
    assert ours.steps == 200


@pytest.mark.parametrize("inclusive", ["right", "both"])
def test_a_warm_up_of_one_update_trains_at_the_base_rate_if_that_is_included(inclusive):
    assert parse(f'warmup(1, inclusive="{inclusive}") >> linear()').build(4)(0) == 1.0
    assert parse(f'warmup(0, inclusive="{inclusive}") >> linear()').build(4)(0) == 1.0


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ('wsd(warmup=7, decay=20, inclusive="right")', 'warmup(7, inclusive="right") >> wsd(decay=20)'),
        ('trapezoidal(warmup=7, decay=20, inclusive="both")', 'warmup(7, inclusive="both") >> wsd(decay=20)'),
        (
            'knee(warmup=7, explore=20, inclusive="neither")',
            'warmup(7, inclusive="neither") >> constant(20) >> linear()',
        ),
        ('inverse_sqrt(7, inclusive="right")', 'warmup(7, inclusive="right") >> InverseSqrt(7)'),
    ],
)
def test_a_warm_up_inside_a_recipe_takes_the_same_word(inside, outside):
    assert parse(inside).build(100) == parse(outside).build(100)


@pytest.mark.parametrize(
    "rest", ["cosine()", "multistep([10, 60], gamma=0.5)", "linear(final=0.1)", "inverse_time(0.1)"]
)
def test_a_warm_up_into_a_schedule_ends_where_that_is_then(rest):
    """Formula: start (1 - t / W) + rest(W) t / W for t < W, then rest(t). Source: detectron2, WarmupParamScheduler."""
    ours, there = parse(f"warmup(20, start=0.001, into={rest})").build(100), parse(rest).build(100)
    for step in range(20):
        assert ours(step) == pytest.approx(0.001 * (1 - step / 20) + there(20) * step / 20, rel=1e-13)
    assert [ours(step) for step in range(20, 150)] == [there(step) for step in range(20, 150)]


def test_a_warm_up_that_outlasts_what_it_leads_into_ends_where_that_ended():
    assert recipes.warmup(300, 120, into=recipes.linear(100, final=0.5))(240) == 0.5


@pytest.mark.parametrize(
    ("into", "top"),
    [
        ("cosine()", 1.0),
        ("linear(final=0.5)", 1.0),
        ("wsd(warmup=10)", 1.0),
        ("one_cycle()", 1.0),
        ('step("30%")', 1.0),
        ("0.5 * cosine()", 0.5),
        ("Ramp(1, 0, 400)", 0.5),
    ],
)
@pytest.mark.parametrize("steps", [50, 200])
def test_a_training_that_ends_in_its_warm_up_into_a_schedule_is_on_a_slope_to_what_that_reaches(into, top, steps):
    ours = parse(f"warmup(200, into={into})").build(steps)
    assert [ours(step) for step in range(steps)] == pytest.approx([top * step / 200 for step in range(steps)])
    assert ours(10**6) == ours(steps) == pytest.approx(top * steps / 200)


def test_a_warm_up_of_all_training_leaves_nothing_to_what_it_goes_into():
    with pytest.raises(
        ValueError, match=r"warmup: length must leave some of training to what it goes into, got '100%'"
    ):
        recipes.warmup(100, "100%", into=recipes.cosine(100))


def test_a_warm_up_into_a_schedule_needs_no_horizon_if_that_needs_none():
    assert parse("warmup(20, into=Ramp(1, 0, 40))").build() == recipes.warmup(100, 20, into=Ramp(1.0, 0.0, 40))


@pytest.mark.parametrize("options", ["back=90", "phases=3"])
@pytest.mark.parametrize("steps", [30, 40])
def test_one_cycle_of_three_phases_may_end_at_its_peak_or_before(options, steps):
    ours = parse(f"one_cycle(peak=40, {options})").build(steps)
    assert [ours(step) for step in range(99)] == [Ramp(0.04, 1.0, 40, "cosine")(min(step, steps)) for step in range(99)]


def test_one_cycle_is_back_at_its_start_where_it_is_told():
    """Straight lines through (0, start), (peak, 1), (back, start), (T, final): optax's linear_onecycle_schedule."""
    ours = parse('one_cycle(peak="30%", back="85%", start=0.1, final=0.01, shape="linear")').build(100)
    for step in range(120):
        wanted = np.interp(step, [0, 30, 85, 100], [0.1, 1.0, 0.1, 0.01])
        assert ours(step) == pytest.approx(float(wanted), rel=1e-12)
    assert recipes.one_cycle(100, peak=30, back=60) == recipes.one_cycle(100, peak=30, phases=3)


@pytest.mark.parametrize("back", [20, "101%", 101])
def test_one_cycle_goes_back_behind_its_peak_and_before_its_end(back):
    with pytest.raises(ValueError, match=r"one_cycle: back must "):
        recipes.one_cycle(100, peak=30, back=back)
