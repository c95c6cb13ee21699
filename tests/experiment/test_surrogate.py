"""The surrogate: a Gaussian process, beside scikit-learn's own."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from ratesmith.experiment import surrogate
from ratesmith.experiment.surrogate import Place, Surrogate, expected_improvement

RATES = np.array([-2.0, -1.3, -0.6, 0.4])


def places(us=RATES, variant=0, seed=0):
    return [Place(float(u), variant, 0, 0.0, seed) for u in us]


def test_of_one_strategy_it_foretells_what_scikit_learn_does_with_the_same_kernel():
    costs = [0.2, 0.05, 0.0, 0.3]
    fitted = Surrogate.fitted(places(), costs, [0.0])
    kernel = (
        ConstantKernel(surrogate.LEVEL**2 + surrogate.OFFSET**2 + surrogate.EFFECT**2)
        + ConstantKernel(surrogate.SHARED**2) * RBF(surrogate.SHARED_LENGTH)
        + ConstantKernel(surrogate.OWN**2) * RBF(surrogate.OWN_LENGTH)
    )
    oracle = GaussianProcessRegressor(kernel, alpha=fitted.noise**2, optimizer=None)
    prior = fitted.curvature * RATES**2
    oracle.fit(RATES[:, None], np.array(costs) - prior)
    us = np.linspace(-2.5, 1.0, 9)
    mean, deviation = oracle.predict(us[:, None], return_std=True)
    # Ours tells the cost itself apart from what the one seed did to all runs: it keeps that much back.
    ours, covariance = fitted.joint(places(us, seed=0))
    assert ours == pytest.approx(mean + fitted.curvature * us**2, abs=1e-9)
    assert np.sqrt(np.diag(covariance)) == pytest.approx(deviation, abs=1e-6)


def test_what_one_more_run_moves_is_what_fitting_with_it_moves():
    before = Surrogate.fitted(places(), [0.2, 0.05, 0.0, 0.3], [0.0])
    place = Place(-0.2, 1, 0, 0.0)
    (mean,), (sway,) = before.predicted([place]), before.swayed([place], [0])
    shown = place._replace(seed=0)
    (foretold,), covariance = before.joint([shown])
    deviation = math.sqrt(covariance[0, 0] + before.noise**2)
    after = Surrogate.fitted([*places(), shown], [0.2, 0.05, 0.0, 0.3, foretold + deviation], [0.0])
    assert (after.curvature, after.noise) == (before.curvature, before.noise)  # a deviation is nothing unlikely
    assert after.predicted([place])[0] - mean == pytest.approx(sway, abs=1e-9)


def test_a_strategy_never_tried_is_foretold_by_the_others_and_its_own_run_moves_it_alone():
    fitted = Surrogate.fitted(places(), [0.2, 0.05, 0.0, 0.3], [0.0])
    mean = fitted.predicted(places(variant=1, seed=None))
    assert mean == pytest.approx([0.2, 0.05, 0.0, 0.3], abs=0.05)
    worse = Surrogate.fitted([*places(), Place(-0.6, 1, 0, 0.0, 0)], [0.2, 0.05, 0.0, 0.3, 0.1], [0.0])
    moved = worse.predicted(places(variant=1, seed=None)) - worse.predicted(places(seed=None))
    assert np.all(moved > 0.04)


def test_the_noise_is_the_likeliest_of_a_few():
    rng = np.random.default_rng(0)
    us = np.linspace(-1.5, 0.5, 30)
    noises = [
        Surrogate.fitted(places(us), 0.3 * (us + 0.5) ** 2 + noise * rng.standard_normal(30), [-0.5]).noise
        for noise in (0.003, 0.08)
    ]
    assert noises == [0.005, 0.08]


def test_the_expected_improvement_is_the_mean_of_what_undercuts():
    draws = stats.norm(0.3, 0.5).ppf((np.arange(100_000) + 0.5) / 100_000)
    value = expected_improvement(0.1, np.array([0.3]), np.array([0.5]))[0]
    assert value == pytest.approx(np.maximum(0.1 - draws, 0.0).mean(), rel=1e-3)
    assert expected_improvement(0.1, np.array([0.0]), np.array([0.0]))[0] == pytest.approx(0.1)
