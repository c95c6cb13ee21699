"""The choice: which strategy is tried at which rate next, and each one's best: pure functions of one frozen Search.

Whole runs only, on a lattice of rates a fifth of a decade apart. First the best of all is looked for, then each
strategy's own best rate: by the run from which a Gaussian process over all runs so far expects to learn the most. That
may be another seed for a pair that was tried, where luck is larger than what is left to gain.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np

from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.shapes import StrategyShape, mean_factor
from ratesmith.experiment.statistics import logarithmic
from ratesmith.experiment.surrogate import Place, Surrogate, expected_improvement
from ratesmith.experiment.trial import Run, Trial
from ratesmith.strategy.contender import optimizer_of

MEAN_WEIGHT: Final = 0.7
"""A schedule whose mean factor is half of another's wants a rate 2**0.7 times as high."""
CUT: Final = 0.35
"""Costs further than this above the least count as this: how bad a bad run is tells nothing of the best."""
LAG_OF_MEAN: Final = 0.1
LAG_OF_TAIL: Final = 0.06
"""What is expected beforehand: a schedule that is low for long, or high at its end, ends with a higher loss."""
CENTRE: Final = 10**-0.2
"""Where the best rate of a whole run is expected, as a share of a sweep's answer: what a few updates bear is more."""
LEAST_MEAN: Final = 1e-3
"""A mean factor below this, as of a schedule that is 0 throughout, counts as this: it has a logarithm."""
UNKNOWN_SHAPE: Final = StrategyShape(None, None)
UNKNOWN_MEAN: Final = 0.6
UNKNOWN_TAIL: Final = 0.2
"""What a controller's schedule is taken for until it has trained."""
LEAST_GAIN: Final = 0.004
"""The search for the best of all ends where no run is expected to gain so much of the logarithm of the loss."""
LEAST_OWN_GAIN: Final = 0.0005
"""The same for the search for each strategy's own best rate, and for the runs that confirm the lead."""
CONFIRMING: Final = 1 / 6
"""The share of the runs that is kept for the last: what seems best of all is tried again, and what may be better."""
KEEN: Final = 0.1
"""A strategy that lags so far behind the best counts exp(-1) of the best, where its own rate is looked for."""
MOST_LUCK: Final = 1.0
"""Deviations of a run's noise by which the surrogate may correct what it showed."""
MOST_SHARED: Final = 0.95
"""The share of a run at the most that counts as made anyway."""
MOST_FAILED: Final = 2
"""After so many runs that failed and none that ended well a variant is not tried again."""
STEP_DOWN: Final = 4.0
"""How far below its lowest rate a variant is tried that has only diverged: so far once more for each time."""
MOST_COMPANIONS: Final = 2
"""Runs of a round that come along beside those that were asked for: what is learned first may speak against them."""
KEPT_LAG: Final = 0.3
"""The share of its lag in shorter runs that is expected in longer ones: which is best there says little."""
LEAST_ERROR: Final = 1e-3
"""What is added to the errors that a share leaves, so that none has a logarithm too."""
NEARLY_AS_GOOD: Final = 0.05
"""Rates whose loss is within this share of the best are called nearly as good."""
RUNS_EACH: Final = 3
"""Whole runs that the choice makes at the most for each strategy; one more for each further variant of it."""
DRAWS: Final = 400
"""Curves that are drawn from the surrogate to see how much a better rate may gain."""
DOUBT: Final = 0.8
"""The doubt of a chosen rate is exceeded in one of five draws; on recorded trainings it was in one of ten."""


class Outcome(NamedTuple):
    """What a run of the choice ended with."""

    value: float | None
    """The metric; None if the run did not end well."""
    mean: float | None
    """The mean factor that was used."""
    diverged: bool = False


class Try(NamedTuple):
    """A run of the choice: a variant at a rate, with a seed."""

    variant: str
    base_lr: float
    seed: int

    @property
    def choice(self) -> Choice:
        """What is tried, whatever the seed."""
        return Choice(self.variant, self.base_lr)


@dataclass(frozen=True)
class Variant:
    """One variant of a strategy, and the rates at which it may be tried."""

    text: str
    family: str
    rates: tuple[float, ...]
    shape: StrategyShape = UNKNOWN_SHAPE
    lag: float = 0.0
    """What it is expected to lose against others, beside what its shape tells: from shorter runs."""

    @property
    def optimizer(self) -> str:
        """The name of the optimizer that it drives."""
        return optimizer_of(self.text)


