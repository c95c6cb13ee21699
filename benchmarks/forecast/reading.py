"""How long a log of very many rows takes to read, and how much memory: one row an update, as CSV.

python benchmarks/forecast/reading.py [--rows 10000000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from ratesmith import Horizon, parse
from ratesmith.forecast import read
from ratesmith.logs.curve import Floats

PIECE = 100_000
"""Rows that are written at a time."""


def rates_of(rows: int) -> Floats:
    """Return the rates of a cosine with a warm-up."""
    schedule = parse("warmup(2000) >> cosine(final=0.1)").build(Horizon(rows))
    rates: Floats = 1e-3 * np.asarray(schedule(np.arange(rows, dtype=np.float64)))  # type: ignore[operator]
    return rates


def write(file: Path, rows: int) -> None:
    """Write a log of these rates, with noisy losses."""
    steps = np.arange(1, rows + 1)
    losses = 2 + 5 * steps**-0.3 + np.random.default_rng(0).normal(0, 0.02, rows)
    rates = rates_of(rows)
    with file.open("w") as to:
        to.write("step,lr,loss\n")
        for begin in range(0, rows, PIECE):
            part = slice(begin, begin + PIECE)
            columns = (values[part].tolist() for values in (steps, rates, losses))
            to.writelines(f"{step},{rate:.9g},{loss:.6g}\n" for step, rate, loss in zip(*columns, strict=True))


def main() -> None:
    """Write a log in a process of its own, read it, and print what reading took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.csv"
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(write, (file, rows))
        began = time.perf_counter()
        curve = read(file)
        seconds, memory = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{rows:,} rows of CSV, {file.stat().st_size / 1e6:.0f} MB: {seconds:.0f} s, at most {memory:.0f} MiB")
    off = np.abs(curve.rates - rates_of(rows)).max() / curve.peak
    warmup = f"{curve.warmup_steps} steps of warm-up"
    print(f"{len(curve.steps)} losses, {warmup}, rates off by at most {off:.1%} of the peak")


if __name__ == "__main__":
    main()
