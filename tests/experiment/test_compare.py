"""A comparison, judged: fair, complete, repeatable, and never fooled by a run that diverged."""

import json
import math
import multiprocessing
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy_task import DivergingTask, ExplodingTask, LogisticTask, Odd

from ratesmith import Plateau, Ramp, parse
from ratesmith.experiment import ComparisonError, Progress, StudyError, Trial, compare
from ratesmith.experiment.store import Store
from ratesmith.task import TaskError

TASK = f"{Path(__file__).parents[1] / 'numpy_task.py'}:task"
STRATEGIES = ['step(every="30%")', "cosine()", "plateau(factor=0.3, patience=1)"]


def small(task, folder, strategies=("cosine()",), **options):
    standard = {"steps": 60, "seeds": 2, "choice_seeds": 2, "rates": [0.03, 0.3, 3.0]}
    return compare(task, strategies, folder=folder, **{**standard, **options})


CHOICE, FRESH = (0, 1), (1000, 1001)


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


def test_the_ranking_is_by_the_mean_of_the_last_measurement_at_each_strategys_best_rate(tmp_path):
    found = small(LogisticTask(), tmp_path, STRATEGIES)
    means = [row.estimates["loss"].mean for row in found.rows]
    assert means == sorted(means)
    for row in found.rows:
        by_rate = {}
        for rate in found.rates:
            if runs := found.runs_of(row.strategy, rate, CHOICE):
                by_rate[rate] = sum(run.curve[-1].metrics["loss"] for run in runs) / len(runs)
        assert by_rate[row.base_lr] == min(by_rate.values())
        fresh = [run.curve[-1].metrics["loss"] for run in found.runs_of(row.strategy, row.base_lr)]
        assert len(fresh) == 2
        assert row.estimates["loss"].mean == pytest.approx(sum(fresh) / 2, rel=1e-15)


def test_runs_of_one_seed_begin_with_the_same_weights_and_batches(tmp_path):
    found = small(LogisticTask(), tmp_path, STRATEGIES)
    for seed in (*CHOICE, *FRESH):
        starts = {run.curve[0].metrics["loss"] for run in found.runs if run.trial.seed == seed}
        assert len(starts) == 1


def test_a_larger_metric_can_be_the_better_one(tmp_path):
    found = small(LogisticTask(), tmp_path, metric="accuracy", mode="max")
    means = [row.estimates["accuracy"].mean for row in found.rows]
    assert means == sorted(means, reverse=True)


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


def test_the_baseline_alone_is_a_comparison_too(tmp_path):
    found = small(LogisticTask(), tmp_path, [])
    assert [row.strategy for row in found.rows] == ["constant()"]
    assert found.verdict().endswith("over 2 fresh seeds.")


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


def test_a_rule_of_ones_own_is_named_from_the_tasks_file(tmp_path):
    found = small(TASK, tmp_path, ['custom("halving", every="1ep")'], rates=[1.0])
    run = found.runs_of('custom("halving", every="1ep")', 1.0)[0]
    assert [rate for step, rate in run.rates if step in (0, 29, 30, 59)] == [1.0, 1.0, 0.5, 0.5]


def test_a_plateau_hears_the_validation_metric_and_cuts(tmp_path):
    plateau = ["plateau(factor=0.1, patience=0)"]
    found = small(LogisticTask(), tmp_path, plateau, rates=[30.0], evaluate_every=5, seeds=3)
    run = found.runs_of("plateau(factor=0.1, patience=0)", 30.0)[0]
    assert run.rates[-1][1] < run.rates[0][1]
    heard = [point.metrics["loss"] for point in run.curve[1:]]
    cuts, best = 0, math.inf
    for loss in heard[:-1]:
        cuts, best = (cuts, loss) if loss < best * (1 - 1e-4) else (cuts + 1, best)
    assert run.rates[-1][1] == pytest.approx(30.0 * 0.1**cuts)
    assert all(why.startswith("plateau: loss had not improved for 1 measurement, best ") for _, why in run.events)
    assert sum(step < run.updates for step, _ in run.events) == cuts > 0
    assert run.to_dict()["events"] == [list(event) for event in run.events]
    again = small(LogisticTask(), tmp_path, plateau, rates=[30.0], evaluate_every=5, seeds=3)
    assert run in again.runs  # as it was read back from the store


