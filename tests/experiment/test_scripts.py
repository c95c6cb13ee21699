"""Comparing a script that drives itself: one process a run, the same plan, choice, verdict and store as for a task."""

import contextlib
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ratesmith import TrialStopped
from ratesmith.experiment import RunStatus, compare
from ratesmith.experiment.intervals import level
from ratesmith.experiment.options import ComparisonError
from ratesmith.report import write_html
from ratesmith.study_database import StudyError
from ratesmith.task import TaskError

SCRIPT = str(Path(__file__).parent / "reporting_script.py")
SMALL = {"rates": [3.6], "seeds": 2, "choice_seeds": 1}
TWO = [0.1, 0.6]
"""Rates around 0.5, above which the script does something else."""


def compared(folder, *arguments, strategies=("cosine()",), script=SCRIPT, **options):
    return compare(script, strategies, folder=folder, arguments=arguments, **{**SMALL, **options})


def above(comparison, rate, *statuses):
    """Whether runs above a rate, of which there are some, ended so, and all others ended well."""
    ended = {(run.trial.base_lr > rate, run.status) for run in comparison.runs}
    return ended == {(False, RunStatus.DONE), *((True, status) for status in statuses)}


def by_hand(tmp_path, trial):
    """Return what a script reports whose own settings are the trial's: what a user would see by hand."""
    text = Path(SCRIPT).read_text(encoding="utf-8")
    asked = (
        f"lr={trial.base_lr!r}, schedule={trial.strategy!r}, steps={trial.steps}, seed={trial.seed}, steps_per_epoch"
    )
    settings = 'lr=0.3, schedule="cosine()", steps=options.steps, seed=0, steps_per_epoch'
    assert settings in text
    text = text.replace(settings, asked)
    # By hand nothing is written: what is reported is printed by the test's own line.
    text = text.replace("trial.report(loss=measured,", "print(step, repr(measured)); trial.report(loss=measured,")
    file = tmp_path / "by_hand.py"
    file.write_text(text, encoding="utf-8")
    shown = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in shown.splitlines() if line[0].isdigit()]
    return [(int(step), float(loss)) for step, loss in rows]


def test_each_run_is_the_script_as_it_trains_by_hand(tmp_path):
    comparison = compared(tmp_path / "study", strategies=("cosine()", "plateau(factor=0.5, patience=0)"))
    assert len(comparison.rows) == 3
    assert all(run.done for run in comparison.runs)
    assert comparison.layout.steps == 40
    assert comparison.layout.steps_per_epoch == 10
    for run in comparison.runs[::3]:
        assert [(point.step, point.metrics["loss"]) for point in run.curve] == by_hand(tmp_path, run.trial)
        assert run.updates == 40


def test_the_rates_are_those_of_the_schedule_and_of_the_controller_as_the_script_had_them(tmp_path):
    comparison = compared(tmp_path, strategies=("linear()", "plateau(factor=0.5, patience=0, threshold=0.5)"))
    linear = next(run for run in comparison.runs if run.trial.strategy == "linear()")
    expected = [linear.trial.base_lr * (1 - step / 40) for step in range(40)]
    assert [rate for _, rate in linear.rates] == pytest.approx(expected)
    plateau = next(run for run in comparison.runs if run.trial.strategy.startswith("plateau"))
    assert plateau.rates[-1][1] < plateau.trial.base_lr
    assert any("cut" in why for _, why in plateau.events)


def test_the_rates_of_a_rule_of_the_scripts_own_are_those_that_it_had(tmp_path):
    comparison = compared(tmp_path, "--do", "rule", strategies=('custom("mine")',))
    run = next(run for run in comparison.runs if run.trial.strategy.startswith("custom"))
    assert [(step, rate / run.trial.base_lr) for step, rate in run.rates] == [
        (10, 1),
        (20, 0.25),
        (30, 0.25),
        (40, 0.25),
    ]
    assert not [note for note in comparison.notes if note.code == "RS310"]


def test_what_the_script_prints_goes_to_a_log_of_its_own(tmp_path, capfd):
    comparison = compared(tmp_path / "study")
    assert capfd.readouterr() == ("", "")
    for run in comparison.runs:
        log = tmp_path / "study" / run.log_path
        assert log.read_text(encoding="utf-8").splitlines() == ["begins", "ends"]


