"""Rates without a scheduler: set for one step, refused below 0, or turned into tensors for compiled updates."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

from ratesmith._checks import Option, OptionValueError
from ratesmith.schedule import Schedule


def apply(
    optimizer: Optimizer,
    schedule: Schedule,
    step: int,
    base_lrs: Iterable[float] | None = None,
    *,
    allow_negative: bool = False,
) -> None:
    """Set each group's rate for a step, in a loop that counts its steps itself; nothing is kept.

    The rate is `schedule(step)`, or with `base_lrs`, one number a group, that number times it. Raise ValueError for one
    below 0, unless `allow_negative` says that it is meant.

    >>> from ratesmith import Ramp
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> apply(optimizer, 0.5 * Ramp(1.0, 0.0, 10), step=5)
    >>> optimizer.param_groups[0]["lr"]
    0.25
    """
    value, groups = float(schedule(step)), optimizer.param_groups
    bases = [1.0] * len(groups) if base_lrs is None else list(base_lrs)
    if len(bases) != len(groups):
        raise ValueError(
            f"apply: base_lrs must be one number a group, got {len(bases)} for {len(groups)} groups; mend it"
        )
    rates = [base * value for base in bases]
    if not allow_negative:
        refuse_negative("apply", rates, step)
    set_rates(optimizer, rates)


def refuse_negative(thing: str, rates: Iterable[float], step: int) -> None:
    """Raise ValueError if one of the rates of a step is below 0: the update would climb."""
    if (least := min(rates, default=0.0)) < 0.0:
        raise OptionValueError(
            f"{thing}: the rate must be at least 0, got {least:g} at step {step}; change the schedule, or if it is "
            "meant give ",
            Option("allow_negative="),
            "True (to climb, torch's optimizers take maximize=True)",
        )


def set_rates(optimizer: Optimizer, rates: Iterable[float]) -> None:
    """Set each group's rate; one that is a tensor stays the same tensor."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def tensor_rates(optimizer: Optimizer, *, betas: bool = False) -> None:
    """Turn each group's rate into a tensor of its own, so that a compiled update is not compiled anew for every rate.

    `betas` does the same to betas, for schedules that change them. What it costs: outside of torch.compile, and without
    `fused=True` or `capturable=True`, an update with a tensor rate reads it once for each parameter, and takes the
    slower loop instead of `foreach`. So do this only where the update is compiled, fused or captured.
    """
    if any(group.get("foreach") for group in optimizer.param_groups):
        raise ValueError(
            "tensor_rates: foreach must not be asked for, got foreach=True; use fused=True or capturable=True"
        )
    for group in optimizer.param_groups:
        device = group["params"][0].device if group["params"] else torch.device("cpu")
        group["lr"] = torch.tensor(float(group["lr"]), dtype=torch.float32, device=device)
        if betas and "betas" in group:
            group["betas"] = tuple(torch.tensor(float(beta), device=device) for beta in group["betas"])
