"""The spike guard: what is a spike, what it answers, and how it recovers."""

import math
import random

import pytest

from ratesmith import Horizon, SpikeGuard, parse


def follow(guard, losses):
    state, values = guard.init(), []
    for step, loss in enumerate(losses):
        values.append(guard.value(state, step))
        state = guard.observe(state, step + 1, {"loss": loss})
    return state, values


def noisy(steps, seed=0):
    noise = random.Random(seed)
    return [2.0 + 2.0 * math.exp(-step / 50) + noise.gauss(0, 0.05) for step in range(steps)]


def test_an_ordinary_training_has_no_spike():
    for seed in range(20):
        state, values = follow(SpikeGuard(), noisy(2000, seed))
        assert state.spikes == 0
        assert set(values) == {1.0}


def test_a_spike_cuts_the_rate_which_recovers_along_a_ramp():
    losses = noisy(300)
    losses[200] = 6.0
    guard = SpikeGuard(factor=0.1, recover=50)
    state, values = follow(guard, losses)
    assert state.spikes == 1
    assert values[200] == 1.0
    assert values[201] == pytest.approx(0.1)
    assert values[226] == pytest.approx(0.55)
    assert values[251:] == [1.0] * 49
    before = follow(guard, losses[:200])[0]
    after = guard.observe(before, 201, {"loss": 6.0})
    said = f"spike guard: loss jumped to 6 from about {before.mean:.6g}; rate cut to 0.1, recovering over 50 steps"
    assert guard.why(before, after) == said
    assert guard.why(after, guard.observe(after, 202, {"loss": 2.0})) == ""


def test_a_second_spike_starts_from_where_the_recovery_was_and_stays_above_the_floor():
    losses = noisy(300)
    losses[200] = losses[225] = losses[226] = 6.0
    _, values = follow(SpikeGuard(factor=0.1, recover=50, floor=0.02), losses)
    assert values[226] == pytest.approx(0.1 * (0.1 + 0.9 * 25 / 50), rel=1e-9)
    assert values[227] == values[226]  # the same spike still
    losses[229] = 6.0
    _, values = follow(SpikeGuard(factor=0.1, recover=50, floor=0.02), losses)
    assert values[230] == pytest.approx(0.02, rel=1e-9)


def test_a_loss_that_stays_higher_is_a_new_level_after_a_while():
    guard = SpikeGuard(factor=0.1, recover=50, settle=20)
    losses = [*noisy(300), *(loss + 3 for loss in noisy(600, seed=1))]
    state, values = follow(guard, losses)
    assert state.spikes == 1
    assert values[301] == pytest.approx(0.1)
    assert values[-1] == 1.0
    before = follow(guard, losses[:319])[0]
    after = guard.observe(before, 320, {"loss": losses[319]})
    assert guard.why(before, after).startswith("spike guard: loss has a new level, about ")


def test_one_huge_loss_while_settling_does_not_blind_it():
    losses = [1.0, 1.1, 1e200, 0.9, *[1.0] * 50, 1e6]
    state, _ = follow(SpikeGuard(settle=20), losses)
    assert (state.nonfinite, state.spikes) == (1, 2)
    assert math.isfinite(state.variance)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_a_spike_at_any_time(loss):
    guard = SpikeGuard(factor=0.5)
    state = guard.observe(guard.init(), 1, {"loss": loss})
    assert (state.spikes, state.nonfinite, guard.value(state, 1)) == (1, 1, 0.5)
    assert guard.why(guard.init(), state) == (
        "spike guard: loss was not finite; rate cut to 0.5, recovering over 100 steps"
    )


def test_the_moving_mean_and_deviation_are_plain_until_the_window_is_full():
    losses = [1.0, 2.0, 4.0, 3.0]
    state, _ = follow(SpikeGuard(window=10), losses)
    assert state.mean == pytest.approx(2.5)
    assert state.variance == pytest.approx(1.25)


def test_once_the_window_is_full_each_measurement_weighs_less_the_older_it_is():
    losses, window = [1.0, 2.0, 4.0, 3.0, 2.5, 3.5], 3
    late = len(losses) - window
    stays = 1 - 1 / window  # of all weights, at each measurement that finds the window full
    weights = [stays**late / window] * window + [stays**age / window for age in reversed(range(late))]
    mean = sum(weight * loss for weight, loss in zip(weights, losses, strict=True))
    state, _ = follow(SpikeGuard(window=window), losses)
    assert sum(weights) == pytest.approx(1)
    assert state.mean == pytest.approx(mean)
    assert state.variance == pytest.approx(
        sum(weight * (loss - mean) ** 2 for weight, loss in zip(weights, losses, strict=True))
    )


@pytest.mark.parametrize(("least", "jump", "spikes"), [(0.1, 2.19, 0), (0.1, 2.21, 1), (0.5, 2.99, 0), (0.0, 2.01, 1)])
def test_a_jump_that_is_small_beside_the_mean_is_no_spike_however_still_the_loss_was(least, jump, spikes):
    state, _ = follow(SpikeGuard(least=least), [*[2.0] * 20, jump])
    assert state.spikes == spikes


def test_its_recovery_is_a_length():
    guard = parse('spike_guard(recover="5%")').build(Horizon(1000))
    assert guard == SpikeGuard(recover=50)
    with pytest.raises(ValueError, match="spike_guard: it needs the length of training; give a horizon"):
        parse('spike_guard(recover="5%")').build()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1.0}, "SpikeGuard: factor must be below 1, got 1.0"),
        ({"factor": -1}, "SpikeGuard: factor must be a finite number from 0 to 1, got -1"),
        ({"recover": 0}, "SpikeGuard: recover must be a whole number of at least 1, got 0"),
        ({"recover": "5%"}, "SpikeGuard: recover must be a whole number of at least 1, got '5%'; write a whole"),
        ({"threshold": math.nan}, "SpikeGuard: threshold must be a finite number of at least 0, got nan"),
        ({"window": 1}, "SpikeGuard: window must be a whole number of at least 2, got 1"),
        ({"metric": None}, "SpikeGuard: metric must be a name, got None"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        SpikeGuard(**options)
    assert str(caught.value).startswith(message)


def test_a_metric_that_is_not_measured_is_named():
    guard = SpikeGuard(metric="f1")
    with pytest.raises(ValueError, match="SpikeGuard: metric must be one that is measured, got 'f1'; measured: 'loss'"):
        guard.observe(guard.init(), 0, {"loss": 1.0})
