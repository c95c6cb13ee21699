"""The overhead of a comparison: time inside `compare` over the time of the same training in a bare loop.

Both run in this process, by turns, on the digits task of examples/digits.py: the same rate, seeds and number of updates
on batches of the same size. The bare loop is the plain PyTorch code a user would write without Ratesmith; it is timed
twice, with the same measurements on the validation set that `compare` makes, and with the training steps alone. Wall
time is what a user waits; processor time leaves out what other programs on the machine took, and waiting for the disk.

    python benchmarks/compare_overhead.py [--rounds 15]
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

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import digits

from ratesmith.experiment import compare
from ratesmith.recipes import constant

RATE = 0.1  # one rate is no grid, so no extension changes the number of runs
SEEDS = 4
EPOCHS = 12
TASK = digits.task()


def inside_compare() -> None:
    """Run the baseline with four seeds, into a fresh store, its test included."""
    with tempfile.TemporaryDirectory() as folder:
        compare(TASK, [], folder=folder, steps=f"{EPOCHS}ep", rates=[RATE], seeds=SEEDS)


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
        loss = TASK.loss(model(inputs[batch]), targets[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
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
        TASK.loss(output, targets).item()
        digits.accuracy(output, targets).item()
    model.train()


def bare_loop(measure: bool) -> None:
    """Make the same runs as `inside_compare`, in a bare loop."""
    steps = EPOCHS * (len(TASK.train[0]) // TASK.batch_size)
    for seed in range(SEEDS):
        bare_run(constant(steps), RATE, seed, steps, measure)


def seconds(job: Callable[[], None]) -> tuple[float, float]:
    """Time a job once: wall time and processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    job()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Time the three by turns, and print the median ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    bare_loop(measure=True)  # imports and caches are warm for everybody
    jobs: dict[str, Callable[[], None]] = {
        "compare": inside_compare,
        "bare loop with the same measurements": lambda: bare_loop(measure=True),
        "bare training steps alone": lambda: bare_loop(measure=False),
    }
    times = {name: [] for name in jobs}  # type: dict[str, list[tuple[float, float]]]
    for _ in track(range(rounds), description="rounds"):
        for name, job in jobs.items():
            times[name].append(seconds(job))
    print(f"torch {torch.__version__}, Python {platform.python_version()}, one thread, {rounds} rounds, median ratios")
    for name in list(jobs)[1:]:
        pairs = list(zip(times["compare"], times[name], strict=True))
        wall, processor = (statistics.median(a[kind] / b[kind] for a, b in pairs) for kind in (0, 1))
        print(f"compare / {name}: wall time {wall:.3f}, processor time {processor:.3f}")


if __name__ == "__main__":
    main()
