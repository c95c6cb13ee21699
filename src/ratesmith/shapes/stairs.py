"""Schedules of steps: a drop every so many steps, or at milestones."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from ratesmith._arrays import NUMBERS, power, stair_start, stairs_begun
from ratesmith._checks import A_LIST, MOST_MILESTONES, Option, OptionTypeError, OptionValueError, whole
from ratesmith._field_checks import Check, positive
from ratesmith.schedule.base import MOST_BREAKPOINTS, NEAREST, Schedule, check_stairs, multiples
from ratesmith.schedule.piece import BEYOND, Piece, flat, pieces_of


def _rising_steps(thing: str, option: str, given: Any) -> tuple[int, ...]:
    """Return steps as a tuple; refuse those that are not whole, do not rise, or are very many."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        must = f" must be a list of steps, got {given!r}; write [30, 80]"
        raise OptionTypeError(f"{thing}: ", Option(option), must)
    listed = tuple(given)
    if len(listed) > MOST_MILESTONES:
        must = f"there must be at most {MOST_MILESTONES} milestones, got {len(listed)}; use Staircase"
        raise OptionValueError(f"{thing}: {must}")
    steps = tuple(whole(thing, "a milestone", step, least=0) for step in listed)
    for before, after in itertools.pairwise(steps):
        if after <= before:
            must = f" must rise, got {before} before {after}; sort them and drop repeats"
            raise OptionValueError(f"{thing}: ", Option(option), must)
    return steps


@dataclass(frozen=True)
class Staircase(Schedule):
    """Multiplied by `gamma` once every `every` steps; it never ends.

    Formula: `gamma ** floor(step / every)`. With `stairs`, it is multiplied so many times in `every` steps, each time
    at the step nearest to a multiple of `every / stairs`, halves up. Source: torch.optim.lr_scheduler.StepLR.

    >>> decay = Staircase(every=30, gamma=0.5)
    >>> decay(0), decay(29), decay(30), decay(60)
    (1.0, 1.0, 0.5, 0.25)
    >>> [Staircase(every=5, gamma=0.5, stairs=2)(step) for step in range(6)]
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.25]
    """

    every: Annotated[int, Check(whole, least=1)]
    gamma: Annotated[float, Check(positive)] = 0.1
    stairs: Annotated[int, Check(whole, least=1)] = 1
    steps = None

    def __post_init__(self) -> None:
        """Refuse stairs shorter than a step."""
        super().__post_init__()
        check_stairs("Staircase", self.every, self.stairs)

    def at(self, t: Any, xp: Any) -> Any:
        return power(self.gamma, stairs_begun(t, self.every, self.stairs, xp), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        return multiples(self.every, since, until, self.stairs)


@pieces_of(Staircase)
def _stair(stairs: Staircase, step: int, begin: int) -> Piece:
    if step < begin:
        return flat(1.0, NEAREST, begin)
    begun = stairs_begun(step - begin, stairs.every, stairs.stairs, NUMBERS)
    since, until = (begin + stair_start(count, stairs.every, stairs.stairs) for count in (begun, begun + 1))
    return flat(stairs.at(step - begin, NUMBERS), since, until)


@dataclass(frozen=True)
class Milestones(Schedule):
    """Multiplied by `gamma` at each of the `milestones`; it never ends.

    Formula: `gamma ** (number of milestones <= step)`. The milestones must rise strictly.
    Source: torch.optim.lr_scheduler.MultiStepLR.

    >>> stairs = Milestones((30, 80), gamma=0.5)
    >>> stairs(29), stairs(30), stairs(79), stairs(80)
    (1.0, 0.5, 0.5, 0.25)
    """

    milestones: Annotated[tuple[int, ...], A_LIST, Check(_rising_steps)]
    gamma: Annotated[float, Check(positive)] = 0.1
    steps = None

    def at(self, t: Any, xp: Any) -> Any:
        return power(self.gamma, xp.count_passed(self.milestones, xp.clip(t, 0, None)), xp)

    def breakpoints(self, since: int, until: int) -> list[int]:
        begin, end = (bisect.bisect_right(self.milestones, step) for step in (max(since, 0), until))
        return list(self.milestones[begin:end][:MOST_BREAKPOINTS])


@pieces_of(Milestones)
def _between_milestones(schedule: Milestones, step: int, begin: int) -> Piece:
    edges = schedule.milestones
    passed = bisect.bisect_right(edges, max(step - begin, 0))
    since = begin + edges[passed - 1] if passed and edges[passed - 1] > 0 else NEAREST
    until = begin + edges[passed] if passed < len(edges) else BEYOND
    return flat(schedule.at(step - begin, NUMBERS), since, until)
