"""Trainings recorded once and replayed for every tool: a measurement is kept by all that decides it.

On one machine with one thread, the validation loss after some updates is decided by the task, the seed and the rates of
those updates. So a training that asks for a measurement that was made before need not be made again, and hundreds of
searches can be repeated. What is not known yet is trained at that moment, from the nearest point that is in memory.
A training that has diverged shows it at the next measurement, for every tool alike.
"""

import hashlib
import json
import math
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

from tasks import EVERY, Problem

from ratesmith.experiment.options import FIRST_FRESH_SEED
from ratesmith.torch.task import TorchTask, TorchTraining

FILE = Path(__file__).with_name("recordings.txt")
MOST_STATES = 300
EXPLODED = 1000.0


class Recording:
    """The measurements of one problem, by a digest of the seed and the rates so far."""

    def __init__(self, problem: Problem, file: Path) -> None:
        """Read what the file keeps."""
        self.problem = problem
        self.losses: dict[bytes, float] = {}
        self._file = file.open("a+")  # lines are appended, and none is ever changed
        self._file.seek(0)
        for line in self._file:
            name, key, loss = line.split()
            if name == problem.name:
                self.losses[bytes.fromhex(key)] = float(loss)
        self.trained = 0
        """Updates really made."""
        self._states: OrderedDict[bytes, dict[str, Any]] = OrderedDict()

    @property
    def task(self) -> TorchTask:
        """The task itself, made when it is first needed."""
        if not hasattr(self, "_task"):
            self._task = self.problem.task()
        return self._task

    def keep(self, key: bytes, loss: float, live: TorchTraining | None) -> None:
        """Keep a measurement in the file, and the state of the training, if given, for a while in memory."""
        self.losses[key] = loss
        self._file.write(f"{self.problem.name} {key.hex()} {loss!r}\n")
        self._file.flush()
        if live is not None and math.isfinite(loss):
            self._states[key] = live.state_dict()
            while len(self._states) > MOST_STATES:
                self._states.popitem(last=False)

    def near(self, seed: int, keys: list[bytes]) -> tuple[TorchTraining, int]:
        """Return a training at the last of these points that is in memory, or at its beginning, and its step."""
        live = self.task.start(seed)
        for step in range(len(keys) - 1, 0, -1):
            if keys[step] in self._states:
                self._states.move_to_end(keys[step])
                live.load_state_dict(self._states[keys[step]])
                return live, step
        return live, 0


class Replayed:
    """A training that is looked up as far as it is known."""

    base_lr = 0.1

    def __init__(self, recording: Recording, seed: int) -> None:
        """Begin."""
        self._recording, self._seed = recording, seed
        self._begin()
        self.steps_per_epoch = len(recording.task.train[0]) // recording.task.batch_size

    def _begin(self) -> None:
        self._hash = hashlib.blake2b(f"{self._recording.problem.name} {self._seed}".encode(), digest_size=12)
        self._rates: list[float] = []
        self._keys = [self._hash.digest()]
        self._live: tuple[TorchTraining, int] | None = None

    def step(self, lr: float) -> float:
        """Note the rate; the training loss is not recorded."""
        self._rates.append(lr)
        self._hash.update(struct.pack("<d", lr))
        self._keys.append(self._hash.digest())
        return 0.0

    def evaluate(self, split: str = "validation") -> dict[str, float]:
        """Look the validation loss up, or train up to here."""
        key = self._keys[-1]
        if key not in self._recording.losses:
            loss, live = self._train()
            self._recording.keep(key, loss, None if len(self._rates) % EVERY else live)
        return {"loss": self._recording.losses[key]}

    def _train(self) -> tuple[float, TorchTraining]:
        live, at = self._live or self._recording.near(self._seed, self._keys)
        sound = True
        for rate in self._rates[at:]:
            loss = live.step(rate)
            self._recording.trained += 1
            sound = math.isfinite(loss) and loss < EXPLODED
            if not sound:
                break
        self._live = live, len(self._rates)
        return live.evaluate()["loss"] if sound else math.nan, live

    def state_dict(self) -> dict[str, Any]:
        """Return the seed and the rates so far: they decide all else."""
        return {"seed": self._seed, "rates": list(self._rates)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._seed = state["seed"]
        self._begin()
        for rate in state["rates"]:
            self.step(rate)


class ReplayedTask:
    """A recording as a task: every repetition has seeds of its own; those of verdicts alone are the same for all."""

    has_test = False

    def __init__(self, recording: Recording, repetition: int) -> None:
        """Hold both."""
        self.recording, self.repetition = recording, repetition

    def start(self, seed: int) -> Replayed:
        """Begin a training."""
        own = 10_000 * (self.repetition + 1 if seed < FIRST_FRESH_SEED else 1)
        return Replayed(self.recording, own + seed)

    def save(self, state: dict[str, Any], path: Path) -> None:
        """Write a state as JSON."""
        path.write_text(json.dumps(state))

    def load(self, path: Path) -> dict[str, Any]:
        """Read it."""
        state: dict[str, Any] = json.loads(path.read_text())
        return state
