"""Planning: the plan is told before anything is run, and fits a budget."""

import math

import pytest
from numpy_task import LogisticTask

from ratesmith.experiment import ComparisonError, compare
from ratesmith.experiment.plan import Budget


def test_the_plan_is_told_before_anything_is_run_and_may_be_refused(tmp_path):
    told = []
    options = {"folder": tmp_path, "steps": 60, "rates": [0.1, 0.3], "seeds": 2}
    with pytest.raises(ComparisonError, match="nothing was run: the plan was not agreed to"):
        compare(LogisticTask(), ["cosine()"], on_plan=lambda plan: told.append(plan), **options)
    choice, verdict = told[0].stages
    assert (choice.name, choice.runs, choice.planned, choice.to_run) == ("choice of rates", 8, 480, 480)
    assert (verdict.name, verdict.runs, verdict.planned) == ("verdict", 4, 240)
    found = compare(LogisticTask(), ["cosine()"], on_plan=lambda plan: True, **options)
    assert found.costs.run <= told[0].to_run + 60 * 2 * 3 * 4  # and what lies beyond the grid


def test_a_budget_makes_seeds_and_rates_fewer_or_is_refused_with_the_least(tmp_path):
    told = []
    options = {"folder": tmp_path, "steps": 60, "rates": [0.01, 0.03, 0.1, 0.3, 1.0], "version": "1"}
    keep = {"on_plan": lambda plan: told.append(plan) or True}
    found = compare(LogisticTask(), ["cosine()"], budget=1300, **keep, **options)
    assert found.costs.run <= 1300
    assert told[0].made_smaller == "5 rates, 1 choice seeds, 5 seeds for the verdict"
    assert found.question.choice_seeds == (0,)
    assert any(note.text().startswith("To fit the budget of 1,300 steps: 5 rates, 1 choice") for note in found.notes)
    with pytest.raises(ComparisonError, match=r"a budget of 100 steps is too small, the least plan is 720 steps"):
        compare(LogisticTask(), ["cosine()"], budget=100, **options)
    assert Budget(None, 10.0).allowed(0.01, 2) == pytest.approx(2000)
    assert math.isfinite(told[0].time)
