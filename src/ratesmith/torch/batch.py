"""A batch, whatever it is made of: moved to a device, and how many samples are in it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def moved(batch: Any, device: torch.device, *, copied: bool = False) -> Any:
    """Return a batch of any kind with its tensors on a device; dicts, tuples, lists and dataclasses keep their types.

    `copied`: in memory of their own, since a loader or a model may use its memory again.
    """
    if isinstance(batch, Tensor):
        if copied:
            return batch.detach().to(device, copy=True)
        return batch.to(device, non_blocking=batch.is_pinned()) if batch.device != device else batch
    if isinstance(batch, Mapping):
        values = {key: moved(value, device, copied=copied) for key, value in batch.items()}
        return values if type(batch) is dict else _like(batch, values)
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(moved(value, device, copied=copied) for value in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(moved(value, device, copied=copied) for value in batch)
    if hasattr(batch, "to"):
        return batch.to(device)
    if not _is_dataclass(batch):
        return batch
    there = copy.copy(batch)  # as `replace` does, but fields that the class computes are moved too
    for field in dataclasses.fields(batch):
        # Frozen ones as well: nobody else has this copy.
        object.__setattr__(there, field.name, moved(getattr(batch, field.name), device, copied=copied))
    return there


def _is_dataclass(batch: Any) -> bool:
    return dataclasses.is_dataclass(batch) and not isinstance(batch, type)


def _parts(batch: Any) -> Sequence[Any]:
    """Return what a batch is made of; nothing if it cannot be looked into."""
    if isinstance(batch, Mapping):
        return list(batch.values())
    if isinstance(batch, (tuple, list)):
        return batch
    return [getattr(batch, field.name) for field in dataclasses.fields(batch)] if _is_dataclass(batch) else []


def _like(batch: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    """Return the values as a mapping of the batch's own class if it can be made of them, else as a dict."""
    try:
        return type(batch)(values)  # type: ignore[call-arg]
    except Exception:  # a class with arguments of its own
        return values


def samples_in(batch: Any) -> int:
    """Return how many samples a batch has; 1 if nothing in it tells.

    The length of the first of its parts that is a tensor; else that of the lists that its parts are, as of images of
    different sizes; else that of what lies in its first part.
    """
    if isinstance(batch, Tensor):
        return len(batch) if batch.dim() else 1
    parts = _parts(batch)
    for part in parts:
        if isinstance(part, Tensor) and part.dim():
            return len(part)
    lengths = {len(part) for part in parts if isinstance(part, (tuple, list)) and not _is_of_tensors(part)}
    if len(lengths) == 1:
        return lengths.pop()
    return samples_in(parts[0]) if parts else 1


def _is_of_tensors(part: Any) -> bool:
    """Whether a list holds parts of a batch, tensors of one length, and not samples."""
    return len({len(inner) if isinstance(inner, Tensor) and inner.dim() else -1 for inner in part} - {-1}) == 1 and all(
        isinstance(inner, Tensor) for inner in part
    )


def first_tensor(batch: Any) -> Tensor | None:
    """Return the first tensor in a batch."""
    if isinstance(batch, Tensor):
        return batch
    return next((tensor for part in _parts(batch) if (tensor := first_tensor(part)) is not None), None)
