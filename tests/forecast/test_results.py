"""Results: what they say in sentences and as data, and that they cannot be changed."""

import json
from dataclasses import replace

import pytest

from ratesmith.forecast.results import summary_of_checks


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


def test_there_is_no_candidate_of_that_name(forecaster):
    with pytest.raises(KeyError, match="Candidates: there is no 'x'; there are"):
        forecaster.compare(["linear()"]).row("x")


def test_results_cannot_be_changed(forecaster):
    prediction = forecaster.predict("cosine()")
    with pytest.raises(AttributeError):
        prediction.grade = "A"
    with pytest.raises(ValueError, match="read-only"):
        prediction.losses[0] = 0


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
