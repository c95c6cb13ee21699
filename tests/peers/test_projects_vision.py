"""The schedules of projects that train on images, speech and translations, each as one line, against its formula.

As in test_projects.py: formulas of our own, from what the named file computes, as shares of the highest rate.
"""

import math

import pytest
from projects import EPOCH, T, W, agrees, between, falling, table


def dinov2(t, start=0.0, final=0.1, freeze=0):
    """0 for F steps, numpy.linspace(s, 1, W), then f + (1 - f) (1 + cos(pi i / n)) / 2. dinov2/utils/utils.py."""
    if t < freeze:
        return 0.0
    if t < freeze + W:
        return between(start, 1, (t - freeze) / (W - 1))
    return between(final, 1, falling((t - freeze - W) / (T - freeze - W)))


def mae(t, floor=0.0):
    """Return t / W for t < W, then m + (1 - m) (1 + cos(pi (t - W) / (T - W))) / 2. util/lr_sched.py."""
    return t / W if t < W else between(floor, 1, falling((t - W) / (T - W)))


def yolox(t, start=0.0, power=2, floor=0.2, last=15):
    """s + (1 - s) (t / W)^2 up to W; m in the last N steps; between them a cosine. yolox/utils/lr_scheduler.py."""
    if t <= W:
        return start + (1 - start) * (t / W) ** power
    return floor if t >= T - last else between(floor, 1, falling((t - W) / (T - W - last)))


def yolox_slower(t):
    """As above, but behind step N each step counts for half of one: so many more batches has an epoch there."""
    if t <= W:
        return (t / W) ** 2
    moved = t - W if t <= 50 else 50 - W + (t - 50) / 2
    return 0.2 if t >= 90 else between(0.2, 1, falling(moved / (T - W - 15)))


def detectron2(t, rest, start=1e-3, method="linear"):
    """s (1 - t / W) + rest(W) t / W for t < W, or s; then rest(t). detectron2/solver/lr_scheduler.py."""
    if t >= W:
        return rest(t)
    return start if method == "constant" else start * (1 - t / W) + rest(W) * t / W


def stairs(t):
    """Return 0.1 to the number of milestones, 60 and 80, that are over."""
    return 0.1 ** sum(t >= point for point in (60, 80))


def ultralytics(t, cosine=False, bias=None):
    """By epoch max(1 - e / E, 0) (1 - f) + f, or a cosine; up to W interp(t, [0, W], [b, that]). engine/trainer.py."""
    epoch, epochs = t // EPOCH, T // EPOCH
    rate = between(0.01, 1, falling(epoch / epochs)) if cosine else between(1, 0.01, epoch / epochs)
    return rate if bias is None or t >= W else bias + (rate - bias) * t / W


def fairseq_cosine(t, first=20, growth=1, shrink=1.0):
    """s + (1 - s) t / W for t < W, then in cycle i, of P mu^i steps, shrink^i (m + (1 - m) cosine). cosine_lr_..."""
    if t < W:
        return between(0.1, 1, t / W)
    begin, cycle = W, 0
    while t >= begin + first * growth**cycle:
        begin, cycle = begin + first * growth**cycle, cycle + 1
    return shrink**cycle * between(0.1, 1, falling((t - begin) / (first * growth**cycle)))


def fairseq_triangle(t, shrink=1.0, low_too=False):
    """m + (s^c - m) max(0, 1 - |t / h - 2 c - 1|), c = floor(t / 2h), s the shrink. triangular_lr_scheduler.py."""
    cycle = t // 20
    high = shrink**cycle
    low = 0.1 * (high if low_too else 1)
    return low + (high - low) * max(0, 1 - abs(t / 10 - 2 * (cycle + 1) + 1))


def fairseq_stages(t):
    """s + (1 - s) t / W, 1 for H steps, exp(log(f) n / D) for D, then f. tri_stage_lr_scheduler.py."""
    if t < W:
        return between(0.01, 1, t / W)
    return 0.05 ** (min(max(t - W - 30, 0), 50) / 50)


