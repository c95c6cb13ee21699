"""What groups keep of the last write: read back exactly, in the form of now and of before."""

import copy

import pytest
import torch
from stepping import go, parameters, rates, through_a_file

from ratesmith import Ramp
from ratesmith.torch import Absolute, ScheduleLR, Target
from ratesmith.torch.key import Key
from ratesmith.torch.marks import ELSEWHERE, LastWrite, last_writes

LR = Key("lr")
WARM = Ramp(0.0, 1.0, 5) >> Ramp(1.0, 0.0, 15, "cosine")
BASES = (0.3, 0.07, 0.0)


def made(kind=torch.optim.AdamW, bases=BASES, tensor=False):
    groups = [
        {"params": parameters(), "lr": torch.tensor(base, dtype=torch.float64) if tensor else base} for base in bases
    ]
    return kind(groups, lr=0.1)


def as_before(state, step):
    """Return an optimizer's state with the marks that each group had before: the value itself, and the step."""
    state = copy.deepcopy(state)
    for group in state["param_groups"]:
        del group["ratesmith_lr_base"], group["ratesmith_lr_factor"]
        group["ratesmith_lr"], group["ratesmith_lr_step"] = float(group["lr"]), step
    return state


@pytest.mark.parametrize("schedule", [WARM, Absolute(WARM), Target(WARM, final=0.01), Target(WARM, low=0.02)])
@pytest.mark.parametrize("step", [0, 3, 5, 12, 20])
def test_the_values_are_read_back_to_the_last_bit(schedule, step):
    optimizer = made()
    go(optimizer, ScheduleLR(optimizer, schedule), step)
    writes = last_writes(LR, optimizer.param_groups)
    assert [write.value for write in writes] == rates(optimizer)
    assert {(write.step, write.factor) for write in writes} == {(step, WARM(step))}


def test_the_step_and_the_factor_stand_in_the_first_group_of_each_optimizer():
    first, second = made(), made()
    scheduler = ScheduleLR([first, second], Target(WARM, groups=[1, 2, 3, 4]))
    for _ in range(7):
        go(first, scheduler)
    for optimizer, lead in ((first, 1), (second, 0)):
        marks = [(group.get(LR.step), group.get(LR.factor)) for group in optimizer.param_groups]
        assert marks[lead] == (7, WARM(7))
        assert marks[lead + 1] == (ELSEWHERE, 0.0)
    assert (LR.step in first.param_groups[0], LR.step in second.param_groups[2]) == (False, False)


def test_all_groups_have_the_same_keys_and_all_of_them_are_numbers():
    optimizer = made()
    go(optimizer, ScheduleLR(optimizer, Target(WARM, final=0.01)), 3)
    marks = [{key for key in group if key.startswith("ratesmith")} for group in optimizer.param_groups]
    assert marks[0] == marks[1] == marks[2]
    assert all(type(group[key]) in (int, float) for group in optimizer.param_groups for key in marks[0])


def test_another_group_leads_once_the_first_is_gone():
    optimizer = made()
    scheduler = ScheduleLR(optimizer, WARM)
    go(optimizer, scheduler, 7)
    del optimizer.param_groups[0]
    scheduler.state_dict()
    assert (optimizer.param_groups[0][LR.step], optimizer.param_groups[1][LR.step]) == (7, ELSEWHERE)
    optimizer.param_groups.reverse()
    go(optimizer, scheduler)
    assert (optimizer.param_groups[0][LR.step], optimizer.param_groups[1][LR.step]) == (8, ELSEWHERE)
    assert [write.value for write in last_writes(LR, optimizer.param_groups)] == rates(optimizer)


def test_groups_that_lost_the_one_that_led_keep_their_bases():
    optimizer = made(torch.optim.SGD)
    go(optimizer, ScheduleLR(optimizer, WARM), 12)
    del optimizer.param_groups[0]
    state = through_a_file(optimizer.state_dict())
    assert last_writes(LR, optimizer.param_groups)[0] == LastWrite(base=0.07)
    again = made(torch.optim.SGD, BASES[1:])
    again.load_state_dict(state)
    assert ScheduleLR(again, WARM, last_epoch=11).base_lrs == [0.07, 0.0]
    assert rates(again) == [0.07 * WARM(12), 0.0]


def test_two_schedules_of_one_key_each_have_a_group_that_leads():
    optimizer = made(bases=(0.3, 0.07, 0.1, 0.2))
    first = ScheduleLR(optimizer, Target(WARM, groups=[0, 2]))
    second = ScheduleLR(optimizer, Target(Ramp(1.0, 0.5, 10), groups=[1, 3]))
    go(optimizer, first, 7)
    go(optimizer, second, 2)
    writes = last_writes(LR, optimizer.param_groups)
    assert [write.value for write in writes] == rates(optimizer)
    assert [write.step for write in writes] == [7, 2, 7, 2]


@pytest.mark.filterwarnings(r"ignore:.*\[RS219\]")  # it is followed beyond its end
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize("order", ["OB", "BO", "OBS", "BSO", "BOS"])
@pytest.mark.parametrize("k", [1, 5, 12, 19])
def test_a_checkpoint_of_before_with_marks_in_each_group_is_resumed_exactly(order, k, kind, tensor):
    optimizer = made(kind, tensor=tensor)
    scheduler = ScheduleLR(optimizer, WARM)
    go(optimizer, scheduler, k)
    states = through_a_file((as_before(optimizer.state_dict(), k), scheduler.state_dict()))
    expected = [go(optimizer, scheduler) for _ in range(5)]
    again = made(kind, tensor=tensor)
    for what in order:
        if what == "B":
            resumed = ScheduleLR(again, WARM)
        elif what == "O":
            again.load_state_dict(copy.deepcopy(states[0]))
        else:
            resumed.load_state_dict(states[1])
    assert [go(again, resumed) for _ in range(5)] == expected
    assert not [group for group in again.param_groups if LR.written in group]


def test_a_rate_set_by_hand_in_a_checkpoint_of_before_counts():
    optimizer = made()
    go(optimizer, ScheduleLR(optimizer, WARM), 8)
    state = as_before(optimizer.state_dict(), 8)
    state["param_groups"][1]["lr"] *= 0.5
    again = made()
    again.load_state_dict(state)
    assert go(again, ScheduleLR(again, WARM)) == [0.3 * WARM(9), 0.035 * WARM(9), 0.0]


def test_a_base_set_in_a_checkpoint_counts_and_its_rate_is_not_read_as_new():
    optimizer = made()
    go(optimizer, ScheduleLR(optimizer, WARM), 8)
    state = through_a_file(optimizer.state_dict())
    state["param_groups"][1]["initial_lr"] = 0.5
    again = made()
    again.load_state_dict(state)
    scheduler = ScheduleLR(again, WARM)
    assert scheduler.base_lrs == [0.3, 0.5, 0.0]
    assert go(again, scheduler)[1] == 0.5 * WARM(9)


def test_a_group_without_marks_tells_nothing():
    assert last_writes(LR, [{"lr": 0.1}, {"lr": 0.1, "initial_lr": 0.2}]) == [LastWrite(), LastWrite()]
