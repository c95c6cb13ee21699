"""Trials and runs as plain data."""

import json

import pytest

from ratesmith.experiment import Run, RunLayout, RunStatus, Trial
from ratesmith.experiment.trial import FINAL

TRIAL = Trial("cosine()", 0.1, 0, 60)


def test_the_statuses_are_the_words_that_studies_keep():
    assert [status.value for status in RunStatus] == ["done", "diverged", "failed", "timeout", "killed", "cancelled"]
    assert FINAL == ("done", "diverged")
    assert f"{RunStatus.DONE}" == "done"


@pytest.mark.parametrize("status", RunStatus)
def test_a_run_is_plain_data_that_json_keeps(status):
    run = Run(TRIAL, status, 7, 0.5, message="why", shared=3, shared_with="constant()")
    data = run.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert (data["status"], data["updates"], data["shared_with"]) == (status.value, 7, "constant()")
    assert (run.done, run.diverged) == (status == "done", status == "diverged")


def test_a_shorter_run_is_measured_as_often():
    layout = RunLayout(steps=1000, evaluate_every=100)
    assert [layout.every(steps) for steps in (1000, 250, 3)] == [100, 25, 1]
