"""Torch's own schedulers: stepped once an update, they give the same rates."""

import pytest
from exporting import HORIZONS, cases, rates_of, same
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import schedules

from ratesmith import parse
from ratesmith.exporters import code, forms

torch = pytest.importorskip("torch")
TOLERANCE = 1e-11
"""Share of the largest rate: torch's schedulers go from rate to rate, and round at each update."""


def sgd(rate):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=rate)


def stepped(lines, rate, steps):
    """Return the rates of the updates of a loop with the lines in it, whose optimizer is made as they say."""
    [told] = [line for line in lines.splitlines() if line.startswith("# make the optimizer with lr=")]
    optimizer = sgd(float(told.removeprefix("# make the optimizer with lr=").partition(";")[0]))
    script = {"optimizer": optimizer}
    exec(lines, script)
    rates = []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        script["scheduler"].step()
    return rates


@pytest.mark.parametrize(("text", "horizon"), cases("torch"))
def test_the_schedulers_have_the_same_rates_over_the_training_and_behind_it(text, horizon):
    wanted = rates_of(text, HORIZONS[horizon])
    same(stepped(code(text, 0.3, HORIZONS[horizon], "torch"), 0.3, len(wanted)), wanted, TOLERANCE)


@settings(max_examples=100, deadline=None)
@given(schedules)
def test_any_schedule_that_torch_can_say_is_said_exactly(schedule):
    if "torch" not in forms(schedule, 50):
        return
    wanted = [0.3 * schedule(step) for step in range(120)]
    same(stepped(code(schedule, 0.3, 50, "torch"), 0.3, 120), wanted, TOLERANCE)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('step("30%")', ["StepLR"]),
        ('multistep(["40%", "70%"])', ["MultiStepLR"]),
        ("exponential(0.99)", ["ExponentialLR"]),
        ("linear(final=0.1)", ["LinearLR"]),
        ("polynomial(2)", ["PolynomialLR"]),
        ('sgdr("30%", growth=2)', ["CosineAnnealingWarmRestarts"]),
        ('cyclic("20%", mode="triangular2")', ["CyclicLR"]),
        ('warmup("10%", start=0.1) >> cosine()', ["LinearLR", "CosineAnnealingLR", "LambdaLR", "SequentialLR"]),
        ("rex()", ["LambdaLR"]),
        ("plateau()", ["ReduceLROnPlateau"]),
    ],
)
def test_a_schedule_that_torch_has_is_said_by_its_name(text, names):
    lines = code(text, 0.1, 100, "torch")
    imported = next(line for line in lines.splitlines() if line.startswith("from torch.optim.lr_scheduler import "))
    assert sorted(imported.partition(" import ")[2].split(", ")) == sorted(names)


metrics = st.lists(st.floats(0.1, 1.0), min_size=1, max_size=40)
PLATEAUS = [
    "plateau(patience=1)",
    'plateau(0.5, patience=0, threshold=0.1, threshold_mode="abs", cooldown=2, floor=0.1)',
    'plateau(0.3, patience=2, metric="accuracy", mode="max", threshold=0.01)',
    "0.5 * plateau(0.3, patience=0, floor=0.01)",
    'plateau(0.3, patience=0, threshold_mode="torch")',
]


@pytest.mark.parametrize("text", PLATEAUS)
@settings(max_examples=40, deadline=None)
@given(metrics)
def test_a_plateau_is_torchs_own(text, metrics):
    controller = parse(text).build(100)
    lines = code(text, 0.1, 100, "torch")
    state, optimizer = controller.init(), sgd(0.05 if "0.5 *" in text else 0.1)
    script = {"optimizer": optimizer}
    exec(lines, script)
    assert f"lr={optimizer.param_groups[0]['lr']!r};" in lines
    for step, measured in enumerate(metrics):
        optimizer.step()
        script["scheduler"].step(measured)
        state = controller.observe(state, step, {"loss": measured, "accuracy": measured})
        rate = 0.1 * controller.value(state, step)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["plateau(smooth=3)", "plateau(on_worsening=True)", "plateau() * cosine()", "greedy()", "plateau() * greedy()"],
)
def test_a_controller_that_torch_does_not_have_is_said_by_ratesmith_alone(text):
    assert forms(text, 100) == ("ratesmith",)


def test_torchs_relative_threshold_is_said_to_need_measurements_above_zero():
    lines = code("plateau()", 0.1, 100, "torch")
    assert "# the same where measurements are above 0; below 0 torch's threshold is wrong" in lines
    assert "above 0" not in code('plateau(threshold_mode="torch")', 0.1, 100, "torch")
    assert "above 0" not in code("plateau(threshold=0)", 0.1, 100, "torch")


def test_lightning_is_told_to_step_once_an_update():
    script = {"optimizer": sgd(0.1)}
    exec(code('warmup("10%") >> cosine()', 0.1, 100, "lightning"), script)
    assert script["lr_scheduler"] == {"scheduler": script["scheduler"], "interval": "step"}
    assert "lightning" not in forms("plateau()", 100)
