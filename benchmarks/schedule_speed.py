"""How fast a schedule is: one value beside a formula by hand, a whole curve beside NumPy and torch's scheduler.

In a run all sides take turns in one process, with as many rounds each; the fastest round of each side counts. The
median of the runs is printed, with the goal beside it. `!` marks a goal missed by more than 10 %.

    python benchmarks/schedule_speed.py [--runs 5] [--rounds 80]
"""

import argparse
import math
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

from ratesmith import Milestones, Ramp, Sequence
from ratesmith.schedule.piece import piece_of

WARMUP, STEPS = 50_000, 1_000_000
COSINE = Ramp(1.0, 0.0, STEPS - WARMUP, "cosine")
SCHEDULE = Ramp(0.0, 1.0, WARMUP) >> COSINE
FIVE_PARTS = Sequence(tuple(Ramp(1.0, 0.5, STEPS // 5, "cosine") for _ in range(5)))
MANY_MILESTONES = Milestones(tuple(range(0, STEPS, 10)), 0.99999)
CALLS = 2_000  # a round is short, so that on a busy machine some rounds of each side are not interrupted


def by_hand(step: int) -> float:
    """Return warm-up and cosine as one would write them down."""
    if step < WARMUP:
        return step / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (min(step, STEPS) - WARMUP) / (STEPS - WARMUP)))


def by_numpy(steps: Any) -> Any:
    """Return the same curve as a single NumPy expression."""
    decay = 0.5 * (1 + np.cos(np.pi * (np.clip(steps, WARMUP, STEPS) - WARMUP) / (STEPS - WARMUP)))
    return np.where(steps < WARMUP, steps / WARMUP, decay)


def by_torch() -> None:
    """Step torch's scheduler through a tenth of the curve: a tenth of the warm-up, and of the cosine."""
    warmup, steps = WARMUP // 10, STEPS // 10
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    parts = [
        lr_scheduler.LinearLR(optimizer, 1e-8, total_iters=warmup),
        lr_scheduler.CosineAnnealingLR(optimizer, steps - warmup),
    ]
    scheduler = lr_scheduler.SequentialLR(optimizer, parts, [warmup])
    optimizer.step()
    for _ in range(steps):
        scheduler.step()


def fastest(jobs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Time all jobs by turns and give the fastest round of each, in seconds."""
    best = dict.fromkeys(jobs, math.inf)
    for _ in range(rounds):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def table(runs: list[dict[str, float]], unit: str, scale: float, beside: str, goals: dict[str, float]) -> None:
    """Print a row for each side: the median of its times, and of its ratio to the side `beside` it."""
    for name in runs[0]:
        seconds = statistics.median(run[name] for run in runs)
        ratio = statistics.median(run[name] / run[beside] for run in runs)
        goal = goals.get(name)
        told = "" if goal is None else f" ({goal:g}){' !' if ratio > 1.1 * goal else ''}"
        amount = scale * seconds
        print(f"| {name} | {amount:{',.0f' if amount >= 100 else '.3g'}} {unit} | {ratio:.2f}{told} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=80, help="of a value; a curve has a quarter of them")
    given = parser.parse_args()
    runs, rounds, curve_rounds = range(given.runs), given.rounds, max(1, given.rounds // 4)
    middle, steps = STEPS // 2, np.arange(STEPS)
    np.testing.assert_allclose(SCHEDULE(steps), by_numpy(steps), rtol=1e-9, atol=1e-15)

    def calls(schedule: Callable[[int], float]) -> Callable[[], Any]:
        return lambda: [schedule(middle) for _ in range(CALLS)]

    print(f"Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}")
    print(f"median of {given.runs} runs, {rounds} rounds of a value, {curve_rounds} of a curve")
    values = {
        "by hand": calls(by_hand),
        "warm-up >> cosine": calls(SCHEDULE),
        "its piece, bound once": calls(piece_of(SCHEDULE, middle).value),
        "cosine alone": calls(COSINE),
        "five parts": calls(FIVE_PARTS),
        "100,000 milestones": calls(MANY_MILESTONES),
    }
    print("| one value at one step | | over by hand (goal) |\n| --- | --- | --- |")
    table([fastest(values, rounds) for _ in runs], "us", 1e6 / CALLS, "by hand", {"warm-up >> cosine": 2.4})
    curves = {
        "a single NumPy expression": lambda: by_numpy(steps),
        "the schedule on an array": lambda: SCHEDULE(steps),
        "five parts on an array": lambda: FIVE_PARTS(steps),
        "torch's SequentialLR, stepped through": by_torch,
    }
    timed = [fastest(curves, curve_rounds) for _ in runs]
    for run in timed:
        run["torch's SequentialLR, stepped through"] *= 10
    print("| the curve of 1,000,000 steps | | over the NumPy expression (goal) |\n| --- | --- | --- |")
    table(timed, "ms", 1e3, "a single NumPy expression", {"the schedule on an array": 2.0})


if __name__ == "__main__":
    main()
