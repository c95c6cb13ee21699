"""Pieces of schedules: the very values of the schedule, for as long as they say, and users' own classes as they are."""

import copy
import dataclasses
import pickle

import pytest
from hypothesis import assume, given
from strategies import schedules, steps

from ratesmith import Constant, Exponential, Milestones, Ramp, Schedule, Staircase
from ratesmith._arrays import NUMBERS
from ratesmith._checks import FARTHEST
from ratesmith.schedule.base import NEAREST
from ratesmith.schedule.piece import BEYOND, piece_of

WARM_COSINE = Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.0, 90, "cosine")


def looked_at(piece, step):
    """Return steps of a piece: its ends, and some near a step."""
    near = {piece.since, piece.until - 1, *range(step - 3, step + 60)}
    return sorted(at for at in near if piece.since <= at < piece.until)


@given(schedules, steps)
def test_a_piece_gives_the_very_values_of_its_schedule(schedule, step):
    piece = piece_of(schedule, step)
    assert piece.since <= step < piece.until
    for at in looked_at(piece, step):
        value, expected = piece.value(at), schedule(at)
        assert (value, type(value)) == (expected, type(expected))


@given(schedules, steps, steps)
def test_a_piece_of_what_begins_later_counts_from_there(schedule, step, begin):
    assume(NEAREST <= step + begin <= FARTHEST)
    piece = piece_of(schedule, step + begin, begin)
    assert piece.since <= step + begin < piece.until
    for at in looked_at(piece, step + begin):
        assert piece.value(at) == schedule.at(at - begin, NUMBERS)


@given(schedules, steps)
def test_the_pieces_next_to_one_another_leave_no_step_out(schedule, step):
    piece = piece_of(schedule, step)
    for neighbour in (piece.since - 1, piece.until):
        if NEAREST <= neighbour <= FARTHEST:
            next_piece = piece_of(schedule, neighbour)
            assert next_piece.since <= neighbour < next_piece.until
            assert next_piece.value(neighbour) == schedule(neighbour)


@pytest.mark.parametrize(
    ("schedule", "step", "range_of_piece"),
    [
        (WARM_COSINE, -5, (NEAREST, 0)),
        (WARM_COSINE, 0, (0, 10)),
        (WARM_COSINE, 9, (0, 10)),
        (WARM_COSINE, 10, (10, 101)),
        (WARM_COSINE, 100, (10, 101)),
        (WARM_COSINE, 101, (100, BEYOND)),
        (WARM_COSINE.take(50), 20, (10, 51)),
        (WARM_COSINE.take(50), 60, (50, BEYOND)),
        (Ramp(0.0, 1.0, 10) >> Staircase(30), 45, (40, 70)),
        (Ramp(0.0, 1.0, 10) >> Milestones((30, 80)), 45, (40, 90)),
        (Milestones((0, 30)), -1, (NEAREST, 30)),
        (Constant(0.5, 7) >> Ramp(1.0, 0.0, 3), 2, (NEAREST, 7)),
        (Exponential(0.9), 5, (NEAREST, BEYOND)),
        (Ramp(2.0, 0.5, 0), 0, (0, BEYOND)),
    ],
)
def test_a_piece_holds_from_one_breakpoint_to_the_next(schedule, step, range_of_piece):
    piece = piece_of(schedule, step)
    assert (piece.since, piece.until) == range_of_piece


def test_a_whole_training_of_a_warm_up_and_a_cosine_takes_three_pieces():
    piece, count = piece_of(WARM_COSINE, 0), 1
    for step in range(150):
        if not piece.since <= step < piece.until:
            piece, count = piece_of(WARM_COSINE, step), count + 1
        assert piece.value(step) == WARM_COSINE(step)
    assert count == 3


@dataclasses.dataclass(frozen=True)
class Doubled(Ramp):
    """A user's own class that derives from one of ours, with another formula."""

    def at(self, t, xp):
        return 2 * super().at(t, xp)


@dataclasses.dataclass(frozen=True)
class Wave(Schedule):
    """A user's own class, with a method of the name that ours are asked by."""

    steps: int

    def at(self, t, xp):
        return 1.5 + xp.cos(xp.clip(t, 0, self.steps))

    def piece_of(self, *_):
        raise AssertionError("it is no part of a schedule")


@pytest.mark.parametrize("part", [Doubled(1.0, 0.0, 20), Doubled(1.0, 0.0, 20, "cosine"), Wave(20)])
def test_a_class_of_the_users_own_is_asked_itself(part):
    for schedule in (part, Ramp(0.0, 1.0, 5) >> part, (Constant(1.0, 5) >> part).take(15)):
        for step in range(-2, 40):
            assert piece_of(schedule, step).value(step) == schedule(step)


@pytest.mark.parametrize("step", [-3, 5, 50, 500])
def test_pieces_are_copied_and_pickled_and_leave_nothing_in_the_schedule(step):
    before = dict(vars(WARM_COSINE))
    for schedule in (WARM_COSINE, WARM_COSINE * 0.5, Ramp(1.0, 0.0, 99, "sqrt")):
        piece = piece_of(schedule, step)
        for same in (copy.deepcopy(piece), pickle.loads(pickle.dumps(piece))):
            assert (same.value(step), same.since, same.until) == (schedule(step), piece.since, piece.until)
    assert dict(vars(WARM_COSINE)) == before
