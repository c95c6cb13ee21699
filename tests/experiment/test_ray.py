"""A real Ray cluster of several nodes on this machine, on its loopback interface: the same table as without it."""

import importlib.util
import inspect
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from worker_jobs import add, count, fail, fail_oddly, hang, leave, threads

from ratesmith.experiment import ComparisonError, StudyError, compare
from ratesmith.experiment.engine import Died, TimedOut
from ratesmith.experiment.ray import EXCLUDES, RayEngine, pack, unpack
from ratesmith.task import TaskError

HERE = Path(__file__).parents[1]
TASK = f"{HERE / 'numpy_task.py'}:task"
PAUSE = 0.005
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None or os.name != "posix",
    reason="the extra [ray] is not installed, or nodes cannot be killed as POSIX systems do",
)
# Ray's own: it leaves the logs of the processes that it starts, and their pipes, to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Return a cluster whose head trains nothing, with two nodes of one processor each."""
    folder = tmp_path_factory.mktemp("ray")
    (folder / "token").write_text("ratesmith" * 8)
    settings = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # loopback; read when ray is imported
    }
    before = dict(os.environ)
    os.environ.update(settings)
    from ray.cluster_utils import Cluster

    os.environ.update(RATESMITH_TEST_PAUSE=str(PAUSE), RATESMITH_TEST_LOG=str(folder / "log"))
    made = Cluster()
    try:
        for cpus in (0, 1, 1):
            node(made, cpus)
        del os.environ["RATESMITH_TEST_PAUSE"], os.environ["RATESMITH_TEST_LOG"]
        made.log = folder / "log"
        yield made
    finally:
        made.shutdown()
        os.environ.clear()
        os.environ.update(before)


def node(cluster, cpus):
    cluster.add_node(
        num_cpus=cpus,
        object_store_memory=80 * 2**20,
        node_ip_address="127.0.0.1",
        include_dashboard=False,
    )


def kill(node):
    """End a node as a machine's loss does: everything on it at once, with no word to anybody."""
    raylet = node.all_processes["raylet"][0].process
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(raylet.pid)], capture_output=True, text=True).stdout
    for pid in (raylet.pid, *map(int, listed.split())):
        os.kill(pid, signal.SIGKILL)
    raylet.wait()


def small(folder, task=TASK, **options):
    strategies = ["cosine()", 'custom("halving", every="1ep")', 'step(every="50%")']
    standard = {"steps": "2ep", "seeds": 3, "rates": [0.03, 0.3], "evaluate_every": 10}
    return compare(task, strategies, folder=folder, **{**standard, **options})


def without_times(comparison):
    rows = [replace(row, seconds=0.0) for row in comparison.rows]
    runs = {run.trial: replace(run, seconds=0.0) for run in comparison.runs}
    return rows, runs, comparison.test


@pytest.fixture
def engine(cluster):
    made = RayEngine(TASK, address=cluster.address, gpus=0, limit=3)
    yield made
    made.shutdown(cancel_futures=True)


@needs_ray
def test_results_errors_parts_and_ends_come_back_as_from_a_local_worker(engine):
    assert engine.workers == 2
    assert engine.submit(add, 2, 3).result(60) == 5
    parts = []
    assert engine.submit(count, 4, on_part=parts.append).result(60) is None
    assert parts == [0, 1, 2, 3]
    with pytest.raises(KeyError) as caught:
        engine.submit(fail, "gone").result(60)
    assert type(caught.value) is KeyError
    with pytest.raises(TaskError, match="OddError: no"):
        engine.submit(fail_oddly).result(60)
    with pytest.raises(Died, match=r"^the worker process died on its node$"):
        engine.submit(leave, 3).result(60)
    with pytest.raises(TimedOut, match=r"^stopped after 3 seconds, the time limit of a trial$"):
        engine.submit(hang, on_part=print).result(60)
    assert engine.submit(threads).result(60)[0] == "1"


@needs_ray
def test_workers_have_the_tasks_folder_and_this_ratesmith_and_large_bytes_go_once(engine):
    assert "py_modules_files" in engine.submit(inspect.getfile, RayEngine).result(60)
    assert "working_dir_files" in engine.submit(os.path.abspath, "numpy_task.py").result(60)
    state = os.urandom(2**20)
    assert engine.submit(add, state, b"!").result(60) == state + b"!"
    assert engine.submit(add, b"!", state).result(60) == b"!" + state
    assert len(engine._states) == 1


def test_what_is_packed_is_what_was_and_what_went_last_does_not_go_again():
    state = os.urandom(2**20)
    small, apart = pack(("a/b.py:task", state, [state, b"short"]), {"a/b.py:task": "b.py:task"})
    assert len(small) < 200
    assert apart == [state]
    thing, last = unpack(small, apart)
    assert thing == ("b.py:task", state, [state, b"short"])
    again, apart = pack({"state": state}, last=state)
    assert not apart
    assert unpack(again, apart, last)[0] == {"state": state}


