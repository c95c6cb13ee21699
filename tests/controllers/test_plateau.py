"""The plateau against torch's, measurement by measurement, and what it refuses."""

import itertools
import json
import math
import random

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ratesmith import Plateau, Ramp
from ratesmith.controllers import Chained, restore


@pytest.mark.parametrize(
    ("mode", "threshold_mode", "patience", "cooldown", "safe"),
    list(itertools.product(["min", "max"], ["rel", "abs"], [0, 3], [0, 4], [True, False])),
)
def test_it_cuts_where_torch_cuts(mode, threshold_mode, patience, cooldown, safe):
    options = {"threshold": 1e-2, "cooldown": cooldown, "patience": patience}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = ReduceLROnPlateau(optimizer, mode, 0.5, threshold_mode=threshold_mode, min_lr=1e-6, eps=0, **options)
    kind = threshold_mode if safe or threshold_mode == "abs" else "torch"
    ours = Plateau(0.5, threshold_mode=kind, mode=mode, floor=1e-6, **options)
    state, noise = ours.init(), random.Random(0)
    for step in range(300):
        measured = math.nan if noise.random() < 0.05 else noise.gauss(1.0 / (1 + step), 0.03 if safe else 0.3)
        measured = abs(measured) if safe else measured
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
        state = restore(plateau, json.loads(json.dumps(states[k])))
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
        ({"threshold_mode": "log"}, "Plateau: threshold_mode must be 'rel' or 'abs' or 'torch', got 'log'"),
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


def heard(plateau, losses):
    state = plateau.init()
    for step, loss in enumerate(losses):
        state = plateau.observe(state, step, {"loss": loss})
    return state


def test_torchs_rule_holds_for_infinite_metrics_too():
    losses = [1.0, -math.inf, 0.5, math.inf, math.nan, -math.inf]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = ReduceLROnPlateau(optimizer, factor=0.5, patience=1, eps=0)
    for loss in losses:
        theirs.step(loss)
    ours = Plateau(0.5, patience=1, threshold_mode="torch")
    assert ours.value(heard(ours, losses), 0) == optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_relative_threshold_holds_for_negative_metrics(mode):
    """torch calls a loss that creeps from -1 to -0.9999 an improvement, for its threshold has the wrong sign there."""
    sign = 1 if mode == "min" else -1
    worse, better = ([-1 + sign * change * n for n in range(4)] for change in (0.00005, -0.01))
    ours, theirs = (Plateau(0.5, patience=2, mode=mode, threshold_mode=kind) for kind in ("rel", "torch"))
    assert heard(ours, worse).cuts == 1
    assert heard(theirs, worse).cuts == 0
    assert heard(ours, better).cuts == 0


def test_a_loss_that_is_not_finite_is_counted_apart_and_never_the_best():
    plateau = Plateau(0.5, patience=2)
    state = heard(plateau, [1.0, -math.inf, math.nan])
    assert (state.best, state.bad, state.nonfinite, state.cuts) == (1.0, 2, 2, 0)
    after = plateau.observe(state, 3, {"loss": math.inf})
    assert after.cuts == 1
    assert plateau.why(state, after) == (
        "plateau: loss was not finite, which counts as no improvement (3 so far); "
        "loss had not improved for 3 measurements, best 1; rate cut to 0.5"
    )


def test_smoothing_judges_the_mean_of_the_last_measurements():
    noisy = [1.0, 3.0, 0.5, 2.5, 0.0, 2.0]  # falls by half a unit, under a noise of two
    assert heard(Plateau(0.5, patience=0), noisy).cuts == 3
    state = heard(Plateau(0.5, patience=1, smooth=2), [1.0, math.nan, 3.0, 0.5, 2.5])
    assert state.recent == (0.5, 2.5)
    assert state.best == 1.0


def test_a_measurement_worse_than_the_best_cuts_at_once_where_that_is_wanted():
    plateau = Plateau(0.5, patience=9, on_worsening=True, cooldown=1)
    before = heard(plateau, [1.0, 1.00001, 0.9])
    assert before.cuts == 0
    after = plateau.observe(before, 3, {"loss": 0.91})
    assert after.cuts == 1
    assert plateau.why(before, after) == "plateau: loss got worse than its best 0.9; rate cut to 0.5"
    assert plateau.observe(after, 4, {"loss": 2.0}).cuts == 1  # in the cooldown
    assert plateau.why(before, before) == ""


def test_where_patience_is_over_that_is_the_cause_also_where_worsening_would_be_one():
    plateau = Plateau(0.5, patience=1, on_worsening=True)
    before = heard(plateau, [1.0, 1.0])
    said = "plateau: loss had not improved for 2 measurements, best 1; rate cut to 0.5"
    assert plateau.why(before, plateau.observe(before, 2, {"loss": 1.0})) == said


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        [1, 2],
        {"cuts": 1},
        "state",
        [0, "best", 0, 0, 0, []],
        [0, 1.0, 0, 0, 0, 5],
        [math.nan, 1.0, 0, 0, 0, []],
    ],
)
def test_a_state_that_is_none_is_refused(data):
    with pytest.raises(ValueError, match=r"^restore: the state must be one of Plateau\(\), got "):
        restore(Plateau(), data)


def test_a_window_of_something_else_is_refused():
    with pytest.raises(ValueError, match=r"^restore: the state must hold numbers, got \['x'\]"):
        restore(Plateau(), [0, 1.0, 0, 0, 0, ["x"]])


def test_smoothing_huge_and_infinite_losses_goes_on():
    assert heard(Plateau(smooth=2), [1e308, 1e308, 1e308]).best == 1e308
    assert heard(Plateau(smooth=2, threshold_mode="torch"), [math.inf, -math.inf, 1.0]).nonfinite == 2


def test_what_is_multiplied_are_schedules_and_controllers_at_least_two():
    with pytest.raises(TypeError, match="Chained: parts must each be a schedule or a controller, got 5; give these"):
        Chained((5, Plateau()))
    with pytest.raises(ValueError, match="Chained: parts must be at least two, got 1; use the one itself"):
        Chained((Plateau(),))
    with pytest.raises(TypeError, match="Plateau: metric must be a name, got"):
        Plateau(metric="a\nb")
