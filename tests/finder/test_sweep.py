"""The sweep: its answers on losses that are known, its flags, and what it refuses."""

import json
import math
import random
import statistics

import numpy as np
import pytest
import torch
from finder_fake import Valley

import ratesmith
from ratesmith.finder import RULES, FinderError, sweep
from ratesmith.finder.rules import smoothed
from ratesmith.finder.sweep import _Run
from ratesmith.finder.training import Trained


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_answer_follows_the_scale_of_the_problem(scale):
    found = sweep(Valley([scale * curvature for curvature in (1.0, 0.3, 0.1)]))
    assert 0.05 < found.suggestion * scale < 2
    assert found.flags == ()
    assert found.interval[0] <= found.suggestion <= found.interval[1]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_names_a_rate_below_divergence(rule):
    assert 1e-4 < sweep(Valley(), rule=rule).suggestion < 20


@pytest.mark.parametrize("edge", [1e-4, 0.01, 1.0])
def test_a_loss_belongs_to_the_rate_of_the_update_before_it(edge):
    class Cliff(Valley):
        """Its loss is 1 up to the first update at a rate of at least `edge`, and 0.5 after it."""

        def start(self, seed):
            training = super().start(seed)
            losses = [1.0]
            training.step = lambda lr: losses.append(losses[-1] if lr < edge else 0.5) or losses[-2]
            return training

    found = sweep(Cliff(), seeds=[0], rule="steepest")
    assert found.suggestion == min(rate for rate in found.curves[0].rates if rate >= edge)


def test_noise_and_a_negative_loss_change_little():
    clean = sweep(Valley()).suggestion
    for other in (Valley(noise=0.1), Valley(offset=-5.0), Valley(noise=0.1, offset=-0.3)):
        assert clean / 4 < sweep(other).suggestion < clean * 4


def test_each_order_is_a_seed_and_the_suggestion_is_their_geometric_mean():
    task = Valley(noise=0.02)
    found = sweep(task, seeds=[3, 4])
    assert set(task.started) == {3, 4}
    own = [curve.suggestion for curve in found.curves]
    assert found.suggestion == pytest.approx(math.sqrt(own[0] * own[1]))
    assert found.interval == pytest.approx((found.suggestion / 10, found.suggestion * 4.5))
    assert found.updates == task.made


def test_the_cost_is_about_a_hundred_updates_an_order():
    assert sweep(Valley()).updates <= 3 * 112


def test_the_range_is_widened_where_the_curve_leaves_it():
    within = sweep(Valley()).suggestion
    for low, high in ((0.5, 100.0), (1e-6, 1e-3)):
        found = sweep(Valley(), low=low, high=high)
        assert within / 5 < found.suggestion < within * 5
        assert found.curves[0].rates[0] < low or found.curves[0].rates[-1] > high


def test_a_loss_that_never_rises_is_flagged():
    class Tame(Valley):
        def start(self, seed):
            training = super().start(seed)
            step = training.step
            training.step = lambda lr: step(min(lr, 0.5))
            return training

    assert "no_divergence" in sweep(Tame()).flags


class Mixed(Valley):
    """Its orders are of two kinds: after the first, those of even seeds never diverge."""

    def start(self, seed):
        training = super().start(seed)
        if seed % 2 == 0:
            step = training.step
            training.step = lambda lr: step(min(lr, 0.5))
        return training


def test_a_loss_that_rises_in_one_order_has_shown_the_highest_rate():
    assert "no_divergence" not in sweep(Mixed(), seeds=[1, 0]).flags


def test_a_run_ends_where_the_smoothed_loss_has_risen_by_twice_its_fall():
    def risen(losses):
        smooth, first = smoothed(losses), statistics.fmean(losses[:15])
        noise = 3 * statistics.pstdev(losses[:15]) * (0.1 / 1.9) ** 0.5
        return smooth[-1] - min(smooth) > 2 * (first - min(smooth)) + 2 * noise + 0.01 * first

    class Bowl(Valley):
        """Its loss falls from 1 to 0.5 as the rate goes from 1e-4 to 0.01, and then rises by 1 a decade."""

        def start(self, seed):
            training = super().start(seed)
            rates = [1e-9]

            def step(lr):
                rates.append(lr)
                decade = math.log10(rates[-2])
                return 1 - min(max(decade + 4, 0), 2) / 4 + max(decade + 2, 0)

            training.step = step
            return training

    for curve in (*sweep(Valley(offset=1.0)).curves, *sweep(Bowl()).curves):
        lengths = range(16, len(curve.losses) + 1)
        assert [length for length in lengths if risen(curve.losses[:length])] == [len(curve.losses)]


def test_an_answer_at_the_end_of_the_widest_range_lies_on_the_edge():
    class Late(Valley):
        """Its loss falls a little at the rate 1, and much at the very end of the widest range."""

        def start(self, seed):
            training = super().start(seed)
            seen = []

            def step(lr):
                highest = max(seen, default=0.0)
                seen.append(lr)
                return 0.1 if highest > 0.8e11 else 0.9 if highest > 1 else 1.0

            training.step = step
            return training

    found = sweep(Late(), rule="steepest", seeds=[0])
    assert found.curves[0].rates[-1] >= 0.8e11
    assert "edge" in found.flags


