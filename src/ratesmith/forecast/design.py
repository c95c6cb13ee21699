"""Design: the most promising of a family of usual schedules, under all the laws and their doubt."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Final

import numpy as np

from ratesmith._checks import Option, OptionValueError
from ratesmith.forecast.fitting import Fits
from ratesmith.forecast.segments import segments_of
from ratesmith.forecast.uncertainty import ranking_scores
from ratesmith.logs.curve import Floats
from ratesmith.strategy import as_schedule

DECAYS: Final = (10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90)
"""Shares of training in percent that the decay takes; linear() and its like are the 100 %."""
DECAY_SHAPES: Final = ("linear", "1-sqrt", "cosine")
FINALS: Final = (0.0, 0.02, 0.1)
"""Where a decay may end, as a share of the base rate."""
HABITS: Final = ("linear()", "cosine()", "cosine(final=0.1)", 'wsd(decay="20%")')
"""What people run without asking."""
MOST_SHOWN: Final = 8
"""Rows given: the best, and the habits that people have."""
STEPS_LAID_OUT: Final = 4000
"""Steps at which candidates are laid out: segments are then made longer by what is left."""
DESIGN_PER_FALL: Final = 64
"""Segments for a change of the rate from its largest to zero, of candidates that are only ranked."""


def front(warmup_steps: int, steps: int) -> str:
    """Return the warm-up that the runs had as the beginning of notation, at most a fifth of the steps; none: ""."""
    warmup = min(warmup_steps, steps // 5)
    return f"warmup({warmup}) >> " if warmup else ""


def habits(warmup_steps: int, steps: int) -> list[str]:
    """Return what people run without asking, as notation, behind the warm-up that the runs had."""
    return [front(warmup_steps, steps) + text for text in HABITS]


def family(steps: int, warmup: int) -> list[str]:
    """Return the candidates as notation, to stand behind a warm-up of so many steps.

    >>> family(1000, 0)[:2], len(family(1000, 0))
    (['linear()', 'cosine()'], 107)
    """
    texts = ["linear()", "cosine()", "cosine(final=0.1)", "linear(final=0.1)", "linear(final=0.02)"]
    texts += ["polynomial(power=1.5)", "cosine(final=0.02)", "rex()"]
    for share, shape, final in itertools.product(DECAYS, DECAY_SHAPES, FINALS):
        options = f'decay="{share}%"'
        options += f", final={final}" if final else ""
        options += f', shape="{shape}"' if shape != "linear" else ""
        if steps * share // 100 + warmup < steps:
            texts.append(f"wsd({options})")
    return texts


def most_promising(
    fits: Fits, inflation: float, warmup_steps: int, steps: int, base_lr: float, baseline: str
) -> tuple[list[str], str]:
    """Return the schedules of the family that promise most, and the habits, as notation; and which is the baseline.

    `baseline` is one of "linear" and "cosine"; raises ValueError for others.
    """
    if baseline not in ("linear", "cosine"):
        must = f" must be 'linear' or 'cosine', got {baseline!r}; name one of them"
        raise OptionValueError("Forecaster.design: ", Option("baseline"), must)
    warmup = front(warmup_steps, steps)
    texts = [warmup + text for text in family(steps, min(warmup_steps, steps // 5))]
    base = f"{warmup}{baseline}()"
    scores = _scores(fits, inflation, texts, texts.index(base), steps, base_lr)
    order = np.argsort(scores, kind="stable")
    best = [texts[place] for place in order[: MOST_SHOWN - len(HABITS)]]
    return list(dict.fromkeys([*best, base, *habits(warmup_steps, steps)])), base


def _scores(fits: Fits, inflation: float, texts: list[str], base: int, steps: int, base_lr: float) -> Floats:
    """Return what the candidates are ranked by, (texts,): see `uncertainty.ranking_scores`."""
    # 107 schedules of a million steps would be 107 million rates. The laws only need how the rate goes along the run:
    # it is taken at the middles of 4,000 equal parts, and each segment is then as long as the steps that it stands for.
    count = min(steps, STEPS_LAID_OUT)
    places = np.floor((np.arange(count) + 0.5) * (steps / count))
    built = [as_schedule(text, steps) for text in texts]
    rates = [base_lr * np.asarray(schedule(places), dtype=np.float64) for schedule in built]  # type: ignore[operator]
    segments = segments_of([(each, np.array([count])) for each in rates], fits.main.reference, DESIGN_PER_FALL)
    segments = replace(segments, lengths=segments.lengths * (steps / count))
    return ranking_scores(fits, inflation, segments, [base] * len(texts))
