"""The options of a training loop: what is the loss, how batches make an update, what is measured; each checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

from ratesmith._checks import Option, OptionTypeError, OptionValueError, finite, whole

WEIGHTS: Final = ("samples", "tokens")
"""What a batch's loss may count for, beside a function of the batch."""
IGNORED: Final = -100
"""The target that losses of PyTorch leave out: it is no token."""


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How updates are made and losses measured: what a loop of one's own would have written out."""

    who: str
    """Who was given these options, for messages."""
    loss: Callable[..., Any] | None = None
    forward: Callable[[Any, Any], Any] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    loss_weight: str | Callable[[Any], Any] = "samples"
    accumulate: int = 1
    clip_norm: float | None = None
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        whole(self.who, "accumulate", self.accumulate, least=1)
        if self.clip_norm is not None:
            finite(self.who, "clip_norm", self.clip_norm, least=1e-30)
        for name, given in (("loss", self.loss), ("forward", self.forward)):
            ready = given is None or (callable(given) and not isinstance(given, type))
            if not ready:
                remedy = "give an instance, as nn.CrossEntropyLoss()" if isinstance(given, type) else "give a function"
                what = given.__name__ if isinstance(given, type) else type(given).__name__
                raise OptionTypeError(f"{self.who}: ", Option(name), f" must be a function, got {what}; {remedy}")
        is_context = hasattr(self.autocast, "__enter__") and not isinstance(self.autocast, type)
        if is_context or not callable(self.autocast):
            raise OptionTypeError(
                f"{self.who}: ",
                Option("autocast"),
                f" must be a function that returns a context, got {type(self.autocast).__name__}; write "
                "lambda: torch.autocast(...)",
            )
        named = isinstance(self.metrics, Mapping) and all(
            (callable(metric) or hasattr(metric, "update")) and not isinstance(metric, type)
            for metric in self.metrics.values()
        )
        if not named:
            raise OptionTypeError(
                f"{self.who}: ",
                Option("metrics"),
                f" must be a dict of functions, or of objects with update and compute, got {self.metrics!r}; write "
                '{"accuracy": function}',
            )
        if "loss" in self.metrics:
            raise OptionValueError(
                f"{self.who}: the loss is always measured under 'loss', got a metric of that name; rename it"
            )
        if isinstance(self.loss_weight, str) and self.loss_weight not in WEIGHTS:
            raise OptionValueError(
                f"{self.who}: ",
                Option("loss_weight"),
                f" must be 'samples', 'tokens' or a function of a batch, got {self.loss_weight!r}; choose one",
            )
