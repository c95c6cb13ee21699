"""A training whose loss is known: a valley in every direction, as steep as its curvatures, with noisy batches."""

import math
import random


class Valley:
    """Gradient descent on half the sum of curvature * weight ** 2; it diverges above the rate 2 / largest curvature."""

    has_test = False

    def __init__(self, curvatures=(1.0, 0.1, 0.01), noise=0.0, offset=0.0, broken_from=math.inf, epoch=10):
        self.curvatures, self.noise, self.offset = curvatures, noise, offset
        self.broken_from, self.epoch, self.started, self.made = broken_from, epoch, [], 0

    def start(self, seed):
        self.started.append(seed)
        return Descent(self, seed)


class Descent:
    base_lr = 0.1

    def __init__(self, task, seed):
        self.task, self.chance = task, random.Random(seed)
        self.steps_per_epoch = task.epoch
        self.weights = [1.0 for _ in task.curvatures]
        self.steps = 0

    def loss(self):
        squares = [curvature * weight**2 for curvature, weight in zip(self.task.curvatures, self.weights, strict=True)]
        return 0.5 * sum(min(square, 1e300) for square in squares) + self.task.offset

    def step(self, lr):
        random.random()
        loss = self.loss() + self.task.noise * self.chance.gauss(0, 1)
        if self.steps >= self.task.broken_from:
            return math.nan
        self.weights = [
            max(-1e150, min(1e150, weight * (1 - lr * curvature)))
            for curvature, weight in zip(self.task.curvatures, self.weights, strict=True)
        ]
        self.steps += 1
        self.task.made += 1
        return loss

    def evaluate(self, split="validation"):
        return {"loss": self.loss(), "accuracy": -self.loss()}