def test_arguments_are_handed_through(tmp_path):
    comparison = compared(tmp_path / "study", "--every", "20", "--trace", str(tmp_path / "trace"))
    assert {tuple(point.step for point in run.curve) for run in comparison.runs} == {(20, 40)}
    seen = [json.loads(line) for line in (tmp_path / "trace").read_text().splitlines()]
    assert {schedule for schedule, *_ in seen} == {"cosine()", "constant()"}


def test_a_shorter_length_is_asked_for_and_its_schedule_is_stretched(tmp_path):
    strategies = ('multistep(milestones=[20, "75%"])',)
    comparison = compared(
        tmp_path / "study", "--trace", str(tmp_path / "trace"), strategies=strategies, rungs=[0.5], steps=80, rates=TWO
    )
    seen = [json.loads(line) for line in (tmp_path / "trace").read_text().splitlines()]
    assert {schedule for schedule, _, _, steps, *_ in seen if steps == 40} == {
        "Stretch(Take(Milestones([20, 60]), 80), 40)",
        "Stretch(Constant(steps=80), 40)",
    }
    short = next(run for run in comparison.runs if run.trial.steps == 40 and run.trial.strategy.startswith("multi"))
    drops = [step for (step, rate), (_, before) in zip(short.rates[1:], short.rates, strict=False) if rate < before]
    assert drops == [10, 30]


def test_a_study_goes_on_where_it_was_and_makes_nothing_twice(tmp_path):
    trace = tmp_path / "trace"
    first = compared(tmp_path / "study", "--trace", str(trace))
    made = len(trace.read_text().splitlines())
    again = compared(tmp_path / "study", "--trace", str(trace))
    assert len(trace.read_text().splitlines()) == made
    assert again.to_dict()["rows"] == first.to_dict()["rows"]


@pytest.mark.parametrize("change", ["the script", "a module beside it", "an argument", "a library"])
def test_another_training_is_not_mixed_in(tmp_path, change, monkeypatch):
    script, helper = tmp_path / "train.py", tmp_path / "helper.py"
    helper.write_text("WEIGHT = 1.0\n")
    script.write_text("import helper\n" + Path(SCRIPT).read_text(encoding="utf-8"), encoding="utf-8")
    compared(tmp_path / "study", "--every", "10", script=str(script))
    arguments = ["--every", "10"]
    if change == "the script":
        script.write_text(script.read_text(encoding="utf-8") + "\n# weight decay\n", encoding="utf-8")
    elif change == "a module beside it":
        helper.write_text("WEIGHT = 2.0\n")
    elif change == "an argument":
        arguments = ["--every", "20"]
    else:
        monkeypatch.setattr("ratesmith.experiment.script_source.platform.python_version", lambda: "3.99")
    with pytest.raises(StudyError, match="the runs here were made with other settings: ") as error:
        compared(tmp_path / "study", *arguments, script=str(script))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_script_that_is_edited_while_it_is_compared_ends_the_comparison_and_goes_on_when_put_back(tmp_path, workers):
    script = tmp_path / "train.py"
    text = Path(SCRIPT).read_text(encoding="utf-8")
    script.write_text(text, encoding="utf-8")

    def edit(progress):
        if progress.done == 1:
            script.write_text(text + "# weight decay\n", encoding="utf-8")

    with pytest.raises(StudyError, match=r"train.py: its files must stay as they are while it is compared, got others"):
        # More runs than workers could have begun when the first one ends.
        compared(tmp_path / "study", script=str(script), on_progress=edit, workers=workers, seeds=6)
    script.write_text(text, encoding="utf-8")
    assert all(run.done for run in compared(tmp_path / "study", script=str(script), seeds=6).runs)


def test_runs_share_beginnings_if_the_script_saves_its_state(tmp_path):
    trace = tmp_path / "trace"
    strategies = ('wsd(decay=["20%", "40%"])', 'step(every="50%")')
    shared = compared(tmp_path / "study", "--do", "share", "--trace", str(trace), strategies=strategies)
    alone = compared(tmp_path / "alone", strategies=strategies)
    assert shared.costs.shared > 0
    assert [run.metrics for run in shared.runs] == [run.metrics for run in alone.runs]
    assert [run.curve for run in shared.runs] == [run.curve for run in alone.runs]
    assert not [note for note in shared.notes if note.code == "RS301"]
    # What was really trained, by the steps that each process began at.
    begun = [first for *_, first, _ in map(json.loads, trace.read_text().splitlines())]
    assert any(begun)


