"""An absolute floor in groups of unequal rates: the value that all end at, or that none falls below."""

import copy

import pytest
import torch
from stepping import go, parameters, rates, through_a_file, update
from torch.optim import lr_scheduler

from ratesmith import Constant, Plateau, Ramp
from ratesmith.torch import Absolute, ScheduleLR, Target
from ratesmith.torch.floor import Floor

COSINE = Ramp(1.0, 0.0, 20, "cosine")


def sgd(*rates, tensor=False):
    made = [torch.tensor(rate, dtype=torch.float64) if tensor else rate for rate in rates]
    return torch.optim.SGD([{"params": parameters(), "lr": rate} for rate in made], lr=0.1)


def test_final_is_torchs_eta_min_in_groups_of_unequal_rates():
    mine, theirs = sgd(1.0, 0.1), sgd(1.0, 0.1)
    scheduler = ScheduleLR(mine, Target("cosine()", final=1e-3), horizon=50)
    torchs = lr_scheduler.CosineAnnealingLR(theirs, 50, eta_min=1e-3)
    for _ in range(50):
        assert rates(mine) == pytest.approx(rates(theirs), abs=1e-12)
        go(mine, scheduler)
        go(theirs, torchs)
    assert rates(mine) == [1e-3, 1e-3]


def test_low_is_the_min_lr_of_torchs_plateau_in_groups_of_unequal_rates():
    mine, theirs = sgd(1.0, 0.1), sgd(1.0, 0.1)
    scheduler = ScheduleLR(mine, Target(Plateau(0.5, patience=0), low=0.01))
    torchs = lr_scheduler.ReduceLROnPlateau(theirs, factor=0.5, patience=0, min_lr=0.01)
    for _ in range(12):
        for optimizer, step in ((mine, lambda: scheduler.step(metrics=1.0)), (theirs, lambda: torchs.step(1.0))):
            update(optimizer)
            step()
        assert rates(mine) == pytest.approx(rates(theirs), rel=1e-12)
    assert rates(mine) == [0.01, 0.01]


def test_a_floor_for_each_group_is_a_target_for_each():
    optimizer = sgd(1.0, 0.1)
    targets = [Target(COSINE, groups=place, low=low) for place, low in enumerate((0.2, 0.01))]
    assert go(optimizer, ScheduleLR(optimizer, *targets), 20) == [0.2, 0.01]


@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize("bases", [(1.0, 1.0), (1.0, 0.1)])
@pytest.mark.parametrize("floor", [{"final": 0.01}, {"low": 0.3}])
def test_the_quick_steps_write_what_the_formula_says(floor, bases, tensor):
    optimizer = sgd(*bases, tensor=tensor)
    scheduler = ScheduleLR(optimizer, Target(COSINE, **floor))
    for step in range(1, 25):
        assert go(optimizer, scheduler) == [Floor(**floor).value(base, COSINE(step)) for base in bases]


def test_a_group_that_is_frozen_stays_at_0():
    for floor in ({"final": 0.01}, {"low": 0.3}):
        optimizer = sgd(1.0, 0.0)
        assert go(optimizer, ScheduleLR(optimizer, Target(COSINE, **floor)), 20)[1] == 0.0


def test_a_rate_set_by_hand_gives_the_base_that_yields_it():
    optimizer = sgd(1.0, 0.1)
    scheduler = ScheduleLR(optimizer, Target(COSINE, final=0.01))
    go(optimizer, scheduler, 5)
    optimizer.param_groups[1]["lr"] = 0.5
    go(optimizer, scheduler)
    base = 0.01 + (0.5 - 0.01) / COSINE(5)
    assert scheduler.base_lrs == [1.0, pytest.approx(base)]
    assert rates(optimizer)[1] == pytest.approx(0.01 + (base - 0.01) * COSINE(6))


def test_a_group_that_is_added_later_goes_on_from_its_rate():
    optimizer = sgd(1.0)
    scheduler = ScheduleLR(optimizer, Target(COSINE, final=0.01))
    go(optimizer, scheduler, 5)
    optimizer.add_param_group({"params": parameters(), "lr": 0.5})
    assert scheduler.get_lr() == [pytest.approx(0.01 + 0.99 * COSINE(5)), pytest.approx(0.5)]
    assert go(optimizer, scheduler, 15) == [0.01, 0.01]


@pytest.mark.parametrize("floor", [{"final": 0.01}, {"low": 0.3}])
@pytest.mark.parametrize("order", ["BOS", "BSO", "OBS", "BS", "BO", "OB"])
@pytest.mark.parametrize("k", [3, 15])
def test_it_is_resumed_exactly_in_every_order(order, floor, k):
    def build(optimizer):
        return ScheduleLR(optimizer, Target(COSINE, **floor))

    optimizer = sgd(1.0, 0.1)
    scheduler = build(optimizer)
    go(optimizer, scheduler, k)
    states = through_a_file((optimizer.state_dict(), scheduler.state_dict()))
    expected = [go(optimizer, scheduler) for _ in range(5)]
    again = sgd(1.0, 0.1)
    for what in order:
        if what == "B":
            resumed = build(again)
        elif what == "O":
            again.load_state_dict(copy.deepcopy(states[0]))
        else:
            resumed.load_state_dict(states[1])
    assert [go(again, resumed) for _ in range(5)] == expected


