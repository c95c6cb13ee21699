"""Values of composer, Paddle and torchtitan, which are not installed: each as notation, against a formula of our own.

The formulas are those of their documentation, as shares of the initial rate; the options and steps are our choice.
"""

import math
import random

import pytest
from projects import between, falling

from ratesmith import Horizon, parse

T, EPOCH = 60, 10
"""Updates of the training and of an epoch."""


def stairs(points, gamma):
    return lambda t: gamma ** sum(t >= point for point in points)


def warmed(warm, rest):
    """Return t / W for t < W, then the rest, which counts from W: composer's classes WithWarmup."""
    return lambda t: t / warm if t < warm else rest(t - warm)


def fall(length, low, curve=falling):
    return lambda t: between(low, 1, curve(min(t / length, 1)))


def restarts(first, growth, low):
    def value(t):
        begin, length = 0, first
        while t >= begin + length:
            begin, length = begin + length, length * growth
        return between(low, 1, falling((t - begin) / length))

    return value


def power(p):
    return lambda q: (1 - q) ** p


def straight(q):
    return 1 - q


COMPOSER = [
    *[
        (
            f"StepScheduler({text!r}, gamma={gamma})",
            f'step("{here}", gamma={gamma})',
            lambda t, s=s, g=gamma: g ** (t // s),
        )
        for text, here, s in (("1ep", "1ep", 10), ("2ep", "2ep", 20), ("0.5dur", "50%", 30))
        for gamma in (0.1, 0.5)
    ],
    *[
        (f"MultiStepScheduler({texts}, gamma={gamma})", f"multistep({here}, gamma={gamma})", stairs(points, gamma))
        for texts, here, points in (
            ("2ep, 4ep", '["2ep", "4ep"]', (20, 40)),
            ("15ba", "[15]", (15,)),
            ("0.1dur, 0.5dur, 0.9dur", '["10%", "50%", "90%"]', (6, 30, 54)),
        )
        for gamma in (0.1, 0.5)
    ],
    *[
        (
            f"ConstantScheduler({alpha}, {text!r})",
            f"piecewise_constant([{end}], [{alpha}, 1])",
            lambda t, a=alpha, e=end: a if t < e else 1.0,
        )
        for alpha, text, end in ((0.5, "15ba", 15), (0.1, "3ep", 30), (0.7, "1ba", 1))
    ],
    *[
        (
            f"LinearScheduler({start}, {end}, {text!r})",
            f'ramp({start}, {end}, "{here}")',
            lambda t, a=start, b=end, n=n: between(a, b, t / n),
        )
        for start, end, text, here, n in (
            (1, 0, "1dur", "100%", 60),
            (0, 1, "15ba", "25%", 15),
            (0.5, 0.1, "3ep", "3ep", 30),
            (1, 2, "0.5dur", "50%", 30),
        )
    ],
    *[
        (
            f"ExponentialScheduler({gamma}, {text!r})",
            f'exponential({gamma}, every="{text}")',
            lambda t, g=gamma, n=n: g ** (t / n),
        )
        for gamma, text, n in ((0.9, "1ep", 10), (0.5, "2ep", 20), (0.1, "6ep", 60))
    ],
    *[
        (f"CosineAnnealingScheduler({text!r}, {low})", f'ramp(1, {low}, "{here}", shape="cosine")', fall(n, low))
        for text, here, n in (("1dur", "100%", 60), ("4ep", "4ep", 40))
        for low in (0.0, 0.1)
    ],
    *[
        (
            f"CosineAnnealingWarmRestartsScheduler({first}ba, {growth}, {low})",
            f"sgdr({first}, growth={growth}, final={low})",
            restarts(first, growth, low),
        )
        for first, growth, low in ((20, 1, 0.0), (8, 2, 0.1), (15, 1, 0.2), (4, 3, 0.0))
    ],
    *[
        (f"PolynomialScheduler({p}, {text!r}, {low})", f'ramp(1, {low}, "{here}", shape={p})', fall(n, low, power(p)))
        for p, text, here, n, low in (
            (2, "1dur", "100%", 60, 0.0),
            (3, "2ep", "2ep", 20, 0.1),
            (0.5, "1dur", "100%", 60, 0.2),
        )
    ],
    *[
        (
            f"MultiStepWithWarmupScheduler({warm}ba, {points})",
            f"warmup({warm}) >> multistep({[point - warm for point in points]})",
            lambda t, w=warm, p=points: t / w if t < w else stairs(p, 0.1)(t),
        )
        for warm, points in ((5, (15, 30)), (10, (20,)))
    ],
    *[
        (
            f"ConstantWithWarmupScheduler({warm}ba, {alpha})",
            f"{alpha} * (warmup({warm}) >> constant())",
            lambda t, w=warm, a=alpha: a * min(t / w, 1),
        )
        for warm, alpha in ((5, 1), (15, 0.5))
    ],
    *[
        (
            f"LinearWithWarmupScheduler({warm}ba, 1, {low})",
            f"warmup({warm}) >> linear(final={low})",
            warmed(warm, fall(T - warm, low, straight)),
        )
        for warm, low in ((5, 0.0), (15, 0.1), (1, 0.0))
    ],
    *[
        (
            f"CosineAnnealingWithWarmupScheduler({warm}ba, {low})",
            f"warmup({warm}) >> cosine(final={low})",
            warmed(warm, fall(T - warm, low)),
        )
        for warm, low in ((5, 0.0), (15, 0.1), (30, 0.2))
    ],
    *[
        (
            f"PolynomialWithWarmupScheduler({warm}ba, {p}, {low})",
            f"warmup({warm}) >> polynomial({p}, final={low})",
            warmed(warm, fall(T - warm, low, power(p))),
        )
        for warm, p, low in ((5, 2, 0.0), (15, 3, 0.1))
    ],
    (
        "CosineAnnealingScheduler(), scale_schedule_ratio=0.5",
        'ramp(1, 0, "50%", shape="cosine")',
        fall(30, 0.0),
    ),
]

PADDLE = [
    (
        "NoamDecay(64, 20)",
        "noam(64, 20)",
        lambda t: 64**-0.5 * min(t**-0.5 if t else 1, t * 20**-1.5),
    ),
    ("NaturalExpDecay(gamma=0.1)", "natural_exponential(0.1)", lambda t: math.exp(-0.1 * t)),
    ("InverseTimeDecay(gamma=0.1)", "inverse_time(0.1)", lambda t: 1 / (1 + 0.1 * t)),
    (
        "PolynomialDecay(20, end_lr=0.1, power=2, cycle=False)",
        "ramp(1, 0.1, 20, shape=2)",
        fall(20, 0.1, power(2)),
    ),
    (
        "PolynomialDecay(20, end_lr=0.1, power=2, cycle=True)",
        "polynomial(2, final=0.1, cycle=20)",
        lambda t: 0.1 + 0.9 * (1 - t / (20 * max(1, math.ceil(t / 20)))) ** 2,
    ),
    (
        "LinearWarmup(StepDecay(15), 20, 0.1, 1)",
        "warmup(20, start=0.1) >> step(15)",
        lambda t: between(0.1, 1, t / 20) if t < 20 else 0.1 ** ((t - 20) // 15),
    ),
    (
        "PiecewiseDecay([15, 30], [1, 0.5, 0.1])",
        "piecewise_constant([15, 30], [1, 0.5, 0.1])",
        lambda t: 1 if t < 15 else 0.5 if t < 30 else 0.1,
    ),
    ("ExponentialDecay(gamma=0.9)", "exponential(0.9)", lambda t: 0.9**t),
    ("MultiStepDecay([15, 30], gamma=0.5)", "multistep([15, 30], gamma=0.5)", stairs((15, 30), 0.5)),
    ("LambdaDecay(f)", 'custom("f")', lambda t: 1 / (1 + t)),
    ("CosineAnnealingDecay(60, eta_min=0.1), up to 60", "cosine(final=0.1)", fall(60, 0.1)),
]


def titan(warm, decay, curve, low):
    """(t + 1) / W for t < W; m + (1 - m) g((t - (T - D)) / D) from T - D on. torchtitan, lr_scheduler.py."""
    return lambda t: (t + 1) / warm if t < warm else between(low, 1, curve(min(max((t - T + decay) / decay, 0), 1)))


TORCHTITAN = [
    (
        f"warmup_steps={warm}, decay_ratio={decay / T}, decay_type={kind}, min_lr_factor={low}",
        f'wsd(warmup={warm}, decay={decay}, final={low}, shape="{shape}", inclusive="right")',
        titan(warm, decay, curve, low),
    )
    for warm, decay, kind, shape, curve, low in (
        (10, 30, "linear", "linear", straight, 0.0),
        (10, 30, "linear", "linear", straight, 0.1),
        (5, 12, "cosine", "cosine", falling, 0.0),
        (1, 30, "sqrt", "1-sqrt", lambda q: 1 - math.sqrt(q), 0.2),
        (20, 40, "linear", "linear", straight, 0.0),
    )
]


@pytest.mark.parametrize(
    ("notation", "formula"), [pytest.param(*row[1:], id=row[0]) for row in (*COMPOSER, *PADDLE, *TORCHTITAN)]
)
def test_the_notation_has_the_values_of_the_formula(notation, formula):
    ours = parse(notation).build(Horizon(T, steps_per_epoch=EPOCH), {"f": lambda count: 1 / (1 + count)})
    for step in range(T + T // 2):
        assert ours(step) == pytest.approx(formula(step), rel=1e-12, abs=1e-15), step


class PaddlePlateau:
    """Paddle's ReduceOnPlateau as its documentation has it: a rate, cut after more than `patience` bad measurements."""

    def __init__(self, mode, factor, patience, threshold, threshold_mode, cooldown, min_lr):
        self.better = {
            ("min", "rel"): lambda now, best: now < best - best * threshold,
            ("min", "abs"): lambda now, best: now < best - threshold,
            ("max", "rel"): lambda now, best: now > best + best * threshold,
            ("max", "abs"): lambda now, best: now > best + threshold,
        }[mode, threshold_mode]
        self.factor, self.patience, self.cooldown, self.min_lr = factor, patience, cooldown, min_lr
        self.rate, self.best, self.bad, self.waiting = 1.0, None, 0, 0

    def step(self, measured):
        if self.waiting:
            self.waiting -= 1
            return
        if self.best is None or self.better(measured, self.best):
            self.best, self.bad = measured, 0
        else:
            self.bad += 1
        if self.bad > self.patience:
            self.waiting, self.bad = self.cooldown, 0
            self.rate = max(self.rate * self.factor, self.min_lr)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize(("factor", "patience", "min_lr"), [(0.5, 1, 0.0), (0.1, 3, 0.01)])
def test_paddles_plateau_cuts_where_ours_does(mode, threshold_mode, factor, patience, min_lr):
    theirs = PaddlePlateau(mode, factor, patience, 0.01, threshold_mode, 0, min_lr)
    ours = parse(
        f'plateau(factor={factor}, patience={patience}, threshold=0.01, threshold_mode="{threshold_mode}", '
        f'floor={min_lr}, mode="{mode}")'
    ).build(T)
    state, chance, rates = ours.init(), random.Random(1), set()
    for step in range(200):
        trend = math.exp(-step / 30)
        measured = (trend if mode == "min" else 1 - trend) + 0.5 + 0.02 * chance.random()
        theirs.step(measured)
        state = ours.observe(state, step, {"loss": measured})
        assert ours.value(state, step) == pytest.approx(theirs.rate, rel=1e-12), step
        rates.add(theirs.rate)
    assert len(rates) >= 3


def test_the_tables_are_as_long_as_they_say():
    assert (len(COMPOSER), len(PADDLE), len(TORCHTITAN)) == (46, 11, 5)