def test_a_loop_that_reports_before_it_trains_shares_too_and_has_each_step_once(tmp_path):
    strategies = ('wsd(decay=["20%", "40%"])',)
    shared = compared(tmp_path / "study", "--do", "share and report first", strategies=strategies)
    alone = compared(tmp_path / "alone", strategies=strategies)
    assert shared.costs.shared > 0
    assert [run.metrics["loss"] for run in shared.runs] == [run.metrics["loss"] for run in alone.runs]
    assert {tuple(point.step for point in run.curve) for run in shared.runs} == {(0, 10, 20, 30, 40)}


@pytest.mark.parametrize("do", ["two reports", "loss seldom"])
def test_the_metric_that_decides_may_come_in_a_report_of_its_own_and_seldom(tmp_path, do):
    comparison = compared(tmp_path / "study", "--do", do)
    usual = compared(tmp_path / "usual")
    assert [run.metrics for run in comparison.runs] == [run.metrics for run in usual.runs]
    assert [point.step for point in comparison.runs[0].curve] == [10, 20, 30, 40]


def test_a_state_that_leaves_something_out_is_noticed_and_nothing_is_shared(tmp_path):
    comparison = compared(tmp_path, "--do", "forget", strategies=('wsd(decay="20%")',))
    assert comparison.costs.shared == 0
    note = next(note for note in comparison.notes if note.code == "RS301")
    assert "does not go on to the same report: nothing was shared" in note.text()


def test_a_script_without_states_shares_nothing_and_is_told_how(tmp_path):
    comparison = compared(tmp_path)
    note = next(note for note in comparison.notes if note.code == "RS301")
    assert note.text() == (
        "reporting_script.py offers no state, so nothing was shared: trial.checkpoint(model, optimizer) in it lets "
        "runs share their beginnings."
    )


def test_where_the_seed_does_not_decide_the_verdict_says_so_and_nothing_is_paired(tmp_path):
    comparison = compared(tmp_path, "--do", "not repeatable", seeds=3)
    assert not comparison.question.paired
    [line] = [line for line in comparison.note_lines() if "RS318" in line]
    assert line.startswith("The seed does not decide this training")
    assert "differences are tested unpaired" in line
    assert not [note for note in comparison.notes if note.code == "RS301"]
    groups = [[run.metrics["loss"] for run in comparison.runs_of(row.chosen, row.base_lr)] for row in comparison.rows]
    other = comparison.rows[0 if comparison.rows[0].difference else 1]
    logs = {row.strategy: np.log(group) for row, group in zip(comparison.rows, groups, strict=True)}
    welch = stats.ttest_ind(logs[other.strategy], logs["constant()"], equal_var=False)
    low, high = welch.confidence_interval(1 - level(1, 1, paired=False))
    assert other.difference.mean == pytest.approx(logs[other.strategy].mean() - logs["constant()"].mean())
    assert other.difference[1:3] == pytest.approx((low, high))


def test_where_the_seed_changes_nothing_the_verdict_says_so_and_tells_nothing_apart(tmp_path):
    comparison = compared(tmp_path, "--do", "ignore the seed", seeds=5)
    assert any(line.startswith("The seed changes nothing: runs of different seeds") for line in comparison.note_lines())
    assert {row.difference.conclusion for row in comparison.rows if row.difference} == {"not told apart"}
    assert all(row.difference.pairs == 1 for row in comparison.rows if row.difference)


def test_a_script_that_does_not_take_the_rate_is_told(tmp_path):
    script = tmp_path / "train.py"
    text = Path(SCRIPT).read_text(encoding="utf-8").replace("lr = scheduler.get_last_lr()[0]", "lr = 0.3")
    script.write_text(text, encoding="utf-8")
    comparison = compared(tmp_path / "study", script=str(script), rates=TWO)
    assert comparison.verdict().startswith("No verdict. The rate changes nothing: runs at different rates are the same")
    assert comparison.paste() == ""
    assert "The rate changes nothing" not in compared(tmp_path / "usual", rates=TWO).verdict()


def test_a_controller_that_does_nothing_is_no_schedule_that_is_ignored(tmp_path):
    strategies = ("cosine()", "plateau(patience=99)", "spike_guard(0.5)")
    verdict = compared(tmp_path, strategies=strategies, rates=TWO).verdict()
    assert "No verdict" not in verdict


