"""ScheduleLR: what it writes, hears, counts, saves and refuses."""

import copy
import io
import itertools
import json
import math
import subprocess
import sys
import zlib

import pytest
import torch

import ratesmith
from ratesmith import Constant, Custom, Exponential, Greedy, Horizon, Milestones, Plateau, Ramp, SpikeGuard, parse
from ratesmith.torch import Absolute, ScheduleLR, Target, apply, tensor_rates

COSINE = Ramp(0.0, 1.0, 3) >> Ramp(1.0, 0.1, 9, "cosine")


def parameters(*shape):
    return [torch.nn.Parameter(torch.ones(*shape or (2,)))]


def sgd(*rates, kind=torch.optim.SGD, **options):
    groups = [{"params": parameters(), "lr": rate, "name": f"group {i}"} for i, rate in enumerate(rates)]
    return kind(groups, lr=0.1, **options)


def rates(optimizer, key="lr"):
    return [group[key] for group in optimizer.param_groups]


def update(optimizer):
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = torch.ones_like(weight)
    optimizer.step()


def test_each_groups_own_rate_is_multiplied():
    optimizer = sgd(0.1, 0.5)
    scheduler = ScheduleLR(optimizer, COSINE)
    for step in range(15):
        assert rates(optimizer) == [0.1 * COSINE(step), 0.5 * COSINE(step)]
        assert scheduler.get_last_lr() == scheduler._last_lr == rates(optimizer)
        assert scheduler.last_epoch == step
        assert scheduler.base_lrs == [0.1, 0.5]
        update(optimizer)
        scheduler.step()


def test_it_is_one_of_torchs_schedulers_and_leaves_the_optimizer_as_it_is():
    optimizer = sgd(0.1, momentum=0.9)
    before = dict(optimizer.param_groups[0])
    scheduler = ScheduleLR(optimizer, Constant(0.5))
    kept = {"lr": 0.05, "initial_lr": 0.1, "ratesmith_lr_given": 0.1}
    schedule = {"ratesmith_lr_base": 0.1, "ratesmith_lr_schedule": zlib.crc32(str(Constant(0.5)).encode())}
    last = {"ratesmith_lr_step": 0, "ratesmith_lr_factor": 0.5}
    assert isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler)
    assert optimizer.param_groups[0] == {**before, **kept, **schedule, **last}
    assert "step" not in vars(optimizer)


def test_notation_whose_lengths_are_steps_needs_no_horizon():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = ScheduleLR(optimizer, "warmup(2) >> step(2)")
    rates = []
    for _ in range(7):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([0, 0.5, 1, 1, 0.1, 0.1, 0.01])


def test_notation_needs_a_horizon_where_its_lengths_do():
    optimizer = sgd(1.0)
    scheduler = ScheduleLR(optimizer, 'warmup("10%") >> cosine()', horizon=100)
    scheduler.step_to(5)
    assert rates(optimizer) == [0.5]
    with pytest.raises(ValueError, match="cosine: it needs the length of training; give a horizon"):
        ScheduleLR(sgd(1.0), "cosine()")


def test_a_text_a_strategy_and_a_value_are_followed_alike():
    for given in ("linear()", parse("linear()"), Ramp(1.0, 0.0, 10), Ramp(1.0, 0.0, 10) * Plateau()):
        optimizer = sgd(1.0)
        ScheduleLR(optimizer, given, horizon=10).step_to(4)
        assert rates(optimizer) == [0.6]


def test_other_keys_and_some_groups_follow_their_own_schedules():
    optimizer = sgd(0.1, 0.2, 0.3, kind=torch.optim.AdamW, betas=(0.8, 0.99), weight_decay=0.5, eps=1e-8)
    half = Constant(0.5)
    scheduler = ScheduleLR(
        optimizer,
        Target(half, groups=[0, "group 2"]),
        Target(Absolute(Ramp(0.8, 0.9, 10)), key="betas[0]"),
        Target(half, key="weight_decay", groups=lambda group: group["lr"] > 0.15),
        Target(Constant(10.0), key="eps", groups="group 1"),
    )
    scheduler.step_to(5)
    assert rates(optimizer) == [0.05, 0.2, 0.15]
    assert rates(optimizer, "betas") == [(pytest.approx(0.85), 0.99)] * 3
    assert rates(optimizer, "weight_decay") == [0.5, 0.25, 0.25]
    assert rates(optimizer, "eps") == [1e-8, 1e-7, 1e-8]
    assert scheduler.base_lrs == [0.1, 0.2, 0.3]


