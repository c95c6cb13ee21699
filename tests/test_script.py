"""get_trial: by hand a script trains as ever; started for a run, it does what is asked and hears when to end."""

import math
import os
import pickle
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import trial_channel

import ratesmith
from ratesmith._script import TrialRate
from ratesmith._script_channel import ADDRESS
from ratesmith.script_process import Script, ScriptError, ScriptProcess, ScriptTimeout

ASKED = {"lr": 0.5, "schedule": "linear()", "steps": 4, "seed": 7}
LOOP = """
    import ratesmith
    trial = ratesmith.get_trial(lr=0.1, schedule="cosine()", steps=100, seed=0)
    for step in range(trial.steps):
        trial.report_train(trial.lr * trial.factor(step))
        trial.report(loss=1.0 / (step + 1), step=step + 1)
    print("at the end")
"""


def script(tmp_path, text, *arguments):
    file = tmp_path / "train.py"
    file.write_text(textwrap.dedent(text))
    return Script(str(file), arguments)


def run(script, tmp_path, reply=lambda content: {"do": "go"}, asked=ASKED, **options):
    """Return what a script says, its process answered by `reply`."""
    said = []
    with ScriptProcess(script, log=tmp_path / "log" / "run.log", **options) as process:
        for message in process.messages():
            said.append(message.content)
            hello = message.content["kind"] == "hello"
            message.answer({"do": "go", "trial": asked} if hello else reply(message.content))
        return said, process


def test_by_hand_the_trial_is_what_the_script_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trial = ratesmith.get_trial(lr=0.1, schedule="cosine()", steps=2000, seed=3)
    assert (trial.lr, trial.schedule, trial.steps, trial.seed) == (0.1, "cosine()", 2000, 3)
    assert trial.factor(1000) == pytest.approx(0.5)
    assert trial.checkpoint() == 0
    trial.report_train(2.0)
    trial.report(loss=1.0, accuracy=0.5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1, "steps": 5}, "get_trial: lr must be a finite number of at least 0, got -1"),
        ({"lr": 0.1, "steps": 0}, "get_trial: steps must be a whole number of at least 1, got 0"),
        ({"lr": 0.1, "steps": 5, "seed": "1"}, "get_trial: seed must be a whole number"),
        ({"lr": 0.1, "steps": 5, "schedule": "cosin()"}, "did you mean 'cosine'"),
        ({"lr": 0.1, "steps": 5, "schedule": 3}, "get_trial: a schedule, controller or notation must be given, got 3"),
        ({"lr": 0.1, "steps": 5, "steps_per_epoch": 0}, "get_trial: steps_per_epoch must be a whole number"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(options, message):
    with pytest.raises((ValueError, TypeError)) as error:
        ratesmith.get_trial(**options)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (lambda trial: trial.report(), "trial.report: metrics must be given, got none"),
        (lambda trial: trial.report(loss=1.0), "trial.report: step must be given, got none"),
        (lambda trial: trial.report(loss="low", step=1), "trial.report: loss must be one number, got str"),
        (lambda trial: trial.report(loss=[1.0, 2.0], step=1), "trial.report: loss must be one number, got list"),
        (lambda trial: trial.report(loss=10**400, step=1), "trial.report: loss must be one number, got int"),
        (lambda trial: trial.report(loss=1.0, step=-1), "trial.report: step must be a whole number of at least 0"),
        (lambda trial: trial.checkpoint({}), "trial.checkpoint: objects must have state_dict and load_state_dict"),
    ],
)
def test_a_report_that_says_nothing_is_refused_by_hand_too(report, message):
    with pytest.raises((ValueError, TypeError)) as error:
        report(ratesmith.get_trial(lr=0.1, steps=10))
    assert message in str(error.value)


def test_a_report_in_epochs_is_refused_where_updates_are_counted():
    class Counting:
        last_epoch = 22

    trial = ratesmith.get_trial(lr=0.1, steps=10)
    trial.attach(Counting())
    with pytest.raises(ValueError, match=r"must be the number of updates made, got 1 after 22 updates"):
        trial.report(loss=1.0, step=1)


