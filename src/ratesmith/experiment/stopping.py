"""Who gets one more fresh seed: whoever is still in, and what it is to be told apart from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ratesmith.experiment.standing import Standing
from ratesmith.experiment.statistics import ERROR, FEWEST_FOR_INTERVAL

FIRST_SEEDS: Final = FEWEST_FOR_INTERVAL
"""Fresh seeds that every strategy gets before anything is concluded."""
FAR: Final = 0.1
"""What is behind the leader by more than this share of the loss, at the least, is plainly behind."""
FAR_MARGINS: Final = 10
"""The same for a metric that is compared as it is, in margins."""


def further(standing: Standing) -> tuple[str, ...]:
    """Return the strategies that get one more fresh seed; none if the verdict is settled.

    A strategy goes on while it is told apart neither from the leader nor from a tie with it, or not from the baseline.
    What is worse than the leader, or plainly behind it, gets no more; whatever somebody must be told apart from goes on
    with it. Of two with different numbers of seeds the one with fewer gets the next: pairs are what counts. Nobody gets
    more than the question has; a strategy whose runs all failed gets no more either.
    """
    most = len(standing.question.seeds)
    names = {name for pair in _open_pairs(standing) for name in _behind_in_seeds(standing, pair)}
    return tuple(name for name in standing.order if name in names and standing.asked[name] < most)


def _open_pairs(standing: Standing) -> Iterator[tuple[str, str]]:
    """Yield the pairs of strategies that are to be told apart."""
    baseline = standing.question.baseline
    if not standing.order or standing.copied:
        return
    leader, *others = standing.order
    if not _is_settled(standing, leader, baseline):
        yield leader, baseline
    for name in others:
        if name == baseline or is_out(standing, name, leader):
            continue
        yield from ((name, other) for other in (leader, baseline) if not _is_settled(standing, name, other))


def is_out(standing: Standing, name: str, leader: str) -> bool:
    """Whether a strategy is worse than the leader, or after its first seeds so plainly behind that it gets no more.

    Plainly: an interval that allows for nothing but itself lies wholly beyond 10 % of the loss, or 10 margins. That is
    no claim, so a row says "far behind" of such a strategy, and not "worse"; equal ones are hardly ever dropped so.
    Later only a claim ends it: with more seeds one is near.
    """
    difference = standing.difference(name, leader)
    if difference is None or difference.low is None:
        return False
    if difference.conclusion == "worse" or standing.asked[name] > FIRST_SEEDS:
        return difference.conclusion == "worse"
    single = standing.difference(name, leader, its_level=ERROR)
    far = FAR if difference.relative else FAR_MARGINS * standing.question.margin
    if single is None or single.low is None or single.high is None or far <= 0.0:
        return False
    return (single.low if standing.question.mode == "min" else -single.high) > far


def is_left_behind(standing: Standing, name: str) -> bool:
    """Whether a strategy got no more seeds since it is plainly behind the first, which is no claim yet."""
    if name not in standing.order[1:] or name == standing.question.baseline:
        return False
    leader = standing.order[0]
    difference, seeds_left = standing.difference(name, leader), standing.asked[name] < len(standing.question.seeds)
    return seeds_left and difference is not None and difference.conclusion != "worse" and is_out(standing, name, leader)


def _is_settled(standing: Standing, name: str, other: str) -> bool:
    """Whether more seeds can say no more of two strategies: a word is there, or only doubt of their rates is left."""
    if name == other or other not in standing.placed:
        return True
    difference, exact = standing.difference(name, other), standing.difference(name, other, doubted=False)
    if difference is None or exact is None:
        return False
    unclear = "not told apart"
    if difference.conclusion != unclear:
        return True
    return exact.conclusion != unclear and standing.at_best(name, other) == unclear


def _behind_in_seeds(standing: Standing, pair: tuple[str, str]) -> list[str]:
    fewest = min(standing.asked[name] for name in pair)
    return [name for name in pair if standing.asked[name] == fewest]
