"""What all recipes share: the horizon, and what follows another part."""

import pytest

from ratesmith import Horizon, recipes
from ratesmith.strategy import parse


def test_a_number_of_steps_is_a_horizon():
    assert recipes.cosine(200) == recipes.cosine(Horizon(200))


def test_a_milestone_behind_a_warm_up_is_a_point_of_the_whole_training():
    whole = parse('warmup("10%") >> multistep(["50%", 150], gamma=0.5)').build(200)
    assert [whole(step) for step in (99, 100, 169, 170)] == [1.0, 0.5, 0.5, 0.25]
    with pytest.raises(
        ValueError, match="multistep: milestones '10%' is step 20, and 40 steps are over by then; give a later point"
    ):
        parse('warmup("20%") >> multistep(["10%"])').build(200)


def test_a_quarter_drops_three_times_within_every_training():
    for steps in range(4, 2000):
        assert recipes.step(steps, "25%", gamma=0.5)(steps - 1) == 0.125, steps
