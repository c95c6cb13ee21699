"""One piece of a schedule: the formula that holds between two breakpoints, bound once, for those who ask at each step.

A schedule looks at every step which of its parts holds, and at which of its ends it stands. Whoever goes step by step
need not: most steps lie in the same piece as the one before. Nothing is kept in the schedule itself.

A class tells its pieces by a function of `PIECES`. It is looked up by that very class, so a class of the user's own,
also one that derives from ours, is asked by its `at` as ever.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from ratesmith._arrays import NUMBERS
from ratesmith._checks import FARTHEST
from ratesmith.schedule.base import NEAREST, Schedule
from ratesmith.schedule.combine import Constant, Sequence
from ratesmith.schedule.transform import Take

BEYOND: Final = FARTHEST + 1
"""The first whole step behind all that there are."""


class Piece(NamedTuple):
    """A formula with the steps for which it holds: `value(step)` for each whole step in `range(since, until)`.

    It gives the very number that `schedule(step)` gives there, and can be copied and pickled if the schedule can.
    """

    value: Callable[[int], float]
    since: int
    until: int


PieceFunction = Callable[[Any, int, int], Piece]
"""From a schedule, a step, and the step at which the schedule begins: its piece there, counted as the step is."""
Registered = TypeVar("Registered", bound=PieceFunction)
PIECES: Final[dict[type[Schedule], PieceFunction]] = {}
"""How the classes whose formula can be bound tell their pieces."""


def pieces_of(kind: type[Schedule]) -> Callable[[Registered], Registered]:
    """Register the function that tells the pieces of a class."""

    def register(bind: Registered) -> Registered:
        PIECES[kind] = bind
        return bind

    return register


def piece_of(schedule: Schedule, step: int, begin: int = 0) -> Piece:
    """Return the piece of a schedule that holds at a whole step; `begin` is the step at which the schedule begins.

    >>> from ratesmith import Ramp
    >>> schedule = Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.0, 90, "cosine")
    >>> piece = piece_of(schedule, 40)
    >>> piece.since, piece.until, piece.value(55) == schedule(55)
    (10, 101, True)
    """
    bind = PIECES.get(type(schedule))
    return unbound(schedule, begin) if bind is None else bind(schedule, step, begin)


def unbound(schedule: Schedule, begin: int) -> Piece:
    """Return a schedule that is not taken to pieces, as one that holds at every step."""
    return Piece(functools.partial(_value, schedule, begin), NEAREST, BEYOND)


def flat(value: float, since: int, until: int) -> Piece:
    """Return a piece of one value."""
    return Piece(functools.partial(_same, value), since, until)


# Module-level functions in a `partial`, which is pickled by the function's name, as a function in a function is not.


def _value(schedule: Schedule, begin: int, step: int) -> float:
    value: float = schedule.at(step - begin, NUMBERS)
    return value


def _same(value: float, step: int) -> float:
    return value


@pieces_of(Constant)
def _constant(schedule: Constant, step: int, begin: int) -> Piece:
    return flat(schedule.at(0, NUMBERS), NEAREST, BEYOND)


@pieces_of(Sequence)
def _part(schedule: Sequence, step: int, begin: int) -> Piece:
    starts = schedule._starts
    index = bisect.bisect_right(starts, step - begin, 1) - 1  # before step 0 it is the first part
    piece = piece_of(schedule.parts[index], step, begin + starts[index])
    since = max(piece.since, begin + starts[index]) if index else piece.since
    until = min(piece.until, begin + starts[index + 1]) if index + 1 < len(starts) else piece.until
    return Piece(piece.value, since, until)


@pieces_of(Take)
def _beginning(schedule: Take, step: int, begin: int) -> Piece:
    if step - begin > schedule.steps:
        return flat(schedule.at(schedule.steps, NUMBERS), begin + schedule.steps, BEYOND)
    if step < begin:
        return flat(schedule.at(0, NUMBERS), NEAREST, begin)
    piece = piece_of(schedule.schedule, step, begin)
    return Piece(piece.value, max(piece.since, begin), min(piece.until, begin + schedule.steps + 1))
