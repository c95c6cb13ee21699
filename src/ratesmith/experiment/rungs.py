"""Rungs: complete runs of a shorter length, after which a strategy's hopeless rates leave.

A strategy is stretched to the short length, never cut off: on public runs of language models the leader at half time
ended far behind, and schedules at one rate ranked in reverse. So nothing is judged in the middle of a run, and no
strategy leaves for what another did in a shorter run: which is best there says too little of which is best in the end.
A rung trains with one seed, since a second would cost as much as many rates more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ratesmith.experiment.question import Question
from ratesmith.experiment.statistics import logarithmic
from ratesmith.experiment.trial import Run, Trial

SLACK: Final = 0.1
"""A rate is hopeless if it is this much worse than the best of its own strategy: of the loss's logarithm, or, of
another metric, as a share of the largest."""


class Cut(NamedTuple):
    """What left after a rung, and why."""

    strategy: str
    base_lr: float
    steps: int
    why: str


def survivors(
    runs: Mapping[Trial, Run], tried: Mapping[str, Sequence[float]], question: Question, steps: int, neighbours: bool
) -> tuple[dict[str, list[float]], list[Cut]]:
    """Return the rates of each variant that stay after complete runs of `steps` with the first seed, and what left.

    The best rate stays and all that are not hopeless; with `neighbours` the two rates beside the best stay in any case,
    since a longer run may want another. If every rate diverged all stay.
    """
    cuts, stay = [], {}
    for variant, rates in tried.items():
        costs = _costs(runs, variant, rates, question, steps)
        if not costs:
            stay[variant] = list(rates)
            continue
        best = min(costs, key=costs.__getitem__)
        place = list(rates).index(best)
        near = set(rates[max(0, place - 1) : place + 2]) if neighbours else {best}
        good = {rate for rate, cost in costs.items() if cost - costs[best] <= SLACK}
        stay[variant] = [rate for rate in rates if rate in near or rate in good]
        for rate in rates:
            if rate not in stay[variant]:
                worse = f"clearly worse, by {costs[rate] - costs[best]:.3g}, than at {best:g}" if rate in costs else ""
                cuts.append(Cut(variant, rate, steps, worse or "a run diverged or failed"))
    return stay, cuts


def _costs(
    runs: Mapping[Trial, Run], variant: str, rates: Sequence[float], question: Question, steps: int
) -> dict[float, float]:
    """Return the cost at each rate that ended well: the logarithm of a loss above 0, else a share of the largest."""
    values = {}
    for rate in rates:
        run = runs.get(Trial(variant, rate, question.choice_seeds[0], steps))
        value = run.metrics.get(question.metric, math.nan) if run is not None and run.done else math.nan
        if math.isfinite(value):
            values[rate] = value
    if logarithmic(list(values.values()), question.mode):
        return {rate: math.log(value) for rate, value in values.items()}
    largest = max(map(abs, values.values()), default=0.0) or 1.0
    return {rate: question.cost(value) / largest for rate, value in values.items()}
