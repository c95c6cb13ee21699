"""Which method is used when nobody names one, by a training whose losses are known."""

import json

import pytest
from finder_fake import Descent, Valley

from ratesmith import find


class Known(Valley):
    pretrained = True


class Noticing(Valley):
    """Its trainings notice that they begin far below chance."""

    def start(self, seed):
        training = super().start(seed)
        training.began_below_chance = True
        return training


def test_without_a_method_it_is_a_sweep_and_with_a_length_a_race():
    assert find(Valley()).method == "sweep"
    assert find(Valley(), steps=200).method == "race"
    with pytest.raises(TypeError, match="steps"):
        find(Valley(), method="sweep", steps=200)


@pytest.mark.parametrize("task", [Known, Noticing])
def test_the_sweep_of_a_pretrained_model_goes_on_to_a_race_and_counts_both(task):
    mine = task()
    found = find(mine)
    assert (found.method, found.pretrained, found.flags.count("short_race")) == ("race", True, 1)
    assert found.updates == mine.made
    assert [curve.kind for curve in found.curves[:4]] == ["sweep", "sweep", "sweep", "training"]
    assert {curve.name for curve in found.decisive} == {"100 steps"}
    assert find(task(), seeds=iter([4])).curves[0].name == "order 4"
    assert find(task(), pretrained=False).flags == find(Valley()).flags


def test_what_is_given_outweighs_what_the_task_says_and_that_what_a_training_notices():
    class Refusing(Noticing):
        pretrained = False

    assert find(Refusing()).method == "sweep"
    assert find(Refusing(), pretrained=True).method == "race"


def test_a_task_that_cannot_be_measured_is_swept_with_a_flag():
    class Unmeasured(Known):
        can_measure = False

    found = find(Unmeasured())
    assert (found.method, found.flags) == ("sweep", (*find(Valley()).flags, "pretrained"))


def test_where_no_race_ends_better_than_it_began_the_sweep_stands_with_a_flag(monkeypatch):
    monkeypatch.setattr(Descent, "evaluate", lambda self, split="validation": {"loss": float(self.steps > 0)})
    found = find(Known())
    assert (found.method, "pretrained" in found.flags) == ("sweep", True)
    assert found.suggestion is not None


def test_the_progress_goes_on_from_the_sweep_to_the_race():
    told = []
    found = find(Known(), on_progress=lambda done, planned: told.append((done, planned)))
    assert [done for done, _ in told] == list(range(1, found.updates + 1))
    assert all(done <= planned for done, planned in told)


def test_a_first_loss_that_is_no_number_can_be_written_as_json():
    data = find(Valley(broken_from=0), method="grid", steps=20, rates=[0.1, 0.2]).to_data()
    json.dumps(data, allow_nan=False)
    assert data["curves"][0]["first"] == "nan"
