"""The schedules that DeepSpeed's and Megatron's configurations name, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ratesmith._checks import finite, whole
from ratesmith.schedule import Constant, Schedule
from ratesmith.shapes import InverseSqrt, InverseTime, Ramp


def from_deepspeed(config: Mapping[str, Any]) -> Schedule:
    """Return the learning rates that DeepSpeed sets for a configuration with a "scheduler", update by update.

    `config` is the whole configuration as a dict. The values are rates, not factors: use them as
    `ScheduleLR(optimizer, Absolute(value))`. DeepSpeed makes its first two updates at the same rate, and so does this;
    momentum is left out. Raises ValueError or TypeError for what has no equal here: another scheduler or option, "auto"
    for a number, a list of unequal rates, stairs, and LRRangeTest, which is no schedule for a training.
    Source: deepspeed.runtime.lr_schedules.

    >>> params = {"warmup_max_lr": 0.5, "warmup_num_steps": 10, "warmup_type": "linear"}
    >>> print(from_deepspeed({"scheduler": {"type": "WarmupLR", "params": params}}))
    Constant(factor=0.0, steps=1) >> Ramp(0.0, 0.5, 10)
    """
    section = config.get("scheduler") if isinstance(config, Mapping) else None
    kind = section.get("type") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or kind not in _DEEPSPEED:
        raise ValueError(
            f"from_deepspeed: scheduler.type must be one of {', '.join(_DEEPSPEED)}, got {kind!r}; "
            "give the whole configuration, with one of these"
        )
    read, defaults = _DEEPSPEED[kind]
    options = _Options("from_deepspeed", {**defaults, **(section.get("params") or {})})
    unknown = sorted(set(options.values) - set(defaults))
    if unknown:
        raise ValueError(
            f"from_deepspeed: params of {kind} must be among {', '.join(defaults)}, got {unknown[0]!r}; drop it"
        )
    return read(options, config)


def from_megatron(arguments: Any, key: str = "lr") -> Schedule:
    """Return the learning rate, or with key="weight_decay" the weight decay, that Megatron-LM sets, update by update.

    `arguments` are Megatron's own by their names there, as a dict or as what its parser gives: lr, min_lr,
    lr_decay_style, lr_decay_iters, lr_warmup_iters, lr_warmup_fraction, lr_warmup_init, lr_wsd_decay_iters,
    lr_wsd_decay_style, train_iters; for a training counted in samples, train_samples, lr_decay_samples,
    lr_warmup_samples, lr_wsd_decay_samples and global_batch_size; and for weight decay start_weight_decay,
    end_weight_decay and weight_decay_incr_style. The values are rates, not factors: use them as
    `ScheduleLR(optimizer, Absolute(value))`. Raises ValueError or TypeError for a style without an equal here, and for
    a length that is no whole number of updates. Source: megatron.core.optimizer_param_scheduler.

    >>> print(from_megatron({"lr": 0.5, "train_iters": 100, "lr_warmup_iters": 10, "lr_decay_style": "cosine"}))
    Ramp(0.0, 0.5, 10) >> Ramp(0.5, 0.0, 90, shape="cosine")
    """
    given = dict(arguments) if isinstance(arguments, Mapping) else dict(vars(arguments))
    given = {**_MEGATRON, **{name: value for name, value in given.items() if value is not None}}
    options = _Options("from_megatron", given)
    readers = {"lr": _megatron_rate, "weight_decay": _megatron_weight_decay}
    if key not in readers:
        raise ValueError(f"from_megatron: key must be one of {', '.join(readers)}, got {key!r}; choose one")
    return readers[key](options)


class _Options:
    """The options of a configuration, each read as the number that it must be."""

    def __init__(self, who: str, values: Mapping[str, Any]) -> None:
        self.who, self.values = who, values

    def given(self, name: str) -> bool:
        return self.values.get(name) is not None

    def rate(self, name: str, least: float = 0.0) -> float:
        """Return a rate; a list of equal ones, one a group, counts as one."""
        value = self.values.get(name)
        if isinstance(value, (list, tuple)) and value:
            if any(one != value[0] for one in value):
                raise ValueError(
                    f"{self.who}: {name} must be the same for all groups, got {value!r}; make one Target for each group"
                )
            value = value[0]
        return finite(self.who, name, value, least=least)

    def length(self, name: str, least: int = 0) -> int:
        return whole(self.who, name, self.values.get(name), least=least)

    def choice(self, name: str, among: Mapping[str, Any]) -> Any:
        value = self.values.get(name)
        if not isinstance(value, str) or value not in among:
            raise ValueError(f"{self.who}: {name} must be one of {', '.join(among)}, got {value!r}; choose one")
        return among[value]


# DeepSpeed counts from -1: a step of ours is one of its own later.


def _warm(options: _Options, low: float, high: float) -> tuple[Ramp, int]:
    """Return the warm-up, and how long it lasts there: the logarithmic one has arrived one step before its end."""
    early = options.choice("warmup_type", {"log": 1, "linear": 0})
    steps = max(2, options.length("warmup_num_steps", least=1))
    return Ramp(low, high, steps - early, options.values["warmup_type"]), steps


def _left(options: _Options, warm: int) -> int:
    total = options.length("total_num_steps", least=1)
    if total <= warm:
        raise ValueError(
            f"from_deepspeed: total_num_steps must be above warmup_num_steps, got {total} and {warm}; mend one"
        )
    return total - warm


def _own_rate(config: Mapping[str, Any]) -> float:
    optimizer = config.get("optimizer")
    params = optimizer.get("params") if isinstance(optimizer, Mapping) else None
    return finite("from_deepspeed", "optimizer.params.lr", params.get("lr") if isinstance(params, Mapping) else None)


def _warmup(options: _Options, config: Mapping[str, Any]) -> Schedule:
    low = options.rate("warmup_min_lr")
    high = options.rate("warmup_max_lr") if options.given("warmup_max_lr") else _own_rate(config)
    return Constant(low, 1) >> _warm(options, low, high)[0]


def _warmup_decay(options: _Options, config: Mapping[str, Any]) -> Schedule:
    low, high = options.rate("warmup_min_lr"), options.rate("warmup_max_lr")
    warm, steps = _warm(options, low, high)
    return Constant(low, 1) >> warm >> Constant(high, steps - warm.steps) >> Ramp(high, low, _left(options, steps))


def _warmup_cosine(options: _Options, config: Mapping[str, Any]) -> Schedule:
    warm, steps = _warm(options, options.rate("warmup_min_ratio"), 1.0)
    decay = Ramp(1.0, options.rate("cos_min_ratio"), _left(options, steps), "cosine")
    # At the end of its warm-up the cosine has made its first step already; the linear one has not arrived then.
    after = warm >> decay if warm.steps < steps else warm.take(steps) >> decay.shift(-1)
    return _own_rate(config) * (Constant(0.0, 1) >> after)


def _one_cycle(options: _Options, config: Mapping[str, Any]) -> Schedule:
    for name in ("cycle_first_stair_count", "cycle_second_stair_count"):
        if options.values[name]:
            raise ValueError(f"from_deepspeed: {name} must be 0, got {options.values[name]!r}; stairs have no equal")
    low, high = options.rate("cycle_min_lr"), options.rate("cycle_max_lr")
    up = options.length("cycle_first_step_size", least=1)
    down = options.length("cycle_second_step_size") if options.given("cycle_second_step_size") else up
    cycle = Ramp(low, high, up) >> Ramp(high, low, down)
    rate, every = options.rate("decay_lr_rate"), options.length("decay_step_size")
    return cycle >> low * InverseTime(rate, every) if rate and every else cycle


_Reader = Callable[[_Options, Mapping[str, Any]], Schedule]
_WARMUP: Final = {"warmup_min_lr": 0.0, "warmup_max_lr": None, "warmup_num_steps": 1000, "warmup_type": "log"}
_DEEPSPEED: Final[dict[str, tuple[_Reader, dict[str, Any]]]] = {
    "WarmupLR": (_warmup, _WARMUP),
    "WarmupDecayLR": (_warmup_decay, {**_WARMUP, "warmup_max_lr": 0.001, "total_num_steps": None}),
    "WarmupCosineLR": (
        _warmup_cosine,
        {
            "total_num_steps": None,
            "warmup_min_ratio": 0.0,
            "warmup_num_steps": 1000,
            "cos_min_ratio": 0.0001,
            "warmup_type": "log",
        },
    ),
    "OneCycle": (
        _one_cycle,
        {
            "cycle_min_lr": None,
            "cycle_max_lr": None,
            "decay_lr_rate": 0.0,
            "cycle_first_step_size": 2000,
            "cycle_second_step_size": None,
            "cycle_first_stair_count": 0,
            "cycle_second_stair_count": 0,
            "decay_step_size": 0,
            "cycle_momentum": True,
            "cycle_min_mom": 0.8,
            "cycle_max_mom": 0.9,
            "decay_mom_rate": 0.0,
        },
    ),
}
"""DeepSpeed's schedulers, with their options and what these are when left out."""