def test_a_coarse_measurement_is_no_rate_that_is_ignored(tmp_path):
    def coarse(trial):
        moved = sum(trial.rate(step) for step in range(trial.steps))
        trial.report(loss=round(1 / (1 + moved), 1), step=trial.steps)

    options = {"steps": 4, "rates": [0.05, 0.1, 0.5], "seeds": 1, "choice_seeds": 1}
    assert compare(coarse, ["linear()"], folder=tmp_path, **options).verdict().startswith("constant() comes first")


@pytest.mark.parametrize("rates", [(0.1,), TWO])
def test_a_script_that_keeps_a_schedule_of_its_own_is_told(tmp_path, rates):
    script = tmp_path / "train.py"
    text = Path(SCRIPT).read_text(encoding="utf-8")
    script.write_text(text.replace("lr = scheduler.get_last_lr()[0]", "lr = trial.lr * 0.9**step"), encoding="utf-8")
    comparison = compared(tmp_path / "study", script=str(script), rates=rates)
    assert comparison.verdict().startswith(
        "No verdict. The schedule changes nothing: runs with different schedules are"
    )
    assert comparison.headline() == "No answer: the schedule that is given changes nothing in this training."
    assert comparison.paste() == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": "5ep"}, "write 500, or give get_trial its steps_per_epoch="),
        (
            {"strategies": ['plateau(metric="f1")']},
            "it listens to 'f1', which is not reported, got loss, accuracy;",
        ),
    ],
)
def test_what_a_script_cannot_do_is_said_before_the_plan(tmp_path, options, message):
    script = tmp_path / "train.py"
    text = Path(SCRIPT).read_text(encoding="utf-8").replace(", steps_per_epoch=10", "")
    script.write_text(text, encoding="utf-8")
    with pytest.raises(ComparisonError, match=re.escape(message)):
        compared(tmp_path / "study", script=str(script), **options)


def test_the_winner_is_pasted_into_the_script(tmp_path):
    comparison = compared(tmp_path)
    best = comparison.best
    options = f"lr={best.base_lr:g}, schedule={best.chosen!r}, steps=40, steps_per_epoch=10"
    assert comparison.paste() == f"# in {SCRIPT}, with your other options\ntrial = ratesmith.get_trial({options})"


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (
            "stop early",
            "reporting_script.py: the last report must come at step 40, got step 35; train for trial.steps updates "
            "without early stopping, and report the number of updates made",
        ),
        (
            "never report",
            "reporting_script.py: it ended without a report; call trial.report(loss=..., step=...) whenever it",
        ),
        (
            "other metric",
            "compare: metric must be given where no loss is reported, got none; it is one of accuracy",
        ),
    ],
)
def test_a_script_that_does_not_report_as_it_must_is_told_in_a_sentence(tmp_path, do, message):
    with pytest.raises((TaskError, ComparisonError)) as error:
        compared(tmp_path, "--do", do)
    assert str(error.value).startswith(message)


def test_a_script_that_runs_on_is_ended_and_its_result_is_the_one_at_the_last_step(tmp_path):
    on = compared(tmp_path / "on", "--do", "run on", "--every", "10")
    usual = compared(tmp_path / "usual", "--every", "10")
    assert [run.metrics for run in on.runs] == [run.metrics for run in usual.runs]
    [note] = [note.text() for note in on.notes if note.code == "RS323"]
    assert note.endswith(
        "the first: reporting_script.py: it went on behind its last step, and was ended there; train for trial.steps "
        "updates."
    )


def test_a_script_that_raises_is_told_with_its_last_words(tmp_path):
    comparison = compared(tmp_path, "--do", "crash", rates=TWO)
    failed = [run for run in comparison.runs if run.status == RunStatus.FAILED]
    assert above(comparison, 0.5, RunStatus.FAILED)
    assert failed[0].message == (
        "reporting_script.py: it ended with status 1; it last printed: ValueError: no such picture: 7.png"
    )


def test_a_script_that_gives_up_since_its_loss_rose_has_diverged(tmp_path):
    comparison = compared(tmp_path, "--do", "give up", rates=TWO)
    diverged = [run for run in comparison.runs if run.diverged]
    assert above(comparison, 0.5, RunStatus.DIVERGED)
    assert diverged[0].message.startswith("training loss 1e+06 after ")
    assert diverged[0].message.endswith(
        " at first, and it ended with status 1; it last printed: begins --do give up | the loss is not finite"
    )


