"""What stood in a group between two steps, set by hand, by another scheduler or by a load: judged as without a stop."""

import copy
import warnings

import numpy as np
import pytest
import torch
from stepping import go, in_order, parameters, rates, update
from torch.optim import lr_scheduler

from ratesmith import Constant, Horizon, Plateau, Ramp
from ratesmith.torch import Absolute, ControllerLR, ScheduleLR, Target
from ratesmith.torch import lr_scheduler as drop_in

LINEAR = Ramp(1.0, 0.0, 20)
WARM = Ramp(0.0, 1.0, 5) >> Constant(1.0)


def made(*rates, kind=torch.optim.SGD, **options):
    groups = [{"params": parameters(), "lr": rate} for rate in rates or (0.1,)]
    return kind(groups, lr=0.1, **options)


ORDERS = ["BOS", "BSO", "OBS"]


@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize("order", [*ORDERS, "BS", "BO", "OB"])
def test_a_rate_set_by_hand_just_before_saving_is_kept(order, tensor):
    def fresh():
        return made(torch.tensor(0.1) if tensor else 0.1)

    optimizer = fresh()
    scheduler = ScheduleLR(optimizer, LINEAR)
    go(optimizer, scheduler, 4)
    if tensor:
        optimizer.param_groups[0]["lr"].fill_(0.02)
    else:
        optimizer.param_groups[0]["lr"] = 0.02
    states = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    expected = [go(optimizer, scheduler) for _ in range(10)]
    again = fresh()
    resumed = in_order(order, again, lambda o: ScheduleLR(o, LINEAR), states)
    assert [go(again, resumed) for _ in range(10)] == [pytest.approx(rate) for rate in expected]
    if tensor:
        assert isinstance(again.param_groups[0]["lr"], torch.Tensor)


@pytest.mark.parametrize("how", [{"last_epoch": 3}, {}])
def test_the_optimizers_state_alone_keeps_a_rate_set_by_hand_too(how):
    optimizer = made()
    scheduler = ScheduleLR(optimizer, LINEAR)
    go(optimizer, scheduler, 4)
    optimizer.param_groups[0]["lr"] = 0.02
    state = copy.deepcopy(optimizer.state_dict())
    expected = go(optimizer, scheduler)
    again = made()
    again.load_state_dict(state)
    resumed = ScheduleLR(again, LINEAR, **how)
    assert rates(again) == [pytest.approx(0.02)]
    assert go(again, resumed) == [pytest.approx(rate) for rate in expected]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("k", [3, 4, 7])
def test_a_plateau_of_torchs_beside_it_is_resumed_with_it(order, k):
    losses = [1.0, 2.0, 0.5, 3.0, 3.0, 0.4, 0.3, 9.0, 9.0, 9.0, 9.0]

    def both(optimizer):
        return ScheduleLR(optimizer, LINEAR), lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)

    def train(optimizer, scheduler, plateau, begin, end):
        seen = []
        for step in range(begin, end):
            go(optimizer, scheduler)
            plateau.step(losses[step])
            seen += rates(optimizer)
        return seen

    optimizer = made()
    whole = train(optimizer, *both(optimizer), 0, len(losses))
    optimizer = made()
    scheduler, plateau = both(optimizer)
    train(optimizer, scheduler, plateau, 0, k)
    states = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict(), plateau.state_dict()))
    again = made()
    if order[0] == "O":
        again.load_state_dict(states[0])
    resumed, second_plateau = both(again)
    for what in order.replace("B", ""):
        if what == "S":
            resumed.load_state_dict(states[1])
            second_plateau.load_state_dict(states[2])
        elif order[0] != "O":
            again.load_state_dict(states[0])
    assert train(again, resumed, second_plateau, k, len(losses)) == pytest.approx(whole[k:])


@pytest.mark.parametrize("module", [lr_scheduler, drop_in])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("k", [0, 2, 5, 7, 12])
@pytest.mark.parametrize("first", [True, False])
def test_a_sequence_of_torchs_that_holds_it_is_resumed_on_either_side_of_the_milestone(module, order, k, first):
    def build(optimizer):
        if first:
            parts = [ScheduleLR(optimizer, WARM), module.CosineAnnealingLR(optimizer, 10)]
        else:
            parts = [module.LinearLR(optimizer, 0.1, total_iters=5), ScheduleLR(optimizer, LINEAR)]
        return module.SequentialLR(optimizer, parts, milestones=[5])

    optimizer = made()
    sequence = build(optimizer)
    go(optimizer, sequence, k)
    states = copy.deepcopy((optimizer.state_dict(), sequence.state_dict()))
    expected = [go(optimizer, sequence) for _ in range(15 - k)]
    again = made()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own word of the order, which a load can't know
        resumed = in_order(order, again, build, states)
        found = [go(again, resumed) for _ in range(15 - k)]
    if not (module is lr_scheduler and order == "OBS"):  # torch's own order of faults: the parts set rates when built
        assert found == [pytest.approx(rate, abs=1e-12) for rate in expected]


