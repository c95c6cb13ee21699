"""What it costs to compare a script over running it by hand as often: all by turns, in one run, for two lengths.

By hand: the script so many times, one after the other, each a process of its own. Compared: `ratesmith compare` of
exactly as many runs (the constant rate, with as many seeds) and one worker; it runs the script twice more before, to
its first report, to see what it does. The same training as a TorchTask: `ratesmith compare examples/digits.py:task`,
which starts no process a run. Optuna: a study of as many trials, each of which starts the script, kept by SQLite too.
Each is a command, timed from its start to its end. Imports, report and page are in. Wall time is what a user waits;
processor time, of all processes that a command starts, leaves out what others on the machine take.

    pip install "optuna>=4"
    python benchmarks/compare/script_cost.py [--rounds 5] [--runs 4] [--steps 396 2376]
"""

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.progress import track

HERE = Path(__file__).parent
SCRIPT = str(HERE / "cost_script.py")
TASK = f"{HERE.parents[1] / 'examples' / 'digits.py'}:task"
HAND, COMPARED, RUNS_ALONE, AS_TASK, OPTUNA = (
    "the script by hand",
    "ratesmith compare of the script",
    "ratesmith compare of the script, its runs alone",
    "ratesmith compare of the same training as a TorchTask",
    "Optuna's study of the script",
)


Seconds = tuple[float, float]
"""Of wall time, and of processor time."""


def timed(*command: str) -> Seconds:
    """Return the seconds that a command takes."""
    began, computed = time.perf_counter(), processor_time()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(ran.stdout + ran.stderr)
    return time.perf_counter() - began, processor_time() - computed


def processor_time() -> float:
    """Return that of all processes that have ended so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def by_hand(runs: int, steps: int) -> dict[str, Seconds]:
    """Run the script so often."""
    wall, processor = zip(*(timed(SCRIPT, "--steps", str(steps)) for _ in range(runs)), strict=True)
    return {HAND: (sum(wall), sum(processor))}


def compare(target: str, folder: str, runs: int, *more: str) -> Seconds:
    """Compare the constant rate with so many seeds; return the seconds, having checked what was run."""
    options = ["--strategy", "constant()", "--rates", "0.1", "--seeds", str(runs), "--workers", "1", "--quiet"]
    seconds = timed("-m", "ratesmith", "compare", target, *options, "--out", folder, *more)
    [row] = json.loads((Path(folder) / "results.json").read_text())["rows"]
    assert (row["runs"], row["missing"]) == (runs, 0), row
    return seconds


def compared(runs: int, steps: int) -> dict[str, Seconds]:
    """Compare the script; from its trace, also the time from the first run's begin to the last one's end."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        study = str(Path(folder) / "study")
        seconds = compare(SCRIPT, study, runs, "--", "--steps", str(steps), "--trace", str(trace))
        times = sorted(json.loads(line) for line in trace.read_text().splitlines())
    assert len(times) == runs + 2, f"{len(times)} processes for {runs} runs"
    return {COMPARED: seconds, RUNS_ALONE: (times[-1][1] - times[2][0], sum(row[2] for row in times[2:]))}


def as_task(runs: int, steps: int) -> dict[str, Seconds]:
    """Compare the task."""
    with tempfile.TemporaryDirectory() as folder:
        return {AS_TASK: compare(TASK, folder, runs, "--steps", str(steps))}


def with_optuna(runs: int, steps: int) -> dict[str, Seconds]:
    """Run Optuna's study as a command of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return {OPTUNA: timed(__file__, "--study", folder, "--runs", str(runs), "--steps", str(steps))}


def study(folder: str, runs: int, steps: int) -> None:
    """Be Optuna's study: each trial starts the script with the rate that it suggests, and reads what it prints."""
    import optuna

    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 0.03, 0.3, log=True)
        command = [sys.executable, SCRIPT, "--steps", str(steps), "--lr", str(lr)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    optuna.create_study(storage=f"sqlite:///{folder}/optuna.db").optimize(objective, n_trials=runs)


def show(steps: int, rounds: list[dict[str, Seconds]]) -> None:
    """Print medians and ranges of the ratios to the runs by hand."""
    for kind, label in enumerate(("wall time", "processor time")):
        seconds = statistics.median(times[HAND][kind] for times in rounds)
        print(f"{steps} updates, {label}: {HAND} {seconds:.1f} s (median)")
        for name in (COMPARED, RUNS_ALONE, AS_TASK, OPTUNA):
            ratios = [times[name][kind] / times[HAND][kind] for times in rounds]
            more = statistics.median(times[name][kind] - times[HAND][kind] for times in rounds)
            span = f"[{min(ratios):.2f}, {max(ratios):.2f}]"
            print(f"  {name} / by hand: {statistics.median(ratios):.2f} {span}, {more:+.1f} s", flush=True)


def main() -> None:
    """Time all by turns, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=4, help="runs of the script in each round")
    parser.add_argument("--steps", type=int, nargs="+", default=[396, 2376], help="the lengths")
    parser.add_argument("--study", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.study:
        study(given.study, given.runs, given.steps[0])
        return
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("ratesmith", "torch", "optuna"))
    print(f"{versions}, Python {platform.python_version()}; {given.rounds} rounds of {given.runs} runs")
    jobs: list[Callable[[int, int], dict[str, Seconds]]] = [by_hand, compared, as_task, with_optuna]
    by_hand(1, given.steps[0])  # the files are in memory for everybody
    rounds: dict[int, list[dict[str, Seconds]]] = {steps: [] for steps in given.steps}
    for place in track(range(given.rounds), description="rounds", transient=True):
        for steps, times in rounds.items():
            # By turns, and each begins once in a while.
            turned = jobs[place % len(jobs) :] + jobs[: place % len(jobs)]
            times.append({name: seconds for job in turned for name, seconds in job(given.runs, steps).items()})
    for steps, times in rounds.items():
        show(steps, times)


if __name__ == "__main__":
    main()
