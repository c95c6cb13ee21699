"""Drop-in for torch.optim.lr_scheduler: the same names and calls, with rates from the closed form of the step.

Each class is a subclass of torch's class of the same name, so trainers that test for it accept it, and options,
attributes and checkpoints are torch's own. Only where the rate comes from differs: from the step and the base rate, not
from the rate of the step before. Where somebody else changed a group's rate in between (a second scheduler, or
your own code), the change is kept and scaled on, as torch's chainable schedulers do.
"""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer, lr_scheduler

from ratesmith._arrays import NUMBERS
from ratesmith._checks import FARTHEST, finite, whole
from ratesmith.shapes import SHAPES

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LambdaLR", "MultiStepLR", "ReduceLROnPlateau", "StepLR"]


class _ClosedForm(lr_scheduler.LRScheduler):
    """A scheduler whose rate in each group is `floor + (base - floor) * factor(step)`."""

    _floor = 0.0

    def _check(self) -> None:
        """Refuse options that cannot hold."""
        raise NotImplementedError

    def _factor(self, step: int) -> Any:
        raise NotImplementedError

    def get_lr(self) -> list[Any]:
        """Give each group's rate for the step `last_epoch`."""
        step = self.last_epoch
        born = not hasattr(self, "_last_lr")
        if born:
            self._check()
        factor = self._factor(step)
        groups = self.optimizer.param_groups
        if step == 0:  # a fresh scheduler scales what it finds: another one may have been built before it
            return [self._blend(group["lr"], factor) for group in groups]
        if born:  # in the middle of a run, with last_epoch: only the bases are known
            return [self._blend(base, factor) for base in self.base_lrs]
        before = self._factor(step - 1)
        bases = zip(groups, self.base_lrs, strict=False)
        rates = [self._next(group["lr"], base, before, factor) for group, base in bases]
        return rates + [self._late(group, before, factor) for group in groups[len(rates) :]]

    def _next(self, now: Any, base: Any, before: Any, factor: Any) -> Any:
        if bool(now == self._blend(base, before)):
            return self._blend(base, factor)
        if before != 0.0:  # somebody else wrote this rate: scale it on
            return self._blend(now, factor / before)
        return now + (base - self._floor) * factor

    def _late(self, group: dict[str, Any], before: Any, factor: Any) -> Any:
        """Scale on the rate of a group that joined in the middle, never above the rate that it joined with."""
        now = group["lr"]
        highest = group.setdefault("initial_lr", now.clone() if hasattr(now, "clone") else now)
        return min(self._blend(now, factor / before), highest) if before != 0.0 else now

    def _blend(self, high: Any, factor: Any) -> Any:
        return high if bool(factor == 1.0) else self._floor + (high - self._floor) * factor


