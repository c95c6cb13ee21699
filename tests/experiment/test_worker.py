"""What is done in a worker: a task is inspected before anything is trained, states are kept whole."""

import subprocess
import sys
from pathlib import Path

import pytest
from comparing import TASK, small
from numpy_task import LogisticTask

from ratesmith.experiment import StudyError


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


def test_a_result_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    def full(task, state, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LogisticTask, "save", full)
    with pytest.raises(OSError, match="No space left on device"):  # before anything is trained
        small(LogisticTask(), tmp_path)
    monkeypatch.setattr("ratesmith.experiment.worker._goes_on", lambda *_: True)
    with pytest.raises(StudyError, match=r"a result could not be kept .*No space left on device.*; make room"):
        small(LogisticTask(), tmp_path)


def test_a_rule_that_goes_negative_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r'custom\("negative"\): a factor must be finite and at least 0, got -1.0 at step 0'
    ):
        small(TASK, tmp_path, ['custom("negative")'])


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
