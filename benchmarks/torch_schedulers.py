"""What a scheduler's step costs beside torch's class of the same name, and beside the bare loop over the groups.

In a run all sides take turns in one process, in many short rounds; the fastest round of each side counts. The median of
the runs is printed, as a share of torch's cost, with the goal beside it. `!` marks a goal missed by more than 10 %.

    python benchmarks/torch_schedulers.py [--runs 5] [--rounds 80] [--only MultiStepLR]
"""

import argparse
import math
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import lr_scheduler, swa_utils

from ratesmith import Ramp, Schedule
from ratesmith.torch import ScheduleLR, tensor_rates
from ratesmith.torch import lr_scheduler as ours

LONG = 10**6
GROUPS = (1, 8, 100, 1000)
FUNCTIONS, ALPHAS, OTHERS = (0.5, 0.35, 0.3, 0.3), (0.75, 0.45, 0.33, 0.33), (0.9, 0.55, 0.3, 0.25)
WHOLE = (0.38, None, 0.08, 0.08)
# Each is in its moving part for as long as it is timed: at one group that is some 12,000 steps.
CLASSES: dict[str, tuple[str, dict[str, Any], tuple[float, ...]]] = {
    "LambdaLR": ("LambdaLR", {"lr_lambda": lambda epoch: 0.999}, FUNCTIONS),
    "MultiplicativeLR": ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.99999}, FUNCTIONS),
    "StepLR": ("StepLR", {"step_size": 30, "gamma": 0.99}, OTHERS),
    "MultiStepLR": ("MultiStepLR", {"milestones": list(range(1000, 16_000, 1000))}, ALPHAS),
    "MultiStepLR, 1,300 milestones": (
        "MultiStepLR",
        {"milestones": list(range(10, 13_010, 10)), "gamma": 0.99},
        ALPHAS,
    ),
    "ConstantLR": ("ConstantLR", {"total_iters": LONG}, OTHERS),
    "LinearLR": ("LinearLR", {"total_iters": LONG}, OTHERS),
    "ExponentialLR": ("ExponentialLR", {"gamma": 0.99999}, OTHERS),
    "PolynomialLR": ("PolynomialLR", {"total_iters": LONG, "power": 2.0}, OTHERS),
    "CosineAnnealingLR": ("CosineAnnealingLR", {"T_max": LONG}, OTHERS),
    "CosineAnnealingWarmRestarts": ("CosineAnnealingWarmRestarts", {"T_0": 100}, OTHERS),
    "CyclicLR": ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "cycle_momentum": False}, OTHERS),
    "OneCycleLR": ("OneCycleLR", {"max_lr": 0.1, "total_steps": 10 * LONG, "cycle_momentum": False}, OTHERS),
    "SWALR": ("SWALR", {"swa_lr": 0.01, "anneal_epochs": LONG}, ALPHAS),
}


def optimizer(groups: int) -> torch.optim.Optimizer:
    """Return an optimizer of so many groups that has made its first update."""
    made = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups)], lr=0.1)
    made.step()
    return made


def fastest(rounds: int, calls: int, *jobs: Callable[[], Any]) -> list[float]:
    """Time all jobs by turns and give the fastest round of each, in seconds a call."""
    best = [math.inf] * len(jobs)
    for _ in range(rounds):
        for place, job in enumerate(jobs):
            began = time.perf_counter()
            for _ in range(calls):
                job()
            best[place] = min(best[place], (time.perf_counter() - began) / calls)
    return best


