"""The lines with ScheduleLR: they train what was asked, wherever step() is called."""

import pytest

from ratesmith import Horizon, parse
from ratesmith.exporters import code
from ratesmith.exporters.scheduler import constant_rate, without_framework
from ratesmith.exporters.source import Source

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("calls", [0, 1, 3])
def test_updates_are_counted_however_often_step_is_called(calls):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    script = {"optimizer": optimizer}
    exec(code('warmup("20%") >> cosine()', 0.1, Horizon(20, 5), "ratesmith"), script)
    schedule = parse('warmup("20%") >> cosine()').build(20)
    for update in range(20):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * schedule(update))
        optimizer.step()
        for _ in range(calls):
            script["scheduler"].step()


def test_the_units_of_the_horizon_are_written_too():
    horizon = Horizon(20, 5, tokens_per_step=100)
    lines = code('warmup("1ktok") >> cosine()', 0.1, horizon, "ratesmith")
    assert "horizon=Horizon(steps=20, steps_per_epoch=5, tokens_per_step=100), count_updates=True)" in lines
    assert "# make the optimizer with lr=0.1; its updates are counted, wherever scheduler.step() is called" in lines


def test_functions_and_measurements_are_given_by_their_names():
    lines = code('custom("halving") * plateau(metric="f1")', 0.1, 20, "ratesmith")
    assert "functions={'halving': halving}" in lines
    assert 'after every measurement: scheduler.step(metrics={"f1": validation_f1, "loss": validation_loss})' in lines


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("constant()", 0.1),
        ("0.5 * constant()", 0.05),
        ("Constant(0.25)", 0.025),
        ('constant("50%")', 0.1),
        ("warmup(0) >> constant()", 0.1),
    ],
)
def test_a_constant_rate_needs_no_scheduler(text, rate):
    for lines in (code(text, 0.1, 20, "ratesmith"), without_framework(Source.of(text, 0.1, 20))):
        script = {}
        exec(lines, script)
        assert script["lr"] == pytest.approx(rate)
        assert "Schedule" not in lines


@pytest.mark.parametrize("text", ["cosine()", 'custom("halving")', "constant() * plateau()"])
def test_a_rate_that_changes_is_no_constant(text):
    assert constant_rate(Source.of(text, 0.1, 20)) == ""


def test_without_a_framework_the_lines_define_the_rate_of_each_update():
    script = {"halving": lambda count: 0.5**count}
    text = 'warmup("20%") >> custom("halving", every="1ep")'
    exec(without_framework(Source.of(text, 0.1, Horizon(20, 5))), script)
    schedule = parse(text).build(Horizon(20, 5), script)
    assert [script["learning_rate"](step) for step in range(20)] == [0.1 * schedule(step) for step in range(20)]


def test_without_a_framework_a_controller_hears_by_hand():
    lines = without_framework(Source.of('plateau(metric="f1")', 0.1, 20))
    assert "torch" not in lines
    assert lines.endswith('state = controller.observe(state, step, {"f1": validation_f1, "loss": validation_loss})')
