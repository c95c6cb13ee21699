"""Rungs: what shorter complete runs leave out, and that they find the same."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from numpy_task import LogisticTask

from ratesmith.experiment import Comparison, Run, Trial, compare
from ratesmith.experiment.question import Question
from ratesmith.experiment.rungs import survivors

RATES = (0.001, 0.01, 0.1, 1.0, 10.0)


class Bowl:
    """A training whose loss falls fastest, and whose rate is best, at 0.1."""

    base_lr, steps_per_epoch = 0.1, 5

    def __init__(self, seed: int) -> None:
        self.total, self.steps, self.seed = 0.0, 0, seed

    def step(self, lr: float) -> float:
        self.total += 1 / (1 + abs(math.log10(max(lr, 1e-9) / 0.1)))
        self.steps += 1
        return 1.0

    def evaluate(self, split: str = "validation") -> dict[str, float]:
        return {"loss": 1 / (1 + self.total) + self.seed % 1000 / 1000}

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total, "steps": self.steps, "seed": self.seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total, self.steps, self.seed = state["total"], state["steps"], state["seed"]


class Task:
    has_test = False

    def start(self, seed: int) -> Bowl:
        return Bowl(seed)

    def save(self, state: dict[str, Any], path: Path) -> None:
        path.write_text(json.dumps(state))

    def load(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(path.read_text())
        return found


def compared(folder: Path, **options: Any) -> Comparison:
    return compare(Task(), ["cosine()"], folder=folder, steps=80, evaluate_every=20, rates=RATES, **options)


def test_rungs_choose_what_the_whole_grid_chooses(tmp_path: Path) -> None:
    whole, short = compared(tmp_path / "whole"), compared(tmp_path / "short", rungs=(0.125,))
    assert [(row.chosen, row.base_lr) for row in short.rows] == [(row.chosen, row.base_lr) for row in whole.rows]
    assert short.costs.run < whole.costs.run


def test_a_rung_trains_with_the_first_seed_alone_and_only_what_is_near_gets_the_others(tmp_path: Path) -> None:
    runs = compared(tmp_path, rungs=(0.125,), choice_seeds=3).runs
    assert {run.trial.seed for run in runs if run.trial.steps == 10} == {0}
    assert {run.trial.base_lr for run in runs if run.trial.seed == 2} == {0.1}
    assert {run.trial.base_lr for run in runs if run.trial.steps == 80} == {0.01, 0.1, 1.0}


def test_a_rungs_search_walks_to_a_best_rate_at_the_end_of_the_grid(tmp_path: Path) -> None:
    found = compare(Task(), [], folder=tmp_path, steps=80, rates=(0.1, 1, 10, 100, 1000), rungs=(0.125,))
    assert {run.trial.base_lr for run in found.runs if run.trial.steps == 10} == {0.1, 1, 10, 100}
    assert found.best is not None
    assert found.best.base_lr == 0.1


@pytest.mark.parametrize(("neighbours", "stay"), [(True, [0.01, 0.1, 1.0]), (False, [0.1])])
def test_hopeless_rates_leave_and_the_neighbours_of_the_best_stay_where_asked(
    neighbours: bool, stay: list[float]
) -> None:
    losses = {0.001: 3.0, 0.01: 2.0, 0.1: 1.0, 1.0: 2.0, 10.0: math.nan}
    runs = {
        trial: Run(trial, "done", 10, 0.0, {"loss": loss})
        for rate, loss in losses.items()
        for trial in [Trial("cosine()", rate, 0, 10)]
    }
    question = Question({"cosine()": ("cosine()",)}, "cosine()", "loss", "min", 0.01, (0, 1), (1000,))
    kept, cuts = survivors(runs, {"cosine()": RATES}, question, 10, neighbours)
    assert kept == {"cosine()": stay}
    assert {cut.base_lr for cut in cuts} == set(RATES) - set(stay)
    assert {cut.why for cut in cuts if cut.base_lr == 10} == {"a run diverged or failed"}


def test_a_rung_trains_complete_shorter_runs_and_says_what_left(tmp_path):
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
