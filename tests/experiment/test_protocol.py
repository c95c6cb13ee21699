"""The protocol: what is tried, which rates are chosen, who can win, and when the test data is touched."""

import math
import sqlite3

import numpy as np
import pytest
from comparing import CHOICE, STRATEGIES, small
from numpy_task import DivergingTask, ExplodingTask, LogisticTask

from ratesmith.experiment import Trial, compare
from ratesmith.experiment.grid import lattice_of, variants
from ratesmith.experiment.question import Choice
from ratesmith.experiment.standing import Standing
from ratesmith.experiment.stopping import further


@pytest.mark.parametrize(("rates", "better"), [([0.001, 0.003], "above"), ([1000.0, 3000.0], "below")])
def test_rates_beyond_the_given_ones_are_tried_where_the_best_lies_there_and_at_most_a_decade_beyond(
    tmp_path, rates, better
):
    found = small(LogisticTask(), tmp_path, ["cosine()", "linear()"], rates=rates)
    assert set(found.rates) <= set(lattice_of(rates))
    low, high = rates
    for row in found.rows:
        assert high < row.base_lr <= 10 * high if better == "above" else low / 10 <= row.base_lr < low


def test_one_given_rate_is_that_rate_and_needs_no_choice(tmp_path):
    found = small(LogisticTask(), tmp_path, rates=[0.001])
    assert found.rates == (0.001,)
    assert {run.trial.seed for run in found.runs} == {1000, 1001}
    assert all((row.doubt, row.tried, row.nearly) == (0.0, 0, None) for row in found.rows)


def test_rates_close_together_and_rates_at_the_end_of_the_numbers_are_searched_too(tmp_path):
    close = small(LogisticTask(), tmp_path / "a", rates=[0.3, 0.3001])
    assert all(row.base_lr > 0.3001 for row in close.rows)  # a better one lies there
    tiny = small(LogisticTask(), tmp_path / "b", rates=[1e-30, 1e-29])
    assert all(1e-30 < rate <= 1e-28 for rate in tiny.rates)


def test_no_more_than_three_runs_for_each_strategy_are_made_in_the_choice_all_of_them_whole(tmp_path):
    found = small(LogisticTask(), tmp_path, STRATEGIES)
    of_choice = [run for run in found.runs if run.trial.seed in CHOICE]
    assert 0 < len(of_choice) <= 3 * len(found.rows)
    assert all(run.updates == run.trial.steps == 60 for run in of_choice)
    assert all(row.tried >= 1 for row in found.rows)


def test_shorter_runs_come_first_if_rungs_are_asked_for_and_none_of_them_judges(tmp_path):
    stages = []
    found = small(
        LogisticTask(), tmp_path, STRATEGIES, rungs=[0.5], on_progress=lambda now: stages.append((now.stage, now.run))
    )
    assert list(dict.fromkeys(name for name, _ in stages)) == ["rung of 30 steps", "choice of rates", "verdict"]
    steps = {"rung of 30 steps": 30, "choice of rates": 60, "verdict": 60}
    assert all(run.trial.steps == steps[name] for name, run in stages if run is not None)
    whole = {run.trial[:2] for run in found.runs if run.trial.steps == 60 and run.trial.seed in CHOICE}
    assert {(row.chosen, row.base_lr) for row in found.rows} <= whole


def test_where_a_rate_diverges_lower_ones_are_tried_and_none_above_it(tmp_path):
    found = small(DivergingTask(), tmp_path, [], rates=[0.4, 4.0])
    [row] = found.rows
    diverged = [run.trial.base_lr for run in found.runs if run.diverged]
    assert row.diverged == len(diverged) >= 1
    assert row.base_lr < 0.5 < min(diverged)
    assert diverged == sorted(diverged, reverse=True)


def test_where_every_run_diverges_there_is_no_answer_and_each_rate_was_lower_than_the_one_before(tmp_path):
    found = small(DivergingTask(), tmp_path, [], rates=[30.0, 300.0])
    assert found.best is None
    assert "[RS313]" in found.verdict()
    tried = [run.trial.base_lr for run in found.runs]
    assert tried == sorted(set(tried), reverse=True)


def test_a_diverged_run_is_counted_and_never_wins(tmp_path):
    found = small(DivergingTask(), tmp_path, ["exponential(gamma=0.5)"], rates=[0.03, 0.3, 3.0])
    constant = next(row for row in found.rows if row.strategy == "constant()")
    diverged = [run for run in found.runs if run.diverged]
    assert constant.diverged == sum(run.trial.strategy == "constant()" for run in diverged) > 0
    assert constant.base_lr < 0.5
    assert all(run.metrics == {} and run.message == f"training loss nan at step {run.updates - 1}" for run in diverged)
    assert all(5 < run.updates < 60 for run in diverged)
    assert math.isfinite(found.best.estimates["loss"].mean)


