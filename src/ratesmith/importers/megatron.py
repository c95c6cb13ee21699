"""The schedules that Megatron-LM's configurations name, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ratesmith._checks import OptionValueError, finite
from ratesmith.importers.options import Options
from ratesmith.schedule import Constant, Schedule
from ratesmith.shapes import InverseSqrt, Ramp


def from_megatron(arguments: Any, key: str = "lr") -> Schedule:
    """Return the learning rate, or with key="weight_decay" the weight decay, that Megatron-LM sets, update by update.

    `arguments` are Megatron's own by their names there, as a dict or as what its parser gives: lr, min_lr,
    lr_decay_style, lr_decay_iters, lr_warmup_iters, lr_warmup_fraction, lr_warmup_init, lr_wsd_decay_iters,
    lr_wsd_decay_style, train_iters; for a training counted in samples, train_samples, lr_decay_samples,
    lr_warmup_samples, lr_wsd_decay_samples and global_batch_size; and for weight decay start_weight_decay,
    end_weight_decay and weight_decay_incr_style. The values are rates, not factors: use them as
    `ScheduleLR(optimizer, Absolute(value))`. Raise ValueError or TypeError for a style without an equal here, and for
    a length that is no whole number of updates. Source: megatron.core.optimizer_param_scheduler.

    >>> print(from_megatron({"lr": 0.5, "train_iters": 100, "lr_warmup_iters": 10, "lr_decay_style": "cosine"}))
    Ramp(0.0, 0.5, 10) >> Ramp(0.5, 0.0, 90, shape="cosine")
    """
    given = dict(arguments) if isinstance(arguments, Mapping) else dict(vars(arguments))
    given = {**_MEGATRON, **{name: value for name, value in given.items() if value is not None}}
    options = Options("from_megatron", given)
    readers = {"lr": _megatron_rate, "weight_decay": _megatron_weight_decay}
    if key not in readers:
        raise OptionValueError(f"from_megatron: key must be one of {', '.join(readers)}, got {key!r}; choose one")
    return readers[key](options)


def _megatron_rate(options: Options) -> Schedule:
    peak, low = options.rate("lr"), options.rate("min_lr")
    steps, warm = _updates(options, "lr_decay", "train"), _warmup_updates(options)
    if warm >= steps:
        raise OptionValueError(
            f"from_megatron: the warm-up must be shorter than the decay, got {warm} and {steps}; mend one"
        )
    style = options.choice("lr_decay_style", {name: name for name in ("constant", *_STYLES)})
    rise = Ramp(options.rate("lr_warmup_init"), peak, warm)
    if style == "constant":
        return rise >> Constant(peak)
    return rise >> _STYLES[style](options, peak, low, steps, warm)


def _inverse_sqrt(options: Options, peak: float, low: float, steps: int, warm: int) -> Schedule:
    if not warm:
        raise OptionValueError(
            "from_megatron: inverse-square-root must have a warm-up, got none; its fall would depend on the batch size"
        )
    # The value of the last step still counts; after it the rate drops to the lowest at once.
    return (peak * InverseSqrt(warm)).clip(low).take(steps - warm + 1) >> Constant(low)


def _wsd(options: Options, peak: float, low: float, steps: int, warm: int) -> Schedule:
    last = _updates(options, "lr_wsd_decay")
    if last > steps - warm:
        raise OptionValueError(
            f"from_megatron: lr_wsd_decay must lie behind the warm-up, got {last} of {steps - warm} updates; shorten it"
        )
    shape = options.choice(
        "lr_wsd_decay_style", {"linear": "linear", "cosine": "cosine", "minus_sqrt": "1-sqrt", "exponential": None}
    )
    stay = Constant(peak, steps - warm - last)
    if shape is None:
        return stay >> low + (peak - low) * (2.0 * Ramp(1.0, 0.5, last, "exponential") - 1.0)
    return stay >> Ramp(peak, low, last, shape)


_STYLES: Final[dict[str, Callable[[Options, float, float, int, int], Schedule]]] = {
    "linear": lambda options, peak, low, steps, warm: Ramp(peak, low, steps - warm),
    "cosine": lambda options, peak, low, steps, warm: Ramp(peak, low, steps - warm, "cosine"),
    "inverse-square-root": _inverse_sqrt,
    "WSD": _wsd,
}
_MEGATRON: Final = {
    "lr": None,
    "min_lr": 0.0,
    "lr_decay_style": "linear",
    "lr_warmup_init": 0.0,
    "lr_wsd_decay_style": "exponential",
    "start_weight_decay": None,
    "end_weight_decay": None,
    "weight_decay_incr_style": "constant",
}
"""Megatron's options that are more than a length, and what they are when left out."""


def _megatron_weight_decay(options: Options) -> Schedule:
    name = "weight_decay" if options.given("weight_decay") else "start_weight_decay"
    start = options.rate("start_weight_decay" if options.given("start_weight_decay") else name)
    end = options.rate("end_weight_decay" if options.given("end_weight_decay") else name)
    shape = options.choice("weight_decay_incr_style", {"constant": None, "linear": "linear", "cosine": "cosine"})
    if shape is None and start != end:
        raise OptionValueError(
            f"from_megatron: a constant weight decay must not change, got {start:g} and {end:g}; choose a style"
        )
    return Constant(start) if shape is None else Ramp(start, end, _updates(options, "train"), shape)


def _updates(options: Options, *names: str) -> int:
    """Return the first length of these names that is given, in updates."""
    counted = "iters" if options.given("train_iters") else "samples"
    for name in names:
        if options.given(f"{name}_{counted}"):
            length = options.length(f"{name}_{counted}", least=1)
            return length if counted == "iters" else _whole_updates(options, f"{name}_samples", length)
    raise OptionValueError(
        f"from_megatron: {names[-1]}_iters or {names[-1]}_samples must be given, got neither; give one"
    )


def _warmup_updates(options: Options) -> int:
    if options.given("lr_warmup_fraction"):
        share = finite("from_megatron", "lr_warmup_fraction", options.values["lr_warmup_fraction"], least=0.0, most=1.0)
        updates = share * _updates(options, "lr_decay", "train")
        if abs(updates - round(updates)) > 1e-9 * max(1.0, updates):
            raise OptionValueError(
                f"from_megatron: lr_warmup_fraction must give whole updates, got {updates:g}; give lr_warmup_iters"
            )
        return round(updates)
    name = "lr_warmup_iters" if options.given("train_iters") else "lr_warmup_samples"
    length = options.length(name) if options.given(name) else 0
    return length if name.endswith("iters") else _whole_updates(options, name, length)


def _whole_updates(options: Options, name: str, samples: int) -> int:
    updates, rest = divmod(samples, options.length("global_batch_size", least=1) if samples else 1)
    if rest:
        raise OptionValueError(
            f"from_megatron: {name} must be a multiple of global_batch_size, got {samples}; the rate would end between "
            "two updates"
        )
    return updates
