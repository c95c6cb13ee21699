"""Candidates side by side: differences, how sure they are, and what they are worth in steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from ratesmith._checks import Option, OptionTypeError, OptionValueError, finite, options_of, whole
from ratesmith.forecast.fitting import FitResult, Fits
from ratesmith.forecast.results import Prediction, Row
from ratesmith.forecast.segments import Segments
from ratesmith.forecast.uncertainty import (
    chance_below,
    difference_sd,
    forecast_losses,
    law_error_sd,
    misfit_factor,
    parameter_sd,
    peak_doublings,
    ranking_scores,
    unlikeness,
)
from ratesmith.horizon import Horizon
from ratesmith.logs.curve import Curve, Floats
from ratesmith.logs.rates_per_update import length_of
from ratesmith.shapes import Ramp

LENGTH_FACTORS: Final = np.exp(np.linspace(-np.log(4), np.log(4), 49))
"""Factors of the steps, from a quarter to four times: which of them makes up for a difference is sought."""
PLACES: Final = 200
"""Places at which two schedules are compared."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A candidate and what it stands beside, as absolute rates, one for each update."""

    name: str
    rates: Floats
    base: Floats
    begun: bool = False
    """Whether part of it is made already, so that it cannot be shortened as a whole."""


def pairs_of(rates: Mapping[str, Floats], baseline: str | None) -> tuple[list[Pair], str]:
    """Return candidates beside one baseline, and which that is: the first if none is named."""
    if not rates:
        raise OptionValueError("Forecast: at least one candidate is needed, got none; give schedules by name")
    chosen = next(iter(rates)) if baseline is None else baseline
    if chosen not in rates:
        start = ("Forecast: the ", Option("baseline"), " must be one of the candidates ")
        raise OptionValueError(*start, f"{', '.join(map(repr, rates))}, got {chosen!r}; name one")
    return [Pair(name, values, rates[chosen]) for name, values in rates.items()], chosen


def rows_of(fits: Fits, inflation: float, pairs: Sequence[Pair], predictions: Iterable[Prediction]) -> list[Row]:
    """Return a row for each pair, in their order; `predictions` are those of the candidates."""
    # Candidates at the even places, what each stands beside at the odd one after it.
    runs = [(rates, np.array([len(rates)])) for pair in pairs for rates in (pair.rates, pair.base)]
    ends, segments = forecast_losses(fits, runs), fits.main.segments(runs)
    views = {name: fit.losses(segments)[0] for name, fit in fits.by_law.items()}
    odd = np.arange(len(runs)) | 1
    scores = ranking_scores(fits, inflation, segments, odd)[::2]
    rows = []
    for place, (pair, prediction) in enumerate(zip(pairs, predictions, strict=True)):
        mine, other = 2 * place, 2 * place + 1
        difference = float(ends.losses[mine] - ends.losses[other])
        laws = {name: float(losses[mine] - losses[other]) for name, losses in views.items()}
        slopes = ends.slopes[mine] - ends.slopes[other]
        sd = _difference_sd(fits, inflation, pair, slopes, float(ends.losses[other]), list(laws.values()))
        # Beyond the runs the difference is partly that of the fit for long horizons, which shortened schedules lack.
        offset = difference - laws[fits.main.law.name]
        both = one_row(segments, mine), one_row(segments, other)
        fewer = None if pair.begun else fewer_steps(fits.main, *both, offset)
        better, score = chance_below(difference, sd), float(scores[place])
        rows.append(Row(pair.name, prediction, difference, sd, better, fewer, laws, score))
    return rows


def _difference_sd(
    fits: Fits, inflation: float, pair: Pair, slopes: Floats, loss: float, laws: Sequence[float]
) -> float:
    """Return the standard deviation of a difference: half of the laws' disagreement comes to that of the one law.

    `slopes` are the difference's in the parameters, (parameters,). Half of what the horizon and the peak add to a
    single loss is taken to be wrong with both alike.
    """
    of_parameters = float(parameter_sd(fits, slopes[None, :])[0])
    doublings = max(0.0, math.log2(len(pair.rates) / fits.longest))
    law_error = float(law_error_sd(fits.main.misfit, doublings / 2, peak_doublings(fits.curves, pair.rates) / 2))
    unlike = unlikeness(profile(pair.rates, fits.main), profile(pair.base, fits.main))
    own_law = inflation * misfit_factor(fits.main.misfit) * difference_sd(of_parameters, loss, law_error, unlike)
    return float(np.hypot(own_law, 0.5 * np.std(laws)))


