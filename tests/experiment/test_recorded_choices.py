"""The choice replayed on recorded trainings: how near the rates are to each strategy's best, and what that costs."""

import importlib
import math
import statistics
import sys
from pathlib import Path

import pytest

for module in ("torch", "sklearn", "mlxtend", "plotly"):
    pytest.importorskip(module)

FOLDER = Path(__file__).parents[2] / "benchmarks" / "compare"


@pytest.fixture(scope="module")
def choices():
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("choices")
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def replays(choices):
    """Every second choice of each recorded task."""
    return {
        name: [choices.replayed(name, choices.finals(name), turn) for turn in range(0, choices.REPETITIONS, 2)]
        for name in choices.PROBLEMS
    }


def test_the_chosen_rates_of_contenders_are_near_their_best(replays):
    judged = [one for its in replays.values() for replay in its for one in replay.strategies if one.contends]
    assert len(judged) > 150
    assert statistics.fmean(one.regret <= 0.01 for one in judged) >= 0.8
    assert statistics.fmean(one.regret <= 0.05 for one in judged) >= 0.97


def test_the_doubt_of_a_rate_is_exceeded_about_as_often_as_it_says(replays):
    judged = [one for its in replays.values() for replay in its for one in replay.strategies if one.contends]
    assert statistics.fmean(math.log1p(one.regret) > one.doubt for one in judged) <= 0.2


def test_a_choice_among_eight_strategies_takes_at_most_eight_thousand_updates(replays):
    assert max(replay.steps for its in replays.values() for replay in its) <= 8000


def test_workers_side_by_side_choose_as_well_with_as_many_runs(choices):
    alone, three = (choices.replayed("digits", choices.finals("digits"), 0, at_once=count) for count in (1, 3))
    assert three.steps <= 8000
    assert three.regret <= alone.regret + 0.01
