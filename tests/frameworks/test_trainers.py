"""ScheduleLR inside the trainers that people use: the rates they train with, also after a stop."""

import os
import socket
import subprocess
import sys

import pytest
import torch
from torch import nn
from trained import Regression, accelerated_rates, lightning_trainer, skorch_rates

from ratesmith import Horizon, parse
from ratesmith.torch import ScheduleLR

# These packages warn of each other's and torch's changes, which is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

STEPS = 16
TEXT = 'warmup("25%") >> cosine()'
EXPECTED = [0.1 * parse(TEXT).build(Horizon(STEPS))(step) for step in range(STEPS)]


def trained(folder, steps, *, resume=None, horizon=STEPS):
    """Train with Hugging Face's Trainer and give the rates it logged: those of the updates made."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    model = Regression()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = ScheduleLR(optimizer, TEXT, horizon=horizon, on_mismatch="keep_new")
    arguments = transformers.TrainingArguments(
        str(folder),
        max_steps=steps,
        per_device_train_batch_size=4,
        save_steps=8,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    data = [{"x": torch.ones(4) * i / 64, "labels": torch.ones(1)} for i in range(64)]
    trainer = transformers.Trainer(model, arguments, train_dataset=data, optimizers=(optimizer, scheduler))
    trainer.train(resume_from_checkpoint=resume and str(folder / resume))
    return [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]


def test_hugging_faces_trainer_trains_with_the_schedule_and_resumes_it_exactly(tmp_path):
    pytest.importorskip("accelerate")
    whole = trained(tmp_path, STEPS)
    assert whole == EXPECTED
    assert trained(tmp_path, STEPS, resume="checkpoint-8") == EXPECTED


def test_hugging_faces_trainer_resumed_for_longer_goes_on_with_the_longer_schedule_at_once(tmp_path):
    pytest.importorskip("accelerate")
    trained(tmp_path, STEPS)
    longer = parse(TEXT).build(Horizon(2 * STEPS))
    found = trained(tmp_path, 2 * STEPS, resume="checkpoint-16", horizon=2 * STEPS)
    assert found[STEPS:] == [0.1 * longer(step) for step in range(STEPS, 2 * STEPS)]


def test_accelerate_steps_saves_and_loads_it(tmp_path):
    accelerate = pytest.importorskip("accelerate")

    def prepared():
        accelerator = accelerate.Accelerator(cpu=True)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return (accelerator, *accelerator.prepare(model, optimizer, ScheduleLR(optimizer, TEXT, horizon=STEPS)))

    first = prepared()
    assert type(first[3]).__name__ == "AcceleratedScheduler"
    assert accelerated_rates(*first, 7) == EXPECTED[:7]
    first[0].save_state(str(tmp_path))
    second = prepared()
    second[0].load_state(str(tmp_path))
    assert accelerated_rates(*second, STEPS - 7) == EXPECTED[7:]


TWO = """
import os, sys
import accelerate, torch
from ratesmith.torch import ScheduleLR
text, steps, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def prepared():
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return (accelerator, *accelerator.prepare(model, optimizer, ScheduleLR(
        optimizer, text, horizon=steps, count_updates=True)))

def run(accelerator, model, optimizer, scheduler, updates):
    seen = []
    for batch in range(2 * updates):
        with accelerator.accumulate(model):
            seen += [optimizer.param_groups[0]["lr"]] * (batch % 2)
            accelerator.backward(model(torch.ones(1, 2)).sum())
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    return seen

first = prepared()
assert first[0].num_processes == 2
seen = run(*first, 7)
first[0].save_state(folder)
second = prepared()
second[0].load_state(folder)
print(*seen, *run(*second, steps - 7))
torch.distributed.destroy_process_group()
"""


def test_accelerate_on_two_processes_makes_one_step_for_one_update(tmp_path):
    pytest.importorskip("accelerate")
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meet["MASTER_PORT"] = str(free.getsockname()[1])
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", TWO, TEXT, str(STEPS), str(tmp_path / "state")],
            env={**os.environ, **meet, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in ranks:
        out, said = process.communicate(timeout=180)
        assert [float(rate) for rate in out.split()] == EXPECTED, said


def test_lightning_steps_it_and_resumes_it_exactly(tmp_path):
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.seen = nn.Linear(4, 1), []

        def training_step(self, batch, index):
            self.seen.append(self.optimizers().param_groups[0]["lr"])
            return self.layer(batch[0]).square().mean()

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            scheduler = ScheduleLR(optimizer, TEXT, horizon=STEPS)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def run(epochs, resume=None):
        module = Module()
        trainer = lightning_trainer(lightning, tmp_path, epochs)
        batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(32, 4)), batch_size=4)
        trainer.fit(module, batches, ckpt_path=resume)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return module.seen

    assert run(2) == EXPECTED
    assert run(1) + run(2, resume=str(tmp_path / "last.ckpt")) == EXPECTED


def test_ignite_steps_it():
    handlers = pytest.importorskip("ignite.handlers.param_scheduler")
    optimizer = torch.optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)
    handler = handlers.LRScheduler(ScheduleLR(optimizer, TEXT, horizon=STEPS))
    found = []
    for _ in range(STEPS):
        handler(None)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == EXPECTED


@pytest.mark.parametrize("options", [{"step_every": "batch", "count_updates": True}, {"step_every": "epoch"}])
def test_skorch_steps_it_and_goes_on_where_partial_fit_does(options):
    skorch = pytest.importorskip("skorch")
    callbacks = pytest.importorskip("skorch.callbacks")
    import numpy as np

    seen = []

    net = skorch.NeuralNetRegressor(
        nn.Linear(4, 1),
        optimizer=torch.optim.SGD,
        lr=0.1,
        max_epochs=2,
        batch_size=4,
        train_split=None,
        verbose=0,
        callbacks=[
            ("seen", skorch_rates(callbacks, seen)),
            ("rate", callbacks.LRScheduler(ScheduleLR, schedule=TEXT, horizon=STEPS, **options)),
        ],
    )
    data = np.ones((16, 4), dtype=np.float32), np.ones((16, 1), dtype=np.float32)
    net.fit(*data)
    net.partial_fit(*data)
    by_epoch = [EXPECTED[epoch] for epoch in range(4) for _ in range(4)]
    assert seen == (EXPECTED if options["step_every"] == "batch" else by_epoch)
