"""ControllerLR: a ScheduleLR for trainers that hand a measurement only to a ReduceLROnPlateau."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer, lr_scheduler

from ratesmith.controllers import Adaptive
from ratesmith.schedule import Schedule
from ratesmith.torch.schedule_lr import Absolute, ScheduleLR, Target


class ControllerLR(ScheduleLR, lr_scheduler.ReduceLROnPlateau):
    """ScheduleLR, taken by trainers for torch's ReduceLROnPlateau: `step(metric)` hears, and the updates are counted.

    Hugging Face's Trainer and Lightning hand a measurement only to a ReduceLROnPlateau, after each evaluation, and step
    it at no other time; so this one counts the optimizer's own updates, and any schedule may stand beside the
    controller: `'(warmup("5%") >> cosine()) * plateau()'`. At one update one measurement is heard, however often a
    trainer hands it over. All options are those of ScheduleLR.

    >>> import torch
    >>> from ratesmith import Plateau
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    >>> scheduler = ControllerLR(optimizer, Plateau(0.1, patience=0))
    >>> for loss in (1.0, 2.0):
    ...     optimizer.step()
    ...     scheduler.step(loss)
    >>> optimizer.param_groups[0]["lr"], scheduler.why
    (0.05, 'plateau: loss had not improved for 1 measurement, best 1; rate cut to 0.1')
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedule: Schedule | Adaptive[Any] | Absolute | Target | str,
        *more: Target,
        count_updates: bool = True,
        **options: Any,
    ) -> None:
        """Take ScheduleLR's options."""
        self._heard: int | None = None
        super().__init__(optimizer, schedule, *more, count_updates=count_updates, **options)

    def step(  # type: ignore[override]  # torch's two bases differ: a measurement comes first in one of them
        self, metrics: float | Mapping[str, float] | None = None, epoch: int | None = None
    ) -> None:
        """Hear `metrics`, once at each update, and set the values."""
        again = self._counting and self._heard == self.last_epoch
        super().step(epoch, None if again else metrics)
        if metrics is not None:
            self._heard = self.last_epoch

    def load_state_dict(self, state_dict: dict[str, Any], on_mismatch: str | None = None) -> None:
        """Take a saved state, as ScheduleLR does; what is measured next is heard."""
        super().load_state_dict(state_dict, on_mismatch)
        self._heard = None
