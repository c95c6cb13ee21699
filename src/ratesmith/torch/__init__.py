"""Ratesmith for PyTorch: the drop-in schedulers and the task that comparisons train."""

from ratesmith.torch.task import TorchTask

__all__ = ["TorchTask"]
