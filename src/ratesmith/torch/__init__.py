"""PyTorch: schedules for your own loop and trainer, and training for `find` and `compare`."""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "ratesmith.torch: it needs torch; install torch, or Ratesmith with its extra [torch]", name=error.name
    ) from None

from ratesmith.importers import from_deepspeed, from_megatron, from_transformers
from ratesmith.torch.batch_mean import BatchMean
from ratesmith.torch.controller_lr import ControllerLR
from ratesmith.torch.find import find
from ratesmith.torch.from_torch import from_torch
from ratesmith.torch.manual_rates import apply, tensor_rates
from ratesmith.torch.schedule_lr import Absolute, ScheduleLR, Target
from ratesmith.torch.task import TorchTask

__all__ = [
    "Absolute",
    "BatchMean",
    "ControllerLR",
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