@needs_ray
def test_a_node_killed_in_the_middle_changes_nothing_in_the_table(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("RATESMITH_TEST_LOG", str(tmp_path / "log"))
    alone = small(tmp_path / "alone", workers=2)  # as many as there are nodes: the choice tries as many at a time
    monkeypatch.delenv("RATESMITH_TEST_LOG")
    cluster.log.unlink(missing_ok=True)
    killed = []

    def watch(progress):
        if progress.stage == "verdict" and progress.run is not None and not killed:
            time.sleep(0.3)  # until whatever has just ended has made room for the next: the node is at work
            killed.append(next(iter(cluster.worker_nodes)))
            kill(killed[0])

    found = small(tmp_path / "ray", engine="ray", address=cluster.address, on_progress=watch)
    cluster.remove_node(killed[0], allow_graceful=False)
    node(cluster, 1)
    assert {run.status for run in found.runs} == {"done"}
    assert without_times(found) == without_times(alone)
    starts = [(path.read_text()).count("start") for path in (tmp_path / "log", cluster.log)]
    assert starts[0] < starts[1], "what was on the node was begun again"
    # The folder's runs are as good as any: the same call on this machine alone finds nothing left to do.
    resumed = []
    again = small(tmp_path / "ray", on_progress=resumed.append)
    assert without_times(again) == without_times(alone)
    assert all(progress.run is None for progress in resumed)


@needs_ray
def test_a_script_trains_on_the_cluster_as_it_does_here_and_its_states_travel(cluster, tmp_path):
    script = str(HERE / "experiment" / "reporting_script.py")
    options = {"arguments": ["--do", "share"], "rates": [0.1], "seeds": 3}
    here, there = (
        compare(script, ['wsd(decay="40%")'], folder=tmp_path / engine, engine=engine, **given, **options)
        for engine, given in (("local", {"workers": 2}), ("ray", {"address": cluster.address}))
    )
    assert here.costs.shared > 0
    runs = [[replace(run, seconds=0.0, log_path=None) for run in comparison.runs] for comparison in (here, there)]
    assert runs[0] == runs[1]


@needs_ray
def test_what_a_task_does_is_its_status_and_the_other_runs_are_as_ever(cluster, tmp_path):
    # Strategies that are not told apart by so few seeds, since one alone would get three.
    options = {"steps": 40, "seeds": 4, "rates": [0.1]}
    task = str(HERE / "faulty_task.py")
    sound = compare(f"{task}:sound", ["cosine()"], folder=tmp_path / "sound", **options)
    options |= {"engine": "ray", "address": cluster.address, "timeout": 8}
    found = compare(f"{task}:mixed", ["cosine()"], folder=tmp_path / "mixed", **options)
    hurt = [run for run in found.runs if not run.done]
    assert sorted({(run.trial.seed, run.status, run.message.partition(", line")[0]) for run in hurt}) == [
        (1001, "failed", "faulty_task.py:mixed"),
        (1002, "killed", "the worker process died on its node; tried 3 times"),
        (1003, "timeout", "stopped after 8 seconds, the time limit of a trial"),
    ]
    assert all(run.message.endswith("KeyError: 'batch 20 is missing'") for run in hurt if run.status == "failed")
    assert len(hurt) == 6
    others = {run.trial: run.curve for run in found.runs if run.done}
    assert others == {run.trial: run.curve for run in sound.runs if run.trial in others}
    assert len(others) == 2


@needs_ray
def test_without_an_address_a_cluster_on_the_loopback_interface_lives_as_long_as_the_engine(cluster):
    engine = RayEngine(TASK, address=None, gpus=0, limit=None)
    [node] = engine._ray.nodes()
    place = (node["NodeManagerAddress"], node["NodeManagerPort"])
    assert place[0] == "127.0.0.1"
    assert engine.submit(add, 2, 3).result(60) == 5
    waiting = [engine.submit(hang) for _ in range(engine.workers + 1)]
    engine.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in waiting)
    with pytest.raises(ConnectionError):
        socket.create_connection(place, 5)


@needs_ray
def test_a_cluster_that_would_listen_on_every_network_is_not_started(cluster, monkeypatch):
    monkeypatch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
    with pytest.raises(StudyError, match=r"^ray: it was imported before, and a cluster that it starts now would"):
        RayEngine(TASK, address=None, gpus=0, limit=None)


def test_without_ray_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ComparisonError) as caught:
        small(tmp_path, engine="ray", address="auto")
    assert str(caught.value) == "compare: engine 'ray' needs ray; install Ratesmith with its extra [ray]"


@needs_ray
def test_a_cluster_that_cannot_be_joined_is_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(StudyError, match=rf"^ray: no cluster answers at {address} \(.*\); start one with `ray start"):
        small(tmp_path, engine="ray", address=address)
    with pytest.raises(StudyError, match=r"^ray: address must be host:port of the cluster's head, or auto, got 'ray:"):
        small(tmp_path, engine="ray", address="ray://127.0.0.1:10001")


@needs_ray
def test_gpus_that_no_node_has_are_said(cluster, tmp_path):
    with pytest.raises(StudyError, match=r"^ray: no node of the cluster has a CPU and 1 GPUs for a trial; add nodes"):
        small(tmp_path, engine="ray", address=cluster.address, gpus=1)


@needs_ray
def test_a_folder_that_is_too_big_to_travel_is_said_and_what_is_excluded_does_not_count(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("ray._private.runtime_env.packaging.GCS_STORAGE_MAX_SIZE", 2**20)
    for name in ("runs", "data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "noise").write_bytes(os.urandom(2**21))
        (tmp_path / "task.py").write_text("from numpy_task import task\n")
        big = name == "data"
        assert (f"{name}/" not in EXCLUDES) == big
        if big:
            with pytest.raises(StudyError, match="the folder of the task's file travels to the workers, and is too"):
                RayEngine(f"{tmp_path / 'task.py'}:task", address=cluster.address, gpus=0, limit=None)
        else:
            RayEngine(f"{tmp_path / 'task.py'}:task", address=cluster.address, gpus=0, limit=None).shutdown()
