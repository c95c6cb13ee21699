"""Schedulers of torch as values: the same rates, or a clear refusal."""

import pytest
import torch
from torch.optim import lr_scheduler as theirs
from torch.optim import swa_utils

from ratesmith import Plateau, parse
from ratesmith.torch import from_torch
from ratesmith.torch import lr_scheduler as ours


def sgd(*rates):
    return torch.optim.SGD(
        [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates], momentum=0.9
    )


def sequence(module, o):
    parts = [module.LinearLR(o, 0.1, total_iters=10), module.CosineAnnealingLR(o, 30), module.StepLR(o, 5, 0.5)]
    return module.SequentialLR(o, parts, [10, 50])


@pytest.mark.parametrize("module", [theirs, ours], ids=["torch", "drop-in"])
@pytest.mark.parametrize(
    "make",
    [
        lambda m, o: m.LambdaLR(o, lambda step: 1 / (1 + step)),
        lambda m, o: m.StepLR(o, 7, 0.5),
        lambda m, o: m.MultiStepLR(o, [5, 20, 20, 60], 0.5),
        lambda m, o: m.MultiStepLR(o, []),
        lambda m, o: m.ConstantLR(o, 0.3, 9),
        lambda m, o: m.LinearLR(o, 0.1, 0.9, 40),
        lambda m, o: m.ExponentialLR(o, 0.97),
        lambda m, o: m.PolynomialLR(o, 60, 1.5),
        lambda m, o: m.CosineAnnealingLR(o, 30, 0.01),
        lambda m, o: m.CosineAnnealingWarmRestarts(o, 9, 2, 0.01),
        lambda m, o: m.CyclicLR(o, 0.01, 0.2, 10, 15, cycle_momentum=False),
        lambda m, o: m.CyclicLR(o, 0.01, 0.2, 10, mode="triangular2", cycle_momentum=False),
        lambda m, o: m.CyclicLR(o, 0.01, 0.2, 10, mode="exp_range", gamma=0.98, cycle_momentum=False),
        lambda m, o: m.OneCycleLR(o, 0.5, 120, pct_start=0.25),
        lambda m, o: m.OneCycleLR(o, 0.5, 120, pct_start=0.25, three_phase=True, anneal_strategy="linear"),
        sequence,
        lambda m, o: m.ChainedScheduler([m.LinearLR(o, 0.1, total_iters=10), m.ExponentialLR(o, 0.97)], o),
    ],
)
def test_the_value_gives_the_rates_that_the_scheduler_gives(module, make):
    optimizer = sgd(0.1, 0.1)
    scheduler = make(module, optimizer)
    value = from_torch(scheduler)
    bases = [group["initial_lr"] for group in optimizer.param_groups]
    for step in range(100):
        found = [group["lr"] for group in optimizer.param_groups]
        assert [base * value(step) for base in bases] == pytest.approx(found, rel=1e-9, abs=1e-15), step
        optimizer.step()
        scheduler.step()
    lambdas = {"<lambda>": getattr(scheduler, "lr_lambdas", [None])[0]}
    assert parse(str(value)).build(functions=lambdas) == value


def test_a_plateau_of_torch_is_ours_with_torchs_threshold():
    found = from_torch(theirs.ReduceLROnPlateau(sgd(0.1), "max", 0.5, 3, 0.01, "rel", 2, 0.001))
    assert found == Plateau(0.5, 3, 0.01, "torch", 2, 0.01, mode="max")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (
            lambda o: theirs.MultiplicativeLR(o, lambda step: 0.9),
            "MultiplicativeLR must .* but it is no function of the step",
        ),
        (lambda o: swa_utils.SWALR(o, 0.05), "SWALR must .* but it is no function of the step"),
        (lambda o: theirs.LambdaLR(o, [lambda s: 1.0, lambda s: 2.0]), "each group has a function of its own"),
        (lambda o: theirs.CosineAnnealingLR(o, 9, 0.01), "an absolute rate is another share of each group's own"),
        (lambda o: theirs.OneCycleLR(o, 0.1, 11), "its phase ends at step 2.3, between two"),
        (lambda o: theirs.CyclicLR(o, [0.1, 0.2], 0.5, cycle_momentum=False), "the groups' heights differ"),
        (
            lambda o: theirs.CyclicLR(o, 0.1, 0.5, scale_fn=lambda x: 1.0, cycle_momentum=False),
            "it has a scale function of its own",
        ),
        (
            lambda o: theirs.ChainedScheduler([theirs.StepLR(o, 3), theirs.LambdaLR(o, lambda s: 1.0)], o),
            "in a chain LambdaLR overwrites, or adds to, what the others did",
        ),
    ],
)
def test_what_is_no_factor_of_the_step_is_refused(make, why):
    with pytest.raises(ValueError, match=f"^from_torch: .*{why}; use the drop-in$"):
        from_torch(make(sgd(0.1, 0.3)))
