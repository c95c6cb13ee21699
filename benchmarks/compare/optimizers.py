"""Does one need a schedule at all? Schedule-free AdamW, Prodigy and Muon beside AdamW with a constant rate and cosine.

Each optimizer's rate is searched by `ratesmith.compare` itself; Prodigy's is left at 1. Differences are to AdamW with
cosine, over fresh seeds. A minute a task on one core; needs schedulefree and prodigyopt.
"""

import argparse
import importlib.metadata
import platform
import tempfile
import time
from typing import Any

import prodigyopt
import schedulefree
import torch
from tasks import PROBLEMS, STEPS
from torch import nn

from ratesmith.experiment import Comparison, compare

BASELINE = "cosine()"
STRATEGIES = (
    "constant()",
    "free: constant()",
    "free: cosine()",
    "prodigy: constant()",
    "prodigy: cosine()",
    "muon: constant()",
    "muon: cosine()",
)


def make_free(model: nn.Module) -> Any:
    """Schedule-free AdamW."""
    return schedulefree.AdamWScheduleFree(model.parameters(), lr=2.5e-3, weight_decay=0.01)


def make_prodigy(model: nn.Module) -> Any:
    """Prodigy, which finds its rate."""
    return prodigyopt.Prodigy(model.parameters())


def make_muon(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the hidden layers, AdamW for the rest: the last layer, embeddings and biases."""
    *layers, _ = (layer for layer in model.modules() if isinstance(layer, nn.Linear))
    hidden = [layer.weight for layer in layers]
    others = [weight for weight in model.parameters() if all(weight is not other for other in hidden)]
    return [torch.optim.Muon(hidden, lr=0.02), torch.optim.AdamW(others, lr=1e-3, weight_decay=0.01)]


def compared(name: str, seeds: int, steps: int, folder: str) -> Comparison:
    """Return the comparison of a task of tasks.py, whose own optimizer is AdamW."""
    return compare(
        PROBLEMS[name].make("adamw"),
        STRATEGIES,
        baseline=BASELINE,
        optimizers={"free": make_free, "prodigy": (make_prodigy, 1.0), "muon": make_muon},
        steps=steps,
        seeds=seeds,
        choice_seeds=1,
        folder=folder,
        version="1",
    )


def main() -> None:
    """Compare on each task, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=["halves", "text"], help=f"Some of: {', '.join(PROBLEMS)}.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    libraries = ", ".join(
        f"{each} {importlib.metadata.version(each)}" for each in ("torch", "schedulefree", "prodigyopt")
    )
    print(f"{libraries}, Python {platform.python_version()}, {options.steps} updates, {options.seeds} fresh seeds\n")
    for name in options.tasks:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            found = compared(name, options.seeds, options.steps, folder)
        made, seconds = found.costs.run, time.perf_counter() - began
        print(f"{name}: {made:,} updates in {seconds:.0f} s. {found.headline()}\n")
        print(
            f"| optimizer and schedule | rate | validation loss | against AdamW with {BASELINE} | |\n| --- "
            + "| --- " * 4
            + "|"
        )
        for row in found.rows:
            rate = "–" if row.base_lr is None else f"{row.base_lr:g}"
            said = ("the baseline", "") if row.difference is None else (row.difference, row.difference.conclusion)
            print(f"| {row.chosen} | {rate} | {row.estimates.get('loss', '–')} | {said[0]} | {said[1]} |")
        print()


if __name__ == "__main__":
    main()