@pytest.mark.parametrize("k", [5, 10])
def test_a_chain_of_torchs_that_holds_it_is_resumed(k):
    def build(optimizer):
        return lr_scheduler.ChainedScheduler([ScheduleLR(optimizer, LINEAR), lr_scheduler.StepLR(optimizer, 5, 0.5)])

    optimizer = made()
    chain = build(optimizer)
    go(optimizer, chain, k)
    states = copy.deepcopy((optimizer.state_dict(), chain.state_dict()))
    expected = [go(optimizer, chain) for _ in range(9)]
    again = made()
    resumed = in_order("BOS", again, build, states)
    assert [go(again, resumed) for _ in range(9)] == [pytest.approx(rate) for rate in expected]


def test_both_the_base_and_the_rate_set_by_hand_count_once():
    optimizer = made()
    scheduler = ScheduleLR(optimizer, LINEAR)
    group = optimizer.param_groups[0]
    group["initial_lr"] = group["lr"] = 0.5
    assert go(optimizer, scheduler) == [0.5 * LINEAR(1)]
    go(optimizer, scheduler, 4)
    group["initial_lr"], group["lr"] = 0.8, 0.8 * LINEAR(5)
    assert go(optimizer, scheduler) == [0.8 * LINEAR(6)]
    group["initial_lr"] = 0.4
    assert go(optimizer, scheduler) == [0.4 * LINEAR(7)]


def test_a_new_rate_is_taken_by_its_ratio_to_the_last_so_that_half_is_half():
    for step in range(1, 20):
        optimizer = made(0.3)
        scheduler = ScheduleLR(optimizer, Ramp(1.0, 0.0, 20, "cosine"), last_epoch=step - 1)
        optimizer.param_groups[0]["lr"] *= 0.5
        scheduler.step()
        assert scheduler.base_lrs == [0.15]


# Where it goes on


def at_step(k, schedule=LINEAR, **options):
    optimizer = made(kind=torch.optim.AdamW)
    scheduler = ScheduleLR(optimizer, schedule, **options)
    go(optimizer, scheduler, k)
    return copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))


def test_stepping_forward_by_hand_after_it_went_on_by_itself_is_said():
    again = made(kind=torch.optim.AdamW)
    again.load_state_dict(at_step(8)[0])
    scheduler = ScheduleLR(again, LINEAR)
    assert scheduler.last_epoch == 8
    for _ in range(9):
        scheduler.step()
    with pytest.warns(UserWarning, match=r"stepped 10 times without an update; .* step_to\(0\), or call step_to"):
        scheduler.step()
    scheduler = ScheduleLR(again, LINEAR, last_epoch=7)
    go(again, scheduler, 5)


def test_it_goes_on_by_the_schedules_text_and_not_by_a_flat_stretch_that_agrees():
    again = made(kind=torch.optim.AdamW)
    flat = "warmup(3) >> constant(10) >> linear()"
    again.load_state_dict(at_step(8, "warmup(2) >> constant(10) >> linear()", horizon=20)[0])
    scheduler = ScheduleLR(again, flat, horizon=20)
    assert scheduler.last_epoch == 0
    update(again)
    with pytest.warns(UserWarning, match="loaded at step 8 of another schedule; this one is at step 0"):
        scheduler.step()
    again.load_state_dict(at_step(8, flat, horizon=20)[0])
    assert scheduler.last_epoch == 8


@pytest.mark.parametrize("order", ["BSO", "BOS", "OBS"])
def test_after_a_load_under_another_batch_size_the_optimizers_step_does_not_win(order):
    def build(steps, size):
        return lambda optimizer: ScheduleLR(
            optimizer, 'warmup("5%") >> constant("85%") >> linear()', horizon=Horizon(steps, tokens_per_step=size)
        )

    optimizer = made()
    scheduler = build(1000, 100)(optimizer)
    scheduler.step_to(400)
    again = made()
    states = optimizer.state_dict(), scheduler.state_dict()
    resumed = in_order(order, again, build(500, 200), states)
    assert resumed.last_epoch == 200
    go(again, resumed)
    assert resumed.last_epoch == 201


def test_a_whole_number_of_other_steps_may_be_one_off():
    text = 'warmup("5%") >> cosine()'
    state = ScheduleLR(made(), text, horizon=Horizon(1000, tokens_per_step=100)).state_dict()
    for steps, fits in ((3333, True), (3334, True), (3335, False)):
        scheduler = ScheduleLR(made(), text, horizon=Horizon(steps, tokens_per_step=30))
        if fits:
            scheduler.load_state_dict(state)
        else:
            with pytest.raises(ValueError, match="got a difference"):
                scheduler.load_state_dict(state)
    with pytest.raises(ValueError, match="got a difference"):
        ScheduleLR(made(), text, horizon=1001).load_state_dict(ScheduleLR(made(), text, horizon=1000).state_dict())


