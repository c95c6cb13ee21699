"""A schedule as torch's own schedulers, stepped once an update; in a Lightning module too."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable
from typing import Any, Final

from ratesmith.controllers import Chained, Plateau
from ratesmith.exporters.expressions import Expression, between, in_lines, number, over
from ratesmith.exporters.functions import written
from ratesmith.exporters.source import Source, opened
from ratesmith.exporters.writer import NotExactError, Writer
from ratesmith.schedule import Constant, Product, Repeat, Schedule, Sequence, Sum
from ratesmith.shapes import Exponential, Milestones, Ramp, Staircase

MOST_PARTS: Final = 5
"""Schedulers one after another; more are one function."""
CALLED: Final = "call scheduler.step() after every optimizer.step()"
MOST_MILESTONES: Final = 20
"""Milestones that are written out."""


def torch(source: Source) -> str:
    """Return schedulers of torch, or LambdaLR over a function where torch has none that are exact."""
    if not isinstance(source.built, Schedule) and source.built is not None:
        return _plateau(source)
    schedule, rate = source.without_scale()
    parts = _parts(schedule, rate)
    # Several functions one after another are better one function.
    if parts and (len(parts[0]) == 1 or any(not part.startswith("LambdaLR") for part in parts[0])):
        return _schedulers(*parts, rate)
    function = written(Writer(source.until), schedule, source, "lr_lambda", 1.0)
    imports, _, rest = function.rpartition("\n\n\n")
    begin = ["from torch.optim.lr_scheduler import LambdaLR", "", "", rest, "", ""]
    return "\n".join(
        [*([imports, ""] if imports else []), *begin, _when(rate), _made("LambdaLR(optimizer, lr_lambda)")]
    )


def lightning(source: Source) -> str:
    """Return the same in the form in which a Lightning module gives it: left alone, Lightning steps once an epoch."""
    if not isinstance(source.built, Schedule) and source.built is not None:
        raise NotExactError("Lightning steps it by a rhythm of its own")
    begin, scheduler, made = torch(source).rpartition("scheduler = ")
    begin = begin.replace(CALLED, "Lightning calls scheduler.step()")
    last = [
        'lr_scheduler = {"scheduler": scheduler, "interval": "step"}',
        '# at the end: return {"optimizer": optimizer, "lr_scheduler": lr_scheduler}',
    ]
    return "\n".join(["# in configure_optimizers", f"{begin}{scheduler}{made}", *last])


def _when(rate: float) -> str:
    return f"# make the optimizer with lr={rate!r}; {CALLED}"


def _made(scheduler: str) -> str:
    return f"scheduler = {scheduler}"


def _schedulers(parts: list[str], milestones: list[int], rate: float) -> str:
    names = sorted({part.partition("(")[0] for part in parts} | ({"SequentialLR"} if milestones else set()))
    lines = [f"from torch.optim.lr_scheduler import {', '.join(names)}", "", _when(rate)]
    if not milestones:
        return "\n".join([*lines, _made(parts[0])])
    inner = [textwrap.indent(f"{part},", "    ") for part in parts]
    return "\n".join([*lines, "parts = [", *inner, "]", _made(f"SequentialLR(optimizer, parts, {milestones!r})")])


def _parts(schedule: Schedule, rate: float) -> tuple[list[str], list[int]] | None:
    """Return schedulers, and the steps at which the later ones begin; None if a part has no scheduler."""
    inside = schedule.parts if isinstance(schedule, Sequence) else (schedule,)
    if len(inside) > MOST_PARTS:
        return None
    made = [_native(part, rate) or _one_line(part, last=place == len(inside)) for place, part in enumerate(inside, 1)]
    if not all(made):
        return None
    starts = list(itertools.accumulate(part.steps or 0 for part in inside))
    last = inside[-1]
    if isinstance(last, Ramp) and last.shape == "cosine" and last.steps:
        # Torch's rises again after its end.
        return [*map(str, made), f"LambdaLR(optimizer, lambda step: {last.end!r})"], starts
    return list(map(str, made)), starts[:-1]


def _one_line(part: Schedule, *, last: bool) -> str:
    """Return a function for a flat part, or for a straight one: torch's LinearLR cannot begin at 0."""
    if type(part) is Constant:
        return f"LambdaLR(optimizer, lambda step: {part.factor!r})"
    if type(part) is Ramp and part.shape in ("linear", 1.0) and part.steps:
        share = over(Expression(f"min(step, {part.steps})" if last else "step"), number(part.steps))
        return f"LambdaLR(optimizer, lambda step: {between(part.start, part.end, share).text})"
    return ""


def _native(part: Schedule, rate: float) -> str:
    """Return the scheduler of torch that has exactly these factors; "" if there is none."""
    writer = _NATIVE.get(type(part))
    return writer(part, rate) if writer else ""


def _ramp(ramp: Ramp, rate: float) -> str:
    start, end, steps, shape = ramp.start, ramp.end, ramp.steps, ramp.shape
    if not steps or callable(shape):
        return ""
    if shape in ("linear", 1.0) and 0 < start <= 1 and 0 <= end <= 1:
        return f"LinearLR(optimizer, start_factor={start!r}, end_factor={end!r}, total_iters={steps})"
    if start != 1 or end >= 1:
        return ""
    if isinstance(shape, float) and end == 0:
        return f"PolynomialLR(optimizer, total_iters={steps}, power={shape!r})"
    if shape == "cosine":
        return f"CosineAnnealingLR(optimizer, T_max={steps}{_floor(end * rate)})"
    return ""


