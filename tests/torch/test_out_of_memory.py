"""Memory that does not suffice is one line that says for what, and an error that a search can know."""

import copy
import gc
import pickle
import re
import weakref

import pytest
import torch
from finetuning_task import CE, IMAGES, LABELS, sgd
from torch import nn
from torch.utils.data import DataLoader, Dataset
from trained import same

from ratesmith.cli import run
from ratesmith.task import TaskError, is_out_of_memory
from ratesmith.torch import TorchTask, find

MUCH = 10**15
"""More floating numbers than any machine holds."""


class Hungry(nn.Linear):
    """A model whose pass wants more memory than there is, with batches of more than `most`, or when it measures."""

    def __init__(self, most, error=None, measuring=False):
        super().__init__(64, 10)
        self.most, self.error, self.measuring = most, error, measuring

    def forward(self, x):
        if len(x) > self.most and self.training != self.measuring:
            if self.error is not None:
                raise self.error
            torch.empty(MUCH)
        return super().forward(x)


def task(batch_size=32, **model):
    return TorchTask(
        model=lambda: Hungry(**model),
        optimizer=sgd,
        loss=CE,
        train=(IMAGES[:256], LABELS[:256]),
        validation=(IMAGES[256:512], LABELS[256:512]),
        batch_size=batch_size,
    )


ERRORS = {
    "of a processor": None,
    "of a GPU": torch.cuda.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total " + "x" * 400
    ),
    "an older one": RuntimeError("CUDA out of memory. Tried to allocate 2.00 MiB"),
    "of a library": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "of Python": MemoryError(),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_an_update_says_for_how_many_samples_it_does_not_suffice(error):
    with pytest.raises(MemoryError) as caught:
        task(most=16, error=error).start(0).step(0.1)
    message = str(caught.value)
    assert message.startswith("TorchTask: memory must suffice for an update with a batch of 32 samples, got ")
    remedy = (
        "give smaller batches (accumulate= makes updates of several), or let fewer trainings and workers run at a time"
    )
    assert message.endswith(f"; {remedy}")
    assert "\n" not in message
    assert len(message) < 420
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(pickle.loads(pickle.dumps(caught.value))), "as a worker hands it over"
    assert task(most=16, error=error, batch_size=16).start(0).step(0.1) > 0


def test_a_measurement_says_it_too_whose_batches_are_larger():
    training = task(most=32, measuring=True).start(0)
    training.step(0.1)
    with pytest.raises(MemoryError, match="TorchTask: memory must suffice for a measurement with a batch of 256 samp"):
        training.evaluate()
    assert training._loop.model.training, "flags are put back"


def test_other_errors_come_through_as_they_are():
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError) as caught:
        task(most=16, error=error).start(0).step(0.1)
    assert caught.value is error


def test_find_says_it_and_leaves_all_as_it_was():
    torch.manual_seed(0)
    model = Hungry(most=16)
    optimizer = sgd(model)
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict(), torch.get_rng_state()))
    data = DataLoader(torch.utils.data.TensorDataset(IMAGES[:256], LABELS[:256]), 32, shuffle=True)
    with pytest.raises(
        MemoryError, match="find: memory must suffice for an update with a batch of 32 samples, got Run"
    ):
        find(model, optimizer, CE, data)
    assert same((model.state_dict(), optimizer.state_dict(), torch.get_rng_state()), before)


def test_copies_for_which_it_does_not_suffice_are_told(monkeypatch):
    def clone(self):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    model = nn.Linear(64, 10)
    optimizer = sgd(model)
    hooks = dict(optimizer._optimizer_step_post_hooks)
    monkeypatch.setattr(torch.Tensor, "clone", clone)
    with pytest.raises(
        MemoryError, match="find: memory must suffice for a copy of the model and of what its optimizer"
    ):
        find(model, optimizer, CE, (IMAGES, LABELS))
    assert optimizer._optimizer_step_post_hooks == hooks


def test_the_tensors_of_the_update_are_let_go_though_the_error_is_kept():
    held = []

    class Holding(Hungry):
        def forward(self, x):
            kept = x + 0
            held.append(weakref.ref(kept))
            return super().forward(kept)

    training = TorchTask(
        model=lambda: Holding(16), optimizer=sgd, loss=CE, train=(IMAGES, LABELS), validation=(IMAGES, LABELS)
    ).start(0)
    with pytest.raises(MemoryError) as caught:
        training.step(0.1)
    gc.collect()
    assert held
    assert all(tensor() is None for tensor in held)
    assert caught.value.__cause__ is caught.value.__context__ is None


class Heavy(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        torch.empty(MUCH)


@pytest.mark.parametrize("workers", [0, 1])
def test_data_for_which_it_does_not_suffice_are_told_also_in_a_worker(workers):
    training = TorchTask(
        model=lambda: nn.Linear(64, 10),
        optimizer=sgd,
        loss=CE,
        train=DataLoader(Heavy(), 8, num_workers=workers),
        validation=(IMAGES, LABELS),
    ).start(0)
    with pytest.raises(MemoryError, match=r"TorchTask: memory must suffice for an update, got RuntimeError: "):
        training.step(0.1)


def test_the_command_says_it_in_one_line(tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(
        f"import sys; sys.path.insert(0, {__file__.rpartition('/torch/')[0]!r})\n"
        f"import importlib.util as u; spec = u.spec_from_file_location('hungry', {__file__!r})\n"
        "hungry = u.module_from_spec(spec); spec.loader.exec_module(hungry)\n"
        "def task(): return hungry.task(most=16)\n"
    )
    assert run(["find", f"{file}:task", "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert re.search(r"MemoryError: TorchTask: memory must suffice for an update with a batch of 32 samples", error)
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (RuntimeError("HIP out of memory."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes."), True),  # JAX's is one
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("DataLoader worker is killed. It is possible that ... insufficient shared memory (shm)"), True),
        (type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor"), True),
        (ValueError("the words out of memory are in a text of the data"), False),
        (RuntimeError("shape mismatch"), False),
        (None, False),
    ],
)
def test_errors_of_every_library_are_known_by_name_or_text(error, known):
    assert is_out_of_memory(error) is known
    if error is not None:
        outer = TaskError("mine.py: it failed")
        outer.__cause__ = error
        assert is_out_of_memory(outer) is known
