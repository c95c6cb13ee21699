"""Real processes, killed by real signals: nothing finished is lost or done twice, and the table stays the same."""

import errno
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from numpy_task import Counting, LogisticTask

from ratesmith.cli import run
from ratesmith.experiment import StudyError, compare
from ratesmith.experiment.store import Store

HERE = Path(__file__).parents[1]
TASK = f"{HERE / 'numpy_task.py'}:task"
FAULTY = f"{HERE / 'faulty_task.py'}"
STRATEGIES = ["cosine()", 'custom("halving", every="1ep")', 'wsd(decay="30%")', "plateau(patience=0)"]
COMMAND = [
    *(sys.executable, "-m", "ratesmith", "compare", TASK, "--steps", "2ep", "--seeds", "2", "--choice-seeds", "1"),
    *(part for name in STRATEGIES for part in ("--strategy", name)),
    *("--rates", "0.03,0.3", "--workers", "2", "--evaluate-every", "7"),
]
posix = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX systems know them")


def environment(pause, log=None):
    names = {**os.environ, "RATESMITH_TEST_PAUSE": str(pause)}
    return {**names, "RATESMITH_TEST_LOG": str(log)} if log else names


def start(folder, pause, log=None, command=COMMAND):
    return subprocess.Popen(
        [*command, "--out", str(folder)],
        env=environment(pause, log),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(folder, pause=0.0, log=None):
    process = start(folder, pause, log)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return out


def stored(folder):
    """Return the finished runs as they lie in the store, seconds included."""
    file = Path(folder) / "study.sqlite"
    if not file.exists():
        return {}
    with sqlite3.connect(file) as database:
        try:
            rows = database.execute("SELECT * FROM runs WHERE status IN ('done', 'diverged')").fetchall()
        except sqlite3.OperationalError:  # killed before the tables were made
            return {}
    return {row[1:5]: row[5:] for row in rows}


def deaths(folder):
    """Return the most attempts that any unfinished bundle has had; many where there is none."""
    with sqlite3.connect(folder / "study.sqlite") as database:
        return max((row[0] for row in database.execute("SELECT attempt FROM branches")), default=9)


def wait_for(folder, runs, process):
    deadline = time.monotonic() + 120
    while len(stored(folder)) < runs and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_until_at_work(folder, runs, process):
    """Wait until so many runs have ended and others are under way: between two rounds of the choice none is."""
    wait_for(folder, runs, process)
    deadline = time.monotonic() + 120
    while process.poll() is None:
        assert time.monotonic() < deadline
        with sqlite3.connect(Path(folder) / "study.sqlite") as database:
            if database.execute("SELECT count(*) FROM branches").fetchone()[0] > 1:
                return
        time.sleep(0.02)


def table(folder):
    """Return everything that was found, and what was tried; not what it cost: what is interrupted costs more."""
    results = json.loads((Path(folder) / "results.json").read_text())
    results["trials"] = sorted(stored(folder))
    for row in results["rows"]:
        del row["seconds"]
    del results["costs"]
    return results


def workers_of(process):
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True, text=True
    )
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "spawn_main" in line]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(folder)
    return table(folder)


@posix
def test_a_driver_killed_three_times_at_random_moments_ends_with_the_same_table(tmp_path, undisturbed):
    noise, log = random.Random(), tmp_path / "log"
    finished: dict = {}
    for target in (1, 8, 17):  # in the choice twice, then in the verdict
        process = start(tmp_path / "killed", 0.002, log)
        wait_for(tmp_path / "killed", target, process)
        time.sleep(noise.uniform(0, 0.3))
        if noise.random() < 0.5:
            os.kill(process.pid, signal.SIGKILL)  # the driver alone: its workers must notice and end
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()  # until the last worker has let go of its output too
        now = stored(tmp_path / "killed")
        assert finished.items() <= now.items()
        finished = now
    finish(tmp_path / "killed", log=log)
    now = stored(tmp_path / "killed")
    assert finished.items() <= now.items()
    assert table(tmp_path / "killed") == undisturbed


