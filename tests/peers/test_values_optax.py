"""Values of optax: sets of options and steps of our choice, each as notation; the installed optax says the values."""

import pytest

from ratesmith import parse

jax, optax = (pytest.importorskip(name) for name in ("jax", "optax"))

T = 60
"""Steps of the training, unless a schedule lasts for itself."""
STEPS = (0, 1, 2, 7, 14, 15, 29, 30, 44, 59, 60, 61, 90)

OPTAX = [
    ("0.5 * constant()", "constant_schedule", (0.5,), {}),
    *[
        (f"ramp({low}, {high}, {steps})", "linear_schedule", (low, high, steps), {})
        for low, high, steps in ((0, 1, 60), (1, 0, 60), (0.2, 0.9, 13), (1, 0.3, 45))
    ],
    *[
        (f"Constant({low}, {begin}) >> ramp({low}, {high}, 40)", "linear_schedule", (low, high, 40, begin), {})
        for low, high, begin in ((1, 0.1, 7), (0.1, 1, 15), (0.5, 0, 1))
    ],
    *[
        (f"polynomial({power}, final={final})", "polynomial_schedule", (1.0, final, power, 60), {})
        for power in (0.5, 1, 2, 3)
        for final in (0.0, 0.2)
    ],
    *[
        (f"1 - {1 - low} * polynomial({power})", "polynomial_schedule", (low, 1.0, power, 60), {})
        for power, low in ((1, 0.1), (2, 0.0), (2, 0.3), (3, 0.1))
    ],
    *[
        (
            f"constant({begin}) >> ramp(1, {final}, 30, shape={power})",
            "polynomial_schedule",
            (1.0, final, power, 30, begin),
            {},
        )
        for begin, final, power in ((7, 0.0, 2), (14, 0.1, 3), (1, 0.5, 1))
    ],
    *[
        (
            f"multistep({list(points)}, gamma={scale})",
            "piecewise_constant_schedule",
            (1.0, dict.fromkeys(points, scale)),
            {},
        )
        for points, scale in (((15, 30), 0.5), ((7,), 0.1), ((1, 2, 44), 0.3))
    ],
    ("piecewise_constant([15, 30], [1, 2, 0.5])", "piecewise_constant_schedule", (1.0, {15: 2.0, 30: 0.25}), {}),
    *[
        (f"exponential({rate}, every={every})", "exponential_decay", (1.0, every, rate), {})
        for rate, every in ((0.9, 1), (0.5, 15), (0.1, 60), (1.1, 30))
    ],
    *[
        (f"step({every}, gamma={rate})", "exponential_decay", (1.0, every, rate), {"staircase": True})
        for rate, every in ((0.9, 7), (0.5, 15), (1.5, 30))
    ],
    *[
        (f"constant({begin}) >> exponential(0.5, every=15)", "exponential_decay", (1.0, 15, 0.5, begin), {})
        for begin in (1, 14, 30)
    ],
    ("clip(exponential(0.5, every=15), low=0.3)", "exponential_decay", (1.0, 15, 0.5), {"end_value": 0.3}),
    ("clip(exponential(1.5, every=15), high=2)", "exponential_decay", (1.0, 15, 1.5), {"end_value": 2.0}),
    ("max(step(15, gamma=0.5), 0.3)", "exponential_decay", (1.0, 15, 0.5), {"end_value": 0.3, "staircase": True}),
    *[
        (
            f"cosine(final={alpha}, power={exponent})",
            "cosine_decay_schedule",
            (1.0, 60),
            {"alpha": alpha, "exponent": exponent},
        )
        for alpha in (0.0, 0.1, 0.5)
        for exponent in (0.5, 1.0, 2.0, 3.5)
    ],
    *[
        (
            f"one_cycle(peak={int(pct * T)}, start={1 / div!r}, final={1 / div / last!r})",
            "cosine_onecycle_schedule",
            (T, 1.0),
            {"pct_start": pct, "div_factor": div, "final_div_factor": last},
        )
        for pct, div, last in ((0.3, 25.0, 1e4), (0.5, 10.0, 100.0), (0.25, 4.0, 10.0), (0.1, 100.0, 2.0))
    ],
    *[
        (
            f'one_cycle(peak={int(pct * T)}, back={int(back * T)}, start=0.04, final=4e-6, shape="linear")',
            "linear_onecycle_schedule",
            (T, 1.0, pct, back),
            {},
        )
        for pct, back in ((0.3, 0.85), (0.5, 0.75), (0.1, 0.2), (0.4, 0.9))
    ],
    *[
        (
            f"warmup({warm}, start={start}) >> cosine(final={final}, power={exponent})",
            "warmup_cosine_decay_schedule",
            (start, 1.0, warm, T, final, exponent),
            {},
        )
        for warm, start, final, exponent in (
            (15, 0, 0, 1),
            (15, 0.1, 0.1, 1),
            (1, 0, 0, 1),
            (30, 0.5, 0, 1),
            (7, 0, 0.2, 2),
            (15, 0, 0, 0.5),
        )
    ],
    *[
        (
            f"warmup({warm}) >> {rest}",
            "warmup_exponential_decay_schedule",
            (0.0, 1.0, warm, 15, 0.5),
            options,
        )
        for warm, rest, options in (
            (15, "exponential(0.5, every=15)", {}),
            (7, "constant(7) >> exponential(0.5, every=15)", {"transition_begin": 7}),
            (15, "step(15, gamma=0.5)", {"staircase": True}),
            (15, "max(exponential(0.5, every=15), 0.2)", {"end_value": 0.2}),
        )
    ],
    *[
        (f"warmup({warm}, start={start}) >> constant()", "warmup_constant_schedule", (start, 1.0, warm), {})
        for warm, start in ((15, 0), (30, 0.1), (1, 0))
    ],
    *[
        (
            f"piecewise_linear({[0, *scales]}, {[1.0, *products]})",
            "piecewise_interpolate_schedule",
            ("linear", 1.0, scales),
            {},
        )
        for scales, products in (({15: 0.5, 30: 0.5}, [0.5, 0.25]), ({7: 2.0, 44: 0.1}, [2.0, 0.2]))
    ],
    *[
        (
            f"ramp(1, {low}, {first}, shape='cosine') >> ramp({low}, {lower}, {second}, shape='cosine')",
            "piecewise_interpolate_schedule",
            ("cosine", 1.0, {first: low, first + second: lower / low}),
            {},
        )
        for low, lower, first, second in ((0.5, 0.1, 15, 30), (2.0, 0.5, 7, 23))
    ],
    *[
        (
            f"sgdr({first}, height={height}, warmup={warm}, cycles=3)",
            "sgdr_schedule",
            (
                [
                    {"init_value": 0.0, "peak_value": height**i, "warmup_steps": warm, "decay_steps": first}
                    for i in range(3)
                ],
            ),
            {},
        )
        for first, height, warm in ((20, 1.0, 5), (20, 0.5, 2), (15, 0.8, 7))
    ],
]


@pytest.fixture
def double_precision():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(("notation", "name", "values", "options"), OPTAX, ids=lambda given: str(given)[:60])
def test_optax_says_the_same(notation, name, values, options):
    ours, other = parse(notation).build(T), getattr(optax, name)(*values, **options)
    for step in STEPS:
        assert ours(step) == pytest.approx(float(other(step)), rel=1e-9, abs=1e-8), step


@pytest.mark.usefixtures("double_precision")
def test_optax_joins_schedules_as_notation_does():
    joined = optax.join_schedules(
        [
            optax.linear_schedule(0.0, 1.0, 15),
            optax.constant_schedule(1.0),
            optax.polynomial_schedule(1.0, 0.1, 2.0, 30),
        ],
        [15, 30],
    )
    ours = parse("warmup(15) >> constant(15) >> polynomial(2, final=0.1)").build(T)
    assert [ours(step) for step in STEPS] == pytest.approx([float(joined(step)) for step in STEPS], rel=1e-12)


def test_the_table_is_as_long_as_it_says():
    assert len(OPTAX) == 80
