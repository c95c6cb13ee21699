"""The protocol: what is tried, where the grid grows, who can win, and when the test data is touched."""

import math
import sqlite3

import numpy as np
import pytest
from comparing import STRATEGIES, small
from numpy_task import DivergingTask, ExplodingTask, LogisticTask

from ratesmith.experiment import compare
from ratesmith.experiment.grid import variants


@pytest.mark.parametrize(("rates", "inside"), [([0.001, 0.003], "up"), ([1000.0, 3000.0], "down")])
def test_the_grid_is_extended_where_the_best_lies_on_its_edge(tmp_path, rates, inside):
    found = small(LogisticTask(), tmp_path, ["cosine()", "linear()"], rates=rates)
    assert len(found.rates) == 5
    assert (found.rates[:2] if inside == "up" else found.rates[-2:]) == tuple(rates)
    assert len(found.runs) == 3 * 5 * 2 + 3 * 2
    ratios = [b / a for a, b in zip(found.rates, found.rates[1:], strict=False)]
    assert ratios == pytest.approx([3.0] * 4, rel=0.01)


def test_one_given_rate_is_no_grid_and_stays(tmp_path):
    assert small(LogisticTask(), tmp_path, rates=[0.001]).rates == (0.001,)


def test_rates_too_close_to_extend_and_rates_at_the_end_of_the_numbers_end_too(tmp_path):
    assert small(LogisticTask(), tmp_path / "a", rates=[0.3, 0.3001]).rates == (0.3, 0.3001)
    assert small(LogisticTask(), tmp_path / "b", rates=[1e-29, 1e-28]).rates[0] == 1e-29


def test_where_every_rate_diverges_lower_ones_are_tried(tmp_path):
    found = small(DivergingTask(), tmp_path, [], rates=[3.0, 30.0])
    assert found.rates == (0.03, 0.3, 3.0, 30.0)
    assert found.best.base_lr == 0.3
    assert found.rows[0].diverged == 4


def test_a_diverged_run_is_counted_and_never_wins(tmp_path):
    found = small(DivergingTask(), tmp_path, ["exponential(gamma=0.5)"], rates=[0.03, 0.3, 3.0])
    constant = next(row for row in found.rows if row.strategy == "constant()")
    assert constant.diverged == 2 > 0
    assert constant.base_lr < 3.0
    diverged = [run for run in found.runs if run.diverged]
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
    assert row.tried >= 4
    fresh = {run.trial.strategy for run in found.runs if run.trial.seed >= 1000}
    assert fresh == {"constant()", row.chosen}


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
