"""Which groups a target means, and entries that mean none."""

import pytest
import torch
from stepping import parameters, rates

from ratesmith import Constant
from ratesmith.torch import ScheduleLR, Target


def sgd(*names):
    return torch.optim.SGD([{"params": parameters(), **({"name": name} if name else {})} for name in names], lr=1.0)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (None, [0.5, 0.5]),
        (0, [0.5, 1.0]),
        ("head", [1.0, 0.5]),
        (["head", 0], [0.5, 0.5]),
        (lambda group: group["name"] == "head", [1.0, 0.5]),
    ],
)
def test_groups_are_meant_by_place_by_name_or_by_a_function(groups, expected):
    optimizer = sgd("body", "head")
    ScheduleLR(optimizer, Target(Constant(0.5), groups=groups))
    assert rates(optimizer) == expected


@pytest.mark.parametrize(
    ("names", "groups", "message"),
    [
        (
            ("body", "head"),
            ["body", "haed"],
            "ScheduleLR: groups of 'lr' must be among the optimizer's, got 'haed', which is none of its 2: "
            "'body', 'head'; give one of these",
        ),
        (
            (None, None, None),
            [0, 7],
            "ScheduleLR: groups of 'lr' must be among the optimizer's, got 7, which is none of its 3: 0, 1, 2; give "
            "one of these",
        ),
        ((None,), [-1], "ScheduleLR: groups of 'lr' must be among the optimizer's, got -1, which is none of its 1: 0;"),
        (
            (None,) * 12,
            "head",
            "ScheduleLR: groups of 'lr' must be among the optimizer's, got 'head', which is none of its 12: "
            "0, 1, 2, 3, 4, 5, 6, ... 11; give one of these",
        ),
        (("body",), [], "ScheduleLR: groups of 'lr' must be among the optimizer's, got none; name some of them"),
        (
            ("body",),
            lambda group: False,
            "ScheduleLR: groups of 'lr' must be among the optimizer's, got none; name some of them",
        ),
        (("body",), 0.5, "ScheduleLR: groups must be places, names or a function of a group, got 0.5; give these"),
        (("body",), [True], "ScheduleLR: groups must be places, names or a function of a group, got [True]"),
    ],
)
def test_an_entry_that_means_no_group_is_refused_with_those_there_are(names, groups, message):
    optimizer = sgd(*names)
    before = [dict(group) for group in optimizer.param_groups]
    with pytest.raises((ValueError, TypeError)) as caught:
        ScheduleLR(optimizer, Target(Constant(0.5), groups=groups))
    assert str(caught.value).startswith(message)
    assert optimizer.param_groups == before


def test_the_places_are_those_among_all_optimizers():
    first, second = sgd("body"), sgd("head")
    ScheduleLR([first, second], Target(Constant(0.5), groups=[1]))
    assert (rates(first), rates(second)) == ([1.0], [0.5])
    with pytest.raises(ValueError, match="got 2, which is none of its 2"):
        ScheduleLR([first, second], Target(Constant(0.5), groups=[2]))


def test_a_name_whose_group_was_taken_away_is_no_mistake_later():
    optimizer = sgd("body", "head")
    scheduler = ScheduleLR(optimizer, Target(Constant(0.5), groups=["body", "head"]))
    del optimizer.param_groups[1]
    optimizer.step()
    scheduler.step()
    assert rates(optimizer) == [0.5]
