"""Schedulers of torch as values: what one would do, without its optimizer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from torch.optim import lr_scheduler

from ratesmith.controllers import Plateau
from ratesmith.schedule import Constant, Product, Schedule, Sequence
from ratesmith.shapes import Custom, Exponential, Milestones, Ramp, Staircase


def from_torch(scheduler: lr_scheduler.LRScheduler) -> Schedule | Plateau:
    """Return the factor of the base rates that a torch scheduler, or a drop-in, applies at each step from its first.

    `scheduler.base_lrs[i] * from_torch(scheduler)(step)` is group i's rate. Raises ValueError for what is no function
    of the step (MultiplicativeLR, SWALR, a chain that overwrites), for groups with different factors, and for a
    one-cycle whose peak lies between two steps.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    >>> print(from_torch(torch.optim.lr_scheduler.StepLR(optimizer, 30)))
    Staircase(30)
    """
    for kind in type(scheduler).__mro__:
        if kind.__name__ in _READERS and issubclass(kind, lr_scheduler.LRScheduler):
            value: Schedule | Plateau = _READERS[kind.__name__](scheduler)
            return value
    raise _refusal(scheduler, "it is no function of the step")


def _refusal(scheduler: Any, why: str) -> ValueError:
    name = type(scheduler).__name__
    return ValueError(
        f"from_torch: {name} must be a factor of the step that all groups share, but {why}; use the drop-in"
    )


def _share(scheduler: Any, rate: Any) -> float:
    """Return an absolute rate as a share of the base rates, which must then be the same."""
    if float(rate) == 0.0:
        return 0.0
    shares = {float(rate) / float(base) for base in scheduler.base_lrs}
    if len(shares) > 1:
        raise _refusal(scheduler, "an absolute rate is another share of each group's own")
    return shares.pop()


def _one_function(scheduler: Any) -> Schedule:
    if any(function is not scheduler.lr_lambdas[0] for function in scheduler.lr_lambdas):
        raise _refusal(scheduler, "each group has a function of its own")
    return Custom(scheduler.lr_lambdas[0])


def _milestones(scheduler: Any) -> Schedule:
    most = max(scheduler.milestones.values(), default=1)
    levels = [sorted(at for at, times in scheduler.milestones.items() if times > level) for level in range(most)]
    stairs = [Milestones(tuple(level), scheduler.gamma) for level in levels]
    return stairs[0] if len(stairs) == 1 else Product(tuple(stairs))


def _cosine(scheduler: Any) -> Schedule:
    low = _share(scheduler, scheduler.eta_min)
    return (Ramp(1.0, low, scheduler.T_max, "cosine") >> Ramp(low, 1.0, scheduler.T_max, "cosine")).repeat()


def _cyclic(scheduler: Any) -> Schedule:
    tops = {float(high) / float(low) for low, high in zip(scheduler.base_lrs, scheduler.max_lrs, strict=True)}
    if scheduler.mode not in ("triangular", "triangular2", "exp_range") or scheduler._scale_fn_custom is not None:
        raise _refusal(scheduler, "it has a scale function of its own")
    if len(tops) > 1:
        raise _refusal(scheduler, "the groups' heights differ")
    up = round(scheduler.total_size * scheduler.step_ratio)
    triangle = Ramp(0.0, 1.0, up) >> Ramp(1.0, 0.0, round(scheduler.total_size) - up)
    waves: Schedule = triangle.repeat(height=0.5 if scheduler.mode == "triangular2" else 1.0)
    if scheduler.mode == "exp_range":
        waves = waves * Exponential(scheduler.gamma)
    return 1.0 + (tops.pop() - 1.0) * waves


def _one_cycle(scheduler: Any) -> Schedule:
    groups = scheduler.optimizer.param_groups
    parts: list[Schedule] = []
    began = 0.0
    for phase in scheduler._schedule_phases:
        if not float(phase["end_step"]).is_integer() or phase["end_step"] <= began:
            raise _refusal(scheduler, f"its phase ends at step {phase['end_step']:g}, between two")
        ends = {tuple(group[phase[edge]] / group["initial_lr"] for edge in ("start_lr", "end_lr")) for group in groups}
        if len(ends) > 1:
            raise _refusal(scheduler, "the groups' heights differ")
        shape = "linear" if scheduler._anneal_func_type == "linear" else "cosine"
        begin, end = ends.pop()
        parts.append(Ramp(begin, end, round(phase["end_step"] - began), shape))
        began = phase["end_step"]
    return Sequence(tuple(parts))


def _sequence(scheduler: Any) -> Schedule:
    children = [_child(child) for child in scheduler._schedulers]
    lengths = [later - sooner for sooner, later in itertools.pairwise((0, *scheduler._milestones))]
    return Sequence((*(child.take(length) for child, length in zip(children, lengths, strict=False)), children[-1]))


def _chain(scheduler: Any) -> Schedule:
    for child in scheduler._schedulers:
        names = {kind.__name__ for kind in type(child).__mro__}
        floored = getattr(child, "eta_min", 0.0) != 0.0 or "CosineAnnealingLR" in names
        if floored or names & {"LambdaLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR", "SequentialLR"}:
            raise _refusal(scheduler, f"in a chain {type(child).__name__} overwrites, or adds to, what the others did")
    return Product(tuple(_child(child) for child in scheduler._schedulers))


def _child(scheduler: Any) -> Schedule:
    found = from_torch(scheduler)
    if not isinstance(found, Schedule):
        raise _refusal(scheduler, "it listens to a metric")
    return found


def _plateau(scheduler: Any) -> Plateau:
    lowest = {
        float(low) / float(group["lr"])
        for low, group in zip(scheduler.min_lrs, scheduler.optimizer.param_groups, strict=True)
    }
    if len(lowest) > 1:
        raise _refusal(scheduler, "min_lr is another share of each group's rate")
    return Plateau(
        scheduler.factor,
        scheduler.patience,
        scheduler.threshold,
        "torch" if scheduler.threshold_mode == "rel" else "abs",
        scheduler.cooldown,
        lowest.pop(),
        mode=scheduler.mode,
    )


_READERS: dict[str, Callable[[Any], Any]] = {
    "LambdaLR": _one_function,
    "StepLR": lambda scheduler: Staircase(scheduler.step_size, scheduler.gamma),
    "MultiStepLR": _milestones,
    "ConstantLR": lambda scheduler: Constant(scheduler.factor, scheduler.total_iters) >> Constant(),
    "LinearLR": lambda scheduler: Ramp(scheduler.start_factor, scheduler.end_factor, scheduler.total_iters),
    "ExponentialLR": lambda scheduler: Exponential(scheduler.gamma),
    "PolynomialLR": lambda scheduler: Ramp(1.0, 0.0, scheduler.total_iters, scheduler.power),
    "CosineAnnealingLR": _cosine,
    "CosineAnnealingWarmRestarts": lambda scheduler: Ramp(
        1.0, _share(scheduler, scheduler.eta_min), scheduler.T_0, "cosine"
    ).repeat(growth=scheduler.T_mult),
    "CyclicLR": _cyclic,
    "OneCycleLR": _one_cycle,
    "SequentialLR": _sequence,
    "ChainedScheduler": _chain,
    "ReduceLROnPlateau": _plateau,
}
