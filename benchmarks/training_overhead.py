"""The overhead of a task: time of its updates over the time of the same updates in a plain loop.

The training is the small GPT of examples/small_gpt.py: batches from a function, two for an update, mixed precision,
clipping, two groups. Both make the same losses. They are timed by turns, in many short rounds.

    python benchmarks/training_overhead.py [--rounds 30] [--updates 20]
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import small_gpt


def plain_loop() -> Callable[[], float]:
    """Return a function that makes one update, as a script does."""
    torch.manual_seed(0)
    model = small_gpt.GPT()
    optimizer = small_gpt.configure(model)

    def update() -> float:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3
        return small_gpt.plain_update(model, optimizer)

    return update


def task_updates() -> Callable[[], float]:
    """Return a function that makes one update of the task."""
    training = small_gpt.task().start(0)
    return lambda: training.step(1e-3)


def main() -> None:
    """Time both by turns and print the ratio of each pair of rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--updates", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(1)
    ratios, plain_seconds = [], []
    for turn in track(range(given.rounds), "timing"):
        states = torch.get_rng_state()
        seconds, losses = {}, {}
        for name in ("plain", "task") if turn % 2 else ("task", "plain"):
            torch.set_rng_state(states)
            update = plain_loop() if name == "plain" else task_updates()
            update()
            began = time.perf_counter()
            losses[name] = [update() for _ in range(given.updates)]
            seconds[name] = time.perf_counter() - began
        assert losses["plain"] == losses["task"]
        ratios.append(seconds["task"] / seconds["plain"])
        plain_seconds.append(seconds["plain"] / given.updates)
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"Python {platform.python_version()}, torch {torch.__version__}, one thread, {given.rounds} rounds")
    print(f"an update of the plain loop takes {1e3 * statistics.median(plain_seconds):.1f} ms")
    print(f"task / plain loop: median {middle:.3f}, half of the rounds {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