@dataclass(frozen=True)
class Search:
    """Where the choice is: what may be tried, and what came of what was."""

    question: Question
    variants: tuple[Variant, ...]
    centres: Mapping[str, float]
    """For each optimizer the rate around which a constant one is expected to do best."""
    most: int
    """Runs that may be made in all."""
    outcomes: Mapping[Try, Outcome]

    @classmethod
    def of(cls, question: Question, variants: Iterable[Variant], centres: Mapping[str, float], most: int) -> Search:
        """Return a search that has tried nothing yet."""
        return cls(question, tuple(variants), dict(centres), most, {})

    def observed(self, outcomes: Mapping[Try, Outcome]) -> Search:
        """Return the search that knows of these outcomes as well."""
        return replace(self, outcomes={**self.outcomes, **outcomes})

    def proposed(self, at_once: int = 1) -> tuple[Try, ...]:
        """Return what is to be tried next, side by side: nothing if the choice is made.

        Beside the `at_once` most promising come others that begin like them, if they promise more for each update.
        """
        room = self.most - len(self.outcomes)
        view = _View(self)
        while len(view.proposals) < room:
            best = view.best()
            enough = at_once + (MOST_COMPANIONS if best is not None and best.companion else 0)
            if best is None or len(view.proposals) >= enough:
                break
            view.believe(best.proposal)
        return tuple(view.proposals)

    @functools.cached_property
    def _seen(self) -> _View:
        """The search as the surrogate sees it; what proposes runs has a view of its own, which it changes."""
        return _View(self)

    def chosen(self) -> dict[str, Choice]:
        """Return each strategy's best variant and rate of those tried; nothing for one that ended well nowhere."""
        view = self._seen
        return {family: bests[0].choice for family, bests in view.by_family(view.ranked()).items()}

    def leading(self) -> Choice | None:
        """Return what would be used if the search ended now."""
        ranked = self._seen.ranked()
        return ranked[0].choice if ranked else None

    def doubts(self, *, logs: bool = True) -> dict[str, float]:
        """Return by how much each chosen rate may be worse than the best: of logarithms, or of the metric."""
        return {family: self._seen.doubt(choice, logs=logs) for family, choice in self.chosen().items()}

    def nearly(self) -> dict[str, tuple[float, float]]:
        """Return the rates around each strategy's best at which it is expected to end within 5 % of it."""
        return {family: self._seen.nearly(choice) for family, choice in self.chosen().items()}

    def carried(self) -> Search:
        """Return the search for longer runs, which begins with what this one of shorter runs has found."""
        view, ranked = self._seen, self._seen.ranked()
        if not ranked:
            return replace(self, outcomes={})
        centres, lags = dict(self.centres), dict[str, float]()
        for pair in reversed(ranked):  # of each optimizer and each variant the best, which comes last, stays
            variant = view.by_text[pair.choice.variant]
            centres[variant.optimizer] = 10 ** view.place(pair.choice).u
            lags[variant.text] = KEPT_LAG * (pair.cost - ranked[0].cost)
        variants = tuple(replace(variant, lag=lags.get(variant.text, 0.0)) for variant in self.variants)
        return replace(self, variants=variants, centres=centres, outcomes={})


def outcome_of(run: Run, question: Question) -> Outcome:
    """Return what a run of the choice ended with."""
    return Outcome(_value(run, question), mean_factor(run), run.diverged)


def _value(run: Run, question: Question) -> float | None:
    """Return the metric that a run ended with; None if it did not end well."""
    value = run.metrics.get(question.metric, math.nan) if run.done else math.nan
    return value if math.isfinite(value) else None


class _Proposal(NamedTuple):
    proposal: Try
    companion: bool
    """Whether it begins like another of the round."""


class _Ranked(NamedTuple):
    choice: Choice
    cost: float
    """As the surrogate has it: with less luck than a single run."""


