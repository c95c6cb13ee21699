"""A step inside a function that torch compiles makes no more graphs than torch's own schedulers do."""

import logging

import pytest
import torch
from stepping import parameters, rates
from torch.optim import lr_scheduler

from ratesmith import Ramp
from ratesmith.torch import ScheduleLR, tensor_rates

STEPS = 6


def graphs(build, *, tensor, form, groups):
    """Return how many graphs a few steps make, and the rates after them."""
    torch._dynamo.reset()
    optimizer = torch.optim.SGD([{"params": parameters()} for _ in range(groups)], lr=0.1)
    if tensor:
        tensor_rates(optimizer)
    scheduler, made = build(optimizer), []

    def backend(graph, _):
        made.append(graph)
        return graph.forward

    def both():
        optimizer.step()
        scheduler.step()

    def alone():
        scheduler.step()

    def count():
        optimizer.step()

    run = torch.compile({"both": both, "alone": alone, "count": count}[form], backend=backend)
    for _ in range(STEPS):
        for group in optimizer.param_groups:
            group["params"][0].grad = torch.ones(2)
        run()
        if form == "alone":
            optimizer.step()
    return len(made), rates(optimizer)


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize("form", ["both", "alone"])
@pytest.mark.parametrize("groups", [1, 3])
def test_a_compiled_step_makes_no_more_graphs_than_torchs(tensor, form, groups):
    cosine = Ramp(1.0, 0.0, 100, "cosine")
    theirs, expected = graphs(
        lambda made: lr_scheduler.CosineAnnealingLR(made, 100), tensor=tensor, form=form, groups=groups
    )
    ours, got = graphs(lambda made: ScheduleLR(made, cosine), tensor=tensor, form=form, groups=groups)
    assert ours <= theirs
    assert got == pytest.approx(expected, rel=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tensor", [False, True])
def test_updates_that_are_counted_in_a_compiled_function_make_no_more_graphs(tensor):
    cosine = Ramp(1.0, 0.0, 100, "cosine")
    theirs, _ = graphs(lambda made: lr_scheduler.CosineAnnealingLR(made, 100), tensor=tensor, form="both", groups=2)
    ours, got = graphs(lambda made: ScheduleLR(made, cosine, count_updates=True), tensor=tensor, form="count", groups=2)
    assert (ours <= theirs, got) == (True, pytest.approx([0.1 * cosine(STEPS)] * 2, rel=1e-6))
