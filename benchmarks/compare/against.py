"""Ratesmith against Optuna and Ray Tune: training steps until the returned strategy is within 1 % of the best.

Each searches eight strategies on eleven tasks, five times with other seeds: the others on a grid of seven rates that
they are given, Ratesmith around the answer of its own sweep, whose steps count. An answer is judged by the true final
loss, which truth.py measures over fresh seeds that no search sees. The figure is the number of training steps from
which on the answer stays within 1 % of the best of the grid; infinite where that is not so within the steps of the
whole grid trained once. Trainings are recorded and replayed (record.py); the first call takes half an hour on one core,
later ones a few minutes.

    pip install "optuna>=5" "ray[tune]" scikit-learn pillow plotly
    python benchmarks/compare/against.py [--quick] [--markdown] [--problems text halves]
"""

import argparse
import importlib.metadata
import math
import platform
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from record import FILE, Recording
from rich.progress import track
from searchers import Search, Trail, asha, optuna, ratesmith
from tasks import PROBLEMS, STEPS, STRATEGIES, UNSEEN, show
from truth import Oracle, describe, write

MARGIN = 0.01
REPETITIONS = 5
CHOSEN = "ratesmith"
PEERS: Mapping[str, Search] = {"optuna": optuna, "ray tune asha": asha}
SEARCHES: Mapping[str, Search] = {CHOSEN: ratesmith, **PEERS}
COLUMNS = ("task", "search", "steps until within 1 %", "over the better peer", "right", "steps in all")


def settled(trails: list[Trail], oracle: Oracle, budget: int) -> float:
    """Return the median over the repetitions of the steps until the answer is right."""
    return statistics.median_high(trail.settled(oracle, MARGIN, budget) for trail in trails)


def right(trails: list[Trail], oracle: Oracle, verdict: bool = False) -> str:
    """Return how often the last answer is within the margin."""
    pairs = [trail.verdict if verdict else trail.last for trail in trails]
    return f"{sum(oracle.regret(pair) <= MARGIN for pair in pairs)}/{len(pairs)}"


def lines(oracle: Oracle, found: Mapping[str, list[Trail]], budget: int) -> list[list[str]]:
    """Return a task's lines of the table."""
    peers = min((settled(trails, oracle, budget) for name, trails in found.items() if name in PEERS), default=math.inf)
    rows = []
    for name, trails in found.items():
        steps = settled(trails, oracle, budget)
        ratio = f"{steps / peers:.2f}" if peers < math.inf else "they never" if steps < math.inf else ""
        cost = statistics.median(trail.steps for trail in trails)
        rows.append([name, said(steps), "" if name in PEERS else ratio, right(trails, oracle), f"{cost:,.0f}"])
        if name not in PEERS:
            verdict = statistics.median(trail.steps + trail.verdict_steps for trail in trails)
            rows.append([f"{name}, after the verdict", "", "", right(trails, oracle, verdict=True), f"{verdict:,.0f}"])
    return [[oracle.recording.problem.name if not place else "", *row] for place, row in enumerate(rows)]


def said(steps: float) -> str:
    """Return steps as text."""
    return "never" if math.isinf(steps) else f"{steps:,.0f}"


def main() -> None:
    """Search, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one repetition of one task, a quarter of the steps")
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    versions = {name: importlib.metadata.version(name) for name in ("ratesmith", "optuna", "ray", "torch")}
    print(f"{', '.join(map(' '.join, versions.items()))}, Python {platform.python_version()}, {STEPS} steps a run")
    names, repetitions = (["halves"], 1) if given.quick else (given.problems, REPETITIONS)
    budget = len(STRATEGIES) * 7 * STEPS // (4 if given.quick else 1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            recording = Recording(PROBLEMS[name], Path(folder) / "quick.txt" if given.quick else FILE)
            oracle = Oracle(recording)
            oracle.make()
            jobs = [(search, repetition) for search in SEARCHES for repetition in range(repetitions)]
            found: dict[str, list[Trail]] = {search: [] for search in SEARCHES}
            for search, repetition in track(jobs, description=name, transient=True):
                found[search].append(SEARCHES[search](recording, repetition, budget))
            rows += lines(oracle, found, budget)
            print(f"{describe(oracle)}{'; unseen when all was fixed' if name in UNSEEN else ''}")
            if not given.quick:
                write([oracle])
    show("Steps until the answer is right", COLUMNS, rows, given.markdown)


if __name__ == "__main__":
    main()