def test_momentum_that_is_off_stays_off():
    optimizer = torch.optim.SGD([{"params": parameters()}, {"params": parameters(), "momentum": 0.9}], lr=0.1)
    ScheduleLR(optimizer, Target(Absolute(Constant(0.95)), key="momentum"))
    assert rates(optimizer, "momentum") == [0, 0.95]


def test_setting_the_step_twice_does_no_harm():
    optimizer = sgd(0.1)
    scheduler = ScheduleLR(optimizer, COSINE)
    for _ in range(3):
        scheduler.step_to(6)
        assert rates(optimizer) == [0.1 * COSINE(6)]
    scheduler.step(2)
    assert rates(optimizer) == [0.1 * COSINE(2)]
    scheduler.last_epoch += 1  # as ignite does
    assert scheduler.get_lr() == [0.1 * COSINE(3)]


def test_it_can_count_the_updates_that_were_made():
    optimizer = sgd(0.1)
    scheduler = ScheduleLR(optimizer, COSINE, count_updates=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for batch, gradient in enumerate([1.0, math.inf, 1.0, 1.0], 1):
        weight = optimizer.param_groups[0]["params"][0]
        optimizer.zero_grad()
        scaler.scale((weight * gradient).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        assert scheduler.last_epoch == batch - (batch > 1)  # the update with infinite gradients was skipped
    assert rates(optimizer) == [0.1 * COSINE(3)]


def test_controllers_hear_a_number_or_named_metrics():
    optimizer = sgd(1.0)
    scheduler = ScheduleLR(optimizer, Ramp(1.0, 0.0, 10) * Plateau(0.5, patience=0))
    scheduler.step(metrics=1.0)
    scheduler.step(metrics={"loss": torch.tensor(1.0), "accuracy": 0.5})
    assert rates(optimizer) == [0.5 * 0.8]
    assert scheduler.why == "plateau: loss had not improved for 1 measurement, best 1; rate cut to 0.5"
    scheduler.observe(1.0)
    assert rates(optimizer) == [0.25 * 0.8]
    both = ScheduleLR(sgd(1.0), Plateau(metric="loss") * Plateau(metric="f1", mode="max"))
    with pytest.raises(ValueError, match=r"metrics must be given by name, got 1.0 for f1 and loss; give a dict"):
        both.step(metrics=1.0)
    with pytest.raises(ValueError, match="Plateau: metric must be one that is measured, got 'f1'; measured: 'loss'"):
        both.step(metrics={"loss": 1.0})
    ScheduleLR(sgd(1.0), COSINE).step(metrics=1.0)  # a schedule hears nothing


# Resume

SCHEDULES = [
    *("constant()", "step(3)", 'multistep(["25%", "50%"])', "exponential(0.8)", "cosine()", "linear(final=0.1)"),
    *("polynomial(2)", "rex()", "inverse_time(0.5)", "inverse_sqrt(3)", "wsd(warmup=2, decay=4)", "sgdr(3, growth=2)"),
    *("one_cycle()", 'warmup("25%") >> cosine()', "cyclic(2)", "tanh()", "trapezoidal()", "hold(cosine(), 3)"),
    "0.1 + 0.9 * cosine_restarts(2)",
    "warmup(2) * plateau(factor=0.5, patience=1) * spike_guard(recover=3, settle=2)",
    "step(4) * greedy(factor=0.5, patience=0)",
    "piecewise_linear([0, 5, 12], [0, 1, 0.1])",
]
LOSSES = [1.0, 0.9, 0.95, 0.96, 5.0, 0.8, math.nan, 0.7, 0.7, 0.7, 0.7, 0.6]
STEPS = len(LOSSES)
ORDERS = ["build optimizer scheduler", "build scheduler optimizer", "optimizer build scheduler", "build scheduler"]


def made(text, optimizer):
    return ScheduleLR(optimizer, text, Target(Absolute("linear()"), key="weight_decay"), horizon=STEPS)


def run(optimizer, scheduler, begin, end):
    found = []
    for step in range(begin, end):
        found.append([*rates(optimizer), *rates(optimizer, "weight_decay")])
        update(optimizer)
        scheduler.step(metrics=LOSSES[step])
    return found


@pytest.mark.parametrize("text", SCHEDULES)
def test_a_run_stopped_anywhere_goes_on_to_the_last_bit_however_it_is_put_together(text):
    optimizer = sgd(0.1, 0.3)
    whole = run(optimizer, made(text, optimizer), 0, STEPS)
    for k in range(STEPS + 1):
        optimizer = sgd(0.1, 0.3)
        scheduler = made(text, optimizer)
        run(optimizer, scheduler, 0, k)
        file = io.BytesIO()
        torch.save({"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}, file)
        for order in ORDERS:
            file.seek(0)
            saved = torch.load(file, weights_only=True)
            optimizer = sgd(0.1, 0.3)
            for what in order.split():
                if what == "build":
                    scheduler = made(text, optimizer)
                elif what == "optimizer":
                    optimizer.load_state_dict(saved["optimizer"])
                else:
                    scheduler.load_state_dict(saved["scheduler"])
            assert run(optimizer, scheduler, k, STEPS) == whole[k:], (k, order)


def test_the_state_is_small_plain_and_its_own_copy():
    optimizer = sgd(0.1, 0.3)
    scheduler = ScheduleLR(optimizer, COSINE * Plateau(patience=1))
    scheduler.step(metrics=1.0)
    state = scheduler.state_dict()
    [marks] = state["groups"][:1]
    assert (marks["name"], len(marks["shapes"])) == ("group 0", 16)
    assert {**state, "groups": None} == {
        "format": 2,
        "updates": 1,
        "horizon": None,
        "groups": None,
        "bindings": [
            {
                "key": "lr",
                "schedule": '(Ramp(0.0, 1.0, 3) >> Ramp(1.0, 0.1, 9, shape="cosine")) * Plateau(patience=1)',
                "absolute": False,
                "state": [[], [0, 1.0, 0, 0, 0, []]],
                "base": [0.1, 0.3],
                "value": [0.1 * COSINE(1), 0.3 * COSINE(1)],
                "written": [0.1 * COSINE(1), 0.3 * COSINE(1)],
                "given": [0.1, 0.3],
            }
        ],
    }
    assert json.loads(json.dumps(state)) == state
    before = copy.deepcopy(state)
    scheduler.step(metrics=2.0)
    assert state == before


def saved_after(steps, schedule, *base):
    optimizer = sgd(*base or (0.1,))
    scheduler = ScheduleLR(optimizer, schedule)
    scheduler.step_to(steps)
    return scheduler.state_dict()


def test_another_schedule_is_refused_with_the_difference_and_a_choice():
    state = saved_after(4, COSINE)
    optimizer = sgd(0.1)
    scheduler = ScheduleLR(optimizer, Ramp(1.0, 0.0, 50))
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is compared below
        scheduler.load_state_dict(state)
    assert str(caught.value) == (
        "ScheduleLR: the saved state must fit this scheduler, got a difference:\n"
        '  lr schedule: saved Ramp(0.0, 1.0, 3) >> Ramp(1.0, 0.1, 9, shape="cosine")\n'
        "     schedule: here  Ramp(1.0, 0.0, 50)\n"
        "give on_mismatch='keep_new' to go on with the new schedule, or 'use_saved' to go on with the saved one"
    )
    assert (scheduler.last_epoch, rates(optimizer)) == (0, [0.1])
    scheduler.load_state_dict(state, on_mismatch="keep_new")
    assert rates(optimizer) == [0.1 * Ramp(1.0, 0.0, 50)(4)]
    scheduler.load_state_dict(state, on_mismatch="use_saved")
    assert rates(optimizer) == [0.1 * COSINE(4)]
    scheduler.step()
    assert rates(optimizer) == [0.1 * COSINE(5)]
    assert ScheduleLR(sgd(0.1), Constant(1.0), on_mismatch="use_saved").load_state_dict(state) is None


def test_a_resumed_run_can_be_made_longer():
    optimizer = sgd(1.0)
    scheduler = ScheduleLR(optimizer, "warmup(2) >> linear()", horizon=12)
    scheduler.step_to(7)
    assert rates(optimizer) == [0.5]
    scheduler.extend(22)
    assert rates(optimizer) == [0.75]
    scheduler.step_to(22)
    assert rates(optimizer) == [0.0]
    with pytest.raises(
        ValueError, match="ScheduleLR: extend needs a schedule given as notation with its horizon, got a va"
    ):
        ScheduleLR(sgd(1.0), COSINE).extend(50)
    resumed = ScheduleLR(sgd(1.0), "linear()", horizon=40, on_mismatch="keep_new")
    old = ScheduleLR(sgd(1.0), "linear()", horizon=20)
    old.step_to(20)
    resumed.load_state_dict(old.state_dict())
    assert resumed.get_last_lr() == [0.5]  # the rate of step 20 of 40, at once


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "the state must be one that ScheduleLR saved, got an empty one; load the state of the same class"),
        (3, "the state must be one that ScheduleLR saved, got int; load such a dict"),
        ({"format": 99}, "the state must be of format 2 or older, got format 99; it is of a newer Ratesmith: install"),
        ({"format": "2"}, "the format of the state must be a whole number of at least 1, got '2'"),
        ({"format": 2, "updates": 1, "x": 0, "y": 0}, "the state must have no unknown keys, got x, y; remove them"),
        ({"format": 2, "updates": 1}, "the state must have bindings, groups, horizon, got none; it is damaged"),
        ({"format": 1, "step": -2, "tracks": []}, "the saved step must be a whole number of at least -1, got -2"),
        ({"format": 1, "step": 1, "tracks": []}, "the saved state must be one of 1 schedules, got 0"),
        (
            {"format": 1, "step": 1, "tracks": [{}]},
            "a saved schedule must have key, schedule, absolute, base, state, got",
        ),
        (
            {"format": 1, "step": 1, "tracks": "x"},
            "a saved schedule must have key, schedule, absolute, base, state, got",
        ),
        (
            {**torch.optim.lr_scheduler.StepLR(sgd(0.1), 3).state_dict(), "last_epoch": 7},
            r"got one of a torch scheduler at step 7: go on with scheduler.step_to\(7\); ratesmith.torch.from_tor",
        ),
        (saved_after(1, COSINE, 0.1, 0.2), r"lr: saved 2 groups, it sets \[0, 1\]; here 1 groups, it sets \[0\]"),
    ],
)
def test_a_state_that_is_none_of_ours_is_refused_and_changes_nothing(state, message):
    optimizer = sgd(0.1)
    scheduler = ScheduleLR(optimizer, COSINE)
    scheduler.step_to(2)
    with pytest.raises((ValueError, TypeError), match=message):
        scheduler.load_state_dict(state, on_mismatch="keep_new")
    assert (scheduler.last_epoch, rates(optimizer)) == (2, [0.1 * COSINE(2)])


def test_a_state_with_one_damaged_part_changes_nothing():
    optimizer = sgd(0.1, kind=torch.optim.AdamW, weight_decay=0.5)
    scheduler = ScheduleLR(optimizer, COSINE, Target(Plateau(), key="weight_decay"))
    scheduler.step_to(4)
    state = scheduler.state_dict()
    scheduler.step_to(2)
    state["bindings"][1]["state"] = ["no"]
    with pytest.raises(ValueError, match=r"^restore: the state must be one of Plateau\(\), got \['no'\]"):
        scheduler.load_state_dict(state)
    assert (scheduler.last_epoch, rates(optimizer)) == (2, [0.1 * COSINE(2)])


# Tensors


def tensors(*rates, kind=torch.optim.SGD, **options):
    groups = [{"params": parameters(), "lr": torch.tensor(rate)} for rate in rates]
    return kind(groups, lr=torch.tensor(0.1), **options)


def test_tensor_rates_stay_the_same_tensors_through_loading():
    optimizer = tensors(0.1, 0.2)
    cells = rates(optimizer)
    scheduler = ScheduleLR(optimizer, COSINE)
    scheduler.step_to(5)
    assert [cell.item() for cell in cells] == pytest.approx([0.1 * COSINE(5), 0.2 * COSINE(5)], rel=1e-7)
    state = scheduler.state_dict()
    json.dumps(state)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert optimizer.param_groups[0]["lr"] is not cells[0]
    scheduler.load_state_dict(state)
    assert all(now is cell for now, cell in zip(rates(optimizer), cells, strict=True))
    floats = sgd(0.1, 0.2)
    optimizer.load_state_dict(floats.state_dict())
    scheduler.step()
    assert all(now is cell for now, cell in zip(rates(optimizer), cells, strict=True))
    floats.load_state_dict(optimizer.state_dict())
    other = ScheduleLR(floats, COSINE)
    assert all(isinstance(rate, torch.Tensor) for rate in rates(floats))
    assert other.base_lrs != []


def test_single_precision_rates_do_not_drift():
    optimizer, schedule = tensors(0.1), Exponential(1e-3, every=100_000)
    scheduler = ScheduleLR(optimizer, schedule)
    for _ in range(100_000):
        scheduler.step()
    assert rates(optimizer)[0].item() == pytest.approx(0.1e-3, rel=1e-7)


def test_one_tensor_shared_by_groups_becomes_one_each():
    shared = torch.tensor(1.0)
    optimizer = torch.optim.SGD([{"params": parameters()}, {"params": parameters()}], lr=shared)
    assert optimizer.param_groups[0]["lr"] is optimizer.param_groups[1]["lr"]
    ScheduleLR(optimizer, Target(Constant(0.5), groups=0), Target(Constant(0.25), groups=1))
    assert [rate.item() for rate in rates(optimizer)] == [0.5, 0.25]
    optimizer.add_param_group({"params": parameters()})
    assert [rate.item() for rate in rates(optimizer)] == [0.5, 0.25, 1.0]  # the default is not the scheduled tensor


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler imports what torch deprecates
@pytest.mark.parametrize("schedule", [COSINE, Milestones((5, 9)), COSINE * Plateau(patience=1)], ids=str)
def test_a_compiled_update_is_compiled_once_however_the_rate_changes(schedule):
    torch._dynamo.reset()
    optimizer = sgd(0.1, kind=torch.optim.AdamW)
    tensor_rates(optimizer)
    scheduler = ScheduleLR(optimizer, schedule)
    graphs = []

    def counted(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(optimizer.step, backend=counted)
    for step in range(200):
        for weight in optimizer.param_groups[0]["params"]:
            weight.grad = torch.ones_like(weight)
        compiled()
        scheduler.step(metrics=1.0 / (1 + step))
        if step == 5:
            after_warm_up = len(graphs)
    assert len(graphs) == after_warm_up <= 3


def test_tensor_rates_are_made_on_request_only_and_refuse_foreach():
    optimizer = sgd(0.1, 0.2, kind=torch.optim.Adam)
    ScheduleLR(optimizer, COSINE)
    assert all(type(rate) is float for rate in rates(optimizer))
    tensor_rates(optimizer, betas=True)
    assert all(isinstance(rate, torch.Tensor) for rate in (*rates(optimizer), *optimizer.param_groups[0]["betas"]))
    with pytest.raises(ValueError, match="tensor_rates: foreach must not be asked for, got foreach=True"):
        tensor_rates(sgd(0.1, foreach=True))


# The stateless form, and refusals


def test_apply_sets_the_rate_and_keeps_nothing():
    optimizer = sgd(0.1, 0.2)
    apply(optimizer, 0.5 * COSINE, 3)
    assert rates(optimizer) == [0.5, 0.5]
    apply(optimizer, COSINE, 12, base_lrs=[1.0, 2.0])
    assert rates(optimizer) == [0.1, 0.2]
    tensor = tensors(0.1)
    cell = rates(tensor)[0]
    apply(tensor, COSINE, 3)
    assert rates(tensor)[0] is cell
    with pytest.raises(ValueError, match="apply: base_lrs must be one number a group, got 1 for 2 groups"):
        apply(optimizer, COSINE, 3, base_lrs=[1.0])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: ScheduleLR(3, COSINE),
            "ScheduleLR: optimizer must be a torch.optim.Optimizer, or a list of some, got int",
        ),
        (
            lambda: ScheduleLR(sgd(0.1), 3),
            "ScheduleLR: a schedule, controller or notation must be given, got 3; give one",
        ),
        (lambda: ScheduleLR(sgd(0.1), "cosin()"), "Notation: there is no strategy 'cosin'"),
        (lambda: ScheduleLR(sgd(0.1), COSINE, COSINE), "ScheduleLR: further schedules must be Targets, got Sequence"),
        (
            lambda: ScheduleLR(sgd(0.1), COSINE, Target(COSINE)),
            "ScheduleLR: 'lr' of group 0 must have one schedule, got two",
        ),
        (
            lambda: ScheduleLR(sgd(0.1), Target(COSINE, key="betas[0]")),
            "ScheduleLR: group 0 must have the key 'betas', got dampening, differentiable,",
        ),
        (
            lambda: ScheduleLR(sgd(0.1, kind=torch.optim.Adam), Target(COSINE, key="betas")),
            "ScheduleLR: 'betas' of group 0 must be one number, got (0.9, 0.999); write 'betas', or 'betas[0]' for",
        ),
        (
            lambda: ScheduleLR(sgd(0.1), Target(COSINE, key="lr[0]")),
            "ScheduleLR: 'lr[0]' of group 0 must be one number, got 0",
        ),
        (
            lambda: ScheduleLR(sgd(0.1, kind=torch.optim.Adam), Target(COSINE, key="betas[2]")),
            "ScheduleLR: 'betas[2]' of group 0 must be one number, got (0.9, 0.999)",
        ),
        (
            lambda: ScheduleLR(sgd(0.1), Target(COSINE, key="nesterov")),
            "ScheduleLR: 'nesterov' of group 0 must be a number",
        ),
        (
            lambda: ScheduleLR(sgd(0.1), Target(COSINE, key="a b")),
            "ScheduleLR: key must be a name such as 'lr' or 'betas[0]'",
        ),
        (
            lambda: ScheduleLR(sgd(0.1), Target(COSINE, groups="head")),
            "ScheduleLR: groups of 'lr' must be among the optimizer",
        ),
        (
            lambda: ScheduleLR(sgd(0.1), Target(COSINE, groups=0.5)),
            "ScheduleLR: groups must be places, names or a function",
        ),
        (
            lambda: ScheduleLR(sgd(0.1), COSINE, on_mismatch="ask"),
            "ScheduleLR: on_mismatch must be one of 'error', 'keep_new'",
        ),
        (
            lambda: ScheduleLR(sgd(0.1), COSINE).step_to(-1),
            "ScheduleLR: step must be a whole number of at least 0, got -1",
        ),
        (
            lambda: ScheduleLR(sgd(0.1), COSINE).step(1.5),
            "ScheduleLR: a measurement must be given as step(metrics=1.5), got step(1.5)",
        ),
        (
            lambda: ScheduleLR(sgd(0.1), Plateau()).step(metrics="low"),
            "ScheduleLR: metrics must be one number, got 'low'",
        ),
    ],
)
def test_a_mistake_is_refused_with_one_message(build, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        build()
    assert str(caught.value).startswith(message)


RANK = """
import math, os, sys, torch
from ratesmith import Greedy, Plateau, SpikeGuard
from ratesmith.torch import ScheduleLR
rank = int(sys.argv[1])
torch.distributed.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
found = []
for controller in (Plateau(0.5, patience=0), Greedy(0.5, patience=0), SpikeGuard(settle=2)):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = ScheduleLR(optimizer, controller)
    for step in range(12):
        own = 1 / (1 + step) + rank * step % 3
        own = math.nan if step == 5 and rank else math.inf if step == 7 and not rank else own
        scheduler.step(metrics=own)
        found.append(optimizer.param_groups[0]["lr"])
heard = ScheduleLR(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), Plateau())
heard.step(metrics={"loss": 1.0 + 2.0 * rank})
print(heard.state_dict()["bindings"][0]["state"][1], *found, flush=True)
torch.distributed.barrier()
os._exit(0)  # gloo's threads may still be closing, which is none of ours
"""


def test_ranks_that_measure_different_losses_end_with_the_same_rate(tmp_path):
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), str(tmp_path / "meet")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], outputs
    first, second = (out.split() for out, _ in outputs)
    assert first == second
    assert first[0] == "2.0"  # the mean of 1 and 3
    assert len(set(first)) > 3


