"""The schedules of transformers by their names: the same rates, or a clear refusal."""

import random

import pytest
import torch

from ratesmith import Greedy, Plateau, Ramp, parse
from ratesmith.importers import from_transformers

LR, STEPS = 0.02, 100


def sgd(rate=LR):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def theirs(name, warm, options):
    """Return one of their schedules as a factor of the step; their cosines are held at their end, where they rise."""
    transformers = pytest.importorskip("transformers")
    made = transformers.get_scheduler(name, sgd(), warm, STEPS, scheduler_specific_kwargs=options)
    end = STEPS - (name == "cosine_warmup_with_min_lr") if "cosine" in name else 2 * STEPS
    return lambda step: made.lr_lambdas[0](min(step, end))


def test_every_name_of_theirs_is_taken():
    trainer_utils = pytest.importorskip("transformers.trainer_utils")
    needed = {
        "warmup_stable_decay": {"num_decay_steps": 30},
        "cosine_with_min_lr": {"min_lr": 0.001},
        "cosine_warmup_with_min_lr": {"min_lr": 0.001},
    }
    for name in [each.value for each in trainer_utils.SchedulerType]:
        built = from_transformers(name, 10, STEPS, base_lr=LR, **needed.get(name, {}))
        assert 0 <= built.value(built.init(), 50) <= 1, name


@pytest.mark.filterwarnings("ignore:Both num_training_steps and num_stable_steps")
@pytest.mark.parametrize("warm", [0, 1, 10])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("linear", {}),
        ("cosine", {}),
        ("cosine", {"num_cycles": 1.5}),
        ("cosine", {"num_cycles": 0.3}),
        ("cosine", {"num_cycles": 2}),
        ("cosine", {"num_cycles": 0.0}),
        ("cosine_with_restarts", {}),
        ("cosine_with_restarts", {"num_cycles": 3}),
        ("polynomial", {}),
        ("polynomial", {"power": 2.0}),
        ("polynomial", {"lr_end": 0.001, "power": 0.5}),
        ("constant", {}),
        ("constant_with_warmup", {}),
        ("inverse_sqrt", {}),
        ("inverse_sqrt", {"timescale": 7}),
        ("inverse_sqrt", {"timescale": 400}),
        ("cosine_with_min_lr", {"min_lr": 0.002}),
        ("cosine_with_min_lr", {"min_lr_rate": 0.1}),
        ("cosine_with_min_lr", {"min_lr_rate": 0.1, "num_cycles": 1.5}),
        ("cosine_warmup_with_min_lr", {"min_lr": 0.002}),
        ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1}),
        ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1, "warmup_lr_rate": 0.05}),
        ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.0, "num_cycles": 1.5}),
        ("warmup_stable_decay", {"num_decay_steps": 30}),
        ("warmup_stable_decay", {"num_decay_steps": 30, "min_lr_ratio": 0.1, "decay_type": "1-sqrt"}),
        ("warmup_stable_decay", {"num_decay_steps": 30, "min_lr_ratio": 0.1, "decay_type": "linear"}),
        ("warmup_stable_decay", {"num_decay_steps": 30, "num_stable_steps": 15, "warmup_type": "cosine"}),
        ("warmup_stable_decay", {"num_decay_steps": 30, "warmup_type": "1-sqrt", "num_cycles": 1.5}),
        ("warmup_stable_decay", {"num_decay_steps": 0, "min_lr_ratio": 0.1}),
    ],
)
def test_each_name_with_its_options_gives_the_same_rates_over_one_and_a_half_horizons(name, options, warm):
    other, ours = theirs(name, warm, options), from_transformers(name, warm, STEPS, base_lr=LR, **options)
    for step in range(STEPS + STEPS // 2 + 1):
        assert ours(step) == pytest.approx(other(step), rel=1e-9, abs=1e-11), step
    assert parse(str(ours)).build() == ours


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reduce_lr_on_plateau", {"factor": 0.5, "patience": 2, "min_lr": 0.001, "eps": 0}),
        (
            "reduce_lr_on_plateau",
            {"mode": "max", "factor": 0.5, "patience": 1, "threshold": 0.01, "cooldown": 3, "eps": 0},
        ),
        ("reduce_lr_on_plateau", {"factor": 0.5, "patience": 1, "threshold_mode": "abs", "threshold": 0.05, "eps": 0}),
        ("greedy", {"factor": 0.8, "patience": 2, "min_lr": 0.002, "max_lr": 0.1, "eps": 0}),
        ("greedy", {"factor": 0.8, "patience": 1, "min_lr": 0.002, "eps": 0, "warmup": 2, "reset_start": 5}),
        ("greedy", {"factor": 0.8, "patience": 1, "eps": 0, "smooth": True, "window_size": 4, "cooldown": 1}),
    ],
)
def test_what_listens_to_a_loss_gives_the_same_rates(name, options):
    transformers = pytest.importorskip("transformers")
    optimizer = sgd()
    made = transformers.get_scheduler(name, optimizer, scheduler_specific_kwargs=options)
    ours, chance = from_transformers(name, 0, STEPS, base_lr=LR, **options), random.Random(0)
    state, changes = ours.init(), set()
    for step in range(300):
        loss = 1 / (1 + step / 20) + 0.05 * chance.random()
        made.step(loss)
        state = ours.observe(state, step, {"loss": loss})
        rate = optimizer.param_groups[0]["lr"]
        assert LR * ours.value(state, step) == pytest.approx(rate, rel=1e-9), step
        changes.add(rate)
    assert len(changes) > 3


