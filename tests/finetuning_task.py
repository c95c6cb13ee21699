"""Fine-tunings on scikit-learn's digits: networks that learned the images as they are, tuned on darkened ones."""

import copy
from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import nn

from ratesmith.torch import TorchTask

IMAGES, LABELS = (torch.tensor(array) for array in load_digits(return_X_y=True))
IMAGES = IMAGES.float() / 16
DARK = 0.7 - 0.5 * IMAGES
CE = nn.functional.cross_entropy


class Adapted(nn.Module):
    """A frozen linear layer with a low-rank adapter (LoRA)."""

    def __init__(self, layer, rank=4):
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down = nn.Linear(layer.in_features, rank, bias=False)
        self.up = nn.Linear(rank, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.layer(x) + 2 * self.up(self.down(x))


@cache
def learnt():
    """Return a network that has learned the digits as they are."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(300):
        batch = torch.randint(1200, (32,))
        optimizer.zero_grad()
        CE(model(IMAGES[batch]), LABELS[batch]).backward()
        optimizer.step()
    return model


def adapted():
    """Return the network with adapters beside its linear layers, which are frozen as the rest is."""
    model = copy.deepcopy(learnt()).requires_grad_(False)
    torch.manual_seed(0)
    return nn.Sequential(Adapted(model[0]), model[1], model[2], Adapted(model[3]))


def headed():
    """Return the network, frozen, with a new head."""
    model = copy.deepcopy(learnt()).requires_grad_(False)
    torch.manual_seed(0)
    model[3] = nn.Linear(48, 10)
    return model


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def tuned(**options):
    """Return the task of tuning it on darkened images."""
    given = {
        "model": lambda: copy.deepcopy(learnt()),
        "optimizer": sgd,
        "loss": CE,
        "train": (DARK[:256], LABELS[:256]),
        "validation": (DARK[1200:], LABELS[1200:]),
        "batch_size": 16,
    }
    return TorchTask(**{**given, **options})


def tuned_and_known():
    """Return the task, which says that its model was trained before."""
    return tuned(pretrained=True)


def more_of_the_same():
    """Return the task of going on with the images as they are, whose first loss shows what the model knows."""
    return tuned(train=(IMAGES[:256], LABELS[:256]), validation=(IMAGES[1200:], LABELS[1200:]))
