"""Megatron's schedules as its arguments name them: the same rates and weight decays, or a clear refusal."""

import argparse
import re
import types

import pytest
from golden import agree
from one_file import one_file

from ratesmith import parse
from ratesmith.importers import from_megatron


@pytest.fixture(scope="module")
def theirs():
    names = {
        "megatron": {},
        "megatron_dot_core": {},
        "megatron_dot_core_dot_utils": {"log_single_rank": lambda *_: None},
    }
    return one_file("megatron/core/optimizer_param_scheduler.py", **names)


def groups(theirs, style, updates, batch, **options):
    """Return the rate and weight decay of each update, counted in samples, as Megatron's training loop does."""
    optimizer = types.SimpleNamespace(param_groups=[{}])
    given = {
        "init_lr": 0.0,
        "max_lr": 0.7,
        "min_lr": 0.1,
        "lr_warmup_steps": 0,
        "lr_decay_steps": 50 * batch,
        "start_wd": 0.01,
        "end_wd": 0.01,
        "wd_incr_steps": 60 * batch,
        "wd_incr_style": "constant",
    }
    scheduler = theirs.OptimizerParamScheduler(optimizer, lr_decay_style=style, **{**given, **options})
    found = []
    for _ in range(updates):
        found.append(dict(optimizer.param_groups[0]))
        scheduler.step(batch)
    return found


@pytest.mark.parametrize("warm", [0, 10])
@pytest.mark.parametrize(
    ("style", "tail"),
    [
        ("constant", None),
        ("linear", None),
        ("cosine", None),
        ("inverse-square-root", None),
        *(("WSD", tail) for tail in ("linear", "cosine", "exponential", "minus_sqrt")),
    ],
)
def test_each_style_has_the_same_rates_past_its_end_too(theirs, style, tail, warm):
    wsd = {"wsd_decay_steps": 15 * 8, "lr_wsd_decay_style": tail} if tail else {}
    found = groups(theirs, style, 80, 8, init_lr=0.05, lr_warmup_steps=8 * warm, **wsd)
    given = {"lr": 0.7, "min_lr": 0.1, "lr_warmup_init": 0.05, "lr_decay_style": style, "lr_wsd_decay_style": tail}
    if style == "inverse-square-root" and not warm:
        with pytest.raises(ValueError, match="inverse-square-root must have a warm-up, got none; its fall would"):
            from_megatron({**given, "train_iters": 60})
        return
    iters = {"train_iters": 60, "lr_decay_iters": 50, "lr_warmup_iters": warm, "lr_wsd_decay_iters": 15}
    samples = {name.replace("iters", "samples"): 8 * length for name, length in iters.items()}
    ours = from_megatron({**given, **iters})
    agree(ours, lambda step: found[step]["lr"], 74)
    assert from_megatron(argparse.Namespace(**given, **samples, global_batch_size=8)) == ours
    assert parse(str(ours)).build() == ours


@pytest.mark.parametrize("style", ["linear", "cosine"])
def test_weight_decay_rises_the_same(theirs, style):
    found = groups(theirs, "constant", 80, 1, end_wd=0.4, wd_incr_style=style)
    arguments = {"weight_decay": 0.01, "end_weight_decay": 0.4, "weight_decay_incr_style": style, "train_iters": 60}
    agree(from_megatron(arguments, "weight_decay"), lambda step: found[step]["weight_decay"], 74)
    assert from_megatron({"weight_decay": 0.3, "train_iters": 60}, "weight_decay")(9) == 0.3


def test_a_warm_up_given_as_a_share_is_the_same_schedule():
    given = {"lr": 0.5, "train_iters": 100}
    assert from_megatron({**given, "lr_warmup_fraction": 0.1}) == from_megatron({**given, "lr_warmup_iters": 10})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "lr must be a finite number of at least 0, got None"),
        ({"lr": 1.0}, "train_iters or train_samples must be given, got neither; give one"),
        (
            {"lr": 1.0, "train_iters": 10, "lr_warmup_iters": 10},
            "the warm-up must be shorter than the decay, got 10 and 10",
        ),
        (
            {"lr": 1.0, "train_iters": 10, "lr_decay_style": "step"},
            "lr_decay_style must be one of constant, linear, cosine, inverse-square-root, WSD, got 'step'; choose one",
        ),
        (
            {"lr": 1.0, "train_iters": 10, "lr_warmup_fraction": 0.25},
            "lr_warmup_fraction must give whole updates, got 2.5; give lr_warmup_iters",
        ),
        (
            {"lr": 1.0, "train_samples": 101, "global_batch_size": 10},
            "train_samples must be a multiple of global_batch_size, got 101",
        ),
        ({"lr": 1.0, "train_samples": 100}, "global_batch_size must be a whole number of at least 1, got None"),
        (
            {"lr": 1.0, "train_iters": 10, "lr_decay_style": "WSD"},
            "lr_wsd_decay_iters or lr_wsd_decay_samples must be given",
        ),
        (
            {"lr": 1.0, "train_iters": 10, "lr_decay_style": "WSD", "lr_wsd_decay_iters": 8, "lr_warmup_iters": 4},
            "lr_wsd_decay must lie behind the warm-up, got 8 of 6 updates; shorten it",
        ),
    ],
)
def test_what_has_no_equal_is_refused(given, message):
    with pytest.raises((ValueError, TypeError), match="^from_megatron: .*" + re.escape(message)):
        from_megatron(given)


def test_an_unknown_key_and_a_changing_constant_are_refused():
    with pytest.raises(ValueError, match="from_megatron: key must be one of lr, weight_decay, got 'wd'; choose one"):
        from_megatron({"lr": 1.0, "train_iters": 9}, "wd")
    with pytest.raises(ValueError, match=r"a constant weight decay must not change, got 0.1 and 0.2; choose a style"):
        from_megatron({"start_weight_decay": 0.1, "end_weight_decay": 0.2}, "weight_decay")
