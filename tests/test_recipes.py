"""The recipes: each is the shape it names, with lengths read against the horizon."""

import pytest
import torch
from torch.optim import lr_scheduler

from ratesmith import Constant, Exponential, Horizon, Milestones, Ramp, Staircase, recipes
from ratesmith.notation import parse


@pytest.mark.parametrize(
    ("recipe", "shape"),
    [
        (lambda h: recipes.constant(h), Constant(1.0, 200)),
        (lambda h: recipes.step(h, "25%", gamma=0.3), Staircase(50, 0.3)),
        (lambda h: recipes.step(h, 30), Staircase(30, 0.1)),
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


def test_a_milestone_behind_a_warm_up_is_a_point_of_the_whole_training():
    whole = parse('warmup("10%") >> multistep(["50%", 150], gamma=0.5)').build(200)
    assert [whole(step) for step in (99, 100, 169, 170)] == [1.0, 0.5, 0.5, 0.25]
    with pytest.raises(
        ValueError, match="Horizon: '10%' is step 20, and 40 steps are over by then; give a later point"
    ):
        parse('warmup("20%") >> multistep(["10%"])').build(200)


def test_the_custom_recipe_counts_in_its_own_unit():
    rule = recipes.custom(Horizon(200, steps_per_epoch=40), lambda epoch: 0.5**epoch, every="1ep")
    assert [rule(step) for step in (0, 39, 40, 80)] == [1, 1, 0.5, 0.25]


def test_milestones_are_a_list():
    with pytest.raises(TypeError, match="multistep: milestones must be a list of lengths, got '50%'"):
        recipes.multistep(200, "50%")


def torch_rates(make, steps, lr=1.0):
    """Give the rates of a torch scheduler, step by step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler, found = make(optimizer), []
    for _ in range(steps):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return found


def warm_then(lr_scheduler):
    def make(optimizer):
        parts = [lr_scheduler.LinearLR(optimizer, 1e-9, total_iters=10), lr_scheduler.CosineAnnealingLR(optimizer, 90)]
        return lr_scheduler.SequentialLR(optimizer, parts, [10])

    return make


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 1000])
def test_recipes_give_torchs_rates_at_odd_lengths(steps):
    for recipe, make in (
        (recipes.polynomial(steps, 1.0), lambda o: lr_scheduler.PolynomialLR(o, steps, 1.0)),
        (recipes.polynomial(steps, 2.5), lambda o: lr_scheduler.PolynomialLR(o, steps, 2.5)),
        (recipes.linear(steps, final=0.1), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, steps)),
        (recipes.cosine(steps, final=0.1), lambda o: lr_scheduler.CosineAnnealingLR(o, steps, 0.1)),
        (recipes.sgdr(steps * 9, steps), lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, steps)),
        (recipes.sgdr(steps * 9, steps, length=3), lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, steps, 3)),
    ):
        ours = [recipe(step) for step in range(steps + 1)]
        assert ours == pytest.approx(torch_rates(make, steps + 1), rel=1e-9, abs=1e-13)


def test_restarts_equal_torchs_over_many_cycles():
    recipe = recipes.sgdr(2000, 7, length=2)
    theirs = torch_rates(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7, 2), 2000)
    assert [recipe(step) for step in range(2000)] == pytest.approx(theirs, rel=1e-10, abs=1e-13)


def test_warm_up_and_cosine_equal_torchs_sequence():
    recipe = recipes.warmup(100, 10, start=1e-9) >> recipes.cosine(Horizon(100).after(10))
    theirs = torch_rates(warm_then(lr_scheduler), 101)
    assert [recipe(step) for step in range(101)] == pytest.approx(theirs, rel=1e-10, abs=1e-13)


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
    ],
)
def test_values_of_the_recipes_with_phases(schedule, expected):
    assert [schedule(step) for step in range(len(expected))] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: recipes.wsd(100, warmup="60%", decay="60%"),
            "wsd: warmup and decay must fit into 100 steps, got 60 and 60",
        ),
        (lambda: recipes.wsd(100, final=2), "wsd: final must be a finite number from 0 to 1, got 2"),
        (lambda: recipes.inverse_sqrt(100, 0), "InverseSqrt: timescale must be a whole number of at least 1, got 0"),
        (lambda: recipes.sgdr(100, 0), "Repeat: schedule must have an end after at least 1 step"),
        (lambda: recipes.one_cycle(100, start=2), "one_cycle: start must be a finite number from 0 to 1, got 2"),
        (lambda: recipes.polynomial(100, 0), "Ramp: a power as shape must be above 0, got 0"),
    ],
)
def test_recipes_that_cannot_hold_are_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        build()
