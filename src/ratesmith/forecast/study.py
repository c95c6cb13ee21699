"""The runs of a comparison that Ratesmith made, as curves."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np

from ratesmith.logs.curve import FEWEST_LOSSES, Curve

FILE: Final = "study.sqlite"
SCHEMA: Final = 2
"""The version of the comparisons' tables that is read here."""


def read_study(folder: str | os.PathLike[str], *, base_lr: float | None = None) -> list[Curve]:
    """Return one curve for each strategy of a comparison, at one initial rate, its validation loss the mean over seeds.

    A strategy whose rates differ from seed to seed, as a plateau's do, gives one for each seed.

    `folder`: the comparison's, with its study.sqlite. `base_lr`: which of its rates; default: the one at which some
    strategy ended lowest on average. Diverged runs are left out. Raises ValueError for a folder without such runs.
    """
    folder = Path(folder)
    who = f"read_study {folder.name!r}"
    if not (folder / FILE).exists():
        raise ValueError(f"{who}: the folder must be that of a comparison, got none with {FILE}; name its --out")
    runs = _runs(who, folder / FILE)
    known = sorted({run["base_lr"] for run in runs})
    if base_lr is None and runs:
        base_lr = _lowest(runs)
    chosen = [run for run in runs if run["base_lr"] == base_lr]
    if not chosen:
        rates = ", ".join(f"{rate:g}" for rate in known) or "none"
        raise ValueError(f"{who}: there must be finished runs at base_lr, got {base_lr} and runs at {rates}; name one")
    alike: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in chosen:
        alike.setdefault((run["strategy"], repr(run["rates"])), []).append(run)
    named = [strategy for strategy, _ in alike]
    return [
        _curve(strategy if named.count(strategy) == 1 else f"{strategy}, seed {seeds[0]['seed']}", seeds)
        for (strategy, _), seeds in alike.items()
    ]


def _lowest(runs: list[dict[str, Any]]) -> float:
    """Return the rate at which some strategy ended lowest, as the mean over its seeds."""
    ends: dict[tuple[str, float], list[float]] = {}
    for run in runs:
        ends.setdefault((run["strategy"], run["base_lr"]), []).append(float(run["losses"][max(run["losses"])]))
    return min(ends, key=lambda pair: float(np.mean(ends[pair])))[1]


def _runs(who: str, file: Path) -> list[dict[str, Any]]:
    """Read all runs of the whole length, and leave the file as it is."""
    whole = "status = 'done' AND steps = (SELECT max(steps) FROM runs)"
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            (schema,) = connection.execute("SELECT value FROM study WHERE key = 'schema'").fetchone() or ("none",)
            if schema != str(SCHEMA):
                raise ValueError(
                    f"{who}: the runs must be kept as this version of Ratesmith keeps them, got schema {schema}, not "
                    f"{SCHEMA}; compare again"
                )
            runs = connection.execute(
                f"SELECT id, strategy, base_lr, seed, rates FROM runs WHERE {whole} ORDER BY strategy, base_lr, seed"  # noqa: S608
            ).fetchall()
            points = connection.execute(
                "SELECT run, step, value FROM points WHERE split = 'validation' AND name = 'loss' AND step > 0"
            ).fetchall()
    except sqlite3.Error as error:
        raise ValueError(f"{who}: {FILE} must be that of a comparison, got {error}; name another folder") from None
    measured: dict[int, dict[int, float]] = {}
    for run, step, value in points:
        measured.setdefault(run, {})[step] = np.nan if value is None else value
    names = ("strategy", "base_lr", "seed", "rates", "losses")
    found = [(*known, json.loads(rates), measured.get(key, {})) for key, *known, rates in runs]
    return [dict(zip(names, run, strict=True)) for run in found if run[3]]


def _curve(strategy: str, seeds: list[dict[str, Any]]) -> Curve:
    steps = sorted(set.intersection(*(set(run["losses"]) for run in seeds)))
    losses = [float(np.mean([run["losses"][step] for run in seeds])) for step in steps]
    begun, rates = np.array(seeds[0]["rates"], dtype=np.float64).T
    if len(steps) < FEWEST_LOSSES:
        raise ValueError(
            f"read_study: {strategy} must have been measured {FEWEST_LOSSES} times at least, got {len(steps)}; compare "
            "again with --evaluate-every set to less"
        )
    return Curve(strategy, np.interp(np.arange(steps[-1]), begun, rates), np.array(steps), np.array(losses))
