"""Shorter rounds: complete runs of a shorter length, after which only what is clearly worse leaves.

A strategy is stretched to the short length, never cut off: on public runs of language models the leader at half time
ended far behind, and schedules at one rate ranked in reverse. So nothing is judged in the middle of a run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from scipy import stats

from ratesmith.experiment.comparison import Cut, Question
from ratesmith.experiment.trial import Run, Trial
from ratesmith.experiment.verdict import CONFIDENCE

SLACK: Final = 0.1
"""A strategy leaves where even the near end of its interval is this much worse (of the loss's logarithm)."""


def survivors(
    runs: Mapping[Trial, Run], tried: Mapping[str, Sequence[float]], question: Question, steps: int, keep: set[str]
) -> tuple[dict[str, list[float]], list[Cut]]:
    """Give the rates of each variant that stay after a round of `steps`, and what left.

    Of one variant's rates the best stays with its two neighbours, since a longer run may want another, and every rate
    whose paired 95 % interval to the best holds zero. Of the variants those leave whose best rate is worse than the
    best of all by more than the slack, at the near end of the interval; those in `keep` never do. The spread of the
    differences is pooled over all, since two seeds alone tell nothing of it.
    """
    costs = {
        (variant, rate): _costs(runs, variant, rate, question, steps)
        for variant, rates in tried.items()
        for rate in rates
    }
    sound = {pair: values for pair, values in costs.items() if values is not None}
    spread = _half_width(list(sound.values()))
    cuts, stay = [], {}
    bests = {}
    for variant, rates in tried.items():
        own = {rate: float(np.mean(sound[variant, rate])) for rate in rates if (variant, rate) in sound}
        if not own:
            stay[variant] = list(rates)  # nothing is known: it is tried at full length
            continue
        best = min(own, key=own.__getitem__)
        bests[variant] = own[best]
        place = list(rates).index(best)
        near = set(rates[max(0, place - 1) : place + 2])
        stay[variant] = [rate for rate in rates if rate in near or (rate in own and own[rate] - own[best] <= spread)]
        for rate in rates:
            if rate not in stay[variant]:
                why = "a run diverged or failed" if rate not in own else f"{_more(own[rate] - own[best])} at {best:g}"
                cuts.append(Cut(variant, rate, steps, why))
    leader = min(bests, key=lambda variant: bests[variant], default=None)
    for variant, cost in bests.items():
        if leader is not None and variant not in keep and cost - bests[leader] - spread > SLACK:
            cuts += [Cut(variant, rate, steps, f"{_more(cost - bests[leader])} {leader}") for rate in stay.pop(variant)]
    return stay, cuts


def _more(difference: float) -> str:
    return f"clearly worse, by {difference:.3g}, than"


def _costs(runs: Mapping[Trial, Run], variant: str, rate: float, question: Question, steps: int) -> list[float] | None:
    """Give the costs over the choice seeds; logarithms of a loss above 0. None where a seed has no sound result."""
    found = []
    for seed in question.choice_seeds:
        run = runs.get(Trial(variant, rate, seed, steps))
        value = run.metrics.get(question.metric, math.nan) if run is not None and run.done else math.nan
        if not math.isfinite(value):
            return None
        found.append(math.log(value) if question.mode == "min" and value > 0 else question.cost(value))
    return found


def _half_width(costs: Sequence[Sequence[float]]) -> float:
    """Give half the 95 % interval of a difference of two means, the variance pooled over all pairs with the first."""
    if len(costs) < 2 or len(costs[0]) < 2:
        return math.inf  # one seed tells nothing of the spread: nothing is clearly worse
    table = np.array(costs)
    differences = table - table.mean(axis=0)  # what a seed does to all is paired away
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    variance = ((differences - differences.mean(axis=1, keepdims=True)) ** 2).sum() / freedom
    error = math.sqrt(2 * variance / table.shape[1])
    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, freedom)) * error
