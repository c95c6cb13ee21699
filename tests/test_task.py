"""A user's own file: what is taken from it, what is said where it fails, and what it leaves behind."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy_task import LogisticTask

from ratesmith.experiment import compare
from ratesmith.finder import find
from ratesmith.task import ONE_THREAD, TaskError, is_beside, load_task, loss_of, one_thread, split_reference
from ratesmith.testing import check_task


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Put back where modules are looked for."""
    monkeypatch.setattr(sys, "path", [*sys.path])


LOSS = 0.5


@pytest.mark.parametrize(
    "returned",
    [LOSS, np.float32(LOSS), np.array(LOSS), torch.tensor(LOSS), torch.tensor([LOSS], requires_grad=True)],
)
def test_a_step_may_return_a_number_of_every_make(returned):
    assert loss_of(returned) == LOSS
    assert type(loss_of(returned)) is float


class Unreduced(LogisticTask):
    """Its steps return the loss of each sample."""

    def start(self, seed):
        training = super().start(seed)
        step = training.step
        training.step = lambda lr: np.full(100, step(lr))
        return training


def test_whoever_returns_the_losses_of_all_samples_is_told_by_all_that_train(tmp_path):
    message = r"step must return the loss as one number, got array\(\[.* \.\.\.; return its mean over the batch$"
    with pytest.raises(TypeError, match=f"^{message}"):
        find(Unreduced(), seeds=[0])
    with pytest.raises(TypeError, match=f"^{message}"):
        compare(Unreduced(), ["cosine()"], folder=tmp_path, steps=10, rates=[0.1], version="1")
    with pytest.raises(AssertionError, match=f"^{message}"):
        check_task(Unreduced())


def written(folder, text):
    file = folder / "mine.py"
    file.write_text(text)
    return file


def test_of_the_names_in_a_file_its_own_functions_alone_are_offered(tmp_path):
    file = written(tmp_path, "from math import sqrt\nfrom pathlib import Path\n\ndef model():\n    pass\n")
    with pytest.raises(TaskError) as caught:
        load_task(f"{file}:start")
    assert str(caught.value) == f"{file}: there is no 'start'; the file has model"


def test_an_error_names_the_last_line_of_the_file_that_it_came_through(tmp_path):
    file = written(tmp_path, "def inner():\n    raise KeyError('x')\n\ndef task():\n    inner()\n")
    with pytest.raises(TaskError, match=r"mine\.py:task, line 2: KeyError: 'x'$"):
        load_task(f"{file}:task")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import os\nx = = 1\n", "mine.py, line 2: SyntaxError: invalid syntax (mine.py, line 2)"),
        ("import sys\n\nsys.exit(3)\n", "mine.py, line 3: SystemExit: 3"),
        ("raise ValueError\n", "mine.py, line 1: ValueError: no message"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_with_its_place(text, said, tmp_path):
    with pytest.raises(TaskError) as caught:
        load_task(f"{written(tmp_path, text)}:task")
    assert str(caught.value) == said


def test_a_file_imports_its_neighbour_before_anything_else_of_that_name(tmp_path, monkeypatch):
    folders = [tmp_path / "elsewhere", tmp_path / "here"]
    for folder in folders:
        folder.mkdir()
        (folder / "one_of_two.py").write_text(f"raise RuntimeError('the one {folder.name}')\n")
    monkeypatch.syspath_prepend(folders[0])
    with pytest.raises(TaskError, match="RuntimeError: the one here"):
        load_task(f"{written(folders[1], 'import one_of_two')}:task")


def test_a_path_may_have_a_colon_in_it(tmp_path):
    folder = tmp_path / "a:b"
    folder.mkdir()
    file = written(folder, "")
    assert split_reference(f"{file}:task") == (file, "task")


def test_what_is_installed_in_the_users_folder_is_not_the_users_own(tmp_path):
    file, installed = written(tmp_path, ""), tmp_path / ".venv" / "site-packages" / "other.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("")
    (tmp_path / "near.py").write_text("")
    assert is_beside(tmp_path / "near.py", file)
    assert not is_beside(installed, file)


def test_the_number_of_threads_is_one_and_then_what_it_was(monkeypatch):
    was = dict(zip(ONE_THREAD, ["5", None, "7"], strict=True))
    for name, value in was.items():
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    with one_thread():
        assert [os.environ[name] for name in ONE_THREAD] == ["1"] * 3
    assert {name: os.environ.get(name) for name in ONE_THREAD} == was


SCRIPT = """
import torch
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
inputs = torch.randn(8, 3)
for epoch in range(10**9):
    loss = model(inputs).square().mean()
    loss.backward()
    optimizer.step()

def task():
    return None
"""


@pytest.mark.parametrize("torch_is_there", [False, True])
def test_a_file_that_trains_when_it_is_imported_is_noticed_before_it_trains_through(tmp_path, torch_is_there):
    (tmp_path / "tutorial.py").write_text(SCRIPT)
    first = "import torch\n" if torch_is_there else ""
    code = f"{first}from ratesmith.task import load_task\nload_task('tutorial.py:task')"
    out = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert out.stderr.splitlines()[-1] == (
        "ratesmith.task.TaskError: tutorial.py, line 9: the file must not train when it is imported, got an "
        'optimizer\'s update; put the training under if __name__ == "__main__":'
    )


def test_after_a_file_is_imported_training_is_free_again(tmp_path):
    (tmp_path / "harmless.py").write_text(
        "import torch\nweight = torch.nn.Parameter(torch.zeros(1))\ndef task(): pass\n"
    )
    with pytest.raises(TaskError, match="this must be a task or a function that gives one"):
        load_task(f"{tmp_path / 'harmless.py'}:task")
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1).step()
