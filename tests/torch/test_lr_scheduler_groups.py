"""Groups that are added to an optimizer, or taken from it, after a drop-in was built."""

import itertools

import pytest
import torch
from stepping import rates, through_a_file

from ratesmith.torch import lr_scheduler as ours


def slower(step):
    return 1 / (1 + step)


KINDS = {
    "LambdaLR": lambda of: ours.LambdaLR(of, slower),
    "MultiplicativeLR": lambda of: ours.MultiplicativeLR(of, slower),
    "StepLR": lambda of: ours.StepLR(of, 3, 0.5),
    "MultiStepLR": lambda of: ours.MultiStepLR(of, [2, 5], 0.5),
    "ConstantLR": lambda of: ours.ConstantLR(of, 0.5, 4),
    "LinearLR": lambda of: ours.LinearLR(of, 0.1, total_iters=6),
    "ExponentialLR": lambda of: ours.ExponentialLR(of, 0.9),
    "PolynomialLR": lambda of: ours.PolynomialLR(of, 30, 2.0),
    "CosineAnnealingLR": lambda of: ours.CosineAnnealingLR(of, 30),
    "CosineAnnealingWarmRestarts": lambda of: ours.CosineAnnealingWarmRestarts(of, 3, 2),
    "CyclicLR": lambda of: ours.CyclicLR(of, 0.01, 0.2, 4, 7),
    "OneCycleLR": lambda of: ours.OneCycleLR(of, 0.5, 40),
    "SWALR": lambda of: ours.SWALR(of, 0.02, 12),
    "SequentialLR": lambda of: ours.SequentialLR(of, [ours.LinearLR(of), ours.StepLR(of, 3)], [8]),
    "ChainedScheduler": lambda of: ours.ChainedScheduler([ours.LinearLR(of), ours.StepLR(of, 3)], of),
    "ReduceLROnPlateau": lambda of: ours.ReduceLROnPlateau(of, factor=0.5, patience=1),
}


