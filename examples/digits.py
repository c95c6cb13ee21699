"""A small convolutional network on scikit-learn's handwritten digits: the task of the demo."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from ratesmith.torch import TorchTask


def model() -> nn.Module:
    """Two convolutions with batch normalisation, then one linear layer: 5,738 parameters."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(32, 10)),
    )


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Return the share of right answers."""
    return (output.argmax(1) == target).float().mean()


def task() -> TorchTask:
    """1,797 images of 8 x 8, split 60 / 20 / 20: fixed, and stratified by digit."""
    images, digits = load_digits(return_X_y=True)
    images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    digits = torch.tensor(digits)
    rest, test = train_test_split(range(len(digits)), test_size=0.2, stratify=digits, random_state=0)
    train, validation = train_test_split(rest, test_size=0.25, stratify=digits[rest], random_state=0)
    return TorchTask(
        model=model,
        optimizer=lambda net: torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4),
        loss=nn.functional.cross_entropy,
        train=(images[train], digits[train]),
        validation=(images[validation], digits[validation]),
        test=(images[test], digits[test]),
        batch_size=32,
        drop_last=True,
        metrics={"accuracy": accuracy},
    )


def inverse_time(epoch: int) -> float:
    """A rule of one's own for the demo: the rate falls as 1 / (1 + epoch / 2)."""
    return 1 / (1 + epoch / 2)
