"""The laws: each against a loop over steps, and against what is known in closed form."""

import dataclasses

import numpy as np
import pytest
from forecast_runs import rates, slow_losses

from ratesmith.forecast.laws import LAWS
from ratesmith.forecast.segments import segments_of

SHAPES = ["constant", "cosine", "linear", "wsd", "jump", "cyclic"]
DEFAULT = np.array([[np.log(0.5), 0.0, np.log(150.0), 0.7, 0.65]])
TISSUE = np.array([[np.log(0.5), 0.0, np.log(90.0)]])
MULTI = np.array([[np.log(0.45), 0.0, np.log(20.0), np.log(0.6), 0.5]])


def every_step(rate):
    """Cut a schedule at every step: nothing is averaged, so that a loop over steps must agree to rounding."""
    return segments_of([(rate, np.arange(1, len(rate) + 1))], rate.max())


def tissue_by_loop(u, tau):
    """S2 / tau by its definition, step after step; falls count once the rate was at its largest."""
    top, momentum, total, found = int(np.argmax(u >= 0.9999)), 0.0, 0.0, []
    for t, value in enumerate(u):
        fall = u[t - 1] - value if t > top else 0.0
        momentum = np.exp(-1 / tau) * momentum + fall
        total += momentum
        found.append(total / tau)
    return np.array(found)


def multi_by_loop(u, tau, beta, gamma):
    """The sum over falls by its definition, in O(steps x steps)."""
    top, sums = int(np.argmax(u >= 0.9999)), np.cumsum(u)
    found = np.zeros(len(u))
    for k in range(top + 1, len(u)):
        fall = u[k - 1] - u[k]
        if fall != 0:
            since = sums[k:] - sums[k - 1]
            found[k:] += fall * (1 - (1 + max(u[k], 1e-6) ** -gamma * since / tau) ** -beta)
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_the_two_clocks_agree_with_a_loop_over_steps(shape):
    rate = rates(shape, 1500)
    progress, noise = LAWS["default"].columns(every_step(rate), DEFAULT, 4000.0)
    slow = slow_losses(rate, rate.max(), l0=0.0, a=1.0, b=0.0, tau=150.0, p=0.7, q=0.65)
    both = slow_losses(rate, rate.max(), l0=0.0, a=1.0, b=1.0, tau=150.0, p=0.7, q=0.65)
    np.testing.assert_allclose(progress[0], slow, rtol=1e-8)
    np.testing.assert_allclose(noise[0], both - slow, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_tissues_law_agrees_with_a_loop_over_steps(shape):
    rate = rates(shape, 1500)
    u = rate / rate.max()
    progress, noise = LAWS["tissue"].columns(every_step(rate), TISSUE, 1000.0)
    np.testing.assert_allclose(progress[0], (np.cumsum(u) / 1000) ** -0.5, rtol=1e-10)
    np.testing.assert_allclose(-noise[0], tissue_by_loop(u, 90.0), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_multi_power_law_agrees_with_a_double_loop(shape):
    rate = rates(shape, 900)
    u = rate / rate.max()
    _, noise = LAWS["multi-power"].columns(every_step(rate), MULTI, 1000.0)
    np.testing.assert_allclose(-noise[0], multi_by_loop(u, 20.0, 0.6, 0.5), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("law", ["default", "tissue", "multi-power"])
@pytest.mark.parametrize("shape", SHAPES)
def test_some_hundred_segments_say_what_every_step_says(law, shape):
    shapes = {"default": DEFAULT, "tissue": TISSUE, "multi-power": MULTI}[law]
    rate, at = rates(shape, 3000), np.array([700, 1505, 2500, 2900, 3000])
    coarse, fine = segments_of([(rate, at)], rate.max()), every_step(rate)
    fine = dataclasses.replace(fine, row=fine.row[:5], column=at - 1)
    assert coarse.lengths.shape[1] <= 460
    columns = [LAWS[law].columns(segments, shapes, 3000.0) for segments in (coarse, fine)]
    for few, every in zip(*columns, strict=True):
        np.testing.assert_allclose(few, every, atol=3e-4 if law == "default" and shape != "cyclic" else 3e-3)


def test_at_one_rate_the_noise_fills_up_exponentially_and_progress_is_a_power():
    rate, at = np.full(1000, 2e-4), np.array([1, 10, 500, 1000])
    progress, noise = LAWS["default"].columns(segments_of([(rate, at)], 2e-4), DEFAULT, 1000.0)
    np.testing.assert_allclose(noise[0], 1 - np.exp(-at / 150), rtol=1e-12)
    np.testing.assert_allclose(progress[0], (at / 1000) ** -0.5, rtol=1e-12)


def test_one_drop_gains_a_geometric_series_in_tissues_law():
    rate = np.concatenate([np.full(100, 1.0), np.full(50, 0.25)])
    _, noise = LAWS["tissue"].columns(segments_of([(rate, np.array([100, 101, 150]))], 1.0), TISSUE, 100.0)
    decay = np.exp(-1 / 90)
    gained = 0.75 / 90 * np.array([0, 1, (1 - decay**50) / (1 - decay)])
    np.testing.assert_allclose(-noise[0], gained, rtol=1e-10)


def test_runs_side_by_side_are_as_one_by_one():
    runs = [(rates("cosine", 800), np.array([400, 800])), (rates("jump", 500), np.array([30, 500]))]
    for name, shapes in (("default", DEFAULT), ("tissue", TISSUE), ("multi-power", MULTI)):
        together = LAWS[name].columns(segments_of(runs, 1e-3), shapes, 800.0)
        alone = [LAWS[name].columns(segments_of([one], 1e-3), shapes, 800.0) for one in runs]
        for column, parts in zip(together, zip(*alone, strict=True), strict=True):
            np.testing.assert_allclose(column[0], np.concatenate([part[0] for part in parts]), rtol=1e-10)