def group(rate):
    return {"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate}


def optimizer(*rates):
    return torch.optim.SGD([group(rate) for rate in rates], momentum=0.9)


def go(of, scheduler, steps=1):
    for _ in range(steps):
        of.step()
        scheduler.step(1.0) if isinstance(scheduler, ours.ReduceLROnPlateau) else scheduler.step()


def numbers(of):
    return [(float(group["lr"]), group["momentum"]) for group in of.param_groups]


CONTINUES = ("MultiplicativeLR", "SWALR")
"""These go on from the rate that they find, so that a group that was there longer has another."""


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ReduceLROnPlateau"])
@pytest.mark.parametrize("joins", [3, 4])
def test_a_group_that_joined_before_a_milestone_is_like_the_others_after_it(kind, joins):
    def build(of):
        return ours.SequentialLR(of, [ours.LinearLR(of, 0.1, total_iters=9), KINDS[kind](of)], [5])

    late, of = optimizer(0.1, 0.013), optimizer(0.1, 0.013, 0.02)
    scheduler, from_the_start = build(late), build(of)
    go(late, scheduler, joins)
    late.add_param_group(group(0.02))
    go(late, scheduler, 5 - joins)
    go(of, from_the_start, 5)
    for _ in range(12):
        assert rates(late)[:2] == rates(of)[:2]
        if kind in CONTINUES:
            assert 0 < rates(late)[2] <= 0.02
        else:
            assert rates(late)[2] == pytest.approx(rates(of)[2], rel=1e-12)
        go(late, scheduler)
        go(of, from_the_start)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ReduceLROnPlateau"])
def test_a_group_may_join_in_any_part_of_a_sequence_of_composites(kind):
    for joins in range(12):
        of = optimizer(0.1, 0.013)
        inner = ours.SequentialLR(of, [KINDS[kind](of), ours.ConstantLR(of, 0.5, 2)], [3])
        last = ours.ChainedScheduler([ours.LinearLR(of, 0.1, total_iters=9), KINDS[kind](of)], of)
        scheduler = ours.SequentialLR(of, [KINDS[kind](of), inner, last], [4, 9])
        go(of, scheduler, joins)
        of.add_param_group(group(0.02))
        go(of, scheduler, 16 - joins)
        assert len(scheduler.get_last_lr()) == 3


def test_a_group_may_join_between_a_sequence_and_its_schedulers():
    of = optimizer(0.1, 0.013)
    parts = [ours.LinearLR(of, 0.5, total_iters=2), ours.StepLR(of, 2, 0.5)]
    of.add_param_group(group(0.02))
    scheduler = ours.SequentialLR(of, parts, [2])
    go(of, scheduler, 2)
    assert rates(of) == [0.1, 0.013, 0.02]


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_with_a_late_group_is_loaded_in_every_order(kind):
    of = optimizer(0.1, 0.013)
    whole = KINDS[kind](of)
    go(of, whole, 3)
    of.add_param_group(group(0.02))
    go(of, whole, 4)
    saved = through_a_file({"optimizer": of.state_dict(), "scheduler": whole.state_dict()})
    resumed = []
    for order in itertools.permutations(["add", "optimizer", "scheduler"]):
        new = optimizer(0.1, 0.013)
        scheduler = KINDS[kind](new)
        if order.index("add") > min(order.index("optimizer"), order.index("scheduler")):
            if order[0] == "scheduler":  # torch's own optimizer refuses the other
                with pytest.raises(
                    ValueError, match=f"{kind}: the state must be .* the optimizer's 2 groups, got one o"
                ):
                    scheduler.load_state_dict(saved["scheduler"])
            continue
        new.add_param_group(group(0.02))
        for name in order[1:]:
            {"optimizer": new, "scheduler": scheduler}[name].load_state_dict(saved[name])
        resumed.append((new, scheduler))
    new = optimizer(0.1, 0.013, 0.02)  # now that all groups are known
    resumed.append((new, KINDS[kind](new)))
    for part, name in zip(resumed[-1], ("optimizer", "scheduler"), strict=True):
        part.load_state_dict(saved[name])
    new = optimizer(0.1, 0.013, 0.02)
    new.load_state_dict(saved["optimizer"])
    resumed.append((new, KINDS[kind](new)))
    resumed[-1][1].load_state_dict(saved["scheduler"])
    for _ in range(8):
        for new, scheduler in resumed:
            assert numbers(new) == numbers(of)
            go(new, scheduler)
        go(of, whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_may_join_after_a_load_and_before_the_next_step(kind):
    of, new = optimizer(0.1, 0.013), optimizer(0.1, 0.013)
    whole, scheduler = KINDS[kind](of), KINDS[kind](new)
    go(of, whole, 4)
    new.load_state_dict(through_a_file(of.state_dict()))
    scheduler.load_state_dict(through_a_file(whole.state_dict()))
    for one, its in ((of, whole), (new, scheduler)):
        one.add_param_group(group(0.02))
        go(one, its, 6)
    assert numbers(new) == numbers(of)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_of_before_a_group_joined_is_loaded_until_the_scheduler_has_taken_it_in(kind):
    of = optimizer(0.1, 0.013)
    whole = KINDS[kind](of)
    go(of, whole, 4)
    state, before = through_a_file(whole.state_dict()), rates(of)
    go(of, whole, 2)
    of.add_param_group(group(0.02))
    whole.load_state_dict(state)
    assert rates(of) == [*before, 0.02]
    go(of, whole)
    with pytest.raises(
        ValueError, match=f"{kind}: the state must be .* with its 3 groups, got one of 2; build it befo"
    ):
        whole.load_state_dict(state)


class Halves:
    def __init__(self):
        self.every = 1

    def __call__(self, step):
        return 0.5 ** (step // self.every)


@pytest.mark.parametrize("kind", ["LambdaLR", "MultiplicativeLR"])
def test_late_groups_with_functions_that_have_a_state_load_it(kind):
    of = optimizer(0.1, 0.013)
    whole = getattr(ours, kind)(of, Halves())
    whole.lr_lambdas[0].every = 3
    of.add_param_group(group(0.02))
    go(of, whole, 4)
    new = optimizer(0.1, 0.013)
    scheduler = getattr(ours, kind)(new, Halves())
    new.add_param_group(group(0.02))
    scheduler.load_state_dict(whole.state_dict())
    assert scheduler.lr_lambdas[2].every == 3
    go(of, whole)
    go(new, scheduler)
    assert rates(new) == rates(of)


@pytest.mark.parametrize(("kind", "key"), [("OneCycleLR", "max_lr"), ("SWALR", "swa_lr")])
def test_an_optimizer_that_lost_a_schedulers_keys_in_a_load_is_one_clear_error(kind, key):
    of = optimizer(0.1, 0.013)
    state = optimizer(0.1, 0.013).state_dict()
    scheduler = KINDS[kind](of)
    of.load_state_dict(state)
    with pytest.raises(
        ValueError, match=f"{kind}: the optimizer's groups must keep their {key}, got none; build the sch"
    ):
        go(of, scheduler)


KEEPS_BY_PLACE = [kind for kind in KINDS if kind != "ReduceLROnPlateau"]
"""A plateau multiplies the rates that it finds, whichever they are."""


@pytest.mark.parametrize("kind", KEEPS_BY_PLACE)
@pytest.mark.parametrize("place", [0, 1])
def test_a_group_that_was_taken_away_is_one_clear_error_that_says_how_to_go_on(kind, place):
    of = optimizer(0.1, 0.013)
    scheduler = KINDS[kind](of)
    go(of, scheduler, 3)
    del of.param_groups[place]
    with pytest.raises(ValueError, match=r"LR|Restarts: the optimizer must keep the 2 groups .*, got 1; build .*=3$"):
        go(of, scheduler)


def test_after_a_group_was_taken_away_a_new_scheduler_goes_on_with_last_epoch():
    of, whole = optimizer(0.1, 0.013), optimizer(0.1, 0.013)
    scheduler, reference = KINDS["CosineAnnealingLR"](of), KINDS["CosineAnnealingLR"](whole)
    go(of, scheduler, 3)
    go(whole, reference, 4)
    del of.param_groups[0]
    ours.CosineAnnealingLR(of, 30, last_epoch=3)
    assert rates(of) == rates(whole)[1:]


def test_a_plateau_cuts_the_groups_that_are_left():
    of = optimizer(0.1, 0.013)
    scheduler = KINDS["ReduceLROnPlateau"](of)
    del of.param_groups[0]
    go(of, scheduler, 3)
    assert rates(of) == [0.0065]
