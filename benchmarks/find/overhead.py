"""What finding costs over the bare updates that it makes: a sweep of a task, and one of a live model.

    python benchmarks/find/overhead.py

The two sides take turns; the figure is the median of the rounds' ratios.
"""

import statistics
import time
from collections.abc import Callable

import torch
from problems import PROBLEMS
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ratesmith.finder import sweep
from ratesmith.torch import find

ROUNDS = 15


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a piece of work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def of_a_task(name: str) -> list[float]:
    """Compare a sweep of a task with as many bare updates of its training."""
    task = PROBLEMS[name].task("sgd")
    updates = [len(curve.losses) for curve in sweep(task).curves]

    def bare() -> None:
        for seed, count in enumerate(updates):
            training = task.start(seed)
            for _ in range(count):
                training.step(1e-3)

    return [seconds(lambda: sweep(task)) / seconds(bare) for _ in range(ROUNDS)]


def of_a_live_model() -> list[float]:
    """Compare a sweep of a live model with as many bare updates from the same loader."""
    data = TensorDataset(torch.randn(2048, 64), torch.randint(10, (2048,)))
    loader = DataLoader(data, batch_size=32, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def look() -> int:
        return find(model, optimizer, nn.functional.cross_entropy, loader).updates

    updates = look()

    def bare() -> None:
        done = 0
        while done < updates:
            for inputs, targets in loader:
                loss = nn.functional.cross_entropy(model(inputs), targets)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch's own annotation
                optimizer.step()
                loss.item()
                done += 1
                if done == updates:
                    break

    return [seconds(look) / seconds(bare) for _ in range(ROUNDS)]


def main() -> None:
    """Print the ratios."""
    torch.set_num_threads(1)
    for name in ("digits-conv", "transformer"):
        print(f"sweep of the task {name}: {statistics.median(of_a_task(name)):.2f} x its bare updates")
    print(f"sweep of a live model: {statistics.median(of_a_live_model()):.2f} x its bare updates")


if __name__ == "__main__":
    main()