def test_progress_counts_every_run_and_knows_the_best(tmp_path):
    told: list[Progress] = []
    found = small(LogisticTask(), tmp_path, on_progress=told.append)
    assert told[0].done == 0
    assert told[-1].done == told[-1].planned == len(found.runs)
    means = {rate: found.runs_of("cosine()", rate, CHOICE) for rate in found.rates}
    best = min(sum(run.metrics["loss"] for run in runs) / 2 for runs in means.values() if runs)
    assert ("cosine()", pytest.approx(best)) in [(name, value) for name, _, value in told[-1].bests]
    assert {one.stage for one in told} >= {"choice of rates", "verdict"}


def test_ties_are_named_and_a_single_seed_tells_nothing_apart(tmp_path):
    tied = small(LogisticTask(), tmp_path / "a", ["plateau(patience=50)"], seeds=3)
    assert tied.rows[0].strategy == "constant()"
    assert tied.rows[1].to_best.conclusion == tied.rows[1].difference.conclusion == "tie"
    assert "A tie with it, within 1 %: plateau(patience=50)." in tied.verdict()
    assert "The verdict rests on 3 paired seeds: fewer than 5 tell little apart. [RS305]" in tied.note_lines()
    assert any(note.text().startswith("plateau(patience=50) never changed its rate within") for note in tied.notes)
    single = small(LogisticTask(), tmp_path / "b", seeds=1)
    assert "So few seeds cannot tell strategies apart" in single.verdict()
    assert single.best.estimates["loss"].low is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rates": [-1.0]}, "compare: rates must be numbers above 0, got [-1.0]; give rates such as 0.01"),
        ({"rates": [0.0]}, "compare: rates must be numbers above 0, got [0.0]; give rates such as 0.01"),
        ({"rates": []}, "compare: rates must be numbers above 0, got none; give some"),
        ({"rates": [math.nan]}, "compare: rates must be numbers above 0, got [nan]; give rates such as 0.01"),
        ({"metric": "accuracy"}, "compare: mode must be given for the metric 'accuracy'; write 'min' if small"),
        (
            {"metric": "f1", "mode": "max"},
            "compare: metric must be one that the task reports, got 'f1'; it reports loss, accuracy",
        ),
        ({"mode": "best"}, "compare: mode must be 'min' or 'max', got 'best'"),
        ({"seeds": 0}, "compare: seeds must be a whole number of at least 1, got 0"),
        ({"choice_seeds": 0}, "compare: choice_seeds must be a whole number of at least 1, got 0"),
        ({"margin": -1.0}, "compare: margin must be a finite number of at least 0, got -1.0"),
        ({"rungs": [1.5]}, "compare: rungs must be shares of a run between 0 and 1, got [1.5]; give 0.25"),
        ({"budget": "soon"}, "compare: budget must be a number of steps or a time, got 'soon'; write 50000, '30m'"),
        ({"engine": "dask"}, "compare: engine must be one of local, ray, got 'dask'; choose one"),
        ({"timeout": 5.0}, "compare: timeout needs workers that can be stopped; give some with workers="),
        ({"baseline": "cosin()"}, "Notation: there is no strategy 'cosin'; did you mean 'cosine'?"),
        ({"strategies": ["wsd(decay=[])"]}, "compare: an option must be listed with at least one value"),
        ({"workers": -1}, "compare: workers must be a whole number of at least 0, got -1"),
        ({"workers": 1}, "compare: workers needs a task given as 'path/to/file.py:name'"),
        ({"steps": "50%"}, "compare: steps must be a number of steps or epochs, got '50%'"),
        ({"steps": 0}, "compare: steps must be a whole number of at least 1, got 0"),
        ({"steps": "soon"}, "compare: steps must be a number of steps or epochs, got 'soon'"),
        (
            {"evaluate_every": "soon"},
            "compare: evaluate_every must be a number of steps, epochs or a share, got 'soon'",
        ),
        ({"strategies": "cosine()"}, "compare: strategies must be a list, got 'cosine()'; write ['cosine()']"),
        ({"address": "auto"}, "compare: address is for the engine 'ray'; add that, or drop it"),
        ({"gpus": 1}, "compare: gpus is for the engine 'ray'; add that, or drop it"),
        ({"evaluate_every": 0}, "compare: evaluate_every must be a whole number of at least 1, got 0"),
        ({"strategies": ["cosin()"]}, "Notation: there is no strategy 'cosin'; did you mean 'cosine'?"),
        ({"strategies": ['plateau(metric="f1")']}, "Plateau: metric must be one that is measured, got 'f1'"),
        ({"strategies": ['custom("halving")']}, "Notation: custom: there is no function"),
    ],
)
def test_a_mistake_is_one_clear_line_before_anything_is_trained(tmp_path, options, message):
    with pytest.raises((ComparisonError, ValueError)) as caught:
        small(LogisticTask(), tmp_path / "study", **options)
    assert str(caught.value).startswith(message)
    assert not (tmp_path / "study").exists()


