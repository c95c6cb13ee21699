"""The choice of `compare` without its processes: its own search and its own verdict, asked of a function of a run.

What is trained next is decided by the product's `Search` and `further`, and how many updates are made by its `arrange`.
That `compare` itself makes the same choice from the same runs, tests/experiment/test_choice.py shows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from tasks import EVERY, STEPS, STRATEGIES

from ratesmith.experiment.choice import CENTRE, RUNS_EACH, Outcome, Search, Try, Variant
from ratesmith.experiment.options import FIRST_FRESH_SEED
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.shapes import shape_of
from ratesmith.experiment.sharing import Rates, arrange
from ratesmith.experiment.standing import Standing
from ratesmith.experiment.stopping import FIRST_SEEDS, further
from ratesmith.experiment.trial import Point, Run, RunStatus, Trial

RATES = Rates(STEPS, STEPS, {})
SHAPES = {strategy: shape_of(strategy, RATES) for strategy in STRATEGIES}
SEEDS = tuple(range(FIRST_FRESH_SEED, FIRST_FRESH_SEED + 10))

Value = Callable[[str, float, int], float]
"""The final loss of a strategy at a rate, with a seed; not finite if the run diverged."""


@dataclass
class Chosen:
    """A choice that was made, and what it took."""

    search: Search
    steps: int = 0
    """Updates made, beginnings that runs share once."""
    trail: list[tuple[int, Choice]] = field(default_factory=list)
    """What would have been returned, by the updates made until then."""


def question(choice_seeds: tuple[int, ...]) -> Question:
    """Return what `compare` asks by default."""
    families: dict[str, tuple[str, ...]] = {strategy: (strategy,) for strategy in STRATEGIES}
    return Question(families, STRATEGIES[0], "loss", "min", 0.01, choice_seeds, SEEDS)


def choose(
    value: Value, rates: tuple[float, ...], suggestion: float, seeds: tuple[int, ...] = (0, 1, 2), at_once: int = 1
) -> Chosen:
    """Make the choice: `suggestion` is a sweep's answer."""
    variants = [Variant(strategy, strategy, rates, SHAPES[strategy]) for strategy in STRATEGIES]
    most = RUNS_EACH * len(STRATEGIES)
    chosen = Chosen(Search.of(question(seeds), variants, {"": suggestion * CENTRE}, most))
    while proposals := chosen.search.proposed(at_once):
        chosen.steps += arrange([Trial(*place, STEPS) for place in proposals], RATES).run
        chosen.search = chosen.search.observed({place: outcome(value, place) for place in proposals})
        leading = chosen.search.leading()
        if leading is not None:
            chosen.trail.append((chosen.steps, leading))
    return chosen


def outcome(value: Value, place: Try) -> Outcome:
    """Return what a run of the choice ends with."""
    loss = value(*place)
    mean = SHAPES[place.variant].mean
    return Outcome(loss, mean) if loss < float("inf") else Outcome(None, mean, diverged=True)


def judge(value: Value, search: Search) -> tuple[Standing, int]:
    """Give the verdict on fresh seeds: return where the strategies stand, and the updates that it took."""
    chosen, doubts, steps = search.chosen(), search.doubts(), 0
    asked, runs = dict.fromkeys(chosen, FIRST_SEEDS), dict[Trial, Run]()
    more: tuple[str, ...] = tuple(chosen)
    while more:
        wanted = [Trial(*choice, seed, STEPS) for name, choice in chosen.items() for seed in SEEDS[: asked[name]]]
        trials = [trial for trial in wanted if trial not in runs]
        steps += arrange(trials, RATES).run
        for trial in trials:
            loss = value(trial.strategy, trial.base_lr, trial.seed)
            end = {"loss": loss}
            curve = (Point(0, None, {"loss": 10.0}), Point(EVERY, 1.0, end), Point(STEPS, 1.0, end))
            runs[trial] = Run(trial, RunStatus.DONE, STEPS, 0.0, end, curve)
        standing = Standing.of(runs, chosen, search.question, STEPS, asked=asked, doubts=doubts)
        more = further(standing)
        for family in more:
            asked[family] += 1
    return standing, steps
