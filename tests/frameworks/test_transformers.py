"""A rate is found with the Trainer's own loop: the same losses as it logs, and no trace of it."""

import copy
import os
import random
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from trained import same

from ratesmith import Constant
from ratesmith._random_states import seed_all
from ratesmith.finder import METHODS, FinderError

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
from ratesmith.transformers import find  # noqa: E402  # it needs transformers

# These packages warn of each other's and torch's changes, which is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

INPUTS = torch.randn(60, 6, generator=torch.Generator().manual_seed(1))
DATA = [{"inputs": row, "labels": int(row.sum() > 0)} for row in INPUTS]
LOSSES = []
"""What every compute_loss in training has returned."""


class Net(nn.Module):
    """Batch statistics and dropout; it gives its own loss, as models of the library do."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 2))

    def forward(self, inputs, labels=None):
        logits = self.net(inputs)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


class Plain(transformers.Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, **named):
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **named)
        if model.training:
            LOSSES.append(loss.item())
        self.calls = [*getattr(self, "calls", []), 1]
        return (loss, outputs) if return_outputs else loss


class Doubled(Plain):
    """A loss of its own, and an optimizer of its own making."""

    def compute_loss(self, model, inputs, return_outputs=False, **named):
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **named)
        return (2 * loss, outputs) if return_outputs else 2 * loss

    def create_optimizer(self, model=None):
        if self.optimizer is None:
            layers = self.model.net
            groups = [{"params": layers[0].parameters()}, {"params": layers[3].parameters(), "lr": 0.001}]
            self.optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.9)
        return self.optimizer


class GivenOptimizer(Plain):
    """An optimizer and a scheduler that were there before the trainer."""

    def __init__(self, model, *given, **named):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
        super().__init__(model, *given, optimizers=(optimizer, scheduler), **named)


def accuracy(predicted):
    return {"accuracy": (predicted.predictions.argmax(1) == predicted.label_ids).mean()}


def made(kind, folder, **options):
    torch.manual_seed(0)
    model = Net()
    arguments = transformers.TrainingArguments(
        *(str(folder),),
        **{"learning_rate": 0.01, "lr_scheduler_type": "constant", "per_device_train_batch_size": 8, "report_to": []},
        **{"logging_steps": 1, "save_strategy": "no", "use_cpu": True, "disable_tqdm": True},
        **copy.deepcopy(options),  # the Trainer writes into them
    )
    return kind(model, arguments, train_dataset=DATA, eval_dataset=DATA[:20], compute_metrics=accuracy)


def everything(trainer):
    optimizer = trainer.optimizer
    return {
        "model": copy.deepcopy(trainer.model.state_dict()),
        "names": [sorted(vars(part)) for part in trainer.model.modules()],
        "flags": [part.training for part in trainer.model.modules()],
        "grads": [weight.grad for weight in trainer.model.parameters()],
        "trainer": {name: id(value) for name, value in vars(trainer).items()},
        "arguments": trainer.args.to_dict(),
        "state": copy.deepcopy(vars(trainer.state)),
        "optimizer": optimizer and copy.deepcopy(optimizer.state_dict()),
        "hooks": optimizer and len(getattr(optimizer, "optimizer", optimizer)._optimizer_step_pre_hooks),
        "scheduler": trainer.lr_scheduler and trainer.lr_scheduler.state_dict(),
        "accelerator": [len(trainer.accelerator._models), len(trainer.accelerator._optimizers)],
        "counters": {name: copy.copy(value) for name, value in vars(trainer.accelerator.gradient_state).items()},
        "random": (random.getstate(), repr(np.random.get_state()), torch.get_rng_state()),
    }


OPTIONS = [
    (Plain, {}),
    (Plain, {"gradient_accumulation_steps": 3, "max_grad_norm": 0.1}),
    (Plain, {"bf16": True}),
    (Plain, {"accelerator_config": {"gradient_accumulation_kwargs": {"num_steps": 2}}, "optim": "adagrad"}),
    (Doubled, {"gradient_accumulation_steps": 2}),
    (GivenOptimizer, {"dataloader_drop_last": True}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIONS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_search_trains_as_the_trainer_and_leaves_no_trace(kind, options, tmp_path):
    theirs = made(kind, tmp_path, max_steps=20, seed=3, **options)
    seed_all(3)
    LOSSES.clear()
    theirs.train()
    losses, measured = list(LOSSES), theirs.evaluate()
    assert len(losses) >= 20

    trainer = made(kind, tmp_path, **options)
    before = everything(trainer)
    LOSSES.clear()
    found = find(trainer, method="grid", rates=[0.01], schedule=Constant(1.0), steps=20, seeds=[3])
    assert losses == LOSSES
    assert found.curves[0].losses == (measured["eval_loss"],)
    assert (found.updates, found.base_lr) == (20, 0.01)
    assert same(everything(trainer), before)
    assert not list(tmp_path.iterdir())
    trainer.args.max_steps = 1
    assert trainer.train().global_step == 1


def test_the_loss_of_an_update_is_what_the_trainer_logs(monkeypatch, tmp_path):
    options = {"gradient_accumulation_steps": 3, "seed": 3}
    theirs = made(Plain, tmp_path, max_steps=6, **options)
    seed_all(3)
    theirs.train()
    logged = [entry["loss"] for entry in theirs.state.log_history if "loss" in entry]
    seen = []

    def method(task, on_progress):
        training = task.start(3)
        assert training.steps_per_epoch == 3
        seen.extend(training.step(0.01) for _ in range(6))
        raise FinderError("seen")

    monkeypatch.setitem(METHODS, "steps", method)
    with pytest.raises(FinderError, match="seen"):
        find(made(Plain, tmp_path, **options), method="steps")
    assert seen == pytest.approx(logged, rel=1e-6)


def test_training_goes_on_as_if_nobody_had_looked(tmp_path):
    def trained(look):
        trainer = made(GivenOptimizer, tmp_path, max_steps=10)
        trainer.train()
        if look:
            before = everything(trainer)
            found = find(trainer, seeds=[0, 1])
            assert 1e-4 < found.suggestion < 10
            assert same(everything(trainer), before)
        trainer.train()
        return trainer.model.state_dict()

    assert same(trained(True), trained(False))


def test_a_scheduler_that_warms_up_leaves_its_base_and_sleeps(tmp_path):
    trainer = made(GivenOptimizer, tmp_path)
    trainer.lr_scheduler = torch.optim.lr_scheduler.LinearLR(trainer.optimizer, 0.1, total_iters=10)
    before = everything(trainer)
    found = find(trainer, seeds=[0])
    assert found.base_lr == 0.01
    assert same(everything(trainer), before)


class Watching(transformers.TrainerCallback):
    def on_step_end(self, *given, **named):
        raise AssertionError("it sleeps")


def test_a_race_judges_by_a_metric_and_callbacks_sleep(tmp_path):
    trainer = made(Plain, tmp_path)
    trainer.add_callback(Watching)
    found = find(trainer, method="race", around=0.01, steps=300, metric="eval_accuracy", mode="max")
    assert found.metric == "eval_accuracy"
    assert 0.8 <= max(found.decisive[-1].losses) <= 1
    assert "hooks_asleep" in found.flags


def test_without_data_to_evaluate_on_training_losses_judge_and_that_is_told(tmp_path):
    trainer = made(Plain, tmp_path)
    measured = find(trainer, pretrained=True)
    assert (measured.method, measured.metric, measured.judged_by) == ("race", "loss", "validation")
    assert "pretrained" not in measured.flags
    trainer.eval_dataset = None
    found = find(trainer, pretrained=True)
    assert (found.method, found.judged_by, "pretrained" in found.flags) == ("race", "training", True)
    assert "Nothing was measured on validation data: rates were judged by their training losses" in found.explain()
    with pytest.raises(FinderError, match="find: the trainer must have an eval_dataset to race or to train a grid"):
        find(trainer, steps=200)


def test_with_model_init_each_training_begins_with_its_own_model(tmp_path):
    trainer = made(lambda model, *given, **named: Plain(None, *given, model_init=Net, **named), tmp_path)
    before = everything(trainer)
    LOSSES.clear()
    found = find(trainer, method="grid", rates=[1e-9], steps=2, schedule=Constant(1.0), seeds=[0, 1])
    assert found.updates == 4
    assert LOSSES[0] != LOSSES[2]
    assert same(everything(trainer), before)


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
def test_a_search_that_is_broken_off_leaves_no_trace(error, tmp_path):
    trainer = made(GivenOptimizer, tmp_path)
    before = everything(trainer)

    def broken(done, planned):
        if done == 20:
            raise error

    with pytest.raises(error):
        find(trainer, on_progress=broken)
    assert same(everything(trainer), before)


def test_an_error_in_the_model_is_raised_as_it_is(tmp_path):
    trainer = made(Plain, tmp_path)
    trainer.model.net[3] = nn.Linear(5, 2)
    before = everything(trainer)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        find(trainer)
    assert same(everything(trainer), before)


def test_what_cannot_be_is_said_in_one_line(tmp_path):
    with pytest.raises(TypeError) as error:
        find(Net())
    assert str(error.value) == "find: trainer must be a transformers.Trainer, got Net; give one"
    trainer = made(Plain, tmp_path)
    trainer.eval_dataset = None
    with pytest.raises(FinderError) as error:
        find(trainer, method="race", steps=100)
    assert str(error.value) == "find: the trainer must have an eval_dataset to race or to train a grid, got none"
    for steps in ("20ep", 0, 2.5):
        with pytest.raises((TypeError, ValueError), match="race: steps must be a whole number of at least 1, got"):
            find(made(Plain, tmp_path), method="race", steps=steps)
    trainer.is_fsdp_enabled = True
    with pytest.raises(FinderError) as error:
        find(trainer)
    assert str(error.value) == (
        "find: each process must hold the whole model, got fsdp, which divides it; search without it"
    )


RANK = """
import sys, torch, transformers
from ratesmith import Constant
from ratesmith.transformers import find

