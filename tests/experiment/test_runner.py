"""The runner: what workers send, in whatever order it comes."""

import sys
import threading
from concurrent.futures import Future

import pytest
from comparing import CHOICE, TASK, small
from numpy_task import LogisticTask

from ratesmith.experiment import Progress, compare
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
    whole = compare(LogisticTask(), strategies, folder=tmp_path / "whole", **options)
    monkeypatch.setattr(sys.modules["ratesmith.experiment.compare"], "InProcess", LateEnds)
    assert compare(LogisticTask(), strategies, folder=tmp_path / "late", **options).table() == whole.table()


def test_progress_counts_every_run_and_knows_the_best(tmp_path):
    told: list[Progress] = []
    found = small(LogisticTask(), tmp_path, on_progress=told.append)
    assert told[0].done == 0
    assert told[-1].done == told[-1].planned == len(found.runs)
    means = {rate: found.runs_of("cosine()", rate, CHOICE) for rate in found.rates}
    best = min(sum(run.metrics["loss"] for run in runs) / 2 for runs in means.values() if runs)
    assert ("cosine()", pytest.approx(best)) in [(name, value) for name, _, value in told[-1].bests]
    assert {one.stage for one in told} >= {"choice of rates", "verdict"}


def test_a_task_that_only_fails_stops_the_comparison(tmp_path):
    with pytest.raises(TaskError, match=r"batch 20 is missing' \(\d runs, every one so far\)"):
        small(TASK.replace(":task", ":always_failing"), tmp_path, workers=2)
