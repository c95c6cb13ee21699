"""The course of runs: the gap at their end, and where the validation loss turned."""

import math

import pytest

from ratesmith.experiment import Point, Run, RunStatus, Trial
from ratesmith.experiment.course import gap, turned
from ratesmith.experiment.question import Question


def asked(metric="loss", mode="min", margin=0.01):
    return Question({"cosine()": ("cosine()",)}, "constant()", metric, mode, margin, (0,), (1, 2, 3))


def trained(values, *, metric="loss", train=0.5, seed=1, status=RunStatus.DONE):
    """Return a run with these values of a metric after 0, 10, 20 ... steps."""
    curve = tuple(Point(10 * at, train if at else None, {metric: value}) for at, value in enumerate(values))
    ended = curve[-1].metrics if status == RunStatus.DONE else {}
    return Run(Trial("cosine()", 0.1, seed, 10 * len(values)), status, 10, 0.0, metrics=ended, curve=curve)


def test_the_gap_is_validation_minus_training_loss_at_the_end_as_a_mean():
    assert gap([trained([3.0, 1.0], train=0.4), trained([3.0, 1.2], train=0.8)]) == pytest.approx(0.5)
    assert gap([trained([3.0, 0.4], train=0.5)]) == pytest.approx(-0.1)


def test_without_a_training_loss_a_validation_loss_or_an_end_there_is_no_gap():
    assert gap([trained([3.0, 1.0], train=None)]) is None
    assert gap([trained([0.1, 0.9], metric="accuracy")]) is None
    assert gap([trained([3.0, 1.0], status=RunStatus.DIVERGED)]) is None
    assert gap([trained([3.0, 1.0], train=math.inf)]) is None
    assert gap([]) is None
    assert gap([trained([3.0, 1.0], train=None), trained([3.0, 1.0])]) == pytest.approx(0.5)


def test_a_validation_loss_that_rises_again_turned_where_it_was_least():
    assert turned([trained([3.0, 1.0, 0.8, 0.9])], asked()) == 20
    runs = [trained([3.0, 1.0, 0.8, 0.9]), trained([3.0, 0.7, 0.8, 0.9]), trained([3.0, 0.7, 0.8, 0.9])]
    assert turned(runs, asked()) == 10


def test_a_loss_that_falls_to_its_end_or_rises_within_the_margin_has_not_turned():
    assert turned([trained([3.0, 1.0, 0.8])], asked()) is None
    assert turned([trained([3.0, 0.8, 0.8 * math.exp(0.009)])], asked()) is None
    assert turned([trained([3.0, 0.8, 0.8 * math.exp(0.011)])], asked()) == 10
    assert turned([trained([3.0, 0.8, 0.88])], asked(margin=0.2)) is None


def test_a_loss_has_turned_if_most_seeds_say_so():
    rising, falling = [3.0, 0.8, 0.9], [3.0, 0.9, 0.8]
    assert turned([trained(rising), trained(falling), trained(falling)], asked()) is None
    assert turned([trained(rising), trained(rising), trained(falling)], asked()) == 10


def test_a_loss_below_0_is_measured_by_itself_and_not_by_its_logarithm():
    assert turned([trained([1.0, -2.0, -1.995])], asked()) is None
    assert turned([trained([1.0, -2.0, -1.98])], asked()) == 10


def test_a_metric_that_is_better_large_turned_where_it_was_greatest_if_no_loss_was_measured():
    accuracy = asked("accuracy", "max")
    assert turned([trained([0.1, 0.9, 0.85], metric="accuracy")], accuracy) == 10
    assert turned([trained([0.1, 0.85, 0.9], metric="accuracy")], accuracy) is None


def test_where_another_metric_decides_the_loss_turns_by_a_share_of_itself():
    assert turned([trained([3.0, 0.8, 0.82])], asked("bleu", "max", margin=5.0)) == 10


def test_runs_without_an_end_or_a_finite_value_say_nothing_of_a_turn():
    assert turned([trained([3.0, 0.8, 0.9], status=RunStatus.DIVERGED)], asked()) is None
    assert turned([trained([math.nan, math.nan])], asked()) is None
    assert turned([trained([3.0, math.nan, 0.8, 0.9])], asked()) == 20