def rule(factor):
    return Custom(lambda step: factor / (1 + step))


def test_a_lambda_of_the_same_code_goes_on_and_another_is_refused():
    saved = json.loads(json.dumps(ScheduleLR(sgd(0.1), rule(2.0)).state_dict()))
    ScheduleLR(sgd(0.1), rule(2.0)).load_state_dict(saved)
    differs = (
        "(?s)got a difference:\n  lr function <lambda>: what it does here is not what was saved\ngive on_mismatch='kee"
    )
    for other in (rule(3.0), Custom(lambda step: 2.0), Custom(lambda step: 2.0 / (2 + step))):
        for choice in ("error", "use_saved"):
            with pytest.raises(ValueError, match=differs):
                ScheduleLR(sgd(0.1), other).load_state_dict(saved, on_mismatch=choice)
    new = ScheduleLR(sgd(0.1), rule(3.0))
    new.load_state_dict(saved, on_mismatch="keep_new")
    assert new.get_last_lr() == [pytest.approx(0.3)]
    saved["bindings"][0]["functions"]["<lambda>"] = "cpython-2.7 0123"
    ScheduleLR(sgd(0.1), rule(3.0)).load_state_dict(saved)  # another Python's code can't be compared
    del saved["bindings"][0]["functions"]
    ScheduleLR(sgd(0.1), rule(3.0)).load_state_dict(saved)


