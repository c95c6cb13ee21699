"""The recipes: each is the shape it names, with lengths read against the horizon."""

import pytest

from ratesmith import Constant, Exponential, Horizon, Milestones, Ramp, Staircase, recipes


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


def test_the_custom_recipe_counts_in_its_own_unit():
    rule = recipes.custom(Horizon(200, steps_per_epoch=40), lambda epoch: 0.5**epoch, every="1ep")
    assert [rule(step) for step in (0, 39, 40, 80)] == [1, 1, 0.5, 0.25]


def test_milestones_are_a_list():
    with pytest.raises(TypeError, match="multistep: milestones must be a list of lengths, got '50%'"):
        recipes.multistep(200, "50%")
