"""The schedules of projects that train language models, each as one line of notation, against its formula.

A formula is written here from what the project's file computes, as a share of its highest rate; the file is named.
Where a project says nothing of steps behind its training, the comparison ends with it.
"""

import math

import pytest
from projects import T, W, agrees, between, falling, table


def nanogpt(t, decay=T):
    """(t + 1) / (W + 1) for t < W, then m + (1 - m) (1 + cos(pi (t - W) / (D - W))) / 2, then m. train.py, get_lr."""
    return (t + 1) / (W + 1) if t < W else between(0.1, 1, falling((t - W) / (decay - W)))


def litgpt(t):
    """Return t / W for t < W, then the same cosine. litgpt/pretrain.py, get_lr."""
    return t / W if t < W else between(0.1, 1, falling((t - W) / (T - W)))


def litgpt_tuned(t):
    """Return t / W for t < W, then a cosine over T - W to 0. litgpt/finetune/lora.py."""
    return t / W if t < W else falling((t - W) / (T - W))


def nanochat(t, warm=W, down=50, final=0.0):
    """(t + 1) / W for t < W, 1 up to T - D, then q + (1 - q) f, q = (T - t) / D. scripts/base_train.py."""
    if t < warm:
        return (t + 1) / warm
    return between(final, 1, (T - t) / down)


def modded(t, cooldown=0.4, final=0.1):
    """With x = t / T: 1 for x < 1 - c, then w + (1 - w) f, w = (1 - x) / c. train_gpt.py, get_lr."""
    return between(final, 1, (1 - t / T) / cooldown)


def modded_stages(t):
    """1, 1.52 behind T / 3 and 1.73 behind 2 T / 3; from 1 - c on that times w, and 0.1 (1 - w). Later train_gpt.py."""
    stage = 1.73 if t > 2 * T / 3 else 1.52 if t > T / 3 else 1.0
    return stage if t < T / 2 else between(0.1, stage, (1 - t / T) / 0.5)


def torchtitan(t, decay=50, curve=lambda q: 1 - q, floor=0.0):
    """(t + 1) / W for t < W; from S = T + 1 - D on m + (1 - m) g((t + 1 - S) / D). components/lr_scheduler.py."""
    if t < W:
        return (t + 1) / W
    progress = (t + 1 - (T + 1 - decay)) / decay
    return between(floor, 1, curve(min(max(progress, 0), 1)))


def torchtitan_before(t):
    """(t + 1) / (W + 1) for t < W, 1 up to T - D, then 1 - (t + 1 - (T - D)) / (D + 1). The file of early 2025."""
    if t < W:
        return (t + 1) / (W + 1)
    return 1.0 if t < T - 30 else between(1, 0, (min(t, T) + 1 - (T - 30)) / 31)


def olmo_warm(t, start=0.1):
    """Return 0.1 + 0.9 t / W, the start of all of OLMo's schedules. olmo/optim.py, Scheduler._linear_warmup."""
    return between(start, 1, t / W)


def olmo_cosine(t):
    """m + (1 - m) (1 + cos(pi (t - W) / (T - W))) / 2 behind the warm-up. olmo/optim.py, CosWithWarmup."""
    return olmo_warm(t) if t < W else between(0.1, 1, falling((t - W) / (T - W)))


def olmo_inverse(t):
    """sqrt(W / max(W, t)) behind the warm-up. olmo/optim.py, InvSqrtWithWarmup."""
    return olmo_warm(t) if t < W else math.sqrt(W / max(W, t))


def olmo_envelope(t):
    """m + (1 - m) (1 - q) (1 + cos(pi q)) / 2, q = (t - W) / (T - W). olmo/optim.py, CosLinearEnvelope."""
    q = min((t - W) / (T - W), 1)
    return olmo_warm(t) if t < W else 0.1 + 0.9 * (1 - q) * falling(q)


def olmo_bolted(t, inner=lambda t: between(0.1, 1, falling(t / T))):
    """inner(W) t / W for t < W, then inner(t). olmo/optim.py, BoltOnWarmupScheduler."""
    return inner(W) * t / W if t < W else inner(t)


def neox(t, curve, floor=0.1):
    """t / W up to W, then max(g(n / E), m), n = min(t, E - W) - W: E is all of training. megatron/learning_rates.py."""
    return t / W if t <= W else max(curve((min(t, T - W) - W) / T), floor)


def megatron(t, curve, floor=0.1, start=0.0):
    """s + (1 - s) t / W up to W; then m + (1 - m) g, and m behind T. megatron/core/optimizer_param_scheduler.py."""
    if t <= W:
        return between(start, 1, t / W)
    return floor if t > T else floor + (1 - floor) * curve(t)


