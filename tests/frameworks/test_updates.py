"""The updates that a horizon names are those that trainers make: each is counted at its optimizer."""

import os
import socket
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset
from trained import Regression, lightning_trainer

from ratesmith import Horizon

# These packages warn of each other's and torch's changes, which is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


class Endless(IterableDataset):
    """Data without a length."""

    def __iter__(self):
        while True:
            yield {"x": torch.ones(4), "labels": torch.ones(1)}


def data(samples):
    return TensorDataset(torch.arange(4.0 * samples).reshape(samples, 4))


def counted(optimizer):
    """Return a list that grows with each update of an optimizer."""
    updates = []
    optimizer.register_step_post_hook(lambda *_: updates.append(1))
    return updates


def on_two_processes(program, environment):
    """Run a program on two processes that meet, and give what each printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program],
            env={**os.environ, **meet, **environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=180) for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], said
    return [out for out, _ in said]


def test_torchs_loaders_and_their_distributed_sampler_are_read():
    plain = DataLoader(data(21), batch_size=4)
    assert Horizon.from_dataloader(plain, epochs=3, accumulate=2) == Horizon(9, 3, samples_per_step=8)
    shared = DataLoader(data(21), 4, sampler=DistributedSampler(data(21), num_replicas=2, rank=0))
    assert Horizon.from_dataloader(shared, epochs=3) == Horizon(9, 3, samples_per_step=8)
    assert Horizon.from_dataloader(plain, epochs=3, world_size=2) == Horizon(9, 3, samples_per_step=8)
    with pytest.raises(TypeError, match="Horizon: the loader must have a length, got DataLoader without one; count"):
        Horizon.from_dataloader(DataLoader(Endless()), epochs=1)


def test_reading_a_loader_draws_nothing_from_the_generator():
    state = torch.get_rng_state()
    Horizon.from_dataloader(DataLoader(data(21), batch_size=4, shuffle=True), epochs=3)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(("samples", "accumulate"), [(32, 2), (33, 2), (21, 4), (8, 5)])
def test_accelerate_makes_these_updates(samples, accumulate):
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    updates = counted(optimizer)
    loader = DataLoader(data(samples), batch_size=4)
    model, optimizer, prepared = accelerator.prepare(model, optimizer, loader)
    for _ in range(3):
        for (batch,) in prepared:
            with accelerator.accumulate(model):
                accelerator.backward(model(batch).square().mean())
                optimizer.step()
                optimizer.zero_grad()
    for read in (loader, prepared):
        horizon = Horizon.from_dataloader(read, epochs=3, accumulate=accumulate)
        assert (horizon.steps, horizon.samples_per_step) == (len(updates), 4 * accumulate)


TWO = """
import accelerate, itertools, torch
from accelerate.utils import DataLoaderConfiguration
from torch.utils.data import DataLoader, TensorDataset
from ratesmith import Horizon

for samples, drop_last, split, dispatch in itertools.product(
    (16, 21, 26, 45), (False, True), (False, True), (False, True)
):
    accelerator = accelerate.Accelerator(
        cpu=True,
        gradient_accumulation_steps=3,
        dataloader_config=DataLoaderConfiguration(split_batches=split, dispatch_batches=dispatch),
    )
    assert accelerator.num_processes == 2
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    updates, sizes = [], []
    optimizer.register_step_post_hook(lambda *_: updates.append(1))
    plain = DataLoader(TensorDataset(torch.ones(samples, 4)), batch_size=4, drop_last=drop_last)
    model, optimizer, loader = accelerator.prepare(model, optimizer, plain)
    for epoch in range(2):
        for (batch,) in loader:
            sizes.append(len(batch))
            with accelerator.accumulate(model):
                accelerator.backward(model(batch).square().mean())
                optimizer.step()
                optimizer.zero_grad()
    read = Horizon.from_dataloader(loader, epochs=2, accumulate=3)
    told = Horizon.from_dataloader(plain, epochs=2, accumulate=3, world_size=None if split else 2)
    print(len(updates), read.steps, told.steps, 2 * 3 * max(sizes), read.samples_per_step, told.samples_per_step)
