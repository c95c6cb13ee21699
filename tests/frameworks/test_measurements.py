"""Measurements reach controllers through trainers that hand them to a ReduceLROnPlateau alone."""

import pytest
import torch
from torch import nn
from trained import Regression, lightning_trainer, skorch_rates

from ratesmith import Horizon, parse
from ratesmith.torch import ControllerLR

# These packages warn of each other's and torch's changes, which is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

TEXT = '(warmup("25%") >> constant()) * plateau(factor=0.5, patience=0, threshold=0.5)'
STEPS = 16
WARM = parse('warmup("25%") >> constant()').build(Horizon(STEPS))
# The loss never falls by half from one evaluation to the next, so each but the first cuts the rate.
EXPECTED = [0.01 * WARM(step) * 0.5 ** max(0, step // 4 - 1) for step in range(STEPS)]


def trained(folder, resume=None):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    model = Regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scheduler = ControllerLR(optimizer, TEXT, horizon=STEPS)
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(optimizer.param_groups[0]["lr"]))
    arguments = transformers.TrainingArguments(
        str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=4,
        eval_strategy="steps",
        eval_steps=4,
        save_steps=4,
        logging_steps=1,
        metric_for_best_model="loss",
        greater_is_better=False,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    data = [{"x": torch.full((4,), i * 1e-4), "labels": torch.ones(1)} for i in range(64)]
    trainer = transformers.Trainer(
        model, arguments, train_dataset=data, eval_dataset=data, optimizers=(optimizer, scheduler)
    )
    trainer.train(resume_from_checkpoint=resume and str(folder / resume))
    return seen


def test_hugging_faces_trainer_hands_over_its_evaluations_and_resumes_exactly(tmp_path):
    pytest.importorskip("accelerate")
    assert trained(tmp_path) == EXPECTED
    # A checkpoint is written after the evaluation at its step, so nothing is heard twice.
    assert trained(tmp_path, resume="checkpoint-8") == EXPECTED[8:]


def test_lightning_hands_over_the_monitored_metric_and_resumes_exactly(tmp_path):
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.seen = nn.Linear(4, 1), []

        def training_step(self, batch, index):
            self.seen.append(self.optimizers().param_groups[0]["lr"])
            return self.layer(batch[0]).square().mean() + 1

        def validation_step(self, batch, index):
            self.log("val_loss", self.layer(batch[0]).square().mean() + 1)

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
            scheduler = ControllerLR(optimizer, TEXT, horizon=STEPS)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val_loss"}}

    def run(epochs, resume=None):
        module = Module()
        trainer = lightning_trainer(lightning, tmp_path, epochs)
        batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(16, 4)), batch_size=4)
        trainer.fit(module, batches, batches, ckpt_path=resume)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return module.seen

    assert run(4) == EXPECTED
    assert run(2) + run(4, resume=str(tmp_path / "last.ckpt")) == EXPECTED


def test_skorch_hands_over_the_validation_loss():
    skorch = pytest.importorskip("skorch")
    callbacks = pytest.importorskip("skorch.callbacks")
    import numpy as np

    seen = []

    rate = callbacks.LRScheduler(ControllerLR, monitor="train_loss", schedule=TEXT, horizon=STEPS)
    net = skorch.NeuralNetRegressor(
        nn.Linear(4, 1),
        optimizer=torch.optim.SGD,
        lr=0.01,
        max_epochs=4,
        batch_size=4,
        train_split=None,
        verbose=0,
        callbacks=[("seen", skorch_rates(callbacks, seen)), ("rate", rate)],
    )
    targets = np.arange(16, dtype=np.float32)[:, None] * 9
    net.fit(np.full((16, 4), 1e-3, dtype=np.float32), targets)
    assert seen == EXPECTED


def test_at_one_update_one_measurement_is_heard():
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = ControllerLR(optimizer, "plateau(factor=0.5, patience=0)")
    assert isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
    for _ in range(3):
        scheduler.step(1.0)
    assert optimizer.param_groups[0]["lr"] == 1.0
    optimizer.step()
    for _ in range(3):
        scheduler.step(1.0)
    assert optimizer.param_groups[0]["lr"] == 0.5
    scheduler.load_state_dict(scheduler.state_dict())
    scheduler.step(1.0)
    assert optimizer.param_groups[0]["lr"] == 0.25
