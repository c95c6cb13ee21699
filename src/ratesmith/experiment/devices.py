"""Which GPUs each local worker sees: several to one, or several workers to one GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from ratesmith._checks import Option
from ratesmith.experiment.options import ComparisonError

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
LIST_SECONDS: Final = 20.0


def visible_devices() -> list[str]:
    """Return the GPUs that this process may use: those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists."""
    if VISIBLE in os.environ:
        return [device.strip() for device in os.environ[VISIBLE].split(",") if device.strip()]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        listed = subprocess.run(  # noqa: S603  # a path of the system's
            [program, "-L"], capture_output=True, text=True, timeout=LIST_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(place) for place, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]


def room(devices: Sequence[str], gpus: float) -> int:
    """Return how many trials find room, each with so many GPUs, or with so large a share of one.

    >>> room(["0", "1"], 1), room(["0", "1"], 0.5), room(["0", "1", "2"], 2), room(["0"], 0.3)
    (2, 4, 1, 3)
    """
    return len(devices) // int(gpus) if gpus >= 1 else len(devices) * _sharers(gpus)


def _sharers(gpus: float) -> int:
    """Return how many trials share a GPU of which each has so large a part; a third, thrice, is a whole."""
    return int(1 / gpus + 1e-9)


def devices_of(worker: int, devices: Sequence[str], gpus: float) -> list[str]:
    """Return the GPUs of a worker, counted from 0.

    >>> [devices_of(worker, ["0", "1"], 0.5) for worker in range(4)]
    [['0'], ['0'], ['1'], ['1']]
    >>> devices_of(1, ["a", "b", "c", "d"], 2)
    ['c', 'd']
    """
    if gpus < 1:
        return [devices[worker // _sharers(gpus)]]
    return list(devices[worker * int(gpus) : (worker + 1) * int(gpus)])


def surroundings(workers: int, gpus: float) -> list[dict[str, str]]:
    """Return the variables of each worker, so that each sees its GPUs alone.

    Without `gpus` every worker sees what this process sees. Raise ComparisonError if there are too few.
    """
    if not gpus:
        return [{} for _ in range(workers)]
    if gpus > 1 and gpus != int(gpus):
        raise ComparisonError(
            "compare: ", Option("gpus"), f" must be whole, or a share of one GPU, got {gpus:g}; write 0.5, 1 or 2"
        )
    if not workers:
        raise ComparisonError("compare: ", Option("gpus"), " needs workers; give some with ", Option("workers="))
    devices = visible_devices()
    places = room(devices, gpus)
    if workers > places:
        raise ComparisonError(
            "compare: ",
            Option("workers"),
            f" must be at most {places}, got {workers}: this machine shows {len(devices)} GPUs, and each trial has "
            f"{gpus:g}; give fewer, or change ",
            Option("gpus="),
        )
    return [{VISIBLE: ",".join(devices_of(worker, devices, gpus))} for worker in range(workers)]