def test_a_docstring_is_no_other_function_but_another_default_is():
    def made(text):
        names = {}
        exec(text, names)
        return ScheduleLR(sgd(0.1), Custom(names["rule"]))

    saved = made("def rule(step, *, k=0.5):\n    'one'\n    return k").state_dict()
    made("def rule(step, *, k=0.5):\n    'another'\n    return k").load_state_dict(saved)
    with pytest.raises(ValueError, match="lr function rule: what it does here is not what was saved"):
        made("def rule(step, *, k=0.9):\n    'one'\n    return k").load_state_dict(saved)


def test_a_run_that_went_on_with_the_saved_schedule_is_not_extended_with_the_other():
    saved = ScheduleLR(sgd(0.1), "linear()", horizon=100).state_dict()
    scheduler = ScheduleLR(sgd(0.1), "cosine()", horizon=100)
    scheduler.load_state_dict(saved, on_mismatch="use_saved")
    with pytest.raises(ValueError, match="ScheduleLR: extend needs a schedule given as notation with its horizon"):
        scheduler.extend(200)


def test_a_scheduler_is_copied_with_its_optimizer():
    optimizer = sgd(0.1)
    scheduler = ScheduleLR(optimizer, COSINE)
    other_optimizer, other = copy.deepcopy((optimizer, scheduler))
    other.step()
    assert (rates(optimizer), rates(other_optimizer)) == ([0.1 * COSINE(0)], [0.1 * COSINE(1)])