@pytest.mark.parametrize("form", [torch.tensor(8), 8.0, np.int64(8)])
def test_a_step_in_another_form_is_read(form):
    again = made(kind=torch.optim.AdamW)
    again.load_state_dict(at_step(8)[0])
    again.param_groups[0]["ratesmith_lr_step"] = form
    assert ScheduleLR(again, LINEAR).last_epoch == 8


@pytest.mark.parametrize(
    ("key", "form", "message"),
    [
        ("ratesmith_lr_step", "8", "'ratesmith_lr_step' of group 0 must be a number, got '8'; remove it or mend it"),
        ("ratesmith_lr_step", -3, "'ratesmith_lr_step' of a group must be a whole number of at least 0, got -3"),
        ("ratesmith_lr_step", 8.5, "'ratesmith_lr_step' of a group must be a whole number of at least 0, got 8.5"),
        ("ratesmith_lr_factor", float("nan"), "'ratesmith_lr_factor' of group 0 must be a finite number, got nan"),
        ("ratesmith_lr_base", float("nan"), "'ratesmith_lr_base' of group 0 must be a finite number, got nan"),
        ("initial_lr", torch.ones(2), "'initial_lr' of group 0 must be a number, got tensor"),
        ("initial_lr", True, "'initial_lr' of group 0 must be a number, got True"),
    ],
)
def test_a_damaged_mark_is_refused_with_its_name(key, form, message):
    again = made(kind=torch.optim.AdamW)
    again.load_state_dict(at_step(8)[0])
    again.param_groups[0][key] = form
    with pytest.raises((ValueError, TypeError), match=f"ScheduleLR: {message}"):
        ScheduleLR(again, LINEAR)


def test_a_stripped_base_is_refused_and_a_removed_mark_in_mid_run_is_put_back():
    again = made(kind=torch.optim.AdamW)
    state = at_step(8)[0]
    del state["param_groups"][0]["initial_lr"]
    again.load_state_dict(state)
    with pytest.raises(
        ValueError, match="the base of 'lr' must be known for last_epoch=7, got an optimizer that was tr"
    ):
        ScheduleLR(again, LINEAR, last_epoch=7)
    optimizer = made()
    scheduler = ScheduleLR(optimizer, LINEAR)
    go(optimizer, scheduler, 4)
    for key in [key for key in optimizer.param_groups[0] if key.startswith(("initial", "ratesmith"))]:
        del optimizer.param_groups[0][key]
    assert go(optimizer, scheduler) == [pytest.approx(0.1 * LINEAR(5))]


def test_the_end_of_a_product_is_said_and_so_is_a_controller_that_begins_anew():
    for k, said in ((20, r"the schedule has ended by then"), (8, "does not say what a controller had heard by then")):
        again = made(kind=torch.optim.AdamW)
        again.load_state_dict(at_step(k, LINEAR * Plateau(patience=30))[0])
        scheduler = ScheduleLR(again, LINEAR * Plateau(patience=30))
        assert scheduler.last_epoch == k
        update(again)
        with pytest.warns(UserWarning, match=said):
            scheduler.step()


def test_a_state_loaded_without_a_base_is_a_new_run_and_says_so_at_the_first_step():
    first = made(0.05, kind=torch.optim.AdamW)
    update(first)
    again = made(kind=torch.optim.AdamW)
    again.load_state_dict(first.state_dict())
    scheduler = ScheduleLR(again, LINEAR)
    update(again)
    with pytest.warns(
        UserWarning, match="loaded without 'initial_lr', so this is a new run from the present 'lr' of 0.05"
    ):
        scheduler.step()
    go(again, scheduler)
    update(first)
    go(first, ScheduleLR(first, LINEAR))  # trained here, and not loaded: a new phase


def test_a_state_of_torchs_loaded_after_the_scheduler_was_made_is_looked_at_too():
    theirs = made(kind=torch.optim.AdamW)
    go(theirs, lr_scheduler.LambdaLR(theirs, LINEAR), 8)
    again = made(kind=torch.optim.AdamW)
    scheduler = ScheduleLR(again, LINEAR)
    again.load_state_dict(theirs.state_dict())
    update(again)
    with pytest.warns(
        UserWarning, match=r"'lr' of group 0 is 0.06, and 'initial_lr', left by another scheduler, is 0.1"
    ):
        scheduler.step()
    again.load_state_dict(theirs.state_dict())
    scheduler.step_to(8)  # says the step
    assert go(again, scheduler) == [pytest.approx(0.1 * LINEAR(9))]