def test_a_script_that_is_no_script_of_ours_is_told_what_to_add(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("print('trained')\n")
    with pytest.raises(TaskError) as error:
        compared(tmp_path / "study", script=str(script))
    assert str(error.value) == (
        "train.py: it ended without asking for its trial; write trial = ratesmith.get_trial(lr=..., steps=...) in it, "
        f"or name the task in the file: {script}:task"
    )


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(tmp_path):
    comparison = compared(tmp_path, "--do", "explode", rates=TWO)
    diverged = [run for run in comparison.runs if run.diverged]
    assert above(comparison, 0.5, RunStatus.DIVERGED)
    assert all(run.updates < 40 for run in diverged)
    assert "loss nan at step" in diverged[0].message


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_deciding_metric_that_is_not_finite_is_diverged_whatever_its_name(tmp_path, value):
    script = tmp_path / "train.py"
    script.write_text(
        "import ratesmith\ntrial = ratesmith.get_trial(lr=0.1, steps=3)\nfor step in (1, 2, 3):\n"
        f"    trial.report(error=float('{value}') if trial.lr > 0.5 and step == 3 else 1 + trial.lr, step=step)\n"
    )
    comparison = compared(tmp_path / "study", script=str(script), metric="error", mode="min", rates=TWO)
    assert above(comparison, 0.5, RunStatus.DIVERGED)
    assert next(run.message for run in comparison.runs if run.diverged) == f"validation error {value} at step 2"
    write_html(comparison, tmp_path / "page.html")
    assert "validation error" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_script_that_hangs_after_its_last_report_has_its_result(tmp_path):
    comparison = compared(tmp_path / "study", "--do", "hang at the end", timeout=3, workers=2)
    usual = compared(tmp_path / "usual", workers=2)
    assert [run.metrics for run in comparison.runs] == [run.metrics for run in usual.runs]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_hangs_is_stopped_at_the_limit_and_the_others_are_whole(tmp_path, workers):
    comparison = compared(tmp_path, "--do", "hang", timeout=3, workers=workers, rates=TWO)
    assert above(comparison, 0.5, RunStatus.TIMEOUT)


def test_workers_and_this_process_make_the_same_runs(tmp_path):
    here, there = (compared(tmp_path / str(workers), workers=workers) for workers in (0, 2))
    assert [(run.trial, run.metrics, run.curve) for run in here.runs] == [
        (run.trial, run.metrics, run.curve) for run in there.runs
    ]


def driver(folder, *arguments, workers=2):
    command = ["-m", "ratesmith", "compare", SCRIPT, "--strategy", 'wsd(decay="40%")', "--rates", "3.6"]
    more = ["--seeds", "4", "--choice-seeds", "1", "--workers", str(workers), "--out", str(folder), "--", *arguments]
    return [sys.executable, *command, *more]


@pytest.mark.parametrize("victim", ["driver", "script"])
def test_what_is_killed_at_any_moment_leaves_the_undisturbed_table(tmp_path, victim):
    arguments = ("--do", "slow and share", "--trace", str(tmp_path / "trace"))
    expected = compared(tmp_path / "expected", "--do", "share", strategies=('wsd(decay="40%")',), seeds=4)
    for moment in (1.0, 1.7, 2.4):
        process = subprocess.Popen(driver(tmp_path / "study", *arguments), stderr=subprocess.PIPE, text=True)
        while not (tmp_path / "trace").exists():
            time.sleep(0.1)
        time.sleep(moment)
        if victim == "driver":
            process.kill()
        else:
            pids = [json.loads(line)[-1] for line in (tmp_path / "trace").read_text().splitlines()]
            for pid in pids[-2:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.communicate()
    done = subprocess.run(driver(tmp_path / "study", *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "study" / "results.json").read_text())["rows"]
    for row, other in zip(rows, expected.to_dict()["rows"], strict=True):
        assert row["estimates"] == other["estimates"]


# A function of a trial


def train(trial):
    """Descend a parabola, drawn by the seed."""
    import random

    weight, order = 1.0, random.Random(trial.seed)
    for step in range(trial.steps):
        weight -= trial.lr * trial.factor(step) * (weight + order.gauss(0, 0.1))
        trial.report_train(weight**2)
        if (step + 1) % 10 == 0:
            trial.report(loss=weight**2 + 1e-3, step=step + 1)


def test_a_function_is_compared_as_a_script_is(tmp_path):
    options = {"folder": tmp_path, "steps": 40, "rates": [0.1, 0.5], "seeds": 2, "choice_seeds": 1}
    comparison = compare(train, ["cosine()"], **options)
    assert all(run.updates == 40 for run in comparison.runs if run.done)


def test_a_function_of_a_module_and_one_of_a_notebook_are_sent_to_workers(tmp_path):
    options = {"steps": 20, "rates": [0.1], "seeds": 1, "choice_seeds": 1}
    noise = 1e-3

    def local(trial):
        for step in range(trial.steps):
            trial.report(loss=noise + trial.lr * trial.factor(step), step=step + 1)

    for place, function in enumerate((train, local)):
        here = compare(function, ["linear()"], folder=tmp_path / f"here{place}", **options)
        there = compare(function, ["linear()"], folder=tmp_path / f"there{place}", workers=2, **options)
        assert [run.metrics for run in here.runs] == [run.metrics for run in there.runs]


def test_a_function_that_gives_up_since_its_loss_rose_has_diverged(tmp_path):
    def local(trial):
        for step in range(trial.steps):
            trial.report_train(math.exp(step) if trial.lr > 0.3 else 1.0)
            if trial.lr > 0.3 and step == 8:
                raise FloatingPointError("the loss is too high")
            if step % 5 == 4:
                trial.report(error=1.0, step=step + 1)

    options = {"steps": 20, "rates": [0.1, 0.5], "seeds": 1, "choice_seeds": 1, "metric": "error", "mode": "min"}
    comparison = compare(local, ["linear()"], folder=tmp_path, **options)
    assert above(comparison, 0.3, RunStatus.DIVERGED)
    run = next(run for run in comparison.runs if run.diverged)
    assert run.updates == 9
    told = " after 1 at first, and it raised FloatingPointError: the loss is too high in local, line "
    assert told in run.message


def test_a_function_that_raises_or_is_stopped_is_told(tmp_path):
    stopped = []

    def local(trial):
        try:
            for step in range(trial.steps):
                trial.report(loss=math.nan if trial.lr > 0.3 and step > 3 else 1.0, step=step + 1)
        except TrialStopped as reason:
            stopped.append(str(reason))
            raise

    options = {"steps": 20, "rates": [0.1, 0.5], "seeds": 1, "choice_seeds": 1}
    comparison = compare(local, ["linear()"], folder=tmp_path, **options)
    assert above(comparison, 0.3, RunStatus.DIVERGED)
    assert any("loss nan" in reason for reason in stopped)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rates": [0.1]}, "compare: steps must be given for a function, got none; write steps="),
        ({"steps": 10}, "compare: rates must be given for a function, got none; write rates="),
        ({"steps": "5ep", "rates": [0.1]}, "compare: steps must be a number of updates for a function, got '5ep'"),
        ({"steps": 5, "rates": [0.1], "arguments": ["a"]}, "compare: arguments is for a script; drop it"),
    ],
)
def test_what_a_function_needs_is_said_before_anything_is_run(tmp_path, options, message):
    with pytest.raises(ComparisonError) as error:
        compare(train, ["linear()"], folder=tmp_path / "study", **options)
    assert str(error.value) == message
    assert not (tmp_path / "study").exists()


