"""A task without a framework: logistic regression on real data, in NumPy, for tests of the experiment itself.

Every start is noted in the file that RATESMITH_TEST_LOG names, so a test can count trainings.
"""

import importlib.util
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

DATA = Path(importlib.util.find_spec("sklearn").submodule_search_locations[0], "datasets/data/breast_cancer.csv")
"""What sklearn.datasets.load_breast_cancer reads; importing it takes most of a second in every worker process."""
PAUSE = float(os.environ.get("RATESMITH_TEST_PAUSE", "0"))


class LogisticTask:
    """Breast cancer, 30 features, two classes."""

    has_test = True

    def __init__(self):
        rows = np.loadtxt(DATA, delimiter=",", skiprows=1)
        inputs, targets = rows[:, :-1], rows[:, -1].astype(int)
        inputs = (inputs - inputs.mean(0)) / inputs.std(0)
        order = np.random.default_rng(0).permutation(len(targets))
        self.splits = {
            name: (inputs[part], targets[part])
            for name, part in zip(("train", "validation", "test"), np.split(order, [300, 430]), strict=True)
        }

    def start(self, seed):
        if log := os.environ.get("RATESMITH_TEST_LOG"):
            with Path(log).open("a") as file:
                file.write(f"start {seed}\n")
        return LogisticTraining(self.splits, seed)

    def save(self, state, path):
        path.write_text(json.dumps({**state, "weights": state["weights"].tolist()}))

    def load(self, path):
        state = json.loads(path.read_text())
        return {**state, "weights": np.array(state["weights"])}


class LogisticTraining:
    """Plain minibatch gradient descent."""

    base_lr = 0.1
    steps_per_epoch = 30

    def __init__(self, splits, seed):
        self.splits, self.seed, self.steps = splits, seed, 0
        self.weights = np.random.default_rng(seed).normal(size=30)

    def step(self, lr):
        time.sleep(PAUSE)
        epoch, position = divmod(self.steps, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(300)[10 * position : 10 * position + 10]
        inputs, targets = (part[order] for part in self.splits["train"])
        with np.errstate(over="ignore", invalid="ignore"):
            loss = self._loss(inputs, targets)
            self.weights = self.weights - lr * inputs.T @ (self._chance(inputs) - targets) / len(targets)
        self.steps += 1
        return loss

    def evaluate(self, split="validation"):
        if log := os.environ.get("RATESMITH_TEST_LOG"):
            with Path(log).open("a") as file:
                file.write(f"evaluate {split}\n")
        inputs, targets = self.splits[split]
        return {"loss": self._loss(inputs, targets), "accuracy": float(((inputs @ self.weights > 0) == targets).mean())}

    def state_dict(self):
        return {"weights": self.weights.copy(), "steps": self.steps}

    def load_state_dict(self, state):
        self.weights, self.steps = state["weights"].copy(), state["steps"]

    def _chance(self, inputs):
        return 0.5 * (1 + np.tanh(0.5 * inputs @ self.weights))

    def _loss(self, inputs, targets):
        return float(np.logaddexp(0, (1 - 2 * targets) * (inputs @ self.weights)).mean())


def task():
    return LogisticTask()


def halving(epoch):
    return 0.5**epoch


def negative(epoch):
    return -1.0


not_a_task = 3


def broken():
    raise RuntimeError("no such\ndata")


class Diverging(LogisticTraining):
    """Its loss is not finite at high rates."""

    def step(self, lr):
        loss = super().step(lr)
        return float("nan") if lr > 0.5 and self.steps > 5 else loss


class DivergingTask(LogisticTask):
    def start(self, seed):
        return Diverging(self.splits, seed)


def diverging():
    return DivergingTask()


class Counting(LogisticTask):
    """Counts its updates."""

    made = 0

    def start(self, seed):
        training = super().start(seed)
        step = training.step

        def counted(lr):
            self.made += 1
            return step(lr)

        training.step = counted
        return training


class Odd(LogisticTask):
    """Gives what a test puts into it."""

    def __init__(self, **changes):
        super().__init__()
        self.changes = changes

    def start(self, seed):
        training = super().start(seed)
        for name, change in self.changes.items():
            setattr(training, name, change(training, getattr(training, name)))
        return training


class Printing(LogisticTraining):
    def step(self, lr):
        print(f"step {self.steps}", flush=True)
        print(f"step {self.steps}", file=sys.stderr, flush=True)
        return super().step(lr)


class PrintingTask(LogisticTask):
    def start(self, seed):
        return Printing(self.splits, seed)


def printing():
    return PrintingTask()


class Exploding(LogisticTraining):
    def step(self, lr):
        return 10.0**self.steps + super().step(lr)


class ExplodingTask(LogisticTask):
    def start(self, seed):
        return Exploding(self.splits, seed)


class FlatTask(LogisticTask):
    """Its loss is the same whatever is done."""

    value = 1.0

    def start(self, seed):
        training = super().start(seed)
        training.step = lambda lr: self.value
        return training


class NotFiniteTask(FlatTask):
    value = float("nan")


def flat():
    return FlatTask()


def not_finite():
    return NotFiniteTask()


def exploding():
    return ExplodingTask()


class FailingLate(LogisticTraining):
    seeds, at = (1, 1001), 20

    def step(self, lr):
        if self.steps == self.at and (not self.seeds or self.seed in self.seeds):
            raise KeyError("batch 20 is missing")
        return super().step(lr)


class FailingTask(LogisticTask):
    def start(self, seed):
        return FailingLate(self.splits, seed)


def failing():
    return FailingTask()


class AlwaysFailing(FailingLate):
    seeds, at = (), 45  # later than a look at the task goes


class AlwaysFailingTask(LogisticTask):
    def start(self, seed):
        return AlwaysFailing(self.splits, seed)


def always_failing():
    return AlwaysFailingTask()
