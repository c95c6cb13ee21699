"""Hugging Face's schedules, by their names there, and where they are odd."""

import pytest
import torch
from golden import WARMED, agree

from ratesmith import parse

optimization = pytest.importorskip("transformers.optimization")


def theirs(name, *args, **options):
    """Return the factor of one of their schedules as a function of the step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    return getattr(optimization, f"get_{name}")(optimizer, *args, **options).lr_lambdas[0]


@pytest.mark.parametrize(("steps", "warm"), WARMED)
def test_each_schedule_has_the_same_values(steps, warm):
    before = f"warmup({warm}) >> " if warm else ""
    decay = steps - warm
    half = -(-decay // 2)
    for notation, other in (
        ("constant()", theirs("constant_schedule_with_warmup", warm)),
        ("linear()", theirs("linear_schedule_with_warmup", warm, steps)),
        ("polynomial(2.5, final=0.1)", theirs("polynomial_decay_schedule_with_warmup", warm, steps, 0.1, 2.5)),
        (
            f"wsd(decay={half}, final=0.1)",
            theirs("wsd_schedule", warm, half, steps, min_lr_ratio=0.1, decay_type="linear"),
        ),
    ):
        if "wsd" in notation:  # its warm-up starts at the floor too
            before = f"warmup({warm}, start=0.1) >> " if warm else ""
        agree(parse(before + notation).build(steps), other, steps)


@pytest.mark.parametrize(("steps", "warm"), WARMED)
def test_cosines_have_the_same_values_until_the_end_where_theirs_rise_again(steps, warm):
    before = f"warmup({warm}) >> " if warm else ""
    for notation, other in (
        ("cosine()", theirs("cosine_schedule_with_warmup", warm, steps)),
        ("cosine(final=0.1)", theirs("cosine_with_min_lr_schedule_with_warmup", warm, steps, min_lr_rate=0.1)),
    ):
        ours = parse(before + notation).build(steps)
        agree(ours, lambda step, other=other: other(min(step, steps)), steps)
        assert steps > 7 or other(steps + 1) > ours(steps + 1)


@pytest.mark.parametrize("cycles", [1, 2, 3, 7])
@pytest.mark.parametrize(("steps", "warm"), WARMED)
def test_hard_restarts_have_the_same_values(steps, warm, cycles):
    ours = parse((f"warmup({warm}) >> " if warm else "") + f"cosine_restarts({cycles})").build(steps)
    other = theirs("cosine_with_hard_restarts_schedule_with_warmup", warm, steps, cycles)
    agree(ours, other, steps, rel=1e-11, near_zero=1e-13)


@pytest.mark.parametrize("warm", [1, 5, 333])
def test_the_inverse_square_root_has_the_same_values(warm):
    agree(parse(f"inverse_sqrt({warm})").build(1000), theirs("inverse_sqrt_schedule", warm), 1000)


@pytest.mark.parametrize("shape", ["linear", "cosine", "1-sqrt"])
def test_wsd_has_the_same_shapes_up_and_down(shape):
    options = {"warmup_type": shape, "decay_type": shape, "min_lr_ratio": 0.1}
    ours = parse(f'warmup(20, start=0.1, shape="{shape}") >> wsd(decay=30, final=0.1, shape="{shape}")').build(100)
    agree(ours, theirs("wsd_schedule", 20, 30, 100, **options), 100)


@pytest.mark.parametrize("warm", [2, 5, 333])
def test_their_other_floored_cosine_starts_and_ends_a_step_early(warm):
    """Its first update trains at 1 / warmup, and its cosine is one step ahead: both are shifts here."""
    steps = 1000
    other = theirs("cosine_with_min_lr_schedule_with_warmup_lr_rate", warm, steps, min_lr_rate=0.1)
    ours = parse(f"take(shift(warmup({warm}), -1), {warm}) >> shift(cosine(final=0.1), -1)").build(steps)
    agree(ours, lambda step: other(min(step, steps - 1)), steps)
