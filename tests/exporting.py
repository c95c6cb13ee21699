"""Strategies to say in other forms, and the rates that generated code gives."""

import itertools
import math

import pytest

from ratesmith import Horizon, parse
from ratesmith.exporters import code, forms

HORIZONS = [Horizon(7, 7), Horizon(97, 31), Horizon(1000, 100)]
BEHIND = 25
"""Steps behind the end at which the rates are compared too."""
STRATEGIES = [
    "constant()",
    "max(cosine(), 0.1)",
    "sgdr(3, growth=0.7)",
    "cosine(power=2)",
    "cosine(final=0.1, power=0.5, k_decay=1.5)",
    "polynomial(2, k_decay=2)",
    'polynomial(0.5, final=0.1, cycle="29%")',
    "sgdr(3, k_decay=2)",
    "inverse_sqrt(3, power=0.7)",
    "hyperbolic(300000, infimum=0.1)",
    "hyperbolic(200000, infimum=0.1, exponential=True)",
    "warmup(2, into=cosine(power=2))",
    "Power(linear() - 0.5, 2)",
    'sgdr("40%", growth=0.5, height=0.5, cycles=2)',
    'warmup(5, inclusive="right") >> cosine()',
    'one_cycle(peak="30%", back="86%", shape="linear")',
    "min(1, 0.5 + rex(), max(linear(), inverse_sqrt(3))) - 0.25",
    'constant("50%")',
    'step("30%")',
    'step(every="14.3%", gamma=0.5)',
    "step(3, gamma=1.01)",
    'multistep(["43%", "72%"], gamma=0.5)',
    'piecewise_constant(["29%", "58%"], [1, 0.5, 0.2])',
    "piecewise_constant([1, 2, 3, 4, 5, 6, 7], [1, 0.5, 0.2, 0.3, 0.1, 0.7, 0.2, 0.05])",
    'piecewise_linear([0, "43%", "100%"], [0, 1, 0.1])',
    "piecewise_linear([1, 2, 3, 4, 5, 6, 7], [1, 0.5, 0.2, 0.3, 0.1, 0.7, 0.2])",
    "exponential(0.99)",
    'exponential(0.3, every="43%")',
    'exponential(1.5, every="43%")',
    "natural_exponential(rate=0.01)",
    'inverse_time(rate=1.0, every="29%")',
    'inverse_time(rate=0.3, every="33.3%")',
    'inverse_sqrt("15%")',
    'inverse_sqrt("15%", start=0.1)',
    'noam(d_model=64, length="29%")',
    "cosine()",
    "cosine(final=0.1)",
    'warmup("15%") >> cosine(final=0.1)',
    'warmup("29%", start=0.1) >> cosine()',
    "linear()",
    "linear(final=0.1)",
    'warmup("15%") >> linear()',
    'warmup("15%") >> constant()',
    "polynomial(2)",
    "polynomial(0.5)",
    'warmup("15%") >> polynomial(2.5, final=0.1)',
    "rex()",
    'warmup("15%") >> rex(final=0.1)',
    "tanh()",
    "tanh(-4, 2, final=0.1)",
    *(f'warmup("43%", shape="{shape}")' for shape in ("linear", "cosine", "sqrt", "1-sqrt", "1-square", "rex", "log")),
    *(f'ramp(1, 0.1, shape="{shape}")' for shape in ("sqrt", "1-sqrt", "1-square", "rex", "log", "exponential")),
    'ramp(0.1, 1.5, "43%", shape="exponential") >> ramp(1.5, 0.2, shape=3)',
    'wsd(warmup="15%", decay="29%")',
    'wsd(decay="29%", final=0.1, shape="cosine")',
    'wsd(warmup="15%", decay="29%", shape="1-sqrt")',
    'warmup("15%", start=0.1, shape="cosine") >> wsd(decay="29%", final=0.1)',
    'trapezoidal(warmup="15%", decay="15%")',
    'knee(warmup="15%", explore="43%")',
    'one_cycle(peak="30%")',
    'one_cycle(peak="30%", shape="linear")',
    'one_cycle(peak="30%", phases=3)',
    'cyclic("15%", low=0.2)',
    'cyclic("15%", "29%", low=0.2, mode="triangular2")',
    'cyclic("29%", low=0.2, mode="exp_range", gamma=0.99)',
    'cyclic("14.9%", low=0)',
    'sgdr("29%")',
    'sgdr("29%", growth=2)',
    'sgdr("29%", growth=2, final=0.1)',
    'sgdr("29%", growth=1.5, height=0.5, final=0.1, warmup="15%")',
    'sgdr("14.9%", height=0.7)',
    "cosine_restarts(1)",
    "cosine_restarts(3)",
    "cosine_restarts(7)",
    'warmup("15%") >> cosine_restarts(2)',
    'cooldown(inverse_sqrt("15%"), "29%", shape="1-sqrt")',
    'cooldown(cosine(), "29%", at="43%")',
    'hold(warmup("15%") >> cosine(), 3)',
    'hold(cosine(), "14.9%")',
    'repeat(stretch(cosine(), "29%"), height=0.5)',
    'repeat(stretch(cosine(), "29%"), 2, growth=2)',
    "shift(warmup(5), -1) >> closed(cosine())",
    'shift(cosine(), "29%")',
    'stretch(take(step("29%") * cosine(), "100%"), "43%")',
    'clip(take(exponential(0.9), "50%"), low=0.01, high=0.5)',
    "0.1 + 0.9 * cosine() * (rex() + linear())",
    '(warmup("15%") >> constant()) * step("29%") * 0.5',
    '0.5 * (warmup("15%") >> cosine(final=0.1))',
    "warmup(1) >> (warmup(2) >> linear())",
    "Ramp(0, 1, 5) >> cosine()",
    "Milestones([0, 2, 5], gamma=0.5)",
    "Constant(0.0)",
    "Ramp(0.5, 0.5, 3)",
    "Ramp(1, 0, 0)",
]
"""Every recipe with several options; joins, products and methods; values."""
CASES = list(itertools.product(STRATEGIES, range(len(HORIZONS))))


def cases(form):
    """Return the strategies and horizons that have a form, as parameters of a test."""
    return [(text, horizon) for text, horizon in CASES if form in forms(text, HORIZONS[horizon])]


def ran(text, horizon, form, base_lr=0.3, **names):
    """Return the names that the code of a form defines."""
    script = dict(names)
    exec(code(text, base_lr, horizon, form), script)
    return script


def rates_of(text, horizon, base_lr=0.3, until=None):
    """Return the rates that Ratesmith gives over a training and some steps behind it."""
    schedule = parse(text).build(horizon)
    return [base_lr * schedule(step) for step in range(until or horizon.steps + BEHIND)]


def same(given, wanted, tolerance):
    """Compare rates, to a share of the largest."""
    largest = max(map(abs, wanted))
    assert len(given) == len(wanted)
    for step, (rate, asked) in enumerate(zip(given, wanted, strict=True)):
        assert math.isfinite(rate), step
        assert rate == pytest.approx(asked, rel=0, abs=tolerance * largest), step