def test_an_exploding_loss_is_divergence_too_and_all_of_them_leave_no_winner(tmp_path):
    found = small(ExplodingTask(), tmp_path)
    assert found.best is None
    assert found.test is None
    assert found.verdict() == "Every run diverged: give lower rates, or look for NaN in the data and the model. [RS313]"
    assert all(run.diverged and run.message.startswith("training loss 1e+0") for run in found.runs)
    assert all(row.base_lr is None and row.diverged == row.runs for row in found.rows)
    assert found.paste() == ""


def test_a_metric_that_is_not_finite_cannot_win(tmp_path):
    class Undefined(LogisticTask):
        def start(self, seed):
            training = super().start(seed)
            measure, update, rates = training.evaluate, training.step, []
            training.step = lambda lr: rates.append(lr) or update(lr)
            training.evaluate = lambda split="validation": {
                **measure(split),
                "auc": math.nan if rates and rates[0] > 0.1 else 0.5,
            }
            return training

    found = small(Undefined(), tmp_path, metric="auc", mode="max", rates=[0.03, 0.3])
    assert all(row.base_lr <= 0.1 for row in found.rows)
    assert all(row.estimates["auc"].mean == 0.5 for row in found.rows)


def test_each_strategy_is_judged_by_its_best_variant(tmp_path):
    listed = 'wsd(decay=["10%", "90%"])'
    found = compare(LogisticTask(), [listed], folder=tmp_path, steps=60, rates=[0.3, 1.0], seeds=2)
    row = next(row for row in found.rows if row.strategy == listed)
    assert row.chosen in variants(listed)
    assert {run.trial.strategy for run in found.runs if run.trial.seed < 1000} >= set(variants(listed))
    fresh = {run.trial.strategy for run in found.runs if run.trial.seed >= 1000}
    assert fresh == {"constant()", row.chosen}


BEHIND = ["cosine()", "linear()", "exponential(gamma=0.9)"]
"""Strategies that are plainly worse than a constant rate where that is low, each by another number of seeds."""


def asked_of(found):
    return {row.strategy: row.seeds for row in found.rows}


def standing_of(found, asked):
    """Return where the strategies stood when they had so many seeds."""
    chosen = {row.strategy: Choice(row.chosen, row.base_lr) for row in found.rows}
    runs = {
        run.trial: run
        for run in found.runs
        if run.trial.seed in found.question.seeds[: asked.get(run.trial.strategy, 0)]
    }
    doubts = {row.strategy: row.doubt for row in found.rows}
    return Standing.of(runs, chosen, found.question, found.layout.steps, asked=asked, doubts=doubts)


@pytest.mark.parametrize("rates", [[0.3], [0.03], [0.1, 1.0]])
@pytest.mark.parametrize("strategies", [BEHIND, STRATEGIES])
def test_fresh_seeds_are_added_from_three_for_those_that_are_not_told_apart_yet_and_for_no_others(
    tmp_path, strategies, rates
):
    found = small(LogisticTask(), tmp_path, strategies, rates=rates, seeds=10)
    asked, most = asked_of(found), max(row.seeds for row in found.rows)
    assert min(asked.values()) >= 3
    assert 3 < most <= 10
    for row in found.rows:
        fresh = [run.trial for run in found.runs if run.trial.strategy == row.chosen and run.trial.seed >= 1000]
        assert fresh == [Trial(row.chosen, row.base_lr, seed, 60) for seed in found.question.seeds[: row.seeds]]
    assert all(asked[name] == 10 for name in further(standing_of(found, asked)))
    # By the seeds before the last something was not told apart yet, by those of nobody else.
    last = {name for name, count in asked.items() if count == most}
    before = {name: count - (name in last) for name, count in asked.items()}
    needed = set(further(standing_of(found, before)))
    assert needed
    assert needed <= last


def test_who_is_told_apart_early_gets_fewer_seeds_than_the_others(tmp_path):
    found = small(LogisticTask(), tmp_path, BEHIND, rates=[0.3], seeds=10)
    counts = [row.seeds for row in found.rows]
    assert counts[-1] < counts[0] < 10  # all are told apart before the cap
    assert found.rows[-1].difference.conclusion == "worse"
    assert found.rows[-1].difference.pairs == counts[-1]


@pytest.mark.parametrize("cap", [1, 3, 5])
def test_nobody_gets_more_seeds_than_the_cap_and_who_is_not_told_apart_gets_them_all(tmp_path, cap):
    found = small(LogisticTask(), tmp_path, STRATEGIES, rates=[0.1, 1.0], seeds=cap)
    assert {run.trial.seed for run in found.runs if run.trial.seed >= 1000} == set(range(1000, 1000 + cap))
    for row in found.rows:
        words = {difference.conclusion for difference in (row.difference, row.to_best) if difference is not None}
        assert row.seeds == cap or (row.seeds < cap and words != {"not told apart"})


