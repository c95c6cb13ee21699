"""The choice: a search is a value, no rate is tried twice, and it ends; tried here without any training."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratesmith.experiment import Run, RunStatus, Trial
from ratesmith.experiment.choice import Search, best_rates, choice_means, choose_rates, promise_of, trials_of
from ratesmith.experiment.grid import MOST_EXTENSIONS
from ratesmith.experiment.question import Choice, Question

GRID = (0.001, 0.01, 0.1, 1.0, 10.0)


def question(**changes):
    families = {"a()": ("a()",), "b([1, 2])": ("b(1)", "b(2)")}
    return dataclasses.replace(Question(families, "a()", "loss", "min", 0.01, (0, 1), (1000,)), **changes)


def runs_with(losses, seeds=(0, 1), steps=60):
    return {
        trial: Run(trial, RunStatus.DONE, steps, 0.0, {"loss": loss})
        for (variant, rate), loss in losses.items()
        for seed in seeds
        for trial in [Trial(variant, rate, seed, steps)]
    }


def searched(search, step, best_of):
    """Go on with a search until it asks for nothing more; return it, and every rate in the order it was asked for."""
    asked = []
    while True:
        search, added = step(search, best_of(search))
        if not added:
            return search, asked
        asked += added["a()"]


@given(st.floats(-6, 4))
def test_a_walk_ends_at_the_best_of_the_grid_and_asks_for_no_rate_twice(place):
    cost = {rate: abs(math.log10(rate) - place) for rate in GRID}
    begun = Search.of(["a()"], GRID).at_the_middle()
    best_of = lambda search: {"a()": min(search.trying["a()"], key=cost.__getitem__)}  # noqa: E731
    search, asked = searched(begun, lambda search, bests: search.walked(bests), best_of)
    assert best_of(search)["a()"] == min(GRID, key=cost.__getitem__)
    tried = [*begun.trying["a()"], *asked]
    assert len(tried) == len(set(tried)) == len(search.measured["a()"])
    assert set(tried) <= set(GRID)
    assert begun == Search.of(["a()"], GRID).at_the_middle()  # a value: the search that was is as it was


@given(st.floats(-12, 9))
def test_a_grid_is_extended_past_its_edge_until_the_best_lies_inside_or_three_times(place):
    begun = Search.of(["a()"], GRID)
    best_of = lambda search: {"a()": min(search.trying["a()"], key=lambda rate: abs(math.log10(rate) - place))}  # noqa: E731
    search, asked = searched(begun, lambda search, bests: search.extended(bests, lambda rates: True), best_of)
    rates = search.grid["a()"]
    assert len(asked) <= MOST_EXTENSIONS
    assert len(asked) == MOST_EXTENSIONS or best_of(search)["a()"] not in (rates[0], rates[-1])
    assert rates == search.trying["a()"] == tuple(sorted({*GRID, *asked}))


def test_a_rate_that_a_rung_cut_comes_back_as_the_neighbour_of_the_best_and_only_once():
    search = Search.of(["a()"], GRID).at_the_middle()
    search = search.with_only({"a()": [0.1]}, at_once=False)
    assert search.measured == {"a()": (0.1,)}
    search, added = search.extended({"a()": 0.1}, lambda rates: True)
    assert added == {"a()": [0.01, 1.0]}
    sifted = search.with_only({"a()": [0.1]}, at_once=True)
    assert sifted.extended({"a()": 0.1}, lambda rates: True)[1] == {}


def test_what_is_not_affordable_is_not_added():
    search = Search.of(["a()", "b(1)"], GRID)
    bests = {"a()": 10.0, "b(1)": 10.0}
    assert search.extended(bests, lambda rates: rates <= 1)[1] == {"a()": [100.0]}
    assert search.extended(bests, lambda rates: False) == (search, {})


def test_trials_come_by_their_promise_and_else_by_their_rates():
    rates = {"a()": [0.1, 1.0], "b(1)": [0.1]}
    plain = [trial[:3] for trial in trials_of(rates, 60, (0, 1))]
    rising = [("a()", 0.1), ("b(1)", 0.1), ("a()", 1.0)]
    assert plain == [(*pair, seed) for pair in rising for seed in (0, 1)]
    promise = {("a()", 1.0): 0.5, ("b(1)", 0.1): 0.7}
    ordered = [trial[:2] for trial in trials_of(rates, 60, (0,), promise)]
    assert ordered == [("a()", 1.0), ("b(1)", 0.1), ("a()", 0.1)]


def test_a_rate_at_which_a_seed_did_not_end_well_cannot_be_chosen():
    runs = runs_with({("a()", 0.1): 1.0, ("a()", 1.0): 0.5})
    worse = Trial("a()", 1.0, 1, 60)
    pairs = [("a()", 0.1), ("a()", 1.0)]
    assert choice_means(runs, pairs, question(), 60)[("a()", 1.0)] == 0.5
    for bad in (None, Run(worse, RunStatus.DIVERGED, 5, 0.0), Run(worse, RunStatus.DONE, 60, 0.0, {"loss": math.nan})):
        hurt = {**runs, worse: bad} if bad else {trial: run for trial, run in runs.items() if trial != worse}
        assert choice_means(hurt, pairs, question(), 60) == {("a()", 0.1): 1.0}


@pytest.mark.parametrize(("mode", "rate"), [("min", 0.1), ("max", 1.0)])
def test_each_strategy_is_chosen_at_the_best_of_its_variants_and_rates(mode, rate):
    means = {("b(1)", 0.1): 2.0, ("b(2)", 0.1): 1.0, ("b(2)", 1.0): 3.0}
    assert choose_rates(means, question(mode=mode)) == {"b([1, 2])": Choice("b(2)", rate)}
    assert choose_rates({("b(2)", 0.1): 1.0, ("b(1)", 1.0): 1.0, ("b(1)", 0.1): 1.0}, question()) == {
        "b([1, 2])": Choice("b(1)", 0.1)  # of equals the first variant, and the lower rate
    }
    promise = promise_of(runs_with(means), list(means), question(mode=mode), 60)
    assert best_rates(promise)["b(2)"] == rate
