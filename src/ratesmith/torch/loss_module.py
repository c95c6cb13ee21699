"""A loss with weights of its own, as in metric learning: each training gets a copy, with what its optimizers hold."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def module_of(loss: Any) -> nn.Module | None:
    """Return the module that a loss is, whose method it is, or that it is a partial of."""
    inner = getattr(loss, "func", None)
    for part in (loss, getattr(loss, "__self__", None), inner, getattr(inner, "__self__", None)):
        if isinstance(part, nn.Module):
            return part
    return None


def own_loss(
    loss: Callable[..., Any] | None, optimizers: Sequence[Optimizer]
) -> tuple[Callable[..., Any] | None, nn.Module | None]:
    """Return a copy of a loss for one training, and the module in it; the loss itself if nothing in it is trained.

    The user's optimizer was made with the weights of the loss that was given: those of the copy take their place, also
    in what the optimizer keeps for each weight. Weights that are frozen, as those of a network that compares images,
    are shared.
    """
    module = module_of(loss)
    if module is None or not (any(w.requires_grad for w in module.parameters()) or any(True for _ in module.buffers())):
        return loss, None
    memo: dict[int, Any] = {id(weight): weight for weight in module.parameters() if not weight.requires_grad}
    copied = copy.deepcopy(loss, memo)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            given = group["params"]
            group["params"] = [memo.get(id(weight), weight) for weight in given]
            for weight, new in zip(given, group["params"], strict=True):
                if new is not weight and weight in optimizer.state:
                    optimizer.state[new] = copy.deepcopy(optimizer.state.pop(weight))
    return copied, module_of(copied)


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """Return copies of what a training changes in a loss: weights that are not frozen, and buffers."""
    return {name: tensor.detach().clone() for name, tensor in _trained(module)}


def load_trained_state(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Put a loss back to what `trained_state` returned."""
    with torch.no_grad():
        for name, tensor in _trained(module):
            tensor.copy_(state[name])


def _trained(module: nn.Module) -> list[tuple[str, Tensor]]:
    weights = [(name, weight) for name, weight in module.named_parameters() if weight.requires_grad]
    return [*weights, *module.named_buffers()]