@pytest.mark.parametrize("done", [3, 13, 16, 19])
def test_a_verdict_that_was_stopped_goes_on_to_the_same_rows_and_makes_nothing_again(tmp_path, done):
    def stop(progress):
        if progress.run is not None and progress.done == done:
            raise KeyboardInterrupt

    options = {"rates": [0.3], "seeds": 10}
    whole = small(LogisticTask(), tmp_path / "whole", BEHIND, **options)
    with pytest.raises(KeyboardInterrupt):
        small(LogisticTask(), tmp_path / "cut", BEHIND, on_progress=stop, **options)
    new = []
    found = small(
        LogisticTask(),
        tmp_path / "cut",
        BEHIND,
        on_progress=lambda now: new.extend([now.run] if now.run else ()),
        **options,
    )
    assert found.table() == whole.table()
    assert asked_of(found) == asked_of(whole)
    assert [run.trial for run in found.runs] == [run.trial for run in whole.runs]
    assert len(new) == len(whole.runs) - done
    assert found.test == whole.test


def test_a_higher_cap_goes_on_with_the_seeds_that_are_there(tmp_path):
    few = small(LogisticTask(), tmp_path, STRATEGIES, rates=[0.1, 1.0], seeds=3)
    new = []
    more = small(
        LogisticTask(),
        tmp_path,
        STRATEGIES,
        rates=[0.1, 1.0],
        seeds=5,
        on_progress=lambda now: new.extend([now.run.trial] if now.run else ()),
    )
    assert {row.strategy: row.base_lr for row in more.rows} == {row.strategy: row.base_lr for row in few.rows}
    assert {trial.seed for trial in new} == {1003, 1004}


def test_two_strategies_may_choose_the_same_training(tmp_path):
    found = compare(
        LogisticTask(),
        ['wsd(decay="90%")', 'wsd(decay=["10%", "90%"])'],
        folder=tmp_path,
        steps=60,
        rates=[0.3, 1.0],
        seeds=2,
    )
    assert len(found.rows) == 3


def test_the_test_data_is_touched_once_at_the_end_for_the_winner_only(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("RATESMITH_TEST_LOG", str(log))
    found = small(LogisticTask(), tmp_path / "study")
    lines = log.read_text().splitlines()
    assert lines.count("evaluate test") == 2
    assert all(line in ("evaluate test", "start 1000", "start 1001") for line in lines[-4:])
    small(LogisticTask(), tmp_path / "study")
    assert log.read_text().splitlines().count("evaluate test") == 2
    assert found.tested == 1
    assert set(found.test) == {"loss", "accuracy"}


def test_only_the_winners_trained_states_are_left(tmp_path):
    found = small(LogisticTask(), tmp_path, STRATEGIES)
    assert len(list((tmp_path / "states").iterdir())) == 2
    assert found.test["loss"].mean > 0


def test_a_lost_state_is_trained_again_to_the_same_test_figures(tmp_path):
    first = small(LogisticTask(), tmp_path)
    for state in (tmp_path / "states").iterdir():
        state.unlink()
    with sqlite3.connect(tmp_path / "study.sqlite") as database:
        database.execute("DELETE FROM tests")
    assert small(LogisticTask(), tmp_path).test == first.test


def test_a_state_that_cannot_be_read_is_trained_again(tmp_path):
    first = small(LogisticTask(), tmp_path)
    for state in (tmp_path / "states").iterdir():
        state.write_bytes(b"torn")
    with sqlite3.connect(tmp_path / "study.sqlite") as database:
        database.execute("DELETE FROM tests")
    assert small(LogisticTask(), tmp_path).test == first.test


def test_a_test_set_that_cannot_be_measured_does_not_cost_the_answer(tmp_path):
    class Untestable(LogisticTask):
        def start(self, seed):
            training = super().start(seed)
            measure = training.evaluate
            training.evaluate = lambda split="validation": measure(split) if split == "validation" else 1 / 0
            return training

    found = compare(Untestable(), ["cosine()"], folder=tmp_path, steps=60, rates=[0.3], seeds=2)
    assert found.test is None
    assert found.best is not None
    assert "The test data could not be measured: division by zero. [RS309]" in found.note_lines()


class UnseededTask(LogisticTask):
    """Its first weights come from nowhere, and it gives NumPy's numbers."""

    def start(self, seed):
        training = super().start(np.random.default_rng().integers(2**32))
        step = training.step
        training.step = lambda lr: np.float64(step(lr))
        return training


def test_a_training_that_the_seed_does_not_decide_shares_nothing_says_so_and_goes_on_in_its_folder(tmp_path):
    found = small(UnseededTask(), tmp_path)
    assert [note.code for note in found.notes if note.code == "RS301"] == []
    assert "it takes more seeds to tell strategies apart. [RS318]" in " ".join(found.note_lines())
    assert found.costs.run == found.costs.planned
    again = small(UnseededTask(), tmp_path)  # though it begins with other losses now
    assert again.rows[0].estimates == found.rows[0].estimates


def test_the_test_datas_loss_is_the_geometric_mean_and_its_share_stays_within_1(tmp_path):
    found = compare(LogisticTask(), [], folder=tmp_path, steps=60, rates=[0.3], seeds=3)
    assert found.test["loss"].mean ** 2 == pytest.approx(found.test["loss"].low * found.test["loss"].high)
    assert found.test["accuracy"].high <= 1.0
