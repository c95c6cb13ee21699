"""Measurements as a training loop hands them over: by name, as numbers, the same on every rank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from ratesmith.controllers import Adaptive, Chained


def read_metrics(metrics: float | Mapping[str, float], controllers: Iterable[Any]) -> dict[str, float] | None:
    """Return measurements by name, the mean over all ranks; None where no controller listens.

    One number without a name is for all that listen to one metric. Raise ValueError if they listen to several, and
    TypeError for what is no number.
    """
    names = sorted({name for controller in controllers for name in _listens_to(controller)})
    if isinstance(metrics, Mapping):
        given = {str(name): _number(str(name), value) for name, value in metrics.items()}
    elif len(names) > 1:
        raise ValueError(
            f"ScheduleLR: metrics must be given by name, got {metrics!r} for {' and '.join(names)}; give a dict"
        )
    else:
        given = dict.fromkeys(names, _number("metrics", metrics))
    return agree_on_every_rank(given) if names else None


def _number(name: str, value: Any) -> float:
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"ScheduleLR: {name} must be one number, got {value!r}; give a measurement such as the validation loss"
        ) from None


def _listens_to(controller: Any) -> set[str]:
    if isinstance(controller, Chained):
        return {name for part in controller.parts for name in _listens_to(part)}
    return {controller.metric} if isinstance(controller, Adaptive) and hasattr(controller, "metric") else set()


def agree_on_every_rank(metrics: dict[str, float]) -> dict[str, float]:
    """Return the mean of all ranks' measurements, the same to the last bit on each; alone, return them as they are."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return metrics
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    names = sorted(metrics)
    values = torch.tensor([metrics[name] for name in names], dtype=torch.float64, device=device)
    distributed.all_reduce(values)
    values /= distributed.get_world_size()
    distributed.broadcast(values, src=0)
    return dict(zip(names, values.tolist(), strict=True))