def _integral(value: Any) -> Any:
    """Give a float that is whole as an int, as milestones such as 0.5 * 60 are."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _gamma(who: str, value: Any) -> None:
    finite(who, "gamma", float(value), least=0.0)


class StepLR(_ClosedForm, lr_scheduler.StepLR):
    """Each group's rate times `gamma` every `step_size` steps; `ratesmith.recipes.step` as a scheduler.

    Formula: `base * gamma ** floor(epoch / step_size)`. Source: torch.optim.lr_scheduler.StepLR.
    """

    def _check(self) -> None:
        _gamma("StepLR", self.gamma)
        whole("StepLR", "step_size", _integral(self.step_size), least=1)

    def _factor(self, step: int) -> Any:
        return self.gamma ** (step // self.step_size)


class MultiStepLR(_ClosedForm, lr_scheduler.MultiStepLR):
    """Each group's rate times `gamma` at each of the `milestones`; `ratesmith.recipes.multistep` as a scheduler.

    Formula: `base * gamma ** (number of milestones <= epoch)`; a milestone named twice counts twice.
    Source: torch.optim.lr_scheduler.MultiStepLR.
    """

    def _check(self) -> None:
        _gamma("MultiStepLR", self.gamma)
        for milestone in self.milestones:
            whole("MultiStepLR", "a milestone", _integral(milestone), least=-FARTHEST)

    def _factor(self, step: int) -> Any:
        return self.gamma ** sum(times for at, times in self.milestones.items() if 0 <= at <= step)


class ExponentialLR(_ClosedForm, lr_scheduler.ExponentialLR):
    """Each group's rate times `gamma` at every step; `ratesmith.recipes.exponential` as a scheduler.

    Formula: `base * gamma ** epoch`. Source: torch.optim.lr_scheduler.ExponentialLR.
    """

    def _check(self) -> None:
        _gamma("ExponentialLR", self.gamma)

    def _factor(self, step: int) -> Any:
        return self.gamma**step


class CosineAnnealingLR(_ClosedForm, lr_scheduler.CosineAnnealingLR):
    """Each group's rate along a cosine, lowest at `T_max` and rising again after it, as torch's does.

    Formula: `eta_min + (base - eta_min) * (1 + cos(pi epoch / T_max)) / 2`. `ratesmith.recipes.cosine` is the value
    that stays at its end instead. Source: Loshchilov and Hutter, "SGDR", 2017; torch.optim.lr_scheduler.
    """

    @property
    def _floor(self) -> float:  # type: ignore[override]  # torch's attribute is the one to follow
        return self.eta_min

    def _check(self) -> None:
        if finite("CosineAnnealingLR", "T_max", self.T_max) <= 0:
            raise ValueError(
                f"CosineAnnealingLR: T_max must be above 0, got {self.T_max!r}; give the length of the decay"
            )

    def _factor(self, step: int) -> Any:
        half = self.T_max
        up = abs(step % (2 * half) - half)
        return SHAPES["cosine"](up, half - up, half, NUMBERS)[0]


class LambdaLR(lr_scheduler.LambdaLR):
    """Each group's rate is its base times `lr_lambda(epoch)`: one function, or one for each parameter group.

    `ratesmith.recipes.custom` as a scheduler; a function that several groups share is called once a step. Raises
    ValueError where a function gives NaN or infinity. Source: torch.optim.lr_scheduler.LambdaLR.
    """

    def get_lr(self) -> list[Any]:
        """Give each group's rate for the step `last_epoch`."""
        factors: dict[int, Any] = {}
        for function in self.lr_lambdas:
            if id(function) not in factors:
                factors[id(function)] = factor = function(self.last_epoch)
                if isinstance(factor, float):
                    finite(f"LambdaLR: lr_lambda({self.last_epoch})", "its value", factor)
        return [base * factors[id(function)] for base, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class ReduceLROnPlateau(lr_scheduler.ReduceLROnPlateau):
    """Each group's rate times `factor` when a metric stops improving; `ratesmith.Plateau` as a scheduler.

    The rule and its bookkeeping are torch's own. `verbose` is still accepted, by keyword: each reduction is then
    printed once. `min_lr` (a number or one for each group) and `eps` are absolute rates, as in torch.
    Source: torch.optim.lr_scheduler.ReduceLROnPlateau.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Any = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Any = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
        *,
        verbose: bool = False,
    ) -> None:
        """Take torch's options in torch's order."""
        super().__init__(optimizer, mode, factor, patience, threshold, threshold_mode, cooldown, min_lr, eps)
        self.verbose = verbose

    def _reduce_lr(self, epoch: int) -> None:
        before = [float(group["lr"]) for group in self.optimizer.param_groups]
        super()._reduce_lr(epoch)
        after = [float(group["lr"]) for group in self.optimizer.param_groups]
        if self.verbose and after != before:
            shown = ", ".join(f"{old:.4g} -> {new:.4g}" for old, new in zip(before, after, strict=True))
            print(f"ReduceLROnPlateau: epoch {epoch}: reducing the learning rate, {shown}")
