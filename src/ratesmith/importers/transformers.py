"""The schedules of Hugging Face's transformers by their names there, as values."""

from __future__ import annotations

from typing import Any

from ratesmith._checks import OptionValueError
from ratesmith.controllers import Controller, Greedy
from ratesmith.horizon import Horizon
from ratesmith.strategy import parse


def from_transformers(name: str, warmup: int, steps: int, **options: Any) -> Controller[Any]:
    """Return the schedule that `transformers.get_scheduler(name, optimizer, warmup, steps)` would give.

    `options` are its `scheduler_specific_kwargs`; lengths are in steps. Transformers' cosine rises again after its
    end, and this one stays. Raise ValueError for a name or an option that is not known.

    >>> print(from_transformers("cosine_with_min_lr", 10, 100, min_lr_rate=0.1))
    Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.1, 90, shape="cosine")
    """
    if name not in _TRANSFORMERS:
        raise OptionValueError(
            f"from_transformers: name must be one of {', '.join(_TRANSFORMERS)}, got {name!r}; choose one"
        )
    text, defaults = _TRANSFORMERS[name]
    unknown = sorted(set(options) - set(defaults))
    if unknown:
        among = ", ".join(defaults) or "none"
        raise OptionValueError(
            f"from_transformers: options of {name!r} must be among {among}, got {unknown[0]!r}; drop it"
        )
    before = "warmup({warmup}) >> " if warmup and name in _WARMED else ""
    return parse((before + text).format(warmup=warmup, **{**defaults, **options})).build(Horizon(steps))


_WARMED = ("linear", "cosine", "cosine_with_restarts", "polynomial", "constant_with_warmup", "cosine_with_min_lr")
"""The names whose own text has no warm-up yet, and takes one."""
_TRANSFORMERS: dict[str, tuple[str, dict[str, Any]]] = {
    "linear": ("linear()", {}),
    "cosine": ("cosine()", {}),
    "cosine_with_restarts": ("cosine_restarts({num_cycles})", {"num_cycles": 1}),
    "polynomial": ("polynomial({power}, final={lr_end_rate})", {"power": 1.0, "lr_end_rate": 1e-7}),
    "constant": ("Constant()", {}),
    "constant_with_warmup": ("constant()", {}),
    "inverse_sqrt": ("inverse_sqrt({warmup})", {}),
    "cosine_with_min_lr": ("cosine(final={min_lr_rate})", {"min_lr_rate": 0.0}),
    "warmup_stable_decay": (
        'ramp({min_lr_ratio}, 1, {warmup}, shape="{warmup_type}") >> '
        'wsd(decay={num_decay_steps}, final={min_lr_ratio}, shape="{decay_type}")',
        {"num_decay_steps": 0, "min_lr_ratio": 0.0, "warmup_type": "linear", "decay_type": "cosine"},
    ),
    "reduce_lr_on_plateau": (
        'plateau(threshold_mode="torch", factor={factor}, patience={patience})',
        {"factor": 0.1, "patience": 10},
    ),
    "greedy": ("greedy(factor={factor}, patience={patience})", {"factor": Greedy.factor, "patience": Greedy.patience}),
}
