"""The task of numpy_task.py where memory is short: a run fits only while no other process holds the lock."""

import os
import signal
import time
from pathlib import Path

from numpy_task import LogisticTask, LogisticTraining


class OutOfMemoryError(RuntimeError):
    """As torch's is called."""


class Crowded(LogisticTraining):
    last = 60
    held = False
    fault = None

    def step(self, lr):
        lock = Path(os.environ["RATESMITH_TEST_LOCK"])
        if self.steps == 45 and self.seed >= 1000:  # in the verdict, later than a look at the task goes
            try:
                lock.touch(exist_ok=False)
                self.held = True
            except FileExistsError:
                self.fault()
            time.sleep(1)  # long enough that all others come here meanwhile
        loss = super().step(lr)
        if self.held and self.steps == self.last:
            lock.unlink()
        return loss


class CrowdedTask(LogisticTask):
    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def start(self, seed):
        training = Crowded(self.splits, seed)
        training.fault = self.fault
        return training


def no_memory():
    raise MemoryError


def torchs_error():
    raise OutOfMemoryError("CUDA out of memory")


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def raising():
    return CrowdedTask(no_memory)


def torchs():
    return CrowdedTask(torchs_error)


def killed():
    return CrowdedTask(kill)


class Never(LogisticTraining):
    def step(self, lr):
        if self.steps == 45 and self.seed == 1001:
            torchs_error()
        return super().step(lr)


class NeverTask(LogisticTask):
    batch_size = 10

    def start(self, seed):
        return Never(super().start(seed).splits, seed)


def never():
    return NeverTask()


class Nowhere(LogisticTask):
    def start(self, seed):
        torchs_error()


def nowhere():
    return Nowhere()
