"""The choice: a search is a value, which finds each strategy's best rate in few runs; tried here without training."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_task import LogisticTask

from ratesmith.experiment import Run, RunStatus, Trial, compare
from ratesmith.experiment.choice import (
    RUNS_EACH,
    Outcome,
    Search,
    Try,
    Variant,
    _gain,
    _Ranked,
    choice_means,
    outcome_of,
)
from ratesmith.experiment.grid import lattice, lattice_of, middle_of
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.shapes import StrategyShape, shape_of
from ratesmith.experiment.sharing import Rates
from ratesmith.experiment.surrogate import NOISES, Surrogate

NAMES = ("a()", "b()", "c()", "d()")
SHAPES = {
    "a()": StrategyShape(1.0, 1.0, ("1",) * 8),
    "b()": StrategyShape(0.5, 0.05, ("2",) * 8),
    "c()": StrategyShape(0.85, 0.1, ("1",) * 6 + ("3",) * 2),
    "d()": StrategyShape(None, None),
}
RATES = lattice(0.1)
NO_OUTCOME = Outcome(None, None)  # of a run that failed, took too long or was killed


def question(**changes):
    families = {name: (name,) for name in NAMES}
    return dataclasses.replace(Question(families, "a()", "loss", "min", 0.01, (0, 1, 2), (1000,)), **changes)


def search_of(centre=0.1, rates=RATES, most=12, **changes):
    variants = [Variant(name, name, rates, SHAPES[name]) for name in NAMES]
    return Search.of(question(**changes), variants, {"": centre}, most)


def landscape(best, noise=0.0, lags=(0.1, 0.0, 0.03, 0.05), curvature=0.3):
    """Return the value of a run: a parabola in the logarithm of the mean rate, and each strategy's own lag."""

    def value(place):
        mean = SHAPES[place.variant].mean or 0.7
        u = math.log10(place.base_lr) + 0.7 * math.log10(mean)
        rng = np.random.default_rng([NAMES.index(place.variant), RATES.index(place.base_lr), place.seed])
        cost = curvature * (u - best) ** 2 + lags[NAMES.index(place.variant)] + noise * rng.standard_normal()
        return math.exp(cost)

    return value


def run_search(search, value, at_once=1):
    """Return the search when it ends, and the rounds of what it tried."""
    rounds = []
    while proposals := search.proposed(at_once):
        rounds.append(proposals)
        search = search.observed(
            {place: Outcome(value(place), SHAPES[place.variant].mean or 0.7) for place in proposals}
        )
    return search, rounds


@settings(deadline=None, max_examples=15)
@given(st.floats(-1.7, 0.0))
def test_each_strategys_rate_is_found_within_a_fifth_of_a_decade_of_its_best_in_three_runs_each(best):
    search, rounds = run_search(search_of(), landscape(best))
    tried = [place for proposals in rounds for place in proposals]
    assert len(tried) == len(set(tried)) <= RUNS_EACH * len(NAMES)
    chosen = search.chosen()
    for name in NAMES:
        wanted = 10 ** (best - 0.7 * math.log10(SHAPES[name].mean or 0.7))
        assert abs(math.log10(chosen[name].base_lr / wanted)) < 0.32, name
    assert search.leading() == chosen["b()"]


def test_a_search_is_a_value_and_asks_the_same_again():
    search = search_of()
    first = search.proposed()
    further = search.observed({first[0]: Outcome(1.0, 0.5)})
    assert search.proposed() == first
    assert search.outcomes == {}
    assert further.proposed() != first


def test_the_first_try_is_what_is_expected_to_be_best_not_the_first_of_the_list():
    first, *_ = search_of(centre=0.1).proposed()
    assert first.seed == 0
    assert first.variant == "c()"  # low at its end, and high for long
    assert first.base_lr == pytest.approx(0.1 / 0.85**0.7, rel=0.3)


