"""Keras's schedules: the same rates, in its single precision."""

import os

import pytest
from exporting import HORIZONS, cases, ran, rates_of, same

from ratesmith.exporters import code, forms

os.environ.setdefault("KERAS_BACKEND", "numpy")
pytest.importorskip("keras")


@pytest.mark.parametrize(("text", "horizon"), cases("keras"))
def test_the_rates_are_the_same_to_single_precision(text, horizon):
    rate = ran(text, HORIZONS[horizon], "keras")["learning_rate"]
    wanted = rates_of(text, HORIZONS[horizon])
    same([float(rate(step)) for step in range(len(wanted))], wanted, 3e-6)


def test_each_schedule_of_keras_is_said_by_its_name():
    for text, name in (
        ('warmup("10%") >> cosine(final=0.1)', "CosineDecay(0.0, 90, alpha=0.1, warmup_target=0.1, warmup_steps=10)"),
        ("linear()", "PolynomialDecay(0.1, 100, 0.0, power=1.0)"),
        ("exponential(0.5, every=10)", "ExponentialDecay(0.1, 10, 0.5)"),
        ("inverse_time(0.5, every=10)", "InverseTimeDecay(0.1, 10, 0.5)"),
        ("multistep([40, 70], gamma=0.5)", "PiecewiseConstantDecay([39, 69], [0.1, 0.05, 0.025])"),
    ):
        assert code(text, 0.1, 100, "keras").endswith(f"learning_rate = schedules.{name}")


def test_what_keras_rounds_to_the_other_side_of_a_jump_is_not_said():
    assert "keras" not in forms("step(7)", 100)
    assert "keras" not in forms("sgdr(7)", 100)
    assert "keras" not in forms("polynomial(0.5)", 100)
