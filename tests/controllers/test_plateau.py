"""The plateau against torch's, measurement by measurement, and what it refuses."""

import itertools
import json
import math
import random

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ratesmith import Plateau, Ramp
from ratesmith.controllers import PlateauState


@pytest.mark.parametrize(
    ("mode", "threshold_mode", "patience", "cooldown"),
    list(itertools.product(["min", "max"], ["rel", "abs"], [0, 3], [0, 4])),
)
def test_it_cuts_where_torch_cuts(mode, threshold_mode, patience, cooldown):
    options = {"threshold": 1e-2, "cooldown": cooldown, "patience": patience}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = ReduceLROnPlateau(optimizer, mode, 0.5, threshold_mode=threshold_mode, min_lr=1e-6, eps=0, **options)
    ours = Plateau(0.5, threshold_mode=threshold_mode, mode=mode, floor=1e-6, **options)
    state, noise = ours.init(), random.Random(0)
    for step in range(300):
        measured = math.nan if noise.random() < 0.05 else noise.gauss(1.0 / (1 + step), 0.3)
        theirs.step(measured)
        state = ours.observe(state, step, {"loss": measured})
        assert ours.value(state, step) == optimizer.param_groups[0]["lr"]
        assert (state.bad, state.cooldown) == (theirs.num_bad_epochs, theirs.cooldown_counter)


def test_a_state_saved_as_json_goes_on_as_if_nothing_happened():
    plateau, noise = Plateau(0.5, patience=1), random.Random(1)
    losses = [noise.random() for _ in range(40)]
    whole = plateau.init()
    states = [whole := plateau.observe(whole, step, {"loss": loss}) for step, loss in enumerate(losses)]
    for k in range(len(losses)):
        state = PlateauState(*json.loads(json.dumps(states[k])))
        for step in range(k + 1, len(losses)):
            state = plateau.observe(state, step, {"loss": losses[step]})
        assert state == whole


def test_it_multiplies_with_a_schedule_on_either_side_and_with_a_number():
    ramp, plateau = Ramp(1.0, 0.0, 10), Plateau(0.5, patience=0)
    for both in (ramp * plateau, plateau * ramp, 1.0 * plateau * ramp, plateau * 1.0 * ramp):
        state = both.init()
        for loss in (1.0, 1.0, 1.0):
            state = both.observe(state, 5, {"loss": loss})
        assert both.value(state, 5) == 0.125


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1.0}, "Plateau: factor must be below 1, got 1.0"),
        ({"factor": -0.5}, "Plateau: factor must be a finite number from 0 to 1, got -0.5"),
        ({"factor": math.nan}, "Plateau: factor must be a finite number from 0 to 1, got nan"),
        ({"patience": -1}, "Plateau: patience must be a whole number of at least 0, got -1"),
        ({"patience": 1.5}, "Plateau: patience must be a whole number of at least 0, got 1.5"),
        ({"cooldown": -1}, "Plateau: cooldown must be a whole number of at least 0, got -1"),
        ({"threshold": -0.1}, "Plateau: threshold must be a finite number of at least 0, got -0.1"),
        ({"floor": 2.0}, "Plateau: floor must be a finite number from 0 to 1, got 2.0"),
        ({"mode": "best"}, "Plateau: mode must be 'min' or 'max', got 'best'"),
        ({"threshold_mode": "log"}, "Plateau: threshold_mode must be 'rel' or 'abs', got 'log'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError if "1.5" not in message else TypeError) as caught:
        Plateau(**options)
    assert str(caught.value).startswith(message)


def test_a_metric_that_is_not_measured_is_named():
    plateau = Plateau(metric="f1")
    with pytest.raises(ValueError, match="Plateau: metric must be one that is measured, got 'f1'; measured: 'loss'"):
        plateau.observe(plateau.init(), 0, {"loss": 1.0})
