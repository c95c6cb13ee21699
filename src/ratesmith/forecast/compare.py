"""Candidates side by side: differences, how sure they are, and what they are worth in steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ratesmith._checks import finite, whole
from ratesmith.forecast import band, doubt
from ratesmith.forecast.blocks import Blocks
from ratesmith.forecast.predicted import Candidates, Row
from ratesmith.forecast.solve import Fitted
from ratesmith.horizon import Horizon
from ratesmith.logs.curve import Curve, Floats
from ratesmith.logs.rates import length_of
from ratesmith.shapes import Ramp

if TYPE_CHECKING:  # it asks for these
    from ratesmith.forecast.fit import Law

LENGTHS: Final = np.exp(np.linspace(-np.log(4), np.log(4), 49))
"""The factors of the steps among which the one is sought that makes up for a difference."""
PROFILE: Final = 200
"""Places at which two schedules are compared."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A candidate and what it stands beside, as absolute rates."""

    name: str
    rates: Floats
    base: Floats
    begun: bool = False
    """Whether part of it is made already, so that it cannot be shortened as a whole."""


def compare(law: Law, rates: Mapping[str, Floats], baseline: str | None) -> Candidates:
    """Return the candidates beside one baseline: see Law.compare."""
    if not rates:
        raise ValueError("Forecast: at least one candidate is needed, got none; give schedules by name")
    chosen = next(iter(rates)) if baseline is None else baseline
    if chosen not in rates:
        raise ValueError(
            f"Forecast: the baseline must be one of the candidates {', '.join(map(repr, rates))}, got {chosen!r}; "
            "name one"
        )
    return ranked(law, [Pair(name, values, rates[chosen]) for name, values in rates.items()], chosen)


def ranked(law: Law, pairs: Sequence[Pair], baseline: str) -> Candidates:
    """Return every pair as a row, the most promising first, with what there is to say against them."""
    grade, _ = law.told_under([pair.rates for pair in pairs])
    rows = sorted(judge(law, pairs), key=lambda row: (row.score, row.name != baseline))
    said = [sentence for row in rows for sentence in row.prediction.warnings]
    return Candidates(
        tuple(rows), baseline, grade, (*dict.fromkeys(said), *disagreement(rows[0]), *_made_already(law, rows)), law
    )


def _made_already(law: Law, rows: Sequence[Row]) -> tuple[str, ...]:
    """Say it where a run of this length ended as low already."""
    length = int(rows[0].prediction.steps[-1])
    ends = {curve.name: float(curve.losses[-1]) for curve in law.curves if int(curve.steps[-1]) == length}
    best = min(ends, key=lambda name: ends[name], default=None)
    if best is None or ends[best] > rows[0].prediction.high()[-1]:
        return ()
    return (
        f"Run {best!r} has ended at {ends[best]:.4f} already, where {rows[0].name} is forecast {rows[0].final:.4f}.",
    )


def disagreement(row: Row) -> tuple[str, ...]:
    """Say it where the laws disagree about a gain by more than that."""
    low, high = min(row.laws.values()), max(row.laws.values())
    said = f"The laws disagree about {row.name} by more than the gain: from {low:+.4f} to {high:+.4f}."
    return (said,) if row.torn else ()


def judge(law: Law, pairs: Sequence[Pair]) -> list[Row]:
    """Return the rows in the order of the pairs."""
    runs = [(rates, np.array([len(rates)])) for pair in pairs for rates in (pair.rates, pair.base)]
    seen, blocks = doubt.look(law, runs), law.fitted.blocks(runs)
    views = {name: fitted.losses(blocks)[0] for name, fitted in law.ensemble.items()}
    places = np.arange(len(runs)) | 1
    ranks = doubt.scores(law, blocks, places)[::2]
    rows = []
    for place, pair in enumerate(pairs):
        mine, other = 2 * place, 2 * place + 1
        difference = float(seen.losses[mine] - seen.losses[other])
        laws = {name: float(losses[mine] - losses[other]) for name, losses in views.items()}
        sd = _doubt(law, pair, seen.slopes[mine] - seen.slopes[other], float(seen.losses[other]), list(laws.values()))
        offset = difference - laws[law.fitted.law.name]
        rows.append(
            Row(
                pair.name,
                law.under(pair.name, pair.rates),
                difference,
                sd,
                band.chance_below(difference, sd),
                None if pair.begun else fewer_steps(law.fitted, one_row(blocks, mine), one_row(blocks, other), offset),
                laws,
                float(ranks[place]),
            )
        )
    return rows


