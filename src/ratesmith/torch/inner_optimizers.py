"""Optimizers inside an optimizer, as wrappers keep them, whose groups need not be the wrapper's own."""

from __future__ import annotations

from torch.optim import Optimizer

from ratesmith.torch.key import Group


def inner_optimizers(optimizer: Optimizer) -> list[Optimizer]:
    """Return the optimizers that one holds, by themselves or in a list, and that train weights of its groups."""
    attributes = list(vars(optimizer).values())
    lists = [list(value) for value in attributes if isinstance(value, (list, tuple))]
    inner = [part for value in (attributes, *lists) for part in value if isinstance(part, Optimizer)]
    weights = _weights(optimizer) if inner else set()
    return [part for part in inner if part is not optimizer and not weights.isdisjoint(_weights(part))]


def groups_apart(optimizer: Optimizer) -> list[tuple[Group, Group, str]]:
    """Return the groups of an optimizer, each with one of the same weights in an optimizer inside it, and its name."""
    inner = inner_optimizers(optimizer)
    owners = {id(part): group for group in optimizer.param_groups for part in group["params"]} if inner else {}
    pairs = []
    for part in inner:
        for group in part.param_groups:
            outer = next((owners[id(weight)] for weight in group["params"] if id(weight) in owners), group)
            if outer is not group and "lr" in outer and "lr" in group:
                pairs.append((outer, group, type(part).__name__))
    return pairs


def _weights(optimizer: Optimizer) -> set[int]:
    return {id(weight) for group in optimizer.param_groups for weight in group["params"]}
