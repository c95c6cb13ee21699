"""Races and grids: the best of rates that are known, whole schedules squeezed, and what they refuse."""

import math
import random

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
    best = min(rates, key=lambda rate: final(rate, 480))
    assert best / 4 < found.suggestion < best  # the best lies next to the rates that diverge
    assert [curve.name for curve in found.curves] == ["order 0", "480 steps"]
    assert found.interval[0] <= found.suggestion <= found.interval[1]


class Seen(Valley):
    """Keeps the rates of each training."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def start(self, seed):
        training = super().start(seed)
        step, rates = training.step, []
        self.seen.append(rates)
        training.step = lambda lr: (rates.append(lr), step(lr))[1]
        return training


def test_the_whole_schedule_is_squeezed_into_the_short_trainings():
    task = Seen()
    schedule = Ramp(0.0, 1.0, 100) >> Ramp(1.0, 0.0, 700, "cosine")
    found = race(task, steps=800, schedule=schedule, around=0.1)
    whole = [rates for rates in task.seen if rates]
    assert whole[0] == [pytest.approx(0.0316228 * schedule(step * 800 / 480)) for step in range(480)]
    assert found.updates == sum(map(len, task.seen))


def test_without_a_length_a_schedule_of_its_own_length_is_squeezed_and_notation_has_the_short_ones():
    for schedule, factor in (
        (Ramp(1.0, 0.0, 500, "cosine"), Ramp(1.0, 0.0, 96, "cosine")),
        ("linear()", Ramp(1.0, 0.0, 96)),
    ):
        task = Seen()
        race(task, schedule=schedule, around=0.1)
        first = next(rates for rates in task.seen if rates)
        assert first == [pytest.approx(0.0316228 * factor(step)) for step in range(96)]


def test_a_race_without_a_length_takes_a_sweep_and_three_trainings_and_is_lower_than_its_vertex():
    task = Scored(lambda rate, steps: 1 + math.log10(rate / 0.1) ** 2 if steps == 96 else 9.0)
    found = race(task, schedule="constant()")
    raced = found.curves[-1]
    assert len(raced.rates) == 3
    assert raced.suggestion == pytest.approx(0.1)
    assert found.suggestion == pytest.approx(0.075)
    assert race(task, steps=96, schedule="constant()").suggestion == pytest.approx(0.1)  # they are the training itself


@pytest.mark.parametrize("dead", [3.95, math.inf])
def test_beside_a_rate_that_learns_nothing_the_answer_is_lower_still(dead):
    score = Scored(lambda rate, steps: dead if rate > 0.15 else 1 + abs(math.log10(rate / 0.1)))
    found = race(score, schedule="constant()")
    assert found.suggestion == pytest.approx(0.45 * found.curves[-1].suggestion)
    assert 0.15 < found.dead[0] < 0.4
    assert found.interval[1] <= found.dead[0]


def test_the_trainings_climb_where_it_is_better_and_down_where_two_are_equal():
    def rates(score):
        return race(Scored(score), around=0.1, schedule="constant()").curves[-1].rates

    assert rates(lambda rate, steps: 1 + abs(math.log10(rate / 1e-3))) == (
        0.000316228,
        0.001,
        0.00316228,
        0.01,
        0.0316228,
        0.1,
    )
    assert rates(lambda rate, steps: 1.0 if 0.02 < rate < 0.2 else 2.0) == (0.01, 0.0316228, 0.1)
    assert len(rates(lambda rate, steps: 1 / (1 + rate))) == 6
    assert max(rates(lambda rate, steps: 1 / (1 + rate))) == pytest.approx(10)


def test_there_is_a_fourth_training_if_none_has_learned_much_and_that_is_said():
    def count(loss):
        found = race(Scored(lambda rate, steps: loss - 1e-3 * math.log(rate)), schedule="constant()")
        return len(found.curves[-1].rates), "little_learned" in found.flags

    assert count(3.7) == (4, True)
    assert count(3.0) == (3, False)


def test_the_budget_decides_how_long_the_trainings_are():
    for budget, steps in ((250, None), (1000, None), (1000, 5000), (10**6, 300)):
        found = race(Valley(), budget=budget, steps=steps, schedule="constant()")
        length = min((budget - 112) // 3, steps or budget)
        assert found.curves[-1].name == f"{length} steps"
        assert found.updates <= budget
    with pytest.raises(ValueError, match="race: budget must be a whole number of at least 208, got 100"):
        race(Valley(), budget=100)


def test_a_sweep_that_takes_more_than_planned_leaves_shorter_trainings_or_is_the_answer():
    noisy = Valley(noise=2.0)  # its batches are measured once more at rate 0
    swept = race(noisy, schedule="constant()").updates - 3 * 96
    assert swept > 130
    found = race(Valley(noise=2.0), budget=500)
    assert (found.method, found.updates <= 500) == ("race", True)
    short = race(Valley(noise=2.0), budget=210)
    assert (short.method, len(short.curves), "budget_spent" in short.flags) == ("sweep", 1, True)


def test_a_sweep_of_a_model_that_learns_nothing_keeps_to_the_budget():
    class Constant(Valley):
        def start(self, seed):
            training = super().start(seed)
            training.step = lambda lr: 3.0 + random.Random(seed).gauss(0, 1)
            return training

    assert race(Constant()).updates > 900
    assert race(Constant(), budget=400).updates <= 400


def test_a_training_shorter_than_the_shortest_wants_no_larger_budget():
    assert race(Valley(), steps=1, budget=115, schedule="constant()").updates <= 115
    with pytest.raises(ValueError, match="budget must be a whole number of at least 115, got 114"):
        race(Valley(), steps=1, budget=114)


def test_training_losses_are_compared_with_those_of_the_first_batches_of_the_sweep():
    class Lucky(Valley):
        """The loss of its first batch is far below the others."""

        can_measure = False

        def start(self, seed):
            training = super().start(seed)
            step, made = training.step, []
            training.step = lambda lr: (made.append(lr), step(lr) - (4.0 if len(made) == 1 else 0.0))[1]
            return training

    found = race(Lucky(offset=5.0))
    assert found.suggestion is not None


def test_noisy_training_losses_that_no_rate_lowers_are_no_answer():
    class Noise(Valley):
        can_measure = False

        def start(self, seed):
            training, chance = super().start(seed), random.Random(seed)
            training.step = lambda lr: 3.0 + chance.gauss(0, 1)
            return training

    for seed in range(3):
        found = race(Noise(), seeds=[seed])
        assert (found.suggestion, found.flags[0]) == (None, "no_descent")


def test_a_rate_that_is_too_low_to_learn_has_not_died():
    assert scored({0.01: 3.99, 0.1: 1.0, 1.0: 3.99}).dead == (1.0,)
    assert scored({0.01: math.inf, 0.1: 1.0}).dead == (0.01,)


def test_trainings_too_short_for_ten_updates_tell_nothing_of_them():
    found = race(Valley(), steps=5)
    assert found.curves[-1].early == ()
    assert "over the next 10 updates" not in found.explain()


def test_a_model_that_learns_nothing_gets_no_rate_if_its_first_weights_cannot_be_measured():
    class Noise(Valley):
        def start(self, seed):
            training, chance = super().start(seed), random.Random(seed)
            training.step = lambda lr: 3.0 + chance.gauss(0, 1)
            training.evaluate = lambda split="validation": {"loss": 3.0 if chance.getstate() != first else math.nan}
            first = chance.getstate()
            return training

    found = race(Noise())
    assert (found.suggestion, found.flags[0]) == (None, "no_descent")


def test_what_died_is_not_named_among_the_nearly_as_good():
    found = scored({0.01: 3.95, 0.1: 3.9, 1.0: 3.999})
    assert (found.nearly, found.dead) == ((0.01, 0.1), (1.0,))


def test_around_a_rate_far_too_low_the_answer_is_an_edge_without_an_interval():
    found = race(Valley(), around=1e-8)
    assert found.suggestion < 1e-5
    assert {"edge", "little_learned"} <= set(found.flags)
    assert found.interval is None
    assert "best rate lies between" not in found.explain()


def test_around_a_rate_far_too_high_lower_ones_are_advised():
    found = race(Valley((100.0, 10.0)), around=1e3)
    assert found.suggestion is None
    assert f"race around one below {found.curves[-1].rates[0]:.2g}" in found.explain()


def test_a_schedule_longer_than_the_short_trainings_wants_the_length_of_that_to_come():
    with pytest.raises(ValueError, match="race: steps must be given for the schedule"):
        race(Valley(), schedule="warmup(200) >> cosine()")
    with pytest.raises(ValueError, match="takes 200 of 100 steps"):  # a warm-up alone would be clipped
        race(Valley(), schedule="constant(200) >> cosine()", steps=100)
    assert race(Valley(), schedule="warmup(200) >> cosine()", steps=400).suggestion is not None


def test_with_several_seeds_the_first_weights_count_as_their_mean():
    class Weighed(Valley):
        def start(self, seed):
            training = super().start(seed)
            training.evaluate = lambda split="validation": {"loss": 1.0 + seed}
            return training

    found = race(Weighed(), steps=100, seeds=[0, 1], around=0.1)
    assert (found.suggestion, found.flags) == (None, ("no_descent",))


def test_without_validation_data_trainings_are_judged_by_their_last_losses():
    class Unmeasured(Valley):
        can_measure = False

        def start(self, seed):
            training = super().start(seed)

            def refuse(split="validation"):
                raise FinderError("there is no validation data")

            training.evaluate = refuse
            return training

    found = race(Unmeasured())
    assert (found.judged_by, found.method) == ("training", "race")
    assert found.curves[-1].losses[0] < 0.1
    assert "Nothing was measured on validation data" in found.explain()
    assert 0.1 < found.suggestion < 4
    for options in ({"steps": 200}, {"metric": "accuracy", "mode": "max"}):
        with pytest.raises(FinderError, match="there is no validation data"):
            race(Unmeasured(), **options)


def test_a_text_a_strategy_and_a_schedule_are_raced_alike():
    forms = ("cosine()", parse("cosine()"), Ramp(1.0, 0.0, 800, "cosine"))
    assert len({race(Valley(), steps=800, schedule=form, around=0.1).suggestion for form in forms}) == 1
    with pytest.raises(TypeError, match="race: a schedule, controller or notation must be given, got 3; give one"):
        race(Valley(), steps=800, schedule=3)


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


@pytest.mark.parametrize(("steps", "length"), [(1600, 880), (400, 280), (161, 160), (160, 160), (90, 90)])
def test_the_trainings_last_for_half_of_the_length_and_eighty_updates_and_never_longer(steps, length):
    assert race(Valley(), steps=steps, around=0.3).curves[-1].name == f"{length} steps"


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
def test_the_rates_within_five_percent_of_the_best_are_named(best):
    away = {0.01: 0.5, 0.1: 0.04, 1.0: 0.0, 10.0: 0.04, 100.0: 0.06}
    found = scored({rate: best + worse for rate, worse in away.items()})
    assert found.nearly == (0.1, 1.0, 10.0)
    assert found.interval is None


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


def test_where_the_sweep_finds_nothing_the_optimizers_own_rate_is_raced_around():
    found = race(Valley(curvatures=(0.0,), offset=1.0), steps=800)
    assert (found.suggestion, found.flags) == (None, ("no_descent",))
    assert found.curves[-1].rates == (0.00316228, 0.01, 0.0316228, 0.1)


def test_epochs_that_were_written_as_updates_are_said_with_the_answer():
    found = race(Valley(epoch=23), steps=230, schedule="step(3)", around=0.1)
    [note] = found.notes
    assert note == (
        "step(3) drops every 3 of 230 updates. Plain numbers count updates; for epochs (10 of 23 updates) write "
        'step("3ep"). [RS213]'
    )
    assert note in found.explain().splitlines()
    assert "RS213" in found.to_data()["codes"]
    assert race(Valley(epoch=23), steps=230, schedule='step("3ep")', around=0.1).notes == ()


def test_a_training_to_come_inside_its_warmup_is_raced_and_said():
    found = race(Valley(), steps=100, schedule="warmup(2000) >> cosine()", around=0.1)
    assert found.suggestion is not None
    assert "warms up for 2,000 updates, and the run has 100" in found.explain()
    assert "RS214" in found.to_data()["codes"]


def test_a_warmup_longer_than_a_short_training_needs_the_length_of_the_training_to_come():
    with pytest.raises(ValueError, match=r"^race: steps must be given for the schedule warmup\(2000\) >> cosine\(\)"):
        race(Valley(), schedule="warmup(2000) >> cosine()", around=0.1)


def test_a_value_is_judged_by_its_own_length():
    assert race(Valley(), schedule=Ramp(0.0, 1.0, 100) >> Ramp(1.0, 0.0, 700, "cosine"), around=0.1).notes == ()
    assert len(race(Valley(), schedule=parse("step(3)").build(230), around=0.1).notes) == 1
