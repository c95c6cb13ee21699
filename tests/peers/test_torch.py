"""torch's schedulers, by their names there, stepped through, and where they are odd."""

import pytest
import torch
from golden import LENGTHS
from torch.optim import lr_scheduler

from ratesmith import Constant, Horizon, parse, recipes


def torch_rates(make, steps, lr=1.0):
    """Return the rates of a torch scheduler, step by step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler, found = make(optimizer), []
    for _ in range(steps):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return found


def warm_then(lr_scheduler):
    def make(optimizer):
        parts = [lr_scheduler.LinearLR(optimizer, 1e-9, total_iters=10), lr_scheduler.CosineAnnealingLR(optimizer, 90)]
        return lr_scheduler.SequentialLR(optimizer, parts, [10])

    return make


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 1000])
def test_recipes_give_torchs_rates_at_odd_lengths(steps):
    for recipe, make in (
        (recipes.polynomial(steps, 1.0), lambda o: lr_scheduler.PolynomialLR(o, steps, 1.0)),
        (recipes.polynomial(steps, 2.5), lambda o: lr_scheduler.PolynomialLR(o, steps, 2.5)),
        (recipes.linear(steps, final=0.1), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, steps)),
        (recipes.cosine(steps, final=0.1), lambda o: lr_scheduler.CosineAnnealingLR(o, steps, 0.1)),
        (recipes.sgdr(steps * 9, steps), lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, steps)),
        (recipes.sgdr(steps * 9, steps, growth=3), lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, steps, 3)),
    ):
        ours = [recipe(step) for step in range(steps + 1)]
        assert ours == pytest.approx(torch_rates(make, steps + 1), rel=1e-9, abs=1e-13)


def test_restarts_equal_torchs_over_many_cycles():
    recipe = recipes.sgdr(2000, 7, growth=2)
    theirs = torch_rates(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7, 2), 2000)
    assert [recipe(step) for step in range(2000)] == pytest.approx(theirs, rel=1e-10, abs=1e-13)


def test_warm_up_and_cosine_equal_torchs_sequence():
    recipe = recipes.warmup(100, 10, start=1e-9) >> recipes.cosine(Horizon(100).after(10))
    theirs = torch_rates(warm_then(lr_scheduler), 101)
    assert [recipe(step) for step in range(101)] == pytest.approx(theirs, rel=1e-10, abs=1e-13)


@pytest.mark.parametrize(("up", "down"), [(1, 1), (3, 3), (2, 5), (50, 20)])
@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
def test_cyclic_rates_equal_torchs(up, down, mode):
    recipe = recipes.cyclic(500, up, down, low=0.1, mode=mode, gamma=0.99)

    def make(optimizer):
        return lr_scheduler.CyclicLR(optimizer, 0.1, 1.0, up, down, mode, 0.99, cycle_momentum=False)

    assert [recipe(step) for step in range(500)] == pytest.approx(torch_rates(make, 500), rel=1e-10)


@pytest.mark.parametrize("three", [False, True])
@pytest.mark.parametrize("anneal", ["cos", "linear"])
@pytest.mark.parametrize("steps", [10, 100, 1000])
def test_one_cycle_equals_torchs_a_step_earlier(steps, anneal, three):
    """torch's peak is at pct_start * steps - 1, and its end at the last update, steps - 1."""
    shape, phases = ("cosine" if anneal == "cos" else "linear"), 3 if three else 2
    peak = steps * 3 // 10 - 1
    recipe = recipes.one_cycle(steps - 1, peak=peak, start=1 / 25, final=1 / 25e4, shape=shape, phases=phases)

    def make(optimizer):
        return lr_scheduler.OneCycleLR(
            optimizer, 1.0, steps, pct_start=0.3, anneal_strategy=anneal, cycle_momentum=False, three_phase=three
        )

    theirs = torch_rates(make, steps - 1)
    assert [recipe(step) for step in range(steps - 1)] == pytest.approx(theirs, rel=1e-9)


def test_a_constant_factor_for_some_steps_equals_torchs():
    theirs = torch_rates(lambda o: lr_scheduler.ConstantLR(o, 0.25, 7), 20)
    ours = Constant(0.25, 7) >> Constant(1.0)
    assert [ours(step) for step in range(20)] == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("steps", LENGTHS)
def test_past_its_end_torchs_cosine_rises_again_and_ours_stays(steps):
    theirs = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, steps, 0.1), steps + 3)
    ours = recipes.cosine(steps, final=0.1)
    assert ours(steps + 2) == ours(steps) == pytest.approx(theirs[steps], abs=1e-12)
    assert steps == 1 or theirs[steps + 2] > ours(steps + 2)


def test_torchs_restarts_by_step_number_miss_one_that_ours_makes():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, 3)
    optimizer.step()
    scheduler.step(363)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-12)
    assert parse("sgdr(3, growth=3)").build(1000)(363) == 1.0
