"""What is tried: listed options, rates, shorter rounds, and the plan that fits a budget."""

import math

import pytest
from numpy_task import LogisticTask

from ratesmith.experiment import ComparisonError, compare
from ratesmith.experiment.grid import MOST_VARIANTS, default_rates, extension, variants, wanted_rates
from ratesmith.experiment.plan import Budget, read_budget
from ratesmith.strategy import parse


def test_listed_options_are_a_small_grid():
    assert variants('wsd(warmup=["0%", "5%"], decay=["10%", "20%"])') == (
        'wsd(warmup="0%", decay="10%")',
        'wsd(warmup="0%", decay="20%")',
        'wsd(warmup="5%", decay="10%")',
        'wsd(warmup="5%", decay="20%")',
    )
    assert variants("cosine()") == ("cosine()",)
    assert variants('step(["10%", "30%"], gamma=[0.1, 0.5])')[1] == 'step("10%", gamma=0.5)'
    assert variants("plateau(patience=[1, 2, 1])") == ("plateau(patience=1)", "plateau(patience=2)")
    assert variants('warmup(["1%", "5%"]) >> (cosine(final=[0, 0.1]) * plateau())')[3] == (
        'warmup("5%") >> cosine(final=0.1) * plateau()'
    )


def test_an_option_that_is_a_list_is_listed_as_lists():
    text = 'multistep(milestones=[["50%"], ["25%", "75%"]])'
    assert variants(text) == ('multistep(milestones=["50%"])', 'multistep(milestones=["25%", "75%"])')
    assert variants('multistep(["50%", "75%"])') == ('multistep(["50%", "75%"])',)
    for each in variants(text):
        assert parse(each).build(100)


def test_too_many_variants_and_none_are_refused():
    many = ", ".join(map(str, range(20)))
    with pytest.raises(ValueError, match=f"a strategy may have at most {MOST_VARIANTS} variants"):
        variants(f"wsd(decay=[{many}], warmup=[{many}])")
    with pytest.raises(ValueError, match="an option must be listed with at least one value"):
        variants("wsd(decay=[])")


def test_each_strategy_is_judged_by_its_best_variant(tmp_path):
    listed = 'wsd(decay=["10%", "90%"])'
    found = compare(LogisticTask(), [listed], folder=tmp_path, steps=60, rates=[0.3, 1.0], seeds=2)
    row = next(row for row in found.rows if row.strategy == listed)
    assert row.chosen in variants(listed)
    assert row.tried >= 4
    fresh = {run.trial.strategy for run in found.runs if run.trial.seed >= 1000}
    assert fresh == {"constant()", row.chosen}


def test_the_grid_and_its_extensions():
    assert default_rates(0.1) == (0.01, 0.0316, 0.1, 0.316, 1.0)
    assert default_rates(0.1, 3) == (0.0316, 0.1, 0.316)
    given = [0.01, 0.1, 1.0]
    assert extension(given, 0.1, given) == []
    assert extension(given, 0.01, given) == [0.001]
    assert extension(given, None, given) == [0.001]
    assert extension([1e-5, 1e-4, 1e-3, *given], 1e-5, given) == []
    assert extension([0.1], 0.1, [0.1]) == []
    assert wanted_rates([0.01, 0.1, 1.0, 10.0], [0.1, 1.0], 1.0, [0.01, 0.1, 1.0, 10.0]) == [10.0]
    assert wanted_rates([0.01, 0.1, 1.0], [0.1, 1.0], 0.1, given) == [0.01]
    assert wanted_rates(given, given, 1.0, given) == [10.0]


def test_a_round_trains_complete_shorter_runs_and_says_what_left(tmp_path):
    rates = [0.0003, 0.003, 0.03, 0.3]
    found = compare(LogisticTask(), ["cosine()"], folder=tmp_path, steps=120, rates=rates, seeds=2, rungs=[0.25])
    short = [run for run in found.runs if run.trial.steps == 30]
    assert {run.trial.base_lr for run in short} == set(rates)
    assert all(run.done and run.updates == 30 for run in short)
    ends = {run.trial.strategy: run.rates[-1][1] / run.trial.base_lr for run in short}
    assert ends["cosine()"] < 0.01  # stretched to the short length, not cut off
    left = {(cut.strategy, cut.base_lr) for cut in found.cuts if cut.steps == 30}
    whole = {run.trial[:2] for run in found.runs if run.trial.steps == 120}
    assert left
    assert not left & whole


@pytest.mark.parametrize(
    ("given", "budget"),
    [
        (None, None),
        (500, Budget(500, None)),
        ("500", Budget(500, None)),
        ("90s", Budget(None, 90.0)),
        ("2h", Budget(None, 7200.0)),
        ("1.5 min", Budget(None, 90.0)),
    ],
)
def test_a_budget_is_steps_or_a_time(given, budget):
    assert read_budget(given) == budget


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
    options = {"folder": tmp_path, "steps": 60, "rates": [0.01, 0.03, 0.1, 0.3, 1.0]}
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
