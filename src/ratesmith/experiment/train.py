"""Train one trial: set the rate, make the update, measure, let the controller hear, and notice divergence."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ratesmith.controllers import Controller
from ratesmith.experiment.trial import Plan, Point, Run, Trial
from ratesmith.horizon import Horizon
from ratesmith.notation import parse
from ratesmith.task import Task, Training

EXPLODED: Final = 1000.0
"""A loss this many times the first one's distance from zero (at least 1) above it is no longer training."""
SHOWN_RATES: Final = 256


class Diverged(Exception):  # noqa: N818  # it is an outcome that is counted, not an error
    """The loss is not finite, or exploded, at update number `step`."""

    def __init__(self, step: int, what: str, loss: float) -> None:
        """Say where and how."""
        super().__init__(f"{what} loss {loss:.3g} at step {step}")
        self.step = step


def train(
    task: Task, trial: Trial, plan: Plan, functions: Mapping[str, Callable[[int], float]]
) -> tuple[Run, Training]:
    """Run a trial to its end, or to where it diverges, and give what happened and the trained state.

    `functions` are those that the strategy's `custom("name")` may name. Raises ValueError where the strategy gives a
    negative rate or listens to a metric that is not measured.
    """
    began = time.perf_counter()
    training = task.start(trial.seed)
    controller = parse(trial.strategy).build(Horizon(plan.steps, training.steps_per_epoch), functions)
    record = _Record([Point(0, None, measure(training))])
    status, message, steps = "done", "", plan.steps
    try:
        _updates(training, controller, trial, plan, record)
    except Diverged as outcome:
        status, message, steps = "diverged", str(outcome), outcome.step + 1
    run = Run(
        trial=trial,
        status=status,
        steps=steps,
        seconds=time.perf_counter() - began,
        metrics=record.curve[-1].metrics if status == "done" else {},
        curve=tuple(record.curve),
        rates=tuple(record.rates),
        acts=tuple(record.acts),
        message=message,
    )
    return run, training


@dataclass
class _Record:
    """What a run leaves behind, growing while it is made."""

    curve: list[Point]
    rates: list[tuple[int, float]] = field(default_factory=list)
    acts: list[tuple[int, str]] = field(default_factory=list)


def _updates(training: Training, controller: Controller[Any], trial: Trial, plan: Plan, record: _Record) -> None:
    """Make all updates, and record them."""
    state = controller.init()
    show_every = max(1, plan.steps // SHOWN_RATES)
    losses: list[float] = []
    limit, validation_limit = math.inf, _limit(record.curve[0].metrics["loss"])
    for step in range(plan.steps):
        factor = controller.value(state, step)
        if not 0.0 <= factor < math.inf:
            raise ValueError(
                f"{trial.strategy}: a factor must be finite and at least 0, got {factor!r} at step {step}; "
                "give a rule that stays positive"
            )
        lr = trial.base_lr * factor
        if step % show_every == 0:
            record.rates.append((step, lr))
        loss = training.step(lr)
        if not -math.inf < loss < limit:
            raise Diverged(step, "training", loss)
        if step == 0:
            limit = _limit(loss)
        losses.append(loss)
        if (step + 1) % plan.evaluate_every == 0 or step + 1 == plan.steps:
            metrics = measure(training)
            if not -math.inf < metrics["loss"] < validation_limit:
                raise Diverged(step, "validation", metrics["loss"])
            record.curve.append(Point(step + 1, math.fsum(losses) / len(losses), metrics))
            losses.clear()
            before, state = state, controller.observe(state, step + 1, metrics)
            if why := controller.why(before, state):
                record.acts.append((step + 1, why))


def measure(training: Training, split: str = "validation") -> dict[str, float]:
    """Give the metrics of a split as plain numbers; raise TypeError where they are none, or without a loss."""
    measured = dict(training.evaluate(split))
    try:
        plain = {str(name): float(value) for name, value in measured.items()}
    except (TypeError, ValueError):
        raise TypeError(f"Task: metrics must be numbers, got {measured!r}; give plain floats by name") from None
    if "loss" not in plain:
        raise TypeError(f"Task: metrics must include 'loss', got {sorted(plain)}; report the loss by that name")
    return plain


def _limit(first: float) -> float:
    """Give the loss at which a run has exploded, from its first."""
    return first + EXPLODED * max(1.0, abs(first)) if math.isfinite(first) else math.inf
