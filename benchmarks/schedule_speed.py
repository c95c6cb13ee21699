"""How fast a schedule is: one value beside a formula by hand, a whole curve beside NumPy and torch's scheduler.

All sides take turns in one process; the fastest of the rounds counts.

    python benchmarks/schedule_speed.py [--rounds 15]
"""

import argparse
import math
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

from ratesmith import Milestones, Ramp, Sequence

WARMUP, STEPS = 50_000, 1_000_000
COSINE = Ramp(1.0, 0.0, STEPS - WARMUP, "cosine")
SCHEDULE = Ramp(0.0, 1.0, WARMUP) >> COSINE
FIVE_PARTS = Sequence(tuple(Ramp(1.0, 0.5, STEPS // 5, "cosine") for _ in range(5)))
MANY_MILESTONES = Milestones(tuple(range(0, STEPS, 10)), 0.99999)
CALLS = 20_000


def by_hand(step: int) -> float:
    """Return warm-up and cosine as one would write them down."""
    if step < WARMUP:
        return step / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (min(step, STEPS) - WARMUP) / (STEPS - WARMUP)))


def by_numpy(steps: Any) -> Any:
    """Return the same curve as a single NumPy expression."""
    decay = 0.5 * (1 + np.cos(np.pi * (np.clip(steps, WARMUP, STEPS) - WARMUP) / (STEPS - WARMUP)))
    return np.where(steps < WARMUP, steps / WARMUP, decay)


def by_torch(steps: int) -> None:
    """Step torch's scheduler through the same curve."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    parts = [
        lr_scheduler.LinearLR(optimizer, 1e-8, total_iters=WARMUP),
        lr_scheduler.CosineAnnealingLR(optimizer, STEPS - WARMUP),
    ]
    scheduler = lr_scheduler.SequentialLR(optimizer, parts, [WARMUP])
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


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    middle, steps = STEPS // 2, np.arange(STEPS)
    np.testing.assert_allclose(SCHEDULE(steps), by_numpy(steps), rtol=1e-9, atol=1e-15)

    def calls(schedule: Callable[[int], float]) -> Callable[[], Any]:
        return lambda: [schedule(middle) for _ in range(CALLS)]

    one = fastest(
        {
            "by hand": calls(by_hand),
            "warm-up >> cosine": calls(SCHEDULE),
            "cosine alone": calls(COSINE),
            "five parts": calls(FIVE_PARTS),
            "100,000 milestones": calls(MANY_MILESTONES),
        },
        rounds,
    )
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}, {rounds} rounds")
    for name, seconds in one.items():
        print(f"one value, {name}: {1e6 * seconds / CALLS:.2f} us, {seconds / one['by hand']:.1f} x by hand")
    # A tenth of torch's steps, times ten: it takes the same time at each step.
    curve = fastest({"NumPy": lambda: by_numpy(steps), "ratesmith": lambda: SCHEDULE(steps)}, rounds)
    curve["torch's scheduler"] = 10 * fastest({"": lambda: by_torch(STEPS // 10)}, 3)[""]
    for name, seconds in curve.items():
        print(f"1,000,000 steps, {name}: {1e3 * seconds:.1f} ms, {seconds / curve['ratesmith']:.1f} x ratesmith")


if __name__ == "__main__":
    main()
