"""Drop-in for torch.optim.lr_scheduler: the same names and calls, with rates from the closed form of the step.

Each class is a subclass of torch's class of the same name, so trainers that test for it accept it, and options,
attributes and checkpoints are torch's own. Only where the rate comes from differs: from the step and the base rate, not
from the rate of the step before. Where somebody else changed a group's rate in between (a second scheduler, or
your own code), the change is kept and scaled on, as torch's chainable schedulers do. What of torch's is mended is
listed in docs/torch.md.
"""

from typing import Any

from torch.optim import lr_scheduler as _torchs
from torch.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING as EPOCH_DEPRECATION_WARNING
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.lr_scheduler import _LRScheduler as _LRScheduler

from ratesmith.torch.lr_scheduler.closed import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from ratesmith.torch.lr_scheduler.composite import ChainedScheduler, SequentialLR
from ratesmith.torch.lr_scheduler.cyclic import SWALR, CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from ratesmith.torch.lr_scheduler.functions import LambdaLR, MultiplicativeLR
from ratesmith.torch.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "SWALR",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


def __getattr__(name: str) -> Any:
    """Return what else torch's module has, such as the helpers that schedulers of others import from it."""
    if name.startswith("__") or not hasattr(_torchs, name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_torchs, name)