# Megatron


def _megatron_rate(options: _Options) -> Schedule:
    peak, low = options.rate("lr"), options.rate("min_lr")
    steps, warm = _updates(options, "lr_decay", "train"), _warmup_updates(options)
    if warm >= steps:
        raise ValueError(f"from_megatron: the warm-up must be shorter than the decay, got {warm} and {steps}; mend one")
    style = options.choice("lr_decay_style", {name: name for name in ("constant", *_STYLES)})
    rise = Ramp(options.rate("lr_warmup_init"), peak, warm)
    if style == "constant":
        return rise >> Constant(peak)
    return rise >> _STYLES[style](options, peak, low, steps, warm)


def _inverse_sqrt(options: _Options, peak: float, low: float, steps: int, warm: int) -> Schedule:
    if not warm:
        raise ValueError(
            "from_megatron: inverse-square-root must have a warm-up, got none; its fall would depend on the batch size"
        )
    # The value of the last step still counts; after it the rate drops to the lowest at once.
    return (peak * InverseSqrt(warm)).clip(low).take(steps - warm + 1) >> Constant(low)


def _wsd(options: _Options, peak: float, low: float, steps: int, warm: int) -> Schedule:
    last = _updates(options, "lr_wsd_decay")
    if last > steps - warm:
        raise ValueError(
            f"from_megatron: lr_wsd_decay must lie behind the warm-up, got {last} of {steps - warm} updates; shorten it"
        )
    shape = options.choice(
        "lr_wsd_decay_style", {"linear": "linear", "cosine": "cosine", "minus_sqrt": "1-sqrt", "exponential": None}
    )
    stay = Constant(peak, steps - warm - last)
    if shape is None:
        return stay >> low + (peak - low) * (2.0 * Ramp(1.0, 0.5, last, "exponential") - 1.0)
    return stay >> Ramp(peak, low, last, shape)


