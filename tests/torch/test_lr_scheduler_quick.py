"""The quick steps of the drop-ins: the very rates of the careful ones, whatever happens between two steps."""

import collections
import copy
import pickle

import pytest
import torch
from stepping import parameters, rates
from torch.optim import lr_scheduler as torchs

from ratesmith.torch import lr_scheduler as ours
from ratesmith.torch.lr_scheduler.drop_in import DropIn
from ratesmith.torch.lr_scheduler.writing import replace_plain


def slower(step):
    return 1 / (1 + step)


def whole_number(step):
    return 1 + step % 2


KINDS = {
    "LambdaLR": (ours.LambdaLR, {"lr_lambda": slower}),
    "LambdaLR of whole numbers": (ours.LambdaLR, {"lr_lambda": whole_number}),
    "MultiplicativeLR": (ours.MultiplicativeLR, {"lr_lambda": slower}),
    "StepLR": (ours.StepLR, {"step_size": 3, "gamma": 0.7}),
    "MultiStepLR": (ours.MultiStepLR, {"milestones": [2, 6, 6, 8, 11], "gamma": 0.7}),
    "ConstantLR": (ours.ConstantLR, {"factor": 0.3, "total_iters": 8}),
    "LinearLR": (ours.LinearLR, {"start_factor": 0.1, "total_iters": 12}),
    "ExponentialLR": (ours.ExponentialLR, {"gamma": 0.9}),
    "PolynomialLR": (ours.PolynomialLR, {"total_iters": 30, "power": 2.0}),
    "CosineAnnealingLR": (ours.CosineAnnealingLR, {"T_max": 30}),
    "CosineAnnealingLR above a floor": (ours.CosineAnnealingLR, {"T_max": 30, "eta_min": 0.01}),
    "CosineAnnealingWarmRestarts": (ours.CosineAnnealingWarmRestarts, {"T_0": 3, "T_mult": 2, "eta_min": 0.001}),
    "CyclicLR": (ours.CyclicLR, {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 4, "cycle_momentum": False}),
    "OneCycleLR": (ours.OneCycleLR, {"max_lr": 0.5, "total_steps": 40, "cycle_momentum": False}),
    "SWALR": (ours.SWALR, {"swa_lr": 0.02, "anneal_epochs": 12}),
}


def one_rate_by_hand(optimizer, scheduler):
    optimizer.param_groups[1]["lr"] = 0.123


def the_same_number_anew(optimizer, scheduler):
    for group in optimizer.param_groups:
        group["lr"] = float(repr(group["lr"]))


def the_last_group_halved(optimizer, scheduler):
    optimizer.param_groups[-1]["lr"] *= 0.5


def a_late_group(optimizer, scheduler):
    optimizer.add_param_group({"params": parameters(), "lr": 0.2})


def a_tensor_instead(optimizer, scheduler):
    group = optimizer.param_groups[0]
    group["lr"] = torch.tensor(float(group["lr"]), dtype=torch.float64)


def an_int_instead(optimizer, scheduler):
    optimizer.param_groups[0]["lr"] = 1


def a_base_changed_in_its_list(optimizer, scheduler):
    scheduler.base_lrs[0] *= 0.5


def options_changed(optimizer, scheduler):
    for name, value in (("gamma", 0.6), ("total_iters", 17), ("T_max", 23), ("eta_min", 0.02), ("anneal_epochs", 9)):
        if hasattr(scheduler, name):
            setattr(scheduler, name, value)


def the_step_set_back(optimizer, scheduler):
    scheduler.last_epoch -= 2


def the_list_of_last_rates_written_into(optimizer, scheduler):
    scheduler.get_last_lr()[0] = optimizer.param_groups[0]["lr"] = 0.321


def a_tensor_there_and_among_the_last_rates(optimizer, scheduler):
    group = optimizer.param_groups[0]
    scheduler.get_last_lr()[0] = group["lr"] = torch.tensor(float(group["lr"]), dtype=torch.float64)


def its_own_state_loaded(optimizer, scheduler):
    scheduler.load_state_dict(copy.deepcopy(scheduler.state_dict()))


def the_optimizers_state_loaded(optimizer, scheduler):
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))


def nothing(optimizer, scheduler):
    pass


EVENTS = [
    nothing,
    one_rate_by_hand,
    the_same_number_anew,
    the_last_group_halved,
    a_late_group,
    a_tensor_instead,
    an_int_instead,
    a_base_changed_in_its_list,
    options_changed,
    the_step_set_back,
    the_list_of_last_rates_written_into,
    a_tensor_there_and_among_the_last_rates,
    its_own_state_loaded,
    the_optimizers_state_loaded,
]


def careful(kind):
    """Return a class whose every step goes torch's own way, with the `get_lr` of a drop-in."""
    ways = {"_update_lr": DropIn._update_lr}
    if kind is ours.CosineAnnealingWarmRestarts:
        ways = {"get_lr": lambda scheduler: kind.get_lr(scheduler)}  # another `get_lr` than its own is asked each time
    return type(f"Careful{kind.__name__}", (kind,), ways)


def training(make, options, at=(0.1, 0.25, 0.4)):
    optimizer = torch.optim.SGD([{"params": parameters(), "lr": rate} for rate in at], lr=0.1)
    scheduler = make(optimizer, **options)
    optimizer.step()
    return optimizer, scheduler


