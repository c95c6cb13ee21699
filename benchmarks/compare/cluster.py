"""What the driver of a comparison does for each trial on a Ray cluster, against the local pool in the same run.

A cluster of two nodes with one processor each is started on this machine's loopback interface, and the same trials of a
task that costs nothing are trained on it and by two local workers, by turns: trials per second from the 50th to the
last, the driver's own processor time a trial, and what of its time the store takes. Then the bytes that cross: for a
trial alone, and for trials that grow out of one another, where states travel.

    python benchmarks/compare/cluster.py [--rounds 3] [--trials 400] [--state 8]
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from ratesmith.experiment import compare
from ratesmith.experiment.ray import pack, unpack
from ratesmith.experiment.store import Store

HERE = Path(__file__)
WARM = 50
STATE = "RATESMITH_BENCHMARK_STATE"


class CheapTask:
    """A loss that falls by itself; its state is as large as the environment says."""

    has_test = False

    def start(self, seed: int) -> "CheapTraining":
        return CheapTraining(seed)

    def save(self, state: dict[str, Any], path: Path) -> None:
        path.write_bytes(state["loss"].hex().encode().ljust(int(os.environ.get(STATE, "100"))))

    def load(self, path: Path) -> dict[str, Any]:
        return {"loss": float.fromhex(path.read_bytes()[:30].split()[0].decode())}


class CheapTraining:
    base_lr = 0.1
    steps_per_epoch = 10

    def __init__(self, seed: int) -> None:
        self.loss = 1.0 + seed / 1e6

    def step(self, lr: float) -> float:
        self.loss *= 1 - 0.01 * lr
        return self.loss

    def evaluate(self, split: str = "validation") -> Mapping[str, float]:
        return {"loss": self.loss, "accuracy": 1 - self.loss}

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loss = state["loss"]


def task() -> CheapTask:
    return CheapTask()


class Took(NamedTuple):
    """Of one trial, on average."""

    seconds: float
    processor: float
    store: float


def train(trials: int, steps: int, strategies: Sequence[str], **engine: Any) -> Took:
    """Train trials into a fresh store."""
    marks: list[tuple[float, float, float]] = []
    stored = 0.0

    def take(self: Store, *given: Any) -> int:
        nonlocal stored
        began = time.perf_counter()
        try:
            return real(self, *given)
        finally:
            stored += time.perf_counter() - began

    real = Store.take
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(Store, "take", take):
        compare(
            f"{HERE}:task",
            strategies,
            folder=folder,
            steps=steps,
            rates=[0.1],
            seeds=trials,
            evaluate_every=10,
            on_progress=lambda progress: marks.append((time.perf_counter(), time.process_time(), stored)),
            **engine,
        )
    first = min(WARM, len(marks) // 4)
    return Took(
        *((last - early) / (len(marks) - 1 - first) for early, last in zip(marks[first], marks[-1], strict=True))
    )


class Crossed:
    """What passes the engine on its way to the workers and back."""

    def __init__(self) -> None:
        self.jobs = self.sent = self.sent_apart = self.heard = self.heard_apart = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        with (
            mock.patch("ratesmith.experiment.ray.pack", self._pack),
            mock.patch("ratesmith.experiment.ray.unpack", self._unpack),
        ):
            yield

    def _pack(self, *given: Any, **named: Any) -> tuple[bytes, list[bytes]]:
        packed, apart = pack(*given, **named)
        self.jobs += 1
        self.sent += len(packed)
        self.sent_apart += sum(map(len, apart))
        return packed, apart

    def _unpack(self, packed: bytes, apart: Sequence[bytes], last: bytes | None = None) -> tuple[Any, bytes | None]:
        self.heard += len(packed)
        self.heard_apart += sum(map(len, apart))
        return unpack(packed, apart, last)


@contextmanager
def own_cluster(state: int) -> Iterator[str]:
    """Start a cluster of two nodes beside its head; give its address."""
    os.environ.update(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_USAGE_STATS_ENABLED="0")
    os.environ[STATE] = str(state)
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        for cpus in (0, 1, 1):
            cluster.add_node(
                num_cpus=cpus, object_store_memory=2**28, node_ip_address="127.0.0.1", include_dashboard=False
            )
        yield cluster.address
    finally:
        cluster.shutdown()


def show(name: str, took: Sequence[Took]) -> None:
    seconds, processor, store = (statistics.median(kind) for kind in zip(*took, strict=True))
    print(
        f"{name}: {1 / seconds:.0f} trials a second; a trial takes {1e3 * processor:.2f} ms of the driver's processor "
        f"and {1e3 * store:.2f} ms in the store"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--state", type=float, default=8, help="megabytes of a trained state")
    given = parser.parse_args()
    with own_cluster(round(given.state * 1e6)) as address:
        import ray

        on_ray = {"engine": "ray", "address": address}
        print(
            f"Ray {ray.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores; {given.rounds} rounds"
        )
        engines: dict[str, Callable[[], Took]] = {
            "2 local workers": lambda: train(given.trials, 100, [], workers=2),
            "2 nodes of Ray": lambda: train(given.trials, 100, [], **on_ray),
        }
        took: dict[str, list[Took]] = {name: [] for name in engines}
        for _ in range(given.rounds):
            for name, job in engines.items():
                took[name].append(job())
        for name, them in took.items():
            show(name, them)
        crossed = Crossed()
        with crossed.counted():
            train(given.trials, 100, [], **on_ray)
        print(
            f"a trial of 100 steps and 10 measurements of 2 metrics: {crossed.sent / given.trials:,.0f} bytes to its "
            f"worker, {crossed.heard / given.trials:,.0f} back"
        )
        crossed, grown = Crossed(), ['step(every="50%")', 'multistep(milestones=["75%"])', "plateau(patience=1)"]
        seeds = given.trials // 20
        with crossed.counted():
            per_trial = train(seeds, 100, grown, **on_ray)
        megabytes = (crossed.heard_apart / 1e6, crossed.sent_apart / 1e6)
        trials = seeds * (len(grown) + 1)
        print(
            f"{trials} trials of which {len(grown)} in {len(grown) + 1} grow out of another, states of "
            f"{given.state:g} MB: {megabytes[0] / trials:.1f} MB a trial come to the driver and "
            f"{megabytes[1] / trials:.1f} MB leave it ({crossed.jobs} jobs); {1 / per_trial.seconds:.1f} trials a "
            f"second, {1e3 * per_trial.processor:.0f} ms of the driver's processor a trial"
        )


if __name__ == "__main__":
    main()
