"""A schedule by its name in Hugging Face's transformers, as options of its Trainer."""

from __future__ import annotations

import textwrap
from typing import Any

from ratesmith.exporters.source import Source
from ratesmith.exporters.writer import NotExactError
from ratesmith.schedule import Constant, Repeat, Schedule, Sequence, Stretch
from ratesmith.shapes import InverseSqrt, Ramp

Named = tuple[str, dict[str, Any]]
"""A name of theirs, and its lr_scheduler_kwargs."""


def transformers(source: Source) -> str:
    """Return the options of TrainingArguments; the training ends at max_steps, behind which some of theirs rise again.

    Raise NotExactError for what has no name there.
    """
    schedule, rate = source.without_scale()
    steps = source.horizon.steps
    warmup, rest = _split(schedule)
    name, options = _named(warmup, rest, steps, rate)
    lines = [f"learning_rate={rate!r},", f'lr_scheduler_type="{name}",']
    if options:
        shown = ", ".join(f'"{key}": {_literal(value)}' for key, value in options.items())
        lines.append(f"lr_scheduler_kwargs={{{shown}}},")
    lines += [f"warmup_steps={warmup.steps},"] if warmup is not None else []
    lines.append(f"max_steps={steps},")
    return "\n".join(
        [
            "from transformers import TrainingArguments",
            "",
            "arguments = TrainingArguments(",
            *(textwrap.fill(line, 100, initial_indent="    ", subsequent_indent="        ") for line in lines),
            "    # and your own options",
            ")",
        ]
    )


def _literal(value: float | str) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _split(schedule: Schedule) -> tuple[Ramp | None, tuple[Schedule, ...]]:
    """Return the warm-up that a schedule begins with, and the parts behind it."""
    parts = schedule.parts if isinstance(schedule, Sequence) else (schedule,)
    first = parts[0]
    if isinstance(first, Ramp) and first.end == 1 and first.start < 1 and len(parts) > 1:
        return first, parts[1:]
    return None, parts


def _named(warmup: Ramp | None, rest: tuple[Schedule, ...], steps: int, rate: float) -> Named:
    decay = _phases(warmup, rest, steps)
    if decay is not None:
        return decay
    if warmup is not None and (warmup.start != 0 or warmup.shape not in ("linear", 1.0)):
        raise NotExactError("transformers has no such warm-up for it")
    warm = 0 if warmup is None else warmup.steps
    last = rest[0]
    if len(rest) > 1:
        raise NotExactError("transformers has no such sequence")
    if type(last) is Constant and last.factor == 1:
        return ("constant" if warmup is None else "constant_with_warmup"), {}
    if type(last) is InverseSqrt and warmup is not None:
        return "inverse_sqrt", {} if last.timescale == warm else {"timescale": last.timescale}
    if type(last) is Ramp and last.start == 1 and last.steps == steps - warm and warm < steps:
        return _ramp(last, rate)
    if type(last) is Stretch and last.steps == steps - warm:
        return _restarts(last)
    raise NotExactError("transformers has no such schedule")


def _ramp(ramp: Ramp, rate: float) -> Named:
    """Return the name of a decay that begins at the initial rate and ends with the training."""
    if ramp.end >= 1:
        raise NotExactError("transformers has no such schedule")
    if ramp.shape == "cosine":
        return ("cosine_with_min_lr", {"min_lr_rate": ramp.end}) if ramp.end else ("cosine", {})
    if ramp.shape in ("linear", 1.0) and ramp.end == 0:
        return "linear", {}
    power = 1.0 if ramp.shape == "linear" else ramp.shape
    if isinstance(power, float) and rate > 0:
        return "polynomial", {"power": power, "lr_end": ramp.end * rate}
    raise NotExactError("transformers has no such curve")


def _phases(warmup: Ramp | None, rest: tuple[Schedule, ...], steps: int) -> Named | None:
    """Return warm-up, stable, decay, if these are so: the warm-up there begins where the decay ends."""
    stable, decay = rest[0], rest[-1]
    if len(rest) != 2 or not isinstance(decay, Ramp) or type(stable) is not Constant or stable.factor != 1:
        return None
    shapes = ("linear", "cosine", "1-sqrt")
    if decay.start != 1 or decay.end >= 1 or decay.shape not in shapes or not decay.steps:
        return None
    warm = 0 if warmup is None else warmup.steps
    if warm + (stable.steps or 0) + decay.steps != steps:
        return None
    options: dict[str, Any] = {"num_decay_steps": decay.steps}
    if warmup is not None:
        if warmup.start != decay.end or warmup.shape not in shapes:
            return None
        if warmup.shape != "linear":
            options["warmup_type"] = warmup.shape
    if decay.end:
        options["min_lr_ratio"] = decay.end
    return "warmup_stable_decay", {**options, "decay_type": decay.shape}


def _restarts(cycles: Stretch) -> Named:
    inner = cycles.schedule
    if type(inner) is not Repeat or inner.times is None or inner.height != 1 or inner.growth != 1:
        raise NotExactError("transformers has no such cycles")
    wave, times, steps = inner.schedule, inner.times, cycles.steps
    if wave != Ramp(1.0, 0.0, steps, "cosine"):
        raise NotExactError("transformers has no such cycles")
    # Where a cycle begins at a step, theirs may round to the end of the one before.
    begins = (count * steps // times for count in range(1, times) if count * steps % times == 0)
    if any((float(times) * (begin / steps)) % 1.0 > 0.5 for begin in begins):
        raise NotExactError("transformers would begin a cycle one update later")
    return "cosine_with_restarts", {"num_cycles": times}
