"""A comparison as a whole: fair, complete, repeatable, in this process and in others."""

import multiprocessing
import time

import pytest
from comparing import CHOICE, FRESH, STRATEGIES, TASK, small
from numpy_task import LogisticTask

from ratesmith import Plateau, Ramp, parse
from ratesmith.experiment import ComparisonError, StudyError, Trial


def test_every_strategy_gets_every_rate_and_seed_and_the_verdict_has_fresh_seeds(tmp_path):
    found = small(LogisticTask(), tmp_path, STRATEGIES)
    assert {row.strategy for row in found.rows} == {"constant()", *STRATEGIES}
    trials = {run.trial for run in found.runs}
    names = ("constant()", *STRATEGIES)
    assert trials >= {Trial(name, rate, seed, 60) for name in names for rate in (0.03, 0.3, 3.0) for seed in CHOICE}
    fresh = {trial for trial in trials if trial.seed in FRESH}
    assert fresh == {Trial(row.strategy, row.base_lr, seed, 60) for row in found.rows for seed in FRESH}
    assert {trial.seed for trial in trials} == {*CHOICE, *FRESH}
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
    for seed in (*CHOICE, *FRESH):
        starts = {run.curve[0].metrics["loss"] for run in found.runs if run.trial.seed == seed}
        assert len(starts) == 1


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


def test_a_second_call_trains_nothing_and_a_wider_one_only_what_is_new(tmp_path, monkeypatch):
    first = small(LogisticTask(), tmp_path / "study", STRATEGIES)
    log = tmp_path / "log"
    monkeypatch.setenv("RATESMITH_TEST_LOG", str(log))
    again = small(LogisticTask(), tmp_path / "study", STRATEGIES)
    assert again == first
    looking = log.read_text().splitlines()
    assert set(looking) == {"start 0", "evaluate validation"}
    assert len(looking) < 10  # a look at the task, at how it goes on from a saved state, and at its epoch
    log.write_text("")
    small(LogisticTask(), tmp_path / "study", [*STRATEGIES, "linear()"])
    starts = sum(line.startswith("start") for line in log.read_text().splitlines())
    assert starts <= 5 + 2 * 6 + 2 + 2


def test_workers_in_other_processes_give_the_same_figures(tmp_path):
    here = small(LogisticTask(), tmp_path / "here", STRATEGIES)
    there = small(TASK, tmp_path / "there", STRATEGIES, workers=2)
    for a, b in zip(here.rows, there.rows, strict=True):
        assert (a.strategy, a.base_lr, a.estimates) == (b.strategy, b.base_lr, b.estimates)
    assert here.test == there.test


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
