"""Drop-ins that go up and down again: warm restarts, cyclic rates, one cycle, and the averaging rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch.optim import lr_scheduler, swa_utils

from ratesmith._checks import finite
from ratesmith.torch.lr_scheduler.checks import above_zero, each_finite
from ratesmith.torch.lr_scheduler.drop_in import WritesAtOnce, drop_in
from ratesmith.torch.lr_scheduler.writing import (
    copied,
    goes_on,
    refuse_lost_groups,
    share_with_late_groups,
    take_in_late_groups,
    write_rates,
)


@drop_in
class CosineAnnealingWarmRestarts(WritesAtOnce, lr_scheduler.CosineAnnealingWarmRestarts):
    """Each group's rate along a cosine that begins again after `T_0` steps, then after `T_mult` times as many each.

    Formula: `eta_min + (base - eta_min) * (1 + cos(pi T_cur / T_i)) / 2`. A restart asked for by its step number is
    found by whole numbers, not by a logarithm. `ratesmith.recipes.sgdr` is the value.
    Source: Loshchilov and Hutter, "SGDR", 2017; torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.
    """

    def _check(self) -> None:
        each_finite("CosineAnnealingWarmRestarts", "eta_min", self.eta_min, least=0.0)

    def get_lr(self) -> list[Any]:
        """Return each group's rate for the place in the cycle."""
        take_in_late_groups(self)
        return super().get_lr()

    def step(self, epoch: Any = None) -> None:
        """Go on by one step, or to a step that may be a fraction."""
        ours = getattr(self.get_lr, "__func__", None) is CosineAnnealingWarmRestarts.get_lr
        plain = ours and self._is_plain()
        if epoch is None and self.last_epoch >= 0 and not hasattr(self, "_last_lr"):
            epoch = self.last_epoch + 1  # built in the middle of a run: the cycle is found as for any step's number
        if plain and epoch is None and self.last_epoch >= 0:
            self._next()
            return
        self._wrote_in = self.optimizer.param_groups[0]
        if epoch is None or epoch < self.T_0 or self.T_mult == 1:
            super().step(epoch)
            return
        start, length = 0, self.T_0
        while epoch >= start + length:
            start, length = start + length, length * self.T_mult
        # torch's own step with no number goes on from here, and sets the rates.
        self.T_cur, self.T_i = epoch - start - 1, length
        self.last_epoch = math.floor(epoch) - 1
        super().step()

    def _next(self) -> None:
        """Go on by one step, with plain rates."""
        self.last_epoch += 1
        self.T_cur += 1
        if self.T_cur >= self.T_i:
            self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult
        if len(self.base_lrs) != len(self.optimizer.param_groups):
            take_in_late_groups(self)
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        floor = self.eta_min
        self._write([floor + (base - floor) * share for base in self.base_lrs])


@drop_in
class CyclicLR(WritesAtOnce, lr_scheduler.CyclicLR):
    """Each group's rate between `base_lr` and `max_lr`, up and down again; `ratesmith.recipes.cyclic` is the value.

    Source: Smith, "Cyclical learning rates", 2017; torch.optim.lr_scheduler.CyclicLR.
    """

    @classmethod
    def _refuse(cls, options: Mapping[str, Any]) -> None:
        for name in ("base_lr", "max_lr", *_momenta(options)):
            each_finite("CyclicLR", name, options[name], least=0.0)
        each_finite("CyclicLR", "gamma", [options["gamma"]])
        above_zero("CyclicLR", "step_size_up", options["step_size_up"], "give steps")
        if options["step_size_down"] is not None:  # of no steps it falls at once
            finite("CyclicLR", "step_size_down", options["step_size_down"], least=0.0)

    def _settle(self) -> None:
        # torch took the first rates from initial_lr, which an older scheduler or the optimizer may have set
        groups = self.optimizer.param_groups
        if any(bool(group["initial_lr"] != low) for group, low in zip(groups, self.base_lrs, strict=True)):
            write_rates(groups, _next_rates(self))
            self._last_lr = [copied(group["lr"]) for group in groups]

    def _write_momentum(self) -> None:
        if self.cycle_momentum and self.last_epoch >= 0:
            _next_rates(self)

    def get_lr(self) -> list[Any]:
        """Return each group's rate for the step `last_epoch`."""
        refuse_lost_groups(self)
        if len(self.max_lrs) < len(self.optimizer.param_groups):
            momenta = ("base_momentums", "max_momentums") if self.cycle_momentum else ()
            for name in ("base_lrs", "max_lrs", *momenta):
                share_with_late_groups(self, name)
        if self.cycle_momentum:
            return super().get_lr()
        cycles, inside = divmod(self.last_epoch, self.total_size)
        share, rise = inside / self.total_size, self.step_ratio
        triangle = share / rise if share <= rise else (share - 1) / (rise - 1)
        height = triangle * self.scale_fn(cycles + 1 if self.scale_mode == "cycle" else self.last_epoch)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]