def tail(g):
    """Return 1 up to T - D, then g((t - (T - D)) / D): the end of Megatron's WSD."""
    return lambda t: 1.0 if t <= T - 30 else g((t - (T - 30)) / 30)


NEOX = f"take(ramp(1, 0, {T}, shape='cosine'), {T - 2 * W})"

ROWS = [
    ("nanoGPT", "get_lr", f'warmup({W}, inclusive="neither") >> cosine(final=0.1)', nanogpt),
    (
        "nanoGPT",
        "lr_decay_iters before the end",
        f'warmup({W}, inclusive="neither") >> ramp(1, 0.1, {80 - W}, shape="cosine")',
        lambda t: nanogpt(t, 80),
    ),
    ("nanoGPT", "decay_lr=False", "constant()", lambda t: 1.0),
    ("litgpt", "pretrain", f"warmup({W}) >> cosine(final=0.1)", litgpt),
    ("litgpt", "finetune", f"warmup({W}) >> cosine()", litgpt_tuned),
    ("nanochat", "base", 'wsd(decay="50%")', lambda t: nanochat(t, warm=0)),
    ("nanochat", "base with a warm-up", f'wsd(warmup={W}, decay="50%", inclusive="right")', nanochat),
    (
        "nanochat",
        "a share left at the end",
        f'wsd(warmup={W}, decay="30%", final=0.05, inclusive="right")',
        lambda t: nanochat(t, down=30, final=0.05),
    ),
    ("nanochat", "sft and rl", "linear()", lambda t: 1 - t / T, T),
    (
        "nanochat",
        "momentum of Muon, of 0.95",
        f"ramp({0.85 / 0.95!r}, 1, 30)",
        lambda t: between(0.85, 0.95, t / 30) / 0.95,
    ),
    ("modded-nanogpt", "speedrun", 'wsd(decay="40%", final=0.1)', modded),
    ("modded-nanogpt", "medium", 'wsd(decay="70%")', lambda t: modded(t, 0.7, 0.0)),
    (
        "modded-nanogpt",
        "first trapezoid",
        f'trapezoidal(warmup={W}, decay=30, inclusive="right")',
        lambda t: nanochat(t, down=30),
    ),
    (
        "modded-nanogpt",
        "stages of the batch size",
        'piecewise_constant([34, 67], [1, 1.52, 1.73]) * wsd(decay="50%") + 0.1 - 0.1 * wsd(decay="50%")',
        modded_stages,
    ),
    (
        "modded-nanogpt",
        "momentum of Muon, of 0.95",
        f"ramp({0.85 / 0.95!r}, 1, 30) >> constant(60) >> ramp(1, {0.85 / 0.95!r}, 10)",
        lambda t: between(0.85, 0.95, min(t / 30, (T - t) / 10)) / 0.95,
    ),
    (
        "torchtitan",
        "no decay_ratio",
        f'warmup({W}, inclusive="right") >> linear()',
        lambda t: torchtitan(t, decay=T - W),
    ),
    ("torchtitan", "linear", f'wsd(warmup={W}, decay="50%", inclusive="right")', torchtitan),
    (
        "torchtitan",
        "sqrt, with min_lr_factor",
        f'wsd(warmup={W}, decay="50%", final=0.1, shape="1-sqrt", inclusive="right")',
        lambda t: torchtitan(t, curve=lambda q: 1 - math.sqrt(q), floor=0.1),
    ),
    (
        "torchtitan",
        "cosine",
        f'wsd(warmup={W}, decay="50%", shape="cosine", inclusive="right")',
        lambda t: torchtitan(t, curve=falling),
    ),
    (
        "torchtitan",
        "before the virtual last step",
        f'warmup({W}, inclusive="neither") >> constant({T - 30 - W}) >> shift(ramp(1, 0, 31), -1)',
        torchtitan_before,
    ),
    ("OLMo", "CosWithWarmup", f"warmup({W}, start=0.1) >> cosine(final=0.1)", olmo_cosine),
    (
        "OLMo",
        "LinearWithWarmup",
        f"warmup({W}, start=0.1) >> linear(final=0.1)",
        lambda t: olmo_warm(t) if t < W else between(1, 0.1, (t - W) / (T - W)),
    ),
    ("OLMo", "InvSqrtWithWarmup", f"inverse_sqrt({W}, start=0.1)", olmo_inverse),
    (
        "OLMo",
        "MaxScheduler",
        f"warmup({W}, start=0.1) >> max(cosine(final=0.1), InverseSqrt({W}))",
        lambda t: max(olmo_cosine(t), olmo_inverse(t)),
    ),
    ("OLMo", "CosLinearEnvelope", f"warmup({W}, start=0.1) >> 0.1 + 0.9 * linear() * cosine()", olmo_envelope),
    ("OLMo", "BoltOnWarmup of a cosine", f"warmup({W}, into=cosine(final=0.1))", olmo_bolted),
    (
        "OLMo",
        "BoltOnWarmup that begins at step 5",
        f"Constant(0, 5) >> warmup({W - 5}, into=shift(ramp(1, 0.1, {T}, shape='cosine'), -5))",
        lambda t: 0.0 if t < 5 else olmo_bolted(W) * (t - 5) / (W - 5) if t < W else olmo_bolted(t),
    ),
    ("OLMo", "ConstantWithWarmup", f"warmup({W}, start=0.1) >> constant()", olmo_warm),
    (
        "OLMo",
        "InvSqrtWithWarmup of OLMo-core",
        f"warmup({W}) >> 0.1 + 0.9 * InverseSqrt({W})",
        lambda t: t / W if t < W else 0.1 + 0.9 * math.sqrt(W / t),
    ),
    ("gpt-neox", "cosine", f"warmup({W}) >> max({NEOX}, 0.1)", lambda t: neox(t, falling)),
    (
        "gpt-neox",
        "linear",
        f"warmup({W}) >> max(take(ramp(1, 0, {T}), {T - 2 * W}), 0.1)",
        lambda t: neox(t, lambda q: 1 - q),
    ),
    (
        "gpt-neox",
        "exponential",
        f"warmup({W}) >> max(take(natural_exponential(0.693, every={T}), {T - 2 * W}), 0.1)",
        lambda t: neox(t, lambda q: math.exp(-0.693 * q)),
    ),
    ("gpt-neox", "constant", f"warmup({W}) >> constant()", lambda t: neox(t, lambda q: 1.0)),
    (
        "Megatron-LM",
        "linear",
        f"warmup({W}) >> linear(final=0.1)",
        lambda t: megatron(t, lambda t: 1 - (t - W) / (T - W)),
    ),
    (
        "Megatron-LM",
        "cosine, from init_lr",
        f"warmup({W}, start=0.01) >> cosine(final=0.1)",
        lambda t: megatron(t, lambda t: falling((t - W) / (T - W)), start=0.01),
    ),
    (
        "Megatron-LM",
        "inverse-square-root",
        f"warmup({W}) >> take(max(InverseSqrt({W}), 0.1), {T - W + 1}) >> Constant(0.1)",
        lambda t: 0.1 if t > T else t / W if t <= W else max(0.1, math.sqrt(W / t)),
    ),
    ("Megatron-LM", "constant", f"warmup({W}) >> constant()", lambda t: min(t / W, 1)),
    (
        "Megatron-LM",
        "WSD, linear",
        f"wsd(warmup={W}, decay=30, final=0.1)",
        lambda t: megatron(t, tail(lambda r: 1 - r)),
    ),
    (
        "Megatron-LM",
        "WSD, cosine",
        f'wsd(warmup={W}, decay=30, final=0.1, shape="cosine")',
        lambda t: megatron(t, tail(falling)),
    ),
    (
        "Megatron-LM",
        "WSD, minus_sqrt",
        f'wsd(warmup={W}, decay=30, final=0.1, shape="1-sqrt")',
        lambda t: megatron(t, tail(lambda r: 1 - math.sqrt(r))),
    ),
    (
        "Megatron-LM",
        "WSD, exponential",
        f'warmup({W}) >> constant({T - 30 - W}) >> 0.1 + 0.9 * (2 * ramp(1, 0.5, 30, shape="exponential") - 1)',
        lambda t: megatron(t, tail(lambda r: 2 * 0.5**r - 1)),
    ),
    (
        "Megatron-LM",
        "weight decay, cosine",
        'ramp(0.1, 1, 60, shape="cosine")',
        lambda t: 0.1 + 0.9 * (1 - falling(t / 60)),
    ),
]


@pytest.mark.parametrize("row", table([(*row[:2], row[2:]) for row in ROWS]))
def test_one_line_of_notation_has_the_rates_of_the_project_at_every_step(row):
    agrees(*row)


@pytest.mark.parametrize(
    ("notation", "formula"),
    [
        (f"warmup({W}) >> cosine(final=0.1)", nanogpt),
        (f'wsd(warmup={W}, decay="50%")', torchtitan),
        (f'wsd(warmup={W}, decay="50%")', nanochat),
        (f"warmup({W}) >> cosine(final=0.1)", olmo_bolted),
    ],
)
def test_the_first_line_that_comes_to_mind_is_off_by_more_than_a_tenth_of_a_percent(notation, formula):
    with pytest.raises(AssertionError):
        agrees(notation, formula, tolerance=1e-3)
