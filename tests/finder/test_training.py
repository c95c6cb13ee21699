"""Finding a rate for a script that drives itself: each training a process, told its schedule and heard."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from ratesmith import Ramp
from ratesmith.finder import FinderError, ScriptTask, find
from ratesmith.finder.training import Course
from ratesmith.task import TaskError

SCRIPT = str(Path(__file__).parents[1] / "experiment" / "reporting_script.py")


def task(*arguments, **options):
    return ScriptTask(SCRIPT, arguments=arguments, **options)


def test_a_script_is_asked_for_its_settings_once():
    assert task("--steps", "80").asked == {
        "lr": 0.3,
        "schedule": "cosine()",
        "steps": 80,
        "seed": 0,
        "steps_per_epoch": 10,
        "functions": [],
    }


def test_a_sweep_is_a_run_whose_rate_rises_and_that_ends_when_enough_is_seen():
    result = find(task(), method="sweep", seeds=[0, 1])
    assert result.base_lr == 0.3
    assert 0.05 < result.suggestion < 50
    sweep = result.curves[0]
    assert len(sweep.losses) == len(sweep.rates)
    steps = [math.log(b / a) for a, b in zip(sweep.rates, sweep.rates[1:], strict=False)]
    assert max(steps) == pytest.approx(min(steps))


def test_a_training_hands_out_the_whole_schedule_stretched_and_its_losses_are_those_by_hand(tmp_path):
    schedule = Ramp(1.0, 0.0, 80).stretch(20)
    heard = []
    course = Course(3, 0.5, schedule, 20, [0.5 * schedule(step) for step in range(20)])
    trained = task("--every", "5").train(
        course, lambda losses, made: heard.append((losses, made)) or True, measure=True
    )
    assert sum(made for _, made in heard) == 20
    text = Path(SCRIPT).read_text(encoding="utf-8")
    asked = f'lr=0.5, schedule="{schedule}", steps=20, seed=3'
    text = text.replace('lr=0.3, schedule="cosine()", steps=options.steps, seed=0', asked)
    text = text.replace("trial.report_train(loss)", "print('train', repr(loss)); trial.report_train(loss)")
    text = text.replace("trial.report(loss=measured,", "print('measured', repr(measured)); trial.report(loss=measured,")
    (tmp_path / "by_hand.py").write_text(text, encoding="utf-8")
    shown = subprocess.run([sys.executable, tmp_path / "by_hand.py"], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in shown.splitlines()]
    assert [loss for losses, _ in heard for loss in losses] == [float(line[1]) for line in lines if line[0] == "train"]
    assert trained.metrics["loss"] == [float(line[1]) for line in lines if line[0] == "measured"][-1]


def test_a_race_judges_by_what_the_script_reports_at_its_last_step():
    result = find(task("--every", "50"), method="race", steps=200, around=1.0)
    assert result.curves[-1].losses[0] > min(result.curves[-1].losses)
    assert result.suggestion > 0.3


def test_a_race_judges_by_training_losses_if_the_script_goes_on_past_the_last_update_and_stops_it_there(tmp_path):
    file = tmp_path / "train.py"
    file.write_text(
        "import ratesmith\n"
        "trial = ratesmith.get_trial(lr=0.1, steps=100)\n"
        f"weight, made = 2.0, open({str(tmp_path / 'made')!r}, 'a')\n"
        "for step in range(100_000):  # an epoch, whatever trial.steps says\n"
        "    weight -= trial.lr * trial.factor(min(step, trial.steps - 1)) * 2 * weight\n"
        "    made.write('.')\n"
        "    made.flush()\n"
        "    trial.report_train(weight**2 + 0.01)\n"
        "trial.report(loss=weight**2, step=100_000)\n"
    )
    found = find(ScriptTask(str(file)))
    assert found.judged_by == "training"
    assert len((tmp_path / "made").read_text()) < 1000
    assert 0.1 < found.suggestion < 1.0
    with pytest.raises(TaskError, match="the last report must come at step 230, got step 0"):
        find(ScriptTask(str(file)), steps=300, around=0.3)


def test_a_race_of_a_script_lasts_for_whole_epochs_so_that_it_measures_at_their_end():
    found = find(task("--every", "10"), steps=135, around=1.0)  # half and 80 are 147, and never more than all
    assert found.curves[-1].name == "135 steps"
    found = find(task("--every", "10"), steps=195, around=1.0)
    assert found.curves[-1].name == "180 steps"


@pytest.mark.parametrize("around", [None, 1.0])
def test_a_race_does_not_need_the_training_losses(around):
    result = find(task("--every", "50", "--do", "no training losses"), method="race", steps=200, around=around)
    assert result.suggestion > 0.3
    assert result.curves[-1].early == ()
    assert "first loss" not in result.explain()


def test_a_sweep_of_a_script_that_keeps_its_losses_to_itself_says_what_to_add():
    with pytest.raises(FinderError) as error:
        find(task("--do", "no training losses"))
    assert str(error.value) == (
        "sweep: reporting_script.py must report the training loss of each update, got a report without; call "
        "trial.report_train(loss) after each, or give steps, the length of the training to come"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--do", "stop early"], "the last report must come at step 100, got step 95; train for trial.steps updates"),
        (["--do", "crash"], "it ended with status 1; it last printed: "),
        (["--no-such"], "it ended with status 2; it last printed: "),
    ],
)
def test_a_script_that_cannot_be_raced_is_told_in_a_line(arguments, message):
    with pytest.raises(TaskError) as error:
        find(task("--every", "25", *arguments), method="grid", steps=100, rates=[0.1, 0.6])
    assert str(error.value).startswith(f"reporting_script.py: {message}")


def test_a_script_that_is_not_there_is_told():
    with pytest.raises(TaskError, match=r"no_such.py: there is no such file; give the path of a script"):
        ScriptTask("no_such.py")


def run(folder, *arguments):
    command = [sys.executable, "-m", "ratesmith", "find", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_finds_a_rate_for_a_script_and_hands_its_arguments_through(tmp_path):
    done = run(tmp_path, SCRIPT, "--seeds", "1", "--", "--every", "5")
    assert done.returncode == 0, done.stderr
    assert "the optimizer's own 0.3" in done.stdout
    assert (tmp_path / "runs" / "find-reporting_script" / "found.html").is_file()


def test_a_race_by_the_command_takes_the_scripts_own_length_and_schedule(tmp_path):
    done = run(tmp_path, SCRIPT, "--method", "race", "--", "--steps", "200", "--every", "50")
    assert done.returncode == 0, done.stderr
    assert "180 steps" in done.stdout


def test_what_is_for_scripts_is_refused_for_a_task(tmp_path):
    done = run(tmp_path, "digits.py:task", "--launch", "torchrun")
    assert done.returncode == 2
    assert "find: --launch is for a script; give path/to/train.py, or drop it" in done.stderr


@pytest.mark.parametrize("method", ["sweep", "race"])
def test_a_script_that_gives_up_since_its_loss_rose_has_had_too_high_a_rate(tmp_path, method):
    file = tmp_path / "train.py"
    file.write_text(
        "import math, random, sys, ratesmith\n"
        "trial = ratesmith.get_trial(lr=0.1, steps=100)\n"
        "order, weight = random.Random(trial.seed), 2.0\n"
        "for step in range(trial.steps):\n"
        "    weight -= trial.lr * trial.factor(step) * 2 * (weight + order.gauss(0, 0.1))\n"
        "    loss = weight**2 + 0.01\n"
        "    if loss > 1e6:\n"
        "        sys.exit('the loss is not finite')\n"
        "    trial.report_train(loss)\n"
        "trial.report(loss=loss, step=trial.steps)\n"
    )
    options = {"steps": 100, "around": 0.5} if method == "race" else {}
    result = find(ScriptTask(str(file)), method=method, seeds=[0], **options)
    assert 0.01 < result.suggestion < 1.0
