"""Values of timm and ignite: sets of options of our choice, each as notation; the installed library says the values."""

import pytest
import torch
from timm_alone import timm_scheduler

from ratesmith import parse

T = 60
STEPS = (0, 1, 2, 7, 14, 15, 29, 30, 44, 59)


@pytest.fixture(scope="module")
def scheduler():
    with timm_scheduler() as module:
        yield module


WARM = {"warmup_t": 10, "warmup_lr_init": 0.01, "warmup_prefix": True}
BEFORE = "warmup(10, start=0.01) >> "

TIMM = [
    *[
        (f"cosine(final={low}, k_decay={k})", "CosineLRScheduler", {"t_initial": 60, "lr_min": low, "k_decay": k})
        for low in (0.0, 0.1)
        for k in (0.5, 1.0, 1.5, 3.0)
    ],
    *[
        (
            f"{BEFORE}cosine(final={low}, k_decay={k})",
            "CosineLRScheduler",
            {"t_initial": 50, "lr_min": low, "k_decay": k, **WARM},
        )
        for low, k in ((0.0, 1.0), (0.1, 1.0), (0.05, 2.0))
    ],
    *[
        (
            f"sgdr({first}, growth={growth}, height={height}, final={low}, cycles={limit}, k_decay={k})",
            "CosineLRScheduler",
            {
                "t_initial": first,
                "cycle_mul": growth,
                "cycle_decay": height,
                "lr_min": low,
                "cycle_limit": limit,
                "k_decay": k,
            },
        )
        for first, growth, height, low, limit, k in (
            (20, 1.0, 1.0, 0.0, 3, 1.0),
            (20, 1.0, 0.5, 0.1, 2, 1.0),
            (8, 2.0, 1.0, 0.0, 3, 1.0),
            (8, 2.0, 0.7, 0.05, 3, 1.0),
            (20, 1.0, 1.0, 0.0, 3, 2.0),
            (32, 0.5, 1.0, 0.0, 3, 1.0),
            (32, 0.5, 0.8, 0.1, 3, 1.0),
            (60, 1.0, 1.0, 0.0, 1, 1.0),
        )
    ],
    *[
        (
            f"polynomial({power}, final={low}, k_decay={k})",
            "PolyLRScheduler",
            {"t_initial": 60, "power": power, "lr_min": low, "k_decay": k},
        )
        for power, low in ((0.5, 0.0), (1.0, 0.1), (2.0, 0.0), (3.0, 0.2))
        for k in (1.0, 2.0)
    ],
    *[
        (f"{BEFORE}polynomial({power})", "PolyLRScheduler", {"t_initial": 50, "power": power, **WARM})
        for power in (0.5, 2.0)
    ],
    *[
        (
            f"tanh({low}, {high}, final={floor})",
            "TanhLRScheduler",
            {"t_initial": 60, "lb": float(low), "ub": float(high), "lr_min": floor},
        )
        for low, high, floor in ((-7, 3, 0.0), (-6, 4, 0.1), (-2, 2, 0.0), (-1, 5, 0.3))
    ],
    *[
        (f"step({every}, gamma={rate})", "StepLRScheduler", {"decay_t": every, "decay_rate": rate})
        for every, rate in ((15, 0.5), (7, 0.9), (30, 0.1))
    ],
    (f"{BEFORE}step(15, gamma=0.5)", "StepLRScheduler", {"decay_t": 15, "decay_rate": 0.5, **WARM}),
    *[
        (
            f"multistep({[point - 1 for point in points]}, gamma={rate})",
            "MultiStepLRScheduler",
            {"decay_t": points, "decay_rate": rate},
        )
        for points, rate in (([15, 30], 0.1), ([8], 0.5), ([2, 3, 45], 0.3))
    ],
    *[
        (
            f'wsd(warmup=10, decay={decay}, final={low}, shape="{shape}")',
            "WSDLRScheduler",
            {"t_initial": 50, "warmup_t": 10, "decay_t": decay, "lr_min": low, "decay_fn": shape},
        )
        for decay, low, shape in ((20, 0.0, "linear"), (30, 0.1, "1-sqrt"), (50, 0.0, "cosine"), (15, 0.2, "linear"))
    ],
    *[
        (
            f"inverse_sqrt(10) * wsd(decay={decay})",
            "WSDLRScheduler",
            {"t_initial": 50, "warmup_t": 10, "decay_t": decay, "decay_fn": "linear", "stable_fn": "rsqrt"},
        )
        for decay in (20, 5)
    ],
]

IGNITE = [
    *[
        (
            f"repeat(ramp({start}, {end}, {size}, shape='cosine'))",
            "CosineAnnealingScheduler",
            {"start_value": start, "end_value": end, "cycle_size": size},
        )
        for start, end, size in ((1.0, 0.1, 15), (0.2, 0.9, 20), (1.0, 0.0, 60))
    ],
    (
        "sgdr(8, growth=2, height=0.5, final=0.1)",
        "CosineAnnealingScheduler",
        {"start_value": 1.0, "end_value": 0.1, "cycle_size": 8, "cycle_mult": 2.0, "start_value_mult": 0.5},
    ),
    *[
        (
            f"repeat(ramp({start}, {end}, {size}))",
            "LinearCyclicalScheduler",
            {"start_value": start, "end_value": end, "cycle_size": size, "monotonic": True},
        )
        for start, end, size in ((1.0, 0.1, 15), (0.0, 1.0, 20))
    ],
    *[
        (
            f"cyclic({size // 2}, low={low})",
            "LinearCyclicalScheduler",
            {"start_value": low, "end_value": 1.0, "cycle_size": size},
        )
        for low, size in ((0.1, 20), (0.0, 30))
    ],
    *[
        (
            f"piecewise_linear({[step for step, _ in points]}, {[value for _, value in points]})",
            "PiecewiseLinear",
            {"milestones_values": points},
        )
        for points in ([(10, 0.5), (20, 1.0), (44, 0.1)], [(0, 1.0), (59, 0.0)], [(7, 0.3)])
    ],
]


@pytest.mark.parametrize(("notation", "name", "options"), TIMM, ids=lambda given: str(given)[:60])
def test_timm_says_the_same(scheduler, notation, name, options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    other, ours = getattr(scheduler, name)(optimizer, **options), parse(notation).build(T)
    for step in STEPS:
        assert ours(step) == pytest.approx(other._get_lr(step)[0], rel=1e-9, abs=1e-12), step


@pytest.mark.parametrize(("notation", "name", "options"), IGNITE, ids=lambda given: str(given)[:60])
def test_ignite_says_the_same(notation, name, options):
    handlers = pytest.importorskip("ignite.handlers")
    values = getattr(handlers, name).simulate_values(num_events=T, param_name="lr", **options)
    ours = parse(notation).build(T)
    assert [ours(step) for step in range(T)] == pytest.approx([value for _, value in values], rel=1e-9, abs=1e-12)


def test_the_tables_are_as_long_as_they_say():
    assert (len(TIMM), len(IGNITE)) == (46, 11)
