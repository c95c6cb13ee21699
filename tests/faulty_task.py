"""The task of numpy_task.py, with faults: each happens at update 20 of the seeds that it is given."""

import os
import resource
import time
from pathlib import Path

import numpy as np
from numpy_task import LogisticTask, LogisticTraining

SEEDS = (1, 1001)


class FaultyTask(LogisticTask):
    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def start(self, seed):
        training = Faulty(super().start(seed).splits, seed)
        training.fault = self.fault
        return training


class Faulty(LogisticTraining):
    seeds = SEEDS

    def step(self, lr):
        loss = super().step(lr)
        if self.steps == 20 and self.seed in self.seeds:
            loss = self.fault(loss)
        return loss


def raising():
    def fault(loss):
        raise KeyError("batch 20 is missing")

    return FaultyTask(fault)


def hanging():
    return FaultyTask(lambda loss: time.sleep(600))


def leaving():
    return FaultyTask(lambda loss: os._exit(3))


def leaving_twice():
    """The first two processes that come here are gone; the third goes on."""

    def fault(loss):
        marks = Path(os.environ["RATESMITH_TEST_MARKS"])
        found = len(list(marks.iterdir()))
        if found < 2:
            (marks / f"{found}").touch()
            os._exit(3)
        return loss

    return FaultyTask(fault)


def eating():
    """Takes more memory than the process is given."""

    def fault(loss):
        resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, resource.getrlimit(resource.RLIMIT_AS)[1]))
        return loss + np.ones(2**30).sum()

    return FaultyTask(fault)


def not_a_number():
    return FaultyTask(lambda loss: float("nan"))


def sound():
    return FaultyTask(lambda loss: loss)


class MuteError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class NoRepr:
    def __repr__(self):
        raise RuntimeError("no repr")


def mute():
    def fault(loss):
        raise MuteError

    return FaultyTask(fault)


def no_repr():
    def fault(loss):
        raise KeyError(NoRepr())

    return FaultyTask(fault)


class MuteAtTheStart(LogisticTask):
    def start(self, seed):
        if seed == 1001:
            raise MuteError
        return super().start(seed)


class MuteWhenMeasured(LogisticTraining):
    def evaluate(self, split="validation"):
        if self.steps == 30 and self.seed == 1001:
            raise MuteError
        return super().evaluate(split)


class MuteMeasuring(LogisticTask):
    def start(self, seed):
        return MuteWhenMeasured(self.splits, seed)


def mute_at_the_start():
    return MuteAtTheStart()


def mute_when_measured():
    return MuteMeasuring()


def mute_rule(epoch):
    raise MuteError


class MixedTask(FaultyTask):
    """Another fault for each of three seeds of the verdict."""

    def start(self, seed):
        training = super().start(seed)
        made = {1001: raising, 1002: leaving, 1003: hanging}.get(seed, sound)()
        training.fault, training.seeds = made.fault, (1001, 1002, 1003)
        return training


def mixed():
    return MixedTask(None)
