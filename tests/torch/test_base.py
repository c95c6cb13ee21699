"""The base stays with the group: through reloads, other schedulers, and groups that come, go and move."""

import copy
import warnings

import pytest
import torch
from stepping import go, parameters, rates, update
from torch.optim import lr_scheduler

from ratesmith import Constant, Horizon, Plateau, Ramp, parse
from ratesmith.torch import Absolute, ScheduleLR, Target
from ratesmith.torch import lr_scheduler as drop_in

COSINE = Ramp(1.0, 0.0, 100, "cosine")
WARM = Ramp(0.0, 1.0, 5) >> Ramp(1.0, 0.0, 95, "cosine")


def sgd(*rates, **options):
    groups = [{"params": parameters(), "lr": rate, "name": f"g{place}"} for place, rate in enumerate(rates)]
    return torch.optim.SGD(groups, lr=0.1, **options)


def single(rate=0.1, kind=torch.optim.AdamW):
    return kind(parameters(), lr=rate)


def reloaded(optimizer, into):
    into.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    return into


# A new process with the optimizer's state alone


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("k", [1, 4, 5, 50, 99])
@pytest.mark.parametrize(
    "resume",
    [
        lambda o, k: ScheduleLR(o, WARM, last_epoch=k - 1),
        lambda o, k: ScheduleLR(o, WARM).step_to(k),
        lambda o, k: ScheduleLR(o, WARM),
        lambda o, k: ScheduleLR(o, WARM, count_updates=True, last_epoch=0),
    ],
    ids=["last_epoch", "step_to", "nothing said", "counting"],
)
def test_the_optimizers_state_alone_carries_the_base_and_the_step(kind, k, resume):
    first = single(kind=kind)
    go(first, ScheduleLR(first, WARM), k)
    second = reloaded(first, single(0.7, kind))
    resume(second, k)
    assert rates(second) == [0.1 * WARM(k)]


def test_a_scheduler_made_before_the_state_is_loaded_goes_on_from_it_too():
    first = single()
    go(first, ScheduleLR(first, WARM), 50)
    second = single()
    scheduler = ScheduleLR(second, WARM)
    reloaded(first, second)
    go(second, scheduler)
    assert (scheduler.last_epoch, rates(second)) == (51, [0.1 * WARM(51)])


def of_torch(k):
    """Return an optimizer that torch's own scheduler has led for k steps, along the cosine."""
    optimizer = single()
    go(optimizer, lr_scheduler.LambdaLR(optimizer, COSINE), k)
    return optimizer


@pytest.mark.parametrize("resume", [lambda o: ScheduleLR(o, COSINE, last_epoch=49), lambda o: ScheduleLR(o, COSINE)])
def test_a_checkpoint_of_torchs_scheduler_brings_its_base(resume):
    optimizer = reloaded(of_torch(50), single())
    scheduler = resume_quietly(resume, optimizer)
    scheduler.step_to(50)
    assert rates(optimizer) == [0.05]
    assert scheduler.base_lrs == [0.1]


