"""A step of a drop-in inside a compiled function: no more graphs than with torch's own class, and the same rates."""

from types import SimpleNamespace

import pytest
import torch
from stepping import rates
from torch.optim import lr_scheduler, swa_utils

from ratesmith.torch import lr_scheduler as ours

TORCHS = SimpleNamespace(**{name: getattr(lr_scheduler, name) for name in lr_scheduler.__all__}, SWALR=swa_utils.SWALR)
KINDS = {
    "LambdaLR": lambda of, kinds: kinds.LambdaLR(of, lambda step: 0.9**step),
    "MultiplicativeLR": lambda of, kinds: kinds.MultiplicativeLR(of, lambda step: 0.9),
    "StepLR": lambda of, kinds: kinds.StepLR(of, 3),
    "MultiStepLR": lambda of, kinds: kinds.MultiStepLR(of, [3, 8]),
    "ConstantLR": lambda of, kinds: kinds.ConstantLR(of, 0.5, 4),
    "LinearLR": lambda of, kinds: kinds.LinearLR(of, 0.1, total_iters=30),
    "ExponentialLR": lambda of, kinds: kinds.ExponentialLR(of, 0.9),
    "PolynomialLR": lambda of, kinds: kinds.PolynomialLR(of, 30, 2.0),
    "CosineAnnealingLR": lambda of, kinds: kinds.CosineAnnealingLR(of, 30),
    "CosineAnnealingWarmRestarts": lambda of, kinds: kinds.CosineAnnealingWarmRestarts(of, 6),
    "CyclicLR": lambda of, kinds: kinds.CyclicLR(of, 0.01, 0.2, 4, cycle_momentum=False),
    "OneCycleLR": lambda of, kinds: kinds.OneCycleLR(of, 0.5, 40, cycle_momentum=False),
    "SWALR": lambda of, kinds: kinds.SWALR(of, 0.02, 12),
    "SequentialLR": lambda of, kinds: kinds.SequentialLR(of, [kinds.LinearLR(of), kinds.CosineAnnealingLR(of, 9)], [5]),
    "ChainedScheduler": lambda of, kinds: kinds.ChainedScheduler([kinds.LinearLR(of), kinds.StepLR(of, 3)]),
}


def compiled(make, kinds, as_tensors, calls=20):
    """Return how many graphs a compiled update and step make in some calls, and the rates after them."""
    torch._dynamo.reset()
    graphs = []

    def backend(module, inputs):
        graphs.append(module)
        return module.forward

    weights = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    groups = [{"params": [weight], "lr": torch.tensor(0.1) if as_tensors else 0.1} for weight in weights]
    optimizer = torch.optim.SGD(groups)
    scheduler = make(optimizer, kinds)
    for weight in weights:
        weight.grad = torch.ones(3)

    def update():
        optimizer.step()
        scheduler.step()

    quick = torch.compile(update, backend=backend)
    for _ in range(calls):
        quick()
    return len(graphs), rates(optimizer)


# torch's compiler imports what torch deprecates, and warns of what it leaves out of a graph
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("as_tensors", [True, False], ids=["tensor rates", "float rates"])
@pytest.mark.parametrize("name", KINDS)
def test_a_step_in_a_compiled_function_makes_no_more_graphs_than_torchs_own(name, as_tensors):
    graphs, reached = compiled(KINDS[name], ours, as_tensors)
    torchs_graphs, expected = compiled(KINDS[name], TORCHS, as_tensors)
    assert 1 <= graphs <= torchs_graphs
    assert reached == pytest.approx(expected, rel=1e-5)
