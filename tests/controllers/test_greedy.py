"""The greedy controller: against the published implementation where it is installed, and by hand."""

import itertools
import math
import random

import pytest
import torch

from ratesmith import Greedy


def heard(greedy, losses):
    state = greedy.init()
    for step, loss in enumerate(losses):
        state = greedy.observe(state, step, {"loss": loss})
    return state


@pytest.mark.parametrize(
    ("mode", "threshold_mode", "patience", "cooldown", "warmup", "smooth"),
    list(itertools.product(["min", "max"], ["rel", "abs"], [0, 2], [0, 3], [0, 2], [1, 4])),
)
def test_it_does_what_its_authors_implementation_does(mode, threshold_mode, patience, cooldown, warmup, smooth):
    optimization = pytest.importorskip("transformers.optimization")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    options = {"mode": mode, "threshold_mode": threshold_mode, "patience": patience, "cooldown": cooldown}
    theirs = optimization.GreedyLR(
        optimizer,
        factor=0.8,
        threshold=1e-3,
        warmup=warmup,
        min_lr=0.1,
        max_lr=4.0,
        eps=0,
        smooth=smooth > 1,
        window_size=smooth,
        reset_start=5,
        **options,
    )
    ours = Greedy(0.8, threshold=1e-3, warmup=warmup, floor=0.1, ceiling=4.0, reset=5, smooth=smooth, **options)
    state, noise, resets = ours.init(), random.Random(0), 0
    for step in range(600):
        trend = math.exp(-step / 60) if step < 200 else 1.0  # falls, then wanders: rises first, cuts and resets later
        measured = (trend if mode == "min" else 2 - trend) + noise.gauss(0, 0.001)
        theirs.step(measured)
        before, state = state, ours.observe(state, step, {"loss": measured})
        resets += "begun anew" in ours.why(before, state)
        assert ours.value(state, step) == optimizer.param_groups[0]["lr"], step
    assert resets == state.resets > 0


def test_it_rises_while_the_loss_falls_and_falls_while_it_does_not():
    greedy = Greedy(0.5, patience=1, floor=0.2, ceiling=3.0)
    state = heard(greedy, [4, 3])
    assert greedy.value(state, 0) == 2.0
    assert greedy.value(heard(greedy, [4, 3, 2, 1]), 0) == 3.0
    after = heard(greedy, [4, 3, 3])
    assert greedy.value(after, 0) == 2.0
    last = greedy.observe(after, 4, {"loss": math.nan})
    assert greedy.value(last, 0) == 1.0
    assert greedy.why(after, last) == (
        "greedy: loss was not finite, which counts as no improvement (1 so far); "
        "loss did not improve for 2 measurements in a row; rate cut to 1"
    )
    assert greedy.why(greedy.init(), state) == "greedy: loss improved for 2 measurements in a row; rate raised to 2"


def test_after_a_stay_at_its_floor_it_begins_anew():
    greedy = Greedy(0.5, patience=0, floor=0.25, reset=2)
    states = [heard(greedy, [1.0] * n) for n in range(6)]
    assert [greedy.value(state, 0) for state in states] == [1.0, 2.0, 1.0, 0.5, 0.25, 1.0]
    broken = heard(greedy, [1.0, math.nan, 1.0, 1.0, 1.0, 1.0])
    assert (broken.resets, broken.nonfinite) == (1, 1)
    assert greedy.why(states[4], states[5]) == "greedy: the rate was at its floor for 2 cuts; begun anew at 1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1.0}, "Greedy: factor must be above 0 and below 1, got 1.0"),
        ({"factor": 0}, "Greedy: factor must be above 0 and below 1, got 0.0"),
        ({"ceiling": 0.5}, "Greedy: ceiling must be a finite number of at least 1, got 0.5"),
        ({"floor": 2.0}, "Greedy: floor must be a finite number from 0 to 1, got 2.0"),
        ({"patience": -1}, "Greedy: patience must be a whole number of at least 0, got -1"),
        ({"reset": 0}, "Greedy: reset must be a whole number of at least 1, got 0"),
        ({"mode": "best"}, "Greedy: mode must be 'min' or 'max', got 'best'"),
        ({"threshold_mode": "torch"}, "Greedy: threshold_mode must be 'rel' or 'abs', got 'torch'"),
        ({"metric": 3}, "Greedy: metric must be a name, got 3"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        Greedy(**options)
    assert str(caught.value).startswith(message)
