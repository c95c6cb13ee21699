"""pytorch-ignite's schedulers, by their names there, and where they are odd."""

import pytest
from golden import LENGTHS

from ratesmith import parse

handlers = pytest.importorskip("ignite.handlers")


def theirs(kind, steps, **options):
    values = kind.simulate_values(num_events=steps, param_name="lr", **options)
    return [value for _, value in values]


def ours(notation, steps, horizon=None):
    schedule = parse(notation).build(horizon or steps)
    return [schedule(step) for step in range(steps)]


@pytest.mark.parametrize("steps", [length for length in LENGTHS if length > 1])
def test_each_scheduler_has_the_same_values_through_three_cycles(steps):
    options = {"start_value": 1.0, "end_value": 0.1, "cycle_size": steps}
    for notation, kind, more in (
        (f"repeat(stretch(cosine(final=0.1), {steps}))", handlers.CosineAnnealingScheduler, {}),
        (f"repeat(stretch(linear(final=0.1), {steps}))", handlers.LinearCyclicalScheduler, {"monotonic": True}),
    ):
        found = theirs(kind, 3 * steps + 2, **options, **more)
        assert ours(notation, 3 * steps + 2) == pytest.approx(found, rel=1e-12, abs=1e-15)
    if steps % 2 == 0:
        found = theirs(
            handlers.LinearCyclicalScheduler, 3 * steps + 2, start_value=0.1, end_value=1.0, cycle_size=steps
        )
        assert ours(f"cyclic({steps // 2}, low=0.1)", 3 * steps + 2) == pytest.approx(found, rel=1e-12)


def test_longer_cycles_with_falling_peaks_have_the_same_values():
    found = theirs(
        handlers.CosineAnnealingScheduler,
        300,
        start_value=1.0,
        end_value=0.1,
        cycle_size=20,
        cycle_mult=2.0,
        start_value_mult=0.5,
    )
    assert ours("sgdr(20, growth=2, height=0.5, final=0.1)", 300) == pytest.approx(found, rel=1e-12)


def test_piecewise_lines_have_the_same_values():
    points = [(5, 0.2), (10, 1.0), (40, 0.5), (90, 0.1)]
    found = theirs(handlers.PiecewiseLinear, 100, milestones_values=points)
    assert ours("piecewise_linear([5, 10, 40, 90], [0.2, 1, 0.5, 0.1])", 100) == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize("warm", [2, 5, 333])
def test_their_warm_up_reaches_its_end_at_its_last_step(warm):
    """create_lr_scheduler_with_warmup closes the ramp: the base rate at step warm - 1, the schedule's next at warm."""
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    after = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    made = handlers.create_lr_scheduler_with_warmup(after, 0.1, warm, warmup_end_value=1.0)
    found = []
    for _ in range(warm + 20):
        made(None)
        found.append(optimizer.param_groups[0]["lr"])
    notation = f"closed(warmup({warm}, start=0.1)) >> exponential(0.9)"
    assert ours(notation, warm + 20, horizon=2000) == pytest.approx(found, rel=1e-12)