class _View:
    """A search, and proposals that are under way, as the surrogate sees them; made anew for each round."""

    def __init__(self, search: Search) -> None:
        self.search, self.question = search, search.question
        self.by_text = {variant.text: variant for variant in search.variants}
        self.numbers = {text: number for number, text in enumerate(self.by_text)}
        self.optimizers = {name: number for number, name in enumerate(search.centres)}
        self.centres = [math.log10(rate) for rate in search.centres.values()]
        sound = {place: outcome.value for place, outcome in search.outcomes.items() if outcome.value is not None}
        self.scale = _Scale.of(list(sound.values()), self.question)
        costs = {place: self.scale.cost(value, self.question) for place, value in sound.items()}
        self.bad = {place.choice for place in search.outcomes if place not in sound}
        self.costs, self.cut = _cut(costs, search.outcomes)
        self.proposals: list[Try] = []
        self.surrogate = self._fitted()

    def believe(self, proposal: Try) -> None:
        """Take a proposal as under way: it is believed to end as is foretold."""
        foretold = self.surrogate.predicted([self.place(proposal.choice)])[0] if self.surrogate is not None else 0.0
        self.proposals.append(proposal)
        self.costs[proposal] = float(foretold)
        self.surrogate = self._fitted()

    def _fitted(self) -> Surrogate | None:
        if not self.costs:
            return None
        places = [self.place(place.choice)._replace(seed=place.seed) for place in self.costs]
        costs = list(self.costs.values())
        return Surrogate.fitted(places, costs, self.centres, [place in self.cut for place in self.costs])

    def place(self, choice: Choice) -> Place:
        """Return where a variant at a rate lies for the surrogate."""
        variant = self.by_text[choice.variant]
        mean, tail = variant.shape.mean, variant.shape.tail
        if mean is None or tail is None:
            mean, tail = self._measured(choice), UNKNOWN_TAIL
        mean = max(mean, LEAST_MEAN)
        lag = variant.lag - LAG_OF_MEAN * math.log(mean) + LAG_OF_TAIL * tail
        u = math.log10(choice.base_lr) + MEAN_WEIGHT * math.log10(mean)
        return Place(u, self.numbers[choice.variant], self.optimizers[variant.optimizer], lag)

    def _measured(self, choice: Choice) -> float:
        """Return the mean factor of a controller at the nearest rate where it has trained."""
        means = {
            other.base_lr: outcome.mean
            for other, outcome in self.search.outcomes.items()
            if other.variant == choice.variant and outcome.mean is not None
        }
        nearest = min(means, key=lambda rate: abs(math.log(rate / choice.base_lr)), default=None)
        return UNKNOWN_MEAN if nearest is None else means[nearest]

    def ranked(self) -> list[_Ranked]:
        """Return the pairs that were tried and ended well with every seed, the best first.

        By what the surrogate gives them, but no further from what they showed than luck explains.
        """
        shown: dict[Choice, list[float]] = {}
        for place, cost in self.costs.items():
            if place.choice not in self.bad:
                shown.setdefault(place.choice, []).append(cost)
        if not shown or self.surrogate is None:
            return []
        smoothed = self.surrogate.predicted([self.place(choice) for choice in shown]).tolist()
        pairs = []
        for (choice, costs), cost in zip(shown.items(), smoothed, strict=True):
            mean, luck = math.fsum(costs) / len(costs), MOST_LUCK * self.surrogate.noise / math.sqrt(len(costs))
            pairs.append(_Ranked(choice, min(max(cost, mean - luck), mean + luck)))
        return sorted(pairs, key=lambda pair: pair.cost)

    def by_family(self, ranked: Iterable[_Ranked]) -> dict[str, list[_Ranked]]:
        """Return ranked pairs for each strategy that has some."""
        families: dict[str, list[_Ranked]] = {}
        for pair in ranked:
            families.setdefault(self.by_text[pair.choice.variant].family, []).append(pair)
        return {family: families[family] for family in self.question.families if family in families}

    def candidates(self) -> list[Try]:
        """Return what may be tried: each pair with the first seed that it lacks, unless a run of it ended badly."""
        found = []
        for variant in self.search.variants:
            limit = self._limit(variant)
            for rate in variant.rates:
                seeds = [seed for seed in self.question.choice_seeds if Try(variant.text, rate, seed) not in self.costs]
                if seeds and rate <= limit and Choice(variant.text, rate) not in self.bad:
                    found.append(Try(variant.text, rate, seeds[0]))
        return found

    def _limit(self, variant: Variant) -> float:
        """Return the highest rate at which a variant may be tried.

        None above one at which it diverged. If it ended well nowhere, it goes down by ever larger steps; and one that
        fails whatever its rate is given up.
        """
        outcomes = {place: outcome for place, outcome in self.search.outcomes.items() if place.variant == variant.text}
        dead = sorted(place.base_lr for place, outcome in outcomes.items() if outcome.diverged)
        if any(outcome.value is not None for outcome in outcomes.values()):
            return math.nextafter(dead[0], 0.0) if dead else math.inf
        if not outcomes and (others := self._deaths(variant.optimizer)):
            # Most schedules begin at their highest rate, as the others did.
            return max(math.nextafter(others[0], 0.0), min(variant.rates))
        if len(outcomes) - len(dead) >= MOST_FAILED:
            return 0.0
        if not dead:
            return math.inf
        return max(dead[0] / STEP_DOWN ** len(dead), min(variant.rates))

    def _deaths(self, optimizer: str) -> list[float]:
        """Return the rates at which some strategy with this optimizer diverged, rising."""
        return sorted(
            place.base_lr
            for place, outcome in self.search.outcomes.items()
            if outcome.diverged and self.by_text[place.variant].optimizer == optimizer
        )

    def best(self) -> _Proposal | None:
        """Return the run that promises most beside those under way; None if none promises enough."""
        candidates = self.candidates()
        if not candidates:
            return None
        places = [self.place(candidate.choice) for candidate in candidates]
        if self.surrogate is None:
            costs = [(place.u - self.centres[place.optimizer]) ** 2 + place.lag for place in places]
            return _Proposal(candidates[costs.index(min(costs))], companion=False)
        gains = self._gains(candidates, places, self.surrogate)
        shares = np.array([self._shared(candidate) for candidate in candidates])
        # Updates that are made anyway cost nothing; a share of all would make the price of a run 0.
        place = int(np.argmax(gains / (1.0 - np.minimum(shares, MOST_SHARED))))
        if gains[place] <= 0.0:
            return None
        return _Proposal(candidates[place], companion=bool(shares[place] > 0.0))

    def _gains(self, candidates: Sequence[Try], places: Sequence[Place], surrogate: Surrogate) -> Any:
        """Return what each run is expected to gain: for the best of all, or else for its own strategy."""
        mean = surrogate.predicted(places)
        sway = surrogate.swayed(places, [candidate.seed for candidate in candidates])
        ranked = self.ranked()
        gains = _gain([ranked] * len(candidates), candidates, mean, sway)
        tried, most = len(self.costs), self.search.most
        if tried < most / 2 and gains.max() >= LEAST_GAIN:
            return gains
        if tried >= most * (1 - CONFIRMING) and gains.max() >= LEAST_OWN_GAIN:
            return gains
        by_family = self.by_family(ranked)
        families = [self.by_text[candidate.variant].family for candidate in candidates]
        gains = _gain([by_family.get(family, []) for family in families], candidates, mean, sway)
        hoped = dict.fromkeys(families, math.inf)  # of each strategy the least cost that is still well possible
        for family, cost in zip(families, (mean - surrogate.deviations(places)).tolist(), strict=True):
            hoped[family] = min(hoped[family], cost)
        least = ranked[0].cost if ranked else CUT
        lags = np.array([max(0.0, hoped[family] - least) if family in by_family else 0.0 for family in families])
        # The baseline is what all are measured by, and of what ended well nowhere nothing is known.
        keen = np.where(np.array([family == self.question.baseline for family in families]), 1.0, np.exp(-lags / KEEN))
        return np.where(gains * keen >= LEAST_OWN_GAIN, gains * keen, 0.0)

    def _shared(self, candidate: Try) -> float:
        """Return for what share of a run a candidate is the same training as one that is under way."""
        variant = self.by_text[candidate.variant]
        shares = [
            variant.shape.shares(other.shape)
            for beside in self.proposals
            if (beside.base_lr, beside.seed) == (candidate.base_lr, candidate.seed)
            and (other := self.by_text[beside.variant]).optimizer == variant.optimizer
        ]
        return max(shares, default=0.0)

    def doubt(self, choice: Choice, *, logs: bool) -> float:
        """Return what the best rate of a variant may gain over the chosen one."""
        rates = self.by_text[choice.variant].rates
        if self.surrogate is None or len(rates) < 2:
            return 0.0
        mean, covariance = self.surrogate.joint([self.place(Choice(choice.variant, rate)) for rate in rates])
        root = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(rates)))
        rng = np.random.default_rng(0)  # the same doubt each time
        draws = mean + rng.standard_normal((DRAWS, len(rates))) @ root.T
        doubt = float(np.quantile(draws[:, rates.index(choice.base_lr)] - draws.min(axis=1), DOUBT))
        values = [
            o.value for place, o in self.search.outcomes.items() if place.choice == choice and o.value is not None
        ]
        return self.scale.doubt(doubt, math.fsum(values) / len(values), self.question, logs=logs)

    def nearly(self, choice: Choice) -> tuple[float, float]:
        """Return the range of rates around a chosen one whose costs are expected to be within 5 % of it."""
        rates = self.by_text[choice.variant].rates
        assert self.surrogate is not None
        costs = self.surrogate.predicted([self.place(Choice(choice.variant, rate)) for rate in rates]).tolist()
        first = last = rates.index(choice.base_lr)
        limit = costs[first] + math.log1p(NEARLY_AS_GOOD)
        while first and costs[first - 1] <= limit:
            first -= 1
        while last + 1 < len(rates) and costs[last + 1] <= limit:
            last += 1
        return rates[first], rates[last]


