"""A schedule as optax's own, joined where it has parts; else as a function of JAX's arrays."""

from __future__ import annotations

import io
import itertools
import textwrap
import tokenize
from collections.abc import Callable
from typing import Any, Final

from ratesmith.exporters.expressions import in_lines
from ratesmith.exporters.functions import LARGEST_INTEGER, array_function
from ratesmith.exporters.source import Source
from ratesmith.exporters.writer import NotExactError
from ratesmith.schedule import Constant, Schedule, Sequence
from ratesmith.shapes import Exponential, Milestones, Ramp

USED: Final = "# use it as the learning rate of an optimizer: optax.adamw(learning_rate)"
MOST_PARTS: Final = 12
"""Schedules that are joined; more would be a long list."""


def optax(source: Source) -> str:
    """Return optax's own schedules, whose values are rates, or a function if there are none that are exact."""
    if source.until > LARGEST_INTEGER:
        raise NotExactError("its steps do not fit into 32 bits")
    schedule, rate = source.without_scale()
    native = _native(schedule, rate)
    if any(length > LARGEST_INTEGER for length in _whole_numbers(native)):
        raise NotExactError("its lengths do not fit into 32 bits")
    if native:
        return "\n".join(["import optax", "", USED, f"learning_rate = {native}"])
    function = array_function(source)
    if any(length > LARGEST_INTEGER for length in _whole_numbers(function)):
        raise NotExactError("its lengths do not fit into 32 bits")
    return f"{function}\n\n\n{USED}"


def _whole_numbers(code: str) -> list[int]:
    """Return the whole numbers in code."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return [int(token.string) for token in tokens if token.type == tokenize.NUMBER and token.string.isdecimal()]


def _native(schedule: Schedule, rate: float) -> str:
    if not isinstance(schedule, Sequence):
        return _part(schedule, rate)
    if common := _warmup_cosine(schedule, rate):
        return common
    made = [_part(part, rate) for part in schedule.parts]
    if not all(made) or len(made) > MOST_PARTS:
        return ""
    starts = list(itertools.accumulate(part.steps or 0 for part in schedule.parts[:-1]))
    inner = "\n".join(textwrap.indent(f"{part},", "        ") for part in made)
    return f"optax.join_schedules(\n    [\n{inner}\n    ],\n    boundaries={starts!r},\n)"


def _warmup_cosine(schedule: Sequence, rate: float) -> str:
    """Return the schedule that has a name for a warm-up and a cosine."""
    warmup, cosine = schedule.parts[0], schedule.parts[-1]
    if len(schedule.parts) != 2 or not isinstance(warmup, Ramp) or not isinstance(cosine, Ramp):
        return ""
    if warmup.shape not in ("linear", 1.0) or cosine.shape != "cosine" or not warmup.steps or not cosine.steps:
        return ""
    if warmup.end != cosine.start or cosine.start <= 0 or cosine.end > cosine.start or rate <= 0:
        return ""
    rates = [f"init_value={warmup.start * rate!r}", f"peak_value={cosine.start * rate!r}"]
    steps = [f"warmup_steps={warmup.steps}", f"decay_steps={warmup.steps + cosine.steps}"]
    floor = f"end_value={cosine.end * rate!r}"
    return in_lines("optax.warmup_cosine_decay_schedule", *rates, *steps, floor)


def _part(part: Schedule, rate: float) -> str:
    writer = _NATIVE.get(type(part))
    return writer(part, rate) if writer else ""


def _ramp(ramp: Ramp, rate: float) -> str:
    start, end, steps, shape = ramp.start * rate, ramp.end * rate, ramp.steps, ramp.shape
    if not steps or callable(shape):
        return ""
    if shape in ("linear", 1.0):
        return f"optax.linear_schedule({start!r}, {end!r}, {steps})"
    if shape == "cosine" and end <= start and start > 0:
        floor = f", alpha={ramp.end / ramp.start!r}" if end else ""
        return f"optax.cosine_decay_schedule({start!r}, {steps}{floor})"
    # Compiled, optax's base may fall below 0 at the end, of which a broken power is NaN.
    if isinstance(shape, float) and shape.is_integer() and end < start:
        return f"optax.polynomial_schedule({start!r}, {end!r}, {int(shape)}, {steps})"
    return ""


def _milestones(stairs: Milestones, rate: float) -> str:
    if len(stairs.milestones) > MOST_PARTS or stairs.gamma > 1 or 0 in stairs.milestones or not stairs.milestones:
        return ""
    scales = ", ".join(f"{milestone}: {stairs.gamma!r}" for milestone in stairs.milestones)
    return in_lines("optax.piecewise_constant_schedule", repr(rate), f"{{{scales}}}")


def _exponential(decay: Exponential, rate: float) -> str:
    return f"optax.exponential_decay({rate!r}, {decay.every}, {decay.gamma!r})" if decay.gamma <= 1 else ""


_NATIVE: Final[dict[type, Callable[[Any, float], str]]] = {
    Constant: lambda part, rate: f"optax.constant_schedule({part.factor * rate!r})",
    Ramp: _ramp,
    Milestones: _milestones,
    Exponential: _exponential,
}
"""How optax's schedule for each class is written."""