def test_an_error_in_a_function_is_told_with_its_line_and_shown_with_its_cause(tmp_path):
    def inner(batch):
        return batch["x"]

    def local(trial):
        inner({})

    with pytest.raises(TaskError, match=r"local: it raised KeyError: 'x' in inner, line \d+$") as error:
        compare(local, ["linear()"], folder=tmp_path, steps=4, rates=[0.1])
    assert isinstance(error.value.__cause__, KeyError)


def test_a_function_is_told_how_to_be_called_with_the_winner(tmp_path):
    comparison = compare(train, ["linear()"], folder=tmp_path, steps=20, rates=[0.1], seeds=1, choice_seeds=1)
    winner = comparison.best
    assert comparison.paste().splitlines()[-1] == (
        f"train(ratesmith.get_trial(lr=0.1, schedule={winner.chosen!r}, steps=20))"
    )


def test_what_is_kept_and_whether_it_can_be_gone_on_with_is_said(tmp_path, capsys):
    options = {"steps": 20, "rates": [0.1], "seeds": 1, "choice_seeds": 1}
    compare(train, ["linear()"], folder=tmp_path / "a", **options)
    assert 'give version="1" too' in capsys.readouterr().err
    for _ in range(2):
        compare(train, ["linear()"], folder=tmp_path / "b", version="1", **options)
    assert f"compare: finished runs are kept in {tmp_path / 'b'}" in capsys.readouterr().err


