"""What a fitted law is asked: forecasts, comparisons, designs, longer runs, cooldowns; and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
from forecast_runs import rates, run, slow_losses

import ratesmith
from ratesmith import forecast
from ratesmith.forecast.design import family
from ratesmith.forecast.results import summary_of_checks
from ratesmith.forecast.segments import segments_of

FAMILY = [f"warmup(100) >> {text}" for text in family(4000, 100)]


@pytest.fixture(scope="module")
def forecaster():
    return forecast.fit([run("constant", noise=0.001), run("cosine", noise=0.001)])


def test_every_form_of_a_schedule_gives_the_same_forecast(forecaster):
    built = ratesmith.parse("cosine(final=0.1)").build(3000)
    forms = ["cosine(final=0.1)", ratesmith.parse("cosine(final=0.1)"), built, built(np.arange(3000.0))]
    finals = {forecaster.predict(form, 1e-3, 3000).final for form in forms}
    assert len(finals) == 1


def test_candidates_are_texts_strategies_and_schedules_alike(forecaster):
    texts = ["linear()", "cosine()"]
    prediction = forecaster.compare(texts, 1e-3, 3000).rows
    strategies = forecaster.compare([ratesmith.parse(text) for text in texts], 1e-3, 3000).rows
    values = forecaster.compare([ratesmith.parse(text).build(3000) for text in texts], 1e-3, 3000).rows
    assert [row.final for row in prediction] == [row.final for row in strategies] == [row.final for row in values]
    assert values[0].name.startswith("Ramp(1.0, 0.0, 3000")


def test_a_forecast_has_bands_that_widen_with_the_level_and_ends_where_the_schedule_does(forecaster):
    prediction = forecaster.predict("linear()", 1e-3, 4000)
    assert prediction.steps[-1] == 4000
    assert len(prediction.steps) <= 200
    for inner, outer in ((50, 80), (80, 95)):
        assert (prediction.low(outer) < prediction.low(inner)).all()
        assert (prediction.high(outer) > prediction.high(inner)).all()
    assert prediction.low()[-1] < slow_losses(rates("linear"))[-1] < prediction.high()[-1]
    assert prediction.grade == "A"
    assert prediction.diagnostics == ()


def test_losses_are_given_at_the_steps_asked_for(forecaster):
    prediction = forecaster.predict("linear()", 1e-3, 4000, at=[10, 1000, 4000])
    whole = forecaster.predict("linear()", 1e-3, 4000, at=np.arange(1, 4001))
    assert prediction.steps.tolist() == [10, 1000, 4000]
    np.testing.assert_allclose(prediction.losses, whole.losses[prediction.steps - 1], rtol=3e-4)
    assert prediction.rates == pytest.approx([1e-3 * (1 - 9 / 4000), 1e-3 * (1 - 999 / 4000), 1e-3 / 4000])


def test_where_nothing_is_said_rate_and_length_are_those_of_the_runs(forecaster):
    assert forecaster.predict("linear()").final == forecaster.predict("linear()", 1e-3, 4000).final


def test_the_band_widens_with_the_horizon_and_away_from_the_rates_seen(forecaster):
    sds = [forecaster.predict("cosine()", 1e-3, steps).sd[-1] for steps in (4000, 8000, 16_000)]
    assert sds == sorted(sds)
    assert sds[2] > 2 * sds[0]
    assert forecaster.predict("cosine()", 4e-4, 4000).sd[-1] > forecaster.predict("cosine()", 1e-3, 4000).sd[-1]


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


def test_a_design_is_one_of_the_family_and_is_at_least_as_good_as_the_habits(forecaster):
    candidates = forecaster.design(4000)
    assert candidates.best.name in FAMILY
    assert {"warmup(100) >> linear()", "warmup(100) >> cosine()", 'warmup(100) >> wsd(decay="20%")'} <= {
        row.name for row in candidates.rows
    }
    true = {text: slow_losses(1e-3 * ratesmith.parse(text).build(4000)(np.arange(4000.0)))[-1] for text in FAMILY}
    assert true[candidates.best.name] < min(true.values()) + 0.01
    assert true[candidates.best.name] <= true["warmup(100) >> linear()"] + 1e-3


def test_candidates_are_ranked_by_all_three_laws_together(forecaster):
    names = ["linear()", "cosine()", 'wsd(decay="20%")', 'wsd(decay="60%")']
    candidates = forecaster.compare(names, 1e-3, 4000)
    assert [row.score for row in candidates.rows] == sorted(row.score for row in candidates.rows)
    for row in candidates.rows:  # the samples of the first law have its own difference as their middle, nearly
        mean = np.mean(list(row.laws.values()))
        assert row.score == pytest.approx(mean + 0.5 * np.std(list(row.laws.values())), abs=2e-3)
    assert candidates.row("linear()").score == 0


def test_a_gain_that_is_not_sure_is_said_to_be_so(forecaster):
    candidates = forecaster.compare({"line": "linear()", "nearly": "linear(final=0.001)"}, 1e-3, 4000)
    small = replace(
        candidates.best, name="a", difference=-0.01, better=0.7, laws={"one": -0.01, "two": -0.011}, score=-0.01
    )
    assert "That is not sure: where it matters, run both." in replace(candidates, rows=(small,)).explain()
    sure = replace(small, better=0.95)
    assert replace(candidates, rows=(sure,)).sure
    assert "not sure" not in replace(candidates, rows=(sure,)).explain()
    assert not replace(candidates, rows=(replace(sure, laws={"one": -0.01, "two": 0.01}),)).sure
    assert not replace(candidates, rows=(sure,), grade="C").sure


def test_where_the_laws_rank_otherwise_than_the_table_it_is_undecided(forecaster):
    candidates = forecaster.compare({"line": "linear()", "other": "linear(final=0.001)"}, 1e-3, 4000)
    base, other = candidates.row("line"), replace(candidates.row("other"), better=0.7, difference=-0.001, score=0.01)
    said = replace(candidates, rows=(base, other)).explain()
    assert said.startswith("Undecided: three laws together put line first, the law of the table alone other (70 %")
    first = replace(other, better=0.34, difference=0.01, score=-0.01)
    assert (
        replace(candidates, rows=(first, base)).explain().startswith("Undecided: three laws together put other first")
    )
    assert "A rough guess only." in replace(candidates, rows=(base, replace(other, better=0.1)), grade="C").explain()


def test_what_runs_that_were_not_seen_say_of_a_gain(forecaster):
    said = forecaster.predict("linear()")
    good, bad = (said.final, said), (2 * said.final, said)
    assert (
        summary_of_checks([good], 0.1) == "Tried on 1 further runs: 1 inside the 80 % band, off by 0.0000 on average."
    )
    assert "more than the gain of 0.1000: do not choose by this forecast" in summary_of_checks([good, bad], 0.1)
    assert summary_of_checks([bad], 0.0).endswith("Forecast again from all of these runs.")


def test_a_run_that_ended_as_low_already_is_named(forecaster):
    best = min(forecaster.curves, key=lambda curve: curve.losses[-1])
    candidates = forecaster.compare(["constant()"], steps=int(best.steps[-1]))
    assert any(
        each.text.startswith(f"Run {best.name!r} has ended at {best.losses[-1]:.4f} already")
        for each in candidates.diagnostics
    )


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


def test_what_is_no_run_and_no_number_is_said(forecaster):
    with pytest.raises(TypeError, match="curves must be runs, got NoneType"):
        forecast.fit(None)
    with pytest.raises(TypeError, match="epochs must be a finite number of at least 0, got 'x'"):
        forecast.fit(forecaster.curves, epochs="x")
    with pytest.raises(ValueError, match=r"prior's mean of 'log alpha' must be a finite number"):
        forecast.fit(forecaster.curves, priors={"log alpha": (float("nan"), 1.0)})
    with pytest.raises(TypeError, match="candidates must be several, got int"):
        forecaster.compare(5)


def test_a_design_is_always_the_same(forecaster):
    again = forecast.fit(forecaster.curves)
    assert [row.name for row in forecaster.design(20_000).rows] == [row.name for row in again.design(20_000).rows]


def test_a_longer_run_keeps_its_warmup_and_stretches_the_rest(forecaster):
    longer = forecaster.extend(8000, at=[100, 8000])
    assert longer.rates == pytest.approx([1e-3, 1e-3])
    assert longer.final < forecaster.under("as it was", forecaster.curves[0].rates).final
    assert forecaster.extend(8000, "cosine()").final == forecaster.predict("cosine()", steps=8000).final


def test_a_cooldown_now_stands_beside_as_many_steps_at_the_rate():
    forecaster = forecast.fit([run("constant"), run("cosine")])
    table = forecaster.what_if_cooldown(3000, ["10%", 600], run="constant_4000")
    assert {row.name for row in table.rows} == {"decay of 300 steps", "decay of 600 steps"}
    decay = np.concatenate([rates("constant")[:3000], 1e-3 * (1 - np.arange(1, 601) / 600)])
    hold = rates("constant")[:3600]
    row = table.row("decay of 600 steps")
    assert row.difference == pytest.approx(slow_losses(decay)[-1] - slow_losses(hold)[-1], abs=0.01)
    assert row.better > 0.9


def test_everything_is_plain_data_and_plain_sentences(forecaster):
    candidates = forecaster.compare(["linear()", "cosine()"])
    for thing in (
        forecaster,
        forecaster.predict("cosine()"),
        candidates,
        candidates.best,
        forecaster.what_if_cooldown(),
    ):
        json.dumps(thing.to_dict(), allow_nan=False)
    for thing in (forecaster, forecaster.predict("cosine()"), candidates):
        assert thing.explain().splitlines()
    assert repr(forecaster) == "<Forecaster two-clock: 2 runs, grade A>"
    assert "baseline" in candidates.table()


def test_results_cannot_be_changed(forecaster):
    prediction = forecaster.predict("cosine()")
    with pytest.raises(AttributeError):
        prediction.grade = "A"
    with pytest.raises(ValueError, match="read-only"):
        prediction.losses[0] = 0


@pytest.mark.parametrize("name", ["tissue", "multi-power"])
def test_the_published_laws_forecast_too(name):
    forecaster = forecast.fit([run("constant"), run("cosine")], law=name)
    assert forecaster.predict("linear()").final == pytest.approx(slow_losses(rates("linear"))[-1], abs=0.05)
    assert next(iter(forecaster.fits.by_law)) == name
    assert forecaster.design(4000).rows


@pytest.mark.parametrize("text", ['wsd(decay="20%")', "cosine()", "cyclic(7)", "warmup(100) >> rex()"])
def test_a_hundred_times_the_steps_make_no_more_segments_to_forecast(forecaster, monkeypatch, text):
    made = {}

    def counted(runs, *options):
        segments = segments_of(runs, *options)
        made[len(runs[0][0])] = segments.lengths.size
        return segments

    monkeypatch.setattr("ratesmith.forecast.fitting.segments_of", counted)
    short, long = 3900, 390_000  # another length than that of the runs, which are compressed too
    for steps in (short, long):
        forecaster.predict(text, steps=steps)
    assert made[long] <= 1.1 * made[short]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            lambda forecaster: forecaster.predict("plateau()"),
            "Forecast: cannot say what plateau() will do, since it listens",
        ),
        (lambda forecaster: forecaster.predict("cosin()"), "Notation: there is no strategy 'cosin'"),
        (
            lambda forecaster: forecaster.predict([1.0, 0.5], steps=3),
            "Forecast: an array of factors must have one for each step, ",
        ),
        (
            lambda forecaster: forecaster.predict("linear()", steps=1),
            "Forecast: steps must be a whole number of at least 2, got 1",
        ),
        (
            lambda forecaster: forecaster.predict("linear()", steps=10**9),
            "Forecast: steps must be at most 100,000,000, got 1,0",
        ),
        (
            lambda forecaster: forecaster.predict("linear()", base_lr=0),
            "Forecast: the rates must not all be zero, got only zeros",
        ),
        (
            lambda forecaster: forecaster.predict([1.0, -1.0], steps=2),
            "Forecast: a rate must be at least 0, got -0.001 at ",
        ),
        (
            lambda forecaster: forecaster.predict("linear()", at=[3, 2]),
            "Forecast: at must be increasing whole steps from 1 to 4000",
        ),
        (
            lambda forecaster: forecaster.compare({}),
            "Forecast: at least one candidate is needed, got none; give schedules by name",
        ),
        (
            lambda forecaster: forecaster.compare(["linear()"], baseline="cosine()"),
            "Forecast: the baseline must be one of the candidates 'linear()', got 'cosine()'; name one",
        ),
        (
            lambda forecaster: forecaster.design(4000, baseline="rex"),
            "Forecaster.design: baseline must be 'linear' or 'cosine', got 'rex'",
        ),
        (
            lambda forecaster: forecaster.what_if_cooldown(9000),
            "Forecaster.what_if_cooldown: now must be a step of run 'constant_4000'",
        ),
        (
            lambda forecaster: forecaster.what_if_cooldown(run="x"),
            "Forecaster.what_if_cooldown: run must be one of 'constant_4000', ",
        ),
        (
            lambda forecaster: forecaster.what_if_cooldown(lengths=[]),
            "Forecaster.what_if_cooldown: at least one length is needed, got none;",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_with_one_line(forecaster, asked, said):
    with pytest.raises(ValueError, match=r"^(Forecast|Notation|Forecaster\.)") as error:
        asked(forecaster)
    assert str(error.value).startswith(said)


def test_one_text_is_no_list_of_candidates(forecaster):
    with pytest.raises(TypeError, match="Forecast: candidates must be several, got one text; give a list of notation"):
        forecaster.compare("cosine()")


def test_there_is_no_candidate_of_that_name(forecaster):
    with pytest.raises(KeyError, match="Candidates: there is no 'x'; there are"):
        forecaster.compare(["linear()"]).row("x")
