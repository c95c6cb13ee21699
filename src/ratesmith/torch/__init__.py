"""PyTorch: schedules for your own loop and trainer, and training for `find` and `compare`."""

from ratesmith._extras import needs

with needs("ratesmith.torch", extra="torch"):
    import torch as _torch  # noqa: F401

from ratesmith.importers import from_deepspeed, from_megatron, from_transformers
from ratesmith.torch.batch_mean import BatchMean
from ratesmith.torch.controller_lr import ControllerLR
from ratesmith.torch.find import find
from ratesmith.torch.from_torch import from_torch
from ratesmith.torch.manual_rates import apply, tensor_rates
from ratesmith.torch.schedule_lr import Absolute, ScheduleLR, Target
from ratesmith.torch.task import TorchTask
from ratesmith.torch.user_warnings import Information

__all__ = [
    "Absolute",
    "BatchMean",
    "ControllerLR",
    "Information",
    "ScheduleLR",
    "Target",
    "TorchTask",
    "apply",
    "find",
    "from_deepspeed",
    "from_megatron",
    "from_torch",
    "from_transformers",
    "tensor_rates",
]
