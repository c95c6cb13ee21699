"""The script that script_cost.py times: the training of examples/digits.py as a loop of its own, run by hand too."""

# ruff: noqa: E402  # the time is taken before anything is imported

import time

BEGAN = time.time()

import argparse
import atexit
import json
import sys
from pathlib import Path

import torch
from torch import nn

import ratesmith
from ratesmith.torch import ScheduleLR

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import digits

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=396)
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--trace", type=Path, help="where the times of begin and end, and processor time, are added")
options = parser.parse_args()


def leave_trace() -> None:
    """Write when this process began and ended, and what it computed."""
    with options.trace.open("a") as file:
        file.write(json.dumps([BEGAN, time.time(), time.process_time()]) + "\n")


if options.trace:
    atexit.register(leave_trace)
torch.set_num_threads(1)
task = digits.task()
(inputs, targets), (valid_inputs, valid_targets) = task.train, task.validation
per_epoch = len(inputs) // task.batch_size
trial = ratesmith.get_trial(lr=options.lr, steps=options.steps, steps_per_epoch=per_epoch)
torch.manual_seed(trial.seed)
model = digits.model()
optimizer = torch.optim.SGD(model.parameters(), lr=trial.lr, momentum=0.9, weight_decay=5e-4)
scheduler = ScheduleLR.from_trial(optimizer, trial)
for step in range(trial.steps):
    if step % per_epoch == 0:
        order = torch.randperm(len(inputs))
    batch = order[step % per_epoch * task.batch_size :][: task.batch_size]
    loss = nn.functional.cross_entropy(model(inputs[batch]), targets[batch])
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    trial.report_train(loss)
    if (step + 1) % per_epoch == 0 or step + 1 == trial.steps:
        model.eval()
        with torch.no_grad():
            output = model(valid_inputs)
            measured = nn.functional.cross_entropy(output, valid_targets).item()
            right = digits.accuracy(output, valid_targets).item()
        model.train()
        trial.report(loss=measured, accuracy=right)
print(measured)
