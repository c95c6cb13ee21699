"""A run that is stopped and resumed, for every drop-in and in every order of building and loading."""

import itertools
import math
import types
import warnings

import pytest
import torch
from stepping import rates, through_a_file
from torch.optim import lr_scheduler, swa_utils

from ratesmith import Ramp
from ratesmith.torch import ScheduleLR
from ratesmith.torch import lr_scheduler as ours

theirs = types.SimpleNamespace(**{name: getattr(lr_scheduler, name, swa_utils.SWALR) for name in ours.__all__})

STEPS = 20
STOPS = (1, 4, 7, 9, 13)


def slower(step):
    return 1 / (1 + step)


def falling(step):
    return 0.9 if step % 3 else 0.8


def sequence(module, of, **at):
    parts = [
        module.LinearLR(of, 0.1, total_iters=4),
        module.CosineAnnealingLR(of, 9),
        module.MultiplicativeLR(of, slower),
    ]
    return module.SequentialLR(of, parts, [4, 9], **at)


def chain(module, of, **at):
    return module.ChainedScheduler([module.LinearLR(of, 0.1, total_iters=9, **at), module.StepLR(of, 3, 0.5, **at)], of)


KINDS = {
    "LambdaLR": lambda module, of, **at: module.LambdaLR(of, slower, **at),
    "MultiplicativeLR": lambda module, of, **at: module.MultiplicativeLR(of, falling, **at),
    "StepLR": lambda module, of, **at: module.StepLR(of, 3, 0.5, **at),
    "MultiStepLR": lambda module, of, **at: module.MultiStepLR(of, [4, 9], 0.5, **at),
    "ConstantLR": lambda module, of, **at: module.ConstantLR(of, 0.5, 8, **at),
    "LinearLR": lambda module, of, **at: module.LinearLR(of, 0.1, total_iters=9, **at),
    "ExponentialLR": lambda module, of, **at: module.ExponentialLR(of, 0.9, **at),
    "PolynomialLR": lambda module, of, **at: module.PolynomialLR(of, 15, 2.0, **at),
    "CosineAnnealingLR": lambda module, of, **at: module.CosineAnnealingLR(of, 30, 0.001, **at),
    "CosineAnnealingWarmRestarts": lambda module, of, **at: module.CosineAnnealingWarmRestarts(of, 3, 2, **at),
    "CyclicLR": lambda module, of, **at: module.CyclicLR(of, 0.01, 0.2, 4, 7, "triangular2", **at),
    "OneCycleLR": lambda module, of, **at: module.OneCycleLR(of, 0.5, 30, **at),
    "SWALR": lambda module, of, **at: module.SWALR(of, 0.02, 12, **at),
    "SequentialLR": sequence,
    "ChainedScheduler": chain,
    "ReduceLROnPlateau": lambda module, of, **at: module.ReduceLROnPlateau(of, factor=0.5, patience=1, **at),
}


def started(kind, make, module=ours):
    weights = [torch.nn.Parameter(torch.full((2,), 2.0)) for _ in range(2)]
    of = make([{"params": [weight], "lr": rate} for weight, rate in zip(weights, (0.1, 0.013), strict=True)])
    return weights, of, kind and KINDS[kind](module, of)


def sgd(groups):
    return torch.optim.SGD(groups, momentum=0.9)


def step(of, scheduler):
    for group in of.param_groups:
        group["params"][0].grad = group["params"][0].detach() * 0.1
    of.step()
    scheduler.step(1.0) if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) else scheduler.step()


def numbers(of):
    """Return all that a scheduler sets."""
    return [(float(group["lr"]), group.get("momentum"), group.get("betas")) for group in of.param_groups]


def follow(weights, of, scheduler, steps=STEPS):
    """Return what the scheduler sets, and the weights, before each step and after the last."""
    followed = []
    for at in range(steps + 1):
        followed.append((numbers(of), [weight.tolist() for weight in weights]))
        if at < steps:
            step(of, scheduler)
    return followed