DRIVER = """
import sys
from ratesmith.cli import run
from ratesmith.experiment import compare
sys.modules["ratesmith.experiment.compare"].CHECKPOINT_SECONDS = 0.05
if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
"""


@posix
def test_workers_killed_ten_times_at_random_moments_give_the_same_table(tmp_path, undisturbed):
    (tmp_path / "driver.py").write_text(DRIVER)
    log = tmp_path / "log"
    command = [sys.executable, str(tmp_path / "driver.py"), *COMMAND[3:]]
    process = start(tmp_path / "study", 0.02, log, command)
    noise, killed, deadline = random.Random(), 0, time.monotonic() + 300
    while killed < 10 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(noise.uniform(0.05, 0.6))
        found = workers_of(process)
        # A bundle is tried three times at the most; that it is then given up is another test's.
        if found and stored(tmp_path / "study") and deaths(tmp_path / "study") < 3:
            os.kill(noise.choice(found), signal.SIGKILL)
            killed += 1
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert killed == 10
    assert table(tmp_path / "study") == undisturbed


@posix
def test_workers_end_when_their_driver_is_killed(tmp_path):
    process = start(tmp_path, 0.01)
    wait_for(tmp_path, 1, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    deadline = time.monotonic() + 20
    while True:
        alive = subprocess.run(["ps", "-o", "pid=", "-g", str(process.pid)], capture_output=True, text=True).stdout
        if not alive.strip():
            break
        assert time.monotonic() < deadline, f"still alive: {alive}"
        time.sleep(0.1)


@posix
def test_ctrl_c_stops_cleanly_and_the_study_is_resumed(tmp_path, undisturbed):
    process = start(tmp_path / "stopped", 0.005)
    wait_until_at_work(tmp_path / "stopped", 2, process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    kept = stored(tmp_path / "stopped")
    assert err.splitlines()[-1] == (
        f"ratesmith: stopped by Ctrl-C; {len(kept)} finished runs are kept in {tmp_path / 'stopped'}. "
        "The same command goes on from there."
    )
    with sqlite3.connect(tmp_path / "stopped" / "study.sqlite") as database:
        cancelled = database.execute("SELECT message FROM runs WHERE status = 'cancelled'").fetchall()
    assert cancelled
    assert set(cancelled) == {("stopped by Ctrl-C",)}
    resume = [sys.executable, "-m", "ratesmith", "study", "resume", str(tmp_path / "stopped"), "--quiet"]
    ran = subprocess.run(resume, capture_output=True, text=True, env=environment(0), timeout=240)
    assert ran.returncode == 0, ran.stderr
    assert ", with lr=" in ran.stdout.splitlines()[0]
    assert kept.items() <= stored(tmp_path / "stopped").items()
    assert table(tmp_path / "stopped") == undisturbed


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_command_is_what_ctrl_c_is(tmp_path, number):
    process = start(tmp_path / "stopped", 0.005)
    wait_until_at_work(tmp_path / "stopped", 2, process)
    os.killpg(process.pid, number) if number == signal.SIGHUP else process.send_signal(number)
    _, err = process.communicate(timeout=60)  # until the last worker has let go of its output too
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (
        f"ratesmith: stopped by {number.name}; {len(stored(tmp_path / 'stopped'))} finished runs are kept in "
        f"{tmp_path / 'stopped'}. The same command goes on from there."
    )
    with sqlite3.connect(tmp_path / "stopped" / "study.sqlite") as database:
        cancelled = database.execute("SELECT message FROM runs WHERE status = 'cancelled'").fetchall()
    assert set(cancelled) == {(f"stopped by {number.name}",)}


@posix
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_comparison_that_is_stopped_before_its_first_run_says_so(tmp_path, workers, number):
    log = tmp_path / "log"
    process = start(tmp_path / "study", 0.5, log, [*COMMAND, "--workers", workers])
    while not log.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    assert err.splitlines() == [
        f"ratesmith: stopped by {name}; no run had ended, so none is kept. The same command begins again."
    ]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return faulty("sound", tmp_path_factory.mktemp("sound"))


def faulty(name, folder, **options):
    standard = {"steps": 60, "seeds": 3, "rates": [0.1], "workers": 2, "evaluate_every": 10}
    return compare(f"{FAULTY}:{name}", ["cosine()"], folder=folder, **{**standard, **options})


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("raising", "failed", "KeyError: 'batch 20 is missing'"),
        ("leaving", "killed", "the worker process ended itself with status 3; tried 3 times"),
        ("eating", "failed", "MemoryError"),
        ("not_a_number", "diverged", "training loss nan at step 19"),
    ],
)
@posix
def test_what_a_task_does_is_its_status_and_the_other_runs_are_as_ever(tmp_path, sound, name, status, message):
    found = faulty(name, tmp_path / "faulty")
    hurt = [run for run in found.runs if run.status != "done"]
    assert {run.trial.seed for run in hurt} == {1001}
    assert len(hurt) == 2
    assert {run.status for run in hurt} == {status}
    assert all(message in run.message for run in hurt)
    others = {run.trial: (run.metrics, run.curve) for run in found.runs if run.done}
    assert others == {run.trial: (run.metrics, run.curve) for run in sound.runs if run.trial in others}
    assert len(others) == 4
    if status == "diverged":
        assert {row.diverged for row in found.rows} == {1}
    else:
        assert {row.missing for row in found.rows} == {1}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("name", ["mute", "no_repr", "mute_at_the_start", "mute_when_measured"])