def test_defaults_are_theirs():
    assert from_transformers("reduce_lr_on_plateau", 0, 100) == Plateau(threshold_mode="torch")
    assert from_transformers("greedy", 0, 100, base_lr=0.01) == Greedy(floor=0.1, ceiling=100.0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (["cosine"], {}, "name must be one of linear, cosine, cosine_with_restarts"),
        ("inverse_sqrt", {"timescale": 0}, "timescale must be a whole number of at least 1, got 0"),
        (
            "warmup_stable_decay",
            {"num_decay_steps": 2, "num_stable_steps": -1},
            "num_stable_steps must be a whole number of at least 0, got -1",
        ),
        (
            "warmup_stable_decay",
            {"num_decay_steps": 2, "min_lr_ratio": -1},
            "min_lr_ratio must be a finite number of at least 0, got -1",
        ),
        ("cosin", {}, "name must be one of linear, cosine, cosine_with_restarts"),
        ("linear", {"q": 1}, "options of 'linear' must be among none, got 'q'; drop it"),
        ("cosine", {"min_lr": 1}, "options of 'cosine' must be among num_cycles, got 'min_lr'; drop it"),
        ("cosine", {"last_epoch": 3}, "got 'last_epoch'; a schedule has no state: give last_epoch to ScheduleLR"),
        ("polynomial", {}, "lr_end of 'polynomial', 1e-07, is a rate; give the optimizer's as base_lr="),
        ("polynomial", {"lr_end_rate": 0.1}, "got 'lr_end_rate'; give lr_end and base_lr"),
        ("polynomial", {"lr_end": 0.1, "base_lr": 0.05}, "lr_end must be below base_lr, 0.05, got 0.1; give a smaller"),
        ("cosine_with_min_lr", {"min_lr": 0.1}, "min_lr of 'cosine_with_min_lr', 0.1, is a rate; give the optimizer's"),
        ("cosine_with_min_lr", {}, "'cosine_with_min_lr' needs one of min_lr and min_lr_rate, got none; give one"),
        ("cosine_with_min_lr", {"min_lr": 0, "min_lr_rate": 0}, "needs one of min_lr and min_lr_rate, got both; give"),
        ("cosine", {"num_cycles": -1}, "num_cycles must be a finite number of at least 0, got -1"),
        ("cosine_with_restarts", {"num_cycles": 0.5}, "num_cycles must be a whole number of at least 1, got 0.5"),
        ("warmup_stable_decay", {}, "'warmup_stable_decay' needs num_decay_steps, got none; give num_decay_steps="),
        ("warmup_stable_decay", {"num_decay_steps": 95}, "num_decay_steps must leave room in 100 steps with a warmup"),
        (
            "warmup_stable_decay",
            {"num_decay_steps": 5, "decay_type": "exp"},
            "decay_type must be 'linear', 'cosine' or",
        ),
        ("greedy", {}, "min_lr of 'greedy', 0.001, is a rate; give the optimizer's as base_lr="),
        ("greedy", {"base_lr": 0.01, "verbose": True}, "got 'verbose'; drop it: summarize(schedule) says what it does"),
        ("reduce_lr_on_plateau", {"eps": 0.1}, "eps must be 1e-08, its default, or 0, got 0.1; drop it: every change"),
        ("greedy", {"base_lr": 0.0}, "base_lr must be above 0, got 0.0; give the optimizer's"),
    ],
)
def test_what_it_cannot_be_is_refused_with_what_to_write_instead(name, options, message):
    with pytest.raises((ValueError, TypeError)) as refused:
        from_transformers(name, 10, 100, **options)
    assert str(refused.value).startswith("from_transformers: ")
    assert message in str(refused.value)


@pytest.mark.filterwarnings("ignore:Both num_training_steps and num_stable_steps")
@pytest.mark.parametrize("steps", [1, 9, 10, 11])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("linear", {}),
        ("cosine", {}),
        ("cosine", {"num_cycles": 1.5}),
        ("cosine_with_restarts", {"num_cycles": 3}),
        ("polynomial", {}),
        ("constant_with_warmup", {}),
        ("inverse_sqrt", {}),
        ("cosine_with_min_lr", {"min_lr": 0.002}),
        ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1}),
        ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1, "warmup_lr_rate": 0.05}),
        ("warmup_stable_decay", {"num_decay_steps": 0}),
        ("warmup_stable_decay", {"num_decay_steps": 3, "num_stable_steps": 4, "min_lr_ratio": 0.1}),
    ],
)
def test_a_training_that_ends_in_its_warm_up_or_one_step_behind_has_the_same_rates(name, options, steps):
    transformers = pytest.importorskip("transformers")
    other = transformers.get_scheduler(name, sgd(), 10, steps, scheduler_specific_kwargs=options).lr_lambdas[0]
    ours = from_transformers(name, 10, steps, base_lr=LR, **options)
    for step in range(steps):
        assert ours(step) == pytest.approx(other(step), rel=1e-9, abs=1e-11), step
    assert parse(str(ours)).build() == ours


def test_a_training_that_ends_in_its_warm_up_leaves_no_room_to_ask_for():
    assert from_transformers("warmup_stable_decay", 10, 5, num_decay_steps=3) == Ramp(0.0, 1.0, 10).take(5)
