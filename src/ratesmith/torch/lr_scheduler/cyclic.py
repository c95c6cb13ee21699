"""Drop-ins that go up and down again: warm restarts, cyclic rates, one cycle, and the averaging rate."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import lr_scheduler, swa_utils

from ratesmith._checks import finite
from ratesmith.torch.lr_scheduler.checks import Checked, each_finite
from ratesmith.torch.lr_scheduler.closed import WritesAtOnce, are_plain, take_in_late_groups, write_plain


class CosineAnnealingWarmRestarts(Checked, lr_scheduler.CosineAnnealingWarmRestarts):
    """Each group's rate along a cosine that begins again after `T_0` steps, then after `T_mult` times as many each.

    Formula: `eta_min + (base - eta_min) * (1 + cos(pi T_cur / T_i)) / 2`. A restart asked for by its step number is
    found by whole numbers, not by a logarithm. `ratesmith.recipes.sgdr` is the value.
    Source: Loshchilov and Hutter, "SGDR", 2017; torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.
    """

    def _check(self) -> None:
        each_finite("CosineAnnealingWarmRestarts", "eta_min", self.eta_min)

    def get_lr(self) -> list[Any]:
        """Give each group's rate for the place in the cycle."""
        take_in_late_groups(self)
        return super().get_lr()

    def step(self, epoch: Any = None) -> None:
        """Go on by one step, or to a step that may be a fraction."""
        ours = type(self).get_lr is CosineAnnealingWarmRestarts.get_lr
        plain = ours and are_plain(self.optimizer.param_groups)
        if plain and epoch is None and self.last_epoch >= 0:
            self._next()
            return
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
        take_in_late_groups(self)
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        write_plain(self, [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs])


class CyclicLR(WritesAtOnce, lr_scheduler.CyclicLR):
    """Each group's rate between `base_lr` and `max_lr`, up and down again; `ratesmith.recipes.cyclic` is the value.

    Source: Smith, "Cyclical learning rates", 2017; torch.optim.lr_scheduler.CyclicLR.
    """

    def _check(self) -> None:
        each_finite("CyclicLR", "base_lr", self.base_lrs)
        each_finite("CyclicLR", "max_lr", self.max_lrs)
        each_finite("CyclicLR", "gamma", self.gamma)
        if not (finite("CyclicLR", "step_size_up and step_size_down", self.total_size) > 0 < self.step_ratio <= 1):
            raise ValueError(
                f"CyclicLR: step_size_up and step_size_down must be above 0, got {self.total_size:g} in all; give steps"
            )

    def get_lr(self) -> list[Any]:
        """Give each group's rate for the step `last_epoch`."""
        known, groups = len(self.base_lrs), self.optimizer.param_groups
        if known < len(groups):
            momenta = ("base_momentums", "max_momentums") if self.cycle_momentum else ()
            low = self.base_lrs[0]
            take_in_late_groups(self, "max_lrs", *momenta)
            self.base_lrs[known:] = [low] * (len(groups) - known)
        if self.cycle_momentum:
            return super().get_lr()
        cycles, inside = divmod(self.last_epoch, self.total_size)
        share, rise = inside / self.total_size, self.step_ratio
        triangle = share / rise if share <= rise else (share - 1) / (rise - 1)
        height = triangle * self.scale_fn(cycles + 1 if self.scale_mode == "cycle" else self.last_epoch)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]


class OneCycleLR(WritesAtOnce, lr_scheduler.OneCycleLR):
    """Each group's rate up to `max_lr` and down again within `total_steps`; `ratesmith.recipes.one_cycle` is the value.

    Source: Smith and Topin, "Super-convergence", 2018; torch.optim.lr_scheduler.OneCycleLR.
    """

    def _check(self) -> None:
        for key in ("max_lr", "initial_lr", "min_lr"):
            each_finite("OneCycleLR", key, [group[key] for group in self.optimizer.param_groups])

    def get_lr(self) -> list[Any]:
        """Give each group's rate for the step `last_epoch`."""
        groups = self.optimizer.param_groups
        keys = ("initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum")
        for group in groups:
            if "max_lr" not in group:
                group.update({key: groups[0][key] for key in keys if key in groups[0]})
        take_in_late_groups(self)
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


class SWALR(Checked, swa_utils.SWALR):
    """Each group's rate goes to `swa_lr` in `anneal_epochs` steps, and stays there.

    Source: Izmailov et al., "Averaging weights leads to wider optima", 2018; torch.optim.swa_utils.SWALR.
    """

    def _check(self) -> None:
        each_finite("SWALR", "swa_lr", [group["swa_lr"] for group in self.optimizer.param_groups])

    def get_lr(self) -> list[Any]:
        """Give each group's rate for the next step."""
        groups = self.optimizer.param_groups
        for group in groups:
            group.setdefault("swa_lr", groups[0]["swa_lr"])
        take_in_late_groups(self)
        rates: list[Any] = super().get_lr()  # type: ignore[no-untyped-call]  # torch gives it no types
        return rates
