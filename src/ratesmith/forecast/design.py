"""Design: the most promising of a family of usual schedules, under all the laws and their doubt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ratesmith import notation
from ratesmith.forecast.blocks import compress
from ratesmith.forecast.compare import Pair, ranked
from ratesmith.forecast.curve import Floats
from ratesmith.forecast.predicted import Candidates
from ratesmith.forecast.rates import rates_of
from ratesmith.forecast.solve import Fitted, limits

if TYPE_CHECKING:  # it asks for this
    from ratesmith.forecast.fit import Law

DECAYS: Final = (10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90)
"""Shares of training in percent that the decay takes; linear() and its like are the 100 %."""
SHAPES: Final = ("linear", "1-sqrt", "cosine")
FLOORS: Final = (0.0, 0.02, 0.1)
"""Where a decay may end, as a share of the base rate."""
DRAWS: Final = 48
"""Samples of the default law's parameters."""
SHOWN: Final = 8
"""Rows given: the best, and the habits that people have."""
LAID_OUT: Final = 4000
"""Steps at which candidates are laid out: blocks are then made longer by what is left."""


def family(steps: int, warmup: int) -> list[str]:
    """Give the candidates as notation, each with a warm-up of so many steps.

    >>> family(1000, 0)[:2], len(family(1000, 0))
    (['linear()', 'cosine()'], 107)
    """
    front = f"warmup({warmup}) >> " if warmup else ""
    whole_way = ["linear()", "cosine()", "cosine(final=0.1)", "linear(final=0.1)", "linear(final=0.02)"]
    whole_way += ["polynomial(power=1.5)", "cosine(final=0.02)", "rex()"]
    found = [front + text for text in whole_way]
    for share in DECAYS:
        for shape in SHAPES:
            for floor in FLOORS:
                options = f'warmup={warmup}, decay="{share}%"' if warmup else f'decay="{share}%"'
                options += f", final={floor}" if floor else ""
                options += f', shape="{shape}"' if shape != "linear" else ""
                if steps * share // 100 + warmup < steps:
                    found.append(f"wsd({options})")
    return found


def design(law: Law, steps: int, base_lr: float, baseline: str) -> Candidates:
    """Give the most promising of the family beside a baseline: see Law.design."""
    if baseline not in ("linear", "cosine"):
        raise ValueError(f"Law.design: baseline must be 'linear' or 'cosine', got {baseline!r}; name one of them")
    warmup = min(law.curves[0].warmup_steps, steps // 5)
    warmup = warmup if warmup > 1 else 0
    texts = family(steps, warmup)
    base = next(text for text in texts if text.endswith(f"{baseline}()"))
    law._answerable([np.full(steps, base_lr)])
    scores = _scores(law, texts, texts.index(base), steps, base_lr)
    order = [texts[place] for place in np.argsort(scores, kind="stable")]
    habits = [text for text in texts if text.endswith(("linear()", "cosine()", "cosine(final=0.1)", 'decay="20%")'))]
    shown = list(dict.fromkeys([*order[: SHOWN - 4], base, *habits]))
    laid_out = {text: rates_of(text, base_lr, steps) for text in shown}
    rows = ranked(law, [Pair(text, laid_out[text], laid_out[base]) for text in shown], base)
    place = {text: float(scores[texts.index(text)]) for text in shown}
    return replace(rows, rows=tuple(sorted(rows.rows, key=lambda row: place[row.name])))


def _scores(law: Law, texts: list[str], base: int, steps: int, base_lr: float) -> Floats:
    """Give the mean and half a standard deviation of the difference to the baseline, over the ensemble.

    The three laws count alike: the draws of the default law together as much as each of the others.
    """
    count = min(steps, LAID_OUT)
    places = np.floor((np.arange(count) + 0.5) * (steps / count))
    built = [notation.parse(text).build(steps) for text in texts]
    runs = [(base_lr * np.asarray(one(places), dtype=np.float64), np.array([count])) for one in built]  # type: ignore[operator]
    blocks = compress(runs, law.fitted.reference, most=64)
    blocks = replace(blocks, lengths=blocks.lengths * (steps / count))
    weights: list[float] = []
    differences: list[Floats] = []
    for name, fitted in law.ensemble.items():
        rows = _draws(fitted, law.counted * law.stretch) if name == law.fitted.law.name else fitted.x[None, :]
        losses = fitted.losses(blocks, rows)
        differences.append(losses - losses[:, base, None])
        weights += [1 / len(rows)] * len(rows)
    seen, share = np.vstack(differences), np.array(weights)[:, None] / len(differences)
    mean = (share * seen).sum(axis=0)
    sd = np.sqrt((share * (seen - mean) ** 2).sum(axis=0))
    found: Floats = mean + 0.5 * sd
    return found


def _draws(fitted: Fitted, counted: float) -> Floats:
    """Give samples of the parameters, the same ones always, as wide as the fit's doubt counts for, within bounds."""
    values, vectors = np.linalg.eigh(fitted.covariance)
    normal = np.random.default_rng(0).standard_normal((DRAWS // 2, len(fitted.x)))
    moves = counted * np.vstack([normal, -normal]) * np.sqrt(np.maximum(values, 0)) @ vectors.T
    found: Floats = np.clip(fitted.x + moves, *limits(fitted.law))
    return found
