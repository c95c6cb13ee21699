"""Real processes, killed by real signals: nothing finished is lost or done twice, and the table stays the same."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
COMMAND = [
    *(sys.executable, "-m", "ratesmith", "compare", f"{HERE / 'numpy_task.py'}:task", "--steps", "2ep", "--seeds", "2"),
    *(
        "--strategy",
        "cosine()",
        "--strategy",
        'custom("halving", every="1ep")',
        "--rates",
        "0.03,0.3",
        "--workers",
        "2",
    ),
]
posix = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX systems know them")


def start(folder, pause, log=None):
    environment = {**os.environ, "RATESMITH_TEST_PAUSE": str(pause)}
    if log:
        environment["RATESMITH_TEST_LOG"] = str(log)
    return subprocess.Popen(
        [*COMMAND, "--out", str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(folder, pause=0.0, log=None):
    process = start(folder, pause, log)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def stored(folder):
    """Give the finished runs as they lie in the store, seconds included."""
    file = Path(folder) / "study.sqlite"
    if not file.exists():
        return {}
    with sqlite3.connect(file) as database:
        try:
            rows = database.execute("SELECT strategy, base_lr, seed, data FROM runs").fetchall()
        except sqlite3.OperationalError:  # killed before the tables were made
            return {}
    return {row[:3]: row[3] for row in rows}


def wait_for(folder, runs, process):
    deadline = time.monotonic() + 60
    while len(stored(folder)) < runs and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def without_times(folder):
    results = json.loads((Path(folder) / "results.json").read_text())
    for row in results["rows"]:
        del row["seconds"]
    return results


@posix
def test_killed_at_random_moments_and_run_again_it_gives_the_same_table(tmp_path):
    finish(tmp_path / "whole")
    noise = random.Random()
    log = tmp_path / "log"
    finished: dict = {}
    for target in (1, 4, 9):
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
    assert without_times(tmp_path / "killed") == without_times(tmp_path / "whole")
    # Each call looks at the task once; each kill can lose at most the four runs in flight; two starts are for the test.
    starts = log.read_text().count("start")
    assert starts <= len(now) + 4 + 3 * 4 + 2


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
def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(tmp_path):
    finish(tmp_path / "whole")
    process = start(tmp_path / "stopped", 0.005)
    wait_for(tmp_path / "stopped", 2, process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    kept = stored(tmp_path / "stopped")
    assert err.splitlines()[-1] == (
        f"ratesmith: stopped; {len(kept)} finished runs are kept in {tmp_path / 'stopped'}. "
        "The same command goes on from there."
    )
    finish(tmp_path / "stopped")
    assert kept.items() <= stored(tmp_path / "stopped").items()
    assert without_times(tmp_path / "stopped") == without_times(tmp_path / "whole")


@posix
def test_a_worker_that_dies_is_reported_and_the_same_command_goes_on(tmp_path):
    process = start(tmp_path, 0.005)
    wait_for(tmp_path, 2, process)
    children = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True, text=True
    )
    workers = [int(line.split()[0]) for line in children.stdout.splitlines() if "spawn_main" in line]
    os.kill(workers[0], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("ratesmith: a worker process died, perhaps for want of memory")
    finish(tmp_path)
    assert len(stored(tmp_path)) >= 12