def test_a_controller_has_no_factor():
    with pytest.raises(TypeError, match="listens to measurements"):
        _ = ratesmith.get_trial(lr=0.1, steps=10, schedule="plateau()").factor


def test_a_loop_that_sets_its_rate_itself_asks_for_it_controllers_included():
    trial = ratesmith.get_trial(lr=0.1, steps=10, schedule="linear()")
    assert [trial.rate(step) for step in range(10)] == [trial.lr * trial.factor(step) for step in range(10)]
    trial = ratesmith.get_trial(lr=0.1, steps=10, schedule="plateau(factor=0.5, patience=0)")
    rates = []
    for step in range(4):
        rates.append(trial.rate(step))
        trial.report(loss=1.0, step=step + 1)
    assert rates == [0.1, 0.1, 0.05, 0.025]


SPIKE = "spike_guard(0.5, settle=2, recover=4)"


@pytest.mark.parametrize("schedule", ["plateau(factor=0.5, patience=0)", SPIKE])
@pytest.mark.parametrize("at_zero", [False, True])
def test_a_controller_hears_by_a_loop_what_it_hears_by_a_scheduler(schedule, at_zero):
    rates = []
    for by_scheduler in (False, True):
        trial, mine = ratesmith.get_trial(lr=0.1, steps=20, schedule=schedule), []
        scheduler = TrialRate(trial)
        if by_scheduler:
            trial.attach(scheduler)
        if at_zero:
            trial.report(loss=1.0, step=0)
        for step in range(20):
            scheduler.step_to(step)
            mine.append(scheduler.get_last_lr()[0] if by_scheduler else trial.rate(step))
            scheduler.step_to(step + 1)
            if step % 5 == 4:
                trial.report(loss=9.0 if step == 14 else 1.0, step=step + 1)
        rates.append(mine)
    assert rates[0] == rates[1]
    assert min(rates[0]) < 0.1


def test_the_rate_is_set_by_one_alone_and_counts_nothing():
    class Counting:
        last_epoch = 0

    trial = ratesmith.get_trial(lr=0.1, steps=10)
    trial.rate(3)
    with pytest.raises(TypeError, match=r"trial.report: step must be given, got none"):
        trial.report(loss=1.0)
    trial.attach(Counting())
    with pytest.raises(TypeError, match=r"trial.rate: a scheduler sets the rate already"):
        trial.rate(3)


RESUMED = """
    import ratesmith
    TORCH
    class Weights:
        def state_dict(self): return {"values": [1.0]}
        def load_state_dict(self, state): pass
    trial = ratesmith.get_trial(lr=0.1, steps=8)
    SETUP
    for step in range(trial.checkpoint(Weights()), trial.steps):
        RATE
        trial.report_train(rate)
        UPDATE
        trial.report(loss=1.0 if step < 2 else 2.0, step=step + 1)
"""
BY_ITSELF = {"TORCH": "", "SETUP": "", "RATE": "rate = trial.rate(step)", "UPDATE": ""}
BY_TORCH = {
    "TORCH": "import torch; from ratesmith.torch import ScheduleLR",
    "SETUP": "optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=trial.lr); "
    "ScheduleLR.from_trial(optimizer, trial)",
    "RATE": "rate = optimizer.param_groups[0]['lr']",
    "UPDATE": "optimizer.step()",
}


@pytest.mark.parametrize("parts", [BY_ITSELF, BY_TORCH], ids=["by itself", "by torch"])
def test_a_controller_that_goes_on_from_a_state_has_heard_the_beginning(tmp_path, parts):
    if parts is BY_TORCH:
        pytest.importorskip("torch")
    text = RESUMED
    for place, code in parts.items():
        text = text.replace(place, code)
    plateau = {**ASKED, "schedule": "plateau(factor=0.5, patience=1)", "steps": 8}
    state = str(tmp_path / "state")

    def save(content):
        due = content["kind"] == "report" and content["step"] == 4
        return {"do": "save", "path": state} if due else {"do": "go"}

    def rates(said):
        return [message["losses"][0] for message in said if message["kind"] == "report"]

    said, _ = run(script(tmp_path, text), tmp_path, save, plateau)
    again, _ = run(script(tmp_path, text), tmp_path, asked={**plateau, "resume_from": state})
    assert rates(said)[4:] == rates(again)
    assert rates(again)[0] < rates(said)[0]


