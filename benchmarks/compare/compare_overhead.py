"""The overhead of a comparison: time inside `compare` over the time of the same training in a bare loop.

All by turns, on the digits task of examples/digits.py: the same rate, seeds and number of updates on batches of one
size. The bare loop is the plain PyTorch code a user would write without Ratesmith; it is timed twice, with the same
measurements on the validation set that `compare` makes, and with the training steps alone. Inside `compare`, runs are
made in this process, by one worker, and by two. Timed is from the agreed plan to the end of the last run,
less the same of a comparison of two runs, so that what a process needs once to start and to import torch is left out;
the starts of all trainings, the transactions and the saved states are in. Wall time is what a user waits; processor
time, which is known of this process only, leaves out what other programs on the machine
took. Figures mean something on quiet cores only.

    python benchmarks/compare/compare_overhead.py [--rounds 5] [--runs 8]
"""

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import digits

from ratesmith.experiment import Plan, Progress, compare
from ratesmith.recipes import constant

RATE = 0.1  # one rate is no grid, so no extension changes the number of runs
EPOCHS = 12
TASK = digits.task()
FILE = f"{digits.__file__}:task"


def inside_compare(workers: int, runs: int) -> tuple[float, float]:
    """Return the wall time and processor time of these runs: of two more, less that of two, which start the workers."""
    longer, shorter = one_comparison(workers, runs + 2), one_comparison(workers, 2)
    return longer[0] - shorter[0], longer[1] - shorter[1]


def one_comparison(workers: int, runs: int) -> tuple[float, float]:
    """Run the baseline with so many seeds, into a fresh store."""
    began = ended = (0.0, 0.0)

    def planned(_: Plan) -> bool:
        nonlocal began
        began = now()
        return True

    def heard(progress: Progress) -> None:
        nonlocal ended
        ended = now()

    with tempfile.TemporaryDirectory() as folder:
        compare(
            FILE if workers else TASK,
            [],
            folder=folder,
            steps=f"{EPOCHS}ep",
            rates=[RATE],
            seeds=runs,
            workers=workers,
            on_plan=planned,
            on_progress=heard,
        )
    return ended[0] - began[0], ended[1] - began[1]


def now() -> tuple[float, float]:
    """Return the wall time and the processor time."""
    return time.perf_counter(), time.process_time()


def bare_run(factor: Callable[[int], float], rate: float, seed: int, steps: int, measure: bool) -> None:
    """Train once in plain PyTorch."""
    inputs, targets = TASK.train
    torch.manual_seed(seed)
    model = TASK.model()
    optimizer = TASK.optimizer(model)
    per_epoch = len(inputs) // TASK.batch_size
    losses = []
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed + step))
        batch = order[step % per_epoch * TASK.batch_size :][: TASK.batch_size]
        for group in optimizer.param_groups:
            group["lr"] = rate * factor(step)
        assert TASK.loss is not None
        loss = TASK.loss(model(inputs[batch]), targets[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if measure and (step + 1) % per_epoch == 0:
            bare_measurement(model)


def bare_measurement(model: torch.nn.Module) -> None:
    """Measure loss and accuracy on the validation set in plain PyTorch."""
    inputs, targets = TASK.validation
    model.eval()
    with torch.no_grad():
        output = model(inputs)
        assert TASK.loss is not None
        TASK.loss(output, targets).item()
        digits.accuracy(output, targets).item()
    model.train()


def bare_loop(measure: bool, runs: int) -> tuple[float, float]:
    """Make the same runs in a bare loop; give wall time and processor time."""
    steps = EPOCHS * (len(TASK.train[0]) // TASK.batch_size)
    began = now()
    for seed in range(runs):
        bare_run(constant(steps), RATE, seed, steps, measure)
    ended = now()
    return ended[0] - began[0], ended[1] - began[1]


def main() -> None:
    """Time all by turns, and print the median ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=8, help="trainings in each round")
    given = parser.parse_args()
    torch.set_num_threads(1)
    bare_loop(True, 1)  # imports and caches are warm for everybody
    jobs: dict[str, Callable[[], tuple[float, float]]] = {
        "compare in this process": lambda: inside_compare(0, given.runs),
        "compare with 1 worker": lambda: inside_compare(1, given.runs),
        "compare with 2 workers": lambda: inside_compare(2, given.runs),
        "bare steps and the same measurements": lambda: bare_loop(True, given.runs),
        "bare steps alone": lambda: bare_loop(False, given.runs),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in track(range(given.rounds), description="rounds", transient=True):
        for name, job in jobs.items():
            times[name].append(job())

    def ratio(one: str, other: str, kind: int = 0) -> float:
        return statistics.median(a[kind] / b[kind] for a, b in zip(times[one], times[other], strict=True))

    here, single, double, measured, alone = jobs
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {given.rounds} rounds, median ratios")
    for bare, goal in ((measured, " (goal 1.03)"), (alone, "")):
        print(f"{single} / {bare}: wall time {ratio(single, bare):.3f}{goal}")
        print(f"{here} / {bare}: wall time {ratio(here, bare):.3f}, processor time {ratio(here, bare, 1):.3f}")
    print(f"{single} / {double}: wall time {ratio(single, double):.2f} (goal 1.85 on 2 quiet cores)")


if __name__ == "__main__":
    main()