def checkpoint(kind, make, stop, module=ours):
    weights, of, scheduler = started(kind, make, module)
    for _ in range(stop):
        step(of, scheduler)
    return through_a_file([weights, of.state_dict(), scheduler.state_dict()])


def resume(order, kind, make, stop, saved, module=ours):
    """Return weights, optimizer and scheduler of a run that goes on from a checkpoint."""
    values, of_state, state = saved
    weights, of, _ = started(None, make)
    build = KINDS[kind]

    def put_back():
        for weight, value in zip(weights, values, strict=True):
            weight.data.copy_(value)

    if order == "last_epoch":
        of.load_state_dict(of_state)
        scheduler = build(module, of, last_epoch=stop - 1)
    elif order == "load optimizer, build, load scheduler":
        of.load_state_dict(of_state)
        scheduler = build(module, of)
        scheduler.load_state_dict(state)
    elif order == "only the optimizer":
        of.load_state_dict(of_state)
        scheduler = build(module, of)
    else:
        scheduler = build(module, of)
        before = {"two steps, then both": 2, "into the same objects": stop + 3, "the same, scheduler only": stop + 3}
        for _ in range(before.get(order, 0)):
            step(of, scheduler)
        if order == "build, load scheduler, load optimizer":
            scheduler.load_state_dict(state)
        if order not in ("only the scheduler", "the same, scheduler only", "nothing"):
            of.load_state_dict(of_state)
        if order == "step(k)":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # that the number is deprecated
                scheduler.step(stop)
        elif order not in ("build, load scheduler, load optimizer", "nothing"):
            scheduler.load_state_dict(state)
    put_back()
    return weights, of, scheduler


EXACT = (
    "build, load optimizer, load scheduler",
    "build, load scheduler, load optimizer",
    "load optimizer, build, load scheduler",
    "two steps, then both",
    "into the same objects",
)
# docs/torch.md has this table. A number of its own for every class and order: "exact", all of it bit for bit; "rates",
# those bit for bit; "refused"; "new", the rates of a run from the start; "loaded", those of a run whose bases are the
# loaded rates.
OWN = dict.fromkeys(("LambdaLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR", "SequentialLR"), "new")
TABLE = {
    kind: {
        **dict.fromkeys(EXACT, "exact"),
        "only the scheduler": "rates",
        "the same, scheduler only": "rates",
        "last_epoch": "exact",
        "step(k)": "exact",
        "only the optimizer": OWN.get(kind, "loaded"),
        "nothing": "new",
    }
    for kind in KINDS
}
for kind in ("SequentialLR", "ChainedScheduler", "SWALR"):
    TABLE[kind]["step(k)"] = "refused"
TABLE["ReduceLROnPlateau"]["last_epoch"] = "refused"  # it has no such option, as in torch
del TABLE["ReduceLROnPlateau"]["step(k)"]  # its number is the measurement
CELLS = [(kind, order, wanted) for kind, row in TABLE.items() for order, wanted in row.items()]


@pytest.mark.parametrize(("kind", "order", "wanted"), CELLS)
@pytest.mark.parametrize("make", [sgd, torch.optim.AdamW], ids=["sgd", "adamw"])
def test_a_resumed_run_is_what_the_table_says(kind, order, wanted, make):
    whole = follow(*started(kind, make))
    for stop in STOPS:
        saved = checkpoint(kind, make, stop)
        if wanted == "refused":
            with pytest.raises((ValueError, TypeError), match=rf"^{kind}\S* .*(; |unexpected keyword)"):
                resume(order, kind, make, stop, saved)
            continue
        resumed = follow(*resume(order, kind, make, stop, saved), STEPS - stop)
        if wanted == "exact":
            assert resumed == whole[stop:]
        elif wanted == "rates":
            assert [row[0] for row in resumed] == [row[0] for row in whole[stop:]]
        else:
            weights, of, _ = started(None, make)
            if wanted == "loaded":
                for group, loaded in zip(of.param_groups, saved[1]["param_groups"], strict=True):
                    group["lr"] = loaded["lr"]
            fresh = follow(weights, of, KINDS[kind](ours, of), STEPS - stop)
            for (resumed_numbers, _), (fresh_numbers, _) in zip(resumed, fresh, strict=True):
                for a, b in zip(resumed_numbers, fresh_numbers, strict=True):
                    assert a[0] == pytest.approx(b[0], rel=1e-12)
                    assert a[1:] == b[1:]


