"""Candidates beside a baseline: their difference, how sure it is, and what it is worth in steps."""

import numpy as np
import pytest
from forecast_runs import rates, run, slow_losses

import ratesmith
from ratesmith import forecast
from ratesmith.forecast import Curve
from ratesmith.forecast.compare import Pair, pairs_of, rows_of
from ratesmith.forecast.uncertainty import forecast_losses


def test_candidates_stand_beside_their_baseline(forecaster):
    table = forecaster.compare(
        {"flat": "constant()", "line": "linear()", "again": "linear()"}, 1e-3, 4000, baseline="line"
    )
    line, again, flat = (table.row(name) for name in ("line", "again", "flat"))
    assert (line.difference, line.sd, line.better, line.fewer) == (0, 0, 0.5, pytest.approx(0, abs=1e-6))
    assert (again.difference, again.better) == (0, 0.5)
    assert flat.difference == pytest.approx(flat.final - line.final, abs=1e-3)
    assert flat.better < 0.01
    assert flat.fewer == pytest.approx(-0.7, abs=0.3)
    assert table.best.name == "line"
    assert table.explain().splitlines()[0] == "Nothing promises more than line; again is better with 50 %."
    measured = slow_losses(rates("constant"))[-1] - slow_losses(rates("linear"))[-1]
    low, high = flat.bands[95]
    assert low < measured < high


def test_equivalent_compute_is_the_length_at_which_both_end_alike(forecaster):
    row = forecaster.compare(["constant()", "linear()"], 1e-3, 4000).row("linear()")
    shorter = forecaster.predict("linear()", 1e-3, round(4000 * (1 - row.fewer)), at=None)
    assert shorter.final == pytest.approx(forecaster.predict("constant()", 1e-3, 4000).final, abs=2e-3)
    assert row.equivalent == f"as {round(100 * row.fewer)} % fewer steps"


def test_candidates_are_ranked_by_all_three_laws_together(forecaster):
    names = ["linear()", "cosine()", 'wsd(decay="20%")', 'wsd(decay="60%")']
    candidates = forecaster.compare(names, 1e-3, 4000)
    assert [row.score for row in candidates.rows] == sorted(row.score for row in candidates.rows)
    for row in candidates.rows:  # the samples of the first law have its own difference as their middle, nearly
        mean = np.mean(list(row.laws.values()))
        assert row.score == pytest.approx(mean + 0.5 * np.std(list(row.laws.values())), abs=2e-3)
    assert candidates.row("linear()").score == 0


def test_annealing_lengths_that_cannot_be_are_said(forecaster):
    with pytest.raises(ValueError, match="must be at most 100,000,000"):
        forecaster.what_if_cooldown(lengths=[10**9])
    with pytest.raises(ValueError, match=r"the length '0%' must be a whole number of at least 1, got 0"):
        forecaster.what_if_cooldown(lengths=["0%"])
    with pytest.raises(TypeError, match=r"lengths must be several, got one text; write \['5%'\]"):
        forecaster.what_if_cooldown(lengths="5%")
    candidates = forecaster.what_if_cooldown(lengths=[100, 100])
    assert len(candidates.rows) == 1
    assert candidates.best.fewer is None  # what is made already cannot be made shorter


def test_a_cooldown_now_stands_beside_as_many_steps_at_the_rate():
    forecaster = forecast.fit([run("constant"), run("cosine")])
    table = forecaster.what_if_cooldown(3000, ["10%", 600], run="constant_4000")
    assert {row.name for row in table.rows} == {"decay of 300 steps", "decay of 600 steps"}
    decay = np.concatenate([rates("constant")[:3000], 1e-3 * (1 - np.arange(1, 601) / 600)])
    hold = rates("constant")[:3600]
    row = table.row("decay of 600 steps")
    assert row.difference == pytest.approx(slow_losses(decay)[-1] - slow_losses(hold)[-1], abs=0.01)
    assert row.better > 0.9


