"""The runner: what workers send, in whatever order it comes."""

import sys
import threading
from concurrent.futures import Future

import pytest
from comparing import CHOICE, STRATEGIES, TASK, small
from numpy_task import LogisticTask, LogisticTraining
from optimizer_task import ChangeableTask, make_other

from ratesmith.experiment import Progress, RunStatus, compare
from ratesmith.experiment.local import InProcess
from ratesmith.task import TaskError


class LateEnds(InProcess):
    """Says that a job has ended when three more have told all that they tell, or when no more come."""

    workers = 2

    def __init__(self):
        self.held, self.lock = [], threading.Lock()

    def submit(self, job, /, *args, on_part=None):
        inner = super().submit(job, *args, on_part=on_part)
        if on_part is None:
            return inner
        outer = Future()
        self.held.append(outer)
        if len(self.held) > 3:
            self.end(self.held[0])
        threading.Timer(0.3, self.end, (outer,)).start()
        return outer

    def end(self, future):
        with self.lock:
            if future in self.held:
                self.held.remove(future)
                future.set_result(None)


def test_a_job_that_ends_late_is_not_taken_for_the_one_that_has_its_number_in_the_store_by_then(tmp_path, monkeypatch):
    strategies = [f'wsd(decay="{share}%")' for share in (10, 50)]
    options = {"steps": 60, "seeds": 2, "rates": [0.1, 0.3], "evaluate_every": 10}
    # The choice proposes as many runs at a time as there are workers.
    monkeypatch.setattr(InProcess, "workers", LateEnds.workers)
    whole = compare(LogisticTask(), strategies, folder=tmp_path / "whole", **options)
    monkeypatch.setattr(sys.modules["ratesmith.experiment.compare"], "InProcess", LateEnds)
    assert compare(LogisticTask(), strategies, folder=tmp_path / "late", **options).table() == whole.table()


def test_progress_counts_every_run_and_knows_the_best(tmp_path):
    told: list[Progress] = []
    found = small(LogisticTask(), tmp_path, on_progress=told.append)
    assert told[0].done == 0
    assert [one.done for one in told if one.run is not None] == list(range(1, len(found.runs) + 1))
    assert len(found.runs) <= told[-1].planned == 10
    means = {rate: found.runs_of("cosine()", rate, CHOICE) for rate in found.rates}
    best = min(sum(run.metrics["loss"] for run in runs) / len(runs) for runs in means.values() if runs)
    assert ("cosine()", pytest.approx(best)) in [(name, value) for name, _, value in told[-1].bests]
    assert {one.stage for one in told} == {"choice of rates", "verdict"}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("strategies", [[], ["cosine()"], [*STRATEGIES, "linear()"]])
@pytest.mark.parametrize("rates", [[0.1], [0.03, 3.0]])
def test_a_task_that_only_fails_stops_the_comparison_after_a_few_runs(tmp_path, workers, strategies, rates):
    failed = []
    with pytest.raises(TaskError, match=r"batch 20 is missing' \((one run|\d runs), every one so far\)$"):
        small(
            TASK.replace(":task", ":always_failing"),
            tmp_path,
            strategies,
            workers=workers,
            rates=rates,
            version=None,
            on_progress=lambda now: failed.extend([now.run] if now.run else []),
        )
    assert {run.status for run in failed} == {RunStatus.FAILED}
    assert 2 <= len(failed) <= 8  # a strategy that fails is asked for again, and may be the first four


class Choosy(LogisticTraining):
    """It fails with a schedule whose last rate is a certain share of the first."""

    share, first = 1.0, None

    def step(self, lr):
        self.first = lr if self.first is None else self.first
        if self.steps == 59 and lr / self.first == pytest.approx(self.share, rel=1e-3):
            raise KeyError("a rate so small")
        return super().step(lr)

    def state_dict(self):
        return {**super().state_dict(), "first": self.first}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.first = state["first"]


class OneStrategyFails(LogisticTask):
    def __init__(self, share):
        super().__init__()
        self.share = share

    def start(self, seed):
        training = Choosy(self.splits, seed)
        training.share = self.share
        return training


@pytest.mark.parametrize("rates", [[0.1], [0.03, 3.0]])
@pytest.mark.parametrize(("failing", "share"), [("linear()", 1 / 60), ('step(every="50%")', 0.1), ("constant()", 1.0)])
def test_a_strategy_that_fails_does_not_stop_the_others(tmp_path, rates, failing, share):
    """Also if it is what is expected to be the best, and tried first."""
    found = small(OneStrategyFails(share), tmp_path, ["linear()", 'step(every="50%")', "cosine()"], rates=rates)
    hurt = {run.trial.strategy for run in found.runs if run.status == RunStatus.FAILED}
    assert hurt == {failing}
    bad, *others = sorted(found.rows, key=lambda row: row.strategy != failing)
    assert bad.base_lr is None
    assert all(row.base_lr is not None and row.seeds == 2 and not row.missing for row in others)


def test_a_choice_that_fails_does_not_stop_strategies_that_need_none(tmp_path):
    class FailsWithItsOwn(ChangeableTask):
        def start(self, seed):
            training = super().start(seed)
            step = training.step
            training.step = lambda lr: step(lr) if lr == 0.2 or training.steps < 50 else 1 / 0
            return training

    found = small(FailsWithItsOwn(), tmp_path, [], optimizers={"fixed": (make_other, 0.2)})
    assert found.best.strategy == "fixed: constant()"
    assert [row.base_lr for row in found.rows] == [0.2, None]