@pytest.mark.parametrize("order", [*EXACT, "only the scheduler", "the same, scheduler only"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_state_that_torchs_own_class_saved_is_resumed_the_same(kind, order):
    _, of, whole = started(kind, sgd, theirs)
    truth = [numbers(of)]
    for _ in range(STEPS):
        step(of, whole)
        truth.append(numbers(of))
    for stop in STOPS:
        resumed = follow(*resume(order, kind, sgd, stop, checkpoint(kind, sgd, stop, theirs)), STEPS - stop)
        for (row, _), wanted in zip(resumed, truth[stop:], strict=True):
            for a, b in zip(row, wanted, strict=True):
                assert a[0] == pytest.approx(b[0], rel=1e-12)
                assert a[1] == b[1]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("OneCycleLR", "ReduceLROnPlateau")])
def test_built_with_last_epoch_on_a_new_optimizer_it_has_the_rates_of_the_whole_run(kind):
    _, of, whole = started(kind, sgd)
    for at in range(1, 60):
        step(of, whole)
        _, new, _ = started(None, sgd)
        for group in new.param_groups:
            group["initial_lr"] = group["lr"]
        late = KINDS[kind](ours, new, last_epoch=at - 1)
        assert rates(new) == pytest.approx(rates(of), rel=1e-12)
        assert late.get_last_lr() == rates(new)
        step(new, late)
        _, ahead, again = started(kind, sgd)
        for _ in range(at + 1):
            step(ahead, again)
        assert rates(new) == pytest.approx(rates(ahead), rel=1e-12)


def test_built_with_last_epoch_a_one_cycle_needs_what_the_optimizers_state_holds():
    _, of, _ = started(None, sgd)
    for group in of.param_groups:
        group["initial_lr"] = group["lr"]
    with pytest.raises(ValueError, match="OneCycleLR: with last_epoch each group must have its max_lr and min_lr, got"):
        ours.OneCycleLR(of, 0.5, 30, last_epoch=6)


def nested(of, **at):
    first = ours.ChainedScheduler([ours.LinearLR(of, 0.1, total_iters=4, **at), ours.ExponentialLR(of, 0.9, **at)], of)
    inner = [ours.CosineAnnealingWarmRestarts(of, 2, 2), ours.StepLR(of, 2, 0.5)]
    then = ours.SequentialLR(of, inner, [5])
    return ours.SequentialLR(of, [first, then, ours.SWALR(of, 0.02, 5)], [3, 11], **at)


@pytest.mark.parametrize("stop", range(1, 17))
def test_composites_in_composites_are_resumed_by_any_of_the_ways(stop):
    _, of, _ = started(None, sgd)
    whole = nested(of)
    for _ in range(stop):
        step(of, whole)
    saved = through_a_file([of.state_dict(), whole.state_dict()])
    resumed = []
    _, new, _ = started(None, sgd)
    new.load_state_dict(saved[0])
    resumed.append((new, nested(new)))
    resumed[-1][1].load_state_dict(saved[1])
    _, new, _ = started(None, sgd)
    resumed.append((new, nested(new)))
    resumed[-1][1].load_state_dict(saved[1])
    _, new, _ = started(None, sgd)
    new.load_state_dict(saved[0])
    resumed.append((new, nested(new, last_epoch=stop - 1)))
    for _ in range(12):
        for new, scheduler in resumed:
            assert rates(new) == rates(of)
            step(new, scheduler)
        step(of, whole)


def test_a_replayed_composite_has_the_very_state_of_the_whole_run():
    for build, stop in itertools.product((sequence, chain), STOPS):
        _, of, _ = started(None, sgd)
        whole = build(ours, of)
        for _ in range(stop):
            step(of, whole)
        _, new, _ = started(None, sgd)
        for group in new.param_groups:
            group["initial_lr"] = group["lr"]
        assert build(ours, new, last_epoch=stop - 1).state_dict() == whole.state_dict()


