"""Planning: the plan is told before anything is run, is the most that is run, and fits a budget."""

import math

import pytest
from comparing import CHOICE, STRATEGIES, TASK, small
from numpy_task import LogisticTask

from ratesmith.experiment import ComparisonError, compare
from ratesmith.experiment.plan import Budget, Stage
from ratesmith.experiment.question import Choice

SIXTY = {"steps": 60, "rates": [0.01, 0.03, 0.1, 0.3, 1.0], "version": "1"}


def planned(task, folder, strategies=("cosine()",), **options):
    """Return the plan that is told, and the comparison."""
    told = []
    found = small(task, folder, strategies, on_plan=lambda plan: told.append(plan) or True, **options)
    return told[0], found


def test_the_plan_is_told_before_anything_is_run_and_may_be_refused(tmp_path):
    told = []
    options = {"folder": tmp_path, "steps": 60, "rates": [0.1, 0.3], "seeds": 2}
    with pytest.raises(ComparisonError, match="nothing was run: the plan was not agreed to"):
        compare(LogisticTask(), ["cosine()"], on_plan=lambda plan: told.append(plan), **options)
    assert told[0].stages == (Stage("choice of rates", 6, 60), Stage("verdict", 4, 60))
    assert [stage.to_run for stage in told[0].stages] == [360, 240]
    assert (told[0].runs, told[0].to_run, told[0].made_smaller) == (10, 600, "")
    assert not (tmp_path / "states").exists() or not list((tmp_path / "states").iterdir())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"seeds": 10},
        {"rates": [0.1]},
        {"rungs": [0.25, 0.5]},
        {"choice_seeds": 1, "rates": [0.1, 0.11]},
        {"budget": 1800, "seeds": 10},
        {"rates": None},
        {"seeds": 10, "workers": 2},
    ],
)
def test_no_stage_has_more_runs_than_the_plan_says(tmp_path, options):
    ended = []
    strategies = [*STRATEGIES, 'wsd(decay=["10%", "90%"])']
    plan, found = planned(TASK, tmp_path, strategies, version=None, on_progress=ended.append, **options)
    for stage in plan.stages:
        runs = [now.run for now in ended if now.run is not None and now.stage == stage.name]
        assert len(runs) <= stage.runs
        assert {run.trial.steps for run in runs} <= {stage.steps}
    assert found.costs.run <= found.costs.planned <= plan.to_run
    assert {now.stage for now in ended} <= {stage.name for stage in plan.stages}
    assert all(now.done <= now.planned == plan.runs for now in ended)
    assert len(found.question.seeds) >= max(row.seeds for row in found.rows)


def test_a_budget_makes_runs_and_seeds_fewer_or_is_refused_with_the_least(tmp_path):
    plan, found = planned(LogisticTask(), tmp_path, budget=900, seeds=10, **SIXTY)
    assert found.costs.run <= plan.to_run <= 900
    assert plan.made_smaller == "2 runs for each choice, at most 5 seeds for the verdict"
    assert len(found.question.seeds) == 5
    assert sum(run.trial.seed in CHOICE for run in found.runs) <= 4
    assert f"To fit the budget of 900 steps: {plan.made_smaller}. [RS304]" in found.note_lines()
    with pytest.raises(ComparisonError, match=r"a budget of 100 steps is too small, the least plan is 600 steps"):
        small(LogisticTask(), tmp_path, budget=100, seeds=10, **SIXTY)
    assert Budget(None, 10.0).allowed(0.01, 2) == pytest.approx(2000)
    assert math.isfinite(plan.time)


def test_what_is_enough_is_left_as_it_is(tmp_path):
    plan, found = planned(LogisticTask(), tmp_path, budget=600)
    assert (plan.to_run, plan.made_smaller) == (600, "")
    assert not any(note.code == "RS304" for note in found.notes)


def test_a_call_that_goes_on_keeps_the_size_and_the_runs_side_by_side_with_which_the_study_began(tmp_path):
    """A budget in time would else be fitted anew by what an update takes this time."""
    plan, found = planned(TASK, tmp_path, budget="1h", seeds=10, workers=2, version=None)
    again, same = planned(TASK, tmp_path, budget="1h", seeds=10, workers=0, version=None)
    assert (again.runs, again.made_smaller) == (plan.runs, plan.made_smaller)
    assert same == found


def test_strategies_without_a_choice_have_no_stage_for_it(tmp_path):
    plan, found = planned(LogisticTask(), tmp_path, rates=[0.1])
    assert [stage.name for stage in plan.stages] == ["verdict"]
    plan, found = planned(LogisticTask(), tmp_path, ['wsd(decay=["10%", "90%"])'], rates=[0.1])
    assert plan.stages[0] == Stage("choice of rates", 4, 60)  # of two variants at one rate, each with two seeds
    tried = {Choice(*run.trial[:2]) for run in found.runs if run.trial.seed in CHOICE}
    assert tried == {Choice(f'wsd(decay="{share}%")', 0.1) for share in (10, 90)}


def test_a_study_that_goes_on_with_more_to_train_is_fitted_to_its_budget_anew(tmp_path):
    plans, keep = [], {"folder": tmp_path, "version": "1", "steps": 60, "budget": 1000, "seeds": 6}
    for rates in ([0.3], [0.1, 1.0]):
        compare(LogisticTask(), ["cosine()"], rates=rates, on_plan=lambda plan: plans.append(plan) or True, **keep)
    assert [plan.to_run for plan in plans] == [720, 960]
    assert plans[1].made_smaller
