"""A script that drives itself and reports, for tests: logistic regression on drawn points, with Python alone."""

import argparse
import json
import math
import os
import random
import sys
import time
from pathlib import Path

import ratesmith

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=40)
parser.add_argument("--every", type=int, default=10)
parser.add_argument("--do", default="")
parser.add_argument("--trace")
options = parser.parse_args()

rules = {"mine": lambda step: 1.0 if step < 20 else 0.25} if options.do == "rule" else None
trial = ratesmith.get_trial(
    lr=0.3, schedule="cosine()", steps=options.steps, seed=0, steps_per_epoch=10, functions=rules
)
order = random.Random(trial.seed if options.do != "ignore the seed" else 0)
if options.do == "not repeatable":
    order = random.Random(time.time_ns())
points = [(order.gauss(0, 1), order.gauss(0, 1)) for _ in range(240)]
targets = [1.0 if 2 * x - y + order.gauss(0, 0.5) > 0 else 0.0 for x, y in points]
trained, measured_on = list(range(160)), list(range(160, 240))
if options.do == "folds" and trial.folds:
    measured_on = [place for place in range(240) if place % trial.folds == trial.fold]
    trained = [place for place in range(240) if place not in measured_on]


class Weights:
    """What training changes, which can be saved."""

    def __init__(self):
        self.values = [order.gauss(0, 0.1), order.gauss(0, 0.1)]

    def state_dict(self):
        if options.do == "forget":
            return {"values": [0.0, 0.0], "order": _plain(order.getstate())}
        return {"values": self.values, "order": _plain(order.getstate())}

    def load_state_dict(self, state):
        self.values = list(state["values"])
        version, internal, gauss = state["order"]
        order.setstate((version, tuple(internal), gauss))


def _plain(state):
    return [state[0], list(state[1]), state[2]]


def probability(weights, point):
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, weights[0] * point[0] + weights[1] * point[1]))))


def loss_of(weights, places):
    total = 0.0
    for place in places:
        chance = min(max(probability(weights, points[place]), 1e-9), 1 - 1e-9)
        total -= targets[place] * math.log(chance) + (1 - targets[place]) * math.log(1 - chance)
    return total / len(places)


class Scheduler:
    """Follows the trial's schedule or controller, as a library's scheduler does."""

    def __init__(self):
        self.last_epoch, self.state = 0, trial.controller.init()

    def observe(self, metrics):
        self.state = trial.controller.observe(self.state, self.last_epoch, metrics)

    def step_to(self, step):
        self.last_epoch = step

    def get_last_lr(self):
        return [trial.lr * trial.controller.value(self.state, self.last_epoch)]


weights, scheduler = Weights(), Scheduler()
trial.attach(scheduler)
first = 0
if options.do in ("share", "forget", "slow and share", "share and report first"):
    first = trial.checkpoint(weights)
if options.trace:
    with Path(options.trace).open("a") as file:
        file.write(json.dumps([trial.schedule, trial.lr, trial.seed, trial.steps, first, os.getpid()]) + "\n")
print("begins", *sys.argv[1:])
last = {"stop early": trial.steps - 5, "run on": trial.steps + 10, "stop before": trial.steps - 5}.get(
    options.do, trial.steps
)
step = first
while step < last:
    if options.do == "share and report first" and step % options.every == 0:
        trial.report(loss=loss_of(weights.values, range(160, 240)), step=step)
    batch = [order.choice(trained) for _ in range(8)]
    lr = scheduler.get_last_lr()[0]
    loss = loss_of(weights.values, batch)
    for place in batch:
        error = probability(weights.values, points[place]) - targets[place]
        for axis in (0, 1):
            weights.values[axis] -= lr * error * points[place][axis] / 8
    step += 1
    scheduler.last_epoch = step
    if options.do != "no training losses":
        trial.report_train(loss)
    if "slow" in options.do:
        time.sleep(0.02)
    if options.do == "give up" and step == 15 and trial.lr > 0.5:
        trial.report_train(1e6)
        raise SystemExit("the loss is not finite")
    if options.do == "crash" and trial.lr > 0.5 and step == 15:
        raise ValueError("no such picture: 7.png")
    if options.do == "hang" and trial.lr > 0.5 and step == 15:
        time.sleep(600)
    if step % options.every == 0 or step == last:
        measured = loss_of(weights.values, measured_on)
        if options.do == "explode" and trial.lr > 0.5 and step > 15:
            measured = math.nan
        right = sum((probability(weights.values, points[p]) > 0.5) == (targets[p] > 0.5) for p in range(160, 240))
        if options.do == "never report" or (options.do == "share and report first" and step < last):
            continue
        if options.do == "two reports":
            trial.report(accuracy=right / 80, step=step)
            trial.report(loss=measured, step=step)
            continue
        if options.do == "loss seldom":
            trial.report(accuracy=right / 80, step=step)
            if step % 20:
                continue
        if options.do == "other metric":
            trial.report(accuracy=right / 80, step=step)
        else:
            trial.report(loss=measured, accuracy=right / 80, step=step)
print("ends")
if options.do == "hang at the end" and trial.lr > 0.5:
    time.sleep(600)
