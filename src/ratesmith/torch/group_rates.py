"""The rates of all groups of one or several optimizers, moved together; and which optimizers can be moved so."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith.torch.manual_rates import set_rates


class GroupRates:
    """The rates of all parameter groups, which keep the ratio that they have to the first one that is not 0."""

    def __init__(self, who: str, optimizers: Sequence[Optimizer], led_by: Optimizer | None = None) -> None:
        """Take the rates as they are; of several optimizers only those of `led_by` are moved, if it is given."""
        for optimizer in optimizers:
            _refuse_unfit(who, optimizer)
        self._moved = [led_by] if led_by is not None else list(optimizers)
        rates = [[_own_rate(who, group) for group in optimizer.param_groups] for optimizer in self._moved]
        if not rates or not all(rates):
            raise OptionValueError(f"{who}: ", Option("optimizer"), " must have a parameter group, got none; give one")
        first = next((rate for own in rates for rate in own if rate > 0), None)
        if first is None:
            raise OptionValueError(
                f"{who}: a parameter group's rate must be above 0, got {rates[0][0]!r}; it is what the other groups' "
                "rates are measured by"
            )
        self.base_lr = first
        self._ratios = [[rate / first for rate in own] for own in rates]
        self.by_name = _named(self._moved, rates)
        """The own rates of the groups, if there are several: by their "name", or else as "group 0", "group 1"."""

    def set(self, lr: float) -> None:
        """Set the first group's rate, and those of the others by their ratio to it."""
        for optimizer, ratios in zip(self._moved, self._ratios, strict=True):
            set_rates(optimizer, [lr * ratio for ratio in ratios])


def _named(optimizers: Sequence[Optimizer], rates: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return the rates by the groups' names; of groups that share one, the first."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    names = [str(group.get("name") or f"group {place}") for place, group in enumerate(groups)]
    rate_of: dict[str, float] = {}
    for name, rate in zip(names, (rate for own in rates for rate in own), strict=True):
        rate_of.setdefault(name, rate)
    return rate_of if len(groups) > 1 else {}


def _own_rate(who: str, group: dict[str, Any]) -> float:
    """Return a group's rate: at 0 while a scheduler warms up, the base that the scheduler left in the group."""
    if group.get("lr") is None:
        raise OptionTypeError(
            f"{who}: ",
            Option("optimizer"),
            " must have a rate, got lr=None, with which it sets its own; give a number (Adafactor: lr=1e-3, "
            "relative_step=False)",
        )
    rate = float(group["lr"])
    return rate if rate else float(group.get("initial_lr", 0.0))


def _refuse_unfit(who: str, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise OptionTypeError(
            f"{who}: ", Option("optimizer"), f" must be a torch Optimizer, got {type(optimizer).__name__}; give one"
        )
    if isinstance(optimizer, torch.optim.LBFGS):
        raise OptionTypeError(
            f"{who}: ",
            Option("optimizer"),
            " must update from one gradient, got LBFGS, which calls the model several times; its rate is a first guess "
            "of its line search, so leave it at 1",
        )
    if _needs_closure(optimizer):
        raise OptionTypeError(
            f"{who}: ",
            Option("optimizer"),
            f" must update from one gradient, got {type(optimizer).__name__}, whose step must be given a closure; give "
            "one whose step() can be called without",
        )


def _needs_closure(optimizer: Optimizer) -> bool:
    """Whether `step` cannot be called without an argument, as that of SAM."""
    try:
        # Of the class: a scheduler of torch's puts a function before the object's own.
        _, *parameters = inspect.signature(type(optimizer).step).parameters.values()
    except (TypeError, ValueError):  # written in C
        return False
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(parameter.default is parameter.empty and parameter.kind not in several for parameter in parameters)


def unwrapped(optimizer: Any) -> Any:
    """Return the optimizer inside Accelerate's; others that wrap one do more than that, and stay."""
    return optimizer.optimizer if type(optimizer).__module__.startswith("accelerate.") else optimizer


def optimizers_of(given: Any, who: str) -> list[Any]:
    """Return the optimizers that were given: one, or several in a list, a tuple or a dict; Accelerate's unwrapped."""
    if isinstance(given, Mapping):
        given = list(given.values())
    several: Iterable[Any] = given if isinstance(given, (list, tuple)) else [given]
    optimizers = list(map(unwrapped, several))
    if len({id(optimizer) for optimizer in optimizers}) < len(optimizers):
        raise OptionValueError(f"{who}: ", Option("optimizer"), " must be given once, got one twice; give it once")
    return optimizers
