"""Groups that are moved, added and removed between the steps of several schedulers of one optimizer."""

import copy
import random
import warnings

import pytest
import torch
from stepping import go, parameters, rates, update

from ratesmith import Ramp
from ratesmith.torch import ScheduleLR, Target

FALLING, COSINE = Ramp(1.0, 0.2, 40), Ramp(1.0, 0.5, 60, "cosine")
BASES = {"even": [0.1, 0.1, 0.1], "uneven": [0.1, 0.02, 0.3], "tensors": [0.1, 0.02, 0.3]}
# That two schedulers stand side by side is what is tested here.
pytestmark = pytest.mark.filterwarnings(r"ignore:.*\[RS2(18|20)\]")
KINDS = pytest.mark.parametrize("kind", list(BASES))


def made(kind):
    rates = [torch.tensor(rate, dtype=torch.float64) if kind == "tensors" else rate for rate in BASES[kind]]
    return torch.optim.SGD([{"params": parameters(), "lr": rate} for rate in rates], lr=0.1)


def add(optimizer):
    """Add a group that stands where the first one does."""
    first = optimizer.param_groups[0]
    rate = first["lr"].clone() if isinstance(first["lr"], torch.Tensor) else float(first["lr"])
    optimizer.add_param_group({"params": parameters(), "lr": rate, "base": first["base"]})


CHANGES = {
    "add": add,
    "remove the first": lambda optimizer: optimizer.param_groups.pop(0),
    "remove the last": lambda optimizer: optimizer.param_groups.pop(),
    "reverse": lambda optimizer: optimizer.param_groups.reverse(),
}


def noted(optimizer):
    """Note each group's base in it, and return the optimizer."""
    for group in optimizer.param_groups:
        group["base"] = float(group["lr"])
    return optimizer


def expected(optimizer, factor):
    return pytest.approx([group["base"] * factor for group in optimizer.param_groups], rel=1e-12)


@KINDS
@pytest.mark.parametrize("change", list(CHANGES))
@pytest.mark.parametrize("looks", [False, True])
def test_a_scheduler_whose_turn_comes_keeps_the_bases_when_the_groups_change(kind, change, looks):
    optimizer = noted(made(kind))
    first, second = ScheduleLR(optimizer, FALLING), ScheduleLR(optimizer, COSINE)
    go(optimizer, first, 3)
    CHANGES[change](optimizer)
    if looks:
        assert second.base_lrs == expected(optimizer, 1.0)
    assert go(optimizer, second) == expected(optimizer, COSINE(1))
    assert go(optimizer, first) == expected(optimizer, FALLING(4))
    assert go(optimizer, second) == expected(optimizer, COSINE(2))


@KINDS
@pytest.mark.parametrize("change", list(CHANGES))
def test_both_schedulers_of_torchs_chain_keep_the_bases_when_the_groups_change(kind, change):
    optimizer = noted(made(kind))
    parts = [ScheduleLR(optimizer, FALLING), ScheduleLR(optimizer, COSINE)]
    chain = torch.optim.lr_scheduler.ChainedScheduler(parts, optimizer=optimizer)
    go(optimizer, chain, 3)
    CHANGES[change](optimizer)
    assert go(optimizer, chain) == expected(optimizer, COSINE(4))
    assert go(optimizer, chain) == expected(optimizer, COSINE(5))


def test_a_rate_set_by_hand_is_taken_when_another_scheduler_wrote_last_and_the_groups_change():
    optimizer = noted(made("even"))
    first, second = ScheduleLR(optimizer, FALLING), ScheduleLR(optimizer, COSINE)
    go(optimizer, first, 3)
    optimizer.param_groups.reverse()
    optimizer.param_groups[1]["lr"] /= 2
    optimizer.param_groups[1]["base"] /= 2
    assert go(optimizer, second) == expected(optimizer, COSINE(1))


@pytest.mark.parametrize("place", [0, 1])
def test_another_schedulers_floor_stays_what_its_values_are_read_by(place):
    optimizer = noted(made("uneven"))
    with_floor = ScheduleLR(optimizer, Target(FALLING, final=0.01))
    without = ScheduleLR(optimizer, COSINE)
    go(optimizer, with_floor, 3)
    optimizer.param_groups.pop(place)
    assert without.base_lrs == expected(optimizer, 1.0)  # it has looked, and written nothing
    optimizer.param_groups.reverse()
    assert go(optimizer, without) == expected(optimizer, COSINE(1))
    go(optimizer, with_floor)
    assert with_floor.base_lrs == expected(optimizer, 1.0)


def test_a_group_moves_to_an_optimizer_that_had_none_while_another_scheduler_wrote_last():
    optimizers = [noted(made("even")), noted(made("even"))]
    optimizers[0].param_groups[:] = []
    first, second = ScheduleLR(optimizers, FALLING), ScheduleLR(optimizers, COSINE)
    go(optimizers[1], first, 3)
    optimizers[0].param_groups.append(optimizers[1].param_groups.pop(0))
    go(optimizers[1], second)
    assert rates(optimizers[0]) == expected(optimizers[0], COSINE(1))
    assert rates(optimizers[1]) == expected(optimizers[1], COSINE(1))


@KINDS
@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_the_bases_stay(kind, same, seed):
    chance = random.Random(seed)
    optimizers = [noted(made(kind)), noted(made(kind))]
    schedules = [FALLING, FALLING if same else COSINE]
    schedulers = [ScheduleLR(optimizers, schedule) for schedule in schedules]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(60):
            here, there = chance.sample(optimizers, 2)
            happening = chance.choice(["add", "remove", "move", "shuffle", "look", "copy", *["nothing"] * 6])
            if happening == "add":
                add(here)
            elif happening == "remove" and len(here.param_groups) > 1:
                here.param_groups.pop(chance.randrange(len(here.param_groups)))
            elif happening == "move" and len(here.param_groups) > 1:
                there.param_groups.append(here.param_groups.pop(chance.randrange(len(here.param_groups))))
            elif happening == "shuffle":
                chance.shuffle(here.param_groups)
            elif happening == "look":
                assert list(chance.choice(schedulers).base_lrs) == pytest.approx(
                    [group["base"] for optimizer in optimizers for group in optimizer.param_groups], rel=1e-9
                )
            elif happening == "copy":
                optimizers, schedulers = copy.deepcopy((optimizers, schedulers))
            which = chance.randrange(2)
            for optimizer in optimizers:
                update(optimizer)
            schedulers[which].step()
            factor = schedules[which](schedulers[which].last_epoch)
            for optimizer in optimizers:
                assert rates(optimizer) == pytest.approx(
                    [group["base"] * factor for group in optimizer.param_groups], rel=1e-9
                )