def calls_of(groups: int) -> int:
    """Return how many steps make a round."""
    return max(3, 150 // groups)


def drop_in(name: str, groups: int, rounds: int) -> float:
    """Return the cost of a drop-in's step as a share of torch's."""
    kind, options, _ = CLASSES[name]
    theirs = getattr(lr_scheduler, kind, swa_utils.SWALR)(optimizer(groups), **options)
    mine = getattr(ours, kind)(optimizer(groups), **options)
    mine_cost, torchs_cost = fastest(rounds, calls_of(groups), mine.step, theirs.step)
    return mine_cost / torchs_cost


def whole(warmup: int, groups: int, rounds: int) -> tuple[float, float, float]:
    """Return what ScheduleLR's step costs: in seconds, over torch's SequentialLR, and over the bare loop.

    It is timed behind step 5: in the warm-up if that is long, else in the cosine.
    """
    first, second, third = optimizer(groups), optimizer(groups), optimizer(groups)
    schedule: Schedule = Ramp(0.001, 1.0, warmup) >> Ramp(1.0, 0.0, LONG, "cosine")
    mine = ScheduleLR(first, schedule)
    parts = [
        lr_scheduler.LinearLR(second, 1e-3, total_iters=warmup),
        lr_scheduler.CosineAnnealingLR(second, LONG),
    ]
    theirs = lr_scheduler.SequentialLR(second, parts, [warmup])
    second.step()

    def bare() -> None:
        for group in third.param_groups:
            group["lr"] = 0.5

    for _ in range(6):
        mine.step()
        theirs.step()
    cost, torchs, loop = fastest(rounds, calls_of(groups), mine.step, theirs.step, bare)
    return cost, cost / torchs, cost / loop


def tensors(groups: int, rounds: int) -> float:
    """Return the cost of ScheduleLR's step on tensor rates over that of one fill_ a group."""
    made, other = optimizer(groups), optimizer(groups)
    for each in (made, other):  # each has its own: what the one fills is a rate set by hand to the other
        tensor_rates(each)
    cells = [group["lr"] for group in other.param_groups]
    mine = ScheduleLR(made, Ramp(1.0, 0.0, LONG, "cosine")).step
    cost, fills = fastest(rounds, calls_of(groups), mine, lambda: [cell.fill_(0.5) for cell in cells])
    return cost / fills


def cell(ratio: float, goal: float | None) -> str:
    """Return a ratio with its goal, and a mark if the goal is missed by more than 10 %."""
    beside = "" if goal is None else f" ({goal:g})"
    return f"{ratio:.2f}{beside}{' !' if goal is not None and ratio > 1.1 * goal else ''}"


def row(name: str, cells: list[str]) -> None:
    """Print a row of a table."""
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--only", default="", help="the rows whose name has this in it")
    given = parser.parse_args()
    runs, rounds = range(given.runs), given.rounds
    warnings.simplefilter("ignore")
    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, median of {given.runs} runs, {rounds} rounds"
    )
    row("step over torch's (goal)", [f"{groups} group{'s' * (groups > 1)}" for groups in GROUPS])
    row("---", ["---"] * len(GROUPS))
    for name, warmup in (("ScheduleLR, warm-up", LONG), ("ScheduleLR, cosine", 5)):
        if given.only not in name:
            continue
        measured = [[whole(warmup, groups, rounds) for _ in runs] for groups in GROUPS]
        over = [statistics.median(ratio for _, ratio, _ in each) for each in measured]
        row(name, [cell(ratio, goal) for ratio, goal in zip(over, WHOLE, strict=True)])
        row("- over the bare loop", [f"{statistics.median(bare for *_, bare in each):.1f}" for each in measured])
        row("- microseconds", [f"{1e6 * statistics.median(cost for cost, *_ in each):.1f}" for each in measured])
    if given.only in "ScheduleLR, tensor rates":
        over = [statistics.median(tensors(groups, rounds) for _ in runs) for groups in GROUPS]
        row("ScheduleLR, tensor rates, over one fill_ a group", [cell(ratio, None) for ratio in over])
    for name, (_, _, goals) in CLASSES.items():
        if given.only in name:
            over = [statistics.median(drop_in(name, groups, rounds) for _ in runs) for groups in GROUPS]
            row(name, [cell(ratio, goal) for ratio, goal in zip(over, goals, strict=True)])


if __name__ == "__main__":
    main()