def test_a_comparison_that_was_never_made_leaves_no_folder_and_says_nothing_of_one(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ComparisonError):
        compare(train, ["linear()"], rates=[0.1])
    with pytest.raises(TaskError):
        compare(lambda trial: None, ["linear()"], steps=4, rates=[0.1])
    assert list(tmp_path.iterdir()) == []
    assert "kept" not in capsys.readouterr().err


def test_rates_that_are_one_number_are_told_as_a_list():
    with pytest.raises(ComparisonError, match=r"compare: rates must be a list of numbers, got 0.1; write \[0.1\]"):
        compare(train, ["linear()"], steps=4, rates=0.1)


def test_a_study_of_a_script_is_resumed_from_anywhere_and_deleted_whole(tmp_path, monkeypatch):
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "train.py").write_text(Path(SCRIPT).read_text(encoding="utf-8"), encoding="utf-8")
    command = ["-m", "ratesmith", "compare", "train.py", "--rates", "0.1", "--seeds", "1", "--choice-seeds", "1"]
    options = ["--strategy", "linear()", "--quiet", "--out", "study", "--", "--every", "20"]
    first = subprocess.run([sys.executable, *command, *options], cwd=beside, capture_output=True, text=True, check=True)
    resume = [sys.executable, "-m", "ratesmith", "study", "resume", str(beside / "study"), "--quiet"]
    again = subprocess.run(resume, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert again.stdout == first.stdout
    (beside / "study" / "logs" / "mine.log").write_text("mine")
    remove = [sys.executable, "-m", "ratesmith", "study", "rm", str(beside / "study"), "--yes"]
    subprocess.run(remove, check=True, capture_output=True)
    assert [path.name for path in (beside / "study").rglob("*")] == ["logs", "mine.log"]


def test_a_script_is_told_its_fold_and_one_that_does_not_look_at_it_is_refused(tmp_path):
    found = compared(tmp_path / "a", "--do", "folds", folds=3, seeds=3)
    assert found.layout.folds == 3
    text = Path(SCRIPT).read_text(encoding="utf-8")
    for seed in (1000, 1001):  # the same by hand, on the fold of the seed
        (run,) = (run for run in found.runs if run.trial.seed == seed and run.trial.strategy == "constant()")
        script = tmp_path / f"by_hand_{seed}.py"
        settings = f'lr={run.trial.base_lr!r}, schedule="constant()", steps=options.steps, seed={seed}, steps_per_epoch'
        given = text.replace('lr=0.3, schedule="cosine()", steps=options.steps, seed=0, steps_per_epoch', settings)
        given = given.replace("trial.folds", "3").replace("trial.fold", str(seed % 3))
        script.write_text(f'{given}\nprint("measured", repr(measured))\n')
        printed = subprocess.run(
            [sys.executable, script, "--do", "folds"], capture_output=True, text=True, check=True
        ).stdout
        assert printed.splitlines()[-1] == f"measured {run.metrics['loss']!r}"
    with pytest.raises(ComparisonError) as caught:
        compared(tmp_path / "b", folds=3)
    assert caught.value.spelled({"folds": "--folds"}) == (
        "compare: --folds needs a script that cuts its data by trial.fold, which reporting_script.py does not read; "
        "measure on the part trial.fold of trial.folds, and train on the others"
    )


def test_a_function_is_told_its_fold(tmp_path):
    told = set()

    def train(trial):
        told.add((trial.seed, trial.fold, trial.folds))
        noise = random.Random(f"{trial.seed} {trial.factor(2)}").random()  # so large that no seed is spared
        trial.report(loss=1.0 + noise, step=trial.steps)

    compare(train, ["cosine()"], folder=tmp_path, steps=4, rates=[0.1], seeds=4, choice_seeds=1, folds=4, version="1")
    assert told >= {(seed, seed % 4, 4) for seed in range(1000, 1004)}
