"""Trials: each run forecast from the others, and the bands that follow from it."""

import numpy as np
import pytest
from forecast_runs import run

from ratesmith import forecast
from ratesmith.forecast import doubt
from ratesmith.forecast.trial import MOST, Trial, stretch


def test_one_run_is_tried_on_nothing():
    law = forecast.fit(run("cosine"))
    assert law.trials == ()
    assert law.stretch == 1


def test_a_trial_is_the_forecast_of_a_law_that_did_not_see_the_run():
    runs = [run("constant", noise=0.001), run("cosine", noise=0.001)]
    (first, second) = forecast.fit(runs).trials
    steps, losses = forecast.fit(runs).measured(runs[1])
    told = forecast.fit(runs[0]).under("cosine", runs[1].rates, steps)
    assert second.name == runs[1].name
    assert second.error == pytest.approx(np.sqrt(np.mean((losses / told.losses - 1) ** 2)))
    assert second.ratio == pytest.approx(np.sqrt(np.mean(((losses - told.losses) / told.sd) ** 2)))
    assert first.name == runs[0].name


def test_runs_that_contradict_each_other_make_all_bands_wider_and_lower_the_grade():
    good, other = [run("cosine"), run("wsd")], run("linear")
    bad = forecast.Curve("linear", other.rates, other.steps, other.losses * np.linspace(1, 1.06, len(other.steps)))
    law = forecast.fit([*good, bad])
    assert max(trial.ratio for trial in law.trials) > 3
    assert law.stretch > 1.5
    assert law.grade in ("B", "C")
    assert any("forecast from the others, was missed by" in said for said in law.warnings)
    alone = doubt.alone(law, [(other.rates, np.array([4000]))])
    assert law.under("linear", other.rates, [4000]).sd[-1] == pytest.approx(law.stretch * alone.sd[-1])
    assert f"linear is missed by {100 * law.trials[2].error:.1f} %" in law.explain()
    assert law.to_dict()["trials"][2]["run"] == "linear"


def test_at_most_four_runs_are_left_out():
    runs = [run("cosine", name=f"run {count}", noise=0.001 * (count + 1)) for count in range(6)]
    assert [trial.name for trial in forecast.fit(runs).trials] == ["run 0", "run 2", "run 4"]
    assert len(forecast.fit(runs[:4]).trials) == MOST


def test_a_run_without_which_nothing_can_be_said_is_not_tried():
    law = forecast.fit([run("cosine"), run("jump", every=400)])
    assert [trial.name for trial in law.trials] == [law.curves[1].name]


def test_good_trials_never_make_bands_narrower():
    assert stretch([Trial("a", 0.0, 0.0)] * 4) == 1
    assert stretch([Trial("a", 0.0, 1.5)] * 4) == 1
    assert stretch([Trial("a", 0.0, 3.0)] * 4) == pytest.approx(np.sqrt((1 + 16) / 5))