def test_a_sequence_replays_schedulers_that_were_built_in_the_middle_themselves():
    def build(of, **at):
        parts = [ours.CosineAnnealingWarmRestarts(of, 3, 2, **at), ours.SWALR(of, 0.02, 5, **at)]
        again = [ours.CosineAnnealingWarmRestarts(of, 2, 2, **at), ours.StepLR(of, 2, 0.5, **at)]
        return ours.SequentialLR(of, [*parts, *again], [5, 9, 14], **at)

    _, of, _ = started(None, sgd)
    whole = build(of)
    for at in range(1, 20):
        step(of, whole)
        _, new, _ = started(None, sgd)
        for group in new.param_groups:
            group["initial_lr"] = group["lr"]
        build(new, last_epoch=at - 1)
        assert rates(new) == rates(of)


def test_a_replay_leaves_the_warning_of_the_order_to_others():
    _, of, _ = started(None, sgd)
    sequence(ours, of, last_epoch=6)
    other = ours.StepLR(of, 3)
    with pytest.warns(UserWarning, match=r"call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        other.step()


def test_a_sequence_and_its_schedulers_must_be_at_one_place():
    _, of, _ = started(None, sgd)
    for group in of.param_groups:
        group["initial_lr"] = group["lr"]
    at_step_6 = [ours.LinearLR(of, 0.1, total_iters=9, last_epoch=5), ours.StepLR(of, 3)]
    with pytest.raises(ValueError, match="SequentialLR: last_epoch must be given where its schedulers have it, got"):
        ours.SequentialLR(of, at_step_6, [10])
    with pytest.raises(
        ValueError, match=r"ChainedScheduler: .* must all be at one step, got steps \[0, 6\]; give each"
    ):
        ours.ChainedScheduler(at_step_6, of)


# Two schedulers on one optimizer, stepped by hand


def test_two_schedulers_stepped_by_hand_are_resumed_together():
    def both(of, **at):
        return [ours.LinearLR(of, 0.1, total_iters=9, **at), ours.ExponentialLR(of, 0.9, **at)]

    _, of, _ = started(None, sgd)
    whole = both(of)
    for stop in range(1, STEPS):
        of.step()
        for scheduler in whole:
            scheduler.step()
        states = [of.state_dict(), *(scheduler.state_dict() for scheduler in whole)]
        saved = through_a_file(states)
        resumed = []
        for order in range(4):
            _, new, _ = started(None, sgd)
            if order in (1, 3):
                new.load_state_dict(saved[0])
            resumed.append((new, both(new, **({"last_epoch": stop - 1} if order == 3 else {}))))
            if order == 0:
                new.load_state_dict(saved[0])
            if order < 3:
                for scheduler, state in zip(resumed[-1][1], saved[1:], strict=True):
                    scheduler.load_state_dict(state)
        _, ahead, _ = started(None, sgd)
        again = both(ahead)
        for _ in range(stop):
            ahead.step()
            for scheduler in again:
                scheduler.step()
        for _ in range(5):
            for new, schedulers in resumed:
                assert rates(new) == pytest.approx(rates(ahead), rel=1e-12)
                new.step()
                for scheduler in schedulers:
                    scheduler.step()
            ahead.step()
            for scheduler in again:
                scheduler.step()


@pytest.mark.parametrize("order", list(itertools.permutations(["optimizer", "warm", "plateau"])))
def test_a_plateau_that_steps_seldom_does_not_bring_an_old_rate_back(order):
    _, of, _ = started(None, sgd)
    warm, plateau = ours.LinearLR(of, 0.1, total_iters=9), ours.ReduceLROnPlateau(of, factor=0.5, patience=0)
    for at in range(1, 8):
        of.step()
        warm.step()
        if at % 3 == 0:
            plateau.step(1.0)
    saved = {"optimizer": of.state_dict(), "warm": warm.state_dict(), "plateau": plateau.state_dict()}
    _, new, _ = started(None, sgd)
    objects = {"optimizer": new, "warm": ours.LinearLR(new, 0.1, total_iters=9)}
    objects["plateau"] = ours.ReduceLROnPlateau(new, factor=0.5, patience=0)
    for name in order:
        objects[name].load_state_dict(through_a_file(saved[name]))
    assert rates(new) == rates(of)


@pytest.mark.parametrize("on", [0, 2, 5])
def test_a_second_schedulers_drop_is_kept_though_a_warm_up_begins_at_the_same_rate(on):
    def both(of):
        return {"warm": ours.LinearLR(of, 0.1, total_iters=3), "drop": ours.StepLR(of, 6, 0.1)}

    def go(of, schedulers, steps):
        for _ in range(steps):
            of.step()
            for scheduler in schedulers.values():
                scheduler.step()

    _, of, _ = started(None, sgd)
    whole = both(of)
    go(of, whole, 6)
    saved = through_a_file({"optimizer": of.state_dict(), **{name: it.state_dict() for name, it in whole.items()}})
    for order in itertools.permutations(saved):
        if order.index("warm") > order.index("drop"):
            continue
        _, new, _ = started(None, sgd)
        objects = {"optimizer": new, **both(new)}
        go(new, {"warm": objects["warm"], "drop": objects["drop"]}, on)
        for name in order:
            objects[name].load_state_dict(saved[name])
        assert rates(new) == pytest.approx([0.01, 0.0013], rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_load_and_more_steps_the_scheduler_alone_is_loaded_again(kind):
    _, of, scheduler = started(kind, sgd)
    of.load_state_dict(of.state_dict())
    for _ in range(7):
        step(of, scheduler)
    state, before = through_a_file(scheduler.state_dict()), numbers(of)
    for _ in range(3):
        step(of, scheduler)
    scheduler.load_state_dict(state)
    assert numbers(of) == before


def test_a_sequence_of_torchs_own_schedulers_is_resumed_the_same():
    def build(of, **at):
        return ours.SequentialLR(of, [lr_scheduler.LinearLR(of, 0.1), lr_scheduler.StepLR(of, 3, 0.5)], [4], **at)

    _, of, _ = started(None, sgd)
    whole = build(of)
    for stop in range(1, 12):
        step(of, whole)
        for order in range(2):
            _, new, _ = started(None, sgd)
            new.load_state_dict(through_a_file(of.state_dict()))
            scheduler = build(new, **({"last_epoch": stop - 1} if order else {}))
            if not order:
                scheduler.load_state_dict(through_a_file(whole.state_dict()))
            assert scheduler.get_last_lr() == rates(new) == rates(of)


# What a load does to rates


@pytest.mark.parametrize("kind", KINDS)
def test_a_load_writes_tensor_rates_in_place_and_keeps_numbers_numbers(kind):
    def tensors(groups):
        return sgd([{**group, "lr": torch.tensor(group["lr"])} for group in groups])

    for saved_by, loaded_by in itertools.product((sgd, tensors), repeat=2):
        _, of, scheduler = started(kind, saved_by)
        for _ in range(7):
            step(of, scheduler)
        _, new, again = started(kind, loaded_by)
        before = [group["lr"] for group in new.param_groups]
        again.load_state_dict(through_a_file(scheduler.state_dict()))
        assert rates(new) == pytest.approx(rates(of), rel=1e-6)
        for group, old in zip(new.param_groups, before, strict=True):
            assert type(group["lr"]) is type(old)
            assert group["lr"] is old or loaded_by is sgd
        step(of, scheduler)
        step(new, again)
        assert rates(new) == pytest.approx(rates(of), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_of_before_the_first_step_is_loaded(kind):
    _, of, scheduler = started(kind, sgd)
    state = through_a_file(scheduler.state_dict())
    _, new, again = started(kind, sgd)
    for _ in range(3):
        step(new, again)
    again.load_state_dict(state)
    assert numbers(new) == numbers(of)
    assert follow([], new, again) == follow([], of, scheduler)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_is_loaded_as_often_as_one_likes_and_is_not_changed(kind):
    _, of, scheduler = started(kind, sgd)
    for _ in range(5):
        step(of, scheduler)
    state = scheduler.state_dict()
    before = through_a_file(state)
    for _ in range(2):
        _, new, again = started(kind, sgd)
        again.load_state_dict(state)
        new.add_param_group({"params": [torch.nn.Parameter(torch.zeros(2))], "lr": 0.02})
        step(new, again)
        assert through_a_file(state) == before


def test_schedulers_share_no_lists_with_a_state_that_they_gave_or_took():
    _, of, _ = started(None, sgd)
    first = ours.MultiStepLR(of, [4, 9])
    state = first.state_dict()
    second = ours.MultiStepLR(of, [4, 9])
    second.load_state_dict(state)
    assert second.base_lrs is not first.base_lrs
    assert second.milestones is not first.milestones
    lambdas = ours.LambdaLR(of, slower)
    state = lambdas.state_dict()
    of.add_param_group({"params": [torch.nn.Parameter(torch.zeros(2))], "lr": 0.02})
    step(of, lambdas)
    assert len(lambdas.base_lrs) == 3
    assert len(state["base_lrs"]) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_without_rates_is_refused_unless_a_plateau_has_not_cut_yet(kind):
    _, _, scheduler = started(kind, sgd)
    state = {name: value for name, value in scheduler.state_dict().items() if name != "_last_lr"}
    if kind == "ReduceLROnPlateau":
        scheduler.load_state_dict(state)
        return
    with pytest.raises(ValueError, match=rf"{kind}: the state must .*, got one without _last_lr, .*; load the optim"):
        scheduler.load_state_dict(state)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_with_a_rate_that_is_no_number_is_refused(kind):
    _, _, scheduler = started(kind, sgd)
    with pytest.raises(ValueError, match=f"{kind}: _last_lr of the state must be a finite number, got nan; give"):
        scheduler.load_state_dict({**scheduler.state_dict(), "_last_lr": [0.1, math.nan]})


SELDOM = {
    "cosine and averaging": (
        lambda o: (ours.CosineAnnealingLR(o, 20), ours.SWALR(o, 0.02, anneal_epochs=3)),
        lambda pair, k: pair[k >= 6].step(),
    ),
    "steps and a plateau": (
        lambda o: (ours.StepLR(o, 5, 0.5), ours.ReduceLROnPlateau(o, factor=0.5, patience=0)),
        lambda pair, k: (pair[0].step(), pair[1].step(1.0) if k % 4 == 3 else None),
    ),
    "ours and a plateau": (
        lambda o: (ScheduleLR(o, Ramp(1.0, 0.0, 20)), ours.ReduceLROnPlateau(o, factor=0.5, patience=0)),
        lambda pair, k: (pair[0].step(), pair[1].step(1.0) if k % 4 == 3 else None),
    ),
}


@pytest.mark.parametrize("case", SELDOM.values(), ids=SELDOM)
@pytest.mark.parametrize("stop", range(1, 12))
@pytest.mark.parametrize("turned", [False, True])
def test_two_of_which_one_steps_more_seldom_are_resumed_after_an_optimizer_that_was_loaded_first(case, stop, turned):
    build, act = case

    def train(of, pair, begin, end):
        seen = []
        for k in range(begin, end):
            of.step()
            act(pair, k)
            seen += rates(of)
        return seen

    _, of, _ = started(None, sgd)
    pair = build(of)
    train(of, pair, 0, stop)
    states = through_a_file((of.state_dict(), *(scheduler.state_dict() for scheduler in pair)))
    expected = train(of, pair, stop, 14)
    _, new, _ = started(None, sgd)
    new.load_state_dict(states[0])
    again = build(new)
    for place in (1, 0) if turned else (0, 1):
        again[place].load_state_dict(states[1 + place])
    assert train(new, again, stop, 14) == pytest.approx(expected, rel=1e-9)
