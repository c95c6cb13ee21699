"""The schedules that DeepSpeed's configurations name, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ratesmith._checks import OptionValueError, finite
from ratesmith.importers.options import Options
from ratesmith.schedule import Constant, Schedule
from ratesmith.shapes import InverseTime, Ramp


def from_deepspeed(config: Mapping[str, Any]) -> Schedule:
    """Return the learning rates that DeepSpeed sets for a configuration with a "scheduler", update by update.

    `config` is the whole configuration as a dict. The values are rates, not factors: use them as
    `ScheduleLR(optimizer, Absolute(value))`. DeepSpeed makes its first two updates at the same rate, and so does this;
    momentum is left out. Raise ValueError or TypeError for what has no equal here: another scheduler or option, "auto"
    for a number, a list of unequal rates, stairs, and LRRangeTest, which is no schedule for a training.
    Source: deepspeed.runtime.lr_schedules.

    >>> params = {"warmup_max_lr": 0.5, "warmup_num_steps": 10, "warmup_type": "linear"}
    >>> print(from_deepspeed({"scheduler": {"type": "WarmupLR", "params": params}}))
    Constant(factor=0.0, steps=1) >> Ramp(0.0, 0.5, 10)
    """
    section = config.get("scheduler") if isinstance(config, Mapping) else None
    kind = section.get("type") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or kind not in _DEEPSPEED:
        raise OptionValueError(
            f"from_deepspeed: scheduler.type must be one of {', '.join(_DEEPSPEED)}, got {kind!r}; "
            "give the whole configuration, with one of these"
        )
    read, defaults = _DEEPSPEED[kind]
    options = Options("from_deepspeed", {**defaults, **(section.get("params") or {})})
    unknown = sorted(set(options.values) - set(defaults))
    if unknown:
        raise OptionValueError(
            f"from_deepspeed: params of {kind} must be among {', '.join(defaults)}, got {unknown[0]!r}; drop it"
        )
    return read(options, config)


# DeepSpeed counts from -1: a step of ours is one of its own later.


def _warm(options: Options, low: float, high: float) -> tuple[Ramp, int]:
    """Return the warm-up, and how long it lasts there: the logarithmic one has arrived one step before its end."""
    early = options.choice("warmup_type", {"log": 1, "linear": 0})
    steps = max(2, options.length("warmup_num_steps", least=1))
    return Ramp(low, high, steps - early, options.values["warmup_type"]), steps


def _left(options: Options, warm: int) -> int:
    total = options.length("total_num_steps", least=1)
    if total <= warm:
        raise OptionValueError(
            f"from_deepspeed: total_num_steps must be above warmup_num_steps, got {total} and {warm}; mend one"
        )
    return total - warm


def _own_rate(config: Mapping[str, Any]) -> float:
    optimizer = config.get("optimizer")
    params = optimizer.get("params") if isinstance(optimizer, Mapping) else None
    return finite("from_deepspeed", "optimizer.params.lr", params.get("lr") if isinstance(params, Mapping) else None)


def _warmup(options: Options, config: Mapping[str, Any]) -> Schedule:
    low = options.rate("warmup_min_lr")
    high = options.rate("warmup_max_lr") if options.given("warmup_max_lr") else _own_rate(config)
    return Constant(low, 1) >> _warm(options, low, high)[0]


def _warmup_decay(options: Options, config: Mapping[str, Any]) -> Schedule:
    low, high = options.rate("warmup_min_lr"), options.rate("warmup_max_lr")
    warm, steps = _warm(options, low, high)
    return Constant(low, 1) >> warm >> Constant(high, steps - warm.steps) >> Ramp(high, low, _left(options, steps))


def _warmup_cosine(options: Options, config: Mapping[str, Any]) -> Schedule:
    warm, steps = _warm(options, options.rate("warmup_min_ratio"), 1.0)
    decay = Ramp(1.0, options.rate("cos_min_ratio"), _left(options, steps), "cosine")
    # At the end of its warm-up the cosine has made its first step already; the linear one has not arrived then.
    after = warm >> decay if warm.steps < steps else warm.take(steps) >> decay.shift(-1)
    return _own_rate(config) * (Constant(0.0, 1) >> after)


def _one_cycle(options: Options, config: Mapping[str, Any]) -> Schedule:
    for name in ("cycle_first_stair_count", "cycle_second_stair_count"):
        if options.values[name]:
            raise OptionValueError(
                f"from_deepspeed: {name} must be 0, got {options.values[name]!r}; stairs have no equal"
            )
    low, high = options.rate("cycle_min_lr"), options.rate("cycle_max_lr")
    up = options.length("cycle_first_step_size", least=1)
    down = options.length("cycle_second_step_size") if options.given("cycle_second_step_size") else up
    cycle = Ramp(low, high, up) >> Ramp(high, low, down)
    rate, every = options.rate("decay_lr_rate"), options.length("decay_step_size")
    return cycle >> low * InverseTime(rate, every) if rate and every else cycle


_Reader = Callable[[Options, Mapping[str, Any]], Schedule]
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