def test_the_numbers_that_it_sets_are_named_for_loggers():
    one = torch.optim.AdamW(parameters(), lr=0.1)
    both = ScheduleLR(one, Constant(0.5), Target(Absolute(Constant(0.8)), "betas[0]"))
    assert both.values() == {"lr": 0.05, "betas[0]": 0.8}
    assert ScheduleLR(sgd(0.1, 0.2), Constant(0.5)).values() == {"lr/group 0": 0.05, "lr/group 1": 0.1}


def test_a_scheduler_made_later_for_the_optimizer_goes_on_from_the_base_values():
    optimizer = sgd(0.1, 0.2)
    first = ScheduleLR(optimizer, COSINE, count_updates=True)
    for _ in range(5):
        update(optimizer)
    del first
    ScheduleLR(optimizer, COSINE, last_epoch=2)
    assert rates(optimizer) == [0.1 * COSINE(3), 0.2 * COSINE(3)]
    again = ScheduleLR(optimizer, COSINE, last_epoch=2, count_updates=True)
    assert again.last_epoch == 3  # the scheduler before did not count
    update(optimizer)
    counting = ScheduleLR(optimizer, COSINE, last_epoch=0, count_updates=True)
    assert counting.last_epoch == 4
    anew = ScheduleLR(optimizer, COSINE)  # without last_epoch it begins at step 0
    assert (anew.last_epoch, anew.base_lrs) == (0, [0.1, 0.2])


