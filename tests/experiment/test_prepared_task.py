"""The task that a trial trains: its optimizer is the one that the strategy names, its data the fold of the seed."""

import json

import pytest
from comparing import small
from numpy_task import LogisticTask
from optimizer_task import ChangeableTask, make_momentum, make_other

from ratesmith._checks import OptionError
from ratesmith.experiment import StudyError, compare
from ratesmith.experiment.optimizers import NamedOptimizer
from ratesmith.experiment.options import CompareOptions
from ratesmith.experiment.prepared_task import prepared
from ratesmith.experiment.task_source import load

TASK = ChangeableTask()


def test_the_optimizer_and_the_fold_of_a_seed_are_put_into_the_task():
    loaded = load(TASK)
    assert prepared(TASK, loaded, None) is TASK
    other = prepared(TASK, loaded, NamedOptimizer(make_other), seed=1002, folds=5)
    assert other.start(1002).base_lr == 0.2
    expected = TASK.fold(2, 5).splits["validation"][1]
    assert (other.splits["validation"][1] == expected).all()
    assert TASK.start(0).base_lr == 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"optimizers": {"m": make_momentum}},
            "compare: optimizers needs a task that can take another, got Logistic",
        ),
        ({"folds": 3}, "compare: folds needs a task that can be cut into them, got LogisticTask; give a TorchTask, or"),
    ],
)
def test_a_task_that_can_do_neither_is_refused_with_what_it_needs(tmp_path, options, message):
    with pytest.raises(OptionError) as caught:
        small(LogisticTask(), tmp_path / "study", **options)
    assert str(caught.value).startswith(message)
    assert not (tmp_path / "study" / "study.sqlite").exists()


@pytest.mark.parametrize("folds", [1, -2, 2.5, "3", True, False])
def test_a_number_of_folds_that_cannot_be_is_refused(folds):
    with pytest.raises(OptionError, match="compare: folds must be a whole number of at least 2"):
        CompareOptions(folds=folds)


def test_there_are_no_more_seeds_than_folds_and_each_is_measured_on_another():
    question = CompareOptions(folds=3, seeds=5).question
    assert question.folds == 3
    assert len(question.seeds) == 3
    assert {seed % 3 for seed in question.seeds} == {0, 1, 2}
    assert len(CompareOptions(folds=9, seeds=5).question.seeds) == 5
    assert CompareOptions().question.folds == 0


def test_runs_are_paired_by_fold_and_equal_those_of_the_folds_own_task(tmp_path):
    found = small(ChangeableTask(), tmp_path, folds=4, seeds=4, rates=[0.1])
    assert found.layout.folds == found.to_dict()["layout"]["folds"] == 4
    for run in found.runs:
        training = TASK.fold(run.trial.seed % 4, 4).start(run.trial.seed)
        assert run.curve[0].metrics == training.evaluate()
        if run.trial.strategy == "constant()":
            for _ in range(run.trial.steps):
                training.step(0.1)
            assert run.metrics == training.evaluate()
    first = {run.trial.seed: run.curve[0].metrics["loss"] for run in found.runs if run.trial.strategy == "cosine()"}
    assert len(set(first.values())) == len(first)
    assert found.question.folds == 4
    assert found.test is not None  # of the very test data that was given
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_study_of_folds_is_another_than_one_without_or_with_more(tmp_path):
    small(ChangeableTask(), tmp_path, folds=4, rates=[0.1])
    for folds in (0, 5):
        with pytest.raises(StudyError, match=f"folds 4, now {folds}; give another folder="):
            small(ChangeableTask(), tmp_path, folds=folds, rates=[0.1])


def test_a_fold_is_trained_in_worker_processes_and_swept_for_its_rates(tmp_path):
    file = f"{__file__.rpartition('experiment')[0]}optimizer_task.py:task"
    options = {"folds": 4, "steps": 60, "seeds": 3, "choice_seeds": 1, "rates": [0.1]}
    here = compare(file, ["cosine()"], folder=tmp_path / "a", **options)
    there = compare(file, ["cosine()"], folder=tmp_path / "b", workers=2, **options)
    assert [row.estimates for row in here.rows] == [row.estimates for row in there.rows]
    swept = compare(file, [], folder=tmp_path / "c", **{**options, "rates": None})
    assert any(note.code == "RS303" for note in swept.notes)
