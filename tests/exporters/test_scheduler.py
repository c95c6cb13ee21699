"""The lines with ScheduleLR: they train what was asked, wherever step() is called."""

import pytest

from ratesmith import Horizon, parse
from ratesmith.exporters import code

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
