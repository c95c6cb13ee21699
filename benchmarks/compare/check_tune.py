"""Whether Ray Tune itself searches as searchers.py has its scheduler search: one study through Tuner.fit.

    python benchmarks/compare/check_tune.py [problem] [repetition]

A trial takes Tune some seconds, so that all of against.py would take hours; this one takes minutes.
"""

import logging
import shutil
import sys
import tempfile
from typing import Any

import ray
from ray import tune
from record import FILE, Recording, ReplayedTask
from searchers import asha, shuffled
from tasks import EVERY, PROBLEMS, STEPS
from truth import train


def trainable(config: dict[str, Any]) -> None:
    """Train one pair, in a process of Ray's."""
    recording = Recording(PROBLEMS[config["problem"]], FILE)
    pair = shuffled(recording, config["repetition"])[config["place"]]

    def told(step: int, loss: float) -> bool:
        tune.report({"loss": loss, "updates": step})
        return True

    train(ReplayedTask(recording, config["repetition"]).start(0), pair, told)


def main() -> None:
    """Search twice, and print both outcomes."""
    name, repetition = (*sys.argv[1:], "halves", "0")[:2] if len(sys.argv) < 3 else sys.argv[1:3]
    recording = Recording(PROBLEMS[name], FILE)
    pairs = shuffled(recording, int(repetition))
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # the names of Ray's sockets have to be short
    # A cluster of its own, whatever else runs on this machine.
    ray.init("local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, _temp_dir=folder)
    found = tune.Tuner(
        trainable,
        param_space={
            "problem": name,
            "repetition": int(repetition),
            "place": tune.grid_search(list(range(len(pairs)))),
        },
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            scheduler=tune.schedulers.ASHAScheduler(max_t=STEPS // EVERY),
            max_concurrent_trials=1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(verbose=0, storage_path=f"{folder}/results"),
    ).fit()
    best = found.get_best_result().config
    steps = sum((result.metrics or {}).get("updates", 0) for result in found)
    trail = asha(recording, int(repetition), len(pairs) * STEPS)
    print(f"Tuner.fit: {pairs[best['place']] if best else None} after {steps} steps")
    print(f"its scheduler alone: {trail.last} after {trail.steps} steps")
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
