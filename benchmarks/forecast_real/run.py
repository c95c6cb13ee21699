"""Forecasts of a real training, written down before it is made: two runs are fitted, eight others follow.

A character transformer of 110,784 parameters learns text that ships with Python, with AdamW, on one thread. Two runs
(constant, and cosine to a tenth) are made first, forecasts of the others are written to forecasts.json from these two
alone, and only then are the others made: the dates in forecasts.json and in each run's first line show it. Runs are
kept in runs/, so that an interruption loses nothing, and a table can be printed again at once.

    python benchmarks/forecast_real/run.py [--quick] [--fit-only] [--markdown] [--picture FILE.svg]

`--quick` makes two short runs and two others in a folder that is thrown away, in about two minutes.
"""

import argparse
import csv
import datetime
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from train import BASE_LR, train

from ratesmith import Horizon, parse

HERE = Path(__file__).parent
COLUMNS = ("step", "lr", "val_loss", "train_loss")
Plan = Mapping[str, tuple[str, int, int]]
"""By the name of a run: its schedule, its steps and its seed."""

FIT: Plan = {
    "constant": ("warmup(100) >> constant()", 4000, 0),
    "cosine to 10 %": ("warmup(100) >> cosine(final=0.1)", 4000, 0),
}
OTHERS: Plan = {
    "linear": ("warmup(100) >> linear()", 4000, 0),
    "WSD 20 %": ('warmup(100) >> wsd(decay="20%")', 4000, 0),
    "WSD 50 %, 1-sqrt": ('warmup(100) >> wsd(decay="50%", shape="1-sqrt")', 4000, 0),
    "drop to 0.3 half-way": ('warmup(100) >> multistep(milestones=["50%"], gamma=0.3)', 4000, 0),
    "two cosine cycles": ("warmup(100) >> cosine_restarts(2)", 4000, 0),
    "cosine, half as long": ("warmup(100) >> cosine()", 2000, 0),
    "cosine, 1.5 x as long": ("warmup(100) >> cosine()", 6000, 0),
    "WSD 40 %, 1.5 x as long": ('warmup(100) >> wsd(decay="40%")', 6000, 0),
}
AGAIN: Plan = {"linear, another seed": ("warmup(100) >> linear()", 4000, 1)}
"""Not forecast: it says how much a seed moves the loss."""
QUICK_FIT: Plan = {name: (text, 1500, 0) for name, (text, _, _) in FIT.items()}
QUICK_OTHERS: Plan = {name: (OTHERS[name][0], 1500, 0) for name in ("linear", "WSD 20 %")}


def now() -> str:
    """Give the time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def file_of(folder: Path, name: str) -> Path:
    """Give the file that a run is kept in."""
    return folder / "runs" / f"{''.join(c if c.isalnum() or c == '.' else '-' for c in name)}.csv"


def make(folder: Path, plan: Plan) -> None:
    """Make the runs that are not there yet, and write each down when it is whole."""
    for name, (text, steps, seed) in plan.items():
        file = file_of(folder, name)
        if file.exists():
            continue
        began = now()
        rows = train(parse(text).build(Horizon(steps)), steps, seed)  # type: ignore[arg-type]
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as to:
            to.write(f"# {name}: {text}, {steps} steps, seed {seed}, torch {torch.__version__}, {began} to {now()}\n")
            writer = csv.writer(to, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows([row.step, f"{row.lr:.9g}", f"{row.loss:.5f}", f"{row.train_loss:.5f}"] for row in rows)
        print(f"made {file.name}", file=sys.stderr, flush=True)
