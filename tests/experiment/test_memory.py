"""Memory that does not suffice: recognised, tried again with fewer runs side by side, and told if that is no help."""

from pathlib import Path

import pytest
from comparing import small
from numpy_task import LogisticTask

from ratesmith.experiment import compare
from ratesmith.experiment.memory import tells_out_of_memory, tells_perhaps_out_of_memory

CROWDED = f"{Path(__file__).parents[1] / 'crowded_task.py'}"


@pytest.mark.parametrize(
    ("text", "is_memory"),
    [
        ("mine.py:task, line 3: OutOfMemoryError: no room", True),
        ("RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB", True),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to get 8 bytes", True),
        ("OSError: [Errno 12] Cannot allocate memory", True),
        ("mine.py:task, line 3: MemoryError: no message", True),
        ("the worker process was ended by Ray for want of memory on its node", True),
        ("the worker process was ended by SIGKILL, perhaps for want of memory", False),
        ("KeyError: 'memory'", False),
        ("the worker process ended itself with status 3", False),
    ],
)
def test_want_of_memory_is_told_from_other_errors(text, is_memory):
    assert tells_out_of_memory(text) is is_memory


def test_a_process_that_the_system_may_have_ended_is_perhaps_one():
    assert tells_perhaps_out_of_memory("the worker process was ended by SIGKILL, perhaps for want of memory")
    assert not tells_perhaps_out_of_memory("the worker process was ended by SIGSEGV")


def crowded(folder, name, **options):
    standard = {"steps": 60, "seeds": 3, "rates": [0.1], "workers": 3, "evaluate_every": 10}
    return compare(f"{CROWDED}:{name}", ["cosine()"], folder=folder, **{**standard, **options})


@pytest.mark.parametrize("name", ["raising", "torchs", "killed"])
def test_runs_that_fit_only_alone_are_trained_one_after_the_other_and_none_is_missing(tmp_path, monkeypatch, name):
    monkeypatch.setenv("RATESMITH_TEST_LOCK", str(tmp_path / "lock"))
    whole = small(LogisticTask(), tmp_path / "whole", seeds=3, rates=[0.1], evaluate_every=10)
    comparison = crowded(tmp_path / "crowded", name)
    assert comparison.missing_runs == ()
    assert comparison.rows[0].estimates == whole.rows[0].estimates
    codes = [note.code for note in comparison.notes]
    assert ("RS319" in codes) == (name != "killed")
    if name != "killed":
        line = next(line for line in comparison.note_lines() if "RS319" in line)
        assert line == (
            "Memory did not suffice for 3 runs side by side: they were tried again, and 1 was trained at a time. Give "
            "fewer with workers=. [RS319]"
        )


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_run_that_does_not_fit_alone_is_given_up_with_what_to_do(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("RATESMITH_TEST_LOG", str(tmp_path / "log"))
    comparison = crowded(tmp_path / "study", "never", workers=workers)
    (message,) = {run.message for run in comparison.missing_runs}
    assert {run.trial.seed for run in comparison.missing_runs} == {1001}
    assert message.endswith(
        "OutOfMemoryError: CUDA out of memory (batch_size=10); it does not fit into memory, even alone: give the task "
        "a smaller batch, or a smaller model"
    )
    starts = (tmp_path / "log").read_text().splitlines().count("start 1001")
    assert starts <= {0: 2, 1: 2, 3: 6}[workers]


def test_a_task_that_does_not_fit_at_all_is_one_line(tmp_path):
    with pytest.raises(Exception, match=r"line \d+: OutOfMemoryError: CUDA out of memory; it does not fit into memory"):
        crowded(tmp_path, "nowhere", workers=2)