def test_a_rate_set_by_hand_just_before_a_stop_counts_after_it():
    optimizer = sgd(1.0, 0.1)
    scheduler = ScheduleLR(optimizer, Target(COSINE, final=0.01))
    go(optimizer, scheduler, 5)
    optimizer.param_groups[1]["lr"] = 0.5
    saved = copy.deepcopy(optimizer.state_dict())
    expected = go(optimizer, scheduler)
    again = sgd(1.0, 0.1)
    again.load_state_dict(saved)
    assert go(again, ScheduleLR(again, Target(COSINE, final=0.01))) == pytest.approx(expected, rel=1e-12)


def test_a_state_with_another_floor_is_refused_kept_or_used():
    saved = ScheduleLR(sgd(1.0), Target(COSINE, final=0.01)).state_dict()
    assert saved["bindings"][0]["final"] == 0.01
    optimizer = sgd(1.0)
    scheduler = ScheduleLR(optimizer, Target(COSINE, final=0.2))
    with pytest.raises(ValueError, match=r"lr final: saved 0.01, here 0.2"):
        scheduler.load_state_dict(saved)
    scheduler.load_state_dict(saved, on_mismatch="keep_new")
    assert go(optimizer, scheduler, 20) == [0.2]
    scheduler.load_state_dict(saved, on_mismatch="use_saved")
    assert go(optimizer, scheduler, 20) == [0.01]
    plain = ScheduleLR(sgd(1.0), COSINE)
    with pytest.raises(ValueError, match=r"lr final: saved 0.01, here None"):
        plain.load_state_dict(saved)


def test_a_state_without_a_floor_is_as_it_was():
    assert not {"final", "low", "factor"} & set(ScheduleLR(sgd(1.0), COSINE).state_dict()["bindings"][0])


def test_a_scheduler_without_a_floor_reads_the_rates_of_one_with_a_floor():
    optimizer = sgd(1.0)
    go(optimizer, ScheduleLR(optimizer, Target(COSINE, final=0.01)), 5)
    again = sgd(1.0)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    plain = ScheduleLR(again, COSINE, last_epoch=4)
    assert (plain.base_lrs, rates(again)) == ([1.0], [COSINE(5)])
    assert not [key for key in again.param_groups[0] if key.endswith(("_final", "_low"))]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda: Target(COSINE, final=-1e-5), "Target: final must be at least 0, got -1e-05; give a rate"),
        (lambda: Target(COSINE, low=-1), "Target: low must be at least 0, got -1; give a rate"),
        (lambda: Target(COSINE, final=float("nan")), "Target: final must be a finite number, got nan"),
        (lambda: Target(COSINE, low="x"), "Target: low must be a finite number, got 'x'"),
        (lambda: Target(COSINE, final=0.1, low=0.2), "Target: final must be given alone, got low=0.2 too"),
        (lambda: Target(Absolute(COSINE), final=0.1), "Target: final must be left out with Absolute"),
        (lambda: Target(Absolute(COSINE), low=0.1), "Target: low must be left out with Absolute"),
        (
            lambda: Target(COSINE, final=0.5),
            "ScheduleLR: final must be at most each group's base of 'lr', got 0.5 for group 1, whose base is 0.1; ",
        ),
    ],
)
def test_a_floor_that_makes_no_sense_is_refused_with_one_message(target, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        ScheduleLR(sgd(1.0, 0.1), target())
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("floor", [Floor(), Floor(final=0.02), Floor(low=0.02)])
@pytest.mark.parametrize(("base", "factor"), [(0.1, 0.5), (1.0, 0.3), (0.3, 1.0)])
def test_the_base_and_the_factor_are_read_back_from_a_value(floor, base, factor):
    value = floor.value(base, factor)
    assert floor.base(value, factor) == pytest.approx(base)
    assert floor.factor(base, value) == pytest.approx(factor)
    assert floor.value(floor.new_base(base, value, 0.07, factor), factor) == pytest.approx(0.07)


def test_no_factor_is_read_from_a_value_at_the_floor_and_no_base_below_0():
    assert Floor(low=0.2).factor(1.0, 0.2) is None
    assert Floor(final=0.2).factor(0.2, 0.2) is None
    assert Floor(final=0.2).base(0.01, 0.5) == 0.01
    assert Floor(final=0.2).new_base(1.0, 0.6, 0.0, 0.5) == 0.0


def test_the_floor_is_seen_in_the_line_of_the_scheduler():
    assert "final=0.01" in repr(ScheduleLR(sgd(1.0), Target(Constant(1.0), final=0.01)))