def resume_quietly(resume, optimizer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return resume(optimizer)


def test_a_foreign_base_that_explains_the_rate_is_taken_in_silence_and_another_with_a_warning():
    ScheduleLR(reloaded(of_torch(50), single()), COSINE, last_epoch=49)
    set_by_hand = reloaded(of_torch(50), single())
    set_by_hand.param_groups[0]["lr"] = 0.7
    with pytest.warns(
        UserWarning, match=r"'lr' of group 0 is 0.7, and 'initial_lr', left by another scheduler, is 0.1"
    ):
        scheduler = ScheduleLR(set_by_hand, COSINE, last_epoch=49)
    assert scheduler.base_lrs == [0.1]
    scheduler.set_base_lr(0.7)
    assert rates(set_by_hand) == [0.7 * COSINE(50)]


def unmarked(kind):
    """Return an optimizer that was trained without any scheduler and reloaded, as nanoGPT keeps one."""
    first = single(0.05, kind)
    update(first)
    return reloaded(first, single(0.1, kind))


def jump_as_ignite(scheduler):
    scheduler.last_epoch = 49
    scheduler.step()


def jump_as_torchtitan(scheduler):
    scheduler.last_epoch = 50
    scheduler._last_lr = scheduler.get_lr()


@pytest.mark.filterwarnings("ignore:ScheduleLR. the optimizer's state was loaded without")
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_a_trained_optimizer_without_a_base_is_refused_with_the_way_out(kind):
    must = "got an optimizer that was trained before, whose group 0 is at 0.05 and came without 'initial_lr'; load the"
    optimizer = unmarked(kind)
    before = dict(optimizer.param_groups[0])
    for _ in range(2):  # a refusal leaves no base behind
        with pytest.raises(
            ValueError, match=f"ScheduleLR: the base of 'lr' must be known for last_epoch=49, {must} .*set group"
        ):
            ScheduleLR(optimizer, COSINE, last_epoch=49)
    assert optimizer.param_groups[0] == before
    for jump in (lambda s: s.step_to(50), lambda s: s.step(50), jump_as_ignite, jump_as_torchtitan):
        optimizer = unmarked(kind)
        scheduler = ScheduleLR(optimizer, COSINE)  # a new phase from the present rate
        with pytest.raises(
            ValueError, match=f"the base of 'lr' must be known to go on at step 50, {must} .*call set_bas"
        ):
            jump(scheduler)
        assert rates(optimizer) == [0.05]
    scheduler.set_base_lr(0.1)
    scheduler.step_to(50)
    assert rates(optimizer) == [0.05]
    optimizer = unmarked(kind)
    optimizer.param_groups[0]["initial_lr"] = 0.1
    ScheduleLR(optimizer, COSINE, last_epoch=49)
    assert rates(optimizer) == [0.05]


def test_a_new_phase_from_a_trained_optimizer_may_be_led_by_step_to():
    optimizer = unmarked(torch.optim.AdamW)
    scheduler = ScheduleLR(optimizer, COSINE)
    for step in range(1, 4):
        update(optimizer)
        scheduler.step_to(step)  # says the step, so that nothing is left to warn of
    assert rates(optimizer) == [0.05 * COSINE(3)]
    fresh = sgd(0.1, 0.5)
    ScheduleLR(fresh, COSINE, last_epoch=49)  # never trained: its rates are the first ones
    assert rates(fresh) == [0.05, 0.25]


def test_a_loaded_state_of_another_schedule_begins_anew_and_says_so_at_the_first_step():
    first = single()
    go(first, ScheduleLR(first, WARM), 50)
    second = reloaded(first, single())
    scheduler = ScheduleLR(second, Ramp(1.0, 0.5, 200))
    assert rates(second) == [0.1]
    update(second)
    with pytest.warns(
        UserWarning, match=r"loaded at step 50 of another schedule; .* to go on from there call step_to\(50\)"
    ):
        scheduler.step()
    assert rates(second) == [0.1 * Ramp(1.0, 0.5, 200)(1)]
    go(second, scheduler)  # it is said once


def test_a_loaded_state_past_the_end_of_the_schedule_is_said_too():
    first = single()
    go(first, ScheduleLR(first, WARM), 100)
    scheduler = ScheduleLR(reloaded(first, single()), WARM)
    with pytest.warns(UserWarning, match=r"at step 100, and the schedule has ended by then: .* call step_to\(0\)"):
        scheduler.step()
    scheduler.step_to(0)
    assert scheduler.base_lrs == [0.1]


# A second scheduler


@pytest.mark.parametrize("count_updates", [False, True])
@pytest.mark.parametrize("steps", [0, 3, 100])
def test_a_scheduler_made_twice_is_as_if_made_once(count_updates, steps):
    optimizer = single()
    go(optimizer, ScheduleLR(optimizer, WARM, count_updates=count_updates), steps)
    scheduler = ScheduleLR(optimizer, WARM, count_updates=count_updates)
    for step in range(100):
        assert rates(optimizer) == [0.1 * WARM(step)]
        go(optimizer, scheduler)
    assert scheduler.last_epoch == 100


def test_the_second_of_two_that_count_retires_the_first_with_its_hook():
    optimizer = sgd(0.1, weight_decay=0.5)
    first = ScheduleLR(optimizer, WARM, count_updates=True)
    other_key = ScheduleLR(optimizer, Target(COSINE, key="weight_decay"), count_updates=True)
    second = ScheduleLR(optimizer, WARM, count_updates=True)
    update(optimizer)
    assert (second.last_epoch, other_key.last_epoch, first.last_epoch) == (1, 1, 0)
    with pytest.raises(RuntimeError, match="this scheduler must not be used any more, since a later one counts for"):
        first.step()
    copied = copy.deepcopy(first)
    update(copied.optimizer)
    assert copied.last_epoch == 0


def test_warm_up_and_main_part_one_after_the_other_keep_the_base():
    optimizer = single()
    go(optimizer, ScheduleLR(optimizer, Ramp(0.0, 1.0, 5)), 3)
    scheduler = ScheduleLR(optimizer, COSINE)
    assert rates(optimizer) == [0.1]
    go(optimizer, scheduler, 50)
    assert rates(optimizer) == [0.05]


def test_two_made_at_once_and_stepped_in_turn_keep_the_base():
    optimizer = single()
    warm_up, main = ScheduleLR(optimizer, Ramp(0.0, 1.0, 5)), ScheduleLR(optimizer, "constant()", horizon=100)
    go(optimizer, warm_up, 3)
    assert rates(optimizer) == [pytest.approx(0.06)]
    go(optimizer, main, 2)
    assert (main.last_epoch, rates(optimizer)) == (2, [0.1])


@pytest.mark.parametrize("module", [lr_scheduler, drop_in])
@pytest.mark.parametrize("start", [0.0, 0.5])
def test_in_a_sequence_of_torch_a_warm_up_hands_over_the_base(module, start):
    optimizer = single()
    parts = [ScheduleLR(optimizer, Ramp(start, 1.0, 5)), module.CosineAnnealingLR(optimizer, 10)]
    both = module.SequentialLR(optimizer, parts, milestones=[5])
    found = []
    for _ in range(16):
        found += rates(optimizer)
        go(optimizer, both)
    expected = Ramp(start, 1.0, 5) >> Ramp(1.0, 0.0, 10, "cosine")
    assert found == pytest.approx([0.1 * expected(step) for step in range(16)])


@pytest.mark.parametrize("module", [lr_scheduler, drop_in])
def test_in_a_sequence_of_torch_it_takes_over_at_its_milestone(module):
    optimizer = single()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what LinearLR has set by then is neither the base nor this schedule's
        parts = [module.LinearLR(optimizer, 0.5, total_iters=5), ScheduleLR(optimizer, COSINE)]
    both = module.SequentialLR(optimizer, parts, milestones=[5])
    go(optimizer, both, 5)
    assert rates(optimizer) == [0.1]
    go(optimizer, both, 50)
    assert rates(optimizer) == [0.05]
    assert both.get_last_lr() == [0.05]


def test_two_of_ours_in_a_sequence_of_torch():
    optimizer = single()
    parts = [ScheduleLR(optimizer, Ramp(0.0, 1.0, 5)), ScheduleLR(optimizer, COSINE)]
    both = lr_scheduler.SequentialLR(optimizer, parts, milestones=[5])
    expected = Ramp(0.0, 1.0, 5) >> COSINE
    for step in range(60):
        assert rates(optimizer) == [0.1 * expected(step)]
        go(optimizer, both)


def test_a_torch_scheduler_after_a_warm_up_has_the_base():
    optimizer = single()
    go(optimizer, ScheduleLR(optimizer, Ramp(0.0, 1.0, 5)), 5)
    after = lr_scheduler.LambdaLR(optimizer, COSINE)
    assert after.base_lrs == [0.1]
    go(optimizer, after, 50)
    assert rates(optimizer) == [0.05]
    begun_early = single()
    ScheduleLR(begun_early, WARM)  # at rate 0 by now
    assert lr_scheduler.LambdaLR(begun_early, COSINE).base_lrs == [0.1]
    assert torch.optim.swa_utils.SWALR(begun_early, 0.05).base_lrs == [0.1]


def test_with_torchs_plateau_or_in_its_chain_both_act():
    optimizer = single()
    ours = ScheduleLR(optimizer, COSINE)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    for loss in (1.0, 2.0, 3.0):
        go(optimizer, ours)
        plateau.step(loss)
    go(optimizer, ours)
    assert rates(optimizer) == [pytest.approx(0.1 * 0.25 * COSINE(4))]
    optimizer = single()
    parts = [ScheduleLR(optimizer, COSINE), lr_scheduler.ExponentialLR(optimizer, 0.9)]
    go(optimizer, lr_scheduler.ChainedScheduler(parts, optimizer), 10)
    assert rates(optimizer) == [pytest.approx(0.1 * 0.9**10 * COSINE(10))]


def test_after_a_torch_scheduler_led_the_rate_to_zero_a_new_one_has_the_base():
    optimizer = single()
    go(optimizer, ScheduleLR(optimizer, Ramp(0.0, 1.0, 5)), 5)
    go(optimizer, lr_scheduler.CosineAnnealingLR(optimizer, 10), 10)
    assert rates(optimizer) == [pytest.approx(0.0, abs=1e-12)]
    assert ScheduleLR(optimizer, COSINE).base_lrs == [0.1]


# Groups that come, go and move


@pytest.mark.parametrize("step", [0, 3, 50])
def test_a_group_added_later_goes_on_from_the_rate_that_it_was_given(step):
    optimizer = sgd(0.1)
    scheduler = ScheduleLR(optimizer, WARM)
    go(optimizer, scheduler, step)
    asked = rates(optimizer)[0] / 10 or 0.01  # as Lightning's BaseFinetuning adds a backbone
    optimizer.add_param_group({"params": parameters(), "lr": asked})
    scheduler.step_to(step)
    assert rates(optimizer)[1] == pytest.approx(asked if step else 0.0)
    go(optimizer, scheduler, 20)
    base = asked / WARM(step) if step else asked
    assert rates(optimizer)[1] == pytest.approx(base * WARM(step + 20))
    assert scheduler.base_lrs == pytest.approx([0.1, base])


def test_each_group_keeps_its_own_base_when_groups_are_removed_replaced_and_moved():
    optimizer = sgd(0.1, 0.2, 0.4)
    scheduler = ScheduleLR(optimizer, COSINE)
    go(optimizer, scheduler, 40)
    del optimizer.param_groups[0]
    scheduler.step()
    assert rates(optimizer) == [0.2 * COSINE(41), 0.4 * COSINE(41)]
    optimizer.param_groups.reverse()
    scheduler.step()
    assert rates(optimizer) == [0.4 * COSINE(42), 0.2 * COSINE(42)]
    assert scheduler.base_lrs == [0.4, 0.2]
    del optimizer.param_groups[0]
    optimizer.add_param_group({"params": parameters(), "lr": 0.01, "name": "new"})
    scheduler.step()
    assert rates(optimizer) == pytest.approx([0.2 * COSINE(43), 0.01 / COSINE(42) * COSINE(43)])
    assert [*scheduler.values()] == ["lr/g1", "lr/new"]
    state = scheduler.state_dict()
    scheduler.load_state_dict(state)
    assert scheduler.state_dict() == state


def test_with_a_target_of_some_groups_the_others_stay_out_however_they_move():
    optimizer = sgd(0.1, 0.2, 0.4)
    scheduler = ScheduleLR(optimizer, Target(COSINE, groups=[0, "g2"]))
    go(optimizer, scheduler, 40)
    del optimizer.param_groups[0]
    scheduler.step()
    assert rates(optimizer) == [0.2, 0.4 * COSINE(41)]
    optimizer.param_groups.reverse()
    optimizer.param_groups[0]["name"] = "renamed"
    scheduler.step()
    assert rates(optimizer) == [0.4 * COSINE(42), 0.2]
    optimizer.add_param_group({"params": parameters(), "lr": 0.01, "name": "g2"})
    scheduler.step()
    assert rates(optimizer)[2] == pytest.approx(0.01 / COSINE(42) * COSINE(43))


def test_a_group_whose_parameters_are_extended_or_replaced_keeps_its_base():
    optimizer = sgd(0.1, 0.2)
    scheduler = ScheduleLR(optimizer, COSINE)
    go(optimizer, scheduler, 40)
    optimizer.param_groups[0]["params"].extend(parameters())
    optimizer.param_groups[1]["params"][:] = parameters()
    optimizer.param_groups = [dict(group) for group in reversed(optimizer.param_groups)]
    scheduler.step()
    assert rates(optimizer) == [0.2 * COSINE(41), 0.1 * COSINE(41)]


def test_across_processes_groups_are_recognised_by_name_whatever_their_order():
    first = sgd(0.1, 0.2)
    scheduler = ScheduleLR(first, COSINE)
    go(first, scheduler, 40)
    state = scheduler.state_dict()
    second = sgd(0.1, 0.2)
    second.param_groups.reverse()
    again = ScheduleLR(second, COSINE)
    again.load_state_dict(state)
    assert rates(second) == [0.2 * COSINE(40), 0.1 * COSINE(40)]


def by_names_of_parameters(order):
    named = {"a": parameters(), "b": parameters()}
    groups = [{"params": [(name, named[name][0])], "lr": {"a": 0.1, "b": 0.2}[name]} for name in order]
    return torch.optim.SGD(groups, lr=0.1)


def of_shapes(order):
    groups = [{"params": [torch.nn.Parameter(torch.ones(size))], "lr": 0.1 * size} for size in order]
    return torch.optim.SGD(groups, lr=0.1)


@pytest.mark.parametrize(("made", "order"), [(by_names_of_parameters, "ab"), (of_shapes, (1, 2))])
def test_without_names_they_are_recognised_by_their_parameters_names_or_shapes(made, order):
    first = made(order)
    state = ScheduleLR(first, COSINE, last_epoch=39).state_dict()
    second = made(order[::-1])
    ScheduleLR(second, COSINE).load_state_dict(state)
    assert rates(second) == rates(first)[::-1]


def test_groups_that_cannot_be_recognised_are_refused_if_it_matters():
    state = ScheduleLR(of_shapes((1, 2)), COSINE).state_dict()
    with pytest.raises(ValueError, match="the saved groups must be those of this optimizer, got other names or shapes"):
        ScheduleLR(of_shapes((3, 4)), COSINE).load_state_dict(state)
    alike = ScheduleLR(of_shapes((1, 1)), COSINE).state_dict()
    with pytest.warns(UserWarning, match=r"the base of 'lr' of group 1 is 0.1, as it was saved; the code gave 0.3"):
        ScheduleLR(of_shapes((1, 3)), COSINE).load_state_dict(alike)


# Values that somebody sets


def test_a_rate_set_by_hand_in_mid_run_is_taken():
    optimizer = sgd(0.1, 0.2)
    scheduler = ScheduleLR(optimizer, COSINE)
    go(optimizer, scheduler, 40)
    optimizer.param_groups[0]["lr"] *= 0.5
    optimizer.param_groups[1]["lr"] = 0.03
    scheduler.step()
    assert rates(optimizer) == [0.05 * COSINE(41), pytest.approx(0.03 / COSINE(40) * COSINE(41))]
    assert scheduler.base_lrs[0] == optimizer.param_groups[0]["initial_lr"] == 0.05
    again = reloaded(optimizer, sgd(0.1, 0.2))
    ScheduleLR(again, COSINE, last_epoch=40)
    assert rates(again) == rates(optimizer)


def test_a_group_that_began_at_zero_can_be_switched_on():
    optimizer = sgd(0.1, 0.0)
    scheduler = ScheduleLR(optimizer, WARM)
    go(optimizer, scheduler, 50)
    assert rates(optimizer)[1] == 0.0
    optimizer.param_groups[1]["lr"] = 0.02
    scheduler.step_to(50)
    assert rates(optimizer)[1] == 0.02
    go(optimizer, scheduler, 10)
    assert rates(optimizer)[1] == pytest.approx(0.02 / WARM(50) * WARM(60))


def test_a_rate_set_while_the_factor_is_zero_is_the_base():
    optimizer = sgd(0.1)
    scheduler = ScheduleLR(optimizer, WARM)
    optimizer.param_groups[0]["lr"] = 0.4
    go(optimizer, scheduler, 5)
    assert rates(optimizer) == [0.4]


@pytest.mark.parametrize("change", [lambda rate: rate.mul_(0.5), lambda rate: rate * 0.5, lambda rate: float(rate) / 2])
def test_a_tensor_rate_that_is_changed_is_taken_and_stays_the_same_tensor(change):
    optimizer = torch.optim.SGD(parameters(), lr=torch.tensor(0.1))
    cell = optimizer.param_groups[0]["lr"]
    scheduler = ScheduleLR(optimizer, COSINE)
    go(optimizer, scheduler, 40)
    optimizer.param_groups[0]["lr"] = change(cell)
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is cell
    assert rates(optimizer) == pytest.approx([0.05 * COSINE(41)])


def test_rates_made_tensors_in_mid_run_stay_tensors():
    optimizer = single(0.5)
    scheduler = ScheduleLR(optimizer, COSINE)
    optimizer.param_groups[0]["lr"] = cell = torch.tensor(0.5)
    go(optimizer, scheduler, 50)
    assert optimizer.param_groups[0]["lr"] is cell
    assert rates(optimizer) == [0.25]


def test_other_keys_have_their_base_and_are_taken_too():
    optimizer = single()
    scheduler = ScheduleLR(optimizer, Target(COSINE, "weight_decay"), Target(Absolute(Ramp(0.8, 0.9, 100)), "betas[0]"))
    go(optimizer, scheduler, 50)
    group = optimizer.param_groups[0]
    assert (group["initial_weight_decay"], group["ratesmith_weight_decay_factor"]) == (0.01, COSINE(50))
    group["weight_decay"] *= 2
    scheduler.step()
    assert group["weight_decay"] == 0.02 * COSINE(51)
    group["betas"] = (0.5, 0.999)
    update(optimizer)
    with pytest.warns(UserWarning, match=r"'betas\[0\]' must be left to its schedule, .* got 0.5 set by hand"):
        scheduler.step()
    assert group["betas"] == (Ramp(0.8, 0.9, 100)(52), 0.999)


# One call changes a base


def test_a_base_is_set_by_one_call_and_saved_with_the_rest():
    optimizer = sgd(0.1, 0.2)
    scheduler = ScheduleLR(optimizer, COSINE, Target(Constant(1.0), "momentum"))
    go(optimizer, scheduler, 50)
    scheduler.set_base_lr(0.05, group="g1")
    assert rates(optimizer) == [0.05, 0.025]
    scheduler.set_base_lr(0.4, group=0)
    assert rates(optimizer) == [0.2, 0.025]
    scheduler.set_base_lr(0.8)
    assert scheduler.base_lrs == [0.8, 0.8]
    for load in (lambda s: s.load_state_dict(scheduler.state_dict()), lambda s: None):
        again = reloaded(optimizer, sgd(0.1, 0.2))
        load(ScheduleLR(again, COSINE, Target(Constant(1.0), "momentum")))
        assert rates(again) == [0.4, 0.4]
    for wrong, message in (
        (
            {"key": "lr", "value": 0.1, "group": "body"},
            "group must be one with a schedule for 'lr', got 'body'; known: 'g0",
        ),
        (
            {"key": "lr", "value": 0.1, "group": 7},
            "group must be one with a schedule for 'lr', got 7; known: 'g0', 'g1'",
        ),
        ({"key": "eps", "value": 0.1}, "key must be one whose base a factor multiplies, got 'eps'; known: 'lr'"),
        ({"key": "lr", "value": float("nan")}, "the base value must be a finite number, got nan"),
    ):
        with pytest.raises(ValueError, match=f"ScheduleLR: {message}"):
            scheduler.set_base(**wrong)


def test_other_keys_bases_are_set_by_name():
    optimizer = single()
    scheduler = ScheduleLR(optimizer, Target(COSINE, "weight_decay"), last_epoch=49)
    scheduler.set_base("weight_decay", 0.5)
    assert optimizer.param_groups[0]["weight_decay"] == 0.25


def test_torchs_own_lists_can_be_assigned():
    optimizer = sgd(0.1, 0.2)
    scheduler = ScheduleLR(optimizer, COSINE, last_epoch=49)
    scheduler.base_lrs[1] = 0.4
    assert rates(optimizer) == [0.05, 0.2]
    scheduler.base_lrs = [0.2, 0.4]
    assert (scheduler.base_lrs, rates(optimizer)) == ([0.2, 0.4], [0.1, 0.2])
    scheduler.last_epoch = 0  # as torchtitan's container does when it loads
    scheduler._last_lr = scheduler.get_lr()
    assert rates(optimizer) == [0.2, 0.4]
    with pytest.raises(
        TypeError, match="base_lrs must keep one rate a group, got another length; add_param_group alone"
    ):
        scheduler.base_lrs.append(0.3)
    with pytest.raises(ValueError, match="base_lrs must be 2 rates, got 3; give one a group"):
        scheduler.base_lrs = [1.0, 2.0, 3.0]
    assert copy.deepcopy(scheduler.base_lrs) == [0.2, 0.4]


@pytest.mark.parametrize("order", ["OBS", "BOS", "BSO"])
def test_the_saved_base_wins_and_a_warning_names_the_call_that_changes_it(order):
    first = single()
    scheduler = ScheduleLR(first, COSINE)
    go(first, scheduler, 50)
    saved = copy.deepcopy((first.state_dict(), scheduler.state_dict()))
    second = single(0.5)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for what in order:
            if what == "B":
                again = ScheduleLR(second, COSINE)
            elif what == "O":
                second.load_state_dict(saved[0])
            else:
                again.load_state_dict(saved[1])
        go(second, again)
    assert rates(second) == [0.1 * COSINE(51)]
    texts = [str(one.message) for one in said]
    seen_by_nobody = order == "OBS"  # the optimizer's own load has replaced the code's rate before
    assert len(texts) == (0 if seen_by_nobody else 1)
    if texts:
        assert texts[0].endswith(
            "is 0.1, as it was saved; the code gave 0.5: call set_base_lr(0.5) to change it [RS203]"
        )


# Several optimizers


def test_several_optimizers_follow_one_schedule_in_proportion():
    muon, adamw = single(0.02, torch.optim.SGD), single(3e-4)

    def both(*optimizers):
        return ScheduleLR(optimizers, "warmup(5) >> cosine()", horizon=100, count_updates=True)

    scheduler = both(muon, adamw)
    for step in range(50):
        assert (*rates(muon), *rates(adamw)) == (0.02 * WARM(step), 3e-4 * WARM(step))
        update(muon)
        update(adamw)
        scheduler.step()
    assert scheduler.base_lrs == [0.02, 3e-4]
    assert scheduler.get_last_lr() == rates(muon) + rates(adamw)
    assert [*scheduler.values()] == ["lr/0", "lr/1"]
    for load_scheduler in (True, False):
        again = reloaded(muon, single(0.02, torch.optim.SGD)), reloaded(adamw, single(3e-4))
        resumed = both(*again)
        if load_scheduler:
            resumed.load_state_dict(scheduler.state_dict())
        assert resumed.last_epoch == 50
        assert resumed.get_last_lr() == scheduler.get_last_lr()
    scheduler.set_base_lr(0.04, group=0)
    assert (*rates(muon), *rates(adamw)) == (0.04 * WARM(50), 3e-4 * WARM(50))
    with pytest.raises(TypeError, match=r"optimizer must be a torch.optim.Optimizer, or a list of some, got SGD, int"):
        ScheduleLR([muon, 3], COSINE)


# Tokens and samples


@pytest.mark.parametrize("unit", ["tokens_per_step", "samples_per_step"])
def test_the_position_in_tokens_is_kept_when_a_step_holds_more_or_fewer(unit):
    def made(steps, size):
        optimizer = single()
        text = {"tokens_per_step": 'warmup("10ktok") >> cosine()', "samples_per_step": 'warmup("10ksp") >> cosine()'}
        return optimizer, ScheduleLR(optimizer, text[unit], horizon=Horizon(steps, **{unit: size}))

    optimizer, scheduler = made(1000, 100)
    scheduler.step_to(500)
    for steps, size, position in ((500, 200, 250), (2000, 50, 1000), (3333, 30, 1667)):
        resumed_optimizer, resumed = made(steps, size)
        resumed.load_state_dict(scheduler.state_dict())
        assert resumed.last_epoch == position
        assert rates(resumed_optimizer) == pytest.approx(rates(optimizer), rel=2e-3)
    _, longer = made(1000, 200)
    with pytest.raises(ValueError, match="the saved state must fit this scheduler, got a difference"):
        longer.load_state_dict(scheduler.state_dict())
    longer.load_state_dict(scheduler.state_dict(), on_mismatch="keep_new")
    assert longer.last_epoch == 250


# Faults


def test_after_a_function_of_the_users_raised_nothing_is_half_written():
    def rule(step):
        if step == 3:
            raise KeyError("gone")
        return 1.0 / (1 + step)

    optimizer = single()
    scheduler = ScheduleLR(
        optimizer,
        Target(COSINE, "weight_decay"),
        Target(parse('custom("rule")').build(100, {"rule": rule})),
    )
    go(optimizer, scheduler, 2)
    before = copy.deepcopy((optimizer.state_dict()["param_groups"], scheduler.state_dict()))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"rule\(3\): it must give a number, got KeyError: 'gone'"):
            scheduler.step()
        assert (optimizer.state_dict()["param_groups"], scheduler.state_dict()) == before
    heard = ScheduleLR(single(), Plateau(0.5, patience=0), Target(Plateau(metric="f1"), "weight_decay"))
    before = heard.state_dict()
    with pytest.raises(ValueError, match="Plateau: metric must be one that is measured, got 'f1'; measured: 'loss'"):
        heard.step(metrics={"loss": 1.0})
    assert heard.state_dict() == before


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), torch.tensor(float("nan"))])
def test_a_rate_that_is_not_finite_is_refused_when_made_and_when_set(rate):
    with pytest.raises(ValueError, match=r"ScheduleLR: 'lr' of group 0 must be a finite number, got (nan|inf)"):
        ScheduleLR(torch.optim.SGD(parameters(), lr=rate), COSINE)
    optimizer = sgd(0.1)
    scheduler = ScheduleLR(optimizer, COSINE)
    optimizer.param_groups[0]["lr"] = rate
    with pytest.raises(ValueError, match=r"ScheduleLR: 'lr' of group 'g0' must be a finite number, got (nan|inf)"):
        scheduler.step()