def test_side_by_side_comes_what_differs_and_what_begins_alike_rides_along():
    _, rounds = run_search(search_of(most=24), landscape(-1.0), at_once=3)
    assert all(len(set(proposals)) == len(proposals) for proposals in rounds)
    assert max(map(len, rounds)) >= 3
    _, rounds = run_search(search_of(most=24), landscape(-1.0))
    pairs = [proposals for proposals in rounds if len(proposals) > 1]
    assert pairs, "a constant rate and one that turns late begin alike: the second costs a quarter"
    for proposals in pairs:
        assert len({(place.base_lr, place.seed) for place in proposals}) == 1
        assert {place.variant for place in proposals} == {"a()", "c()"}


def test_luck_of_one_seed_is_tried_again_with_another():
    search, _ = run_search(search_of(most=24), landscape(-1.0, noise=0.03))
    again = [place for place in search.outcomes if place.seed > 0]
    assert again
    assert {place.choice for place in again} <= {place.choice for place in search.outcomes if place.seed == 0}
    once, _ = run_search(search_of(most=24, choice_seeds=(0,)), landscape(-1.0, noise=0.03))
    assert {place.seed for place in once.outcomes} == {0}


def test_no_rate_is_tried_above_one_at_which_a_strategy_diverged_and_lower_ones_are():
    search = search_of()

    def tried_until_sound(search):
        while proposals := search.proposed():
            outcomes = {
                place: Outcome(None, None, diverged=True)
                if place.base_lr > 0.011
                else Outcome(1.0 + place.base_lr, 0.7)
                for place in proposals
            }
            for place in proposals:
                limit = min(
                    (p.base_lr for p in search.outcomes if p.variant == place.variant and p.base_lr > 0.011),
                    default=math.inf,
                )
                assert place.base_lr < limit
            search = search.observed(outcomes)
        return search

    chosen = tried_until_sound(dataclasses.replace(search, most=40)).chosen()
    assert set(chosen) == set(NAMES)
    assert all(choice.base_lr < 0.011 for choice in chosen.values())


def test_a_run_without_an_outcome_cannot_be_chosen_and_is_not_asked_for_again():
    search = search_of()
    place, *_ = search.proposed()
    search = search.observed({place: NO_OUTCOME})
    assert search.chosen() == {}
    assert search.leading() is None
    search, rounds = run_search(search, landscape(-1.0))
    assert all(other.choice != place.choice for proposals in rounds for other in proposals)


def test_a_rate_at_which_one_seed_did_not_end_well_is_chosen_by_nobody():
    best = Try("b()", 0.158, 0)
    search = search_of().observed({best: Outcome(0.5, 0.5), Try("b()", 0.1, 0): Outcome(0.9, 0.5)})
    assert search.chosen()["b()"] == best.choice
    assert search.observed({best._replace(seed=1): NO_OUTCOME}).chosen()["b()"] == Choice("b()", 0.1)


def test_the_doubt_is_small_around_what_was_tried_and_large_where_little_was():
    searched, _ = run_search(search_of(most=40), landscape(-1.0))
    begun = search_of().observed({Try("b()", 1.0, 0): Outcome(1.0, 0.5)})
    assert 0.0 <= max(searched.doubts().values()) < 0.02 < begun.doubts()["b()"]
    low, high = searched.nearly()["b()"]
    assert low < searched.chosen()["b()"].base_lr < high


def test_rates_that_are_nearly_as_good_are_those_around_the_best_with_a_loss_within_5_percent_of_it():
    search, _ = run_search(search_of(most=40), landscape(-1.0))
    chosen = search.chosen()["a()"].base_lr
    low, high = search.nearly()["a()"]
    assert low < chosen < high
    for end in (low, high):  # a parabola of curvature 0.3, known to a fifth of a decade
        assert abs(math.log10(end) + 1.0) == pytest.approx(math.sqrt(math.log(1.05) / 0.3), abs=0.21)
    tiny = search_of(rates=(0.1,)).observed({Try("a()", 0.1, 0): Outcome(1.0, 1.0)})
    assert tiny.nearly()["a()"] == (0.1, 0.1)


