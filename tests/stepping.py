"""What the tests of schedulers share: parameters, an optimizer's rates, and updates with a scheduler's step."""

import copy
import io

import torch


def parameters():
    return [torch.nn.Parameter(torch.ones(2))]


def rates(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups]


def update(optimizer):
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = torch.ones_like(weight)
    optimizer.step()


def go(optimizer, scheduler, steps=1):
    """Make so many updates, each with a step of the scheduler, and return the rates then."""
    for _ in range(steps):
        update(optimizer)
        scheduler.step()
    return rates(optimizer)


def through_a_file(value):
    """Return a value as a file gives it back that is loaded with `weights_only`."""
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def in_order(order, optimizer, build, states):
    """Build and load in an order, such as "BOS"; return the scheduler."""
    scheduler = None
    for what in order:
        if what == "B":
            scheduler = build(optimizer)
        elif what == "O":
            optimizer.load_state_dict(copy.deepcopy(states[0]))
        else:
            scheduler.load_state_dict(copy.deepcopy(states[1]))
    return scheduler