_STYLES: Final[dict[str, Callable[[_Options, float, float, int, int], Schedule]]] = {
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


def _megatron_weight_decay(options: _Options) -> Schedule:
    name = "weight_decay" if options.given("weight_decay") else "start_weight_decay"
    start = options.rate("start_weight_decay" if options.given("start_weight_decay") else name)
    end = options.rate("end_weight_decay" if options.given("end_weight_decay") else name)
    shape = options.choice("weight_decay_incr_style", {"constant": None, "linear": "linear", "cosine": "cosine"})
    if shape is None and start != end:
        raise ValueError(
            f"from_megatron: a constant weight decay must not change, got {start:g} and {end:g}; choose a style"
        )
    return Constant(start) if shape is None else Ramp(start, end, _updates(options, "train"), shape)


def _updates(options: _Options, *names: str) -> int:
    """Return the first length of these names that is given, in updates."""
    counted = "iters" if options.given("train_iters") else "samples"
    for name in names:
        if options.given(f"{name}_{counted}"):
            length = options.length(f"{name}_{counted}", least=1)
            return length if counted == "iters" else _whole_updates(options, f"{name}_samples", length)
    raise ValueError(f"from_megatron: {names[-1]}_iters or {names[-1]}_samples must be given, got neither; give one")


def _warmup_updates(options: _Options) -> int:
    if options.given("lr_warmup_fraction"):
        share = finite("from_megatron", "lr_warmup_fraction", options.values["lr_warmup_fraction"], least=0.0, most=1.0)
        updates = share * _updates(options, "lr_decay", "train")
        if abs(updates - round(updates)) > 1e-9 * max(1.0, updates):
            raise ValueError(
                f"from_megatron: lr_warmup_fraction must give whole updates, got {updates:g}; give lr_warmup_iters"
            )
        return round(updates)
    name = "lr_warmup_iters" if options.given("train_iters") else "lr_warmup_samples"
    length = options.length(name) if options.given(name) else 0
    return length if name.endswith("iters") else _whole_updates(options, name, length)


def _whole_updates(options: _Options, name: str, samples: int) -> int:
    updates, rest = divmod(samples, options.length("global_batch_size", least=1) if samples else 1)
    if rest:
        raise ValueError(
            f"from_megatron: {name} must be a multiple of global_batch_size, got {samples}; the rate would end between "
            "two updates"
        )
    return updates
