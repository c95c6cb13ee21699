"""The finders of Ratesmith on four more trainings, which no rule or constant was chosen by.

    python benchmarks/find/fresh.py

Each training (friedman1, and on digits a logistic regression, an autoencoder and a deep network with layer
normalisation), with two optimizers and two seeds: the ratio of the final loss to the best of a grid of 19 rates, as in
run.py; a minute or two in two processes. Wine was a fifth: its loss falls to 1e-6, where a ratio says nothing.
"""

import itertools
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from oracle import pool
from problems import OPTIMIZERS, mlp, split
from rich.progress import track
from sklearn.datasets import load_digits, make_friedman1
from torch import nn
from torch.nn import functional as F

from ratesmith import Ramp
from ratesmith.finder import race, sweep
from ratesmith.torch import TorchTask

STEPS = 300
SEEDS = (0, 1)
RATES = [10 ** (power / 3) for power in range(-15, 4)]


def standard(values: Any) -> Any:
    """Return values with mean 0 and standard deviation 1."""
    return (values - values.mean(0)) / values.std(0)


def deep() -> nn.Module:
    """Return eight layers, six of them behind layer normalisation."""
    blocks = (layer for _ in range(6) for layer in (nn.ReLU(), nn.LayerNorm(64), nn.Linear(64, 64)))
    return nn.Sequential(nn.Linear(64, 64), *blocks, nn.ReLU(), nn.Linear(64, 10))


def task(name: str, optimizer: str) -> TorchTask:
    """Return a training by its name."""
    x, y = make_friedman1(600, noise=1.0, random_state=0)
    digits, numbers = load_digits(return_X_y=True)
    digits = (digits / 16).astype("float32")
    models: dict[str, tuple[Callable[[], nn.Module], Any, Any, Any, bool]] = {
        "friedman1": (lambda: mlp(10, 64, 1), F.mse_loss, x, standard(y).astype("float32")[:, None], False),
        "logistic": (lambda: nn.Linear(64, 10), F.cross_entropy, digits, numbers, True),
        "autoencoder": (lambda: mlp(64, 32, 64, nn.Tanh), F.mse_loss, digits, digits, False),
        "deep": (deep, F.cross_entropy, digits, numbers, True),
    }
    model, loss, inputs, targets, classes = models[name]
    train, validation = split(inputs, targets, classes)
    make = OPTIMIZERS[optimizer]
    return TorchTask(
        model=model, optimizer=make, loss=loss, train=train, validation=validation, batch_size=32, drop_last=True
    )


def final(of: TorchTask, rate: float, seed: int) -> float:
    """Return the validation loss of a whole training, or that of its first weights where it diverged."""
    training, schedule = of.start(seed), Ramp(1.0, 0.0, STEPS, "cosine")
    untrained = training.evaluate()["loss"]
    for step in range(STEPS):
        if not math.isfinite(training.step(rate * schedule(step))):
            return untrained
    loss = training.evaluate()["loss"]
    return loss if math.isfinite(loss) else untrained


def ratios(name: str, optimizer: str) -> dict[str, list[float]]:
    """Return the ratios of the sweep's rate and of the race's, one for each seed."""
    of = task(name, optimizer)
    logs = [statistics.fmean(math.log(final(of, rate, seed)) for seed in SEEDS) for rate in RATES]

    def ratio(rate: float | None) -> float:
        assert rate is not None
        return math.exp(float(np.interp(math.log(rate), np.log(RATES), logs)) - min(logs))

    sweeps = [sweep(of, seeds=[seed, seed + 10, seed + 20]).suggestion for seed in SEEDS]
    races = [race(of, steps=STEPS, seeds=[seed]).suggestion for seed in SEEDS]
    return {"sweep": list(map(ratio, sweeps)), "race": list(map(ratio, races))}


def main() -> None:
    """Print each training's ratios, and all of them together."""
    cells = list(itertools.product(("friedman1", "logistic", "autoencoder", "deep"), OPTIMIZERS))
    found: dict[str, list[float]] = {"sweep": [], "race": []}
    with pool() as workers:
        jobs = [workers.submit(ratios, *cell) for cell in cells]
        for (name, optimizer), job in track(zip(cells, jobs, strict=True), total=len(cells)):
            for method, values in job.result().items():
                found[method] += values
                print(f"{name}, {optimizer}: {method} {', '.join(f'{value:.2f}' for value in values)}", flush=True)
    for method, values in found.items():
        within = sum(value <= 1.2 for value in values) / len(values)
        mean = statistics.geometric_mean(values)
        print(f"{method}: geometric mean {mean:.2f}, worst {max(values):.2f}, within 1.2x {within:.0%}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
