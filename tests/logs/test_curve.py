"""What a run showed: taken as it is, or refused with one line."""

import numpy as np
import pytest

from ratesmith.logs.curve import Curve

GOOD = {"rates": [1e-3] * 10, "steps": [2, 4, 6, 8, 10], "losses": [5.0, 4.0, 3.0, 2.5, 2.4]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"losses": [5.0, float("nan"), 3.0, 2.5, 2.4]},
            "losses must be finite and above 0, got nan at measurement 2; "
            "drop what diverged, and give a loss that cannot be negative",
        ),
        (
            {"losses": [5.0, 4.0, -3.0, 2.5, 2.4]},
            "losses must be finite and above 0, got -3 at measurement 3; "
            "drop what diverged, and give a loss that cannot be negative",
        ),
        (
            {"losses": [2.0] * 5},
            "losses must change, got 2 at all 5 measurements; see which column holds the loss",
        ),
        ({"losses": [3.0, 2.0], "steps": [1, 2]}, "at least 5 losses are needed, got 2; log more often"),
        (
            {"steps": [2, 4, 4, 8, 10]},
            "steps must increase, got 4 after 4; drop what is there twice, and join restarted runs first",
        ),
        (
            {"steps": [2, 4, 6, 8, 11]},
            "steps must lie from 1 to 10, the updates that rates has, got 11; "
            "give the rate of every update up to the last loss",
        ),
        (
            {"steps": [0, 4, 6, 8, 10]},
            "steps must lie from 1 to 10, the updates that rates has, got 0; "
            "give the rate of every update up to the last loss",
        ),
        ({"steps": [2, 4, 6.5, 8, 10]}, "steps must be whole numbers, got 6.5; count updates"),
        ({"steps": [2, 4, 6, 8]}, "steps and losses must be of one length, got 4 and 5; give a step for each loss"),
        (
            {"rates": [0.0] * 10},
            "rates must not all be zero, got zero at all 10 updates; see which column holds the rate",
        ),
        ({"rates": [1e-3] * 9 + [-1]}, "rates must be finite and at least 0, got -1 at update 10; mend that row"),
        ({"rates": []}, "rates must hold the rate of every update, got none; give one for each"),
        ({"rates": [[1.0]]}, "rates must be a one-dimensional array of numbers, got 2 dimensions; give one number for"),
        ({"kind": "test"}, "kind must be 'validation' or 'training', got 'test'; name one of them"),
    ],
)
def test_a_bad_run_is_refused_with_one_line(change, said):
    with pytest.raises(ValueError, match=r"^Curve 'a': ") as error:
        Curve("a", **{**GOOD, **change})
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_number_is_a_type_error():
    with pytest.raises(TypeError, match="losses must be a one-dimensional array of numbers, got str; give such"):
        Curve("a", **{**GOOD, "losses": "low"})


def test_a_run_keeps_its_own_copy_that_nobody_can_change():
    rates = np.full(10, 1e-3)
    curve = Curve("a", **{**GOOD, "rates": rates})
    rates[:] = 0
    assert curve.peak == 1e-3
    with pytest.raises(ValueError, match="read-only"):
        curve.losses[0] = 1


def test_a_run_knows_its_warmup_and_how_far_it_was_annealed():
    rates = np.concatenate([np.linspace(0.1, 1, 10), np.full(10, 1.0), np.linspace(0.9, 0.2, 8)])
    curve = Curve("a", rates=rates, steps=[5, 10, 15, 20, 28], losses=[5, 4, 3, 2, 1])
    assert (curve.length, curve.warmup_steps) == (28, 10)
    assert curve.annealed == pytest.approx(0.8)


@pytest.mark.parametrize("first", [0.0, 1.0])
def test_a_warmup_is_as_long_whether_its_first_update_is_made_at_zero_or_a_step_later(first):
    rates = np.minimum(1.0, (np.arange(50) + first) / 20)
    assert Curve("a", rates=rates, steps=[10, 20, 30, 40, 50], losses=[5, 4, 3, 2, 1]).warmup_steps == 20


def test_a_later_peak_that_is_a_hair_higher_is_no_warmup():
    cycle = (1 + np.cos(np.pi * np.arange(100) / 100)) / 2
    rates = np.concatenate([np.linspace(0, 1, 20, endpoint=False), 0.995 * cycle, cycle])
    assert Curve("a", rates=rates, steps=[10, 60, 110, 150, 200], losses=[5, 4, 3, 2, 1]).warmup_steps in (19, 20)


def test_a_run_at_one_rate_had_no_warmup():
    assert Curve("a", **GOOD).warmup_steps == 0
