"""The ranking as rows: the facts of quality, speed and overfitting as they are printed, and plain values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ratesmith.experiment import summary
from ratesmith.experiment.answer import FAR_BEHIND, conclusion_to_baseline, conclusion_to_best
from ratesmith.experiment.ranking import Row
from ratesmith.experiment.wording import figure, interval, share

if TYPE_CHECKING:
    from ratesmith.experiment.comparison import Comparison


def display_table(comparison: Comparison) -> list[list[str]]:
    """Return the ranking as a notebook shows it, its heading first."""
    metric, baseline = comparison.metric, comparison.question.baseline
    headings = ["#", "strategy", "initial rate", "seeds", f"{metric} (95 % interval)", f"against {baseline}"]
    lines = [[*headings, reached_heading(comparison), "validation - training loss"]]
    for place, row in enumerate(comparison.rows, 1):
        rate = "–" if row.base_lr is None else f"{row.base_lr:g}"
        name = row.strategy if row.strategy == row.chosen else f"{row.strategy}: {row.chosen}"
        value = row.estimates.get(metric)
        quality = "–" if value is None else figure(value)
        seeds = f"{row.seeds}, {FAR_BEHIND}" if is_far_behind(comparison, row) else str(row.seeds)
        lines.append([str(place), name, rate, seeds, quality, *facts(comparison, row, ": ")])
    return lines


def reached_heading(comparison: Comparison) -> str:
    """Return what the column of speed is called."""
    return "baseline's end after" if comparison.question.target is None else "target after"


def judged_by(row: Row) -> str:
    """Return at which rate, and by how many fresh seeds, a strategy is judged."""
    seeds = f"{row.seeds} of {row.seeds + row.missing}" if row.missing else f"{row.seeds}"
    return f"lr={row.base_lr:g}, {seeds} seed{'' if seeds == '1' else 's'}"


def is_far_behind(comparison: Comparison, row: Row) -> bool:
    """Whether a strategy got no more seeds since it lay far behind the first."""
    return conclusion_to_best(comparison, row) == FAR_BEHIND


def tells_overfitting(comparison: Comparison) -> bool:
    """Whether anything is known of overfitting, so that the ranking has a column for it."""
    return any(row.gap is not None or row.turned is not None for row in comparison.rows)


def facts(comparison: Comparison, row: Row, between: str) -> list[str]:
    """Return what a ranking tells of quality, speed and overfitting: a cell each, with `between` between two facts."""
    if row.base_lr is None:
        return ["–", "–", "–"]
    steps, is_baseline = comparison.layout.steps, row.strategy == comparison.question.baseline
    against = "the baseline" if is_baseline else "–"
    if row.difference is not None:
        against = f"{interval(row.difference)}{between}{conclusion_to_baseline(comparison, row)}"
    reached = "–" if row.reached is None else share(row.reached, steps)
    if is_baseline and comparison.question.target is None:
        reached = "100 %"  # by definition, though half of its seeds end above its mean
    overfitting = "–" if row.gap is None else f"{row.gap:+.3g}"
    if row.turned is not None:
        overfitting = f"{overfitting}{between}turn at {share(row.turned, steps)}"
    return [against, reached, overfitting]


def table(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the ranking as rows of plain values."""
    rows = []
    for place, row in enumerate(comparison.rows, 1):
        against = row.difference
        rows.append(
            {
                "rank": place,
                "strategy": row.strategy,
                "chosen": row.chosen,
                "base_lr": row.base_lr,
                **{name: value.mean for name, value in row.estimates.items()},
                "difference": None if against is None else against.mean,
                "low": None if against is None else against.low,
                "high": None if against is None else against.high,
                "against_baseline": conclusion_to_baseline(comparison, row),
                "against_best": conclusion_to_best(comparison, row),
                "reached": None if row.reached is None or math.isinf(row.reached) else row.reached,
                "gap": row.gap,
                "turned": row.turned,
                "diverged": row.diverged,
                "seeds": row.seeds,
                "runs": row.runs,
                "updates": row.updates,
                "codes": " ".join(summary.codes_of(comparison, row)),
            }
        )
    return rows
