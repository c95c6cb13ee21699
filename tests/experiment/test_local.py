"""Worker processes: each may die, hang or be stopped on its own, and says how."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from worker_jobs import (
    add,
    count,
    die_while_sending,
    fail,
    fail_oddly,
    fail_strangely,
    fail_with_two,
    hang,
    hold_the_pipe,
    kill,
    leave,
    prepare_long,
    threads,
)

from ratesmith.experiment.engine import Died, TimedOut
from ratesmith.experiment.local import InProcess, LocalPool
from ratesmith.task import TaskError


@pytest.fixture
def pool():
    made = LocalPool(1)
    yield made
    made.shutdown(cancel_futures=True)


@pytest.mark.parametrize("kind", ["process", "here"])
def test_results_errors_and_parts_come_back(kind, pool):
    engine = pool if kind == "process" else InProcess()
    assert engine.submit(add, 2, 3).result(60) == 5
    parts = []
    assert engine.submit(count, 4, on_part=parts.append).result(60) is None
    assert parts == [0, 1, 2, 3]
    with pytest.raises(KeyError, match="gone"):
        engine.submit(fail, "gone").result(60)


def test_an_error_that_cannot_be_sent_is_told(pool):
    with pytest.raises(TaskError, match=r"^OddError: no$"):
        pool.submit(fail_oddly).result(60)
    assert pool.submit(add, 1, 1).result(60) == 2


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX systems know them")
@pytest.mark.parametrize(
    ("job", "given", "said"),
    [
        (leave, 3, "the worker process ended itself with status 3"),
        (leave, 0, "the worker process ended itself with status 0"),
        (kill, signal.SIGKILL, "the worker process was ended by SIGKILL, perhaps for want of memory"),
        (kill, signal.SIGSEGV, "the worker process was ended by SIGSEGV"),
    ],
)
def test_a_process_that_dies_says_how_and_is_replaced(pool, job, given, said):
    with pytest.raises(Died) as caught:
        pool.submit(job, given).result(60)
    assert str(caught.value) == said
    assert pool.submit(add, 1, 1).result(60) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a child that inherits a pipe is made by fork")
def test_a_child_that_outlives_its_worker_does_not_hide_its_death(pool):
    with pytest.raises(Died, match="status 7"):
        pool.submit(hold_the_pipe, 60).result(50)


def test_one_that_dies_in_the_middle_of_a_message_has_died(pool):
    with pytest.raises(Died, match="SIGKILL"):
        pool.submit(die_while_sending).result(60)
    assert pool.submit(add, 1, 1).result(60) == 2


def test_an_error_that_cannot_be_made_again_is_told(pool):
    with pytest.raises(TaskError, match=r"^TwoError: "):
        pool.submit(fail_with_two).result(60)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("mute", r"MuteError \(its text cannot be made\)"),
        ("no_repr", r"KeyError \(its text cannot be made\)"),
        ("from_a_file", "MineError: mine alone"),
    ],
)
def test_an_error_without_a_text_or_of_a_class_that_only_the_worker_has_is_one_line(pool, error, line):
    with pytest.raises(TaskError, match=f"^{line}$"):
        pool.submit(fail_strangely, error).result(60)
    assert pool.submit(add, 1, 1).result(60) == 2


def test_shutting_down_while_a_process_is_replaced_does_not_wait_for_the_next_job():
    pool = LocalPool(1)
    pool.submit(leave, 3)
    hung = pool.submit(hang)
    pool.shutdown(cancel_futures=True)
    assert hung.cancelled() or isinstance(hung.exception(0), Died)


def test_one_that_hangs_is_stopped_at_the_limit_and_the_others_go_on():
    pool = LocalPool(2, limit=3.0)
    try:
        warm = [pool.submit(add, 1, 1) for _ in range(4)]
        assert [future.result(60) for future in warm] == [2] * 4
        hung = pool.submit(hang, on_part=print)
        assert pool.submit(add, 1, 1).result(60) == 2
        with pytest.raises(TimedOut, match="stopped after 3 seconds, the time limit of a trial"):
            hung.result(100)
        assert pool.submit(add, 1, 1).result(60) == 2
    finally:
        pool.shutdown(cancel_futures=True)


def test_the_clock_of_a_trial_starts_when_the_trial_does_and_not_with_its_process():
    pool = LocalPool(1, limit=4.0)
    parts = []
    try:
        pool.submit(prepare_long, 5.0, on_part=parts.append).result(100)
    finally:
        pool.shutdown(cancel_futures=True)
    assert parts == ["prepared"]
    assert InProcess().submit(prepare_long, 0.0, on_part=parts.append).result() is None
    assert parts == ["prepared"] * 2


def test_workers_have_one_thread_and_the_callers_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    pool = LocalPool(1)
    try:
        found, other = pool.submit(threads).result(60)
    finally:
        pool.shutdown(cancel_futures=True)
    assert found == "1"
    assert other != os.getpid()
    assert os.environ["OMP_NUM_THREADS"] == "5"


def test_shutting_down_stops_what_runs_and_leaves_no_process_and_no_thread():
    before = threading.active_count()
    pool = LocalPool(2)
    pool.submit(hang)
    _, pid = pool.submit(threads).result(60)
    pool.shutdown(cancel_futures=True)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert threading.active_count() == before


def test_a_script_without_a_main_guard_is_told_so(tmp_path):
    task = tmp_path / "mine.py"
    task.write_text("def task():\n    pass\n")
    script = tmp_path / "script.py"
    script.write_text(
        "from ratesmith.experiment import compare\n"
        f"compare({str(task) + ':task'!r}, [], folder={str(tmp_path / 'study')!r}, workers=1)\n"
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1
    assert "a script that calls compare needs `if __name__ == '__main__':` around it" in ran.stderr
