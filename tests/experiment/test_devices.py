"""GPUs of local workers: each worker sees its own, several may share one, and what does not fit is told beforehand."""

import subprocess
import sys

import pytest
import worker_jobs

from ratesmith.experiment.devices import room, surroundings, visible_devices
from ratesmith.experiment.local import LocalPool
from ratesmith.experiment.options import ComparisonError


def test_the_devices_are_those_that_this_process_sees(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-5e,1")
    assert visible_devices() == ["3", "GPU-5e", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_devices() == []


def test_without_the_variable_they_are_what_the_driver_lists(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: H200 (UUID: GPU-1)'\necho 'GPU 1: H200 (UUID: GPU-2)'\n")
    program.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_devices() == ["0", "1"]
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert visible_devices() == []


@pytest.mark.parametrize(
    ("gpus", "seen"),
    [
        (1, ["2", "4", "6"]),
        (2, ["2,4"]),
        (0.5, ["2", "2", "4", "4", "6"]),
        (1 / 3, ["2", "2", "2", "4"]),
    ],
)
def test_each_worker_sees_its_own_share(gpus, seen, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,4,6")
    workers = len(seen)
    assert [variables["CUDA_VISIBLE_DEVICES"] for variables in surroundings(workers, gpus)] == seen


def test_as_many_find_room_as_there_are_shares():
    assert [room(["0", "1", "2"], gpus) for gpus in (0.1, 0.4, 1, 2, 3, 4)] == [30, 6, 3, 1, 1, 0]


@pytest.mark.parametrize(
    ("workers", "gpus", "message"),
    [
        (
            3,
            1,
            "compare: workers must be at most 2, got 3: this machine shows 2 GPUs, and each trial has 1; give fewer, ",
        ),
        (5, 0.5, "compare: workers must be at most 4, got 5: this machine shows 2 GPUs, and each trial has 0.5; "),
        (2, 1.5, "compare: gpus must be whole, or a share of one GPU, got 1.5; write 0.5, 1 or 2"),
        (0, 1, "compare: gpus needs workers; give some with workers="),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_started(workers, gpus, message, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(ComparisonError) as error:
        surroundings(workers, gpus)
    assert str(error.value).startswith(message)


def test_a_worker_process_and_what_it_starts_see_these_devices_alone(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    pool = LocalPool(2, variables=surroundings(2, 1))
    try:
        jobs = [pool.submit(worker_jobs.visible, 0.5) for _ in range(6)]
        seen = {job.result() for job in jobs}
    finally:
        pool.shutdown(cancel_futures=True)
    assert seen == {("5", "5"), ("7", "7")}


def test_the_plan_says_what_it_costs_in_hours_of_gpus(tmp_path):
    script = "tests/experiment/reporting_script.py"
    options = ["--rates", "0.1", "--seeds", "1", "--choice-seeds", "1", "--gpus-per-trial", "0.5", "--workers", "1"]
    command = [sys.executable, "-m", "ratesmith", "compare", script, *options, "--out", str(tmp_path)]
    environment = {"CUDA_VISIBLE_DEVICES": "0", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert " GPU-hours; it ends earlier where strategies are soon told apart." in done.stderr
