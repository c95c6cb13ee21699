"""Races and grids: the best of rates that are known, whole schedules squeezed, and what they refuse."""

import itertools
import math

import numpy as np
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


class Scored(Valley):
    """Its loss at the end is what `score` says of the rate and the number of steps; `untrained` before."""

    def __init__(self, score, untrained=4.0):
        super().__init__()
        self.score, self.untrained = score, untrained

    def start(self, seed):
        training = super().start(seed)
        rates = []
        training.step = lambda lr: rates.append(lr) or 1.0
        training.evaluate = lambda split="validation": {
            "loss": self.score(rates[-1], len(rates)) if rates else self.untrained
        }
        return training


def scored(scores, untrained=4.0):
    """Return the grid of rates whose scores are known."""
    task = Scored(lambda rate, steps: scores[rate], untrained)
    return grid(task, steps=5, rates=list(scores), schedule="constant()")


@pytest.mark.parametrize(
    ("steps", "epoch", "lengths"),
    [(1600, 10, [200, 400]), (400, 10, [100, 200]), (800, 150, [150, 300]), (150, 10, [100, 150])],
)
def test_the_short_trainings_last_an_eighth_and_a_quarter_and_at_least_an_epoch_or_a_hundred_steps(
    steps, epoch, lengths
):
    found = race(Valley(epoch=epoch), steps=steps, around=0.3)
    assert [curve.name for curve in found.curves] == [f"{length} steps" for length in lengths]


@pytest.mark.parametrize(
    ("scores", "heights"),
    [
        ((3.0, 1.0, 2.0), np.log([3, 1, 2])),
        ((1000.0, 1.0, 2.0), np.log([4, 1, 2])),  # none counts as worse than the untrained model's 4
        ((0.5, -1.0, -0.7), [0.5, -1, -0.7]),
    ],
)
def test_the_answer_is_where_the_parabola_through_the_best_and_its_neighbours_is_lowest(scores, heights):
    bend, slope, _ = np.polyfit(np.log([0.1, 1, 10]), heights, 2)
    found = scored(dict(zip([0.1, 1.0, 10.0], scores, strict=True)))
    assert found.suggestion == pytest.approx(np.exp(-slope / (2 * bend)))


@pytest.mark.parametrize("best", [1.0, -1.0])
def test_the_interval_holds_the_rates_within_five_percent_of_the_best(best):
    away = {0.01: 0.5, 0.1: 0.04, 1.0: 0.0, 10.0: 0.04, 100.0: 0.06}
    assert scored({rate: best + worse for rate, worse in away.items()}).interval == (0.1, 10.0)


@pytest.mark.parametrize(("later", "moved"), [(0.1, False), (1.0, True)])
def test_a_best_rate_that_moves_with_the_length_is_flagged(later, moved):
    best = {100: 0.1, 200: later}
    task = Scored(lambda rate, steps: 1 + abs(math.log(rate / best[steps])) ** 2 / 10)
    assert ("moved" in race(task, steps=800, schedule="constant()", around=0.1).flags) is moved


def test_an_end_that_is_worse_than_the_untrained_model_is_flagged():
    assert "diverged" in scored({0.1: 2.0, 1.0: 1.0, 10.0: 5.0}).flags
    assert "diverged" not in scored({0.1: 2.0, 1.0: 1.0, 10.0: 3.0}).flags


def test_the_curve_of_a_metric_that_is_better_large_has_its_own_sign():
    options = {"schedule": "constant()", "metric": "accuracy", "mode": "max"}
    found = grid(Valley(), steps=50, rates=[0.1, 1.0], **options)
    assert found.curves[0].losses == pytest.approx([-final(rate, 50) for rate in (0.1, 1.0)])


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


def test_rungs_of_one_length_do_not_train_a_rate_again_that_differs_in_its_last_digit():
    class Shelf(Valley):
        """Equally good at all rates of a decade, as an accuracy of 1 is."""

        def start(self, seed):
            training = super().start(seed)
            rates = []
            step = training.step
            training.step = lambda lr: rates.append(lr) or step(1e-3)
            training.evaluate = lambda split="validation": {"loss": 0.5 if rates and 0.009 < rates[0] < 0.11 else 0.9}
            return training

    result = race(Shelf(), steps=100, schedule="constant()", around=0.01)
    rates = result.curves[-1].rates
    assert all(b / a > 1.5 for a, b in itertools.pairwise(rates))
    assert 0.009 < result.suggestion < 0.11
