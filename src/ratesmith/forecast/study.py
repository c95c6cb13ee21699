"""The runs of a comparison that Ratesmith made, as curves."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np

from ratesmith.forecast.curve import Curve

FILE: Final = "study.sqlite"


def read_study(folder: str | os.PathLike[str], *, base_lr: float | None = None) -> list[Curve]:
    """Give one curve for each strategy of a comparison, at one initial rate, its validation loss the mean over seeds.

    `folder`: the comparison's, with its study.sqlite. `base_lr`: which of its rates; default: the one at which some
    strategy ended lowest. Diverged runs are left out. Raises ValueError for a folder without such runs.
    """
    folder = Path(folder)
    who = f"read_study {folder.name!r}"
    if not (folder / FILE).exists():
        raise ValueError(f"{who}: the folder must be that of a comparison, got none with {FILE}; name its --out")
    runs = [run for run in _runs(who, folder / FILE) if run["status"] == "done" and len(run["curve"]) > 1]
    known = sorted({run["base_lr"] for run in runs})
    if base_lr is None and runs:
        base_lr = min(runs, key=lambda run: float(run["metrics"].get("loss", np.inf)))["base_lr"]
    chosen = [run for run in runs if run["base_lr"] == base_lr]
    if not chosen:
        rates = ", ".join(f"{rate:g}" for rate in known) or "none"
        raise ValueError(f"{who}: there must be finished runs at base_lr, got {base_lr} and runs at {rates}; name one")
    by_strategy: dict[str, list[dict[str, Any]]] = {}
    for run in chosen:
        by_strategy.setdefault(run["strategy"], []).append(run)
    return [_curve(strategy, seeds) for strategy, seeds in by_strategy.items()]


def _runs(who: str, file: Path) -> list[dict[str, Any]]:
    """Read all runs, and leave the file as it is."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT data FROM runs ORDER BY strategy, base_lr, seed").fetchall()
    except sqlite3.Error as error:
        raise ValueError(f"{who}: {FILE} must be that of a comparison, got {error}; name another folder") from None
    return [json.loads(data) for (data,) in rows]


def _curve(strategy: str, seeds: list[dict[str, Any]]) -> Curve:
    measured = [{int(step): metrics["loss"] for step, _, metrics in run["curve"] if step > 0} for run in seeds]
    steps = sorted(set.intersection(*map(set, measured)))
    losses = [float(np.mean([losses[step] for losses in measured])) for step in steps]
    begun, rates = np.array(seeds[0]["rates"], dtype=np.float64).T
    return Curve(strategy, np.interp(np.arange(steps[-1]), begun, rates), np.array(steps), np.array(losses))
