"""What else in this process may set a rate: found among all objects, since nothing refers to it.

That takes up to 0.1 s, so it is done only where something was seen already.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any, Final

from torch.optim import lr_scheduler, swa_utils

from ratesmith.torch.bindings import Bindings
from ratesmith.torch.key import near

ANOTHER: Final = "another ScheduleLR"


def may_share(bindings: Bindings) -> bool:
    """Whether others are meant to set the same rates: a chain or sequence of torch's, or its plateau."""
    for scheduler in _objects(lr_scheduler.LRScheduler):
        if any(vars(part).get("_bindings") is bindings for part in vars(scheduler).get("_schedulers", ())):
            return True
        if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) and _is_beside(scheduler, bindings):
            return True
    return False


def others_beside(bindings: Bindings, value: float, any_of_ours: bool) -> str:
    """Return the names of schedulers for the same optimizer that have set a rate; nothing if there are none.

    One of torch's is known by the rate that it says it has set. A second ScheduleLR does not keep its own, so it is
    counted only if `any_of_ours`. SWALR is meant to stand beside another.
    """
    names = []
    for scheduler in _objects(lr_scheduler.LRScheduler):
        own = vars(scheduler).get("_bindings")
        if isinstance(own, Bindings):
            if any_of_ours and own is not bindings and own.claims() & bindings.claims():
                names.append(ANOTHER)
        elif _is_beside(scheduler, bindings) and not isinstance(scheduler, swa_utils.SWALR):
            rates = vars(scheduler).get("_last_lr", ())
            names += [type(scheduler).__name__] * any(near(float(rate), value) for rate in rates)
    return " and ".join(dict.fromkeys(names))


def _is_beside(scheduler: Any, bindings: Bindings) -> bool:
    """Whether a scheduler of torch's sets the rates of the same optimizer."""
    return "_bindings" not in vars(scheduler) and any(
        vars(scheduler).get("optimizer") is optimizer for optimizer in bindings.optimizers
    )


def _objects(kind: type) -> Iterator[Any]:
    """Return the living objects of a class; by their type alone, since a proxy answers for what it stands for."""
    return (thing for thing in gc.get_objects() if issubclass(type(thing), kind))