def _floor(rate: float) -> str:
    return f", eta_min={rate!r}" if rate else ""


def _staircase(stairs: Staircase, rate: float) -> str:
    if stairs.stairs > 1 or stairs.gamma > 1:
        return ""
    return f"StepLR(optimizer, step_size={stairs.every}, gamma={stairs.gamma!r})"


def _milestones(stairs: Milestones, rate: float) -> str:
    if stairs.gamma > 1 or len(stairs.milestones) > MOST_MILESTONES or 0 in stairs.milestones:
        return ""
    milestones = f"milestones={list(stairs.milestones)!r}"
    return in_lines("MultiStepLR", "optimizer", milestones, f"gamma={stairs.gamma!r}")


def _exponential(decay: Exponential, rate: float) -> str:
    return f"ExponentialLR(optimizer, gamma={decay.gamma!r})" if decay.every == 1 and decay.gamma <= 1 else ""


def _repeat(cycles: Repeat, rate: float) -> str:
    wave = opened(cycles.schedule)
    if type(wave) is not Ramp or wave.shape != "cosine" or wave.start != 1 or wave.end >= 1:
        return ""
    if cycles.times is not None or cycles.height != 1 or not cycles.growth.is_integer():
        return ""
    growth = f", T_mult={int(cycles.growth)}" if cycles.growth > 1 else ""
    return f"CosineAnnealingWarmRestarts(optimizer, T_0={wave.steps}{growth}{_floor(wave.end * rate)})"


def _cyclic(raised: Sum, rate: float) -> str:
    """Return Smith's cycles, `low + (1 - low) * waves`, with triangles for waves."""
    low, inner = raised.offset, raised.parts[0]
    if len(raised.parts) > 1 or not 0 < low < 1 or type(inner) is not Product or inner.scale != 1 - low:
        return ""
    waves, *decays = inner.factors
    if type(waves) is not Repeat or type(waves.schedule) is not Sequence or waves.times or waves.growth != 1:
        return ""
    parts = waves.schedule.parts
    if len(parts) != 2 or parts[0] != Ramp(0.0, 1.0, parts[0].steps or 1):
        return ""
    if parts[1] != Ramp(1.0, 0.0, parts[1].steps or 1):
        return ""
    mode = {(1.0, 0): "triangular", (0.5, 0): "triangular2", (1.0, 1): "exp_range"}.get((waves.height, len(decays)))
    if mode is None or (decays and (type(decays[0]) is not Exponential or decays[0].every != 1)):
        return ""
    gamma = [decay.gamma for decay in decays if isinstance(decay, Exponential)]
    if any(each > 1 for each in gamma):
        return ""
    sizes = [f"step_size_up={parts[0].steps}", f"step_size_down={parts[1].steps}"]
    options = [f'mode="{mode}"', *(f"gamma={each!r}" for each in gamma), "cycle_momentum=False"]
    return in_lines("CyclicLR", "optimizer", f"base_lr={low * rate!r}", f"max_lr={rate!r}", *sizes, *options)


_NATIVE: Final[dict[type, Callable[[Any, float], str]]] = {
    Ramp: _ramp,
    Staircase: _staircase,
    Milestones: _milestones,
    Exponential: _exponential,
    Repeat: _repeat,
    Sum: _cyclic,
}
"""How torch's scheduler for each class is written."""


def _plateau(source: Source) -> str:
    plateau, rate = source.built, source.base_lr
    if isinstance(plateau, Chained):
        scale, plateau = _scaled(plateau)
        rate *= scale
    if type(plateau) is not Plateau or plateau.smooth > 1 or plateau.on_worsening:
        raise NotExactError("it listens to a measurement otherwise than torch's ReduceLROnPlateau")
    options = [f'mode="{plateau.mode}"', f"factor={plateau.factor!r}", f"patience={plateau.patience}"]
    relative = plateau.threshold_mode != "abs"
    options += [f"threshold={plateau.threshold!r}", f'threshold_mode="{"rel" if relative else "abs"}"']
    options += [f"cooldown={plateau.cooldown}", f"min_lr={plateau.floor * rate!r}", "eps=0.0"]
    lines = [
        "from torch.optim.lr_scheduler import ReduceLROnPlateau",
        "",
        f"# make the optimizer with lr={rate!r}; call scheduler.step(the measurement) after every measurement",
        _made(in_lines("ReduceLROnPlateau", "optimizer", *options)),
    ]
    if plateau.threshold_mode == "rel" and plateau.threshold:
        lines.insert(2, "# the same where measurements are above 0; below 0 torch's threshold is wrong")
    return "\n".join(lines)


def _scaled(chained: Chained) -> tuple[float, Any]:
    """Return the number and the controller of such a product; of any other 1 and the product."""
    numbers = [part.factor for part in chained.parts if type(part) is Constant]
    others = [part for part in chained.parts if type(part) is not Constant]
    return (numbers[0], others[0]) if len(numbers) == len(others) == 1 and numbers[0] > 0 else (1.0, chained)
