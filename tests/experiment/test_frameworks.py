"""Whether a task trains with PyTorch is told by its class and by what it holds."""

import pytest
from numpy_task import LogisticTask

from ratesmith.experiment.frameworks import uses_torch

torch = pytest.importorskip("torch")
from ratesmith.torch import TorchTask  # noqa: E402

DATA = torch.zeros(8, 1), torch.zeros(8, 1)


class Holding:
    """A task or training that holds something."""

    def __init__(self, held):
        self.held = held


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (torch.nn.Linear(1, 1), True),
        ([torch.nn.Linear(1, 1)], True),
        ({"optimizer": torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])}, True),
        ([1.0, "torch"], False),
        (None, False),
    ],
)
def test_a_task_of_ones_own_tells_its_framework_by_what_it_holds(thing, expected):
    assert uses_torch(Holding(thing)) is expected


def test_a_torch_task_is_one_and_a_task_in_numpy_is_none():
    task = TorchTask(
        model=lambda: torch.nn.Linear(1, 1),
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        loss=torch.nn.functional.mse_loss,
        train=DATA,
        validation=DATA,
    )
    assert uses_torch(task) is True
    other = LogisticTask()
    assert uses_torch(other, other.start(0)) is False