def test_runs_made_with_other_settings_are_not_mixed_in(tmp_path):
    small(LogisticTask(), tmp_path)
    with pytest.raises(
        StudyError, match="the runs here were made with other settings: steps 60, now 90; give another folder"
    ):
        small(LogisticTask(), tmp_path, steps=90)


def test_a_changed_task_file_is_noticed(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(Path(TASK.rpartition(":")[0]).read_text())
    small(f"{file}:task", tmp_path / "study", rates=[0.1])
    file.write_text(file.read_text() + "\n# changed\n")
    with pytest.raises(StudyError, match="the task's files"):
        small(f"{file}:task", tmp_path / "study", rates=[0.1])


def test_with_nothing_finished_a_mended_task_is_taken(tmp_path):
    broken = Odd(step=lambda training, old: lambda lr: old(lr) if training.steps < 50 else 1 / 0)
    with pytest.raises(TaskError, match=r"ZeroDivisionError: division by zero \(3 runs, every one so far"):
        small(broken, tmp_path)
    small(LogisticTask(), tmp_path, steps=90, rates=[0.1])


def test_a_result_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    def full(task, state, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LogisticTask, "save", full)
    with pytest.raises(OSError, match="No space left on device"):  # before anything is trained
        small(LogisticTask(), tmp_path)
    monkeypatch.setattr("ratesmith.experiment.worker._goes_on", lambda *_: True)
    with pytest.raises(StudyError, match=r"a result could not be kept .*No space left on device.*; make room"):
        small(LogisticTask(), tmp_path)


def test_a_database_that_cannot_grow_is_one_line_and_keeps_what_is_in_it(tmp_path):
    def fill(progress):
        if progress.done == 2:
            study = progress_store["store"]
            pages = study._connection.execute("PRAGMA page_count").fetchone()[0]
            study._connection.execute(f"PRAGMA max_page_count = {pages}")

    progress_store = {}
    original = Store.settle

    def settle(self, settings):
        progress_store["store"] = self
        original(self, settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "settle", settle)
        with pytest.raises(StudyError, match=r"a result could not be kept .*full"):
            small(LogisticTask(), tmp_path, STRATEGIES, on_progress=fill, steps=300, evaluate_every=1)
    with sqlite3.connect(tmp_path / "study.sqlite") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone()[0] >= 2


def test_a_changed_neighbour_of_the_tasks_file_is_noticed(tmp_path):
    (tmp_path / "neighbour_of_mine.py").write_text("FACTOR = 1.0")
    source = Path(TASK.rpartition(":")[0]).read_text()
    (tmp_path / "mine.py").write_text(f"from neighbour_of_mine import FACTOR\n{source}")
    small(f"{tmp_path / 'mine.py'}:task", tmp_path / "study", rates=[0.1], workers=1)
    (tmp_path / "neighbour_of_mine.py").write_text("FACTOR = 2.0")
    with pytest.raises(StudyError, match="the task's files"):
        small(f"{tmp_path / 'mine.py'}:task", tmp_path / "study", rates=[0.1], workers=1)


def test_another_task_object_is_noticed_by_what_it_measures(tmp_path):
    class Shifted(LogisticTask):
        def start(self, seed):
            training = super().start(seed)
            measure = training.evaluate
            training.evaluate = lambda split="validation": {"loss": measure(split)["loss"] + offset}
            return training

    offset = 1.0
    small(Shifted(), tmp_path, rates=[0.1])
    offset = 2.0
    with pytest.raises(StudyError, match="losses at the first steps"):
        small(Shifted(), tmp_path, rates=[0.1])


def test_an_edited_file_is_read_again_in_the_same_process(tmp_path):
    source = Path(TASK.rpartition(":")[0]).read_text()
    (tmp_path / "mine.py").write_text(source)
    first = small(f"{tmp_path / 'mine.py'}:task", tmp_path / "a", rates=[0.1])
    (tmp_path / "mine.py").write_text(source.replace("np.split(order, [300, 430])", "np.split(order, [300, 431])"))
    assert small(f"{tmp_path / 'mine.py'}:task", tmp_path / "b", rates=[0.1]).rows != first.rows


def test_a_second_comparison_on_the_same_folder_is_told_to_wait(tmp_path):
    def meanwhile(progress):
        with pytest.raises(StudyError, match="another comparison is running in this folder; wait for it"):
            small(LogisticTask(), tmp_path)

    small(LogisticTask(), tmp_path, on_progress=meanwhile, rates=[0.1])
    small(LogisticTask(), tmp_path, rates=[0.1])


def test_rates_too_close_to_extend_and_rates_at_the_end_of_the_numbers_end_too(tmp_path):
    assert small(LogisticTask(), tmp_path / "a", rates=[0.3, 0.3001]).rates == (0.3, 0.3001)
    assert small(LogisticTask(), tmp_path / "b", rates=[1e-29, 1e-28]).rates[0] == 1e-29


def test_a_best_rate_that_stays_on_the_edge_is_said(tmp_path):
    found = small(LogisticTask(), tmp_path, rates=[1e-9, 1e-8])
    assert found.best.base_lr == found.rates[-1]
    assert "That rate lies on the edge of those tried: a better one may lie beyond it" in found.verdict()


def test_where_every_rate_diverges_lower_ones_are_tried(tmp_path):
    found = small(DivergingTask(), tmp_path, [], rates=[3.0, 30.0])
    assert found.rates == (0.03, 0.3, 3.0, 30.0)
    assert found.best.base_lr == 0.3
    assert found.rows[0].diverged == 4


def at_step(k, value):
    return lambda training, step: lambda lr: value if training.steps == k and step(lr) else step(lr)


def test_a_loss_of_minus_infinity_and_a_validation_loss_that_explodes_are_divergence(tmp_path):
    below = small(Odd(step=at_step(40, -math.inf)), tmp_path / "a", rates=[0.1])
    assert all(run.diverged and run.message == "training loss -inf at step 40" for run in below.runs)
    high = Odd(evaluate=lambda training, old: lambda split="validation": {"loss": 1e30 if training.steps > 30 else 1.0})
    above = small(high, tmp_path / "b", rates=[0.1])
    assert all(run.diverged and run.message == "validation loss 1e+30 at step 59" for run in above.runs)


def test_a_metric_that_is_nowhere_finite_is_not_called_divergence(tmp_path):
    undefined = Odd(evaluate=lambda training, old: lambda split="validation": {**old(split), "f1": math.nan})
    found = small(undefined, tmp_path, metric="f1", mode="max", rates=[0.1, 0.3])
    assert found.verdict().startswith("No strategy has a rate at which every seed ended with a finite f1")
    json.dumps(small(undefined, tmp_path, rates=[0.1]).to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"accuracy": 1.0}, "Task: metrics must include 'loss', got ['accuracy']"),
        ({"loss": "low"}, "Task: metrics must be numbers, got {'loss': 'low'}"),
        ({"loss": None}, "Task: metrics must be numbers, got {'loss': None}"),
    ],
)
def test_metrics_are_numbers_with_a_loss_among_them(tmp_path, metrics, message):
    with pytest.raises(TypeError) as caught:
        small(Odd(evaluate=lambda training, old: lambda split="validation": metrics), tmp_path)
    assert str(caught.value).startswith(message)