def _gain(rankings: Sequence[Sequence[_Ranked]], candidates: Sequence[Try], mean: Any, sway: Any) -> Any:
    """Return by how much one more run is expected to lower the cost of what would be chosen from each one's ranking.

    A run of another pair gains if it ends below the best; one of the best pair itself if it shows that it is not.
    """
    bests, means = np.full(len(candidates), CUT), np.array(mean)
    for place, (ranked, candidate) in enumerate(zip(rankings, candidates, strict=True)):
        if ranked and ranked[0].choice == candidate.choice:
            bests[place] = -(ranked[1].cost if len(ranked) > 1 else CUT)
            means[place] = -mean[place]
        elif ranked:
            bests[place] = ranked[0].cost
    return expected_improvement(bests, means, sway)


def choice_means(
    runs: Mapping[Trial, Run], pairs: Iterable[Choice], question: Question, steps: int
) -> dict[Choice, float]:
    """Return each pair's mean metric over the choice's seeds that it was tried with, if all of them ended well."""
    means = {}
    for choice in pairs:
        tried = [run for seed in question.choice_seeds if (run := runs.get(Trial(*choice, seed, steps))) is not None]
        values = [_value(run, question) for run in tried]
        if values and None not in values:
            means[choice] = math.fsum(value for value in values if value is not None) / len(values)
    return means


