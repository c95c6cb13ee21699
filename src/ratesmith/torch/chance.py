"""Whether a model was trained before, as its first loss shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from ratesmith.torch.loop_options import IGNORED

FEWEST: Final = 2
"""Labels that a first batch must have: a guess is often right about one."""


def is_below_chance(loss: Tensor, output: Any, target: Any, *, of_model: bool) -> bool:
    """Whether a loss is under half of what equal chances for all classes give, as that of a trained model is.

    Known only of logits beside whole numbers, which a dict holds as "labels". Unless the loss is the model's own
    (`of_model`), the cross-entropy of the logits must be as low: a focal or a scaled loss is small from the beginning.
    """
    logits, labels = _logits(output), target.get("labels") if isinstance(target, Mapping) else target
    if not (isinstance(logits, Tensor) and isinstance(labels, Tensor)) or labels.is_floating_point():
        return False
    # PyTorch's own losses have the classes in the second place, and losses that flatten all before them in the last.
    second = logits.dim() >= 2 and logits.shape[:1] + logits.shape[2:] == labels.shape
    last = logits.dim() >= 2 and logits.shape[:-1] == labels.shape
    ways = [logits.movedim(1, -1)] * second + [logits] * (last and not (second and logits.dim() == 2))
    return bool(ways) and all(_is_low(loss, way, labels, of_model) for way in ways)


def _is_low(loss: Tensor, logits: Tensor, labels: Tensor, of_model: bool) -> bool:
    classes = logits.shape[-1]
    chance = math.log(classes)
    if classes < 2 or loss.item() >= chance / 2:
        return False
    counted = labels != IGNORED
    if int(counted.sum()) < FEWEST:
        return False
    chosen = labels[counted].long()
    # A label that is no class would end a GPU's process.
    if of_model or chosen.min() < 0 or chosen.max() >= classes:
        return of_model
    with torch.no_grad():
        return nn.functional.cross_entropy(logits[counted].float(), chosen).item() < chance / 2


def _logits(output: Any) -> Any:
    """Return the logits in a model's output: `.logits`, `["logits"]`, or the first of a tuple that is no number."""
    if isinstance(output, Mapping):
        return output.get("logits")
    if isinstance(output, (tuple, list)):
        return next((part for part in output if isinstance(part, Tensor) and part.dim()), None)
    return getattr(output, "logits", output)