def profile(rates: Floats, fit: FitResult) -> Floats:
    """Return the rates, as shares of the fit's reference, at equal shares of the steps."""
    places = (np.linspace(0, 1, PLACES) * (len(rates) - 1)).astype(int)
    shares: Floats = rates[places] / fit.reference
    return shares


def one_row(segments: Segments, row: int) -> Segments:
    """Return one schedule of several, wanted at its end alone."""
    wanted = np.flatnonzero(segments.row == row)[-1:]
    part = slice(row, row + 1)
    rows = {field.name: getattr(segments, field.name)[part] for field in fields(segments)}
    return Segments(**{**rows, "row": np.zeros(1, dtype=np.int64), "column": segments.column[wanted]})


def fewer_steps(fit: FitResult, mine: Segments, other: Segments, offset: float) -> float | None:
    """Return the share of its steps that a schedule, shrunk as a whole, can spare to end where another does.

    Both are one schedule, wanted at its end. `offset` comes to the difference between them. The lengths of all segments
    are multiplied by each of 49 factors at once, and the factor at which the gap closes is found between two of them,
    in the logarithm. None if it is not from a quarter to four times the steps.
    """
    count = len(LENGTH_FACTORS)
    # (factors, segments): the same schedule 49 times, each with all of its segments longer or shorter by one factor.
    rows = {field.name: np.repeat(getattr(mine, field.name), count, axis=0) for field in fields(mine)}
    scaled = Segments(**{**rows, "lengths": mine.lengths * LENGTH_FACTORS[:, None], "row": np.arange(count)})
    gaps = fit.losses(scaled)[0] + offset - fit.losses(other)[0, 0]
    below = gaps <= 0
    if below.all() or not below.any():
        return None
    first = int(np.argmax(below))
    if first == 0:  # below from a quarter of its steps on: where it crosses is not known
        return None
    share = gaps[first - 1] / (gaps[first - 1] - gaps[first])
    logs = np.log(LENGTH_FACTORS)
    return float(1 - np.exp(logs[first - 1] + share * (logs[first] - logs[first - 1])))


def cooldown_pairs(
    curve: Curve, now: int | None, lengths: Sequence[int | str], shape: str | float, final: float
) -> list[Pair]:
    """Return what annealing from a step of a run on would be, beside as many steps at the rate of that step."""
    thing = "Forecaster.what_if_cooldown"
    step = int(curve.steps[-1]) if now is None else whole(thing, "now", now, least=1)
    if step > curve.length:
        must = f" must be a step of run {curve.name!r}, which has {curve.length:,}, got {step:,}; give an earlier one"
        raise OptionValueError(f"{thing}: ", Option("now"), must)
    floor = finite(thing, "final", final, least=0.0, most=1.0)
    rate, so_far = float(curve.rates[step - 1]), curve.rates[:step]
    if rate <= 0:
        must = f"the rate at step {step:,} must be above 0, got 0; nothing is left to anneal"
        raise OptionValueError(f"{thing}: {must}")
    if isinstance(lengths, str):
        must = f" must be several, got one text; write [{lengths!r}]"
        raise OptionTypeError(f"{thing}: ", Option("lengths"), must)
    pairs = {}
    for length in lengths:
        with options_of(thing, steps="lengths"):
            more = whole(thing, f"the length {length!r}", Horizon(step).resolve(length), least=1)
            length_of(step + more)
            down: Any = Ramp(1.0, floor, more, shape)(np.arange(1, more + 1, dtype=np.float64))
        name = f"decay of {more:,} steps"
        kept = np.concatenate([so_far, np.full(more, rate)])
        pairs[name] = Pair(name, np.concatenate([so_far, rate * down]), kept, begun=True)
    if not pairs:
        raise OptionValueError(f"{thing}: at least one length is needed, got none; give steps, or shares such as '10%'")
    return list(pairs.values())