@drop_in
class OneCycleLR(WritesAtOnce, lr_scheduler.OneCycleLR):
    """Each group's rate up to `max_lr` and down again within `total_steps`; `ratesmith.recipes.one_cycle` is the value.

    Source: Smith and Topin, "Super-convergence", 2018; torch.optim.lr_scheduler.OneCycleLR.
    """

    def _check(self) -> None:
        began = 0.0
        for phase in self._schedule_phases:
            if phase["end_step"] == began:
                raise ValueError(
                    f"OneCycleLR: each of its phases must have a length, got {self.total_steps} steps with one that "
                    f"begins and ends at {began:g}; change pct_start or total_steps"
                )
            began = phase["end_step"]

    @classmethod
    def _refuse(cls, options: Mapping[str, Any]) -> None:
        for name in ("max_lr", *_momenta(options)):
            each_finite("OneCycleLR", name, options[name], least=0.0)
        each_finite("OneCycleLR", "pct_start", [options["pct_start"]])
        for name in ("div_factor", "final_div_factor"):
            above_zero("OneCycleLR", name, options[name], "give the factor between two rates")
        for group in getattr(options["optimizer"], "param_groups", ()):
            if options["last_epoch"] >= 0 and "initial_lr" in group and not {"max_lr", "min_lr"} <= set(group):
                raise ValueError(
                    "OneCycleLR: with last_epoch each group must have its max_lr and min_lr, got one without; "
                    "load the state that the optimizer had in the run first"
                )

    def _write_momentum(self) -> None:
        if self.cycle_momentum and self.last_epoch >= 0:
            _next_rates(self)

    def get_lr(self) -> list[Any]:
        """Return each group's rate for the step `last_epoch`."""
        groups = self.optimizer.param_groups
        _take_in_with_keys(self, "max_lr", "initial_lr", "min_lr", "max_momentum", "base_momentum")
        step = self.last_epoch
        if self.cycle_momentum or step > self.total_steps or not hasattr(self, "_anneal_func_type"):
            return super().get_lr()
        began = 0.0
        for phase in self._schedule_phases[:-1]:
            if step <= phase["end_step"]:
                break
            began = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        share = (step - began) / (phase["end_step"] - began)
        left = 1 - share if self._anneal_func_type == "linear" else (1 + math.cos(math.pi * share)) / 2
        first, last = phase["start_lr"], phase["end_lr"]
        return [group[last] + (group[first] - group[last]) * left for group in groups]


def _momenta(options: Mapping[str, Any]) -> tuple[str, ...]:
    return ("base_momentum", "max_momentum") if options["cycle_momentum"] else ()


def _next_rates(scheduler: Any) -> list[Any]:
    """Return the rates of the step `last_epoch`; as torch's, `get_lr` sets that step's momentum."""
    scheduler._get_lr_called_within_step = True
    try:
        return list(scheduler.get_lr())
    finally:
        scheduler._get_lr_called_within_step = False


def _take_in_with_keys(scheduler: Any, *keys: str) -> None:
    """Let groups added later join, with the options that the others have as keys and share, or raise ValueError."""
    groups = scheduler.optimizer.param_groups
    if len(groups) == len(scheduler.base_lrs) and keys[0] in groups[0] and keys[0] in groups[-1]:
        return
    who = type(scheduler).__name__
    options = [{key: group[key] for key in keys if key in group} for group in groups if keys[0] in group]
    if not options:
        raise ValueError(
            f"{who}: the optimizer's groups must keep their {keys[0]}, got none; "
            f"build the scheduler after the optimizer loads a state that was saved without it"
        )
    if any(option != options[0] for option in options):
        raise ValueError(
            f"{who}: {keys[0]} must be the same for all groups when one is added, got several; "
            f"give the new group its own {', '.join(options[0])} first"
        )
    for group in groups:
        if keys[0] not in group:
            group.update(options[0])
    take_in_late_groups(scheduler)


@drop_in
class SWALR(WritesAtOnce, swa_utils.SWALR):
    """Each group's rate goes to `swa_lr` in `anneal_epochs` steps, and stays there.

    It goes on from the rate that it finds. Source: Izmailov et al., "Averaging weights leads to wider optima", 2018;
    torch.optim.swa_utils.SWALR.
    """

    @classmethod
    def _refuse(cls, options: Mapping[str, Any]) -> None:
        each_finite("SWALR", "swa_lr", options["swa_lr"], least=0.0)

    def get_lr(self) -> list[Any]:
        """Return each group's rate for the next step."""
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs) or "swa_lr" not in groups[0] or "swa_lr" not in groups[-1]:
            _take_in_with_keys(self, "swa_lr")
        if self._is_initial and self.last_epoch > 0:  # built in the middle of a run, with last_epoch
            self._step_count = self.last_epoch + 1  # the rates below are by this count, as torch's
            before, now = self._share(self.last_epoch - 1), self._share(self.last_epoch)
            bases = [(group["swa_lr"], base) for group, base in zip(groups, self.base_lrs, strict=True)]
            return goes_on(groups, *([end * at + base * (1 - at) for end, base in bases] for at in (before, now)))
        step = max(1, self._step_count - 1) if self.anneal_epochs == 0 else self._step_count - 1
        before, now = self._share(step - 1), self._share(step)
        if before == 1:
            return [copied(group["swa_lr"]) for group in groups]
        rest, next_rest = 1 - before, 1 - now
        # What each rate must have been at the beginning, and from there to where it is now.
        return [(end := group["swa_lr"]) * now + (group["lr"] - before * end) / rest * next_rest for group in groups]

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the next rates."""
        if epoch:  # 0 where a sequence comes to this scheduler
            raise ValueError(
                f"SWALR: step must be given no number, got {epoch!r}, since its rates follow from those before; load "
                f"its state, or build it with last_epoch={epoch - 1}"
            )
        super()._update_lr(epoch)

    def _share(self, step: int) -> float:
        epochs = self.anneal_epochs or 1
        share: float = self.anneal_func(0 if step <= 0 else 1 if step >= epochs else step / epochs)  # type: ignore[no-untyped-call]
        return share