def test_a_refused_state_and_a_longer_training_leave_the_optimizers_step():
    again = made(kind=torch.optim.AdamW)
    scheduler = ScheduleLR(again, "linear()", horizon=20)
    again.load_state_dict(at_step(8, "linear()", horizon=20)[0])
    with pytest.raises(ValueError, match="got a difference"):
        scheduler.load_state_dict(ScheduleLR(made(), Constant(1.0)).state_dict())
    assert scheduler.last_epoch == 8
    again = made(kind=torch.optim.AdamW)
    scheduler = ScheduleLR(again, "linear()", horizon=20)
    again.load_state_dict(at_step(8, "linear()", horizon=20)[0])
    scheduler.extend(40)
    assert (scheduler.last_epoch, rates(again)) == (8, [pytest.approx(0.1 * 0.8)])


def test_what_is_asked_after_a_load_is_what_was_loaded():
    again = made(kind=torch.optim.AdamW)
    scheduler = ScheduleLR(again, LINEAR)
    again.load_state_dict(at_step(8)[0])
    assert list(range(scheduler.last_epoch, 10)) == [8, 9]
    again.load_state_dict(at_step(12)[0])
    assert scheduler.values() == {"lr": 0.1 * LINEAR(12)}
    assert scheduler.base_lrs == [0.1]


def test_an_earlier_state_loaded_into_the_same_optimizer_is_gone_on_from():
    optimizer = made(kind=torch.optim.AdamW)
    scheduler = ScheduleLR(optimizer, LINEAR)
    go(optimizer, scheduler, 4)
    state = copy.deepcopy(optimizer.state_dict())
    go(optimizer, scheduler, 6)
    optimizer.load_state_dict(state)
    assert ScheduleLR(optimizer, LINEAR).last_epoch == 4
    go(optimizer, scheduler, 2)
    optimizer.load_state_dict(state)
    assert go(optimizer, scheduler) == [0.1 * LINEAR(5)]  # a rollback of the optimizer alone


# A second scheduler


@pytest.mark.parametrize("schedule", [LINEAR, Constant(1.0)])
def test_a_second_one_with_one_more_target_begins_anew_too(schedule):
    optimizer = made(weight_decay=0.5)
    go(optimizer, ScheduleLR(optimizer, schedule), 4)
    more = ScheduleLR(optimizer, schedule, Target(Constant(1.0), "weight_decay"))
    assert (more.last_epoch, more.base_lrs) == (0, [0.1])
    go(optimizer, more, 4)
    optimizer.param_groups = list(optimizer.param_groups)
    again = ScheduleLR(optimizer, schedule)
    assert (again.last_epoch, again.base_lrs) == (0, [0.1])
    _, twin = copy.deepcopy((optimizer, again))
    go(twin.optimizer, twin, 3)
    assert ScheduleLR(twin.optimizer, schedule).last_epoch == 0


def test_a_retired_one_keeps_what_the_later_does_not_take():
    optimizer = made(weight_decay=0.5)
    first = ScheduleLR(optimizer, LINEAR, Target(LINEAR, "weight_decay"), count_updates=True)
    second = ScheduleLR(optimizer, Constant(1.0), count_updates=True)
    update(optimizer)
    assert (rates(optimizer), optimizer.param_groups[0]["weight_decay"]) == ([0.1], 0.5 * LINEAR(1))
    assert (first.last_epoch, second.last_epoch) == (1, 1)
    one, other = made(), made(3e-4)
    both = ScheduleLR([one, other], LINEAR, count_updates=True)
    alone = ScheduleLR(other, Constant(1.0), count_updates=True)
    update(one)
    update(other)
    assert (rates(one), rates(other), both.last_epoch) == ([0.1 * LINEAR(1)], [3e-4], 1)
    assert alone.last_epoch == 1


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s.step_to(3),
        lambda s: s.observe(1.0),
        lambda s: s.set_base_lr(0.2),
        lambda s: s.load_state_dict(s.state_dict()),
    ],
)
def test_a_retired_one_sets_nothing_any_more(use):
    optimizer = made()
    first = ScheduleLR(optimizer, LINEAR, count_updates=True)
    second = ScheduleLR(optimizer, LINEAR, count_updates=True)
    assert second.last_epoch == 0
    with pytest.raises(RuntimeError, match="a later one counts for the same optimizer; use that one"):
        use(first)
    assert rates(optimizer) == [0.1]


def test_a_rate_set_by_hand_where_torch_had_a_scheduler_is_said_at_the_first_step():
    optimizer = made()
    lr_scheduler.StepLR(optimizer, 5)
    ScheduleLR(optimizer, LINEAR)
    optimizer.param_groups[0]["lr"] = 0.01
    scheduler = ScheduleLR(optimizer, LINEAR)
    update(optimizer)
    with pytest.warns(
        UserWarning, match="'lr' of group 0 is 0.01, and 'initial_lr', left by another scheduler, is 0.1"
    ):
        scheduler.step()


