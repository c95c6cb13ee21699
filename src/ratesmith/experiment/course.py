"""The course of a strategy's runs: how far validation ends above training, and where the validation loss turned.

Final quality is the ranking's; these are the two signs of overfitting. They describe the runs, and decide nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Final

from ratesmith.experiment.question import Question
from ratesmith.experiment.statistics import logarithmic
from ratesmith.experiment.trial import Run

LOSS: Final = "loss"
"""The metric that is beside a training loss; a script may report others alone."""
SHARE: Final = 0.01
"""By what share a loss must rise to have turned, where another metric decides: the margin has that one's unit then."""


def gap(runs: Sequence[Run]) -> float | None:
    """Return the validation loss minus the training loss at the end, as a mean over the runs; None if one is unknown.

    The training loss is the mean since the measurement before the last. So the gap may be below 0, as with dropout.
    """
    gaps = [difference for run in runs if (difference := _gap(run)) is not None]
    return statistics.fmean(gaps) if gaps else None


def _gap(run: Run) -> float | None:
    if not run.done or not run.curve:
        return None
    end = run.curve[-1]
    if end.train_loss is None or LOSS not in end.metrics:
        return None
    difference = end.metrics[LOSS] - end.train_loss
    return difference if math.isfinite(difference) else None


def turned(runs: Sequence[Run], question: Question) -> float | None:
    """Return the median step at which the validation loss was least, if the end is worse than that; else None.

    Worse is: in the median over the runs by more than the margin, of the logarithm where losses are above 0. Where no
    loss was measured, the metric that decides takes its place, with its own direction.
    """
    metric = LOSS if any(LOSS in run.metrics for run in runs) else question.metric
    courses = [values for run in runs if run.done and (values := _values(run, metric))]
    if not courses:
        return None
    mode = question.mode if metric == question.metric else "min"
    relative = logarithmic([value for values in courses for _, value in values], mode)
    margin = question.margin if metric == question.metric else SHARE
    turns, rises = [], []
    for values in courses:
        step, best = (min if mode == "min" else max)(values, key=lambda pair: pair[1])
        end = values[-1][1]
        turns.append(float(step))
        rises.append(math.log(end / best) if relative else abs(end - best))
    return statistics.median(turns) if statistics.median(rises) > margin else None


def _values(run: Run, metric: str) -> list[tuple[int, float]]:
    """Return (step, value) pairs wherever the metric was measured and finite."""
    pairs = ((point.step, point.metrics.get(metric, math.nan)) for point in run.curve)
    return [(step, value) for step, value in pairs if math.isfinite(value)]