def test_an_error_whose_text_cannot_be_made_is_one_line_of_its_run(tmp_path, name, workers):
    comparison = faulty(name, tmp_path, workers=workers, seeds=2)
    hurt = [run for run in comparison.runs if not run.done]
    assert {(run.trial.seed, run.status) for run in hurt} == {(1001, "failed")}
    kind = "KeyError" if name == "no_repr" else "MuteError"
    assert all(run.message.endswith(f": {kind} (its text cannot be made)") for run in hurt)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_rule_whose_error_has_no_text_is_one_line(tmp_path, capsys, workers):
    strategy = ["--strategy", 'custom("mute_rule")', "--steps", "60", "--rates", "0.1", "--workers", workers]
    assert run(["compare", f"{FAULTY}:sound", *strategy, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "it must give a number, got MuteError (its text cannot be made); mend the function" in error
    assert "Traceback" not in error


@posix
def test_a_task_that_hangs_is_stopped_at_its_time_limit(tmp_path):
    found = faulty("hanging", tmp_path, timeout=6)
    hurt = [run for run in found.runs if run.status != "done"]
    assert {(run.status, run.trial.seed) for run in hurt} == {("timeout", 1001)}
    assert {run.message for run in hurt} == {"stopped after 6 seconds, the time limit of a trial"}
    assert "2 runs took too long; the first: stopped after 6 seconds" in " ".join(found.note_lines())


@posix
def test_one_that_hangs_takes_no_other_with_it_though_a_new_worker_imports_for_longer_than_the_limit(tmp_path):
    (tmp_path / "slow.py").write_text(
        f"import sys, time\nsys.path.insert(0, {str(HERE)!r})\ntime.sleep(6)\nfrom faulty_task import hanging\n"
    )
    options = {"steps": 60, "seeds": 3, "rates": [0.1], "evaluate_every": 10, "workers": 1, "timeout": 5}
    comparison = compare(f"{tmp_path / 'slow.py'}:hanging", [], folder=tmp_path / "study", **options)
    statuses = {run.trial.seed: run.status for run in comparison.runs}
    assert statuses == {1000: "done", 1001: "timeout", 1002: "done"}


@posix
def test_a_worker_that_dies_twice_is_tried_again_and_nothing_is_missing(tmp_path, sound, monkeypatch):
    (tmp_path / "marks").mkdir()
    monkeypatch.setenv("RATESMITH_TEST_MARKS", str(tmp_path / "marks"))
    found = faulty("leaving_twice", tmp_path / "faulty")
    assert len(list((tmp_path / "marks").iterdir())) == 2
    assert found.table() == sound.table()


def test_what_failed_is_tried_again_by_the_next_call(tmp_path, monkeypatch):
    (tmp_path / "marks").mkdir()
    monkeypatch.setenv("RATESMITH_TEST_MARKS", str(tmp_path / "marks"))
    monkeypatch.setattr("ratesmith.experiment.runner.MOST_DEATHS", 0)
    first = faulty("leaving_twice", tmp_path / "faulty", workers=1)
    assert {run.status for run in first.runs} == {"done", "killed"}
    second = faulty("leaving_twice", tmp_path / "faulty", workers=1)
    third = faulty("leaving_twice", tmp_path / "faulty", workers=1)
    assert {run.status for run in (second if len(second.runs) == 0 else third).runs} == {"done"}
    kept = {run.trial: run for run in first.runs if run.done}
    assert kept.items() <= {run.trial: run for run in third.runs}.items()


def small(folder, **options):
    standard = {"steps": 60, "seeds": 2, "choice_seeds": 2, "rates": [0.1, 0.3], "evaluate_every": 10, "version": "1"}
    strategies = ['wsd(decay="30%")', 'step(every="50%")']
    return compare(LogisticTask(), strategies, folder=folder, **{**standard, **options})


def test_a_disk_that_fills_while_a_state_is_written_loses_nothing(tmp_path, monkeypatch):
    whole = small(tmp_path / "whole")
    save, written = LogisticTask.save, []

    def full(task, state, path):
        written.append(path)
        if len(written) == 5:
            path.write_text("half of a st")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(task, state, path)

    monkeypatch.setattr(LogisticTask, "save", full)
    with pytest.raises(StudyError, match=r"a result could not be kept .*No space left on device.*; make room"):
        small(tmp_path / "full")
    kept = stored(tmp_path / "full")
    assert kept
    assert not list((tmp_path / "full" / "states").glob("*.part"))
    found = small(tmp_path / "full")
    assert kept.items() <= stored(tmp_path / "full").items()
    assert found.table() == whole.table()


def test_a_disk_that_fills_while_a_result_is_written_loses_nothing(tmp_path):
    whole = small(tmp_path / "whole")
    stores = []
    settle = Store.settle

    def remember(self, settings):
        stores.append(self)
        settle(self, settings)

    def fill(progress):
        if progress.done == 3:
            pages = stores[0]._connection.execute("PRAGMA page_count").fetchone()[0]
            stores[0]._connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "settle", remember)
        with pytest.raises(StudyError, match=r"a result could not be kept .*full"):
            small(tmp_path / "full", on_progress=fill, evaluate_every=1)
    kept = stored(tmp_path / "full")
    assert len(kept) >= 3
    found = small(tmp_path / "full", evaluate_every=1)
    assert kept.items() <= stored(tmp_path / "full").items()
    assert [row["loss"] for row in found.table()] == [row["loss"] for row in whole.table()]


def test_a_torn_state_is_noticed_and_its_beginning_trained_again(tmp_path, monkeypatch):
    whole = small(tmp_path / "whole")
    replace = Path.replace

    def torn(path, target):
        path.write_bytes(path.read_bytes()[:-9])
        return replace(path, target)

    monkeypatch.setattr("pathlib.Path.replace", torn)
    found = small(tmp_path / "torn")
    assert found.table() == whole.table()
    assert found.costs.run == whole.costs.planned > whole.costs.run


def test_a_state_that_there_is_no_room_for_is_not_kept(tmp_path, monkeypatch):
    whole = small(tmp_path / "whole")
    monkeypatch.setattr("ratesmith.experiment.runner.shutil.disk_usage", lambda _: type("Disk", (), {"free": 0}))
    found = small(tmp_path / "full")
    assert found.table() == whole.table()
    assert found.costs.shared == 0
    assert len(list((tmp_path / "full" / "states").iterdir())) == 2  # the winner's alone


def test_a_call_that_is_answered_already_trains_nothing_and_keeps_what_the_test_needs(tmp_path):
    task = Counting()

    def call(**options):
        standard = {"steps": 60, "seeds": 3, "choice_seeds": 2, "rates": [0.1, 0.3, 1.0], "evaluate_every": 10}
        standard |= {"version": "1"}
        return compare(task, ["cosine()"], folder=tmp_path, **{**standard, **options})

    def stop(progress):
        if progress.stage == "verdict" and progress.done == progress.planned:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(on_progress=stop)
    assert len(list((tmp_path / "states").glob("*.state"))) == 6
    task.made = 0
    first = call()
    looked = task.made
    assert looked < 100  # a look at the task; no run is trained again, not even for the test
    task.made = 0
    assert call() == first
    assert task.made == looked


def test_a_checkpoint_takes_the_place_of_the_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["ratesmith.experiment.compare"], "CHECKPOINT_SECONDS", 0.0)
    most = []

    class Watched(LogisticTask):
        def save(self, state, path):
            super().save(state, path)
            most.append(len(list(path.parent.glob("*.state"))))

    Watched.has_test = False
    compare(Watched(), ["cosine()"], folder=tmp_path, steps=60, rates=[0.3], seeds=1, evaluate_every=60)
    assert len(most) > 50
    assert max(most) <= 2
    assert not list((tmp_path / "states").glob("*.state"))