def test_candidates_are_texts_strategies_and_schedules_alike(forecaster):
    texts = ["linear()", "cosine()"]
    prediction = forecaster.compare(texts, 1e-3, 3000).rows
    strategies = forecaster.compare([ratesmith.parse(text) for text in texts], 1e-3, 3000).rows
    values = forecaster.compare([ratesmith.parse(text).build(3000) for text in texts], 1e-3, 3000).rows
    assert [row.final for row in prediction] == [row.final for row in strategies] == [row.final for row in values]
    assert values[0].name.startswith("Ramp(1.0, 0.0, 3000")


def test_one_text_is_no_list_of_candidates(forecaster):
    with pytest.raises(TypeError, match="Forecast: candidates must be several, got one text; give a list of notation"):
        forecaster.compare("cosine()")


def test_a_run_that_ended_as_low_already_is_named(forecaster):
    best = min(forecaster.curves, key=lambda curve: curve.losses[-1])
    candidates = forecaster.compare(["constant()"], steps=int(best.steps[-1]))
    assert any(
        each.text.startswith(f"Run {best.name!r} has ended at {best.losses[-1]:.4f} already")
        for each in candidates.diagnostics
    )


def test_half_of_the_laws_disagreement_comes_to_the_doubt_of_a_difference(forecaster):
    pairs, _ = pairs_of({"flat": rates("constant"), "line": rates("linear")}, "flat")
    fits, predictions = forecaster.fits, [forecaster.under(pair.name, pair.rates) for pair in pairs]
    _, line = rows_of(fits, 1.0, pairs, predictions)
    alone = forecast.fit(forecaster.curves).fits
    vars(alone)["by_law"] = {alone.law.name: alone.main}
    _, of_one_law = rows_of(alone, 1.0, pairs, predictions)
    assert len(line.laws) == 3
    assert line.sd == pytest.approx(np.hypot(of_one_law.sd, np.std(list(line.laws.values())) / 2))
    assert line.sd > of_one_law.sd


def test_holdouts_that_were_off_make_differences_less_sure(forecaster):
    pairs, _ = pairs_of({"flat": rates("constant"), "line": rates("linear")}, "flat")
    predictions = [forecaster.under(pair.name, pair.rates) for pair in pairs]
    alone = forecast.fit(forecaster.curves).fits
    vars(alone)["by_law"] = {alone.law.name: alone.main}
    once, thrice = (rows_of(alone, inflation, pairs, predictions)[1] for inflation in (1.0, 3.0))
    assert thrice.sd == pytest.approx(3 * once.sd)


@pytest.mark.parametrize(("steps", "peak"), [(4000, 1e-3), (8000, 1e-3), (4000, 5e-4)])
def test_the_doubt_of_a_difference_is_made_of_its_parts(steps, peak):
    wave = [run("constant"), run("cosine")]
    wave = [Curve(c.name, c.rates, c.steps, c.losses * (1 + 0.0025 * np.sin(c.steps / 250))) for c in wave]
    fits = forecast.fit(wave).fits
    assert 0.001 < fits.main.misfit < 0.002
    vars(fits)["by_law"] = {fits.law.name: fits.main}
    line, flat = rates("linear", steps, peak), rates("constant", steps, peak)
    [row] = rows_of(fits, 1.0, [Pair("line", line, flat)], [None])
    ends = forecast_losses(fits, [(line, np.array([steps])), (flat, np.array([steps]))])
    away = 0.0025 * np.log2(steps / 4000) / 2, 0.01 * np.log2(1e-3 / peak) / 2  # half is wrong with both alike
    law_error = np.sqrt(0.0004**2 + (1.8 * fits.main.misfit) ** 2 + away[0] ** 2 + away[1] ** 2)
    shares = [values[(np.linspace(0, 1, 200) * (steps - 1)).astype(int)] / 1e-3 for values in (line, flat)]
    unlike = min(1.0, 6 * np.sqrt(np.mean((shares[0] - shares[1]) ** 2)))
    slopes = ends.slopes[0] - ends.slopes[1]
    of_parameters = 0.25 * fits.main.misfit / 0.0002 * np.sqrt(slopes @ fits.main.covariance @ slopes)
    parts = np.hypot(of_parameters, np.sqrt(2) * unlike * law_error * ends.losses[1])
    assert row.sd == pytest.approx(fits.main.misfit / 0.001 * parts, rel=1e-6)