def test_in_a_sequence_there_is_nothing_to_say():
    optimizer = made()
    parts = [lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5), ScheduleLR(optimizer, LINEAR)]
    go(optimizer, lr_scheduler.SequentialLR(optimizer, parts, milestones=[5]), 20)


# Groups and numbers of every kind


def test_a_base_out_of_proportion_is_said():
    optimizer = made()
    scheduler = ScheduleLR(optimizer, Ramp(0.0, 1.0, 1000))
    go(optimizer, scheduler)
    optimizer.add_param_group({"params": parameters(), "lr": 0.1})
    update(optimizer)
    with pytest.warns(
        UserWarning, match=r"'lr' of group 1 was set to 0.1 while the factor is 0.001, so its base becom"
    ):
        scheduler.step()
    optimizer = made()
    scheduler = ScheduleLR(optimizer, Ramp(1.0, 0.0, 1000), last_epoch=998)
    optimizer.param_groups[0]["lr"] = 0.05
    with pytest.warns(UserWarning, match=r"so its base becomes 50; if 0.05 is the base, call set_base_lr\(0.05\)"):
        scheduler.step()


@pytest.mark.parametrize("rate", [np.float32(0.5), np.float64(0.5), 1, torch.tensor(0.5), torch.tensor([0.5])])
def test_a_rate_of_any_kind_of_number_is_taken_when_made_loaded_and_set(rate):
    optimizer, again_given = made(), copy.deepcopy(rate)
    optimizer.param_groups[0]["lr"] = rate
    scheduler = ScheduleLR(optimizer, LINEAR)
    assert go(optimizer, scheduler) == [pytest.approx(float(again_given) * LINEAR(1))]
    base = float(again_given) / LINEAR(1)
    optimizer.param_groups[0]["lr"] = again_given
    again = made()
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert ScheduleLR(again, LINEAR, last_epoch=0).base_lrs == [pytest.approx(base)]
    assert go(optimizer, scheduler) == [pytest.approx(base * LINEAR(2))]


def test_a_tensor_of_inference_mode_can_be_written():
    with torch.inference_mode():
        rate = torch.tensor(0.1)
    optimizer = made(rate)
    assert go(optimizer, ScheduleLR(optimizer, LINEAR), 10) == [pytest.approx(0.05)]


def test_one_tensor_that_two_optimizers_share_becomes_one_each():
    shared = torch.tensor(0.1)
    one, other = (torch.optim.SGD(parameters(), lr=shared) for _ in range(2))
    scheduler = ScheduleLR([one, other], LINEAR, last_epoch=9)
    scheduler.set_base_lr(0.2, group=1)
    assert (rates(one), rates(other)) == ([pytest.approx(0.05)], [pytest.approx(0.1)])


def test_float_and_tensor_rates_are_the_same_base():
    for saved_tensor, here_tensor in ((True, False), (False, True)):
        first = made(torch.tensor(0.1) if saved_tensor else 0.1)
        state = ScheduleLR(first, LINEAR, last_epoch=3).state_dict()
        second = made(torch.tensor(0.1) if here_tensor else 0.1)
        ScheduleLR(second, LINEAR).load_state_dict(state)
        assert rates(second) == [pytest.approx(0.08)]


def test_the_base_rates_are_those_of_all_targets_and_groups_without_a_rate_have_none():
    optimizer = made(0.1, 0.1)
    scheduler = ScheduleLR(optimizer, Target(LINEAR, groups=0), Target(Absolute(LINEAR), groups=1), last_epoch=9)
    assert scheduler.base_lrs == [0.1, 0.1]
    scheduler.set_base_lr(0.4, group=0)
    assert rates(optimizer) == [0.2, 0.5]
    with pytest.raises(ValueError, match="group must be one with a schedule for 'lr', got 1; known: 0"):
        scheduler.set_base_lr(0.4, group=1)
    bare = made(weight_decay=0.5)
    del bare.param_groups[0]["lr"]
    without = ScheduleLR(bare, Target(LINEAR, "weight_decay"), last_epoch=9)
    assert (without.get_last_lr(), without.base_lrs, bare.param_groups[0]["weight_decay"]) == ([None], [None], 0.25)


def test_numbers_of_groups_of_one_name_are_told_by_place():
    groups = [{"params": parameters(), "lr": rate, "name": "same"} for rate in (0.1, 0.2)]
    assert ScheduleLR(torch.optim.SGD(groups), LINEAR).values() == {"lr/0": 0.1, "lr/1": 0.2}


