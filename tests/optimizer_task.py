"""A task without a framework that takes other optimizers, and folds, for tests of the experiment itself."""

import copy

import numpy as np
from numpy_task import LogisticTask, LogisticTraining


class Momentum:
    """Gradient descent with momentum: `rate` is its own."""

    def __init__(self, weights, rate=0.05):
        self.rate, self.velocity = rate, np.zeros_like(weights)

    def update(self, weights, gradient, lr):
        self.velocity = 0.9 * self.velocity + gradient
        return weights - lr * self.velocity


class Plain(Momentum):
    """What LogisticTraining does by itself."""

    def __init__(self, weights):
        super().__init__(weights, rate=0.1)

    def update(self, weights, gradient, lr):
        return weights - lr * gradient


class ChangeableTask(LogisticTask):
    """It can take another optimizer: a function of its weights."""

    optimizer = Plain

    def with_optimizer(self, function):
        changed = copy.copy(self)
        changed.optimizer = function
        return changed

    def fold(self, index, folds):
        inputs, targets = (
            np.concatenate([self.splits[name][part] for name in ("train", "validation")]) for part in (0, 1)
        )
        inside = np.arange(len(targets)) % folds == index
        cut = copy.copy(self)
        cut.splits = {
            "train": (inputs[~inside][:300], targets[~inside][:300]),
            "validation": (inputs[inside], targets[inside]),
            "test": self.splits["test"],
        }
        return cut

    def start(self, seed):
        training = super().start(seed)
        return ChangeableTraining(training, self.optimizer(training.weights))

    def save(self, state, path):
        super().save({**state, "velocity": state["velocity"].tolist()}, path)

    def load(self, path):
        state = super().load(path)
        return {**state, "velocity": np.array(state["velocity"])}


class ChangeableTraining(LogisticTraining):
    """Logistic regression by an optimizer."""

    def __init__(self, training, optimizer):
        super().__init__(training.splits, training.seed)
        self.optimizer, self.base_lr = optimizer, optimizer.rate

    def step(self, lr):
        before = self.weights
        with np.errstate(over="ignore", invalid="ignore"):
            loss = super().step(1.0)
            self.weights = self.optimizer.update(before, before - self.weights, lr)
        return loss

    def state_dict(self):
        return {**super().state_dict(), "velocity": self.optimizer.velocity.copy()}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.optimizer.velocity = state["velocity"].copy()


def task():
    return ChangeableTask()


def make_momentum(weights):
    return Momentum(weights)


def make_other(weights):
    return Momentum(weights, rate=0.2)