def test_an_order_that_finds_nothing_disagrees_with_those_that_do():
    class Silent(Valley):
        def start(self, seed):
            self.curvatures = (1.0,) if seed else (0.0,)
            return super().start(seed)

    found = sweep(Silent(offset=1.0), seeds=[1, 0])
    assert [curve.suggestion is None for curve in found.curves] == [False, True]
    assert "seed_spread" in found.flags


def test_orders_that_disagree_are_flagged():
    class Moody(Valley):
        def start(self, seed):
            self.curvatures = (1.0,) if seed else (1e-3,)
            return super().start(seed)

    found = sweep(Moody(), seeds=[1, 0])
    assert "seed_spread" in found.flags
    assert "half a decade" in found.explain()


def test_a_constant_loss_gives_no_suggestion_and_says_so():
    found = sweep(Valley(curvatures=(0.0,), offset=1.0))
    assert (found.suggestion, found.interval, found.flags) == (None, None, ("no_descent",))
    assert "The loss did not fall at any rate" in found.explain()
    assert str(found) == "No rate found by sweep: no_descent"


def test_a_loss_that_is_broken_from_the_start_is_one_clear_line():
    with pytest.raises(
        FinderError, match=r"^sweep: the first loss must be finite, got nan; see that the model and its"
    ):
        sweep(Valley(broken_from=0))
    with pytest.raises(
        FinderError, match=r"^sweep: the loss must stay finite at low rates, got 3 finite losses from ra"
    ):
        sweep(Valley(broken_from=3))


def test_a_problem_of_huge_curvature_is_swept_further_down():
    found = sweep(Valley(curvatures=(1e8, 1e7)))
    assert 1e-9 < found.suggestion < 2e-8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 1.0, "high": 0.1}, "sweep: low must be above 0 and below high, got 1 and 0.1; mend the range"),
        ({"low": 0.0}, "sweep: low must be above 0 and below high, got 0 and 100; mend the range"),
        ({"low": -1.0}, "sweep: low must be above 0 and below high"),
        ({"high": math.inf}, "sweep: high must be a finite number, got inf"),
        ({"rule": "best"}, "sweep: rule must be one of middle, half_descent, .*, got 'best'; choose one"),
        ({"seeds": []}, "sweep: seeds must have at least one, got none"),
        ({"seeds": [1.5]}, "sweep: a seed must be a whole number of at least 0, got 1.5"),
    ],
)
def test_what_cannot_hold_is_refused(options, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        sweep(Valley(), **options)


def test_another_method_is_refused():
    with pytest.raises(ValueError, match="find: method must be one of race, sweep, grid, got 'guess'; choose one"):
        ratesmith.find(Valley(), method="guess")


def test_random_states_are_as_before_also_after_an_error():
    class Drawing(Valley):
        def start(self, seed):
            torch.manual_seed(seed)
            random.seed(np.random.random() + torch.rand(1).item())
            return super().start(seed)

    def states():
        return random.getstate(), repr(np.random.get_state()), torch.get_rng_state().tolist()

    before = states()
    sweep(Drawing(noise=0.1))
    with pytest.raises(FinderError):
        sweep(Drawing(broken_from=3))
    assert states() == before


def test_batches_in_a_fixed_order_of_their_difficulty_do_not_mislead():
    class Sorted(Valley):
        def start(self, seed):
            training = super().start(seed)
            step = training.step
            training.step = lambda lr: step(lr) + 3.0 * (training.steps % 10)
            return training

    clean = sweep(Valley()).suggestion
    found = sweep(Sorted())
    assert clean / 3 < found.suggestion < clean * 3
    assert found.curves[0].losses[:10] == pytest.approx([Valley().start(0).loss() + 13.5] * 10, rel=0.02)


def test_the_result_is_plain_data_and_a_picture(tmp_path):
    found = sweep(Valley())
    data = json.loads(json.dumps(found.to_data(), allow_nan=False))
    assert data["suggestion"] == found.suggestion
    assert data["curves"][0]["losses"] == list(found.curves[0].losses)
    pytest.importorskip("matplotlib")
    found.plot().savefig(tmp_path / "found.png")
    assert (tmp_path / "found.png").stat().st_size > 1000


def test_progress_is_told_at_every_update():
    heard = []
    found = sweep(Valley(), on_progress=lambda done, planned: heard.append((done, planned)))
    assert [done for done, _ in heard] == list(range(1, found.updates + 1))
    assert all(done <= planned for done, planned in heard)


def test_a_fall_that_noise_alone_would_make_is_mostly_no_fall():
    def fell(seed):
        chance = random.Random(seed)
        losses = [1.0 + 0.1 * chance.gauss(0, 1) for _ in range(112)]
        return _Run([1.0] * 112, losses, rose=False, trained=Trained({}, 0.1, False)).fell

    # The lowest of a hundred smoothed losses lies below their mean whatever happens: without a threshold all fall.
    assert sum(map(fell, range(200))) < 120


def test_what_is_no_task_is_one_clear_line():
    with pytest.raises(
        TypeError, match=r"^find: task must have start\(seed\), got int; give a task, such as ratesmith"
    ):
        ratesmith.find(3)
