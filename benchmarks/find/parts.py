"""What the trainings of this benchmark are made of: two optimizers, small networks, and how data is split."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F

from ratesmith.torch import TorchTask

Pairs = tuple[Tensor, Tensor]


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights that are not frozen."""
    return [weight for weight in model.parameters() if weight.requires_grad]


OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "sgd": lambda net: torch.optim.SGD(trainable(net), lr=0.1, momentum=0.9, weight_decay=5e-4),
    "adamw": lambda net: torch.optim.AdamW(trainable(net), lr=1e-3, weight_decay=0.01),
}


@dataclass(frozen=True)
class Problem:
    """A training: how many updates it lasts, and its task for an optimizer's name."""

    name: str
    steps: int
    task: Callable[[str], TorchTask]


def supervised(
    optimizer: str,
    model: Callable[[], nn.Module],
    data: tuple[Pairs, Pairs],
    loss: Callable[..., Tensor] = F.cross_entropy,
    batch_size: int = 32,
) -> TorchTask:
    """Return the task of a model on pairs for training and for validation."""
    train, validation = data
    return TorchTask(
        model=model,
        optimizer=OPTIMIZERS[optimizer],
        loss=loss,
        train=train,
        validation=validation,
        batch_size=batch_size,
        drop_last=True,
    )


def mlp(inputs: int, width: int, outputs: int, act: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """Return a perceptron of two hidden layers."""
    return nn.Sequential(
        *(nn.Linear(inputs, width), act()), *(nn.Linear(width, width), act()), nn.Linear(width, outputs)
    )


def convolutions(outputs: int) -> nn.Module:
    """Return two convolutions with batch normalisation, then one linear layer."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(32, outputs)),
    )


def split(inputs: Any, targets: Any, classes: bool = True) -> tuple[Pairs, Pairs]:
    """Split into 70% for training and 30% for validation, always the same."""
    inputs, targets = torch.as_tensor(inputs, dtype=torch.float32), torch.as_tensor(targets)
    train, validation = train_test_split(
        range(len(targets)), test_size=0.3, stratify=targets if classes else None, random_state=0
    )
    return (inputs[train], targets[train]), (inputs[validation], targets[validation])


def standardised(train: Pairs, validation: Pairs) -> tuple[Pairs, Pairs]:
    """Shift and scale the inputs by the mean and deviation of those for training."""
    mean, deviation = train[0].mean(0), train[0].std(0)
    return ((train[0] - mean) / deviation, train[1]), ((validation[0] - mean) / deviation, validation[1])
