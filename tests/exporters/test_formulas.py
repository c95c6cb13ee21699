"""Schedules joined, cut and repeated: each step has the rate of its part, also where two parts are the same."""

import pytest

from ratesmith import Constant, InverseSqrt, Ramp, Sequence
from ratesmith.exporters import code

UP, DOWN = Ramp(0.0, 1.0, 5), Ramp(1.0, 0.1, 4, "cosine")


@pytest.mark.parametrize(
    "schedule",
    [
        UP >> UP,
        UP >> DOWN >> UP >> DOWN,
        (UP >> DOWN).take(7) >> UP,
        ((UP >> DOWN).take(7) >> UP).take(9) >> DOWN,
        UP >> (UP >> DOWN).take(7),
        UP >> (UP >> InverseSqrt(3)).take(20) >> Constant(0.5),
        Sequence((Ramp(0.0, 1.0, 0), DOWN)).repeat(3),
        (UP >> DOWN).shift(-7).hold(2),
        (UP >> DOWN).shift(3).take(2) >> DOWN,
        (UP >> DOWN).repeat(2).stretch(7) * UP,
        UP.repeat(3).shift(-6) >> DOWN,
        Sequence((UP,) * 9),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["python", "torch"])
def test_every_step_has_the_rate_of_its_own_part(schedule, form):
    script = {"optimizer": None}
    text = code(schedule, 0.5, 30, form)
    if form == "python":
        exec(text, script)
        rates = [script["learning_rate"](step) for step in range(60)]
    else:
        pytest.importorskip("torch")
        rates = stepped(text)
    assert rates == pytest.approx([0.5 * schedule(step) for step in range(60)], rel=1e-11, abs=1e-13)


def stepped(text):
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    script, rates = {"optimizer": optimizer}, []
    exec(text, script)
    for _ in range(60):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        script["scheduler"].step()
    return rates
