"""PyTorch: schedules for your own loop and trainer, and training for `find` and `compare`."""

from ratesmith.torch.scheduler import Absolute, ScheduleLR, Target, apply, tensor_rates
from ratesmith.torch.task import TorchTask

__all__ = ["Absolute", "ScheduleLR", "Target", "TorchTask", "apply", "tensor_rates"]