torch.distributed.destroy_process_group()
"""


def test_accelerate_on_two_processes_makes_these_updates_however_it_shares_the_data():
    pytest.importorskip("accelerate")
    for out in on_two_processes(TWO, {"ACCELERATE_USE_CPU": "true"}):
        rows = [tuple(map(int, line.split())) for line in out.splitlines()]
        assert len(rows) == 32
        for updates, read, told, samples, read_samples, told_samples in rows:
            assert (read, told) == (updates, updates), rows
            assert (read_samples, told_samples) == (samples, samples), rows


def lightning_module(lightning, ask):
    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.seen = nn.Linear(4, 1), []

        def training_step(self, batch, index):
            self.seen.append(batch[0][:, 0].tolist())
            return self.layer(batch[0] / 100).square().mean()

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=1e-3)
            self.updates = counted(optimizer)
            self.horizon = Horizon.from_trainer(self.trainer) if ask else None
            return optimizer

    return Module()


def fitted(folder, ask=True, loader=None, **options):
    """Train with Lightning, 11 batches an epoch, and give the module."""
    lightning = pytest.importorskip("lightning")
    torch.manual_seed(0)
    module = lightning_module(lightning, ask)
    trainer = lightning_trainer(lightning, folder, options.pop("epochs", 3), **options)
    trainer.fit(module, DataLoader(data(42), batch_size=4, shuffle=True) if loader is None else loader)
    return module


def changing():
    return [pytest.importorskip("lightning.pytorch.callbacks").GradientAccumulationScheduler({0: 1, 1: 4, 2: 3})]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Horizon(33, 11, samples_per_step=4)),
        ({"accumulate_grad_batches": 4}, Horizon(9, 3, samples_per_step=16)),
        ({"accumulate_grad_batches": 4, "limit_train_batches": 6}, Horizon(6, 2, samples_per_step=16)),
        ({"accumulate_grad_batches": 4, "max_steps": 7}, Horizon(7, 3, samples_per_step=16)),
        ({"accumulate_grad_batches": 20}, Horizon(3, 1, samples_per_step=80)),
        ({"epochs": -1, "max_steps": 5}, Horizon(5, None, samples_per_step=None)),
        ({"overfit_batches": 2}, Horizon(6, 2, samples_per_step=4)),
        ({"callbacks": changing}, Horizon(18)),
        ({"callbacks": changing, "max_steps": 13}, Horizon(13)),
    ],
)
def test_lightning_makes_these_updates(tmp_path, options, expected):
    pytest.importorskip("lightning")
    if "callbacks" in options:
        options = {**options, "callbacks": options["callbacks"]()}
    module = fitted(tmp_path, **options)
    assert (module.horizon, len(module.updates)) == (expected, expected.steps)


def test_asking_lightning_leaves_the_order_of_its_data(tmp_path):
    assert fitted(tmp_path, ask=True).seen == fitted(tmp_path, ask=False).seen


def test_a_lightning_trainer_without_an_end_or_before_fit_is_refused(tmp_path):
    lightning = pytest.importorskip("lightning")
    with pytest.raises(ValueError, match="Horizon: the trainer must end, got neither max_steps nor epochs of known"):
        fitted(tmp_path, epochs=-1)
    endless = DataLoader(Endless(), batch_size=4)
    with pytest.raises(ValueError, match=r"length; give Trainer\(max_steps=\)"):
        fitted(tmp_path, loader=endless)
    with pytest.raises(ValueError, match="Horizon: a Lightning trainer must know its model and data, got one before"):
        Horizon.from_trainer(lightning_trainer(lightning, tmp_path, 1))


PARALLEL = """
import lightning, torch
from torch.utils.data import DataLoader, TensorDataset
from ratesmith import Horizon