def test_saved_groups_in_a_circle_find_their_places():
    def of(*names):
        return torch.optim.SGD(
            [{"params": parameters(), "lr": {"a": 0.1, "b": 0.2, "c": 0.4}[n], "name": n} for n in names]
        )

    state = ScheduleLR(of("a", "b", "c"), LINEAR, last_epoch=9).state_dict()
    moved = of("c", "a", "b")
    ScheduleLR(moved, LINEAR).load_state_dict(state)
    assert rates(moved) == [0.2, 0.05, 0.1]
    with pytest.raises(ValueError, match="the saved groups must be those of this optimizer, got other names or shapes"):
        ScheduleLR(of("b", "c", "a"), LINEAR).load_state_dict(
            {**state, "groups": [{**marks, "name": name} for marks, name in zip(state["groups"], "abx", strict=True)]}
        )


def test_a_group_is_known_by_its_parameters_though_its_list_be_new():
    optimizer = made(0.1, 0.2)
    scheduler = ScheduleLR(optimizer, LINEAR)
    go(optimizer, scheduler, 4)
    optimizer.param_groups = [{**group, "params": list(group["params"])} for group in reversed(optimizer.param_groups)]
    assert go(optimizer, scheduler) == [0.2 * LINEAR(5), 0.1 * LINEAR(5)]


def test_another_optimizer_may_take_the_place_of_the_first():
    first = made()
    scheduler = ScheduleLR(first, LINEAR, count_updates=True)
    second = torch.optim.AdamW(first.param_groups[0]["params"], lr=0.3)
    scheduler.optimizer = second
    update(second)
    assert (scheduler.last_epoch, rates(second)) == (1, [0.1 * LINEAR(1)])  # the base is that of the parameters
    with pytest.raises(ValueError, match="optimizer must stay as it is where there are several; make a new ScheduleLR"):
        ScheduleLR([first, second], LINEAR).optimizer = first


def test_a_cut_survives_a_longer_training_and_step_asked_by_hand_is_written():
    optimizer = made()
    scheduler = ScheduleLR(optimizer, "linear() * plateau(factor=0.5, patience=0)", horizon=20)
    for loss in (1.0, 2.0):
        scheduler.step(metrics=loss)
    scheduler.extend(40)
    assert rates(optimizer) == [pytest.approx(0.1 * 0.5 * 0.95)]
    scheduler.last_epoch = 20  # as ignite does
    assert scheduler.get_lr() == [pytest.approx(0.1 * 0.5 * 0.5)]


def test_warnings_point_at_the_users_line():
    optimizer = made()
    scheduler = ScheduleLR(optimizer, Target(Absolute(LINEAR)), count_updates=True)
    optimizer.param_groups[0]["lr"] = 5.0
    with pytest.warns(UserWarning, match="must be left to its schedule") as said:
        optimizer.step()
    assert said[0].filename == __file__
    state = ScheduleLR(made(0.7), LINEAR).state_dict()
    with pytest.warns(UserWarning, match=r"the code gave 0.1: call set_base_lr\(0.1\)") as said:
        ScheduleLR(made(), LINEAR).load_state_dict(state)
    assert said[0].filename == __file__
    two = ScheduleLR(made(0.7, 0.2), LINEAR).state_dict()
    with pytest.warns(UserWarning, match=r"the code gave 0.1: call set_base_lr\(0.1, group=0\)"):
        ScheduleLR(made(0.1, 0.2), LINEAR).load_state_dict(two)
    assert scheduler.last_epoch == 1


def test_a_base_that_was_changed_in_mid_run_is_no_other_code():
    optimizer = made()
    scheduler = ScheduleLR(optimizer, LINEAR)
    scheduler.set_base_lr(0.05)
    go(optimizer, scheduler, 4)
    for order in ORDERS:
        again = made()
        states = optimizer.state_dict(), scheduler.state_dict()
        assert go(again, in_order(order, again, lambda o: ScheduleLR(o, LINEAR), states)) == [0.05 * LINEAR(5)]


@pytest.mark.parametrize("make", [ScheduleLR, ControllerLR])
def test_setting_base_rates_wrongly_is_one_clear_line(make):
    scheduler = make(made(), LINEAR)
    with pytest.raises(
        TypeError, match=r"ScheduleLR: base_lrs must be a list of rates, one a group, got 0.1; give a li"
    ):
        scheduler.base_lrs = 0.1
    with pytest.raises(TypeError, match="ScheduleLR: the base value must be a finite number, got 'a'"):
        scheduler.base_lrs[0] = "a"


def test_one_group_set_by_hand_and_another_by_the_call_both_count():
    optimizer = made(0.1, 0.2)
    scheduler = ScheduleLR(optimizer, LINEAR, last_epoch=9)
    optimizer.param_groups[0]["lr"] *= 2
    scheduler.set_base_lr(0.8, group=1)
    assert rates(optimizer) == [0.1, 0.4]


