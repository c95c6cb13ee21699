"""The metric-driven drop-in: torch's ReduceLROnPlateau."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer, lr_scheduler

from ratesmith._checks import whole
from ratesmith.torch.lr_scheduler.checks import check_rates, each_finite
from ratesmith.torch.lr_scheduler.drop_in import DropIn
from ratesmith.torch.lr_scheduler.writing import keep_loaded_rates


class ReduceLROnPlateau(DropIn, lr_scheduler.ReduceLROnPlateau):
    """Each group's rate times `factor` when a metric stops improving; `ratesmith.Plateau` as a scheduler.

    The rule and its bookkeeping are torch's own. `verbose` is still accepted, after torch's options: each reduction is
    then printed once. `min_lr` (a number or one for each group) and `eps` are absolute rates, as in torch.
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
        verbose: Any = False,
    ) -> None:
        """Take torch's options in torch's order."""
        who = "ReduceLROnPlateau"
        whole(who, "patience", patience, least=0)
        whole(who, "cooldown", cooldown, least=0)
        for name, value in (("factor", [factor]), ("threshold", [threshold]), ("min_lr", min_lr), ("eps", [eps])):
            each_finite(who, name, value, least=0.0)
        check_rates(who, optimizer)
        keep_loaded_rates(optimizer)
        super().__init__(optimizer, mode, factor, patience, threshold, threshold_mode, cooldown, min_lr, eps)
        self.verbose = verbose is True  # "deprecated" was the default of torch 2.2 to 2.6
        self._wrote_in = self.optimizer.param_groups[0]

    def step(self, metrics: Any, epoch: Any = None) -> None:  # type: ignore[override]  # torch's own, against its base
        """Hear one measurement, and reduce the rates where it is time to."""
        if isinstance(metrics, (list, tuple, str)) or metrics is None or getattr(metrics, "numel", lambda: 1)() != 1:
            raise TypeError(f"ReduceLROnPlateau: metrics must be one number, got {metrics!r}; give the validation loss")
        super().step(metrics, epoch)
        self._wrote_in = self.optimizer.param_groups[0]

    def state_dict(self) -> dict[str, Any]:
        """Return torch's state; `verbose` is no part of it."""
        return {name: value for name, value in super().state_dict().items() if name != "verbose"}

    def _reduce_lr(self, epoch: int) -> None:
        before = [float(group["lr"]) for group in self.optimizer.param_groups]
        super()._reduce_lr(epoch)
        after = [float(group["lr"]) for group in self.optimizer.param_groups]
        if self.verbose and after != before:
            shown = ", ".join(f"{old:.4g} -> {new:.4g}" for old, new in zip(before, after, strict=True))
            print(f"ReduceLROnPlateau: epoch {epoch}: reducing the learning rate, {shown}")
