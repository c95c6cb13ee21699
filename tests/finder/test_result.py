"""What a result of find says of itself."""

import json

import pytest

from ratesmith.finder import Curve, FinderResult


def result(suggestion=0.1, *, method="race", base_lr=0.1, **options):
    rates = (0.01, 0.1, 1.0)
    losses = (2.0, 1.0, 3.0)
    kind = "sweep" if method == "sweep" else "training"
    return FinderResult(
        method=method,
        suggestion=suggestion,
        interval=(suggestion / 2, suggestion * 3),
        flags=(),
        curves=(Curve(kind, "32 updates", rates, losses, losses, suggestion),),
        updates=96,
        seconds=1.0,
        base_lr=base_lr,
        **options,
    )


def test_the_optimizers_own_rate_is_said_to_be_about_it_and_never_a_share_of_one():
    assert result(0.0964).explain().startswith("Initial rate: 0.096, about the optimizer's own 0.1.")
    assert result(0.2).explain().startswith("Initial rate: 0.2, 2 times the optimizer's own 0.1.")
    assert result(0.01).explain().startswith("Initial rate: 0.01, 1/10 of the optimizer's own 0.1.")


def test_the_doubt_is_said_and_which_side_to_err_on():
    lines = result().explain().splitlines()
    assert lines[1] == "In 8 of 10 searches like this one, the best rate lies between 0.05 and 0.3."
    assert lines[2].startswith("If in doubt, take less: 0.05 is safe. In our trainings half of the best rate cost ")
    assert result().safe == 0.05


def test_rates_that_trained_nearly_as_well_are_named_if_there_are_several():
    assert "Of the rates trained, 0.01 and 0.1 ended within 5 % of each other." in result(nearly=(0.01, 0.1)).explain()
    assert "within 5 %" not in result(nearly=(0.1,)).explain()


def test_rates_at_which_training_died_are_named_and_what_a_warm_up_gains():
    text = result(dead=(1.0, 10.0)).explain()
    assert "Trainings died at 1 and 10: they hardly learned, or their loss was not finite." in text
    assert "A warm-up of 10 %" in text
    assert "died" not in result().explain()
    assert "warm-up" not in result(method="sweep").explain()


def test_the_rates_of_groups_keep_their_ratio_and_are_listed_if_they_differ():
    found = result(0.2, group_lrs={"body": 0.1, "head": 0.5})
    assert found.rates == {"body": 0.2, "head": 1.0}
    assert found.rate_of("head") == 1.0
    assert "By group: body 0.2, head 1." in found.explain()
    assert "By group" not in result(group_lrs={"group 0": 0.1, "group 1": 0.1}).explain()


@pytest.mark.parametrize(
    ("groups", "known"), [({"body": 0.1, "head": 0.5}, "known: body, head"), ({}, "the optimizer has one")]
)
def test_a_group_that_there_is_not_is_refused_with_those_that_there_are(groups, known):
    with pytest.raises(ValueError, match=f"find: group must be the name of a parameter group, got 'tail'; {known}"):
        result(group_lrs=groups).rate_of("tail")


def test_all_of_it_can_be_written_as_json():
    data = json.loads(json.dumps(result(dead=(1.0,), group_lrs={"a": 1.0, "b": 2.0}).to_data()))
    assert (data["dead"], data["group_lrs"]["b"], data["judged_by"]) == ([1.0], 2.0, "validation")
    assert (data["safe"], data["rates"]) == (0.05, {"a": 1.0, "b": 2.0})