class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, index):
        return self.layer(batch[0]).square().mean()

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=1e-3)
        optimizer.register_step_post_hook(lambda *_: updates.append(1))
        found.append(Horizon.from_trainer(self.trainer))
        return optimizer

updates, found = [], []
trainer = lightning.Trainer(
    max_epochs=2, accelerator="cpu", devices=2, strategy="ddp", accumulate_grad_batches=2, logger=False,
    enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
)
trainer.fit(Module(), DataLoader(TensorDataset(torch.ones(42, 4)), batch_size=4))
print("updates", len(updates), found[0].steps, found[0].samples_per_step)
torch.distributed.destroy_process_group()
"""


def test_lightning_on_two_processes_makes_these_updates():
    pytest.importorskip("lightning")
    for out in on_two_processes(PARALLEL, {}):
        assert out.splitlines()[-1] == "updates 6 6 16"  # 21 samples each are 6 batches, of which 2 make an update


def hugging_face(folder, train_dataset=None, **options):
    """Return a trainer of 11 batches an epoch, the updates it makes, and the batches it sees."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    torch.manual_seed(0)
    seen = []

    class Model(Regression):
        def forward(self, x, labels=None):
            seen.append(x[:, 0].tolist())
            return super().forward(x, labels)

    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    arguments = transformers.TrainingArguments(
        str(folder),
        per_device_train_batch_size=4,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        **options,
    )
    rows = train_dataset or [{"x": torch.ones(4) * i / 42, "labels": torch.ones(1)} for i in range(42)]
    trainer = transformers.Trainer(model, arguments, train_dataset=rows, optimizers=(optimizer, None))
    return trainer, counted(optimizer), seen


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"num_train_epochs": 2}, Horizon(22, 11, samples_per_step=4)),
        ({"num_train_epochs": 2, "gradient_accumulation_steps": 4}, Horizon(6, 3, samples_per_step=16)),
        ({"num_train_epochs": 1.5, "gradient_accumulation_steps": 4}, Horizon(5, 3, samples_per_step=16)),
        ({"num_train_epochs": 0.2}, Horizon(3, 11, samples_per_step=4)),
        ({"max_steps": 7, "gradient_accumulation_steps": 4}, Horizon(7, 3, samples_per_step=16)),
        ({"num_train_epochs": 2, "gradient_accumulation_steps": 20}, Horizon(2, 1, samples_per_step=80)),
        (
            {"num_train_epochs": 2, "dataloader_drop_last": True, "gradient_accumulation_steps": 4},
            Horizon(6, 3, samples_per_step=16),
        ),
        ({"max_steps": 3, "train_dataset": Endless()}, Horizon(3, samples_per_step=4)),
    ],
)
def test_hugging_faces_trainer_makes_these_updates(tmp_path, options, expected):
    trainer, updates, _ = hugging_face(tmp_path, **options)
    assert Horizon.from_trainer(trainer) == expected
    trainer.train()
    assert len(updates) == expected.steps


def test_asking_hugging_faces_trainer_leaves_the_order_of_its_data_and_the_generator(tmp_path):
    orders = []
    for ask in (True, False):
        trainer, _, seen = hugging_face(tmp_path, num_train_epochs=2)
        state = torch.get_rng_state()
        if ask:
            Horizon.from_trainer(trainer)
        assert torch.equal(state, torch.get_rng_state())
        trainer.train()
        orders.append(seen)
    assert orders[0] == orders[1]


def test_a_trainer_of_hugging_face_without_an_end_is_refused(tmp_path):
    trainer, _, _ = hugging_face(tmp_path, max_steps=3, train_dataset=Endless())
    trainer.args.max_steps = -1  # the trainer itself refuses it when it is made
    with pytest.raises(ValueError, match="Horizon: the trainer must end, got data without a length and no max_steps"):
        Horizon.from_trainer(trainer)