def _doubt(law: Law, pair: Pair, slopes: Floats, loss: float, laws: Sequence[float]) -> float:
    """Return the standard deviation of a difference: half of the laws' disagreement comes to that of the one law."""
    mine = float(doubt.own(law, slopes[None, :])[0])
    doublings = max(0.0, math.log2(len(pair.rates) / law.longest))
    beyond = float(band.outside(law.misfit, doublings / 2, doubt.away(law, pair.rates) / 2))
    apart = band.unlike(profile(pair.rates, law), profile(pair.base, law))
    one = law.stretch * band.rough(law.misfit) * band.spread_of_difference(mine, loss, beyond, apart)
    return float(np.hypot(one, 0.5 * np.std(laws)))


def profile(rates: Floats, law: Law) -> Floats:
    """Return the rates, as shares of the law's reference, at equal shares of the steps."""
    places = (np.linspace(0, 1, PROFILE) * (len(rates) - 1)).astype(int)
    found: Floats = rates[places] / law.fitted.reference
    return found


def one_row(blocks: Blocks, row: int) -> Blocks:
    """Return one schedule of several, wanted at its end alone."""
    wanted = np.flatnonzero(blocks.row == row)[-1:]
    part = slice(row, row + 1)
    rows = {field.name: getattr(blocks, field.name)[part] for field in fields(blocks)}
    return Blocks(**{**rows, "row": np.zeros(1, dtype=np.int64), "column": blocks.column[wanted]})


def fewer_steps(fitted: Fitted, mine: Blocks, other: Blocks, offset: float) -> float | None:
    """Return the share of its steps that a schedule, shrunk as a whole, can spare to end where another does."""
    count = len(LENGTHS)
    rows = {field.name: np.repeat(getattr(mine, field.name), count, axis=0) for field in fields(mine)}
    many = Blocks(**{**rows, "lengths": mine.lengths * LENGTHS[:, None], "row": np.arange(count)})
    gaps = fitted.losses(many)[0] + offset - fitted.losses(other)[0, 0]
    below = gaps <= 0
    if below.all() or not below.any():
        return None
    first = int(np.argmax(below))
    if first == 0:
        return None
    share = gaps[first - 1] / (gaps[first - 1] - gaps[first])
    logs = np.log(LENGTHS)
    return float(1 - np.exp(logs[first - 1] + share * (logs[first] - logs[first - 1])))


def cooldowns(
    law: Law, now: int | None, lengths: Sequence[int | str], shape: str | float, final: float, run: str | None
) -> Candidates:
    """Return what annealing from a step on would give: see Law.what_if_cooldown."""
    who = "Law.what_if_cooldown"
    curve = _run(law, run, who)
    step = int(curve.steps[-1]) if now is None else whole(who, "now", now, least=1)
    if step > curve.length:
        raise ValueError(
            f"{who}: now must be a step of run {curve.name!r}, which has {curve.length:,}, got {step:,}; "
            "give an earlier one"
        )
    floor = finite(who, "final", final, least=0.0, most=1.0)
    rate, so_far = float(curve.rates[step - 1]), curve.rates[:step]
    if rate <= 0:
        raise ValueError(f"{who}: the rate at step {step:,} must be above 0, got 0; nothing is left to anneal")
    if isinstance(lengths, str):
        raise TypeError(f"{who}: lengths must be several, got one text; write [{lengths!r}]")
    pairs = []
    for length in lengths:
        more = whole(who, f"the length {length!r}", Horizon(step).resolve(length), least=1)
        length_of(step + more, who)
        down: Any = Ramp(1.0, floor, more, shape)(np.arange(1, more + 1, dtype=np.float64))
        name = f"decay of {more:,} steps"
        kept = np.concatenate([so_far, np.full(more, rate)])
        pairs.append(Pair(name, np.concatenate([so_far, rate * down]), kept, begun=True))
    if not pairs:
        raise ValueError(f"{who}: at least one length is needed, got none; give steps, or shares such as '10%'")
    pairs = list({pair.name: pair for pair in pairs}.values())
    return ranked(law, pairs, "keeping the rate for as many steps")


def _run(law: Law, name: str | None, who: str) -> Curve:
    if name is None:
        return min(law.curves, key=lambda curve: curve.annealed)
    for curve in law.curves:
        if curve.name == name:
            return curve
    raise ValueError(
        f"{who}: run must be one of {', '.join(repr(curve.name) for curve in law.curves)}, got {name!r}; name one"
    )
