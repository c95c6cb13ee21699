"""What a scheduler's step costs beside torch's class of the same name, and beside the bare loop over the groups.

All sides take turns in one process; the fastest of the rounds counts.

    python benchmarks/torch_schedulers.py [--rounds 80]
"""

import argparse
import math
import platform
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import lr_scheduler, swa_utils

from ratesmith import Ramp
from ratesmith.torch import ScheduleLR, tensor_rates
from ratesmith.torch import lr_scheduler as ours

SCHEDULE = Ramp(0.0, 1.0, 5) >> Ramp(1.0, 0.0, 1_000_000, "cosine")
CLASSES: dict[str, dict[str, Any]] = {
    "LambdaLR": {"lr_lambda": lambda epoch: 0.999},
    "MultiplicativeLR": {"lr_lambda": lambda epoch: 0.99999},
    "StepLR": {"step_size": 30},
    "MultiStepLR": {"milestones": [30, 80]},
    "ConstantLR": {},
    "LinearLR": {"total_iters": 10**6},
    "ExponentialLR": {"gamma": 0.99999},
    "PolynomialLR": {"total_iters": 10**6},
    "CosineAnnealingLR": {"T_max": 10**5},
    "CosineAnnealingWarmRestarts": {"T_0": 100},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1, "cycle_momentum": False},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 10**7, "cycle_momentum": False},
    "SWALR": {"swa_lr": 0.1},
}
GROUPS = (1, 100, 1000)


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


def whole(groups: int, rounds: int) -> str:
    """Compare ScheduleLR with torch's SequentialLR and with the bare loop."""
    first, second, third = optimizer(groups), optimizer(groups), optimizer(groups)
    parts = [
        lr_scheduler.LinearLR(second, 1e-3, total_iters=5),
        lr_scheduler.CosineAnnealingLR(second, 1_000_000),
    ]
    theirs = lr_scheduler.SequentialLR(second, parts, [5])
    second.step()

    def bare() -> None:
        for group in third.param_groups:
            group["lr"] = 0.5

    mine, other, loop = fastest(rounds, max(3, 150 // groups), ScheduleLR(first, SCHEDULE).step, theirs.step, bare)
    return f"{1e6 * mine:8.1f} us, {mine / other:.2f} x SequentialLR, {mine / loop:.1f} x the bare loop"


def tensors(groups: int, rounds: int) -> str:
    """Compare ScheduleLR on tensor rates with one fill_ a group."""
    made, other = optimizer(groups), optimizer(groups)
    for each in (made, other):
        tensor_rates(each)
    cells = [group["lr"] for group in other.param_groups]
    mine, fills = fastest(
        rounds, max(3, 150 // groups), ScheduleLR(made, SCHEDULE).step, lambda: [cell.fill_(0.5) for cell in cells]
    )
    return f"{1e6 * mine:8.1f} us, {mine / fills:.2f} x one fill_ a group"


def one(name: str, groups: int, rounds: int) -> float:
    """Return the cost of a drop-in's step as a share of torch's."""
    theirs = getattr(lr_scheduler, name, swa_utils.SWALR)(optimizer(groups), **CLASSES[name])
    mine = getattr(ours, name)(optimizer(groups), **CLASSES[name])
    ours_cost, torchs_cost = fastest(rounds, max(3, 150 // groups), mine.step, theirs.step)
    return ours_cost / torchs_cost


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=80)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {rounds} rounds")
    for groups in GROUPS:
        print(f"ScheduleLR, {groups:4} groups: {whole(groups, rounds)}")
    print(f"ScheduleLR,  100 groups of tensor rates: {tensors(100, rounds)}")
    for name in CLASSES:
        print(f"{name:28} {'  '.join(f'{one(name, groups, rounds):.2f}' for groups in GROUPS)}  x torch's")


if __name__ == "__main__":
    main()
