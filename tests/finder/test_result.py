"""What a result of find says of itself."""

import math

from ratesmith.finder import Curve, FinderResult


def result(suggestion=0.1, *, losses=(2.0, 1.0, math.inf), method="race", base_lr=0.1):
    rates = (0.01, 0.1, 1.0)
    kind = "sweep" if method == "sweep" else "training"
    curve = Curve(kind, "32 updates", rates, losses, losses, suggestion)
    return FinderResult(
        method=method,
        suggestion=suggestion,
        interval=(suggestion, suggestion),
        flags=(),
        curves=(curve,),
        updates=96,
        seconds=1.0,
        base_lr=base_lr,
    )


def test_rates_at_which_training_died_are_named():
    assert "Trainings at 1 diverged." in result().explain()
    assert "diverged" not in result(losses=(2.0, 1.0, 3.0)).explain()
    assert "Trainings at" not in result(method="sweep").explain()


def test_the_optimizers_own_rate_is_said_to_be_about_it_and_never_a_share_of_one():
    assert result(0.0964).explain().startswith("Initial rate: 0.096, about the optimizer's own 0.1.")
    assert result(0.2).explain().startswith("Initial rate: 0.2, 2 times the optimizer's own 0.1.")
    assert result(0.01).explain().startswith("Initial rate: 0.01, 1/10 of the optimizer's own 0.1.")


def test_an_interval_that_prints_as_one_rate_is_not_printed():
    assert "Nearly as good" not in result().explain()
