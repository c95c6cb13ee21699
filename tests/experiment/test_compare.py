"""A comparison as a whole: fair, complete, repeatable, in this process and in others."""

import multiprocessing
import time

import pytest
from comparing import CHOICE, FRESH, STRATEGIES, TASK, small
from numpy_task import Counting, LogisticTask

from ratesmith import Plateau, Ramp, parse
from ratesmith.experiment import ComparisonError, StudyError, Trial


def test_every_strategy_is_tried_and_judged_at_its_best_rate_by_fresh_seeds(tmp_path):
    found = small(LogisticTask(), tmp_path, STRATEGIES)
    assert {row.strategy for row in found.rows} == {"constant()", *STRATEGIES}
    trials = {run.trial for run in found.runs}
    names = ("constant()", *STRATEGIES)
    tried = {trial[:2] for trial in trials if trial.seed in CHOICE}
    assert {name for name, _ in tried} == set(names)
    fresh = {trial for trial in trials if trial.seed in FRESH}
    assert fresh == {Trial(row.strategy, row.base_lr, seed, 60) for row in found.rows for seed in FRESH}
    assert {trial[:2] for trial in fresh} <= tried
    assert {trial.seed for trial in trials} <= {*CHOICE, *FRESH}
    assert all(run.updates == 60 and len(run.curve) == 3 for run in found.runs)


def test_a_schedule_a_controller_a_strategy_and_a_text_are_compared_alike(tmp_path):
    given = [Ramp(1.0, 0.0, 60), Ramp(1.0, 0.0, 60) * Plateau(), parse("cosine()"), "rex( )"]
    names = ["Ramp(1.0, 0.0, 60)", "Ramp(1.0, 0.0, 60) * Plateau()", "cosine()", "rex()"]
    found = small(LogisticTask(), tmp_path, given, seeds=1, choice_seeds=1, baseline=parse("constant()"))
    assert {row.strategy for row in found.rows} == {"constant()", *names}
    with pytest.raises(TypeError, match="compare: a schedule, controller or notation must be given, got 3; give one"):
        small(LogisticTask(), tmp_path, [3])


def test_runs_of_one_seed_begin_with_the_same_weights_and_batches(tmp_path):
    found = small(LogisticTask(), tmp_path, STRATEGIES)
    runs = {seed: [run for run in found.runs if run.trial.seed == seed] for seed in (0, *FRESH)}
    for its_runs in runs.values():
        assert len(its_runs) >= 4
        assert len({run.curve[0].metrics["loss"] for run in its_runs}) == 1


def test_a_larger_metric_can_be_the_better_one(tmp_path):
    found = small(LogisticTask(), tmp_path, metric="accuracy", mode="max")
    means = [row.estimates["accuracy"].mean for row in found.rows]
    assert means == sorted(means, reverse=True)


def test_the_baseline_alone_is_a_comparison_too(tmp_path):
    found = small(LogisticTask(), tmp_path, [])
    assert [row.strategy for row in found.rows] == ["constant()"]
    assert found.verdict().endswith("Nothing stands beside it.")


@pytest.mark.parametrize(("first", "second"), [(None, None), (None, "1"), ("1", None), ("1", "2")])
def test_a_task_that_is_an_object_goes_on_only_with_the_version_that_it_had(tmp_path, first, second):
    small(LogisticTask(), tmp_path, version=first)
    with pytest.raises(StudyError) as caught:
        small(LogisticTask(), tmp_path, version=second)
    assert "\n" not in str(caught.value)
    if first is None:
        assert str(caught.value).endswith(
            "cannot be known; give another folder=, and from its first call on a version= that you change with the task"
        )
    else:
        assert str(caught.value).endswith("give version='1' if the task is the same, or another folder=")


def test_runs_keep_the_version_of_their_task_and_one_in_a_file_needs_none(tmp_path):
    kept = small(LogisticTask(), tmp_path / "object", version="1")
    assert {run.task_version for run in kept.runs} == {"1"}
    assert small(LogisticTask(), tmp_path / "object", version="1") == kept
    in_a_file = small(TASK, tmp_path / "file", version=None)
    assert {run.task_version for run in in_a_file.runs} == {None}
    assert small(TASK, tmp_path / "file", version=None) == in_a_file
    with pytest.raises(StudyError, match="made with other settings: the version None, now '2'"):
        small(TASK, tmp_path / "file", version="2")


def test_nothing_finished_needs_no_version(tmp_path):
    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(LogisticTask(), tmp_path, version=None, on_progress=stop)
    assert small(LogisticTask(), tmp_path, version=None).runs


def test_a_second_call_trains_nothing_and_a_wider_one_only_what_is_new(tmp_path):
    task = Counting()
    first = small(task, tmp_path, STRATEGIES)
    task.made = 0
    assert small(task, tmp_path, STRATEGIES) == first
    looked = task.made
    assert looked < 100  # a look at the task, at how it goes on from a saved state, and at its epoch
    task.made = 0
    wider = small(task, tmp_path, [*STRATEGIES, "linear()"])
    before = {run.trial: run for run in first.runs}
    new = [run for run in wider.runs if run.trial not in before]
    assert {run.trial for run in new if run.trial.strategy == "linear()"}
    assert task.made == looked + sum(run.updates - run.shared for run in new)
    assert all(run == before[run.trial] for run in wider.runs if run.trial in before)


@pytest.mark.parametrize(("workers", "rates"), [(1, [0.03, 0.3, 3.0]), (2, [0.3])])
def test_workers_in_other_processes_give_the_same_figures(tmp_path, workers, rates):
    """Two try two rates at a time, so with a choice they may choose others: the verdict at one rate is the same."""
    here = small(LogisticTask(), tmp_path / "here", STRATEGIES, rates=rates)
    there = small(TASK, tmp_path / "there", STRATEGIES, rates=rates, workers=workers, version=None)
    for a, b in zip(here.rows, there.rows, strict=True):
        assert (a.strategy, a.base_lr, a.estimates) == (b.strategy, b.base_lr, b.estimates)
    assert here.test == there.test


def test_a_study_that_was_begun_with_two_workers_goes_on_with_none_to_the_same_choice(tmp_path):
    def stop(progress):
        if progress.stage == "choice of rates" and progress.done == 5:
            raise KeyboardInterrupt

    whole = small(TASK, tmp_path / "whole", STRATEGIES, workers=2, version=None)
    with pytest.raises(KeyboardInterrupt):
        small(TASK, tmp_path / "cut", STRATEGIES, workers=2, version=None, on_progress=stop)
    rest = small(TASK, tmp_path / "cut", STRATEGIES, workers=0, version=None)
    assert [run.trial for run in rest.runs] == [run.trial for run in whole.runs]
    assert rest.table() == whole.table()


def test_a_childs_process_of_the_caller_survives_a_mistake(tmp_path):
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    child.start()
    try:
        with pytest.raises(ComparisonError):
            small(TASK, tmp_path, metric="f1", mode="max", workers=1)
        assert child.is_alive()
    finally:
        child.terminate()
        child.join()
