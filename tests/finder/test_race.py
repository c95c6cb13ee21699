"""Races and grids: the best of rates that are known, whole schedules squeezed, and what they refuse."""

import math

import pytest
from finder_fake import Descent, Valley

from ratesmith import Constant, Plateau, Ramp, Staircase, find, parse
from ratesmith.finder import FinderError, grid, race


def final(rate, steps, curvatures=(1.0, 0.1, 0.01)):
    training = Descent(Valley(curvatures), 0)
    for _ in range(steps):
        training.step(rate)
    return training.loss()


def test_a_race_finds_the_rate_that_trains_best_at_its_length():
    found = race(Valley(), steps=800, schedule="constant()")
    rates = [10 ** (power / 50) for power in range(-100, 20)]
    best = min(rates, key=lambda rate: final(rate, 200))
    assert best / 4 < found.suggestion < best  # the best lies next to the rates that diverge
    assert [curve.name for curve in found.curves if curve.kind == "training"] == ["100 steps", "200 steps"]
    assert found.interval[0] <= found.suggestion <= found.interval[1]


def test_the_whole_schedule_is_squeezed_into_the_short_trainings():
    seen = []

    class Seen(Valley):
        def start(self, seed):
            training = super().start(seed)
            step = training.step
            rates = []
            seen.append(rates)
            training.step = lambda lr: (rates.append(lr), step(lr))[1]
            return training

    schedule = Ramp(0.0, 1.0, 100) >> Ramp(1.0, 0.0, 700, "cosine")
    found = race(Seen(), steps=800, schedule=schedule, around=0.1)
    short = [rates for rates in seen if len(rates) == 100]
    assert short[0] == [pytest.approx(0.01 * schedule(8 * step)) for step in range(100)]
    assert found.updates == sum(map(len, seen))


def test_a_text_a_strategy_and_a_schedule_are_raced_alike():
    forms = ("cosine()", parse("cosine()"), Ramp(1.0, 0.0, 800, "cosine"))
    assert len({race(Valley(), steps=800, schedule=form, around=0.1).suggestion for form in forms}) == 1
    with pytest.raises(TypeError, match="race: a schedule, controller or notation must be given, got 3; give one"):
        race(Valley(), steps=800, schedule=3)


@pytest.mark.parametrize("around", [1e-4, 30.0])
def test_rates_are_added_where_the_best_lies_on_the_edge(around):
    well = race(Valley(), steps=800).suggestion
    found = race(Valley(), steps=800, around=around)
    assert well / 3 < found.suggestion < well * 3


def test_a_metric_that_is_better_large_and_losses_below_zero_are_raced_too():
    well = race(Valley(), steps=800).suggestion
    for other in (
        race(Valley(), steps=800, metric="accuracy", mode="max"),
        race(Valley(offset=-1.0), steps=800),
    ):
        assert well / 3 < other.suggestion < well * 3


def test_a_grid_trains_every_rate_for_the_whole_length():
    task = Valley()
    found = grid(task, steps=50, rates=[0.1, 1.0, 0.3], seeds=[0, 1])
    assert found.updates == task.made == 3 * 2 * 50
    assert found.curves[0].rates == (0.1, 0.3, 1.0)
    assert found.flags == (("edge",) if found.suggestion in (0.1, 1.0) else ())


def test_an_endless_schedule_is_taken_for_the_length_of_training():
    assert race(Valley(), steps=400, schedule=Staircase(100), around=0.3).suggestion > 0.01


def test_a_step_schedule_and_an_epoch_length_in_notation_are_read_with_the_tasks_epochs():
    assert find(Valley(), method="grid", steps=50, rates=[0.1, 1], schedule='step(every="2ep")').suggestion


def test_trainings_that_diverge_are_counted_as_worst_and_flagged():
    found = grid(Explodes(), steps=200, rates=[0.1, 0.3, 1.0, 30.0])
    assert found.suggestion <= 1.0
    assert "diverged" in found.flags
    assert found.to_data()["curves"][0]["losses"][-1] == "inf"


class Explodes(Valley):
    def start(self, seed):
        training = super().start(seed)
        step = training.step
        training.step = lambda lr: math.inf if lr > 5 else step(lr)
        return training


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: race(Valley(), steps=0), "race: steps must be a whole number of at least 1, got 0"),
        (
            lambda: race(Valley(), steps=800, metric="f1", mode="max"),
            "race: metric must be one that the task measures, got 'f1'; mea",
        ),
        (
            lambda: race(Valley(), steps=800, metric="accuracy"),
            "race: mode must be given for the metric 'accuracy', got",
        ),
        (lambda: race(Valley(), steps=800, mode="best"), "race: mode must be 'min' or 'max', got 'best'"),
        (lambda: race(Valley(), steps=800, around=-1.0), "race: around must be a finite number of at least"),
        (
            lambda: race(Valley(), steps=800, schedule=Plateau()),
            "race: schedule must be a schedule, which listens to no metric, or",
        ),
        (lambda: race(Valley(), steps=800, seeds=[]), "race: seeds must have at least one, got none"),
        (lambda: grid(Valley(), steps=9, rates=[]), "grid: rates must have at least one, got none"),
        (lambda: grid(Valley(), steps=9, rates=[math.nan]), "grid: a rate must be a finite number of at least"),
    ],
)
def test_what_cannot_hold_is_refused(make, message):
    with pytest.raises((ValueError, TypeError, FinderError), match=message):
        make()


def test_where_nothing_beats_the_untrained_model_nothing_is_suggested():
    class Still(Valley):
        def start(self, seed):
            training = super().start(seed)
            training.evaluate = lambda split="validation": {"loss": 0.7}
            return training

    for found in (
        race(Still(), steps=800, around=0.1),
        grid(Still(), steps=50, rates=[0.01, 0.1]),
        grid(Explodes(), steps=9, rates=[10.0, 30.0]),
        race(Valley(), steps=400, schedule=Constant(0.0), around=0.1),
    ):
        assert found.suggestion is None
        assert "no_descent" in found.flags


def test_of_equal_scores_the_middle_rate_is_taken():
    class Coarse(Valley):
        def start(self, seed):
            training = super().start(seed)
            measure = training.evaluate
            training.evaluate = lambda split="validation": {"loss": float(measure()["loss"] > 0.4)}
            return training

    found = grid(Coarse(curvatures=(1.0,)), steps=50, rates=[1e-4, 0.01, 0.1, 0.3, 1.0, 1.9, 3.0])
    assert 0.09 < found.suggestion < 1.1


def test_a_short_training_runs_no_rate_twice():
    task = Valley()
    found = race(task, steps=60, around=0.3)
    assert len(found.curves[-1].rates) > 3


def test_a_task_without_descent_is_not_raced():
    found = race(Valley(curvatures=(0.0,), offset=1.0), steps=800)
    assert (found.suggestion, found.flags) == (None, ("no_descent",))