def test_a_script_trains_as_it_is_asked_and_reports(tmp_path):
    said, process = run(script(tmp_path, LOOP), tmp_path)
    hello, *reports = said
    expected = {"lr": 0.1, "schedule": "cosine()", "steps": 100, "seed": 0, "steps_per_epoch": None, "functions": []}
    assert hello["asked"] == expected
    assert [(message["step"], message["metrics"]) for message in reports] == [
        (step, {"loss": 1 / step}) for step in (1, 2, 3, 4)
    ]
    assert [message["losses"] for message in reports] == [[0.5], [0.375], [0.25], [0.125]]
    assert process.status == 0
    assert process.last_lines() == "at the end"


def test_a_script_that_is_to_stop_ends_quietly_and_may_put_its_things_in_order(tmp_path):
    text = LOOP.replace("for step", "import atexit; atexit.register(print, 'in order')\n    for step")
    stop = {"do": "stop", "reason": "diverged"}
    said, process = run(
        script(tmp_path, text), tmp_path, lambda content: stop if content["step"] == 2 else {"do": "go"}
    )
    assert [message.get("step") for message in said] == [None, 1, 2]
    assert process.status == 0
    assert process.last_lines() == "in order"


def test_the_reason_is_told_to_a_script_that_asks():
    stopped = ratesmith.TrialStopped("the loss diverged")
    assert (str(stopped), stopped.code) == ("the loss diverged", 0)


def test_the_generators_are_seeded_with_the_seed_that_is_asked_for(tmp_path):
    text = """
        import random, numpy, torch, ratesmith
        trial = ratesmith.get_trial(lr=0.1, steps=1)
        trial.report(python=random.random(), numpy=numpy.random.rand(), torch=torch.rand(()), step=1)
    """
    first, again, other = (
        run(script(tmp_path, text), tmp_path, asked={**ASKED, "seed": seed})[0][-1]["metrics"] for seed in (1, 1, 2)
    )
    assert first == again
    assert all(first[name] != other[name] for name in first)


def test_what_is_not_finite_goes_through(tmp_path):
    said, _ = run(script(tmp_path, LOOP.replace("1.0 / (step + 1)", "float('nan')")), tmp_path)
    assert math.isnan(said[1]["metrics"]["loss"])


def test_each_training_loss_is_sent_at_once_if_that_is_asked_for(tmp_path):
    said, _ = run(script(tmp_path, LOOP), tmp_path, asked={**ASKED, "every_loss": True})
    assert [message["kind"] for message in said] == ["hello", *(["train", "report"] * 4)]
    assert said[1]["loss"] == 0.5


def test_further_processes_hear_what_the_first_one_heard(tmp_path):
    text = """
        import os, subprocess, sys, time, ratesmith
        if "RANK" not in os.environ:
            runs = [subprocess.Popen([sys.executable, *sys.argv], env={**os.environ, "RANK": rank}) for rank in "01"]
            sys.exit(max(run.wait() for run in runs))
        trial = ratesmith.get_trial(lr=0.1, steps=100)
        open(f"{sys.argv[1]}/here{os.environ['RANK']}", "w").close()
        while not all(os.path.exists(f"{sys.argv[1]}/here{rank}") for rank in "01"):
            time.sleep(0.01)
        try:
            for step in range(trial.steps):
                trial.report(loss=float(os.environ["RANK"]), step=step + 1)
        except ratesmith.TrialStopped as stopped:
            open(f"{sys.argv[1]}/{os.environ['RANK']}", "w").write(f"{step + 1} {trial.seed} {stopped}")
            raise
    """
    stop = {"do": "stop", "reason": "enough"}
    said, process = run(
        script(tmp_path, text, str(tmp_path)),
        tmp_path,
        lambda content: stop if content["step"] == 3 else {"do": "go"},
    )
    assert [message["metrics"]["loss"] for message in said[1:]] == [0.0, 0.0, 0.0]
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["3 7 enough"] * 2
    assert process.status == 0


