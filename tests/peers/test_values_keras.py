"""Values of Keras: sets of options and steps of our choice, each as notation; the installed Keras says the values."""

import os

import pytest

from ratesmith import parse

os.environ.setdefault("KERAS_BACKEND", "numpy")
keras = pytest.importorskip("keras")
schedules = keras.optimizers.schedules

T = 60
STEPS = (0, 1, 2, 7, 14, 15, 29, 30, 44, 59, 60, 61, 90)
SINGLE = {"rel": 3e-5, "abs": 3e-6}
"""Keras computes in single precision; the root of what is next to 0 is 1e-3 off."""

KERAS = [
    *[
        (f"{kind}({given}{tail})", "ExponentialDecay", (1.0, every, rate), {"staircase": kind == "step"})
        for every, rate in ((15, 0.5), (7, 0.9), (60, 0.1))
        for kind, given, tail in (("exponential", rate, f", every={every}"), ("step", every, f", gamma={rate}"))
    ],
    *[(f"cosine(final={alpha})", "CosineDecay", (1.0, 60), {"alpha": alpha}) for alpha in (0.0, 0.1, 0.5, 1.0)],
    *[
        (
            f"warmup({warm}, start={start}) >> cosine(final={alpha})",
            "CosineDecay",
            (start, 60 - warm),
            {"alpha": alpha, "warmup_target": 1.0, "warmup_steps": warm},
        )
        for warm, start, alpha in ((15, 0.0, 0.0), (15, 0.1, 0.1), (1, 0.5, 0.0), (30, 0.0, 0.3))
    ],
    *[
        (
            f"{alpha} + {1 - alpha} * sgdr({first}, growth={growth}, height={height})",
            "CosineDecayRestarts",
            (1.0, first),
            {"t_mul": growth, "m_mul": height, "alpha": alpha},
        )
        for first, growth, height, alpha in (
            (8, 2.0, 1.0, 0.0),
            (8, 2.0, 0.5, 0.0),
            (12, 1.0, 0.9, 0.1),
            (40, 1.0, 1.0, 0.2),
            (9, 3.0, 0.7, 0.0),
        )
    ],
    *[
        (f"polynomial({power}, final={final})", "PolynomialDecay", (1.0, 60, final), {"power": power})
        for power, final in ((1.0, 0.0), (2.0, 0.1), (0.5, 0.2), (3.0, 0.0))
    ],
    *[
        (
            f"polynomial({power}, final={final}, cycle={cycle})",
            "PolynomialDecay",
            (1.0, cycle, final),
            {"power": power, "cycle": True},
        )
        for cycle, power, final in ((15, 1.0, 0.0), (15, 2.0, 0.1), (7, 0.5, 0.2), (30, 3.0, 0.0), (44, 1.0, 0.5))
    ],
    *[
        (f"inverse_time({rate}, every={every})", "InverseTimeDecay", (1.0, every, rate), {})
        for rate, every in ((0.5, 1), (1.0, 15), (3.0, 60))
    ],
    ("hold(inverse_time(1, every=15), 15)", "InverseTimeDecay", (1.0, 15, 1.0), {"staircase": True}),
    ("piecewise_constant([16, 31], [1, 0.5, 0.1])", "PiecewiseConstantDecay", ([15, 30], [1.0, 0.5, 0.1]), {}),
    ("piecewise_constant([8], [0.2, 1])", "PiecewiseConstantDecay", ([7], [0.2, 1.0]), {}),
    (
        "piecewise_constant([2, 3, 60], [1, 0.7, 0.5, 0.1])",
        "PiecewiseConstantDecay",
        ([1, 2, 59], [1.0, 0.7, 0.5, 0.1]),
        {},
    ),
]


@pytest.mark.parametrize(("notation", "name", "values", "options"), KERAS, ids=lambda given: str(given)[:60])
def test_keras_says_the_same_to_its_single_precision(notation, name, values, options):
    ours, other = parse(notation).build(T), getattr(schedules, name)(*values, **options)
    for step in STEPS:
        assert ours(step) == pytest.approx(
            float(other(step)), rel=3e-5, abs=1e-3 if options.get("power") == 0.5 else 3e-6
        ), step


def test_the_table_is_as_long_as_it_says():
    assert len(KERAS) == 35