COSINE = "ramp(1, 0.2, 65, shape='cosine')"

ROWS = [
    ("dinov2", "learning rate", f'warmup({W}, inclusive="both") >> cosine(final=0.1)', dinov2),
    (
        "dinov2",
        "learning rate from a start",
        f'warmup({W}, start=0.01, inclusive="both") >> cosine()',
        lambda t: dinov2(t, start=0.01, final=0.0),
    ),
    (
        "dinov2",
        "last layer, frozen at first",
        f'piecewise_constant([10], [0, 1]) * (warmup({W}, inclusive="both") >> cosine(final=0.1))',
        lambda t: 0.0 if t < 10 else dinov2(t),
    ),
    (
        "dinov2",
        "freeze_iters",
        f'Constant(0, 10) >> warmup({W}, inclusive="both") >> cosine(final=0.1)',
        lambda t: dinov2(t, freeze=10),
    ),
    (
        "dinov2",
        "weight decay, of 0.4",
        'ramp(0.1, 1, shape="cosine")',
        lambda t: 1 + (0.1 - 1) * falling(t / T),
    ),
    (
        "dinov2",
        "teacher temperature, of 0.07",
        f'warmup({W}, start={4 / 7!r}, inclusive="both") >> constant()',
        lambda t: between(4 / 7, 1, t / (W - 1)),
    ),
    ("MAE", "pretrain", f"warmup({W}) >> cosine()", mae),
    ("MAE", "finetune, with min_lr", f"warmup({W}) >> cosine(final=0.001)", lambda t: mae(t, 0.001)),
    ("YOLOX", "cos", "cosine()", lambda t: falling(t / T)),
    (
        "YOLOX",
        "warmcos",
        f"warmup({W}, start=0.001) >> cosine()",
        lambda t: yolox(t, start=0.001, power=1, floor=0.0, last=0),
    ),
    ("YOLOX", "yoloxwarmcos", f"warmup({W}, shape=2) >> {COSINE}", yolox),
    (
        "YOLOX",
        "yoloxsemiwarmcos",
        f"warmup({W}, shape=2) >> take({COSINE}, 30) >> take(shift(stretch({COSINE}, 130), -60), 40) >> Constant(0.2)",
        yolox_slower,
    ),
    ("YOLOX", "multistep", "multistep([60, 80])", stairs),
    (
        "detectron2",
        "multistep",
        f"warmup({W}, start=0.001, into=multistep([60, 80]))",
        lambda t: detectron2(t, stairs),
    ),
    (
        "detectron2",
        "cosine",
        f"warmup({W}, start=0.001, into=cosine())",
        lambda t: detectron2(t, lambda t: falling(t / T)),
    ),
    (
        "detectron2",
        "cosine, rescale_interval",
        f"warmup({W}, start=0.001) >> cosine()",
        lambda t: between(0.001, 1, t / W) if t < W else falling((t - W) / (T - W)),
    ),
    (
        "detectron2",
        "constant warm-up",
        f"Constant(0.001, {W}) >> multistep([{60 - W}, {80 - W}])",
        lambda t: detectron2(t, stairs, method="constant"),
    ),
    (
        "detectron2",
        "WarmupCosineLR",
        f"warmup({W}, start=0.001) * cosine()",
        lambda t: between(0.001, 1, t / W) * falling(t / T),
    ),
    (
        "detectron2",
        "WarmupMultiStepLR, a milestone inside",
        f"warmup({W}, start=0.001) * multistep([10, 80])",
        lambda t: between(0.001, 1, t / W) * 0.1 ** sum(t >= point for point in (10, 80)),
    ),
    ("ultralytics", "linear", 'hold(linear(final=0.01), "1ep")', ultralytics),
    ("ultralytics", "cos_lr", 'hold(cosine(final=0.01), "1ep")', lambda t: ultralytics(t, cosine=True)),
    (
        "ultralytics",
        "linear with its warm-up",
        f'warmup({W}) * hold(linear(final=0.01), "1ep")',
        lambda t: ultralytics(t, bias=0.0),
    ),
    (
        "ultralytics",
        "biases, from ten times the rate",
        f'ramp(10, 0, {W}) + warmup({W}) * hold(linear(final=0.01), "1ep")',
        lambda t: ultralytics(t, bias=10.0),
    ),
    (
        "ultralytics",
        "momentum, of 0.937",
        f"warmup({W}, start={0.8 / 0.937!r}) >> constant()",
        lambda t: between(0.8, 0.937, t / W) / 0.937,
    ),
    (
        "fairseq",
        "inverse_sqrt",
        f"inverse_sqrt({W}, start=0.001)",
        lambda t: between(0.001, 1, t / W) if t < W else math.sqrt(W / t),
    ),
    ("fairseq", "cosine", f"warmup({W}, start=0.1) >> repeat(ramp(1, 0.1, 20, shape='cosine'))", fairseq_cosine),
    (
        "fairseq",
        "cosine, t_mult and lr_shrink",
        f"warmup({W}, start=0.1) >> repeat(ramp(1, 0.1, 20, shape='cosine'), height=0.5, growth=2)",
        lambda t: fairseq_cosine(t, growth=2, shrink=0.5),
    ),
    (
        "fairseq",
        "polynomial_decay",
        f"warmup({W}) >> polynomial(2, final=0.1)",
        lambda t: t / W if t <= W else 0.1 + 0.9 * max(1 - (t - W) / (T - W), 0) ** 2,
    ),
    (
        "fairseq",
        "tri_stage",
        f'warmup({W}, start=0.01) >> constant(30) >> ramp(1, 0.05, shape="exponential")',
        fairseq_stages,
    ),
    (
        "fairseq",
        "triangular",
        "cyclic(10, low=0.1)",
        fairseq_triangle,
    ),
    (
        "fairseq",
        "triangular, lr_shrink",
        "repeat(ramp(0, 1, 10) >> ramp(1, 0, 10), height=0.5) + 0.1 * repeat(ramp(1, 0, 10) >> ramp(0, 1, 10))",
        lambda t: fairseq_triangle(t, shrink=0.5),
    ),
    (
        "fairseq",
        "triangular, shrink_min",
        "repeat(ramp(0.1, 1, 10) >> ramp(1, 0.1, 10), height=0.5)",
        lambda t: fairseq_triangle(t, shrink=0.5, low_too=True),
    ),
    (
        "fairseq",
        "step",
        f"warmup({W}, start=0.001) >> max(step(15, gamma=0.5), 0.1)",
        lambda t: between(0.001, 1, t / W) if t < W else max(0.5 ** ((t - W) // 15), 0.1),
    ),
    ("fairseq", "fixed", f'warmup({W}, inclusive="right") >> constant()', lambda t: min((t + 1) / W, 1)),
]


@pytest.mark.parametrize("row", table([(*row[:2], row[2:]) for row in ROWS]))
def test_one_line_of_notation_has_the_rates_of_the_project_at_every_step(row):
    agrees(*row)


@pytest.mark.parametrize(
    ("notation", "formula"),
    [
        (f"warmup({W}) >> cosine(final=0.1)", dinov2),
        (f"warmup({W}, start=0.001) >> cosine()", lambda t: detectron2(t, lambda t: falling(t / T))),
        (f"warmup({W}) >> cosine(final=0.2)", yolox),
    ],
)
def test_the_first_line_that_comes_to_mind_is_off_by_more_than_a_tenth_of_a_percent(notation, formula):
    with pytest.raises(AssertionError):
        agrees(notation, formula, tolerance=1e-3)