def test_a_number_too_large_for_a_base_is_refused():
    optimizer = made()
    scheduler = ScheduleLR(optimizer, Ramp(1.0, 1e-300, 10), last_epoch=9)
    optimizer.param_groups[0]["lr"] = 1e100
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="'initial_lr' of group 0 must be a finite number, got inf"):
            scheduler.step()


def cut_at(k, horizon=20, text="cosine() * plateau(0.1, patience=0)"):
    """Return the states after a plateau has cut once, and the rate."""
    optimizer = made(kind=torch.optim.AdamW)
    scheduler = ScheduleLR(optimizer, text, horizon=horizon)
    for step in range(k):
        update(optimizer)
        scheduler.step(metrics=1.0 + (step == 1))
    return copy.deepcopy((optimizer.state_dict(), scheduler.state_dict())), rates(optimizer)[0]


def test_a_longer_training_keeps_what_a_controller_has_heard():
    states, rate = cut_at(5)
    assert rate < 0.01
    again = made(kind=torch.optim.AdamW)
    longer = ScheduleLR(again, "cosine() * plateau(0.1, patience=0)", horizon=40, on_mismatch="keep_new")
    again.load_state_dict(states[0])
    longer.load_state_dict(states[1])
    assert rates(again) == [pytest.approx(0.1 * 0.1**4 * Ramp(1.0, 0.0, 40, "cosine")(5), rel=1e-6)]
    other = ScheduleLR(made(), "cosine() * plateau(0.5, patience=3)", horizon=20, on_mismatch="keep_new")
    with pytest.warns(UserWarning, match=r"Plateau\(.*\) was not in the saved schedule, so it begins anew"):
        other.load_state_dict(states[1])


@pytest.mark.parametrize("order", ["OB", "BO"])
@pytest.mark.parametrize("how", [{}, {"last_epoch": 4}])
def test_a_controllers_lost_cut_is_said_in_whichever_order(order, how):
    states, _ = cut_at(5)
    again = made(kind=torch.optim.AdamW)
    build = lambda o: ScheduleLR(o, "cosine() * plateau(0.1, patience=0)", horizon=20, **how)  # noqa: E731
    if order == "BO" and how:
        pytest.skip("nothing was loaded when it was made")
    scheduler = in_order(order, again, build, states)
    update(again)
    with pytest.warns(
        UserWarning, match="does not say what a controller had heard by then; load the scheduler's state"
    ):
        scheduler.step()


@pytest.mark.parametrize("module", [lr_scheduler, drop_in])
@pytest.mark.parametrize("k", [0, 2, 4])
@pytest.mark.parametrize("order", ORDERS)
def test_a_schedule_with_a_horizon_that_waits_for_its_turn_is_resumed(module, k, order):
    def build(optimizer):
        parts = [module.LinearLR(optimizer, 0.1, total_iters=5), ScheduleLR(optimizer, "cosine()", horizon=20)]
        return module.SequentialLR(optimizer, parts, milestones=[5])

    optimizer = made()
    sequence = build(optimizer)
    go(optimizer, sequence, k)
    states = copy.deepcopy((optimizer.state_dict(), sequence.state_dict()))
    expected = [go(optimizer, sequence) for _ in range(12)]
    again = made()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resumed = in_order(order, again, build, states)
        found = [go(again, resumed) for _ in range(12)]
    if not (module is lr_scheduler and order == "OBS"):
        assert found == [pytest.approx(rate) for rate in expected]


def test_a_schedule_that_waits_leaves_the_rates_alone_whatever_is_asked_of_it():
    optimizer = made()
    waiting = ScheduleLR(optimizer, "linear()", horizon=20, count_updates=True)
    parts = [lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5), waiting]
    sequence = lr_scheduler.SequentialLR(optimizer, parts, milestones=[5])
    go(optimizer, sequence, 2)
    before = rates(optimizer)
    waiting.observe(1.0)
    waiting.extend(40)
    waiting.get_lr()
    waiting.set_base_lr(0.2)
    assert rates(optimizer) == before
    go(optimizer, sequence, 3)
    assert rates(optimizer) == [0.2]
    go(optimizer, sequence, 4)
    assert rates(optimizer) == [0.2 * 0.9]


def test_a_group_added_right_after_a_load_goes_on_too():
    states = at_step(8, "linear()", horizon=20)
    for order in ("BO", "OB"):
        again = made(kind=torch.optim.AdamW)
        if order == "BO":
            scheduler = ScheduleLR(again, "linear()", horizon=20)
        again.load_state_dict(copy.deepcopy(states[0]))
        again.add_param_group({"params": parameters(), "lr": 0.01})
        if order == "OB":
            scheduler = ScheduleLR(again, "linear()", horizon=20)
        go(again, scheduler)
        assert (scheduler.last_epoch, rates(again)) == (9, pytest.approx([0.1 * 0.55, 0.01 / 0.6 * 0.55]))


