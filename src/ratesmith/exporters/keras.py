"""A schedule as one of Keras's own, which computes in single precision."""

from __future__ import annotations

from typing import Final

from ratesmith.exporters.expressions import in_lines
from ratesmith.exporters.source import Source
from ratesmith.exporters.writer import NotExactError
from ratesmith.schedule import Constant, Schedule, Sequence
from ratesmith.shapes import Exponential, InverseTime, Milestones, Ramp

MOST_PIECES: Final = 20
"""Flat pieces that are written out."""


def keras(source: Source) -> str:
    """Return one of Keras's schedules; raise NotExactError if none is the same at every step."""
    schedule, rate = source.without_scale()
    made = _pieces(schedule, rate) or _cosine(schedule, rate) or _decay(schedule, rate)
    if not made:
        raise NotExactError("Keras has no schedule that is the same")
    return "\n".join(
        [
            "from keras.optimizers import schedules",
            "",
            "# use it as the learning rate of an optimizer: keras.optimizers.Adam(learning_rate)",
            f"learning_rate = schedules.{made}",
        ]
    )


def _pieces(schedule: Schedule, rate: float) -> str:
    """Return flat pieces; Keras's boundaries are the last steps of the pieces before them."""
    if isinstance(schedule, Milestones):
        begins = list(schedule.milestones)
        values = [rate * schedule.gamma**count for count in range(len(begins) + 1)]
        if schedule.gamma > 1:
            return ""
    elif isinstance(schedule, Sequence) and all(type(part) is Constant for part in schedule.parts):
        lengths = [part.steps or 0 for part in schedule.parts[:-1]]
        begins = [sum(lengths[: place + 1]) for place in range(len(lengths))]
        values = [rate * part.factor for part in schedule.parts if isinstance(part, Constant)]
    else:
        return ""
    if not begins or begins[0] == 0 or len(begins) > MOST_PIECES:
        return ""
    return in_lines("PiecewiseConstantDecay", repr([begin - 1 for begin in begins]), repr(values))


def _cosine(schedule: Schedule, rate: float) -> str:
    parts = schedule.parts if isinstance(schedule, Sequence) else (schedule,)
    decay = parts[-1]
    if not isinstance(decay, Ramp) or decay.shape != "cosine" or decay.end > decay.start or not decay.steps:
        return ""
    if decay.start <= 0 or rate <= 0:
        return ""
    floor = [f"alpha={decay.end / decay.start!r}"] if decay.end else []
    peak = decay.start * rate
    if len(parts) == 1:
        return in_lines("CosineDecay", repr(peak), repr(decay.steps), *floor)
    warmup = parts[0]
    if len(parts) > 2 or not isinstance(warmup, Ramp) or warmup.shape not in ("linear", 1.0):
        return ""
    if warmup.end != decay.start or not warmup.steps:
        return ""
    warm = [f"warmup_target={peak!r}", f"warmup_steps={warmup.steps}"]
    return in_lines("CosineDecay", repr(warmup.start * rate), repr(decay.steps), *floor, *warm)


def _decay(schedule: Schedule, rate: float) -> str:
    if type(schedule) is Ramp and schedule.steps and schedule.end < schedule.start:
        power = 1.0 if schedule.shape == "linear" else schedule.shape
        if isinstance(power, float) and power.is_integer():  # of a broken one a compiled end may be NaN
            ends = [repr(schedule.start * rate), repr(schedule.steps), repr(schedule.end * rate)]
            return in_lines("PolynomialDecay", *ends, f"power={power!r}")
    if type(schedule) is Exponential and schedule.gamma <= 1:
        return f"ExponentialDecay({rate!r}, {schedule.every}, {schedule.gamma!r})"
    if type(schedule) is InverseTime:
        return f"InverseTimeDecay({rate!r}, {schedule.every}, {schedule.rate!r})"
    return ""
