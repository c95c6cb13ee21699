"""The public curves as groups of runs of one model at one peak rate; data only, which is no part of the project."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ratesmith.forecast import Curve

WARMUP = 2160
"""Steps of warm-up before the first row of the multi-power law's curves."""


@dataclass(frozen=True)
class Group:
    """Runs of one model, data set and peak rate, by name; `family` is what is left out together."""

    name: str
    family: str
    runs: Mapping[str, Curve]


def groups(root: Path) -> list[Group]:
    """Return every group in the folder."""
    found = [
        Group(f"multipowerlaw {folder.name}", f"multipowerlaw {folder.name}", dict(multipowerlaw(folder)))
        for folder in sorted((root / "multipowerlaw").iterdir())
        if folder.is_dir()
    ]
    return [*found, *llama(root / "llama")]


def multipowerlaw(folder: Path) -> Iterator[tuple[str, Curve]]:
    """Return the runs of one size; the rate of a row is that of the next update."""
    for file in sorted(folder.glob("*.csv")):
        table = np.genfromtxt(file, delimiter=",", names=True)
        steps = table["step"].astype(np.int64)
        made = np.arange(int(steps[-1]))
        rates = np.interp(made, np.r_[0, WARMUP, steps], np.r_[0, 3e-4, table["lr"]])
        if file.stem.startswith("wsdcon"):  # the one jump, at step 8000
            rates[WARMUP:8000], rates[8000:] = 3e-4, table["lr"][-1]
        yield file.stem, Curve(file.stem, rates, steps, table["loss"], "training", "AdamW")


def llama(folder: Path) -> Iterator[Group]:
    """Return the groups of the validation curves."""
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    with (folder / "curves.csv").open() as file:
        for row in csv.DictReader(file):
            points[row["run"]].append((int(row["step"]), float(row["val_loss"])))
    sets: dict[str, dict[str, Curve]] = defaultdict(dict)
    with (folder / "runs.csv").open() as file:
        for row in csv.DictReader(file):
            model = f"{row['layers']} layers {row['heads']} heads {row['dataset']} {row['model']}"
            model += f" batch {row['sequences_per_step']}"
            kind, rates = _rates(row["schedule"], int(row["steps"]), int(row["warmup_steps"]), float(row["peak_lr"]))
            name = f"{kind}_{row['steps']}"
            measured = sorted(dict(points[row["run"]]).items())  # a restart measured some steps twice
            steps, losses = zip(*((step, loss) for step, loss in measured if step <= len(rates)), strict=True)
            curve = Curve(name, rates, np.array(steps), np.array(losses), "validation", "AdamW")
            sets[f"{model}|{float(row['peak_lr']):g}"][name] = curve
    for name, runs in sets.items():
        model, peak = name.split("|")
        yield Group(f"{model} at {peak}", model, runs)


def _rates(
    words: str, steps: int, warmup: int, peak: float
) -> tuple[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    made = np.arange(steps)
    rise = np.minimum(1.0, (made + 1) / warmup)
    if "cosine" in words:
        share = np.clip((made - warmup) / (steps - warmup), 0, 1)
        return "cosine", peak * rise * (0.1 + 0.45 * (1 + np.cos(np.pi * share)))
    if "then constant" in words:
        return "constant", peak * rise
    decay = int(0.2 * steps)
    return "wsd", peak * rise * np.clip((steps - made) / decay, 0, 1)