def rates_of(optimizer):
    return [(type(group["lr"]).__name__, float(group["lr"])) for group in optimizer.param_groups]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
@pytest.mark.parametrize("name", KINDS)
def test_a_quick_step_sets_the_very_rates_of_a_careful_one_whatever_came_between(name, event):
    kind, options = KINDS[name]
    quick, slow = training(kind, options), training(careful(kind), options)
    for step in range(14):
        if step in (5, 9):
            event(*quick)
            event(*slow)
        for _, scheduler in (quick, slow):
            scheduler.step()
        assert rates_of(quick[0]) == rates_of(slow[0])
        assert list(map(float, quick[1].get_last_lr())) == [rate for _, rate in rates_of(quick[0])]


@pytest.mark.parametrize("name", KINDS)
def test_bases_that_are_whole_numbers_give_the_very_rates_too(name):
    kind, options = KINDS[name]
    quick, slow = (training(made, options, at=(1, 2, 0.5)) for made in (kind, careful(kind)))
    for _ in range(14):
        for _, scheduler in (quick, slow):
            scheduler.step()
        assert rates(quick[0]) == rates(slow[0])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
@pytest.mark.parametrize("name", KINDS)
def test_a_copy_in_mid_run_goes_on_as_the_original(name, copied):
    original = training(*KINDS[name])
    for _ in range(4):
        original[1].step()
    twin = copied(original)
    for _ in range(8):
        original[1].step()
        twin[1].step()
        assert rates_of(twin[0]) == rates_of(original[0])


@pytest.mark.parametrize("name", KINDS)
def test_what_quick_steps_keep_is_no_part_of_the_state(name):
    kind, options = KINDS[name]
    torchs_kind = getattr(torchs, kind.__name__, torch.optim.swa_utils.SWALR)
    (_, quick), (_, theirs) = training(kind, options), training(torchs_kind, options)
    for _ in range(6):
        quick.step()
        theirs.step()
    assert set(quick.state_dict()) == set(theirs.state_dict())
    assert set(vars(quick)) == set(vars(theirs))


def test_rates_are_replaced_all_or_none():
    written, others = [0.5, 0.25, 0.125], [0.1, 0.2, 0.3]
    groups = [{"lr": rate} for rate in written]
    groups[2]["lr"] = 0.7
    assert not replace_plain(groups, written, others)
    assert [group["lr"] for group in groups] == [0.5, 0.25, 0.7]
    groups[2]["lr"] = written[2]
    assert replace_plain(groups, written, others)
    assert [group["lr"] for group in groups] == others


def test_very_many_milestones_are_passed_as_torch_passes_them():
    options = {"milestones": [*range(3, 2603, 2), 7, 7, 400.0], "gamma": 0.999}
    mine, theirs = training(ours.MultiStepLR, options), training(torchs.MultiStepLR, options)
    for _ in range(2700):
        mine[1].step()
        theirs[1].step()
        assert [rate for _, rate in rates_of(mine[0])] == pytest.approx([rate for _, rate in rates_of(theirs[0])])


@pytest.mark.parametrize(
    ("change", "drops"),
    [
        (lambda table: table.update([40]), {20: 1, 40: 1, 60: 1}),
        (lambda table: table.update([60, 60]), {20: 1, 60: 3}),
        (lambda table: (table.pop(60), table.update([50])), {20: 1, 50: 1}),
        (lambda table: table.update([20]), {20: 1, 60: 1}),
        (lambda table: (table.update([20]), table.update([60])), {20: 1, 60: 2}),
    ],
)
def test_milestones_changed_in_the_table_count_when_they_come(change, drops):
    optimizer, scheduler = training(ours.MultiStepLR, {"milestones": [20, 60], "gamma": 0.5})
    rate = 0.1
    for step in range(1, 80):
        if step == 30:
            change(scheduler.milestones)
        scheduler.step()
        rate *= 0.5 ** drops.get(step, 0)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate)


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize(
    "change",
    [
        lambda scheduler: scheduler.milestones.update([10, 30]),
        lambda scheduler: setattr(scheduler, "milestones", collections.Counter([10, 20, 30, 60])),
    ],
)
def test_a_step_by_its_number_counts_the_milestones_as_they_are_then(change):
    optimizer, scheduler = training(ours.MultiStepLR, {"milestones": [20, 60], "gamma": 0.5})
    scheduler.step(25)
    assert optimizer.param_groups[0]["lr"] == 0.1 * 0.5
    change(scheduler)
    scheduler.step(40)
    assert optimizer.param_groups[0]["lr"] == 0.1 * 0.5**3


@pytest.mark.parametrize("name", KINDS)
def test_a_get_lr_that_was_put_on_the_object_or_on_a_subclass_is_asked(name):
    kind, options = KINDS[name]

    class Own(kind):
        def get_lr(self):
            return [0.5, 0.25]

    for made in (kind, Own):
        optimizer = torch.optim.SGD([{"params": parameters(), "lr": rate} for rate in (0.1, 0.2)], lr=0.1)
        scheduler = made(optimizer, **options)
        for _ in range(2):
            optimizer.step()
            scheduler.step()
        if made is kind:
            scheduler.get_lr = lambda: [0.5, 0.25]
        optimizer.step()
        scheduler.step()
        assert rates(optimizer) == [0.5, 0.25]
