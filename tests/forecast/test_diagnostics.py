"""Every diagnostic: a plain sentence with its code, and the grade that goes with it."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from forecast_runs import rates, run, slow_losses

from ratesmith import forecast
from ratesmith.codes import CODES
from ratesmith.forecast import Curve, diagnostics
from ratesmith.forecast.uncertainty import Holdout


def texts(given):
    """Return the sentences of diagnostics, or of what has some."""
    given = getattr(given, "diagnostics", given)
    return type(given)(each.text for each in given)


def changed(curve, losses=None, **options):
    """Return the run with something changed."""
    given = {"rates": curve.rates, "steps": curve.steps, "losses": curve.losses, "kind": curve.kind}
    if losses is not None:
        given["losses"] = losses
    return Curve(options.pop("name", curve.name), **{**given, **options})


@pytest.mark.parametrize(
    ("shapes", "grade"),
    [
        (["constant", "cosine"], "A"),
        (["cosine", "wsd"], "A"),
        (["cosine"], "B"),
        (["wsd"], "B"),
        (["constant"], "C"),
    ],
)
def test_the_grade_says_what_was_seen(shapes, grade):
    assert forecast.fit([run(shape) for shape in shapes]).grade == grade


def test_two_runs_of_one_schedule_are_no_two_schedules():
    assert forecast.fit([run("cosine"), run("cosine", name="again", noise=0.001)]).grade == "B"


def test_under_fifteen_losses_there_is_no_forecast():
    forecaster = forecast.fit(run("cosine", every=300))
    assert forecaster.grade == "D"
    assert texts(forecaster) == ("Run 'cosine_4000' has 13 losses after its warm-up, fewer than 15: log more often.",)
    with pytest.raises(forecast.CannotSay, match=r"^Forecast: cannot say\. Run 'cosine_4000' has 13 losses"):
        forecaster.predict("linear()")


def test_without_annealing_it_says_so():
    (said,) = texts(forecast.fit(run("constant")))
    assert said.startswith("No run was annealed, so what lower rates gain is taken from other models' curves")


def test_a_loss_that_does_not_fall_gives_no_forecast():
    curve = run("cosine")
    forecaster = forecast.fit(changed(curve, 3 + 0.1 * curve.steps / 4000))
    assert forecaster.grade == "D"
    assert any("ends above its lowest: overfitted or unstable" in said for said in texts(forecaster))
    with pytest.raises(forecast.CannotSay):
        forecaster.compare(["linear()", "cosine()"])


def test_a_rate_above_the_largest_seen_is_told_and_far_above_refused():
    forecaster = forecast.fit([run("constant"), run("cosine")])
    above = forecaster.predict("cosine()", base_lr=2e-3)
    assert texts(above) == ("Its peak rate 0.002 is above the largest seen, 0.001: whether it trains is not known.",)
    assert above.grade == "C"
    with pytest.raises(forecast.CannotSay, match=r"peak rate 0\.01 is above the largest seen, 0\.001"):
        forecaster.predict("cosine()", base_lr=1e-2)


def test_a_rate_far_below_is_told():
    below = forecast.fit([run("constant"), run("cosine")]).predict("cosine()", base_lr=1e-4)
    assert texts(below) == (
        "Its peak rate 0.0001 is 10 times below the lowest seen, 0.001: such forecasts have been wrong by 1 to 10 % of "
        "the loss.",
    )
    assert below.grade == "C"


def test_a_horizon_beyond_one_and_a_half_times_the_longest_is_told():
    forecaster = forecast.fit([run("constant"), run("cosine")])
    assert texts(forecaster.predict("cosine()", steps=6000)) == ()
    assert texts(forecaster.predict("cosine()", steps=8000)) == (
        "Its 8,000 steps are 2 times the longest run seen: the laws level off too early, and the further the less they "
        "know.",
    )
    assert forecaster.predict("cosine()", steps=40_000).grade == "C"


def test_many_epochs_are_told():
    forecaster = forecast.fit(run("cosine"), epochs=20)
    assert "The data was seen 20 times; the laws are about fresh data, and do not know overfitting." in texts(
        forecaster
    )
    assert forecaster.grade == "C"
    assert texts(forecast.fit(run("cosine"), epochs=1)) == ()


def test_a_loss_lower_than_fresh_data_gives_is_told():
    curve = run("cosine")
    forecaster = forecast.fit(changed(curve, 5 * np.exp(-curve.steps / 600) + 0.01))
    assert any(
        "below what fresh data gives: after many epochs the laws have no support." in w for w in texts(forecaster)
    )


def test_a_law_that_misses_its_runs_is_told():
    curve = run("cosine")
    forecaster = forecast.fit(changed(curve, curve.losses * (1 + 0.05 * np.sin(curve.steps / 300))))
    assert any(said.startswith("The law misses the runs that it was fitted to by ") for said in texts(forecaster))
    assert forecaster.grade in ("C", "D")


def test_a_law_that_drifts_away_is_told():
    curve = run("constant")
    bent = curve.losses * (1 + 0.02 * np.maximum(0, curve.steps / 4000 - 0.5) ** 2 * 4)
    forecaster = forecast.fit([changed(curve, bent), run("cosine"), run("wsd"), run("linear")])
    assert any(said.startswith("The law drifts away from run 'constant_4000' by ") for said in texts(forecaster))


def test_usual_noise_of_single_losses_is_no_misfit_and_very_large_noise_costs_the_a():
    usual, wild = (
        forecast.fit([run("constant", noise=size, every=10), run("cosine", noise=size, every=10)])
        for size in (0.003, 0.02)
    )
    assert (usual.grade, wild.grade) == ("A", "B")
    assert not any("do not rely on it" in said for said in texts(wild))


def waved(curve, size):
    """Return the run with a wave that no law can follow."""
    return changed(curve, curve.losses * (1 + size * np.sin(curve.steps / 250)))


def test_a_law_that_misses_its_runs_by_more_than_public_curves_is_no_a():
    forecaster = forecast.fit([waved(run(shape), 0.004) for shape in ("constant", "cosine")])
    assert diagnostics.LARGEST_PUBLIC_MISFIT < forecaster.misfit < diagnostics.LARGEST_MISFIT
    assert forecaster.grade == "B"
    assert (
        f"The law misses the runs that it was fitted to by {100 * forecaster.misfit:.2f} % of the loss, more than any "
        "public curves (0.1 %): bands so wide have been tried on one small training alone."
    ) in texts(forecaster)


@pytest.mark.parametrize(("ratio", "grade"), [(2.9, "A"), (3.1, "B"), (6.1, "C")])
def test_a_run_far_from_its_forecast_by_the_others_lowers_the_grade(ratio, grade):
    holdouts = (Holdout("a", 0.001, 0.5), Holdout("b", 0.02, ratio))
    assert diagnostics.grade_after_holdouts("A", holdouts) == grade
    assert diagnostics.grade_after_holdouts("C", holdouts) == "C"
    assert texts(diagnostics.of_holdouts(holdouts)) == (
        [
            f"Run 'b', forecast from the others, was missed by 2.0 % of the loss, {ratio:.1f} standard deviations of "
            "that forecast: all bands are wider for it."
        ]
        if grade != "A"
        else []
    )


def test_where_the_runs_do_not_show_how_fast_the_loss_follows_a_drop_is_asked_for():
    curves = [run("constant"), run("cosine")]
    assert texts(diagnostics.of_parameters(curves, {"log tau": 0.4, "q": 0.1})) == []
    assert texts(diagnostics.of_parameters(curves[:1], {"log tau": 0.6, "q": 0.1})) == []  # it is told to anneal at all
    assert texts(diagnostics.of_parameters(curves, {"log tau": np.log(2), "q": 0.1})) == [
        "How fast the loss follows the rate is known to a factor of 2.0 only: add a run whose rate drops at once, such "
        "as 'multistep(milestones=[\"50%\"], gamma=0.3)', with the same warm-up and peak rate."
    ]
    (said,) = texts(diagnostics.of_parameters([*curves, run("jump")], {"log tau": 0.4, "q": 0.2}))
    assert said == (
        "How the noise grows with the rate is known to a power of +-0.20 only: log more often after the drop of the "
        "rate, or repeat that run."
    )


@pytest.mark.parametrize(
    ("shape", "drops"), [("constant", False), ("cosine", False), ("linear", False), ("wsd", False), ("jump", True)]
)
def test_a_drop_is_known_from_a_decay(shape, drops):
    assert diagnostics.drops(run(shape)) == drops


def test_the_advised_run_does_what_is_promised():
    smooth, drop = (
        forecast.fit([waved(run("cosine"), 0.002), waved(run(shape), 0.002)]).parameter_sds["log tau"]
        for shape in ("constant", "jump")
    )
    assert drop < smooth


@pytest.mark.parametrize(
    ("name", "told"), [("AdamW", False), ("torch.optim.NAdam", False), ("SGD", True), (None, False)]
)
def test_an_optimizer_unlike_adamw_is_told_where_it_is_known(name, told):
    forecaster = forecast.fit(changed(run("cosine"), optimizer=name))
    assert texts(forecaster) == ((f"The laws were found with AdamW; of {name} nothing is known.",) if told else ())
    assert forecaster.grade == ("C" if told else "B")


def test_training_and_validation_losses_together_are_told():
    forecaster = forecast.fit([run("cosine"), changed(run("constant"), kind="training")])
    assert "Training and validation losses are mixed: their levels differ, so give one kind." in texts(forecaster)
    assert forecaster.grade == "C"


def test_runs_at_other_peak_rates_are_other_trainings():
    forecaster = forecast.fit([run("constant"), run("cosine", peak=1e-4)])
    assert any("forecast each from its own" in said for said in texts(forecaster))
    assert forecaster.grade == "C"
    assert forecast.fit([run("constant"), run("cosine", peak=9e-4)]).grade in ("A", "B")


def test_a_run_much_shorter_than_those_seen_is_rough_and_one_before_their_warmup_is_not_told():
    forecaster = forecast.fit([run("constant"), run("cosine")])
    assert forecaster.predict("linear()", steps=1000).grade == forecaster.grade
    short = forecaster.predict("linear()", steps=500)
    assert short.grade == "C"
    assert texts(short)[-1] == (
        "Its 500 steps are few beside the shortest run seen, 4,000: little is known of so early."
    )
    with pytest.raises(forecast.CannotSay, match="little is known of so early"):
        forecaster.predict("linear()", steps=50)


def test_before_the_step_that_the_law_was_fitted_from_a_forecast_means_nothing():
    forecaster = forecast.fit([run("constant"), run("cosine")])
    assert forecaster.predict("linear()").steps[0] <= 300
    assert "before it this means nothing" in texts(forecaster.predict("linear()", at=[1, 4000]))[-1]


def test_noise_alone_is_no_overfitting():
    curve = run("cosine", noise=0.03)
    worse = changed(curve, np.append(curve.losses[:-1], 1.06 * curve.losses.min()))
    assert not any("ends above its lowest" in said for said in texts(forecast.fit(worse)))


def test_losses_that_a_law_cannot_have_are_not_graded():
    curve = run("cosine")
    forecaster = forecast.fit(changed(curve, 1e-3 * curve.rates[curve.steps - 1] / curve.peak + 1e-9), law="tissue")
    assert forecaster.grade in ("C", "D")


def test_laws_that_disagree_by_more_than_the_gain_are_told():
    forecaster = forecast.fit(run("constant"))
    row = forecaster.compare(["constant()", "linear()"]).row("linear()")
    seen = max(row.laws.values()) - min(row.laws.values())
    about = [each.text for each in forecaster.compare(["constant()", "linear()"]).diagnostics if each.code == "RS422"]
    assert row.laws_disagree == (seen > -row.difference) == bool(about)
    opposed = replace(row, score=-0.01, difference=-0.01, laws={"one": -0.01, "two": -0.03})
    assert opposed.laws_disagree
    assert diagnostics.of_laws(opposed.name, opposed.laws).text == (
        "The laws disagree about linear() by more than the gain: from -0.0300 to -0.0100."
    )
    assert not replace(opposed, laws={"one": -0.01, "two": -0.015}).laws_disagree
    assert not replace(opposed, score=0.01, difference=0.01).laws_disagree


def test_a_forecasts_diagnostics_reach_the_comparison_once():
    forecaster = forecast.fit([run("constant"), run("cosine")])
    table = forecaster.compare(["linear()", "cosine()"], steps=8000)
    assert sum("times the longest run seen" in said for said in texts(table)) == 1


def test_a_run_that_is_not_finished_counts_as_far_as_it_was_measured():
    rate = rates("cosine")
    at = np.arange(40, 2001, 40)
    forecaster = forecast.fit(Curve("half", rate, at, slow_losses(rate)[at - 1]))
    assert forecaster.longest == 2000
    assert forecaster.predict("cosine()", steps=4000).diagnostics


def test_runs_that_seem_to_count_steps_differently_are_told():
    short, long = run("cosine", 400, every=10), run("constant", 30_000, every=500)
    said = texts(forecast.fit([short, long]))
    assert (
        "Run 'constant_30000' has 75 times the steps of run 'cosine_400': see that both count optimizer updates."
        in said
    )


def test_every_code_of_the_register_is_given_and_no_other():
    source = Path(diagnostics.__file__).read_text(encoding="utf-8")
    given = re.findall(r'"(RS4\d\d)"', source.partition("# Of the runs and the fit")[2])
    assert sorted(set(given)) == [code for code in CODES if code.startswith("RS4")]
    assert list(CODES) == sorted(CODES)


def test_a_refusal_says_why_with_the_codes():
    forecaster = forecast.fit([run("constant"), run("cosine")])
    with pytest.raises(forecast.CannotSay, match=r"whether it trains is not known\. \[RS417\]$"):
        forecaster.predict("cosine()", base_lr=1e-2)
    assert str(diagnostics.cannot_say([], [])) == "Forecast: cannot say. The loss of no run falls. [RS411]"


def test_a_warmup_that_the_runs_had_is_missed():
    rates = {"cold": np.linspace(1, 0, 10), "warm": np.minimum(1.0, np.arange(10) / 3)}
    assert diagnostics.of_warmup(0, rates) == []
    assert texts(diagnostics.of_warmup(100, rates)) == [
        "The runs warmed up for 100 steps, and cold does not: try it behind warmup(100) >>."
    ]
    assert diagnostics.of_warmup(100, {"warm": rates["warm"]}) == []


@pytest.mark.parametrize(
    ("options", "grade"),
    [
        ({"base_lr": 1.04e-3}, "A"),
        ({"base_lr": 1.4e-3}, "A"),
        ({"base_lr": 1.6e-3}, "C"),
        ({"base_lr": 4.2e-3}, "D"),
        ({"base_lr": 4.5e-4}, "A"),
        ({"base_lr": 3.5e-4}, "C"),
        ({"base_lr": 6e-5}, "D"),
        ({"steps": 18_000}, "A"),
        ({"steps": 22_000}, "C"),
        ({"steps": 404_000}, "D"),
        ({"steps": 900}, "C"),
        ({"steps": 250}, "D"),
    ],
)
def test_the_further_from_the_runs_the_worse_the_grade(forecaster, options, grade):
    if grade == "D":
        with pytest.raises(forecast.CannotSay):
            forecaster.predict("linear()", **options)
    else:
        assert forecaster.predict("linear()", **options).grade == grade


@pytest.mark.parametrize(("high", "told"), [(3.0, True), (2.4, False)])
def test_a_run_that_ended_inside_the_band_of_the_first_candidate_has_reached_it_already(high, told):
    curves = [Curve("a", np.full(10, 1e-3), [2, 4, 6, 8, 10], [5.0, 4.0, 3.0, 2.6, 2.5])]
    text = "Run 'a' has ended at 2.5000 already, where linear() is forecast 2.3000."
    assert texts(diagnostics.of_ends(curves, "linear()", 10, 2.3, high)) == ([text] if told else [])
    assert diagnostics.of_ends(curves, "linear()", 11, 2.3, high) == []