def test_a_process_that_was_forked_and_a_thread_hear_their_own_answers(tmp_path):
    text = """
        import os, threading, ratesmith
        trial = ratesmith.get_trial(lr=0.1, steps=100)
        for step in (1, 2):
            child = os.fork()
            if not child:
                trial.report(child=1.0, step=step)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            trial.report(loss=1.0, step=step)
        threads = [threading.Thread(target=trial.report, kwargs={"loss": 1.0, "step": 3}) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    """
    said, process = run(script(tmp_path, text), tmp_path, limit=30)
    assert [list(message["metrics"]) for message in said[1:5]] == [["child"], ["loss"]] * 2
    assert len(said) == 13
    assert process.status == 0


@pytest.mark.parametrize("first", ["pass", "time.sleep(600)"])
def test_processes_that_report_without_the_first_are_told_to_let_it_report(tmp_path, monkeypatch, first):
    monkeypatch.setattr("ratesmith.script_process.START_SECONDS", 3.0)
    text = f"""
        import os, subprocess, sys, time, ratesmith
        if "RANK" not in os.environ:
            runs = [subprocess.Popen([sys.executable, *sys.argv], env={{**os.environ, "RANK": rank}}) for rank in "01"]
            sys.exit(max(run.wait() for run in runs))
        trial = ratesmith.get_trial(lr=0.1, steps=100)
        if os.environ["RANK"] == "0":
            {first}
        else:
            trial.report(loss=1.0, step=1)
    """
    with pytest.raises(ScriptError) as error:
        run(script(tmp_path, text), tmp_path)
    assert str(error.value) == (
        "train.py: the first process must report, got reports of others alone; call trial.report in the process of "
        "rank 0 too"
    )


def test_a_process_that_reports_more_than_the_first_did_comes_to_its_end(tmp_path):
    text = """
        import os, subprocess, sys, ratesmith
        if "RANK" not in os.environ:
            for rank in "01":
                subprocess.run([sys.executable, *sys.argv], env={**os.environ, "RANK": rank}, check=True)
            sys.exit()
        trial = ratesmith.get_trial(lr=0.1, steps=100)
        for step in range(1 + int(os.environ["RANK"])):
            trial.report(loss=1.0, step=step + 1)
    """
    said, process = run(script(tmp_path, text), tmp_path, limit=60)
    assert [message.get("step") for message in said] == [None, 1]
    assert process.status == 0


@pytest.mark.parametrize("name", ["RANK", "SLURM_PROCID"])
def test_a_starter_that_is_the_third_of_several_has_a_script_that_is_heard(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "2")
    said, process = run(script(tmp_path, LOOP), tmp_path, limit=30)
    assert [message.get("step") for message in said] == [None, 1, 2, 3, 4]
    assert process.status == 0


def test_a_training_loss_is_the_one_that_was_reported_whatever_becomes_of_its_tensor(tmp_path):
    text = """
        import warnings, numpy, torch, ratesmith
        warnings.simplefilter("error")
        trial = ratesmith.get_trial(lr=0.1, steps=100)
        loss = torch.ones(1, requires_grad=True) * 2
        trial.report_train(loss)
        with torch.no_grad():
            loss.mul_(3)
        trial.report(loss=loss, two=numpy.array([2.0]), step=1)
    """
    said, process = run(script(tmp_path, text), tmp_path)
    assert process.status == 0, process.last_lines()
    assert said[1]["losses"] == [2.0]
    assert said[1]["metrics"] == {"loss": 6.0, "two": 2.0}


def test_a_script_that_takes_too_long_is_ended_with_all_that_it_has_started(tmp_path):
    text = """
        import subprocess, sys, time, ratesmith
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open(sys.argv[1], "w").write(str(child.pid))
        trial = ratesmith.get_trial(lr=0.1, steps=100)
        time.sleep(600)
    """
    with pytest.raises(ScriptTimeout, match="stopped after 1 seconds, the time limit of a trial"):
        run(script(tmp_path, text, str(tmp_path / "pid")), tmp_path, limit=1)
    assert _gone(int((tmp_path / "pid").read_text()))


