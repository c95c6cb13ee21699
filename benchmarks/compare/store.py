"""What keeping costs: trials a minute through the store, metric rows a second, and the report of a large study.

    python benchmarks/compare/store.py [--trials 1000] [--large 10000]

The trials' updates are trivial, each trial is a bundle of its own, and two workers train; timed is from the agreed plan
to the end. Rows are those of runs of 1,000 measurements, each run one transaction that is on the disk when it returns.
The report is written by a process of its own, whose largest memory the system tells.
"""

import argparse
import math
import multiprocessing
import platform
import resource
import sqlite3
import tempfile
import time
from pathlib import Path

from rich.progress import track

from ratesmith.experiment import Comparison, Plan, Point, Run, RunLayout, RunStatus, Trial, compare
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.ranking import rank
from ratesmith.experiment.store import Store
from ratesmith.report import write_html

TASK = f"{Path(__file__).with_name('trivial.py')}:task"
MEASUREMENTS = 1000
METRICS = ("loss", "accuracy", "error")
STRATEGIES = tuple(f'wsd(decay="{share}%")' for share in range(5, 55, 5))


def trials_a_minute(trials: int) -> float:
    """Compare at so many rates that there are so many trials, each a training of its own."""
    began = 0.0

    def planned(_: Plan) -> bool:
        nonlocal began
        began = time.perf_counter()
        return True

    rates = [1e-3 * 1.01**place for place in range(trials // 2)]
    with tempfile.TemporaryDirectory() as folder:
        comparison = compare(
            TASK, [], folder=folder, steps=4, rates=rates, choice_seeds=2, seeds=1, workers=2, on_plan=planned
        )
    return 60 * len(comparison.runs) / (time.perf_counter() - began)


def rows_a_second(runs: int = 100) -> float:
    """Put runs with many measurements into a fresh store."""
    made = [run_of(Trial("constant()", 0.1, seed, MEASUREMENTS), MEASUREMENTS) for seed in range(runs)]
    rows = sum(len(point.metrics) + (point.train_loss is not None) for run in made for point in run.curve)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
        began = time.perf_counter()
        for run in track(made, description="rows", transient=True):
            store.put(run)
        return rows / (time.perf_counter() - began)


def run_of(trial: Trial, measurements: int) -> Run:
    """Make up a run."""
    slope = trial.base_lr * (1 + hash(trial.strategy) % 7 / 100) * (1 + trial.seed % 13 / 1000)

    def loss(share: float) -> float:
        return 0.2 + math.exp(-3 * slope * share) + slope**2 / 10

    every = trial.steps // measurements
    points = []
    for step in range(0, trial.steps + 1, every):
        now = loss(step / trial.steps)
        points.append(Point(step, now, dict.fromkeys(METRICS, now)))
    return Run(trial, RunStatus.DONE, trial.steps, 1.0, points[-1].metrics, tuple(points), rates=((0, trial.base_lr),))


def large_study(trials: int) -> Comparison:
    """Make up a comparison of ten strategies with so many trials of 20 measurements each."""
    layout, seeds = RunLayout(1000, 50), tuple(range(1000, 1005))
    choice_seeds = (0, 1)
    rates = [0.01 * 1.02**place for place in range(trials // (len(STRATEGIES) * len(choice_seeds)))]
    asked = [Trial(name, rate, seed, 1000) for name in STRATEGIES for rate in rates for seed in choice_seeds]
    chosen = {name: Choice(name, rates[len(rates) // 2]) for name in STRATEGIES}
    asked += [Trial(*choice, seed, 1000) for choice in chosen.values() for seed in seeds]
    runs = {trial: run_of(trial, 20) for trial in asked}
    question = Question({name: (name,) for name in STRATEGIES}, STRATEGIES[0], "loss", "min", 0.01, choice_seeds, seeds)
    rows = rank(runs, chosen, question, layout, METRICS)
    return Comparison(rows, question, layout, tuple(runs.values()))


def report(trials: int) -> tuple[float, float, float]:
    """Write the report: seconds, megabytes of the file, mebibytes of the process at its largest."""
    comparison = large_study(trials)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        path = write_html(comparison, Path(folder) / "report.html")
        taken, size = time.perf_counter() - began, path.stat().st_size / 1e6
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return taken, size, largest / (2**20 if platform.system() == "Darwin" else 2**10)


def main() -> None:
    """Print the three figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--large", type=int, default=10_000)
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    print(f"{trials_a_minute(given.trials):,.0f} trials a minute with 2 workers (goal 1,000)")
    print(f"{rows_a_second():,.0f} metric rows a second (goal 100,000)")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, size, largest = pool.apply(report, (given.large,))
    print(
        f"report of {given.large:,} trials: {seconds:.1f} s (goal 10), a page of {size:.1f} MB, "
        f"at most {largest:,.0f} MiB of memory (goal 1,024)"
    )


if __name__ == "__main__":
    main()