def test_what_another_call_had_begun_is_forgotten_at_the_end(tmp_path):
    def stop(progress):
        if progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small(tmp_path, on_progress=stop)
    small(tmp_path, rates=[0.1])
    with sqlite3.connect(tmp_path / "study.sqlite") as database:
        assert database.execute("SELECT count(*) FROM branches").fetchone()[0] == 0
    assert len(list((tmp_path / "states").glob("*.state"))) == 2


@pytest.mark.parametrize("deleted", ["study", "study.sqlite"])
@posix
def test_a_study_that_is_deleted_while_it_runs_is_one_line_and_leaves_nothing(tmp_path, capsys, deleted):
    process = start(tmp_path / "study", 0.005)
    wait_for(tmp_path / "study", 2, process)
    path = tmp_path / "study" if deleted == "study" else tmp_path / "study" / deleted
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
    _, err = process.communicate(timeout=100)
    assert process.returncode == 2
    assert err.splitlines()[-1] == (
        f"ratesmith: {tmp_path / 'study'}: the study was deleted while it ran, and nothing of it is kept; "
        "give the command again to begin anew"
    )
    assert "Traceback" not in err
    assert not (tmp_path / "study" / "study.sqlite").exists()
    assert run(["study", "list", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"There is no study in {tmp_path}.\n"


def test_what_another_comparison_begins_where_a_study_was_deleted_is_not_touched(tmp_path):
    def meanwhile(progress):
        if progress.done == 2 and not other:
            shutil.rmtree(tmp_path / "study")
            other.append(small(tmp_path / "study"))

    other = []
    with pytest.raises(StudyError, match="the study was deleted while it ran"):
        small(tmp_path / "study", on_progress=meanwhile)
    assert small(tmp_path / "study") == other[0]


def test_a_second_driver_on_the_same_study_is_told_to_wait(tmp_path):
    said = []

    def meanwhile(progress):
        if progress.done == 2:
            command = [sys.executable, "-m", "ratesmith", "compare", TASK, "--out", str(tmp_path), "--workers", "0"]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
            said.append((ran.returncode, ran.stderr))

    whole = small(tmp_path / "whole")
    found = small(tmp_path, on_progress=meanwhile)
    assert said[0][0] == 2
    assert "another comparison is running in this folder; wait for it" in said[0][1]
    assert found.table() == whole.table()
