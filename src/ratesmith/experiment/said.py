"""What a comparison says: its verdict in sentences, its table, and the lines to paste."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ratesmith.experiment.verdict import FEWEST
from ratesmith.strategy import Strategy

if TYPE_CHECKING:
    from ratesmith.experiment.comparison import Comparison, Row
    from ratesmith.experiment.trial import Plan, Run


def verdict(comparison: Comparison) -> str:
    """Return the outcome as a few sentences, the answer first."""
    best, question = comparison.best, comparison.question
    if best is None or all(run.diverged for run in comparison.runs):
        return _no_winner(comparison)
    pairs = len(question.seeds) - best.missing
    seeds = f"{pairs} fresh seeds" if pairs > 1 else "one fresh seed"
    said = [
        f"Best on the validation set: {best.chosen} at {best.base_lr:g}, "
        f"{comparison.metric} {best.estimates[comparison.metric]} over {seeds}{_to_baseline(comparison, best)}."
    ]
    if _on_edge(comparison, best):
        said.append("That rate lies on the edge of those tried: a better one may lie beyond it, give other rates.")
    if len(comparison.rows) > 1 and len(question.seeds) < FEWEST:
        said.append("So few seeds cannot tell strategies apart: use --seeds 5 or more.")
    elif len(comparison.rows) > 1:
        said += _others(comparison)
    return " ".join(said)


def _no_winner(comparison: Comparison) -> str:
    if all(run.diverged for run in comparison.runs):
        return "Every run diverged: give lower rates, or look for NaN in the data and the model."
    return (
        f"No strategy has a rate at which every seed ended with a finite {comparison.metric}: give other rates, and "
        "see the runs for what happened."
    )


def _to_baseline(comparison: Comparison, row: Row) -> str:
    other = next((one for one in comparison.rows if one.strategy == comparison.question.baseline), None)
    if row.difference is None or other is None or other.base_lr is None:
        return ""
    word = "a tie" if row.difference.word == "tie" else row.difference.word
    return f"; {row.difference} against the baseline {other.chosen} at {other.base_lr:g}: {word}"


def _on_edge(comparison: Comparison, row: Row) -> bool:
    tried = sorted({run.trial.base_lr for run in comparison.runs if run.trial.strategy == row.chosen})
    return len(tried) > 1 and row.base_lr in (tried[0], tried[-1])


def _others(comparison: Comparison) -> list[str]:
    words: dict[str, list[str]] = {}
    for row in comparison.rows[1:]:
        told = row.strategy == comparison.question.baseline and comparison.rows[0].difference is not None
        if row.to_best is not None and not told:
            words.setdefault(row.to_best.word, []).append(row.strategy)
    said = []
    if "tie" in words:
        margin = (
            f"{100 * comparison.question.margin:g} %" if _relative(comparison) else f"{comparison.question.margin:g}"
        )
        said.append(f"A tie with it, within {margin}: {', '.join(words['tie'])}.")
    if "not told apart" in words:
        said.append(
            f"Not told apart from it by {len(comparison.question.seeds)} seeds: {', '.join(words['not told apart'])}."
        )
    without = [row.strategy for row in comparison.rows if row.base_lr is None]
    if all(row.to_best and row.to_best.word == "worse" for row in comparison.rows[1:]):
        said.append("Every other strategy is worse.")
    if without:
        said.append(f"Without a rate at which every run ended well: {', '.join(without)}.")
    return said


def idle(rows: Iterable[Row], runs: Iterable[Run], plan: Plan) -> Iterator[str]:
    """Say which strategies never changed the rate, and so were nothing but a constant one."""
    rates: dict[str, set[int]] = {}
    for run in runs:
        if run.done and run.trial.steps == plan.steps:
            rates.setdefault(run.trial.strategy, set()).add(len({rate for _, rate in run.rates}))
    for row in rows:
        if rates.get(row.chosen) == {1} and row.chosen != "constant()":
            yield (
                f"{row.chosen} never changed its rate within {plan.steps:,} steps: it was a constant rate. Give more "
                "--steps, or give it shorter lengths or less patience."
            )


def _relative(comparison: Comparison) -> bool:
    return all(row.to_best is None or row.to_best.relative for row in comparison.rows)


def paste(comparison: Comparison) -> str:
    """Return the lines that put the winner into a training script; nothing where there is none."""
    best = comparison.best
    if best is None:
        return ""
    plan = comparison.plan
    strategy = Strategy(best.chosen)
    names = ", ".join(f"{name!r}: {name}" for name in strategy.functions())
    functions = f", functions={{{names}}}" if names else ""
    listens = bool(strategy.controllers())
    counting = ", count_updates=True" if listens else ""
    metrics = ", ".join(f'"{name}": validation_{name}' for name in sorted({"loss", *strategy.metrics()}))
    when = f"measurement: scheduler.step(metrics={{{metrics}}})" if listens else "update: scheduler.step()"
    horizon = f"Horizon(steps={plan.steps}, steps_per_epoch={plan.steps_per_epoch})"
    return "\n".join(
        [
            "from ratesmith import Horizon",
            "from ratesmith.torch import ScheduleLR",
            f"# make the optimizer with lr={best.base_lr:g}; after every {when}",
            f"scheduler = ScheduleLR(optimizer, {best.chosen!r}, horizon={horizon}{functions}{counting})",
        ]
    )


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
                "p": None if against is None else against.p,
                "against_baseline": "" if against is None else against.word,
                "against_best": "" if row.to_best is None else row.to_best.word,
                "diverged": row.diverged,
                "runs": row.runs,
                "steps": row.steps,
            }
        )
    return rows
