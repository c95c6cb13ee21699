"""Design: the most promising of a family of usual schedules, under all the laws and their doubt."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ratesmith.forecast.blocks import compress
from ratesmith.forecast.compare import Pair, ranked
from ratesmith.forecast.doubt import scores
from ratesmith.forecast.predicted import Candidates
from ratesmith.logs.curve import Floats
from ratesmith.logs.rates import rates_of
from ratesmith.strategy import as_schedule

if TYPE_CHECKING:  # it asks for this
    from ratesmith.forecast.fit import Law

DECAYS: Final = (10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90)
"""Shares of training in percent that the decay takes; linear() and its like are the 100 %."""
SHAPES: Final = ("linear", "1-sqrt", "cosine")
FLOORS: Final = (0.0, 0.02, 0.1)
"""Where a decay may end, as a share of the base rate."""
HABITS: Final = ("linear()", "cosine()", "cosine(final=0.1)", 'wsd(decay="20%")')
"""What people run without asking."""
SHOWN: Final = 8
"""Rows given: the best, and the habits that people have."""
LAID_OUT: Final = 4000
"""Steps at which candidates are laid out: blocks are then made longer by what is left."""


def front(law: Law, steps: int) -> str:
    """Return the warm-up that the runs had as the beginning of notation, at most a fifth of the steps; none: ""."""
    warmup = min(law.warmup_steps, steps // 5)
    return f"warmup({warmup}) >> " if warmup else ""


def habits(law: Law, steps: int) -> list[str]:
    """Return what people run without asking, as notation, behind the warm-up that the runs had."""
    return [front(law, steps) + text for text in HABITS]


def family(steps: int, warmup: int) -> list[str]:
    """Return the candidates as notation, to stand behind a warm-up of so many steps.

    >>> family(1000, 0)[:2], len(family(1000, 0))
    (['linear()', 'cosine()'], 107)
    """
    found = ["linear()", "cosine()", "cosine(final=0.1)", "linear(final=0.1)", "linear(final=0.02)"]
    found += ["polynomial(power=1.5)", "cosine(final=0.02)", "rex()"]
    for share, shape, floor in itertools.product(DECAYS, SHAPES, FLOORS):
        options = f'decay="{share}%"'
        options += f", final={floor}" if floor else ""
        options += f', shape="{shape}"' if shape != "linear" else ""
        if steps * share // 100 + warmup < steps:
            found.append(f"wsd({options})")
    return found


def design(law: Law, steps: int, base_lr: float, baseline: str) -> Candidates:
    """Return the most promising of the family beside a baseline: see Law.design."""
    if baseline not in ("linear", "cosine"):
        raise ValueError(f"Law.design: baseline must be 'linear' or 'cosine', got {baseline!r}; name one of them")
    law.told_under([np.full(steps, base_lr)])
    warmup = front(law, steps)
    texts = [warmup + text for text in family(steps, min(law.warmup_steps, steps // 5))]
    base = f"{warmup}{baseline}()"
    order = np.argsort(_scores(law, texts, texts.index(base), steps, base_lr), kind="stable")
    shown = dict.fromkeys([*(texts[place] for place in order[: SHOWN - len(HABITS)]), base, *habits(law, steps)])
    laid_out = {text: rates_of(text, base_lr, steps) for text in shown}
    return ranked(law, [Pair(text, laid_out[text], laid_out[base]) for text in shown], base)


def _scores(law: Law, texts: list[str], base: int, steps: int, base_lr: float) -> Floats:
    """Return what the candidates are ranked by: see `doubt.scores`."""
    count = min(steps, LAID_OUT)
    places = np.floor((np.arange(count) + 0.5) * (steps / count))
    built = [as_schedule(text, steps) for text in texts]
    runs = [(base_lr * np.asarray(one(places), dtype=np.float64), np.array([count])) for one in built]  # type: ignore[operator]
    blocks = compress(runs, law.fitted.reference, most=64)
    blocks = replace(blocks, lengths=blocks.lengths * (steps / count))
    return scores(law, blocks, [base] * len(texts))