def _cut(costs: Mapping[Try, float], tried: Iterable[Try]) -> tuple[dict[Try, float], set[Try]]:
    """Return the costs above the least, and which of them were cut.

    A variant's own costs are cut above its own least, and its lag is cut too: so the best of a variant that is far
    behind is told from its others. What did not end well stands at the cut.
    """
    tried = list(tried)
    bests: dict[str, float] = {}
    for place, cost in costs.items():
        bests[place.variant] = min(cost, bests.get(place.variant, math.inf))
    least = min(bests.values(), default=0.0)
    lags = {variant: min(best - least, CUT) for variant, best in bests.items()}
    above = {place: costs[place] - bests[place.variant] if place in costs else math.inf for place in tried}
    cut = {place for place in tried if above[place] >= CUT}
    return {place: lags.get(place.variant, 0.0) + min(above[place], CUT) for place in tried}, cut


class _Scale(NamedTuple):
    """How costs are made of the values of a metric, so that a hundredth means as much for each."""

    kind: str
    spread: float

    @classmethod
    def of(cls, values: Sequence[float], question: Question) -> _Scale:
        """Return logarithms of a loss, or of the errors that a share leaves; else the worst value stands at the cut."""
        if logarithmic(values, question.mode):
            return cls("loss", 1.0)
        if all(0.0 <= value <= 1.0 for value in values):
            return cls("share", 1.0)
        costs = sorted(question.cost(value) for value in values)
        # Twice the better half's spread: one value that is far off must not make all others alike.
        return cls("other", 2 * (costs[len(costs) // 2] - costs[0]) or costs[-1] - costs[0])

    def cost(self, value: float, question: Question) -> float:
        """Return the cost of a value, up to a constant."""
        if self.kind == "loss":
            return math.log(value)
        if self.kind == "share":
            return math.log((value if question.mode == "min" else 1.0 - value) + LEAST_ERROR)
        return CUT * question.cost(value) / self.spread if self.spread else 0.0

    def doubt(self, cost: float, value: float, question: Question, *, logs: bool) -> float:
        """Return a doubt in the unit of a difference: of logarithms of the metric, or of the metric itself."""
        if self.kind == "loss" and logs:
            return cost
        error = value if question.mode == "min" else 1.0 - value
        size = cost * self.spread / CUT
        if self.kind != "other":
            size = -math.expm1(-cost) * (error + (LEAST_ERROR if self.kind == "share" else 0.0))
        return -math.log1p(-min(size / value, 0.99)) if logs and value > 0 else size
