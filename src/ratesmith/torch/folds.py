"""Folds: samples dealt out to equal parts once for all, every class to each of them; and splits joined to be cut so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset, TensorDataset


def fold_of_each(samples: int, folds: int, classes: Tensor | None = None) -> Tensor:
    """Return the fold of each sample, shape (samples,): by chance, the same at each call.

    Folds differ by one sample at the most. So they do within each class, if `classes` are given, of shape (samples,).
    """
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(0))
    if classes is not None:
        order = order[torch.argsort(classes[order].cpu(), stable=True)]
    dealt = torch.empty(samples, dtype=torch.long)
    dealt[order] = torch.arange(samples) % folds
    return dealt


def classes_of(given: Any) -> Tensor | None:
    """Return the class index of each sample; None for targets that are none, and a dataset that does not say them.

    A dataset says them as torchvision's do, by `targets`.
    """
    if isinstance(given, TensorDataset):
        given = given.tensors
    if isinstance(given, tuple):
        return _class_indices(given[-1]) if len(given) > 1 else None
    if isinstance(given, ConcatDataset):
        parts = [classes_of(part) for part in given.datasets]
        known = [part for part in parts if part is not None]
        return torch.cat(known) if len(known) == len(parts) else None
    if isinstance(given, Subset):
        classes = classes_of(given.dataset)
        return None if classes is None else classes[torch.as_tensor(given.indices, dtype=torch.long)]
    targets = getattr(given, "targets", None)
    if isinstance(targets, (Tensor, list)) and len(targets) == len(given):
        try:
            return _class_indices(torch.as_tensor(targets))
        except (TypeError, ValueError, RuntimeError):  # texts, or lists of several lengths
            return None
    return None


def _class_indices(targets: Tensor) -> Tensor | None:
    whole = not (targets.is_floating_point() or targets.is_complex())
    return targets if whole and targets.dim() == 1 else None


def joined(given: Sequence[Any]) -> Any:
    """Return splits, tensors or datasets each, as one; raise ValueError, with what was got, for those that differ."""
    if len(given) == 1:
        return given[0]
    tuples = [(split,) if isinstance(split, Tensor) else split for split in given]
    if all(isinstance(split, tuple) for split in tuples):
        kinds = [[(tensor.dtype, tensor.shape[1:]) for tensor in split] for split in tuples]
        if any(kind != kinds[0] for kind in kinds):
            raise ValueError(" and ".join(_described(split) for split in tuples))
        parts = tuple(torch.cat(tensors) for tensors in zip(*tuples, strict=True))
        return parts[0] if isinstance(given[0], Tensor) else parts
    if any(isinstance(split, tuple) for split in tuples):
        raise ValueError(" and ".join("tensors" if isinstance(split, tuple) else "a dataset" for split in tuples))
    return ConcatDataset(given)


def _described(tensors: Sequence[Tensor]) -> str:
    shapes = (f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}" for tensor in tensors)
    return f"tensors of {', '.join(shapes)}"
