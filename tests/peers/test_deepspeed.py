"""DeepSpeed's schedulers as its configuration names them: the same rates, or a clear refusal."""

import logging
import re
import warnings

import pytest
import torch
from golden import agree
from one_file import one_file

from ratesmith import parse
from ratesmith.importers import from_deepspeed

SILENT = logging.getLogger("silent")
SILENT.disabled = True


@pytest.fixture(scope="module")
def theirs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {"deepspeed": {}, "deepspeed_dot_utils": {"logger": SILENT}}
        return one_file("deepspeed/runtime/lr_schedules.py", **names)


def rates(theirs, kind, params, steps, rate=0.3):
    """Return the rate of each update, as its engine makes them: one step of the scheduler after each update."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = getattr(theirs, kind)(optimizer, **params)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    return found


CASES = [
    ("WarmupLR", {"warmup_max_lr": 0.5, "warmup_num_steps": 10}),
    ("WarmupLR", {"warmup_min_lr": 0.1, "warmup_max_lr": 0.5, "warmup_num_steps": 7, "warmup_type": "linear"}),
    ("WarmupLR", {"warmup_num_steps": 1}),
    ("WarmupDecayLR", {"total_num_steps": 40, "warmup_max_lr": 0.5, "warmup_num_steps": 10}),
    (
        "WarmupDecayLR",
        {"total_num_steps": 11, "warmup_min_lr": 0.01, "warmup_num_steps": 10, "warmup_type": "linear"},
    ),
    ("WarmupCosineLR", {"total_num_steps": 40, "warmup_num_steps": 10}),
    (
        "WarmupCosineLR",
        {"total_num_steps": 40, "warmup_min_ratio": 0.2, "warmup_num_steps": 9, "warmup_type": "linear"},
    ),
    ("WarmupCosineLR", {"total_num_steps": 11, "warmup_num_steps": 10, "cos_min_ratio": 0.1}),
    ("OneCycle", {"cycle_min_lr": 0.1, "cycle_max_lr": 1.0, "cycle_first_step_size": 9}),
    (
        "OneCycle",
        {
            "cycle_min_lr": [0.1],
            "cycle_max_lr": 1.0,
            "cycle_first_step_size": 8,
            "cycle_second_step_size": 16,
            "decay_step_size": 3,
            "decay_lr_rate": 0.5,
        },
    ),
]


@pytest.mark.parametrize(("kind", "params"), CASES)
def test_each_scheduler_has_the_same_rates_past_its_end_too(theirs, kind, params):
    config = {"optimizer": {"type": "Adam", "params": {"lr": 0.3}}, "scheduler": {"type": kind, "params": params}}
    ours = from_deepspeed(config)
    agree(ours, rates(theirs, kind, params, 80).__getitem__, 74)
    assert parse(str(ours)).build() == ours


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {},
            "scheduler.type must be one of WarmupLR, WarmupDecayLR, WarmupCosineLR, OneCycle, got None; give the whole",
        ),
        ({"scheduler": {"type": "LRRangeTest"}}, "got 'LRRangeTest'; give the whole configuration, with one of these"),
        (
            {"scheduler": {"type": "WarmupLR", "params": {"warmup": 3}}},
            "params of WarmupLR must be among warmup_min_lr, warmup_max_lr, warmup_num_steps, warmup_type, got",
        ),
        (
            {"scheduler": {"type": "WarmupLR", "params": {"warmup_max_lr": "auto"}}},
            "warmup_max_lr must be a finite number of at least 0, got 'auto'",
        ),
        (
            {"scheduler": {"type": "WarmupLR", "params": {"warmup_max_lr": [0.1, 0.2]}}},
            "warmup_max_lr must be the same for all groups, got [0.1, 0.2]; make one Target for each group",
        ),
        ({"scheduler": {"type": "WarmupLR"}}, "optimizer.params.lr must be a finite number, got None"),
        (
            {"scheduler": {"type": "WarmupDecayLR", "params": {"total_num_steps": 5, "warmup_num_steps": 5}}},
            "total_num_steps must be above warmup_num_steps, got 5 and 5; mend one",
        ),
        (
            {"scheduler": {"type": "WarmupDecayLR"}},
            "total_num_steps must be a whole number of at least 1, got None",
        ),
        (
            {"scheduler": {"type": "OneCycle", "params": {"cycle_first_stair_count": 3}}},
            "cycle_first_stair_count must be 0, got 3; stairs have no equal",
        ),
        (
            {"scheduler": {"type": "WarmupLR", "params": {"warmup_max_lr": 1.0, "warmup_type": "cubic"}}},
            "warmup_type must be one of log, linear, got 'cubic'; choose one",
        ),
    ],
)
def test_what_has_no_equal_is_refused(config, message):
    with pytest.raises((ValueError, TypeError), match="^from_deepspeed: .*" + re.escape(message)):
        from_deepspeed(config)