rows = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
data = [{"inputs": row, "labels": int(row.sum() > 0)} for row in rows]

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(6, 2)

    def forward(self, inputs, labels=None):
        logits = self.layer(inputs)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

def made(**options):
    arguments = transformers.TrainingArguments(
        sys.argv[1], learning_rate=0.01, lr_scheduler_type="constant", per_device_train_batch_size=4, report_to=[],
        save_strategy="no", use_cpu=True, disable_tqdm=True, **options
    )
    torch.manual_seed(0)
    return transformers.Trainer(Net(), arguments, train_dataset=data, eval_dataset=data)

theirs = made(max_steps=20, seed=3)
torch.manual_seed(3)
theirs.train()
measured = theirs.evaluate()["eval_loss"]
trainer = made()
assert trainer.args.world_size == 2
before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
# The first of the two trainings leaves hooks on no weight of the second.
found = find(trainer, method="grid", rates=[0.001, 0.01], schedule=Constant(1.0), steps=20, seeds=[3])
assert abs(found.curves[0].losses[1] - measured) < 1e-6, (found.curves[0].losses, measured)
assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())
print("found", find(trainer).suggestion)
torch.distributed.destroy_process_group()
"""


def test_two_processes_train_as_the_trainer_and_agree(tmp_path):
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meet["MASTER_PORT"] = str(free.getsockname()[1])
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(tmp_path)],
            env={**os.environ, **meet, "RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    outs = [rank.communicate(timeout=300) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], outs
    said = [[line for line in out.splitlines() if line.startswith("found")] for out, _ in outs]
    assert said[0] == said[1]
    assert len(said[0]) == 1