def test_metrics_may_be_numpy_numbers(tmp_path):
    single = Odd(evaluate=lambda training, old: lambda split="validation": {"loss": np.float32(old(split)["loss"])})
    assert isinstance(small(single, tmp_path, rates=[0.1]).best.estimates["loss"].mean, float)


def test_a_state_that_cannot_be_read_is_trained_again(tmp_path):
    first = small(LogisticTask(), tmp_path)
    for state in (tmp_path / "states").iterdir():
        state.write_bytes(b"torn")
    with sqlite3.connect(tmp_path / "study.sqlite") as database:
        database.execute("DELETE FROM tests")
    assert small(LogisticTask(), tmp_path).test == first.test


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


def test_workers_have_one_thread_whatever_the_caller_has_imported(tmp_path):
    (tmp_path / "threads.py").write_text(
        f"import torch\nfrom pathlib import Path\n{Path(TASK.rpartition(':')[0]).read_text()}\n"
        f"Path({str(tmp_path / 'seen')!r}).write_text(str(torch.get_num_threads()))\n"
    )
    (tmp_path / "script.py").write_text(
        "import torch\nfrom ratesmith.experiment import compare\nif __name__ == '__main__':\n"
        f"    compare({str(tmp_path / 'threads.py') + ':task'!r}, [], folder={str(tmp_path / 'study')!r}, steps=5, "
        "rates=[0.1], seeds=1, evaluate_every=5, workers=1)\n"
    )
    subprocess.run([sys.executable, tmp_path / "script.py"], check=True)
    assert (tmp_path / "seen").read_text() == "1"


def test_an_error_in_the_task_names_its_line_and_the_other_runs_go_on(tmp_path):
    found = small(TASK.replace(":task", ":failing"), tmp_path, workers=1, rates=[0.1])
    failed = [run for run in found.runs if run.status == "failed"]
    assert {run.trial.seed for run in failed} == {1001}
    message = r"numpy_task.py:failing, line \d+: KeyError: 'batch 20 is missing'"
    assert all(re.search(message, run.message) for run in failed)
    assert {row.missing for row in found.rows} == {1}
    assert any(re.match(r"2 runs failed; the first: .*batch 20 is missing", note.text()) for note in found.notes)


def test_a_task_that_only_fails_stops_the_comparison(tmp_path):
    with pytest.raises(TaskError, match=r"batch 20 is missing' \(\d runs, every one so far\)"):
        small(TASK.replace(":task", ":always_failing"), tmp_path, workers=2)


def test_a_rule_that_goes_negative_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r'custom\("negative"\): a factor must be finite and at least 0, got -1.0 at step 0'
    ):
        small(TASK, tmp_path, ['custom("negative")'])


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="runs cannot be kept here"):
        small(LogisticTask(), tmp_path / "file" / "study")
