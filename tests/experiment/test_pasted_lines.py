"""The lines to paste, run in a training loop of one's own: they give the rates that the comparison's runs had."""

import pytest
from comparing import small
from numpy_task import LogisticTask

from ratesmith.experiment import compare

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from ratesmith.torch import TorchTask  # noqa: E402

SAMPLES, BATCH, EPOCHS = 127, 32, 6  # four updates an epoch, the last of them smaller
INPUTS = torch.randn(SAMPLES, 4, generator=torch.Generator().manual_seed(0))
TARGETS = INPUTS.sum(1, keepdim=True)


def loader():
    return DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=BATCH, shuffle=True)


def task(**options):
    return TorchTask(
        model=lambda: torch.nn.Linear(4, 1),
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.05),
        loss=torch.nn.functional.mse_loss,
        validation=(INPUTS, TARGETS),
        **{"train": loader(), **options},
    )


def won(strategy, folder, train=None):
    """Return a comparison in which a strategy has nothing beside it."""
    alone = {"baseline": strategy, "rates": [0.05], "seeds": 1, "choice_seeds": 1, "steps": f"{EPOCHS}ep"}
    return compare(train or task(), [strategy], folder=folder, version="1", **alone)


def trained_rates(lines, stepped):
    """Run the lines in a loop over the user's own loader; return the rate of each update.

    `stepped`: where the loop calls `scheduler.step()`, after each "update", each "epoch", or "never".
    """
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    script = {"optimizer": optimizer}
    exec(lines, script)
    scheduler = script.get("scheduler")
    rates, data = [], loader()
    for _ in range(EPOCHS):
        for inputs, targets in data:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(inputs), targets).backward()
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if stepped == "update":
                scheduler.step()
        if stepped == "epoch":
            scheduler.step()
    return rates


@pytest.mark.parametrize("stepped", ["update", "epoch", "never"])
@pytest.mark.parametrize("strategy", ["cosine()", 'warmup("2ep") >> step("2ep")', 'exponential(0.9, every="1ep")'])
def test_pasted_lines_give_the_rates_of_the_run_wherever_the_scheduler_is_stepped(strategy, stepped, tmp_path):
    found = won(strategy, tmp_path)
    rates = trained_rates(found.paste(), stepped)
    assert len(rates) == found.layout.steps == 24  # with the smaller last batch of each epoch
    [run] = found.runs_of(strategy, 0.05)
    of_the_run = [max((step, rate) for step, rate in run.rates if step <= update)[1] for update in range(24)]
    assert rates == pytest.approx(of_the_run)


def test_data_of_the_task_itself_has_as_many_updates_as_a_loader(tmp_path):
    found = won("cosine()", tmp_path, task(train=(INPUTS, TARGETS), batch_size=BATCH))
    assert "horizon=Horizon(steps=24, steps_per_epoch=4), count_updates=True)" in found.paste()


def test_a_constant_winner_has_its_rate_alone(tmp_path):
    found = won("constant()", tmp_path)
    assert found.paste() == "lr = 0.05  # make the optimizer with it; it stays as it is"
    assert found.paste_forms() == ("ratesmith",)
    assert won("0.5 * constant()", tmp_path / "half").paste().startswith("lr = 0.025  # ")


def test_a_plateau_hears_its_measurements_in_the_pasted_lines(tmp_path):
    lines = won("plateau(factor=0.5, patience=0)", tmp_path).paste()
    assert 'scheduler.step(metrics={"loss": validation_loss})' in lines
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.05)
    script = {"optimizer": optimizer}
    exec(lines, script)
    for loss in (1.0, 2.0):
        optimizer.step()
        script["scheduler"].step(metrics={"loss": loss})
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.025)


def test_a_task_of_another_framework_gets_lines_without_pytorch(tmp_path):
    found = small(LogisticTask(), tmp_path, ["cosine()"], baseline="cosine()", rates=[0.3])
    lines = found.paste()
    assert "torch" not in lines
    script = {}
    exec(lines, script)
    [run, *_] = found.runs_of("cosine()", 0.3)
    assert [script["learning_rate"](step) for step, _ in run.rates] == pytest.approx([rate for _, rate in run.rates])
    assert not {"torch", "lightning", "transformers"} & set(found.paste_forms())
    assert {"ratesmith", "python", "optax"} <= set(found.paste_forms())


def test_its_controller_hears_in_them_too(tmp_path):
    lines = small(
        LogisticTask(), tmp_path, ["plateau(patience=0)"], baseline="plateau(patience=0)", rates=[0.3]
    ).paste()
    assert "torch" not in lines
    script = {}
    exec(lines, script)
    controller, state = script["controller"], script["state"]
    assert "lr = 0.3 * controller.value(state, step)" in lines
    for step, loss in enumerate((1.0, 2.0)):
        state = controller.observe(state, step, {"loss": loss})
    assert controller.value(state, 2) == pytest.approx(0.1)
