"""Which method is used when nobody names one, and what a model that was trained before changes, by a known training."""

import json

import pytest
from finder_fake import Valley

from ratesmith import find


class Known(Valley):
    pretrained = True


class Noticing(Valley):
    """Its trainings notice that they begin far below chance."""

    def start(self, seed):
        training = super().start(seed)
        training.began_below_chance = True
        return training


class Unmeasured(Known):
    can_measure = False


def test_without_a_method_it_is_a_race_and_with_options_of_a_sweep_a_sweep():
    assert find(Valley()).method == "race"
    assert find(Valley(), steps=200).method == "race"
    for options in ({"rule": "steepest"}, {"low": 1e-5}, {"high": 10.0}):
        assert find(Valley(), **options).method == "sweep"
    with pytest.raises(TypeError, match="steps"):
        find(Valley(), method="sweep", steps=200)


@pytest.mark.parametrize("task", [Known, Noticing])
def test_a_pretrained_model_is_raced_like_any_other_and_so_it_is_said(task):
    mine = task()
    found = find(mine)
    assert (found.method, found.pretrained, found.updates) == ("race", True, mine.made)
    assert found.suggestion == find(Valley()).suggestion
    assert "pretrained" not in found.flags
    assert find(task(), pretrained=False).pretrained is False
    assert find(Valley(), pretrained=True).pretrained is True


def test_what_the_task_says_outweighs_what_a_training_notices():
    class Refusing(Noticing):
        pretrained = False

    assert find(Refusing()).pretrained is False


def test_a_pretrained_model_that_no_validation_data_judges_is_flagged():
    assert "pretrained" in find(Unmeasured()).flags
    assert "pretrained" in find(Known(), method="sweep").flags
    assert "pretrained" not in find(Unmeasured(), pretrained=False).flags


def test_the_progress_goes_on_from_the_sweep_to_the_trainings():
    told = []
    found = find(Known(), on_progress=lambda done, planned: told.append((done, planned)))
    assert [done for done, _ in told] == list(range(1, found.updates + 1))
    assert all(done <= planned for done, planned in told)


def test_a_first_loss_that_is_no_number_can_be_written_as_json():
    data = find(Valley(broken_from=0), method="grid", steps=20, rates=[0.1, 0.2]).to_data()
    json.dumps(data, allow_nan=False)
    assert data["curves"][0]["first"] == "nan"