def test_of_one_rate_there_is_no_doubt():
    search = search_of(rates=(0.1,))
    assert search.observed({Try("b()", 0.1, 0): Outcome(1.0, 0.5)}).doubts() == {"b()": 0.0}


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("kind", ["share", "other"])
def test_shares_and_metrics_without_a_scale_find_the_same_rates(mode, kind):
    loss = landscape(-1.0)

    def value(place):
        error = 0.05 * loss(place)
        worth = 1.0 - error if kind == "share" else -40.0 * error
        return worth if mode == "max" else (error if kind == "share" else 40.0 * error - 100.0)

    search, _ = run_search(search_of(mode=mode), value)
    assert math.log10(search.chosen()["b()"].base_lr) == pytest.approx(-1.0 + 0.7 * math.log10(2), abs=0.32)
    doubt = search.doubts()["b()"]
    unit = 1.0 if (kind, mode) == ("share", "min") else 0.05 if kind == "share" else 2.0  # logarithms of a loss
    assert 0.0 <= doubt < 0.2 * unit


def test_shorter_runs_say_where_longer_ones_begin():
    short, _ = run_search(search_of(centre=0.1), landscape(-2.0))
    longer = short.carried()
    assert longer.outcomes == {}
    assert math.log10(longer.centres[""]) == pytest.approx(-2.0, abs=0.25)
    first, *_ = longer.proposed()
    assert math.log10(first.base_lr) == pytest.approx(-2.0, abs=0.5)


def test_the_search_ends_where_nothing_more_is_to_be_gained():
    search, _ = run_search(search_of(most=400), landscape(-1.0))
    assert len(search.outcomes) < 60


def test_an_outcome_is_that_of_a_run_that_ended_well():
    trial = Trial("a()", 0.1, 0, 10)
    done = Run(trial, RunStatus.DONE, 10, 0.0, {"loss": 0.5}, rates=((0, 0.1), (5, 0.05)))
    assert outcome_of(done, question()) == Outcome(0.5, pytest.approx(0.75))
    assert outcome_of(dataclasses.replace(done, metrics={"loss": math.nan}), question()).value is None
    assert outcome_of(Run(trial, RunStatus.DIVERGED, 4, 0.0), question()) == Outcome(None, None, diverged=True)


def test_means_are_over_the_seeds_that_were_tried_and_none_where_one_ended_badly():
    trials = {seed: Trial("a()", 0.1, seed, 10) for seed in (0, 1)}
    runs = {trial: Run(trial, RunStatus.DONE, 10, 0.0, {"loss": 1.0 + trial.seed}) for trial in trials.values()}
    pair = Choice("a()", 0.1)
    assert choice_means(runs, [pair, Choice("a()", 1.0)], question(), 10) == {pair: 1.5}
    runs[trials[1]] = Run(trials[1], RunStatus.FAILED, 3, 0.0)
    assert choice_means(runs, [pair], question(), 10) == {}


def test_what_compare_tries_and_chooses_follows_from_its_runs_alone(tmp_path):
    strategies = ["cosine()", 'wsd(decay="30%")', "plateau(patience=1)"]
    options = {"rates": [0.03, 0.3, 3.0], "seeds": 3, "steps": 60, "version": "1"}
    found = compare(LogisticTask(), strategies, folder=tmp_path, **options)
    rates, table = lattice_of(options["rates"]), Rates(60, 30, {})
    variants = [Variant(name, name, rates, shape_of(name, table)) for name in found.question.families]
    search = Search.of(found.question, variants, {"": middle_of(options["rates"])}, RUNS_EACH * len(variants))
    runs, tried = {run.trial: run for run in found.runs}, []
    while proposals := search.proposed():
        tried += [Trial(*place, 60) for place in proposals]
        search = search.observed({place: outcome_of(runs[Trial(*place, 60)], found.question) for place in proposals})
    assert tried == [run.trial for run in found.runs if run.trial.seed in found.question.choice_seeds]
    assert {row.strategy: Choice(row.chosen, row.base_lr) for row in found.rows} == search.chosen()
    assert {row.strategy: row.doubt for row in found.rows} == search.doubts()