def test_a_copy_takes_a_tensor_rate_that_was_set_since_the_last_write():
    optimizer = made(torch.tensor(0.1))
    scheduler = ScheduleLR(optimizer, LINEAR)
    go(optimizer, scheduler, 4)
    optimizer.param_groups[0]["lr"].fill_(0.05)
    twin_optimizer, twin = copy.deepcopy((optimizer, scheduler))
    assert go(twin_optimizer, twin) == go(optimizer, scheduler) == [pytest.approx(0.05 / LINEAR(4) * LINEAR(5))]


def test_a_base_that_was_removed_in_mid_run_is_found_again():
    optimizer = made()
    scheduler = ScheduleLR(optimizer, LINEAR)
    go(optimizer, scheduler, 4)
    optimizer.param_groups[0].pop("initial_lr")
    assert scheduler.base_lrs == [pytest.approx(0.1)]
    optimizer.param_groups[0].pop("initial_lr")
    assert go(optimizer, scheduler) == [pytest.approx(0.1 * LINEAR(5))]


def test_a_retired_binding_takes_in_no_later_group():
    optimizer = made(weight_decay=0.5)
    first = ScheduleLR(optimizer, LINEAR, Target(LINEAR, "weight_decay"), count_updates=True)
    update(optimizer)
    second = ScheduleLR(optimizer, Constant(1.0), count_updates=True)
    optimizer.add_param_group({"params": parameters(), "lr": 0.5})
    update(optimizer)
    assert (rates(optimizer), first.last_epoch, second.last_epoch) == ([0.1, 0.5], 2, 1)


def test_a_group_added_before_any_update_has_its_own_rate_as_base():
    optimizer = made()
    scheduler = ScheduleLR(optimizer, Ramp(0.1, 1.0, 10))
    optimizer.add_param_group({"params": parameters(), "lr": 0.1})
    assert go(optimizer, scheduler, 10) == [0.1, 0.1]


def test_an_optimizer_that_has_a_state_from_the_start_is_not_trained():
    optimizer = torch.optim.Adagrad(parameters(), lr=0.1)
    ScheduleLR(optimizer, LINEAR, last_epoch=9)
    assert rates(optimizer) == [0.05]


def test_an_optimizer_that_reloaded_its_own_state_when_made_says_nothing():
    optimizer = made()
    optimizer.load_state_dict(optimizer.state_dict())  # as Accelerate's prepare does
    go(optimizer, ScheduleLR(optimizer, LINEAR), 3)
    ScheduleLR(optimizer, LINEAR, last_epoch=9)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_with_a_fused_optimizer_a_run_that_went_on_by_itself_has_nothing_to_say(kind):
    def fused():
        return kind([{"params": parameters(), "lr": 0.1}], lr=0.1, fused=True)

    optimizer = fused()
    go(optimizer, ScheduleLR(optimizer, LINEAR), 4)
    again = fused()
    again.load_state_dict(optimizer.state_dict())
    scheduler = ScheduleLR(again, LINEAR)
    assert go(again, scheduler, 14) == [pytest.approx(0.1 * LINEAR(18))]
    assert len(again._optimizer_step_post_hooks) <= 2, "one waits for an update, one counts them for the doctor"


def test_the_refusal_names_the_key_that_came_without_a_base():
    first = made(kind=torch.optim.AdamW)
    go(first, ScheduleLR(first, LINEAR), 4)
    state = first.state_dict()
    del state["param_groups"][0]["ratesmith_lr_step"]
    again = made(kind=torch.optim.AdamW)
    again.load_state_dict(state)
    with pytest.raises(
        ValueError, match=r"the base of 'weight_decay' must be known .* without 'initial_weight_decay'; "
    ):
        ScheduleLR(again, LINEAR, Target(LINEAR, "weight_decay"), last_epoch=3)


def test_a_state_that_raises_when_it_is_loaded_changes_nothing():
    def rule(step):
        if step == 4:
            raise KeyError("gone")
        return 1.0

    other = ScheduleLR(made(0.7), LINEAR, last_epoch=3)
    optimizer = made()
    scheduler = ScheduleLR(optimizer, 'custom("rule")', horizon=20, functions={"rule": rule}, on_mismatch="keep_new")
    before = copy.deepcopy((optimizer.state_dict()["param_groups"], scheduler.state_dict()))
    with pytest.raises(ValueError, match="it must give a number, got KeyError"):
        scheduler.load_state_dict(other.state_dict())
    assert (optimizer.state_dict()["param_groups"], scheduler.state_dict()) == before


def test_torchs_chain_is_told_from_ours_too():
    chain = lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(made(), 3)])
    with pytest.raises(ValueError, match=r"one of a torch scheduler at step 0: go on with scheduler.step_to\(0\)"):
        ScheduleLR(made(), LINEAR).load_state_dict(chain.state_dict())
