"""Drop-ins whose rate follows a function of the user's."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim import lr_scheduler

from ratesmith._checks import LARGEST, finite
from ratesmith.torch.lr_scheduler.drop_in import WritesAtOnce, drop_in
from ratesmith.torch.lr_scheduler.writing import (
    close,
    copied,
    goes_on,
    share_with_late_groups,
    take_in_late_groups,
    write_rates,
)


class _OfFunctions(WritesAtOnce):
    """A scheduler with one function for each group."""

    lr_lambdas: list[Any]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a saved state; groups that were added before the load get their function."""
        share_with_late_groups(self, "lr_lambdas")
        super().load_state_dict(state_dict)

    def _shared_factor(self, groups: list[dict[str, Any]]) -> Any:
        """Go on by one step and return the factor of the one function of all groups.

        Return None, with nothing done, where functions differ, a group joined late, or a rate is no plain number.
        """
        functions = self.lr_lambdas
        first = functions[0]
        shared = len(groups) == len(self.base_lrs) == len(functions) == functions.count(first)
        if not shared or self._is_initial or not callable(first):
            return None
        for group in groups:
            if type(group["lr"]) is not float:
                return None
        self.last_epoch = step = self.last_epoch + 1
        factor = first(step)
        return factor if type(factor) is float and -LARGEST <= factor <= LARGEST else _checked(self, step, factor)

    def _take_in(self) -> None:
        if not len(self.optimizer.param_groups) == len(self.base_lrs) == len(self.lr_lambdas):
            take_in_late_groups(self, "lr_lambdas")

    def _factors(self, step: int) -> list[Any]:
        """Return each group's factor; a function that several groups share is called once."""
        self._take_in()
        first = self.lr_lambdas[0]
        if self.lr_lambdas.count(first) == len(self.lr_lambdas):
            return [_value(self, first, step)] * len(self.lr_lambdas)
        different = {id(function): function for function in self.lr_lambdas}
        factors = {key: _value(self, function, step) for key, function in different.items()}
        return [factors[id(function)] for function in self.lr_lambdas]


@drop_in
class LambdaLR(_OfFunctions, lr_scheduler.LambdaLR):
    """Each group's rate is its base times `lr_lambda(epoch)`: one function, or one for each parameter group.

    `ratesmith.recipes.custom` as a scheduler; a function that several groups share is called once a step. Raises
    ValueError where a function gives NaN or infinity. Source: torch.optim.lr_scheduler.LambdaLR.
    """

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the next rates; in one go where all groups share a function."""
        groups = self.optimizer.param_groups
        ours = epoch is None and getattr(self.get_lr, "__func__", None) is LambdaLR.get_lr
        factor = self._shared_factor(groups) if ours else None
        if factor is None:
            super()._update_lr(epoch)
            return
        rates = []
        for group, base in zip(groups, self.base_lrs):  # noqa: B905  # as many of both, and asking it takes as long
            group["lr"] = rate = base * factor
            rates.append(rate)
        self._last_lr = rates
        self._wrote_in = groups[0]

    def get_lr(self) -> list[Any]:
        """Return each group's rate for the step `last_epoch`."""
        factors = self._factors(self.last_epoch)
        return [base * factor for base, factor in zip(self.base_lrs, factors, strict=True)]


@drop_in
class MultiplicativeLR(_OfFunctions, lr_scheduler.MultiplicativeLR):
    """Each group's rate is multiplied by `lr_lambda(epoch)` at every step but the first.

    A function that several groups share is called once a step. Built with `last_epoch`, or sent to a step that is not
    the next one, it multiplies the base by all values up to there. Raises ValueError where a function gives NaN or
    infinity. Source: torch.optim.lr_scheduler.MultiplicativeLR.
    """

    def get_lr(self) -> list[Any]:
        """Return each group's rate for the step `last_epoch`."""
        groups = self.optimizer.param_groups
        if self._is_initial:
            if self.last_epoch == 0:
                return [group["lr"] for group in groups]
            return goes_on(groups, self._products(self.last_epoch - 1), self._products(self.last_epoch))
        factors = self._factors(self.last_epoch)
        return [group["lr"] * factor for group, factor in zip(groups, factors, strict=True)]

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the next rates, or those of a step given by its number."""
        groups = self.optimizer.param_groups
        ours = epoch is None and getattr(self.get_lr, "__func__", None) is MultiplicativeLR.get_lr
        factor = self._shared_factor(groups) if ours else None
        if factor is not None:
            rates = []
            for group in groups:
                group["lr"] = rate = group["lr"] * factor
                rates.append(rate)
            self._last_lr = rates
            self._wrote_in = groups[0]
            return
        there = epoch == 1 and all(map(close, (group["lr"] for group in groups), self._products(1)))  # it was loaded
        if epoch is None or (epoch in (0, self.last_epoch + 1) and not there):  # 0 where a sequence comes to this one
            super()._update_lr(epoch)
            return
        self.last_epoch = epoch
        write_rates(groups, self._products(epoch))
        self._last_lr = [copied(group["lr"]) for group in groups]
        self._wrote_in = groups[0]

    def _products(self, step: int) -> list[Any]:
        self._take_in()
        rates = list(self.base_lrs)
        for at in range(1, step + 1):
            rates = [rate * factor for rate, factor in zip(rates, self._factors(at), strict=True)]
        return rates


def _value(scheduler: Any, function: Any, step: int) -> Any:
    """Return what a function says of a step, or raise an error where that is no number."""
    if not callable(function):
        who = type(scheduler).__name__
        raise TypeError(f"{who}: lr_lambda must be a function of the step, got {function!r}; give one")
    return _checked(scheduler, step, function(step))


def _checked(scheduler: Any, step: int, factor: Any) -> Any:
    """Return what a function said of a step, or raise an error where that is no number."""
    if type(factor) is float and -LARGEST <= factor <= LARGEST:
        return factor
    on_device = isinstance(factor, Tensor) and factor.device.type != "cpu"  # asking it would wait for the device
    if not on_device and not isinstance(factor, (bool, int)):  # conditions are numbers here
        who = f"{type(scheduler).__name__}: lr_lambda({step})"
        finite(who, "its value", factor.item() if hasattr(factor, "item") else factor)
    return factor