def test_a_round_of_many_companions_fits_the_surrogate_once_for_each(monkeypatch):
    names = tuple(f"v{number}" for number in range(12))
    shapes = [StrategyShape(0.5 + number / 30, 0.1, ("1",) * 7 + (str(number),)) for number in range(12)]
    variants = [Variant(name, "a()", RATES, shape) for name, shape in zip(names, shapes, strict=True)]
    search = Search.of(question(families={"a()": names}), variants, {"": 0.1}, 14)
    fits, fitted = [], Surrogate.fitted
    monkeypatch.setattr(Surrogate, "fitted", lambda *given: fits.append(given) or fitted(*given))
    proposals = search.proposed(6)
    assert len(proposals) > 5
    assert len(fits) <= len(proposals)


def test_no_rate_is_chosen_that_another_beats_by_more_than_luck():
    steep = {0.0631: 3.0, 0.1: 1.0, 0.158: 0.8, 0.251: 1.2}  # by far steeper than any other strategy's curve
    search, _ = run_search(search_of(), landscape(-1.0))
    others = {place: outcome for place, outcome in search.outcomes.items() if place.variant != "b()"}
    own = {Try("b()", rate, 0): Outcome(value, 0.5) for rate, value in steep.items()}
    assert search_of().observed({**others, **own}).chosen()["b()"] == Choice("b()", 0.158)


def test_a_strategy_that_fails_whatever_its_rate_is_given_up_after_two_runs():
    search = search_of(most=40)
    value = landscape(-1.0)
    while proposals := search.proposed():
        outcomes = {place: Outcome(value(place), 0.7) for place in proposals}
        search = search.observed(outcomes | {place: NO_OUTCOME for place in proposals if place.variant == "c()"})
    assert sum(place.variant == "c()" for place in search.outcomes) <= 2
    assert set(search.chosen()) == set(NAMES) - {"c()"}


def test_where_one_strategy_diverged_no_other_begins():
    search = search_of().observed({Try("a()", 0.0251, 0): Outcome(None, None, diverged=True)})
    tried = set()
    for _ in range(4):
        proposals = search.proposed()
        tried |= {
            place.base_lr for place in proposals if place.variant not in {other.variant for other in search.outcomes}
        }
        search = search.observed({place: Outcome(1.0 + place.base_lr, 0.7) for place in proposals})
    assert tried
    assert max(tried) < 0.0251


def test_a_strategy_far_behind_gets_fewer_runs_than_those_that_may_be_the_best():
    search, _ = run_search(search_of(most=16), landscape(-1.0, lags=(0.0, 0.0, 0.01, 0.3)))
    counts = {name: sum(place.variant == name for place in search.outcomes) for name in NAMES}
    assert counts["d()"] < min(counts["b()"], counts["c()"])


def test_the_best_pair_is_tried_again_only_if_that_may_show_that_it_is_not():
    best, second = Choice("b()", 0.1), Choice("c()", 0.1)
    again = [Try(*best, 1)]
    near, far = ([_Ranked(best, 0.0), _Ranked(second, lag)] for lag in (0.0, 0.2))
    mean, sway = np.array([0.0]), np.array([0.01])
    assert _gain([near], again, mean, sway)[0] == pytest.approx(0.01 * 0.3989, rel=1e-3)
    assert _gain([far], again, mean, sway)[0] == pytest.approx(0.0, abs=1e-12)


def test_among_a_strategys_rates_none_beats_the_chosen_one_by_more_than_luck():
    rng = np.random.default_rng(0)
    for _ in range(60):
        values = {
            Try(name, rate, 0): math.exp(rng.uniform(0.0, 0.3)) for name in NAMES for rate in (0.0398, 0.1, 0.251)
        }
        search = search_of().observed({place: Outcome(value, 0.7) for place, value in values.items()})
        for name, choice in search.chosen().items():
            least = min(value for place, value in values.items() if place.variant == name)
            assert math.log(values[Try(*choice, 0)] / least) <= 2 * max(NOISES)