def test_a_script_whose_starter_is_killed_ends(tmp_path):
    script(
        tmp_path,
        """
        import os, time, ratesmith
        open("pid", "w").write(str(os.getpid()))
        trial = ratesmith.get_trial(lr=0.1, steps=100)
        time.sleep(600)
        """,
    )
    starter = """
        import os, pathlib, signal
        from ratesmith.script_process import Script, ScriptProcess
        with ScriptProcess(Script("train.py"), log=pathlib.Path("log")) as process:
            for message in process.messages():
                os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(starter)], cwd=tmp_path, check=False)
    assert done.returncode == -9
    assert _gone(int((tmp_path / "pid").read_text()))


def _gone(pid):
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":  # its parent has not asked for it yet
            return True
        time.sleep(0.1)
    return False


def test_how_a_script_ended_is_told_with_what_it_printed_last(tmp_path):
    _, process = run(script(tmp_path, "print('first')\nraise ValueError('no such data')"), tmp_path)
    assert not process.greeted
    assert process.how_it_ended().startswith("ended with status 1; it last printed: ")
    assert process.how_it_ended().endswith("ValueError: no such data")
    _, process = run(script(tmp_path, "import os; os.kill(os.getpid(), 9)"), tmp_path)
    assert process.how_it_ended() == "was ended by SIGKILL, and printed nothing"


def test_the_last_lines_are_what_was_raised_and_no_codes_for_a_terminal(tmp_path):
    _, process = run(
        script(tmp_path, "print('50 %')\nraise ValueError('no data:\\nneither here\\nnor there')"), tmp_path
    )
    assert process.last_lines() == "ValueError: no data: | neither here | nor there"
    text = r"import os; os.write(1, b'\xff first\n\x1b[31mred\x1b[0m\x00\r 9 %\r 99 %\n'); raise SystemExit(3)"
    _, process = run(script(tmp_path, text), tmp_path)
    assert process.last_lines() == "red | 9 % | 99 %"


def test_a_launcher_that_is_not_there_is_told(tmp_path):
    file = script(tmp_path, LOOP)
    with pytest.raises(ScriptError, match=r"train.py: it could not be started .*see that the launcher is there"):
        run(Script(file.path, launch="no-such-launcher -n 2"), tmp_path)


def test_a_trial_that_is_handed_to_another_process_finds_its_own_way(tmp_path, monkeypatch):
    monkeypatch.delenv(ADDRESS, raising=False)
    trial = pickle.loads(pickle.dumps(ratesmith.get_trial(lr=0.1, steps=10, schedule="linear()")))
    assert (trial.lr, trial.steps, trial.schedule) == (0.1, 10, "linear()")


def test_by_hand_there_are_no_folds_and_a_fold_that_was_read_stays_so_in_another_process(monkeypatch):
    monkeypatch.delenv(ADDRESS, raising=False)
    trial = ratesmith.get_trial(lr=0.1, steps=10)
    assert (trial.fold, trial.folds) == (0, 0)
    for read in (False, True):
        trial, kept = trial_channel.trial(fold=2, folds=5)
        if read:
            assert trial.fold == 2
        trial.report(loss=1.0, step=1)
        assert kept.said[-1]["fold_read"] is read
        assert trial.__reduce__()[1][1] is read
    trial, kept = trial_channel.trial()
    trial.report(loss=1.0, step=1)
    assert "fold_read" not in kept.said[-1]


def test_somebody_else_on_the_machine_is_not_heard(tmp_path):
    text = """
        import os, socket, json, ratesmith
        port, token = os.environ["RATESMITH_TRIAL"].split(":")
        stranger = socket.create_connection(("127.0.0.1", int(port)))
        message = {"kind": "report", "step": 1, "metrics": {"loss": 0.0}, "token": "guessed"}
        stranger.sendall(json.dumps(message).encode() + b"\\n")
        trial = ratesmith.get_trial(lr=0.1, steps=1)
        trial.report(loss=2.0, step=1)
    """
    said, _ = run(script(tmp_path, text), tmp_path)
    assert [message.get("metrics") for message in said] == [None, {"loss": 2.0}]
