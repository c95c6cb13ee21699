"""Figures on public curves, which no constant here was fitted to one by one; without the folder these skip."""

import numpy as np
import pytest
from forecast_runs import public_groups

from ratesmith import forecast

SEEN = ["cosine_24000", "constant_24000", "wsdcon_3"]


@pytest.fixture(scope="module")
def models():
    return [group for group in public_groups() if group.name.startswith("multipowerlaw")]


def test_six_unseen_schedules_are_forecast_better_than_by_the_published_law(models):
    seen = []
    for group in models:
        forecaster = forecast.fit([group.runs[name] for name in SEEN])
        for name, curve in group.runs.items():
            if name not in SEEN:
                error = forecaster.under(name, curve.rates, curve.steps).losses - curve.losses
                explained = 1 - np.sum(error**2) / np.sum((curve.losses - curve.losses.mean()) ** 2)
                seen.append((np.abs(error).mean(), explained, np.max(np.abs(error) / curve.losses)))
    error, explained, worst = np.mean(seen, axis=0)
    assert error <= 0.0033
    assert explained >= 0.9989
    assert worst <= 0.0050


def test_two_runs_forecast_final_losses_to_six_thousandths(models):
    errors = []
    for group in models:
        names = ["constant_24000", "cosine_24000"]
        forecaster = forecast.fit([group.runs[name] for name in names])
        for name, curve in group.runs.items():
            if name not in names:
                errors.append(forecaster.under(name, curve.rates, [curve.steps[-1]]).final - curve.losses[-1])
    assert np.mean(np.abs(errors)) <= 6.5e-3


def test_the_choice_from_two_runs_is_nearly_the_best_that_was_measured(models):
    for group in models:
        forecaster = forecast.fit([group.runs[name] for name in ("constant_24000", "cosine_24000")])
        names = ["wsd_20000_24000", "wsdld_20000_24000", "cosine_24000", "constant_24000"]
        told = [forecaster.under(name, group.runs[name].rates).final for name in names]
        measured = [group.runs[name].losses[-1] for name in names]
        assert measured[int(np.argmin(told))] <= min(measured) + 4e-3


def test_one_annealed_run_forecasts_the_other_lengths_of_llama_models():
    errors = []
    for group in public_groups():
        cosines = [curve for name, curve in group.runs.items() if name.startswith("cosine") and len(curve.steps) > 20]
        if not group.name.startswith("multi") and len(cosines) > 1:
            forecaster = forecast.fit(max(cosines, key=lambda curve: curve.length))
            for curve in cosines:
                errors.append(forecaster.under(curve.name, curve.rates, [curve.steps[-1]]).final - curve.losses[-1])
    assert np.mean(np.abs(errors)) <= 10e-3