@pytest.mark.parametrize("metrics", ["a", [1.0], torch.zeros(2), {"loss": "low"}])
def test_a_measurement_must_be_one_number(metrics):
    name = "loss" if isinstance(metrics, dict) else "metrics"
    with pytest.raises(TypeError, match=f"ScheduleLR: {name} must be one number, got .*; give a measurement such as"):
        ScheduleLR(sgd(0.1), Plateau()).step(metrics=metrics)


def test_every_controller_can_be_written():
    for controller in (Plateau(), Greedy(), SpikeGuard(), parse("cosine() * plateau()").build(Horizon(10))):
        optimizer = sgd(0.1)
        scheduler = ScheduleLR(optimizer, controller)
        for loss, _ in itertools.product([1.0], range(3)):
            scheduler.step(metrics=loss)
        assert all(math.isfinite(rate) for rate in rates(optimizer))


@pytest.mark.parametrize("horizon", [0, -5, 1.5, "10ep", True])
def test_a_horizon_that_cannot_be_is_said_of_the_schedulers_own_option(horizon):
    with pytest.raises((ValueError, TypeError), match=r"^ScheduleLR: horizon must be a whole number of at least 1"):
        ScheduleLR(sgd(0.1), "cosine()", horizon=horizon)


def test_a_scheduler_of_a_trial_follows_it_counts_and_is_refused_for_an_optimizer_with_another_rate():
    trial = ratesmith.get_trial(lr=0.5, schedule="linear()", steps=4)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=trial.lr)
    scheduler = ScheduleLR.from_trial(optimizer, trial)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
    assert rates == [0.5, 0.375, 0.25, 0.125]
    assert scheduler.last_epoch == 4
    trial.report(loss=1.0)  # the step is the scheduler's
    with pytest.raises(ValueError, match=r"must be made with lr=trial.lr, 0.5, got 0.1; write lr=trial.lr"):
        ScheduleLR.from_trial(torch.optim.SGD([weight], lr=0.1), trial)
    groups = [{"params": [weight], "lr": 0.05}, {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.1}]
    assert ScheduleLR.from_trial(torch.optim.SGD(groups), trial).base_lrs == [0.05, 0.1]