def test_a_state_of_ours_does_torchs_class_no_harm():
    ours = ScheduleLR(single(), COSINE, last_epoch=49).state_dict()
    optimizer = single()
    theirs = lr_scheduler.StepLR(optimizer, 3)
    theirs.load_state_dict(ours)
    go(optimizer, theirs, 3)
    assert rates(optimizer) == [pytest.approx(0.01)]
    assert not set(ours) & {name for kind in (lr_scheduler.LRScheduler, lr_scheduler.OneCycleLR) for name in dir(kind)}
    with pytest.raises(ValueError, match="StepLR: the state must be one that StepLR saved, got one without"):
        drop_in.StepLR(single(), 3).load_state_dict(ours)


def test_a_state_of_the_first_format_is_still_read():
    scheduler = ScheduleLR(sgd(0.1, 0.2), COSINE)
    text, base = 'Ramp(1.0, 0.0, 100, shape="cosine")', [0.1, 0.2]
    track = {"key": "lr", "schedule": text, "absolute": False, "state": [], "base": base}
    scheduler.load_state_dict({"format": 1, "step": 50, "tracks": [track]})
    assert scheduler.get_last_lr() == [0.05, 0.1]


def test_a_strategy_that_waits_for_a_horizon_is_taken():
    optimizer = single()
    scheduler = ScheduleLR(optimizer, parse("cosine()"), horizon=100, last_epoch=49)
    assert rates(optimizer) == [0.05]
    scheduler.extend(200)
    assert rates(optimizer) == [0.1 * Ramp(1.0, 0.0, 200, "cosine")(50)]


def test_a_value_out_of_proportion_is_said_of_its_own_group():
    optimizer = torch.optim.SGD([{"params": parameters()} for _ in range(3)], lr=0.1)
    scheduler = ScheduleLR(optimizer, Target("linear()", groups=[1, 2]), horizon=100)
    scheduler.step_to(99)
    optimizer.param_groups[2]["lr"] = 0.05
    with pytest.warns(UserWarning, match=r"'lr' of group 2 was set to 0.05 .* call set_base_lr\(0.05, group=2\)"):
        scheduler.step()
