"""A run while it is trained: what is measured and heard, and when it is no longer training."""

import math

import numpy as np
import pytest
from comparing import small
from numpy_task import LogisticTask, Odd

from ratesmith.experiment import compare


def losing(first, later):
    """Return a task whose loss is `first` at the first update, `later` at the 41st, and half of `first` else."""

    def change(training, step):
        def update(lr):
            loss = {0: first, 40: later}.get(training.steps, first / 2)
            step(lr)
            return loss

        return update

    return Odd(step=change)


@pytest.mark.parametrize(
    ("first", "most"), [(10.0, 10_010.0), (-10.0, 9_990.0), (1.0, 1001.0), (1e-9, 1000.0), (0.0, 1000.0)]
)
def test_a_loss_has_exploded_a_thousand_times_the_first_ones_size_or_one_above_it(first, most, tmp_path):
    options = {"steps": 60, "seeds": 1, "rates": [0.1]}
    below, above = (
        compare(losing(first, most * share), [], folder=tmp_path / str(share), **options).runs
        for share in (0.999, 1.001)
    )
    assert {run.status for run in below} == {"done"}
    assert {(run.status, run.updates) for run in above} == {("diverged", 41)}


def test_a_plateau_hears_the_validation_metric_and_cuts(tmp_path):
    plateau = ["plateau(factor=0.1, patience=0)"]
    found = small(LogisticTask(), tmp_path, plateau, rates=[30.0], evaluate_every=5, seeds=3)
    run = found.runs_of("plateau(factor=0.1, patience=0)", 30.0)[0]
    assert run.rates[-1][1] < run.rates[0][1]
    heard = [point.metrics["loss"] for point in run.curve[1:]]
    cuts, best = 0, math.inf
    for loss in heard[:-1]:
        cuts, best = (cuts, loss) if loss < best * (1 - 1e-4) else (cuts + 1, best)
    assert run.rates[-1][1] == pytest.approx(30.0 * 0.1**cuts)
    assert all(why.startswith("plateau: loss had not improved for 1 measurement, best ") for _, why in run.events)
    assert sum(step < run.updates for step, _ in run.events) == cuts > 0
    assert run.to_dict()["events"] == [list(event) for event in run.events]
    again = small(LogisticTask(), tmp_path, plateau, rates=[30.0], evaluate_every=5, seeds=3)
    assert run in again.runs  # as it was read back from the store


def at_step(k, value):
    return lambda training, step: lambda lr: value if training.steps == k and step(lr) else step(lr)


def test_a_loss_of_minus_infinity_and_a_validation_loss_that_explodes_are_divergence(tmp_path):
    below = small(Odd(step=at_step(40, -math.inf)), tmp_path / "a", rates=[0.1])
    assert all(run.diverged and run.message == "training loss -inf at step 40" for run in below.runs)
    high = Odd(evaluate=lambda training, old: lambda split="validation": {"loss": 1e30 if training.steps > 30 else 1.0})
    above = small(high, tmp_path / "b", rates=[0.1])
    assert all(run.diverged and run.message == "validation loss 1e+30 at step 59" for run in above.runs)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"accuracy": 1.0}, "Task: metrics must include 'loss', got ['accuracy']"),
        ({"loss": "low"}, "Task: metrics must be numbers, got {'loss': 'low'}"),
        ({"loss": None}, "Task: metrics must be numbers, got {'loss': None}"),
    ],
)
def test_metrics_are_numbers_with_a_loss_among_them(tmp_path, metrics, message):
    with pytest.raises(TypeError) as caught:
        small(Odd(evaluate=lambda training, old: lambda split="validation": metrics), tmp_path)
    assert str(caught.value).startswith(message)


def test_metrics_may_be_numpy_numbers(tmp_path):
    single = Odd(evaluate=lambda training, old: lambda split="validation": {"loss": np.float32(old(split)["loss"])})
    assert isinstance(small(single, tmp_path, rates=[0.1]).best.estimates["loss"].mean, float)