def test_what_a_trial_reports_reaches_its_controller():
    trial = ratesmith.get_trial(lr=0.5, schedule="plateau(factor=0.1, patience=0)", steps=4)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=trial.lr)
    ScheduleLR.from_trial(optimizer, trial)
    for loss in (1.0, 2.0):
        optimizer.step()
        trial.report(loss=loss)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


def test_a_scheduler_prints_its_schedules_its_step_and_its_rates():
    optimizer = sgd(0.1, 0.2)
    scheduler = ScheduleLR(optimizer, "cosine()", Target("0.5 * constant()", key="momentum"), horizon=10)
    update(optimizer)
    scheduler.step()
    assert repr(scheduler) == (
        '<ScheduleLR Ramp(1.0, 0.0, 10, shape="cosine"), 0.5 * Constant(steps=10): step 1 of 10, lr 0.09755, 0.1951>'
    )


@pytest.mark.parametrize(
    ("schedule", "horizon", "code"),
    [
        ("step(3)", Horizon(230, steps_per_epoch=23), "RS213"),
        (Target("step(3)", "weight_decay"), 230, "RS213"),
        (parse("step(3)").build(230), None, "RS213"),
        ("warmup(2000) >> cosine()", 100, "RS214"),
    ],
)
def test_lengths_that_do_not_mean_what_people_think_are_said_once_where_it_is_made(schedule, horizon, code):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, weight_decay=0.1)
    with pytest.warns(UserWarning, match=rf"^ScheduleLR: .*\[{code}\]$") as warned:
        scheduler = ScheduleLR(optimizer, schedule, horizon=horizon)
    optimizer.step()
    scheduler.step()  # a warning here would be an error
    assert len(warned) == 1
    assert warned[0].filename == __file__


def test_a_run_inside_its_warmup_trains_on_the_slope_of_the_whole_one():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.warns(UserWarning, match=r"warms up for 2,000 updates, and the run has 100: .* factor of 0.0495\."):
        scheduler = ScheduleLR(optimizer, "warmup(2000) >> cosine()", horizon=100)
    for update in range(100):
        assert optimizer.param_groups[0]["lr"] == update / 2000
        optimizer.step()
        scheduler.step()
