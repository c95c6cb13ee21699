"""Logs as the real packages write them are read as curves."""

import numpy as np
import pytest

from ratesmith.logs import read

# Trainers warn of much that is not asked here.
pytestmark = pytest.mark.filterwarnings("ignore")


def lr(step):
    """Return the rate of update `step`, from 1: a line to zero."""
    return 0.1 * (1 - (step - 1) / 60)


def test_tensorboards_events_are_read_and_a_restart_is_joined(tmp_path):
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    for begin, end, more in ((1, 40, 5.0), (21, 61, 0.0)):
        with SummaryWriter(tmp_path, filename_suffix=f".{begin}") as writer:
            for step in range(begin, end):
                wrong = more if step > 20 else 0.0
                writer.add_scalar("lr", lr(step), step)
                writer.add_scalar("loss/train", 1 + 1 / step + wrong, step)
                if step % 2 == 0:
                    writer.add_scalar("loss/validation", 2 + 1 / step + wrong, step)
    curve = read(tmp_path)
    assert (curve.kind, curve.length, curve.name) == ("validation", 60, tmp_path.name)
    steps = np.arange(2, 61, 2)
    assert list(curve.steps) == list(steps)
    np.testing.assert_allclose(curve.losses, 2 + 1 / steps, rtol=1e-6)
    np.testing.assert_allclose(curve.rates, lr(np.arange(1, 61)), rtol=1e-6)
    one = next(file for file in tmp_path.iterdir() if file.name.endswith(".1"))
    assert read(one).length == 39


def test_scalars_that_tensorflow_writes_as_tensors_are_read(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util.tensor_util import make_tensor_proto

    writer = EventFileWriter(str(tmp_path))
    data = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
    for step in range(1, 61):
        values = {"epoch_learning_rate": lr(step), "val_loss": 1 + 1 / step}
        summary = Summary(
            value=[
                Summary.Value(tag=n, tensor=make_tensor_proto(np.float32(v)), metadata=data) for n, v in values.items()
            ]
        )
        writer.add_event(Event(step=step, summary=summary))
    writer.close()
    curve = read(tmp_path)
    np.testing.assert_allclose(curve.rates, lr(np.arange(1, 61)), rtol=1e-6)
    np.testing.assert_allclose(curve.losses, 1 + 1 / np.arange(1, 61), rtol=1e-6)


def test_a_damaged_event_file_is_said(tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "events.out.tfevents.1").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="the event file must hold scalars, got none"):
        read(tmp_path)


def test_lightnings_metrics_are_read(tmp_path):
    lightning = pytest.importorskip("lightning")
    import torch
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger

    class Net(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch, index):
            loss = self.layer(batch[0]).square().mean() + 1
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch, index):
            self.log("val_loss", self.layer(batch[0]).square().mean() + 2)

        def configure_optimizers(self):
            optimizer = torch.optim.AdamW(self.parameters(), lr=0.1)
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 60)
            return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(60, 1)), batch_size=1)
    trainer = lightning.Trainer(
        max_steps=60,
        val_check_interval=3,
        log_every_n_steps=1,
        accelerator="cpu",
        enable_progress_bar=False,
        logger=CSVLogger(tmp_path, flush_logs_every_n_steps=1),
        callbacks=[LearningRateMonitor(logging_interval="step")],
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(Net(), data, data)
    curve = read(trainer.logger.log_dir)
    assert (curve.kind, curve.optimizer, curve.length) == ("validation", "AdamW", 60)
    assert list(curve.steps) == list(range(3, 61, 3))
    assert (curve.losses >= 2).all()
    np.testing.assert_allclose(curve.rates, lr(np.arange(1, 61)), atol=1e-6)
    assert read(trainer.logger.log_dir, kind="training").losses.min() < 2


def test_hugging_faces_trainer_state_is_read(tmp_path):
    transformers = pytest.importorskip("transformers")
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, x, labels=None):
            return {"loss": (self.layer(x) - labels).square().mean() + 1}

    data = [{"x": torch.ones(1), "labels": torch.ones(1)} for _ in range(60)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=60,
        learning_rate=0.1,
        lr_scheduler_type="linear",
        logging_steps=2,
        eval_strategy="steps",
        eval_steps=3,
        report_to=[],
        use_cpu=True,
        per_device_train_batch_size=1,
        save_strategy="no",
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
    )
    trainer = transformers.Trainer(Net(), arguments, train_dataset=data, eval_dataset=data[:2])
    trainer.train()
    trainer.state.save_to_json(str(tmp_path / "trainer_state.json"))
    curve = read(tmp_path)
    assert (curve.kind, curve.length) == ("validation", 60)
    assert list(curve.steps) == list(range(3, 61, 3))
    np.testing.assert_allclose(curve.rates[1:], lr(np.arange(2, 61)), atol=0.1 / 60 + 1e-9)
    assert list(read(tmp_path, kind="training").steps)[:3] == [1, 3, 5]
